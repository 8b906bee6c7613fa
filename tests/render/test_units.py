"""How one value looks to a person, by its unit."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.table import Unit
from wai_ops.render.units import is_numeric, to_human


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, Unit.USD, "-"),
        (Decimal(0), Unit.USD, "$0.00"),
        (Decimal("0.5"), Unit.USD, "$0.50"),
        (Decimal("0.000000000001"), Unit.USD, "$0.000000000001"),
        (Decimal("0.000123456789"), Unit.USD, "$0.000123457"),
        (Decimal("1.23456789"), Unit.USD, "$1.23457"),
        (Decimal("9.9999999"), Unit.USD, "$10.00"),
        (Decimal("1234567.891"), Unit.USD, "$1,234,567.89"),
        (Decimal("-0.25"), Unit.USD, "-$0.25"),
        (Decimal("0.027"), Unit.USD_PER_M, "$0.027"),
        (Decimal(0), Unit.NEURONS, "0"),
        (Decimal("0.0909"), Unit.NEURONS, "0.0909"),
        (Decimal("1234567.891"), Unit.NEURONS, "1,234,568"),
        (Decimal("1500.000000"), Unit.NEURONS, "1,500"),
        (1234567, Unit.COUNT, "1,234,567"),
        (0, Unit.TOKENS, "0"),
        (0.0, Unit.RATIO, "0.0%"),
        (0.0001, Unit.RATIO, "<0.1%"),
        (0.721, Unit.RATIO, "72.1%"),
        (0.9999, Unit.RATIO, ">99.9%"),
        (1, Unit.RATIO, "100.0%"),
        (1.234, Unit.MS, "1.23 ms"),
        (12.34, Unit.MS, "12.3 ms"),
        (1234.5, Unit.MS, "1,234 ms"),
        (999, Unit.BYTES, "999 B"),
        (1500, Unit.BYTES, "1.5 kB"),
        (12_345_678, Unit.BYTES, "12.3 MB"),
        (7 * 10**15, Unit.BYTES, "7,000.0 TB"),
        (True, Unit.FLAG, "yes"),
        (False, Unit.FLAG, "no"),
        (datetime(2026, 3, 14, 12, tzinfo=UTC), Unit.TIME, "2026-03-14 12:00:00Z"),
        (
            datetime(2026, 3, 14, 12, tzinfo=timezone(timedelta(hours=13))),
            Unit.TIME,
            "2026-03-13 23:00:00Z",
        ),
        (Decimal("1.50"), Unit.TEXT, "1.50"),
        (7, Unit.TEXT, "7"),
        ("two\nlines\x1b[31m", Unit.TEXT, "two␊lines␛[31m"),
        (float("nan"), Unit.MS, "NaN"),
        (Decimal("Infinity"), Unit.USD, "Infinity"),
    ],
)
def test_a_value_is_shown_with_the_digits_that_are_true(value: Any, unit: Unit, shown: str) -> None:
    assert to_human(value, unit) == shown


@given(st.decimals(min_value="0.000000000001", max_value=10**12, places=12))
def test_an_amount_is_off_by_less_than_half_a_cent_and_a_millionth_of_itself(
    amount: Decimal,
) -> None:
    shown = Decimal(to_human(amount, Unit.USD).removeprefix("$").replace(",", ""))
    assert shown > 0
    assert abs(shown - amount) <= min(Decimal("0.005"), amount / 100_000)


@pytest.mark.parametrize(
    ("unit", "values", "answer"),
    [
        (Unit.COUNT, [], True),
        (Unit.TEXT, [1, None, Decimal(2)], True),
        (Unit.TEXT, [1, "a"], False),
        (Unit.TEXT, [True], False),
        (Unit.TEXT, [None], False),
        (Unit.TIME, [None], False),
        (Unit.FLAG, [True], False),
    ],
)
def test_free_columns_of_numbers_are_numeric_too(
    unit: Unit, values: list[Any], answer: bool
) -> None:
    assert is_numeric(unit, values) is answer
