"""Recorded calls as guards meet them: tuples of integers, because there may be millions."""

from dataclasses import dataclass
from typing import Any

from wai_ops.observe.ledger.database import translated
from wai_ops.observe.ledger.signals import interruptible
from wai_ops.observe.ledger.store import Store, report_sql
from wai_ops.observe.reports.query import filled_text, query_slice
from wai_ops.observe.reports.slice import Slice


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRow:
    """A row of `budget_kinds.sql`. None: the calls do not carry the key, or nobody asked."""

    tenant: str | None
    workflow: str | None
    prompt: str | None
    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCounts:
    """The row of `budget_states.sql`."""

    cached_count: int
    """The gateway answered from its own cache: no guard was asked."""
    refused_count: int
    """A guard refused them then: what they would have cost is not known."""
    unknown_cost_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Which keys of a call any guard looks at; conversations are known by the workflow as well."""

    by_tenant: bool
    by_prompt: bool
    by_model: bool


CallRow = tuple[int, int, int, int, int, str | None]
"""Of `budget_calls.sql`: start and end in microseconds since 1970, kind, cost and worst case in
picodollars, conversation."""


def budget_kinds(store: Store, part: Slice, keys: Keys) -> list[KindRow]:
    """The kinds of calls, in the order of their numbers. Raises DataError."""
    return query_slice(
        store,
        KindRow,
        "budget_kinds",
        part,
        by_tenant=keys.by_tenant,
        by_prompt=keys.by_prompt,
        by_model=keys.by_model,
    )


def budget_calls(store: Store, part: Slice, keys: Keys) -> list[CallRow]:
    """The calls in the order of their beginnings. Raises DataError."""
    text, values = filled_text(
        "budget_calls",
        part,
        by_tenant=keys.by_tenant,
        by_prompt=keys.by_prompt,
        by_model=keys.by_model,
    )
    return _rows(store, text, values)


def state_counts(store: Store, part: Slice) -> StateCounts:
    """What a replay can make of the calls. Raises DataError."""
    return query_slice(store, StateCounts, "budget_states", part)[0]


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
