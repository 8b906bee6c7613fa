"""`wai budget reconcile`: what agrees, what explains a difference, and what is not understood."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.calls import call, ledger_of
from support.facts import NOON
from wai_ops.cloudflare.billing_api import _periods, _spans
from wai_ops.control.budgets.bills import Bill, read_bill
from wai_ops.control.budgets.reconcile import (
    DayRow,
    Finding,
    Prepaid,
    Sides,
    expected_usd,
    prepaid_total,
    reconcile,
)
from wai_ops.core.table import Table, Verdict
from wai_ops.observe.reports.billed_days import Used, used_by_day

DAY = date(2026, 11, 5)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 23)


def used(neurons: str = "100", *, day: date = DAY, **changes: Any) -> Used:
    values: dict[str, Any] = {
        "on_day": day,
        "call_count": 3,
        "neurons": Decimal(neurons),
        "list_usd": Decimal(neurons) * Decimal("0.000011"),
        "estimated_neurons": Decimal(0),
        "prepaid_neurons": Decimal(0),
        "prepaid_usd": Decimal(0),
        "crossing_neurons": Decimal(0),
        "unknown_count": 0,
        "client_only_count": 0,
    }
    return Used(**(values | changes))


def usage_row(quantity: object, *, day: date = DAY, **changes: Any) -> dict[str, Any]:
    return {
        "ChargePeriodStart": f"{day}T00:00:00.000Z",
        "ConsumedQuantity": quantity,
        "ConsumedUnit": "Neurons",
        "x_BillableMetricName": "Workers AI Neurons",
        "x_ProductFamilyName": "Workers AI",
    } | changes


def bill(*rows: dict[str, Any], metric: str | None = None) -> Bill:
    return read_bill(rows, FIRST, LAST, metric=metric)


def compared(
    ours: list[Used], usage: Bill, charges: Bill | None = None, prepaid: Prepaid | None = None
) -> Table[DayRow]:
    sides = Sides(
        first=FIRST,
        last=LAST,
        used=ours,
        usage=usage,
        charges=charges,
        prepaid=prepaid or Prepaid(balance=0, used=Decimal(0)),
    )
    return reconcile(sides, now=NOW)


@pytest.mark.parametrize(
    ("ours", "billed", "finding", "why"),
    [
        (used("100"), "100", Finding.AGREES, None),
        (used("100"), "100.9", Finding.AGREES, None),
        (used("50000"), "50049", Finding.AGREES, None),
        (used("50000"), "50060", Finding.DIFFERS, "60.0 neurons by nobody that the ledger knows"),
        (
            used("100", estimated_neurons=Decimal(30)),
            "129",
            Finding.EXPLAINED,
            "30.0 neurons in calls with an estimated cost only",
        ),
        (
            used("100", crossing_neurons=Decimal(30)),
            "130",
            Finding.EXPLAINED,
            "30.0 neurons in calls that went on over midnight",
        ),
        (
            used("100", crossing_neurons=Decimal(30)),
            "70",
            Finding.EXPLAINED,
            "30.0 neurons in calls that went on over midnight",
        ),
        (
            used("100", estimated_neurons=Decimal(30)),
            "160",
            Finding.DIFFERS,
            "30.0 neurons in calls with an estimated cost only, 30.0 neurons by nobody",
        ),
        (
            used("100", unknown_count=2),
            "900",
            Finding.EXPLAINED,
            "2 calls whose neurons nobody knows",
        ),
        (used("100"), "40", Finding.DIFFERS, "60.0 neurons that the bill does not have"),
        (
            used("100", prepaid_neurons=Decimal(60)),
            "40",
            Finding.EXPLAINED,
            "60.0 neurons paid with prepaid credits",
        ),
        (
            used("100", prepaid_neurons=Decimal(10)),
            "40",
            Finding.DIFFERS,
            "60.0 neurons that the bill does not have",
        ),
    ],
)
def test_a_day_is_judged_by_what_is_large_enough_to_explain_it(
    ours: Used, billed: str, finding: Finding, why: str | None
) -> None:
    (row,) = compared([ours], bill(usage_row(billed))).rows
    assert row.finding is finding
    assert row.why is None if why is None else str(row.why).startswith(why)


def test_a_day_that_only_one_side_knows_differs() -> None:
    other = DAY + timedelta(days=1)
    table = compared([used("5000")], bill(usage_row("300", day=other)))
    assert [(row.day, row.finding) for row in table.rows] == [
        ("2026-11-05", Finding.DIFFERS),
        ("2026-11-06", Finding.DIFFERS),
    ]
    assert table.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("ago", "finding"), [(0, "may be late"), (1, "may be late"), (3, "differs")]
)
def test_a_recent_day_may_still_grow_on_the_bill(ago: int, finding: str) -> None:
    day = NOW.date() - timedelta(days=ago)
    rows = bill(usage_row("10", day=DAY), usage_row("20", day=day))
    table = compared([used("10"), used("500", day=day)], rows)
    assert table.rows[1].finding == finding
    assert any("how late it is, nobody says" in note for note in table.notes) == (ago < 2)


def test_without_a_bill_nothing_is_said_to_agree() -> None:
    table = compared([used("100")], bill())
    assert [row.finding for row in table.rows] == [Finding.UNKNOWN]
    assert table.rows[0].billed_neurons is None
    assert table.verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("neurons", "usd"),
    [
        ("0", "0"),
        ("10000", "0"),
        ("10000.2", "0.000011"),
        ("10001", "0.000011"),
        ("110000", "1.1"),
    ],
)
def test_money_follows_from_neurons_beyond_the_allowance_of_a_day(neurons: str, usd: str) -> None:
    assert expected_usd(Decimal(neurons)) == Decimal(usd)


def test_the_allowance_and_the_charge_stand_beside_the_list_price() -> None:
    charges = bill(usage_row("110000", BilledCost=Decimal("1.10"), BillingCurrency="USD"))
    (row,) = compared([used("110000")], bill(usage_row("110000")), charges).rows
    assert (row.list_usd, row.free_usd) == (Decimal("1.21"), Decimal("0.11"))
    assert (row.expected_usd, row.billed_usd, row.why) == (Decimal("1.1"), Decimal("1.10"), None)


def test_a_charge_that_does_not_follow_from_its_neurons_is_said() -> None:
    charges = bill(usage_row("110000", BilledCost=Decimal("2.20"), BillingCurrency="USD"))
    (row,) = compared([used("110000")], bill(usage_row("110000")), charges).rows
    assert row.finding is Finding.AGREES
    assert row.why == "charged $2.2 where its neurons come to $1.1"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ConsumedUnit": "Tokens"}, "1 row of usage with unit Tokens: not understood"),
        ({"ConsumedUnit": None, "x_BillableMetricName": None}, "unit None"),
        ({"ConsumedQuantity": None}, "no quantity"),
        ({"ConsumedQuantity": "many"}, "no quantity"),
        ({"ConsumedQuantity": float("nan")}, "no quantity"),
        ({"ChargePeriodStart": "yesterday"}, "no day"),
        ({"BilledCost": 1, "BillingCurrency": "EUR"}, "currency EUR"),
    ],
)
def test_what_is_not_understood_is_named_and_in_no_sum(changes: dict[str, Any], said: str) -> None:
    found = bill(usage_row("100") | changes, usage_row("7"))
    assert found.quantity[DAY] == (107 if "BilledCost" in changes else 7)
    assert found.cost_usd == {}
    table = compared([], found)
    assert any(said in note for note in table.notes), table.notes
    assert table.verdict is not Verdict.PASS


def test_rows_of_other_products_are_left_out_and_named_where_nothing_else_is_there() -> None:
    other = {
        "ChargePeriodStart": f"{DAY}T00:00:00Z",
        "ConsumedQuantity": 9,
        "ConsumedUnit": "Requests",
        "x_ProductFamilyName": "Workers\x1b[31m",
    }
    table = compared([], bill(other))
    note = next(note for note in table.notes if "no row says neurons" in note)
    assert "\x1b" not in note
    assert "see --metric" in note
    assert not any("no row says" in note for note in compared([], bill(other, usage_row(1))).notes)


def test_a_metric_that_the_user_knows_stands_for_neurons() -> None:
    odd = usage_row("42", ConsumedUnit="units", x_BillableMetricName="AI compute")
    assert bill(odd).quantity == {}
    assert bill(odd, metric="AI compute").quantity == {DAY: 42}


def test_days_outside_of_the_month_are_left_out() -> None:
    assert bill(usage_row("1", day=date(2026, 10, 31)), usage_row("2")).quantity == {DAY: 2}


def test_a_day_that_ends_in_another_zone_is_a_day_in_utc() -> None:
    row = usage_row("3") | {"ChargePeriodStart": "2026-11-05T23:30:00-02:00"}
    assert bill(row).quantity == {date(2026, 11, 6): 3}


@pytest.mark.parametrize(
    ("prepaid", "paid", "said"),
    [
        (Prepaid(problem="the token lacks\nit"), "0", "could not be read: the token lacks"),
        (
            Prepaid(spending_limit={"amount": 500, "duration": "monthly"}),
            "0",
            "spending limit of its own (amount 500, duration monthly): it can only be removed",
        ),
        (Prepaid(balance=1234, used=Decimal(0)), "0", "balance 1234 (unit not documented)"),
        (Prepaid(balance=0, used=Decimal(250)), "2.50", "as cents it agrees with the $2.5"),
        (Prepaid(balance=0, used=Decimal(250)), "9", "as cents it does not agree with the $9"),
    ],
)
def test_units_that_nobody_documents_are_called_so(prepaid: Prepaid, paid: str, said: str) -> None:
    ours = used("100", prepaid_usd=Decimal(paid))
    notes = compared([ours], bill(usage_row("100")), None, prepaid).notes
    assert any(said in note for note in notes), notes


def test_prepaid_rows_without_a_number_have_no_sum() -> None:
    assert prepaid_total([{"aggregated_value": Decimal("1.5")}, {"aggregated_value": 2}]) == 3.5
    assert prepaid_total([{"aggregated_value": True}]) is None
    assert prepaid_total([{}]) is None


def test_the_total_adds_up_what_is_known() -> None:
    other = DAY + timedelta(days=1)
    table = compared(
        [used("100"), used("200", day=other)], bill(usage_row("100"), usage_row("250", day=other))
    )
    total = table.total
    assert total is not None
    three = [total.ledger_neurons, total.billed_neurons, total.difference_neurons]
    assert three == [Decimal(300), Decimal(350), Decimal(50)]
    assert (total.call_count, total.billed_usd) == (6, None)


@given(st.integers(1, 31), st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.integers(0, 90))
def test_billing_periods_cover_the_days_and_each_begins_on_its_anchor(
    anchor: int, first: date, length: int
) -> None:
    last = first + timedelta(days=length)
    periods = list(_periods(anchor, first, last))
    assert periods[0][0] <= first
    assert periods[-1][1] == last
    for (start, end), following in zip(periods, [*periods[1:], None], strict=True):
        assert start <= end
        assert start.day == anchor or (start + timedelta(days=1)).day == 1
        assert (end - start).days < 31
        if following is not None:
            assert following[0] == end + timedelta(days=1)


@given(st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.integers(0, 200))
def test_no_call_asks_for_more_than_31_days_and_none_is_left_out(first: date, length: int) -> None:
    last = first + timedelta(days=length)
    asked = [
        start + timedelta(days=number)
        for start, end in _spans(first, last)
        for number in range((end - start).days + 1)
        if (end - start).days < 31
    ]
    assert asked == [first + timedelta(days=number) for number in range(length + 1)]


def test_the_ledger_counts_calls_on_the_day_in_which_they_end(tmp_path: Any) -> None:
    """Local calls, other providers and answers from the gateway's cache are on no such bill."""
    late = NOON.replace(hour=23, minute=59, second=59)
    known = {"neurons": Decimal(10), "cost_usd": Decimal("0.00011")}
    rows = [
        call(1, **known),
        call(2, **known, wholesale=True),
        call(3, **known, started_at=late, duration_ms=5000.0),
        call(4, **known, cost_state="estimated"),
        call(5, cost_state="unknown", neurons=None, cost_usd=None),
        call(6, **known, target="local"),
        call(7, **known, provider="openai"),
        call(8, **known, gateway_cache_hit=True),
        call(9, **known, provider=None, target=None, sources="gateway only"),
    ]
    since, until = NOON - timedelta(days=2), NOON + timedelta(days=2)
    with ledger_of(tmp_path, rows) as store:
        first, second = used_by_day(store, since, until, is_local=False)
        (local,) = used_by_day(store, since, until, is_local=True)
    assert (first.on_day, first.call_count, first.neurons) == (NOON.date(), 5, Decimal(30))
    assert (first.prepaid_neurons, first.estimated_neurons) == (Decimal(10), Decimal(10))
    assert first.unknown_count == 1
    assert (first.list_usd, first.prepaid_usd) == (Decimal("0.00033"), Decimal("0.00011"))
    assert (second.call_count, second.crossing_neurons) == (1, Decimal(10))
    assert (local.call_count, local.neurons) == (1, Decimal(10))
