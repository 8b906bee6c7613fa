"""What the account's bills say: usage by day, charges by day, prepaid credits. Read only.

Rows come as they were sent, with decimals as Decimal; what they mean is for the caller to judge:
which names and units the provider uses for Workers AI is not published.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from wai_ops.cloudflare.api_errors import ApiError
from wai_ops.cloudflare.control import ControlPlane

WIDEST = timedelta(days=31)
"""Days that one call may span, both ends included."""
PERMISSION = "Billing: Read"
_ROOT = "/accounts/{account}"


class BillingApi:
    """The calls on one account. Each raises ApiError or ApiAccessError."""

    def __init__(self, plane: ControlPlane) -> None:
        """Use an open control plane."""
        self._plane = plane

    def usage(self, first: date, last: date) -> list[Mapping[str, Any]]:
        """Rows of consumption from day to day, what is free included; as yet without costs."""
        rows: list[Mapping[str, Any]] = []
        for start, end in _spans(first, last):
            rows += self._rows("/billable/usage", start, end)
        return rows

    def charges(self, first: date, last: date) -> list[Mapping[str, Any]]:
        """Rows with costs, of the billing periods that reach into these days."""
        rows: list[Mapping[str, Any]] = []
        for start, end in _periods(self._anchor_day(), first, last):
            rows += self._rows("/billable-usage", start, end)
        return rows

    def credit_balance(self) -> Any:
        """The balance of prepaid credits, in a unit that is not documented; None: not said."""
        return self._object("/ai-gateway/billing/credit-balance").get("balance")

    def prepaid(self, first: date, last: date) -> list[Mapping[str, Any]]:
        """What prepaid credits were used for, by day, in a unit that is not documented."""
        query = {
            "value_grouping_window": "day",
            "start_time": _millis(first),
            "end_time": _millis(last + timedelta(days=1)),
        }
        found = self._object("/ai-gateway/billing/usage-history", query).get("history")
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []

    def spending_limit(self) -> Mapping[str, Any] | None:
        """The account's own spending limit, where one is left; none can be set any more."""
        found = self._object("/ai-gateway/billing/spending-limit")
        config = found.get("config")
        return config if found.get("enabled") is True and isinstance(config, dict) else None

    def _anchor_day(self) -> int:
        """The day of the month on which a billing period begins; the first where nobody says."""
        subscriptions = self._object("/billable-usage/info").get("subscriptions")
        for one in subscriptions if isinstance(subscriptions, list) else []:
            text = one.get("billing_cycle_anchor_timestamp") if isinstance(one, dict) else None
            try:
                return datetime.fromisoformat(str(text)).astimezone(UTC).day
            except ValueError:
                continue
        return 1

    def _rows(self, path: str, first: date, last: date) -> list[Mapping[str, Any]]:
        query = {"from": first.isoformat(), "to": last.isoformat()}
        found = self._plane.get(f"{_ROOT}{path}?{urlencode(query)}")
        if not isinstance(found, list):
            raise ApiError("the answer holds no list of rows", where=f"GET {path}")
        return [row for row in found if isinstance(row, dict)]

    def _object(self, path: str, query: Mapping[str, object] | None = None) -> Mapping[str, Any]:
        found = self._plane.get(f"{_ROOT}{path}" + (f"?{urlencode(query)}" if query else ""))
        return found if isinstance(found, dict) else {}


def _spans(first: date, last: date) -> Iterator[tuple[date, date]]:
    while first <= last:
        end = min(last, first + WIDEST - timedelta(days=1))
        yield first, end
        first = end + timedelta(days=1)


def _periods(anchor: int, first: date, last: date) -> Iterator[tuple[date, date]]:
    """The billing periods that overlap with these days: each begins on its anchor day."""
    start = _on(first.year, first.month, anchor)
    if start > first:
        before = first.replace(day=1) - timedelta(days=1)
        start = _on(before.year, before.month, anchor)
    while start <= last:
        after = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        following = _on(after.year, after.month, anchor)
        yield start, min(last, following - timedelta(days=1))
        start = following


def _on(year: int, month: int, day: int) -> date:
    """The day of the month, or its last one in a shorter month."""
    following = (date(year, month, 1) + timedelta(days=32)).replace(day=1)
    return date(year, month, min(day, (following - timedelta(days=1)).day))


def _millis(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
