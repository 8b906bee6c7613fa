"""Notes that say what a report's numbers stand on: sources, completeness, what is missing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from wai_ops.core.text import counted, one_line
from wai_ops.observe.ledger.status import SHOW_QUARANTINE
from wai_ops.observe.ledger.store import Store, to_aware
from wai_ops.observe.reports.query import query_slice
from wai_ops.observe.reports.slice import Slice

_NAMED_GATEWAYS = 5
SHOW_UNREAD_LINES = 'wai ledger sql "select origin, line, reason from ingest_quarantine"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The row of `evidence.sql`."""

    quarantined_count: int
    unread_line_count: int
    outcome_count: int
    marks: list[dict[str, Any]]
    """Of each gateway whose log was pulled: gateway_id, since, through (naive UTC)."""


class Counted(Protocol):
    """The counts of calls that the notes about sources need."""

    @property
    def request_count(self) -> int:
        """All calls."""

    @property
    def both_count(self) -> int:
        """Known from the client and from the gateway."""

    @property
    def gateway_only_count(self) -> int:
        """Known from the gateway's log alone."""

    @property
    def client_only_count(self) -> int:
        """Known from the client's record alone."""

    @property
    def contract_missing_count(self) -> int:
        """Without at least one of the five metadata keys."""

    @property
    def local_count(self) -> int:
        """Served by the local emulator."""


def read_evidence(store: Store, part: Slice) -> Evidence:
    """Ask the ledger about itself. Raises DataError."""
    return query_slice(store, Evidence, "evidence", part)[0]


def source_notes(counts: Counted, found: Evidence, part: Slice) -> Iterator[str]:
    """Say where the calls are known from, and how far the gateway's log was read."""
    total = counts.request_count
    if total:
        known = {
            "client and gateway": counts.both_count,
            "gateway only": counts.gateway_only_count,
            "client only": counts.client_only_count,
        }
        words = [f"{count:,} {name}" for name, count in known.items() if count]
        yield f"known from: {', '.join(words)}"
    if counts.contract_missing_count:
        yield (
            f"{share(counts.contract_missing_count, total)} lack some or all of the five metadata"
            " keys"
        )
    if counts.local_count:
        yield (
            f"{share(counts.local_count, total)} were served by the local emulator: list prices,"
            " nothing was billed"
        )
    yield from _mark_notes(found, part)


def _mark_notes(found: Evidence, part: Slice) -> Iterator[str]:
    for mark in found.marks[:_NAMED_GATEWAYS]:
        since, through = to_aware(mark["since"]), to_aware(mark["through"])
        late = _is_late(through, part.window.until) or _is_early(since, part.window.since)
        yield (
            f"the log of gateway {one_line(mark['gateway_id'], 80)} was read for"
            f" {since:%Y-%m-%d %H:%M} to {through:%Y-%m-%d %H:%M} (UTC)"
            + (": the window goes beyond that" if late else "")
        )
    if len(found.marks) > _NAMED_GATEWAYS:
        yield f"and of {len(found.marks) - _NAMED_GATEWAYS} more gateways; see: wai logs status"


def _is_late(through: datetime, until: datetime | None) -> bool:
    return until is not None and through < until


def _is_early(since: datetime, wanted: datetime | None) -> bool:
    return wanted is not None and since > wanted


def missing_notes(found: Evidence, in_flight_count: int) -> Iterator[str]:
    """Say what could not be read, and what is still running."""
    if found.quarantined_count:
        yield (
            f"{counted(found.quarantined_count, 'fact')} could not be read and may be missing"
            f" here; see: {SHOW_QUARANTINE}"
        )
    if found.unread_line_count:
        yield (
            f"{counted(found.unread_line_count, 'imported row')} could not be read and may be"
            f" missing here; see: {SHOW_UNREAD_LINES}"
        )
    if in_flight_count:
        yield f"{counted(in_flight_count, 'attempt')} still in flight and not in these numbers"


def share(part: int, whole: int, noun: str = "request") -> str:
    """`3 of 4 requests (75.0%)`."""
    return f"{part:,} of {counted(whole, noun)} ({100 * part / whole:.1f}%)"
