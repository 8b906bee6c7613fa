"""Recorded calls as guards meet them: tuples of integers, because there may be millions."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from wai_ops.observe.ledger.database import translated
from wai_ops.observe.ledger.signals import interruptible
from wai_ops.observe.ledger.store import Store, report_sql
from wai_ops.observe.reports.query import filled_text, query_slice
from wai_ops.observe.reports.slice import Slice


class CallState(IntEnum):
    """What a replay can make of a call."""

    KNOWN = 0
    UNKNOWN_COST = 1
    """Its cost is not known or only estimated; an estimate counts, an unknown cost does not."""
    CACHED = 2
    """The gateway answered from its own cache: no guard was asked."""
    REFUSED = 3
    """A guard refused it then: what it would have cost is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRow:
    """A row of `budget_kinds.sql`. None: the calls do not carry the key."""

    tenant: str | None
    workflow: str | None
    prompt: str | None
    model: str | None


CallRow = tuple[int, int, int, int, int, int, str | None]
"""Of `budget_calls.sql`: start and end in microseconds since 1970, kind, cost and worst case in
picodollars, a `CallState`, conversation."""


def budget_kinds(store: Store, part: Slice) -> list[KindRow]:
    """The kinds of calls, in the order of their numbers. Raises DataError."""
    return query_slice(store, KindRow, "budget_kinds", part)


def budget_calls(store: Store, part: Slice) -> list[CallRow]:
    """The calls in the order of their beginnings. Raises DataError."""
    text, values = filled_text("budget_calls", part)
    return _rows(store, text, values)


def resolved_conversations(store: Store) -> set[tuple[str, str, str]]:
    """Tenant, workflow and conversation of what was resolved. Raises DataError."""
    return set(_rows(store, report_sql("budget_resolved"), {}))


def _rows(store: Store, text: str, values: dict[str, Any]) -> list[Any]:
    with translated(store.path):
        rows: list[Any] = interruptible(
            lambda: store.connection.execute(text, values or None).fetchall(),
            store.connection.interrupt,
        )
    return rows
