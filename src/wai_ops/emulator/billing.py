"""What was used and what it cost, as the bills tell it: from the truth's counters, day by day."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.core.clock import parse_utc
from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.errors import ApiError, invalid_query
from wai_ops.emulator.served import WORKERS_AI
from wai_ops.emulator.services import Services
from wai_ops.emulator.times import to_millis_text
from wai_ops.emulator.truth import Truth
from wai_ops.emulator.usage_rows import Day, to_days, to_paid_rows, to_usage_rows

MAX_DAYS = 31
ANCHOR_DAY = 1
"""The billing period begins with the month."""
_DAY = timedelta(days=1)


async def list_usage(services: Services, request: Request) -> Response:
    """`GET /billable/usage`: a row a day, also where all of it was free."""
    params = request.query_params
    today = services.clock.now().date()
    if ("from" in params) != ("to" in params):
        raise invalid_query("from and to belong together")
    first = _date(params.get("from"), "from") or today.replace(day=1)
    last = _date(params.get("to"), "to") or today
    if not first <= last or (last - first).days >= MAX_DAYS:
        raise invalid_query(f"from and to may span {MAX_DAYS} days")
    days = await _days(services, first, last)
    account_id = services.store.identity.account_id
    return json_response(envelope(to_usage_rows(days, account_id=account_id)))


async def list_paid_usage(services: Services, request: Request) -> Response:
    """`GET /billable-usage`: with costs; nothing unless the range has the anchor day in it."""
    params = request.query_params
    today = services.clock.now().date()
    first = _date(params.get("from"), "from") or today.replace(day=ANCHOR_DAY)
    last = _date(params.get("to"), "to") or today
    anchor = last.replace(day=ANCHOR_DAY)
    rows: list[dict[str, Any]] = []
    if first <= anchor <= last:
        rows = to_paid_rows(
            await _days(services, anchor, last),
            account_id=services.store.identity.account_id,
            subscription_id=_subscription(services),
            period_start=_midnight(anchor),
        )
    return json_response(envelope(rows))


async def get_usage_info(services: Services, _request: Request) -> Response:
    """`GET /billable-usage/info`: the subscription, and the day on which its period begins."""
    anchor = _midnight(services.clock.now().date().replace(day=ANCHOR_DAY))
    subscription = {
        "id": _subscription(services),
        "billing_cycle_anchor_timestamp": to_millis_text(anchor),
        "start_timestamp": to_millis_text(anchor),
    }
    return json_response(envelope({"covered": True, "subscriptions": [subscription]}))


async def get_credit_balance(_services: Services, _request: Request) -> Response:
    """`GET /ai-gateway/billing/credit-balance`: no credits were ever bought here."""
    result = {
        "balance": 0,
        "has_default_payment_method": False,
        "payment_method": None,
        "topup_config": {
            "amount": None,
            "threshold": None,
            "disabledReason": None,
            "error": None,
            "lastFailedAt": None,
        },
        "first_topup_success": False,
    }
    return json_response(envelope(result))


async def get_usage_history(services: Services, request: Request) -> Response:
    """`GET /ai-gateway/billing/usage-history`: cents of prepaid traffic an hour or a day.

    Prepaid is what went through a gateway whose Workers AI billing mode is `unified`.
    """
    params = request.query_params
    window = params.get("value_grouping_window")
    if window not in ("day", "hour"):
        raise invalid_query("value_grouping_window must be day or hour")
    start, finish = (_from_millis(params.get(name), name) for name in ("start_time", "end_time"))
    length = _DAY if window == "day" else timedelta(hours=1)
    groups = await Truth(services.store).groups(
        ("hour_at", "wholesale"), start=_hour(start), finish=finish
    )
    sums: dict[datetime, Decimal] = {}
    for (hour, is_prepaid), totals in groups.items():
        if is_prepaid:
            at = parse_utc(hour)
            at = _midnight(at.date()) if window == "day" else at
            sums[at] = sums.get(at, Decimal(0)) + totals.cost
    history = [
        {
            "id": f"{window}-{_millis(at)}",
            "aggregated_value": float(sums[at] * 100),
            "start_time": _millis(at),
            "end_time": _millis(at + length),
        }
        for at in sorted(sums)
    ]
    return json_response(envelope({"history": history}))


async def get_invoice_preview(services: Services, _request: Request) -> Response:
    """`GET /ai-gateway/billing/invoice-preview`: an empty draft of this month."""
    first = _midnight(services.clock.now().date().replace(day=1))
    result = {
        "id": "upcoming",
        "amount_due": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "currency": "usd",
        "invoice_lines": [],
        "period_start": int(first.timestamp()),
        "period_end": int(_midnight((first + 31 * _DAY).date().replace(day=1)).timestamp()),
        "status": "draft",
    }
    return json_response(envelope(result))


async def get_invoice_history(_services: Services, request: Request) -> Response:
    """`GET /ai-gateway/billing/invoice-history`: nothing was ever invoiced here."""
    if request.query_params.get("type", "all") not in ("auto", "manual", "all"):
        raise invalid_query("type must be auto, manual or all")
    pagination = {"has_more": False, "page": 1, "per_page": 20, "total_count": 0}
    return json_response(envelope({"invoices": [], "pagination": pagination}))


async def get_spending_limit(_services: Services, _request: Request) -> Response:
    """`GET /ai-gateway/billing/spending-limit`: none is set."""
    config = {"amount": None, "duration": None, "strategy": None}
    return json_response(envelope({"config": config, "enabled": False}))


async def set_spending_limit(_services: Services, _request: Request) -> Response:
    """`POST /ai-gateway/billing/spending-limit`: was removed, and always refuses."""
    raise ApiError(403, 10000, "Spending limits are no longer supported; use spend_limits")


async def delete_spending_limit(_services: Services, _request: Request) -> Response:
    """`DELETE /ai-gateway/billing/spending-limit`: there is none left."""
    return json_response(envelope({}))


async def _days(services: Services, first: date, last: date) -> list[Day]:
    groups = await Truth(services.store).groups(
        ("hour_at", "provider"), start=_midnight(first), finish=_midnight(last + _DAY)
    )
    hours = {hour: sums.neurons for (hour, who), sums in groups.items() if who == WORKERS_AI}
    return [day for day in to_days(hours) if day.neurons]


def _subscription(services: Services) -> str:
    """An id that is no secret and stays the same."""
    return f"local-{services.store.identity.account_id[:16]}"


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _hour(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(minute=0, second=0, microsecond=0)


def _millis(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _date(text: str | None, name: str) -> date | None:
    if text is None:
        return None
    try:
        day = parse_utc(text).date()
    except (ValueError, OverflowError):
        raise invalid_query(f"{name} must be an ISO 8601 date") from None
    if not date(1970, 1, 1) <= day < date(9999, 1, 1):
        raise invalid_query(f"{name} is out of range")
    return day


def _from_millis(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromtimestamp(float(text) / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        raise invalid_query(f"{name} must be Unix milliseconds") from None
