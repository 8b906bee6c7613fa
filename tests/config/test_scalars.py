"""The meaning of plain scalars: the core schema of YAML 1.2 without its traps."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.config.scalars import resolve_plain


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "on",
        "yes",
        "off",
        "y",
        "12:30:45",
        "1_000",
        "2026-01-31",
        "0b11",
        "0O17",
        "1e",
        "+",
        ".",
        "0x",
        "<<",
        "=",
        "None",
        "tRue",
    ],
)
def test_what_other_editions_read_as_something_else_is_text(text: str) -> None:
    assert resolve_plain(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("true", True),
        ("FALSE", False),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("0600", 600),
        ("-007", -7),
        ("00.5", Decimal("00.5")),
        ("0o600", 0o600),
        ("0xfF", 255),
        (".5", Decimal("0.5")),
        ("1.", Decimal(1)),
        ("-1.50", Decimal("-1.50")),
        ("1e3", Decimal("1e3")),
        ("0.10", Decimal("0.10")),
    ],
)
def test_core_schema_values(text: str, value: object) -> None:
    found = resolve_plain(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        ".inf",
        "-.inf",
        "+.Inf",
        ".nan",
        ".NaN",
        "1e400",
        "-1e999",
        "9223372036854775808",
        "1" * 5000,
        "0x" + "f" * 5000,
        "1e-9999",
        "0." + "1" * 100,
    ],
)
def test_numbers_that_no_machine_holds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number"):
        resolve_plain(text)


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9
    )
)
def test_a_fraction_keeps_every_digit_of_the_text(value: Decimal) -> None:
    assert resolve_plain(f"{value:f}") == value


@given(st.text())
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    try:
        found = resolve_plain(text)
    except ValueError:
        return
    assert found is None or isinstance(found, str | int | Decimal)
