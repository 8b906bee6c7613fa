"""`wai report kpi --by`: all three numbers for each group, as the long reports have them."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports2.oracle import nearest_rank
from reports2.rows import put_tool, refill
from support.calls import Call, call, end, hours, ledger_of
from support.cli import Wai
from support.facts import NOON
from wai_ops.config.settings import CacheSettings, Settings, SloSettings, SloTargets
from wai_ops.core.table import Table
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.cache import cache_report
from wai_ops.observe.reports.cost import cost_report
from wai_ops.observe.reports.kpi import KpiNumbers, kpi_report
from wai_ops.observe.reports.slice import Dimension, Slice, parse_where
from wai_ops.observe.reports.tools import CARRIED

NOW = hours(1)
WINDOW = Slice(Window(hours(-23), NOW))
CONFIG = Settings(
    slo=SloSettings(
        cost_per_resolved_usd=Decimal("0.30"),
        workflows={"invoice": SloTargets(cost_per_resolved_usd=Decimal("0.10"))},
    ),
    cache=CacheSettings(target_ratio=Decimal("0.4"), workflows={"invoice": Decimal("0.5")}),
)
GROUPS = [item for item in Dimension if item not in {Dimension.ERROR, Dimension.CONVERSATION}]


def named(table: Table[Any], by: Dimension) -> dict[str | None, Any]:
    """The rows of a table by the name of their group."""
    return {getattr(row, by.value): row for row in table.rows}


@pytest.fixture
def two(store: Store) -> Store:
    """Two tenants, two models, and the period before."""
    refill(
        store,
        [
            call(1, tenant="a", model="m1", conversation_id="c1", cost_usd=Decimal("0.10")),
            call(2, tenant="a", model="m2", conversation_id="c1", cost_usd=Decimal("0.50")),
            call(3, tenant="b", model="m1", conversation_id="c2", cached_input_tokens=900),
            call(4, tenant="a", conversation_id="c0", started_at=hours(-30), cost_usd=Decimal(1)),
        ],
    )
    end(store, "c1", "resolved", tenant="a")
    end(store, "c0", "resolved", tenant="a")
    for tokens in (40.0, 60.0):
        put_tool(store, tenant="a", model="m1", output_tokens=tokens)
    put_tool(store, tenant="c", model="m3", output_tokens=7.0)
    put_tool(store, tenant="a", model="m1", output_tokens=30.0, started_at=hours(-30))
    return store


def test_each_group_has_its_three_numbers_targets_trends_and_base(two: Store) -> None:
    table = kpi_report(two, WINDOW, CONFIG, NOW, Dimension.TENANT)
    rows = named(table, Dimension.TENANT)
    assert list(rows) == ["a", "b", "c"], "the dearest first, then who has tool calls alone"
    a = rows["a"]
    assert (a.resolved_cost_usd, a.resolved_cost_target_usd) == (Decimal("0.60"), Decimal("0.30"))
    assert a.resolved_cost_change_ratio == -0.4
    assert (a.cached_input_ratio, a.cached_input_target_ratio) == (0.4, Decimal("0.4"))
    assert (a.output_tokens_p95, a.output_tokens_p95_change_ratio) == (60.0, 1.0)
    assert a.verdict == "fail"
    assert a.basis == (
        "1 resolved, 1 of 1 conversation with an outcome; 2 of 2 calls with a known cost,"
        " 2 report cached input; 2 of 2 tool calls with output tokens, from otlp"
    )
    b, c = rows["b"], rows["c"]
    assert (b.resolved_cost_usd, b.cached_input_ratio, b.output_tokens_p95) == (None, 0.9, None)
    assert (b.resolved_cost_change_ratio, b.verdict) == (None, "unknown")
    assert (c.resolved_cost_usd, c.cached_input_ratio, c.output_tokens_p95) == (None, None, 7.0)
    total = table.total
    assert total is not None
    assert total.output_tokens_p95 == 60.0
    assert (total.resolved_cost_target_usd, total.verdict) == (None, None)


def test_the_total_is_that_of_the_page_whatever_the_groups(two: Store) -> None:
    page = kpi_report(two, WINDOW, CONFIG, NOW).total
    assert page is not None
    for by in GROUPS:
        total = kpi_report(two, WINDOW, CONFIG, NOW, by).total
        assert total is not None
        for name in (
            "resolved_cost_usd",
            "resolved_cost_change_ratio",
            "cached_input_ratio",
            "cached_input_delta_ratio",
        ):
            assert getattr(total, name) == getattr(page, name), by
        carried = page.output_tokens_p95 if by in CARRIED else None
        assert total.output_tokens_p95 == carried


def test_what_tool_calls_do_not_carry_is_said(two: Store) -> None:
    table = kpi_report(two, WINDOW, CONFIG, NOW, Dimension.GATEWAY)
    assert {row.output_tokens_p95 for row in table.rows} == {None}
    assert "tool calls do not carry a gateway, so there are no output tokens here" in table.notes
    part = Slice(WINDOW.window, parse_where(["route!=/x"]))
    table = kpi_report(two, part, CONFIG, NOW, Dimension.TENANT)
    assert {row.output_tokens_p95 for row in table.rows} == {None}
    assert any("what --where asks for, so there are no output" in note for note in table.notes)


def test_a_workflow_has_its_own_targets_and_a_mix_the_general_ones(store: Store) -> None:
    refill(store, [call(1, workflow="invoice"), call(2, workflow="other")])
    rows = named(kpi_report(store, WINDOW, CONFIG, NOW, Dimension.WORKFLOW), Dimension.WORKFLOW)
    targets = {name: row.resolved_cost_target_usd for name, row in rows.items()}
    assert targets == {"invoice": Decimal("0.10"), "other": Decimal("0.30")}
    rows = named(kpi_report(store, WINDOW, CONFIG, NOW, Dimension.MODEL), Dimension.MODEL)
    assert {row.cached_input_target_ratio for row in rows.values()} == {Decimal("0.4")}


def test_days_are_held_against_the_same_day_of_the_period_before(store: Store) -> None:
    midnight = NOON.replace(hour=0)
    day = timedelta(days=1)
    refill(
        store,
        [
            call(1, conversation_id="x", started_at=midnight, cached_input_tokens=500),
            call(2, conversation_id="y", started_at=midnight + day, cached_input_tokens=900),
            call(3, conversation_id="z", started_at=midnight - 2 * day, cached_input_tokens=200),
        ],
    )
    two_days = Slice(Window(midnight, midnight + 2 * day))
    rows = named(kpi_report(store, two_days, CONFIG, NOW, Dimension.DAY), Dimension.DAY)
    deltas = {name: row.cached_input_delta_ratio for name, row in rows.items()}
    first, second = (f"{midnight + n * day:%Y-%m-%d}" for n in range(2))
    assert deltas[second] is None
    assert round(deltas[first], 12) == 0.3
    odd = Slice(Window(midnight, midnight + timedelta(hours=30)))
    table = kpi_report(store, odd, CONFIG, NOW, Dimension.DAY)
    assert {row.cached_input_delta_ratio for row in table.rows} == {None}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", None]),
            st.sampled_from(["m1", "m2", None]),
            st.integers(0, 48),
            st.sampled_from(["c1", "c2"]),
            st.integers(0, 1000),
        ),
        max_size=12,
    ),
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", None]),
            st.sampled_from(["m1", None]),
            st.integers(0, 48),
            st.none() | st.integers(0, 999),
        ),
        max_size=8,
    ),
    st.sampled_from(GROUPS),
)
def test_every_figure_is_that_of_cost_of_cache_and_of_plain_python(
    store: Store, drawn: list[Any], tools: list[Any], by: Dimension
) -> None:
    rows: list[Call] = [
        call(
            number,
            tenant=tenant,
            model=model,
            started_at=hours(-hour),
            conversation_id=conversation,
            cached_input_tokens=cached,
        )
        for number, (tenant, model, hour, conversation, cached) in enumerate(drawn)
    ]
    refill(store, rows)
    end(store, "c1", "resolved", tenant="a")
    for tenant, model, hour, tokens in tools:
        put_tool(store, tenant=tenant, model=model, started_at=hours(-hour), output_tokens=tokens)
    part = Slice(Window(hours(-24), None))
    table = kpi_report(store, part, CONFIG, NOW, by)
    costs, caches = cost_report(store, part, by), cache_report(store, part, by)
    found = named(table, by)
    for name, cost in named(costs, by).items():
        assert found[name].resolved_cost_usd == cost.resolved_cost_usd
    for name, cache in named(caches, by).items():
        assert found[name].cached_input_ratio == cache.cached_input_ratio
    if by not in CARRIED:
        assert set(found) == set(named(costs, by))
        return
    carried: dict[Any, list[int]] = {}
    for tenant, model, hour, tokens in tools:
        at = hours(-hour)
        names = {
            Dimension.TENANT: tenant,
            Dimension.MODEL: model,
            Dimension.WORKFLOW: "triage",
            Dimension.DAY: f"{at:%Y-%m-%d}",
        }
        if at >= hours(-24):
            carried.setdefault(names[by], []).extend([] if tokens is None else [tokens])
    assert set(found) == set(named(costs, by)) | set(carried)
    for name, values in carried.items():
        assert found[name].output_tokens_p95 == nearest_rank(values, 95)


def test_the_command_takes_what_the_other_reports_take(wai: Wai) -> None:
    with ledger_of(wai.folder / ".wai") as store:
        refill(
            store,
            [
                call(1, tenant="a", cost_usd=Decimal("0.5"), gateway_id="=x()"),
                call(2, tenant="b", conversation_id="c2", workflow="other"),
            ],
        )
        end(store, "c1", "resolved", tenant="a")
    since = ("--since", f"{NOON:%Y-%m-%d}")
    done = wai("report", "kpi", *since, "--by", "tenant", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["tenant"] for row in told["rows"]] == ["a", "b"]
    assert told["total"]["tenant"] == "total"
    rule = "any(resolved_cost_usd > 0.4)"
    assert wai("report", "kpi", *since, "--by", "tenant", "--fail-on", rule).exit_code == 1
    only = ("--where", "tenant=b")
    assert wai("report", "kpi", *since, *only, "--by", "tenant", "--fail-on", rule).exit_code == 0
    done = wai("report", "kpi", *since, "--by", "tenant", "--compare", "previous", "--json")
    assert "resolved_cost_usd_delta" in json.loads(done.stdout)["rows"][0]
    for fmt in ("table", "jsonl", "csv", "md", "html"):
        done = wai("report", "kpi", *since, "--by", "gateway", "--format", fmt)
        assert done.exit_code == 0, done.stderr
        assert ("'=x()" if fmt == "csv" else "=x()") in done.stdout
    assert wai("report", "kpi", "--by", "conversation").exit_code == 2


def test_the_row_type_is_named_by_its_group() -> None:
    from wai_ops.observe.reports import kpi

    made: type[KpiNumbers] = kpi.KpiByModel
    assert made.__name__ == "KpiByModel"
    with pytest.raises(AttributeError):
        _ = kpi.KpiByMoon
