"""Reading bills whose names and units nobody has published: what is sure, what is not. Pure.

A row is taken for neurons of Workers AI when its unit or its metric says neurons. What is of
Workers AI and counted in something else is named, and nothing is computed from it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from wai_ops.core.text import one_line

_UNIT = "neuron"
_FAMILY = ("workers ai", "workers-ai", "ai inference")
_NAMES = (
    "x_BillableMetricName", "ChargeDescription", "x_ProductFamilyName", "ServiceName",
    "ServiceFamilyName",
)  # fmt: skip


@dataclass(slots=True)
class Bill:
    """Rows added up by day."""

    quantity: dict[date, Decimal] = field(default_factory=dict)
    """Neurons."""
    cost_usd: dict[date, Decimal] = field(default_factory=dict)
    odd: Counter[str] = field(default_factory=Counter)
    """Rows of Workers AI that are not understood, by what is odd about them."""
    others: Counter[str] = field(default_factory=Counter)
    """Rows of other products, by name."""
    row_count: int = 0
    """Those that were added up."""


def read_bill(
    rows: Iterable[Mapping[str, Any]], first: date, last: date, *, metric: str | None = None
) -> Bill:
    """Add up the rows of these days. `metric`: the name that rows of neurons are known to have."""
    bill = Bill()
    for row in rows:
        day = _day(row.get("ChargePeriodStart"))
        names = [str(row[name]) for name in _NAMES if row.get(name)]
        if not _is_neurons(row, names, metric):
            if any(word in name.lower() for word in _FAMILY for name in names):
                bill.odd[f"unit {one_line(str(row.get('ConsumedUnit')), 40)}"] += 1
            else:
                bill.others[one_line(names[-1] if names else "unnamed", 60)] += 1
        elif day is None:
            bill.odd["no day"] += 1
        elif first <= day <= last:
            _add(bill, row, day)
    return bill


def _add(bill: Bill, row: Mapping[str, Any], day: date) -> None:
    quantity, cost = _number(row.get("ConsumedQuantity")), _number(row.get("BilledCost"))
    currency = row.get("BillingCurrency")
    if quantity is None:
        bill.odd["no quantity"] += 1
        return
    bill.row_count += 1
    bill.quantity[day] = bill.quantity.get(day, Decimal(0)) + quantity
    if cost is None:
        return
    if currency not in {None, "USD"}:
        bill.odd[f"currency {one_line(str(currency), 10)}"] += 1
        return
    bill.cost_usd[day] = bill.cost_usd.get(day, Decimal(0)) + cost


def _is_neurons(row: Mapping[str, Any], names: list[str], metric: str | None) -> bool:
    if metric is not None:
        return metric in names
    unit = str(row.get("ConsumedUnit") or "").lower()
    return _UNIT in unit or (not unit and any(_UNIT in name.lower() for name in names[:2]))


def _day(value: Any) -> date | None:
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC).date()
    except ValueError:
        return None


def _number(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
