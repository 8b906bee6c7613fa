"""Values as people read them, by unit: the one place that decides on digits, signs and grouping.

Used by the table, Markdown and HTML. Machines get raw values instead (`values`).
"""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from wai_ops.core.table import Unit
from wai_ops.core.text import one_line

NOTHING = "-"
"""What stands for None: unknown, or not reported."""
_SIGNIFICANT = 6
_CELL_LIMIT = 2000
_ROUND = Context(prec=60, rounding=ROUND_HALF_EVEN)
_BYTE_UNITS = ("kB", "MB", "GB", "TB")


def to_human(value: Any, unit: Unit) -> str:
    """Format one value for people. Text is one line and free of control characters."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    if isinstance(value, int | float | Decimal):
        return _number(value, unit)
    return one_line(str(value), _CELL_LIMIT)


def is_numeric(unit: Unit, values: list[Any]) -> bool:
    """Say whether a column is aligned to the right and never wrapped."""
    if unit in {Unit.TIME, Unit.FLAG}:
        return False
    present = [value for value in values if value is not None]
    if unit is Unit.TEXT:
        return bool(present) and all(
            isinstance(value, int | float | Decimal) and not isinstance(value, bool)
            for value in present
        )
    return True


def _number(value: float | Decimal, unit: Unit) -> str:
    match unit:
        case Unit.USD | Unit.USD_PER_M:
            return _usd(_decimal(value))
        case Unit.NEURONS:
            return _significant(_decimal(value), fewest_decimals=0)
        case Unit.RATIO:
            return _percent(_decimal(value))
        case Unit.MS:
            return _ms(_decimal(value))
        case Unit.BYTES:
            return _bytes(_decimal(value))
        case Unit.COUNT | Unit.TOKENS:
            return f"{value:,}"
        case _:
            return format(value, "f") if isinstance(value, Decimal) else str(value)


def _decimal(value: float | Decimal) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _usd(value: Decimal) -> str:
    if not value.is_finite():
        return str(value)
    sign = "-" if value < 0 else ""
    return sign + "$" + _significant(abs(value), fewest_decimals=2)


def _significant(value: Decimal, *, fewest_decimals: int) -> str:
    """Group thousands; keep six digits that count, so that a small amount is never shown as 0."""
    if not value.is_finite():
        return str(value)
    if not value:
        return format(Decimal(0), f".{fewest_decimals}f")
    decimals = max(fewest_decimals, _SIGNIFICANT - 1 - value.adjusted())
    rounded = value.quantize(Decimal(1).scaleb(-decimals), context=_ROUND)
    text = f"{rounded:,f}"
    if "." not in text:
        return text
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(fewest_decimals, "0")
    return f"{whole}.{fraction}" if fraction else whole


def _percent(value: Decimal) -> str:
    """One decimal; what is neither nothing nor everything is not shown as 0% or 100%."""
    if not value.is_finite():
        return str(value)
    percent = value * 100
    if 0 < percent < Decimal("0.05"):
        return "<0.1%"
    if Decimal("99.95") <= percent < 100:
        return ">99.9%"
    return f"{percent:.1f}%"


def _ms(value: Decimal) -> str:
    """Three digits that count: 1.23 ms, 12.3 ms, 1,234 ms."""
    if not value.is_finite():
        return str(value)
    size = abs(value)
    decimals = 2 if size < 10 else 1 if size < 100 else 0
    return f"{value:,.{decimals}f} ms"


def _bytes(value: Decimal) -> str:
    if abs(value) < 1000:
        return f"{value:,.0f} B"
    for unit in _BYTE_UNITS:
        value /= 1000
        if abs(value) < 1000 or unit == _BYTE_UNITS[-1]:
            break
    return f"{value:,.1f} {unit}"
