"""Asking the gateway how many rows there should be, and keeping what it says."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from wai_ops.cloudflare.api_errors import ApiAccessError, ApiError
from wai_ops.cloudflare.graphql import WIDEST
from wai_ops.cloudflare.logs_api import ReadingApi
from wai_ops.core.clock import Clock
from wai_ops.observe.ingest.counts import GRAPHQL, Newest, ask_analytics, ask_log, midnight
from wai_ops.observe.ingest.pull_source import LogSource
from wai_ops.observe.ingest.status import StatusRequest, days_of
from wai_ops.observe.ingest.windows import Span, at_midnights, union
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.pull_status import (
    Count,
    GatewayDay,
    read_completeness,
    store_counts,
)
from wai_ops.observe.ledger.pulls import opened

_DAY = timedelta(days=1)


def count_pulled(
    state_dir: Path,
    clock: Clock,
    pulled: Span,
    *,
    api: ReadingApi,
    gateway_id: str,
    lag_s: float,
    progress: Progress = ignore_progress,
) -> None:
    """Ask the analytics about the days of a pull that has ended: one request, and no patience.

    Of a long pull the last month. Raises ApiAccessError, ApiError and DataError.
    """
    now = clock.now()
    first = max(_floor(pulled.since), _floor(now - WIDEST + _DAY))
    days = [part.since.date() for part in at_midnights(Span(first, pulled.until))]
    newest = Newest(analytics=now - timedelta(seconds=lag_s), log=now, read=pulled.until)
    counts = ask_analytics(api, gateway_id, days, newest=newest, now=now, is_patient=False)
    store_counts(state_dir, clock, gateway_id, counts, progress)


def refresh_counts(
    state_dir: Path,
    clock: Clock,
    request: StatusRequest,
    *,
    api: ReadingApi,
    source_of: Callable[[str], LogSource],
    gateway_ids: Sequence[str],
    lag_s: float,
    progress: Progress = ignore_progress,
) -> tuple[str, ...]:
    """Ask the gateway anew and keep what it says. Returns warnings. Raises ApiError, DataError.

    The analytics are asked first; the log itself where they do not answer or disagree.
    """
    now, settle_s = clock.now(), request.settle_s
    whole = days_of(request, now)
    warnings = []
    for gateway_id in gateway_ids:
        with opened(state_dir, clock, progress) as connection:
            found = read_completeness(
                connection, whole.since, whole.until, gateway_id, settle_s=settle_s
            )
        read = union(Span(*span) for span in found.read.get(gateway_id, []))
        newest = Newest(
            analytics=now - timedelta(seconds=lag_s),
            log=now - timedelta(seconds=request.hold_back_s),
            read=read[-1].until if read else None,
        )
        first = whole.since
        if request.since is None:
            # Of a log that nothing is known of, the newest day that can be counted.
            first = min((midnight(day.day) for day in found.days), default=newest.log)
        days = [part.since.date() for part in at_midnights(Span(_floor(first), whole.until))]
        try:
            counts = ask_analytics(api, gateway_id, days, newest=newest, now=now)
        except (ApiAccessError, ApiError) as error:
            warnings.append(f"the analytics did not answer: {error.message}")
            counts = []
        store_counts(state_dir, clock, gateway_id, counts, progress)
        with opened(state_dir, clock, progress) as connection:
            found = read_completeness(
                connection, whole.since, whole.until, gateway_id, settle_s=settle_s
            )
        listed = [
            count
            for day, until in _in_doubt(days, counts, found.days, newest)
            for count in ask_log(source_of(gateway_id), day, until, now=now)
        ]
        store_counts(state_dir, clock, gateway_id, listed, progress)
    return tuple(warnings)


def _in_doubt(
    days: Sequence[date], counts: Sequence[Count], held: Sequence[GatewayDay], newest: Newest
) -> list[tuple[date, datetime]]:
    """The days that the analytics do not know, or count differently, and until when."""
    untils = {count.day: count.counted_until for count in counts}
    agreed = {
        day.day
        for day in held
        if day.day in untils and day.counted == day.held_until_count and day.counted_by == GRAPHQL
    }
    return [
        (day, untils.get(day) or newest.end_of(day, newest.log))
        for day in days
        if day not in agreed
    ]


def _floor(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
