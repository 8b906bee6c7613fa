"""Rows of the ledger's smaller tables, put in as they are."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from support.calls import Call, fill
from support.facts import NOON
from wai_ops.observe.ledger.store import Store

TOOL: dict[str, Any] = {
    "tenant": "acme",
    "workflow": "triage",
    "conversation_id": "c1",
    "turn_index": 0,
    "model": "@cf/a/one",
    "tool_name": "search.web",
    "tool_family": "search",
    "arguments_sha256": "aa",
    "started_at": NOON,
    "duration_ms": 100.0,
    "output_tokens": 40.0,
    "source": "otlp",
}
DECISION: dict[str, Any] = {
    "decision_id": "d1",
    "occurred_at": NOON,
    "policy_version": "2026-03-01.1",
    "verdict": "allow",
    "action": "tool:search.web",
    "tenant": "acme",
    "workflow": "triage",
    "conversation_id": "c1",
    "turn_index": 0,
}


def put(store: Store, table: str, **values: Any) -> None:
    """Insert one row."""
    names = ", ".join(values)
    marks = ", ".join(f"${name}" for name in values)
    bound = {
        name: value.replace(tzinfo=None) if isinstance(value, datetime) else value
        for name, value in values.items()
    }
    store.connection.execute(f"insert into {table} ({names}) values ({marks})", bound)


def put_tool(store: Store, **changes: Any) -> None:
    """Insert one tool call."""
    put(store, "tool_call", **(TOOL | changes))


def refill(store: Store, calls: Iterable[Call] = (), tools: Iterable[dict[str, Any]] = ()) -> Store:
    """Make these the only facts of an open ledger."""
    for table in ("tool_call", "decision", "session_event"):
        store.connection.execute(f"delete from {table}")
    fill(store, calls)
    for tool in tools:
        put_tool(store, **tool)
    return store
