"""One figure, one value: whatever two reports both say of the same slice is the same."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.test_report_oracle import DAY, GROUPS, Bench, calls, refusals, slices
from support.calls import Call, add, clear, end, ledger_of, refuse, roll_up
from wai_ops.config.settings import Settings
from wai_ops.core.window import Window
from wai_ops.observe.reports.affinity import affinity_report
from wai_ops.observe.reports.anomalies import Measure, anomaly_report
from wai_ops.observe.reports.audit_cost import AuditGrouping, audit_report
from wai_ops.observe.reports.cache import cache_report
from wai_ops.observe.reports.cost import CostNumbers, cost_report
from wai_ops.observe.reports.failures import failures_report
from wai_ops.observe.reports.kpi import kpi_report
from wai_ops.observe.reports.overview import build_overview
from wai_ops.observe.reports.slice import Condition, Dimension, Slice
from wai_ops.observe.reports.slo import SloRequest, slo_report

DAY_WINDOW = Window(None, None)
NOW = DAY + timedelta(days=5)
NONE = Settings()
OUTCOMES = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from("ab"),
        st.sampled_from(["c1", "c2", "c3"]),
        st.sampled_from(["resolved", "failed"]),
    ),
    max_size=4,
)
ADDED = (
    *("request_count", "run_count", "failed_count", "input_tokens", "cached_input_tokens"),
    *("output_tokens", "metered_cost_usd", "confirmed_cost_usd", "estimated_cost_usd"),
    *("unknown_cost_count", "cost_usd", "neurons", "retried_cost_usd", "failed_run_cost_usd"),
    *("truncated_cost_usd", "cold_prefix_cost_usd", "denied_count"),
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One ledger for all examples; each fills it anew."""
    held = Bench()
    with ledger_of(tmp_path_factory.mktemp("ledger")) as held.store:
        yield held
    del held.store


def total(values: Iterable[Any]) -> Any:
    """The sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


@given(
    st.lists(calls(), min_size=1, max_size=12),
    st.lists(refusals(), max_size=3),
    OUTCOMES,
    slices(),
    st.sampled_from(GROUPS),
)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_reports_of_one_slice_do_not_contradict_each_other(
    bench: Bench,
    rows: list[Call],
    unsent: list[Call],
    outcomes: list[tuple[str, str, str, str]],
    part: Slice,
    by: Dimension,
) -> None:
    store = bench.store
    clear(store)
    add(store, rows)
    for tenant, workflow, conversation, outcome in outcomes:
        end(store, conversation, outcome, tenant=tenant, workflow=workflow)
    roll_up(store)
    silent = cost_report(store, part)
    refuse(store, unsent)
    cost = cost_report(store, part)
    assert cost == silent, "what is refused before it is sent is no call"
    if cost.total is None:
        assert kpi_report(store, part, NONE, NOW).total is None
        sent = failures_report(store, part, None, now=NOW).rows
        assert all(row.request_count == row.refused_count for row in sent)
        return
    every = cost.total

    table = cost_report(store, part, by)
    assert table.total is not None
    for name in ADDED:
        whole = getattr(every, name)
        assert getattr(table.total, name) == whole
        assert (total(getattr(row, name) for row in table.rows) or 0) == (whole or 0)
    for name in ("conversation_count", "resolved_count", "resolved_cost_usd"):
        assert getattr(table.total, name) == getattr(every, name)

    cache = cache_report(store, part, Dimension.WORKFLOW)
    affinity = affinity_report(store, part)
    audit = audit_report(store, part, AuditGrouping.CACHED)
    kpi = kpi_report(store, part, NONE, NOW)
    slo = slo_report(store, part, SloRequest(settings=NONE.slo, now=NOW))
    failures = failures_report(store, part, None, now=NOW)
    assert cache.total is not None
    assert affinity.total is not None
    assert audit.total is not None
    assert kpi.total is not None
    assert slo.total is not None
    of_all = (cache.total, affinity.total, audit.total)
    assert {table.request_count for table in of_all} == {every.request_count}
    sent_count = sum(row.request_count - row.refused_count for row in failures.rows)
    assert sent_count == every.failed_count
    assert (total(row.cost_usd for row in failures.rows) or 0) <= (every.cost_usd or 0)

    judged = ("hit_count", "partial_count", "miss_count", "unjudged_count")
    assert sum(getattr(affinity.total, name) for name in judged) == every.request_count
    missed = {affinity.total.cold_prefix_cost_usd, cache.total.cold_prefix_cost_usd}
    assert missed == {every.cold_prefix_cost_usd}
    assert affinity.total.cache_saved_usd == cache.total.cache_saved_usd

    verdicts = ("agreed_count", "different_count", "not_compared_count")
    assert sum(getattr(audit.total, name) for name in verdicts) == every.request_count
    assert (audit.total.own_cost_usd or 0) <= (every.cost_usd or 0)

    assert kpi.total.resolved_cost_usd == every.resolved_cost_usd
    assert kpi.total.cached_input_ratio == cache.total.cached_input_ratio
    by_name = {getattr(row, "workflow"): row for row in cost.rows}  # noqa: B009 - made at run time
    for row in kpi.rows:
        assert row.resolved_cost_usd == by_name[row.name].resolved_cost_usd
    succeeded = slo.total.ended_run_count - slo.total.failed_run_count
    if slo.total.cost_per_success_usd is not None and every.cost_usd is not None:
        rest = slo.total.cost_per_success_usd * succeeded - every.cost_usd
        assert abs(rest) <= succeeded * Decimal("1e-12")


@given(st.lists(calls(), min_size=1, max_size=12), slices())
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_page_shows_one_cost(bench: Bench, rows: list[Call], part: Slice) -> None:
    clear(bench.store)
    add(bench.store, rows)
    roll_up(bench.store)
    every = cost_report(bench.store, part).total
    page = build_overview(bench.store, part, NONE, now=NOW)
    tables = [exhibit.table for section in page.sections for exhibit in section.exhibits]
    costs = {item.total.cost_usd for item in tables if isinstance(item.total, CostNumbers)}
    assert costs == (set() if every is None else {every.cost_usd})


@given(st.lists(calls(), min_size=1, max_size=12))
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
def test_conversations_add_up_and_anomalies_are_among_them(bench: Bench, rows: list[Call]) -> None:
    clear(bench.store)
    add(bench.store, rows)
    roll_up(bench.store)
    everything = Slice(DAY_WINDOW)
    table = cost_report(bench.store, everything, Dimension.CONVERSATION)
    for row in table.rows:
        name = getattr(row, "conversation")  # noqa: B009 - made at run time
        one = Slice(DAY_WINDOW, (Condition(Dimension.CONVERSATION, name or ""),))
        found = cost_report(bench.store, one).total
        assert found is not None
        assert found.cost_usd == row.cost_usd
    costs = {getattr(row, "conversation"): row.cost_usd for row in table.rows}  # noqa: B009
    for item in anomaly_report(bench.store, everything, Measure.COST).rows:
        assert costs[f"{item.tenant or ''}:{item.workflow or ''}:{item.conversation_id}"] == (
            item.cost_usd
        )
