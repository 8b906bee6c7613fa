"""`--fail-on`: conditions over a report's own columns; what is missing is neither yes nor no."""

from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.observe.reports.fail_on import judge, parse_rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str = col("Name")
    count: int = col("Count", Unit.COUNT)
    cost_usd: Decimal | None = col("Cost", Unit.USD)
    ratio: float | None = col("Ratio", Unit.RATIO)
    is_good: bool = col("Good", Unit.FLAG, default=True)


A = Row(name="a", count=3, cost_usd=Decimal("0.1"), ratio=0.5)
B = Row(name="b", count=7, cost_usd=None, ratio=None, is_good=False)
TOTAL = Row(name="total", count=10, cost_usd=Decimal("0.1"), ratio=0.25)


def verdict(text: str, *, total: Row | None = TOTAL, verdict: Verdict | None = None) -> Verdict:
    """Judge the two rows."""
    table = Table(row_type=Row, rows=[A, B], total=total, verdict=verdict)
    judged = judge(table, parse_rule(text)).verdict
    assert judged is not None
    return judged


@pytest.mark.parametrize(
    "text",
    [
        "count > 9",
        "count >= 10 and not (count > 10)",
        "cost_usd == 0.1",
        "cost_usd * 3 == 0.3",
        "count / 4 == 2.5",
        "-count < 0",
        "1 < count < 11",
        "any(count > 6)",
        "any(name == 'b' and count == 7)",
        "all(count > 2)",
        "any(cost_usd > 0)",
        "count > 100 or any(ratio >= 0.5)",
        "any(not is_good)",
        "is_good",
    ],
)
def test_what_holds_fails_the_report(text: str) -> None:
    assert verdict(text) is Verdict.FAIL


@pytest.mark.parametrize(
    "text",
    ["count > 10", "any(count > 7)", "all(count > 3)", "not is_good", "name != 'total'", "1 > 2"],
)
def test_what_does_not_hold_passes_it(text: str) -> None:
    assert verdict(text) is Verdict.PASS


@pytest.mark.parametrize(
    "text",
    [
        "all(cost_usd >= 0)",
        "any(cost_usd > 5)",
        "any(ratio < 0.4)",
        "count / 0 > 1",
        "not (count / 0 > 1)",
        "count > 9 and count / 0 > 1",
    ],
)
def test_a_missing_value_is_neither(text: str) -> None:
    assert verdict(text) is Verdict.WARN


def test_a_decided_part_decides_whatever_is_missing() -> None:
    assert verdict("count > 9 or count / 0 > 1") is Verdict.FAIL
    assert verdict("count > 10 and count / 0 > 1") is Verdict.PASS


def test_without_a_total_a_bare_name_is_any_rows() -> None:
    assert verdict("count == 7", total=None) is Verdict.FAIL
    assert verdict("count == 10", total=None) is Verdict.PASS


def test_a_report_without_rows_decides_nothing() -> None:
    empty = Table(row_type=Row, rows=[])
    assert judge(empty, parse_rule("count > 0")).verdict is Verdict.WARN
    assert judge(empty, parse_rule("any(count > 0)")).verdict is Verdict.PASS


def test_what_had_failed_before_stays_failed() -> None:
    assert verdict("count > 10", verdict=Verdict.FAIL) is Verdict.FAIL


def test_the_note_says_what_was_asked_and_answered() -> None:
    table = Table(row_type=Row, rows=[A, B], total=TOTAL, notes=("before",))
    assert judge(table, parse_rule("count > 10")).notes == (
        "before",
        "fail on count > 10: it is not true",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a condition"),
        ("count >", "is not a condition"),
        ("count = 3", "is not a condition"),
        ("__import__('os')", "the functions are any(...) and all(...)"),
        ("count.real > 1", "there is no Attribute here"),
        ("[count] > 1", "there is no List here"),
        ("count[0] > 1", "there is no Subscript here"),
        ("count ** count > 1", "there is no Pow here"),
        ("(lambda: 1)() > 1", "there is no Lambda here"),
        ("any(x for x in count)", "here"),
        ("any(count > 1, 2)", "takes one condition"),
        ("any(all(count > 1))", "cannot stand inside one another"),
        ("any.x(count)", "here"),
        ("count is 3", "there is no Is here"),
        ("count > None", "is neither a number nor a text"),
        ("count > b'1'", "is neither a number nor a text"),
        ("(" * 3000, "longer than"),
        ("not " * 400 + "is_good", "nested too deeply"),
        (r"name == '\d' + 1", "no number"),
        ("count\0", "is not a condition"),
    ],
)
def test_anything_else_is_a_usage_error(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        verdict(text)
    assert words in caught.value.message


@pytest.mark.parametrize(
    "text", ["count > 'x'", "name > 3", "name + 1 > 2", "count", "count and 1"]
)
def test_texts_and_numbers_are_not_mixed(text: str) -> None:
    with pytest.raises(UsageError):
        verdict(text)


def test_an_unknown_name_lists_the_columns() -> None:
    with pytest.raises(UsageError) as caught:
        verdict("cost > 1 or moon > 2")
    assert caught.value.message == "--fail-on: there is no cost, moon in this report"
    assert caught.value.hint == "one of name, count, cost_usd, ratio, is_good"


@given(st.text(max_size=30) | st.text("count>=<!() 'andorty.1-*/\\", max_size=30))
def test_whatever_is_typed_gives_a_verdict_or_a_usage_error(text: str) -> None:
    try:
        found = verdict(text)
    except UsageError:
        return
    assert found in Verdict


@given(st.decimals(-(10**9), 10**9, places=6), st.decimals(-(10**9), 10**9, places=6))
def test_numbers_compare_exactly(a: Decimal, b: Decimal) -> None:
    row = Row(name="t", count=1, cost_usd=a, ratio=None)
    table = Table(row_type=Row, rows=[], total=row)
    fails = judge(table, parse_rule(f"cost_usd > {b:f}")).verdict is Verdict.FAIL
    assert fails == (a > b)
