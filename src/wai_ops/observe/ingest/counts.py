"""How many rows there should be: asked of the analytics, else of the log itself.

The analytics count requests, also those whose log was not collected or has been deleted, and lag
behind by minutes; the log counts its own rows. So a count always says until when it counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from wai_ops.cloudflare.graphql import REACH, count_requests
from wai_ops.cloudflare.logs_api import ReadingApi
from wai_ops.observe.ingest.pull_source import LogSource
from wai_ops.observe.ingest.windows import Span
from wai_ops.observe.ledger.pull_status import Count

GRAPHQL = "graphql"
RESULT_INFO = "result_info"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """How far the two of them can be trusted to have counted, and how far was read."""

    analytics: datetime
    log: datetime
    read: datetime | None
    """Beyond it nothing was pulled, so that a count would say nothing; None: nothing was."""

    def end_of(self, day: date, of: datetime) -> datetime:
        """Until when a day is counted."""
        ends = [of, midnight(day) + _DAY]
        if self.read is not None and of < midnight(day) + _DAY:
            ends.append(self.read)  # the day is still running
        return min(ends)


def ask_analytics(
    api: ReadingApi,
    gateway_id: str,
    days: Sequence[date],
    *,
    newest: Newest,
    now: datetime,
    is_patient: bool = True,
) -> list[Count]:
    """Counts of the days that the analytics reach. Raises ApiError and ApiAccessError.

    `is_patient`: as in `ReadingApi.post`.
    """
    at = newest.analytics.replace(microsecond=0)
    reached = [
        (day, newest.end_of(day, at).replace(microsecond=0))
        for day in days
        if midnight(day) > now - REACH + _DAY
    ]
    reached = [(day, until) for day, until in reached if midnight(day) < until]
    if not reached:
        return []
    until = max(until for _, until in reached)
    since = midnight(reached[0][0])
    found = {
        item.day: item.count
        for item in count_requests(api, gateway_id, since, until, is_patient=is_patient)
    }
    return [
        Count(
            day=day,
            source=GRAPHQL,
            counted=found.get(day, 0),
            counted_until=until,
            is_settled=True,
            asked_at=now,
        )
        for day, until in reached
    ]


def ask_log(source: LogSource, day: date, until: datetime, *, now: datetime) -> list[Count]:
    """What the log lists of a day before `until`; nothing where it does not count. One request."""
    if until <= midnight(day):
        return []
    # The log counts both ends of a window; the instant of the end belongs to the next one.
    count = source.count(Span(midnight(day), until - timedelta(microseconds=1)))
    if count is None:
        return []
    return [
        Count(
            day=day,
            source=RESULT_INFO,
            counted=count,
            counted_until=until,
            is_settled=True,
            asked_at=now,
        )
    ]


def midnight(day: date) -> datetime:
    """The beginning of a UTC day."""
    return datetime.combine(day, time(), UTC)
