"""What the reports must say, worked out in plain Python from the rows."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar

NumberT = TypeVar("NumberT", int, float, Decimal)


def nearest_rank(values: Iterable[NumberT], percent: int) -> NumberT | None:
    """The smallest value with at least `percent` of the values at or below it."""
    ordered = sorted(values)
    if not ordered:
        return None
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(rank, 1) - 1]


def three_digits(value: float | None) -> float | None:
    """Rounded to three significant digits, half away from zero; below 10 to two decimals."""
    if value is None:
        return value
    exact = Decimal(repr(value))
    place = Decimal(1).scaleb(max(exact.adjusted(), 0) - 2)
    return float(exact.quantize(place, rounding=ROUND_HALF_UP))


def quantile_ms(values: Sequence[float | None], percent: int) -> float | None:
    """As reports show durations."""
    return three_digits(nearest_rank([v for v in values if v is not None], percent))


def known_cost(rows: Iterable[dict[str, Any]]) -> Decimal | None:
    """The sum of what is known; None where nothing is."""
    known = [
        row["cost_usd"] for row in rows if row["cost_state"] in {"metered", "confirmed", "none"}
    ]
    return sum(known, Decimal(0)) if known else None
