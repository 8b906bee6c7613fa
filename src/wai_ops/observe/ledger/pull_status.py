"""The ledger's side of completeness: what is held, what was read, what the gateway counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from wai_ops.core.clock import Clock
from wai_ops.observe.ledger.database import run, transaction
from wai_ops.observe.ledger.naive import to_aware, to_naive
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.pulls import opened


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayDay:
    """One gateway on one UTC day, as the ledger knows it. Times are aware."""

    gateway_id: str
    day: date
    held_count: int
    counted: int | None
    counted_by: str | None
    counted_until: datetime | None
    is_settled: bool | None
    listed_count: int | None
    """Rows that the log itself lists before `counted_until`."""
    held_until_count: int | None
    """Rows held before `counted_until`."""
    read_count: int | None
    """What the log itself counted in the day's windows when each was read; None where one has no
    such count, or where windows overlap."""
    read_until: datetime | None
    """The end of the last of those windows."""
    is_read_early: bool
    """A window was read so soon after its end that rows may have come late."""
    duplicate_count: int
    late_row_count: int
    late_field_count: int
    without_contract_count: int
    pending_count: int
    window_count: int
    partial_window_count: int
    is_sampled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many rows somebody else counts on a day, before `counted_until`."""

    day: date
    source: str
    counted: int
    counted_until: datetime
    is_settled: bool
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """Days, and what was read of each gateway's log in order."""

    days: Sequence[GatewayDay]
    read: dict[str, list[tuple[datetime, datetime]]]


def store_counts(
    state_dir: Path,
    clock: Clock,
    gateway_id: str,
    counts: Sequence[Count],
    progress: Progress = ignore_progress,
) -> None:
    """Keep counts, each in place of its source's last one of that day. Raises DataError."""
    with opened(state_dir, clock, progress) as connection, transaction(connection):
        for count in counts:
            key = {"gateway_id": gateway_id, "source": count.source, "day": count.day}
            run(connection, "pulls/count_delete", **key)
            run(
                connection,
                "pulls/count_insert",
                **key,
                counted=count.counted,
                counted_until=to_naive(count.counted_until),
                is_settled=count.is_settled,
                asked_at=to_naive(count.asked_at),
            )


def pulled_gateways(
    state_dir: Path, clock: Clock, progress: Progress = ignore_progress
) -> list[tuple[str, str]]:
    """Gateways whose log was pulled, with the source of the latest reading. Raises DataError."""
    with opened(state_dir, clock, progress) as connection:
        return [(row[0], row[1]) for row in run(connection, "pulls/gateways")]


def read_completeness(
    connection: duckdb.DuckDBPyConnection,
    since: datetime,
    until: datetime,
    gateway_id: str | None,
    *,
    settle_s: float,
) -> Completeness:
    """Everything that the ledger knows of [since, until), which are midnights.

    Rows may come `settle_s` seconds after their time.
    """
    window = {"since": to_naive(since), "until": to_naive(until)}
    rows = run(connection, "pulls/status", **window, gateway_id=gateway_id, settle_s=settle_s)
    names = GatewayDay.__dataclass_fields__
    days = [
        GatewayDay(**{name: to_aware(value) for name, value in zip(names, row, strict=True)})
        for row in rows
    ]
    read = {}
    for name in sorted({day.gateway_id for day in days}):
        spans = run(connection, "pulls/coverage", **window, gateway_id=name)
        read[name] = [(to_aware(start), to_aware(end)) for start, end in spans]
    return Completeness(days=days, read=read)
