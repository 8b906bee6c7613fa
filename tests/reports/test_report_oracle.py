"""Every figure of the reports against plain Python, from roll-ups and from the table alike."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support import report_oracle as oracle
from support.calls import Call, fill, ledger_of, refuse, refused
from wai_ops.core.table import Table
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.affinity import affinity_report, low_ranks
from wai_ops.observe.reports.cache import cache_report
from wai_ops.observe.reports.cost import cost_report
from wai_ops.observe.reports.failures import failures_report
from wai_ops.observe.reports.slice import Condition, Dimension, Slice

DAY = datetime(2026, 3, 10, tzinfo=UTC)
NAMES = st.sampled_from(["a", "b", None])
TOKENS = st.integers(0, 5000)
USD = st.decimals(0, 99, places=12)
EDGES = [timedelta(days=n, microseconds=m) for n in range(4) for m in (-1, 0, 1)]
times = st.sampled_from(EDGES) | st.integers(0, 4 * 86_400_000_000).map(
    lambda count: timedelta(microseconds=count)
)
instants = times.map(lambda since: DAY + since)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """One call of any kind that the ledger can hold."""
    state = draw(
        st.sampled_from(["metered", "metered", "confirmed", "estimated", "unknown", "none"])
    )
    priced = state in {"metered", "confirmed", "estimated"}
    error = draw(
        st.none()
        | st.sampled_from(["capacity", "spend_limit", "output_truncated", "unknown", "new"])
    )
    tokens = draw(TOKENS) if priced or draw(st.booleans()) else None
    rates = priced and draw(st.integers(0, 9)) > 0
    return {
        "is_first": draw(st.booleans()),
        "is_last": draw(st.booleans()),
        "sources": draw(st.sampled_from(["client+gateway", "gateway only", "client only"])),
        "started_at": draw(instants),
        "tenant": draw(NAMES),
        "workflow": draw(NAMES),
        "conversation_id": draw(st.sampled_from(["c1", "c2", "c3", None])),
        "prompt_name": draw(NAMES),
        "prompt_version": draw(st.sampled_from(["1", "2", None])),
        "contract": draw(st.sampled_from(["complete", "partial", "missing"])),
        "gateway_id": draw(NAMES),
        "provider": draw(NAMES),
        "model": draw(NAMES),
        "target": draw(st.sampled_from(["cloudflare", "local", None])),
        "endpoint": draw(NAMES),
        "error_type": error,
        "error_message": draw(st.sampled_from([None, "it broke"])) if error else None,
        "finish_reason": draw(st.sampled_from(["stop", "length", None])),
        "gateway_cache_hit": draw(st.sampled_from([True, False, False, None])),
        "input_tokens": tokens,
        "cached_input_tokens": None if tokens is None else draw(st.none() | st.integers(0, tokens)),
        "output_tokens": draw(st.none() | TOKENS),
        "ttft_ms": draw(
            st.none() | st.sampled_from([0.005, 0.5, 9.994, 9.995, 99.95, 100.5, 1234.5])
        ),
        "affinity_result": draw(st.sampled_from(["hit", "miss", "partial", "unknown", None])),
        "affinity_cause": draw(
            st.sampled_from([None, "new", *oracle.CAUSES, "prefix_changed@17", "not_reported"])
        ),
        "cacheable_tokens": draw(st.none() | TOKENS),
        "cost_state": state,
        "cost_usd": draw(USD) if priced else Decimal(0) if state == "none" else None,
        "neurons": draw(st.none() | USD) if priced else Decimal(0) if state == "none" else None,
        "in_usd_per_m": Decimal("0.95") if rates else None,
        "cached_in_usd_per_m": Decimal("0.16") if rates else None,
        "price_source": draw(st.sampled_from([None, "built-in", "config"])),
        "price_as_of": draw(st.sampled_from(["2026-01-01", "2026-02-01"])),
    }


@st.composite
def refusals(draw: st.DrawFn) -> Call:
    """One call that was refused before it was sent."""
    return refused(
        0,
        is_last=draw(st.booleans()),
        started_at=draw(instants),
        tenant=draw(NAMES),
        workflow=draw(NAMES),
        conversation_id=draw(st.sampled_from(["c1", "c2", None])),
        prompt_name=draw(NAMES),
        prompt_version=draw(st.sampled_from(["1", None])),
        model=draw(NAMES),
        error_type=draw(st.sampled_from(["local_policy", "local_budget", "capacity"])),
        error_message=draw(st.sampled_from([None, "it broke", "not allowed"])),
    )


@st.composite
def slices(draw: st.DrawFn, *, with_error: bool = False) -> Slice:
    """Any window and any conditions."""
    since, until = draw(st.none() | instants), draw(st.none() | instants)
    if since is not None and until is not None and since >= until:
        since, until = until, since + timedelta(microseconds=1)
    keys = [key for key in Dimension if with_error or key is not Dimension.ERROR]
    where = []
    for key in draw(st.lists(st.sampled_from(keys), max_size=2)):
        value = draw(st.sampled_from(VALUES.get(key, ["a", "b", ""])))
        where.append(Condition(key, value, is_equal=draw(st.booleans())))
    return Slice(Window(since, until), tuple(where))


VALUES = {
    Dimension.DAY: [(date(2026, 3, 10) + timedelta(days=n)).isoformat() for n in range(3)],
    Dimension.PROMPT: ["a@1", "b", ""],
    Dimension.TARGET: ["cloudflare", "local", ""],
    Dimension.SOURCE: ["client only", "gateway only"],
    Dimension.CONVERSATION: ["a:b:c1", ":b:c2", ""],
    Dimension.ERROR: ["capacity", "unknown", ""],
}
GROUPS = [item for item in Dimension if item is not Dimension.ERROR]


class Bench:
    """Holds the open ledger for as long as the tests run, and no longer."""

    store: Store


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One ledger for all examples; each fills it anew."""
    held = Bench()
    with ledger_of(tmp_path_factory.mktemp("ledger")) as held.store:
        yield held
    del held.store


