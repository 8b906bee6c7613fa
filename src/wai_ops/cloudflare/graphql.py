"""The analytics API: how many requests each gateway had on each day.

It answers HTTP 200 even when it refuses, with `errors` beside or in place of `data`. It looks 62
days back and 32 days wide, and lags behind by minutes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from wai_ops.cloudflare.api_errors import ApiAccessError, ApiError
from wai_ops.cloudflare.logs_api import ReadingApi
from wai_ops.core.text import one_line

REACH = timedelta(days=62)
WIDEST = timedelta(days=31)
"""The API allows 32; a whole number of days beside a cut one stays below it."""
_MOST_GROUPS = 10_000
_WHAT = "POST /graphql"
_QUERY = """\
query RequestsByDay($account: string!, $gateway: string!, $since: Time!, $until: Time!) {
  viewer {
    accounts(filter: {accountTag: $account}) {
      aiGatewayRequestsAdaptiveGroups(
        limit: 10000
        filter: {gateway: $gateway, datetime_geq: $since, datetime_lt: $until}
        orderBy: [date_ASC]
      ) {
        count
        dimensions { date }
      }
    }
  }
}
"""
_DENIED = ("authz", "not authorized", "does not have access", "permission")


@dataclass(frozen=True, slots=True)
class DayCount:
    """Requests of one gateway on one UTC day."""

    day: date
    count: int


def count_requests(
    api: ReadingApi,
    gateway_id: str,
    since: datetime,
    until: datetime,
    *,
    is_patient: bool = True,
) -> list[DayCount]:
    """Requests by day in [since, until); days without any are left out.

    `is_patient`: as in `ReadingApi.post`.

    Raises ApiAccessError when the token may not read analytics, ApiError otherwise.
    """
    found: dict[date, int] = {}
    start = since
    while start < until:
        end = min(until, start + WIDEST)
        for item in _counted(api, gateway_id, start, end, is_patient=is_patient):
            # Two queries meet within a day where `since` is no midnight.
            found[item.day] = found.get(item.day, 0) + item.count
        start = end
    return [DayCount(day, count) for day, count in sorted(found.items())]


def _counted(
    api: ReadingApi, gateway_id: str, since: datetime, until: datetime, *, is_patient: bool
) -> Iterator[DayCount]:
    variables = {
        "account": api.account_id,
        "gateway": gateway_id,
        "since": f"{since:%Y-%m-%dT%H:%M:%SZ}",
        "until": f"{until:%Y-%m-%dT%H:%M:%SZ}",
    }
    query = {"query": _QUERY, "variables": variables}
    response = api.post("/graphql", query, what=_WHAT, is_patient=is_patient)
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    match body:
        case {"errors": [first, *_]}:
            raise _refused(first)
        case {"data": {"viewer": {"accounts": [account, *_]}}}:
            groups = account.get("aiGatewayRequestsAdaptiveGroups")
        case _:
            groups = None
    if not isinstance(groups, list):
        raise ApiError("the answer holds no groups", where=_WHAT)
    if len(groups) >= _MOST_GROUPS:
        raise ApiError("the answer was cut off", where=_WHAT)
    for group in groups:
        match group:
            case {"count": int(count), "dimensions": {"date": str(day)}}:
                yield DayCount(_day(day), count)
            case _:
                raise ApiError("a group has no date or no count", where=_WHAT)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ApiError("a group has no date", where=_WHAT) from error


def _refused(error: Any) -> ApiError | ApiAccessError:
    """The first of the errors of an answer with status 200."""
    values = error if isinstance(error, dict) else {}
    message = one_line(str(values.get("message") or "no reason told"), 200)
    extensions = values.get("extensions")
    code = extensions.get("code") if isinstance(extensions, dict) else None
    if code == "authz" or any(words in message.lower() for words in _DENIED):
        return ApiAccessError(message, where=_WHAT, status=200, code=None)
    return ApiError(message, where=_WHAT, status=200)
