"""Rows of `model_call` for report tests, put in without any of the code that usually makes them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from support.facts import NOON, ManualClock
from wai_ops.observe.ledger.conversations import refresh_conversations
from wai_ops.observe.ledger.rollup import refresh_rollups
from wai_ops.observe.ledger.store import Store, open_ledger

Call = dict[str, Any]
TABLES = (
    "stored_call",
    "outcome",
    "decision",
    "rollup_day",
    "rollup_failure",
    "rollup_latency",
    "rollup_dirty",
    "conversation_day",
    "conversation_outcome",
    "rollup_conversation",
    "conversation_stale",
    "outcome_dirty",
)


def call(number: int, **changes: Any) -> Call:
    """One call with ids of its own that succeeded; `changes` say what is special about it."""
    return {
        "is_first": True,
        "is_last": True,
        "sources": "client only",
        "run_id": f"run-{number}",
        "attempt_id": f"attempt-{number}",
        "started_at": NOON,
        "tenant": "acme",
        "workflow": "triage",
        "conversation_id": "c1",
        "turn_index": 0,
        "attempt": 1,
        "prompt_name": "triage",
        "prompt_version": "3",
        "contract": "complete",
        "gateway_id": "default",
        "provider": "workers-ai",
        "model": "@cf/a/one",
        "target": "cloudflare",
        "endpoint": "/ai/v1/chat/completions",
        "http_status": 200,
        "gateway_cache_hit": False,
        "input_tokens": 1000,
        "cached_input_tokens": 400,
        "output_tokens": 50,
        "ttft_ms": 210.25,
        "duration_ms": 2000.125,
        "cost_state": "metered",
        "cost_usd": Decimal("0.000123456789"),
        "neurons": Decimal("11.223344454545"),
        "in_usd_per_m": Decimal("0.1"),
        "cached_in_usd_per_m": Decimal("0.01"),
        "out_usd_per_m": Decimal("0.3"),
        "price_source": "built-in",
        "price_as_of": "2026-08-28",
    } | changes


def fill(store: Store, rows: Iterable[Call]) -> None:
    """Make these the only calls of the ledger, with their roll-ups."""
    clear(store)
    add(store, rows)
    roll_up(store)
    assert store.connection.execute("from rollup_dirty").fetchall() == []


def clear(store: Store) -> None:
    """Forget every call, outcome and decision, and what was made of them."""
    for table in TABLES:
        store.connection.execute(f"delete from {table}")
    store.connection.execute("delete from wai_meta where key = 'conversations_kept'")


def add(store: Store, rows: Iterable[Call]) -> None:
    """Load calls, and note their days as whoever loads calls does."""
    by_names: dict[tuple[str, ...], list[Call]] = defaultdict(list)
    for row in rows:
        by_names[tuple(row)].append(row)
    for names, alike in by_names.items():
        marks = ", ".join([f"({', '.join('?' * len(names))})"] * len(alike))
        values = [_naive(row[name]) for row in alike for name in names]
        columns = ", ".join(names)
        store.connection.execute(
            "create or replace temp table new_call as from matched_by_key limit 0"
        )
        store.connection.execute(f"insert into new_call ({columns}) values {marks}", values)
        store.connection.execute("insert into stored_call by name from stored_form('new_call')")
        days = [(_naive(row["started_at"]).date(),) for row in alike]
        store.connection.executemany("insert into rollup_dirty values (?)", days)


def refused(number: int, **changes: Any) -> Call:
    """A call that was refused before there was an attempt, with the names that a call has.

    `is_last`: no attempt of its run was sent before, so that this is how the run ended.
    """
    return {
        "is_last": True,
        "sources": "client only",
        "run_id": f"refused-{number}",
        "started_at": NOON,
        "tenant": "acme",
        "workflow": "triage",
        "conversation_id": "c1",
        "prompt_name": "triage",
        "prompt_version": "3",
        "gateway_id": None,
        "provider": None,
        "model": "@cf/a/one",
        "target": None,
        "endpoint": None,
        "error_type": "local_policy",
        "error_message": "it is not allowed",
        "cost_state": "none",
        "cost_usd": Decimal(0),
    } | changes


def refuse(store: Store, rows: Iterable[Call]) -> None:
    """Put in the decisions by which these were refused."""
    for number, row in enumerate(rows):
        model = row["model"]
        values = {
            "decision_id": f"decision-{number}",
            "occurred_at": _naive(row["started_at"]),
            "policy_version": "2026-03-01.1",
            "verdict": "deny",
            "action": "model_call" if model is None else f"model_call {model}",
            "parent_id": None if row["is_last"] else "decision-before",
            "is_refused_call": True,
        } | {
            name: row[name]
            for name in (
                *("run_id", "tenant", "workflow", "conversation_id", "prompt_name"),
                *("prompt_version", "error_type", "error_message"),
            )
        }
        names, marks = ", ".join(values), ", ".join(f"${name}" for name in values)
        store.connection.execute(f"insert into decision ({names}) values ({marks})", values)


def remove(store: Store, since: datetime, until: datetime) -> None:
    """Forget the calls of [since, until), and note their days."""
    part = {"since": _naive(since), "until": _naive(until)}
    chosen = "where started_at >= $since and started_at < $until"
    store.connection.execute(
        f"insert into rollup_dirty select distinct started_at::date from model_call {chosen}", part
    )
    store.connection.execute(f"delete from stored_call {chosen}", part)


def roll_up(store: Store) -> None:
    """Bring everything derived up to date, as opening the ledger does."""
    refresh_rollups(store.connection, ManualClock())
    refresh_conversations(store.connection)


def end(store: Store, conversation_id: str, outcome: str, **changes: Any) -> None:
    """Record how a conversation ended."""
    values = {
        "tenant": "acme",
        "workflow": "triage",
        "conversation_id": conversation_id,
        "outcome": outcome,
        "source": "recorded",
        "recorded_at": NOON,
    } | changes
    names, marks = ", ".join(values), ", ".join(f"${name}" for name in values)
    bound = {key: _naive(value) for key, value in values.items()}
    store.connection.execute(f"insert into outcome ({names}) values ({marks})", bound)
    store.connection.execute(
        "insert into outcome_dirty values ($tenant, $workflow, $conversation_id)",
        {name: values[name] for name in ("tenant", "workflow", "conversation_id")},
    )


@contextmanager
def ledger_of(folder: Path, rows: Iterable[Call] = ()) -> Iterator[Store]:
    """An open ledger that holds exactly these calls."""
    with open_ledger(folder, ManualClock()) as store:
        fill(store, rows)
        yield store


def hours(count: float) -> datetime:
    """Noon and so many hours."""
    return NOON + timedelta(hours=count)


def _naive(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.replace(tzinfo=None)
    return value