def expected(rows: list[Call], part: Slice) -> list[Call]:
    """The calls of a slice, chosen by the oracle."""
    where = [(item.key.value, item.value, item.is_equal) for item in part.where]
    return oracle.chosen(rows, part.window.since, part.window.until, where)


def same(found: Any, wanted: dict[str, Any]) -> None:
    """Each figure to the last digit; shares of integers are one division of doubles."""
    shown = {name: getattr(found, name) for name in wanted}
    assert shown == wanted


def check(table: Table[Any], wanted: dict[Any, list[Call]], by: str, numbers: Any) -> None:
    """Every row, no others, and the total."""
    assert {getattr(row, by) for row in table.rows} == set(wanted)
    assert len(table.rows) == len(wanted)
    for row in table.rows:
        same(row, numbers(wanted[getattr(row, by)]))
    everything = [call for group in wanted.values() for call in group]
    if everything:
        same(table.total, numbers(everything))
    else:
        assert table.total is None


many = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(rows=st.lists(calls(), max_size=14), part=slices(), by=st.sampled_from(GROUPS))
def test_cost_and_cache_agree_with_plain_python(
    rows: list[Call], part: Slice, by: Dimension, bench: Bench
) -> None:
    fill(bench.store, rows)
    groups = oracle.grouped(expected(rows, part), by.value)
    for is_rolled in (True, False):
        table = cost_report(bench.store, part, by, is_rolled=is_rolled)
        check(table, groups, by.value, oracle.cost_numbers)
        cached = cache_report(bench.store, part, by, is_rolled=is_rolled)
        check(cached, groups, by.value, oracle.cache_numbers)
    assert (
        cost_report(bench.store, part, by).notes
        == cost_report(bench.store, part, by, is_rolled=False).notes
    )


@many
@given(rows=st.lists(calls(), max_size=14), part=slices(), by=st.sampled_from(GROUPS))
def test_affinity_agrees_with_plain_python(
    rows: list[Call], part: Slice, by: Dimension, bench: Bench
) -> None:
    fill(bench.store, rows)
    groups = oracle.grouped(expected(rows, part), by.value)
    check(affinity_report(bench.store, part, by), groups, by.value, oracle.affinity_numbers)


