"""`wai report audit-cost`: two costs side by side, and the trap with cached input."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports2.rows import refill
from support.calls import Call, call
from support.cli import Wai
from support.facts import attempt, record_attempts
from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table, Verdict
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.audit_cost import (
    AuditGrouping,
    AuditRow,
    audit_report,
    parse_share,
)
from wai_ops.observe.reports.slice import Slice

ALWAYS = Slice(Window(None, None))
IN, CACHED, OUT = Decimal("0.95"), Decimal("0.16"), Decimal("4.00")
MILLION = Decimal(1_000_000)


def priced(number: int, cached: int | None, gateway: Decimal | str | None, **more: Any) -> Call:
    """1,000 tokens in, 100 out, some of the input cached; ours is worked out here."""
    hit = cached or 0
    own = ((1000 - hit) * IN + hit * CACHED + 100 * OUT) / MILLION
    values = {
        "sources": "client+gateway",
        "input_tokens": 1000,
        "cached_input_tokens": cached,
        "output_tokens": 100,
        "cost_usd": own,
        "in_usd_per_m": IN,
        "cached_in_usd_per_m": CACHED,
        "out_usd_per_m": OUT,
        "gateway_cost_usd": None if gateway is None else Decimal(gateway),
    }
    return call(number, **(values | more))


OWN_600 = (400 * IN + 600 * CACHED + 100 * OUT) / MILLION
FULL = (1000 * IN + 100 * OUT) / MILLION
TWICE = FULL + 600 * CACHED / MILLION
NO_COST: dict[str, Any] = {"cost_state": "unknown", "cost_usd": None}


def report(
    store: Store,
    rows: list[Call],
    by: AuditGrouping = AuditGrouping.MODEL,
    fail_above: str | None = None,
) -> Table[AuditRow]:
    limit = None if fail_above is None else parse_share(fail_above)
    refill(store, rows)
    return audit_report(store, ALWAYS, by, fail_above=limit)


def test_the_full_price_on_a_cache_hit_is_found_and_named(store: Store) -> None:
    rows = [
        priced(1, 600, OWN_600),
        priced(2, 600, FULL),
        priced(3, 600, TWICE),
        priced(4, 0, FULL),
        priced(5, None, FULL),
    ]
    table = report(store, rows, AuditGrouping.CACHED)
    told = {row.group: row for row in table.rows}
    assert set(told) == {"51-75%", "0%", "not reported"}
    hits = told["51-75%"]
    assert (hits.request_count, hits.agreed_count, hits.different_count) == (3, 1, 2)
    assert (hits.full_price_count, hits.charged_twice_count) == (1, 1)
    assert hits.drift_usd == hits.absolute_drift_usd == FULL + TWICE - 2 * OWN_600
    assert hits.largest_drift_usd == TWICE - OWN_600
    assert hits.gateway_cost_usd == OWN_600 + FULL + TWICE
    assert hits.own_cost_usd == 3 * OWN_600
    assert told["0%"].drift_usd == told["not reported"].drift_usd == 0
    assert table.total is not None
    assert table.total.drift_ratio == pytest.approx(
        float((FULL + TWICE - 2 * OWN_600) / (3 * OWN_600 + 2 * FULL)), rel=1e-15
    )
    words = " ".join(table.notes)
    assert "1 of 2 calls that differ cost what they would without the discount" in words
    assert (
        "1 of 2 calls that differ cost what they would with cached input charged in full" in words
    )


def test_each_call_that_cannot_be_compared_has_one_reason(store: Store) -> None:
    rows = [
        priced(1, 0, FULL),
        priced(2, 0, None, sources="client only"),
        priced(3, 0, None),
        priced(4, 0, "9", gateway_custom_cost=True),
        priced(5, 0, "9", **NO_COST),
        priced(6, None, "9", **(NO_COST | {"input_tokens": None, "output_tokens": None})),
        priced(7, 0, "9", cost_state="estimated", cost_usd=Decimal(9), price_source="gateway"),
        priced(8, 0, "0", cost_state="none", cost_usd=Decimal(0), gateway_cache_hit=True),
    ]
    table = report(store, rows)
    assert table.total is not None
    total = table.total
    assert (total.request_count, total.agreed_count, total.different_count) == (8, 2, 0)
    assert total.not_compared_count == 6
    assert (total.gateway_cost_usd, total.own_cost_usd) == (FULL, FULL)
    said = [note for note in table.notes if note.startswith("not compared")]
    assert said == [
        "not compared: 1 of 8 requests (12.5%) have no row of the gateway",
        "not compared: 1 of 8 requests (12.5%) have a row without a cost",
        "not compared: 1 of 8 requests (12.5%) were logged with a custom cost",
        "not compared: 1 of 8 requests (12.5%) have no usage to compute from",
        "not compared: 2 of 8 requests (25.0%) are of a model that has no known price",
    ]


def test_a_refused_call_that_the_gateway_charges_for_differs(store: Store) -> None:
    table = report(store, [priced(1, 0, "0.5", cost_state="none", cost_usd=Decimal(0))])
    [row] = table.rows
    assert (row.different_count, row.drift_usd, row.drift_ratio) == (1, Decimal("0.5"), None)
    assert report(store, [priced(1, 0, "0.5", cost_state="none", cost_usd=Decimal(0))],
                  fail_above="50%").verdict is Verdict.FAIL  # fmt: skip


def test_drifts_in_both_directions_do_not_cancel_out(store: Store) -> None:
    step = Decimal("0.0001")
    table = report(store, [priced(1, 0, FULL + step), priced(2, 0, FULL - step)])
    assert table.total is not None
    assert table.total.drift_usd == 0
    assert table.total.absolute_drift_usd == 2 * step


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [("2%", Verdict.PASS), ("0.02", Verdict.PASS), ("1.999%", Verdict.FAIL), ("0", Verdict.FAIL)],
)
def test_exactly_the_share_is_not_above_it(store: Store, limit: str, verdict: Verdict) -> None:
    rows = [priced(1, 0, FULL * Decimal("1.02"))]
    assert report(store, rows, fail_above=limit).verdict is verdict


def test_where_nothing_can_be_compared_the_answer_is_neither_yes_nor_no(store: Store) -> None:
    assert report(store, [priced(1, 0, None)], fail_above="2%").verdict is Verdict.WARN
    assert report(store, [], fail_above="2%").verdict is Verdict.WARN


@settings(max_examples=12)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1000),
            st.one_of(st.none(), st.decimals(min_value=0, max_value=1, places=9)),
            st.sampled_from(["m1", "m2"]),
        ),
        max_size=15,
    )
)
def test_every_sum_is_exact(store: Store, parts: list[tuple[int, Decimal | None, str]]) -> None:
    rows = [priced(n, cached, gateway, model=model)
            for n, (cached, gateway, model) in enumerate(parts)]  # fmt: skip
    compared = [row for row in rows if row["gateway_cost_usd"] is not None]
    drifts = [row["gateway_cost_usd"] - row["cost_usd"] for row in compared]
    differ = [
        abs(drift) > max(Decimal("0.000000001"), row["cost_usd"] / 1000)
        for drift, row in zip(drifts, compared, strict=True)
    ]
    for by in (AuditGrouping.MODEL, AuditGrouping.CACHED, AuditGrouping.DAY):
        table = report(store, rows, by)
        if not rows:
            assert table.total is None
            continue
        assert table.total is not None
        for row, scope in ((table.total, None), *((row, row.group) for row in table.rows)):
            assert row.agreed_count + row.different_count + row.not_compared_count == (
                row.request_count
            )
            if scope is None:
                assert row.different_count == sum(differ)
                assert (row.drift_usd or 0) == sum(drifts)
                assert (row.absolute_drift_usd or 0) == sum(map(abs, drifts))
        assert sum(row.drift_usd or Decimal(0) for row in table.rows) == sum(drifts)


def test_a_share_is_a_number_with_or_without_a_percent_sign(store: Store) -> None:
    assert parse_share(" 2% ") == parse_share("0.02") == Decimal("0.02")
    for text in ("", "%", "two", "-1%", "nan", "inf"):
        with pytest.raises(UsageError, match="is no share"):
            parse_share(text)


def test_the_command_exits_1_above_the_share(wai: Wai) -> None:
    record_attempts(wai.folder / ".wai", [attempt(1)])
    told = json.loads(wai("report", "audit-cost", "--json").stdout)
    assert told["total"]["not_compared_count"] == 1
    assert wai("report", "audit-cost", "--fail-above", "2%").exit_code == 0
    assert wai("report", "audit-cost", "--fail-above", "lots").exit_code == 2
    for by in AuditGrouping:
        assert wai("report", "audit-cost", "--by", by.value).exit_code == 0


def test_the_notes_say_where_the_calls_are_known_from(store: Store) -> None:
    refill(store, [call(1, sources="gateway only", target="local"), call(2, contract="missing")])
    notes = audit_report(store, Slice(Window(None, None)), AuditGrouping.MODEL).notes
    assert "known from: 1 gateway only, 1 client only" in notes
    assert "1 of 2 requests (50.0%) lack some or all of the five metadata keys" in notes