@many
@given(
    sent=st.lists(calls(), max_size=14),
    unsent=st.lists(refusals(), max_size=4),
    part=slices(with_error=True),
    by=st.none() | st.sampled_from(GROUPS),
)
def test_failures_agree_with_plain_python(
    sent: list[Call], unsent: list[Call], part: Slice, by: Dimension | None, bench: Bench
) -> None:
    fill(bench.store, sent)
    refuse(bench.store, unsent)
    rows = [*sent, *unsent]
    now = DAY + timedelta(days=5)
    inside = expected(rows, part)
    failed = [call for call in inside if call["error_type"] is not None]
    others = tuple(item for item in part.where if item.key is not Dimension.ERROR)
    base = len(expected(rows, Slice(part.window, others)))
    tables = [failures_report(bench.store, part, by, now=now, is_rolled=r) for r in (True, False)]
    assert tables[0] == tables[1]
    groups: dict[Any, list[Call]] = {}
    for call in failed:
        name = None if by is None else oracle.NAME[by.value](call)
        groups.setdefault((call["error_type"], name), []).append(call)
    found = {
        (row.error_type, None if by is None else getattr(row, by.value)): row  # type: ignore[attr-defined]
        for row in tables[0].rows
    }
    assert set(found) == set(groups)
    if failed:
        assert tables[0].total is not None
        same(tables[0].total, oracle.failure_numbers(failed))
    for key, row in found.items():
        same(row, oracle.failure_numbers(groups[key]))
        assert row.refused_count == sum(call in unsent for call in groups[key])
        texts = [c for c in groups[key] if c["error_message"] is not None]
        newest = max(texts, key=lambda c: (c["started_at"], c["error_message"]), default=None)
        assert row.example == (None if newest is None else newest["error_message"])
        assert row.request_ratio == len(groups[key]) / base
        assert row.failure_ratio == len(groups[key]) / len(failed)
        before = previous(rows, part, now, by, key)
        assert row.previous_count == before
        assert row.trend_ratio == (None if not before else (len(groups[key]) - before) / before)


def previous(
    rows: list[Call], part: Slice, now: datetime, by: Dimension | None, key: tuple[str, Any]
) -> int | None:
    """How many of a class and group there were in the period before."""
    since, until = part.window.since, part.window.until or now
    if since is None:
        return None
    earlier = Slice(Window(since - (until - since), since), part.where)
    return sum(
        (call["error_type"], None if by is None else oracle.NAME[by.value](call)) == key
        for call in expected(rows, earlier)
    )


def test_the_ranks_of_the_interval_are_those_of_the_binomial_distribution() -> None:
    ranks = low_ranks()
    assert [ranks[n - 1] for n in (1, 5, 6, 8, 9, 12, 20, 100)] == [0, 0, 1, 1, 2, 3, 6, 40]
    assert all(rank == oracle.sign_test_rank(n) for n, rank in enumerate(ranks[:60], start=1))


def test_a_gain_has_an_interval_as_soon_as_there_are_six_pairs(bench: Bench) -> None:
    from support.calls import call

    def pair(number: int) -> list[Call]:
        name = f"c{number}"
        return [
            call(2 * number, conversation_id=name, affinity_result="miss", ttft_ms=500.0 + number),
            call(2 * number + 1, conversation_id=name, affinity_result="hit", ttft_ms=100.0),
        ]

    fill(bench.store, [item for n in range(5) for item in pair(n)])
    total = affinity_report(bench.store, Slice(Window(None, None))).total
    assert total is not None
    assert (total.pair_count, total.ttft_gain_ms, total.ttft_gain_low_ms) == (5, None, None)
    fill(bench.store, [item for n in range(6) for item in pair(n)])
    total = affinity_report(bench.store, Slice(Window(None, None))).total
    assert total is not None
    assert (total.pair_count, total.ttft_gain_ms) == (6, 402.0)
    assert (total.ttft_gain_low_ms, total.ttft_gain_high_ms) == (400.0, 405.0)
    fill(bench.store, [item for n in range(300) for item in pair(n)])
    total = affinity_report(bench.store, Slice(Window(None, None))).total
    assert total is not None
    assert (total.ttft_gain_ms, total.ttft_gain_low_ms, total.ttft_gain_high_ms) == (549, 532, 567)
