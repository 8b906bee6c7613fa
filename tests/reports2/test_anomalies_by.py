"""`wai report anomalies --by`: whose the conversations are that stand out."""

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports2.rows import refill
from support import report_oracle as oracle
from support.calls import Call, call, hours, ledger_of
from support.cli import Wai
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.anomalies import AnomalyRow, Measure, anomaly_report
from wai_ops.observe.reports.anomalies_by import AnomalyNumbers, anomalies_by
from wai_ops.observe.reports.cost import cost_report
from wai_ops.observe.reports.slice import Condition, Dimension, Slice

ALWAYS = Slice(Window(None, None))
GROUPS = [item for item in Dimension if item not in {Dimension.ERROR, Dimension.CONVERSATION}]


def usual(count: int, tenant: str = "a", **changes: Any) -> list[Call]:
    """Conversations of one cheap call."""
    return [
        call(n, tenant=tenant, conversation_id=f"{tenant}{n}", cost_usd=Decimal("0.01"), **changes)
        for n in range(count)
    ]


def named(rows: Any, by: Dimension) -> dict[str | None, Any]:
    return {getattr(row, by.value): row for row in rows}


MIXED = [
    *usual(250),
    *usual(50, "b"),
    call(
        900,
        tenant="a",
        conversation_id="dear",
        cost_usd=Decimal(1),
        model="m1",
        started_at=hours(1),
    ),
    call(
        901,
        tenant="a",
        conversation_id="dear",
        cost_usd=Decimal(2),
        model="m2",
        is_last=False,
        error_type="capacity",
        started_at=hours(3),
    ),
    call(902, tenant="b", conversation_id="dearer", cost_usd=Decimal(5), model="m2"),
]


def test_each_group_has_how_many_what_they_cost_and_which_is_the_largest(store: Store) -> None:
    refill(store, MIXED)
    table = anomalies_by(store, ALWAYS, Measure.COST, Dimension.TENANT)
    assert [vars(row)["tenant"] for row in table.rows] == ["b", "a"], "the dearest first"
    a = named(table.rows, Dimension.TENANT)["a"]
    assert (a.anomaly_count, a.conversation_count, a.anomaly_ratio) == (1, 251, 1 / 251)
    assert (a.anomaly_cost_usd, a.cost_usd) == (Decimal(3), Decimal("5.50"))
    assert a.cost_ratio == 3 / 5.5
    assert (a.call_count, a.retry_count, a.failed_count, a.unknown_cost_count) == (2, 1, 1, 0)
    assert (a.anomaly_token_count, a.token_count) == (2100, 252 * 1050)
    assert (a.first_at, a.last_at) == (hours(1), hours(3))
    assert a.largest == "a:triage:dear"
    total = table.total
    assert total is not None
    assert (total.anomaly_count, total.conversation_count) == (2, 302)
    assert (total.anomaly_cost_usd, total.largest) == (Decimal(8), "b:triage:dearer")


def test_a_conversation_counts_under_every_model_and_once_in_all(store: Store) -> None:
    refill(store, MIXED)
    table = anomalies_by(store, ALWAYS, Measure.COST, Dimension.MODEL)
    rows = named(table.rows, Dimension.MODEL)
    assert {name: (row.anomaly_count, row.anomaly_cost_usd) for name, row in rows.items()} == {
        "m2": (2, Decimal(7)),
        "m1": (1, Decimal(1)),
    }
    assert rows["m1"].largest == "a:triage:dear"
    assert table.total is not None
    assert (table.total.anomaly_count, table.total.anomaly_cost_usd) == (2, Decimal(8))
    assert any("a conversation counts under every model" in note for note in table.notes)


def test_a_group_without_one_has_no_row_and_the_total_says_none(store: Store) -> None:
    refill(store, usual(150))
    table = anomalies_by(store, ALWAYS, Measure.COST, Dimension.TENANT)
    assert table.rows == []
    assert table.total is not None
    assert (table.total.anomaly_count, table.total.anomaly_ratio) == (0, 0)
    assert (table.total.anomaly_cost_usd, table.total.largest) == (None, None)
    refill(store, [])
    table = anomalies_by(store, ALWAYS, Measure.COST, Dimension.TENANT)
    assert (table.rows, table.total) == ([], None)


def _label(row: AnomalyRow) -> str:
    return f"{row.tenant or ''}:{row.workflow or ''}:{row.conversation_id}"


def _size(row: AnomalyRow, measure: Measure) -> Any:
    return row.cost_usd if measure is Measure.COST else row.token_count


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", None]),
            st.sampled_from(["m1", "m2", None]),
            st.sampled_from([1, 2, 3, 1000, 5000]),
            st.integers(1, 3),
            st.sampled_from(["metered", "metered", "unknown"]),
        ),
        max_size=30,
    ),
    st.sampled_from(list(Measure)),
    st.sampled_from(GROUPS),
    st.booleans(),
)
def test_the_sums_are_those_of_the_conversations_that_the_report_lists(
    store: Store, drawn: list[Any], measure: Measure, by: Dimension, one: bool
) -> None:
    rows: list[Call] = [
        call(
            number,
            conversation_id=f"c{number}",
            tenant=tenant,
            model=f"{model}{turn}" if model and turn else model,
            started_at=hours(20 * turn),
            cost_state=state,
            cost_usd=Decimal(size) / 1000 if state == "metered" else None,
            input_tokens=size,
            output_tokens=turn,
            cached_input_tokens=None,
        )
        for number, (tenant, model, size, calls, state) in enumerate(drawn)
        for turn in range(calls)
    ]
    rows += usual(200, cached_input_tokens=None, input_tokens=1, output_tokens=0)
    rows += usual(100, "b", cached_input_tokens=None, input_tokens=1, output_tokens=0)
    refill(store, rows)
    part = Slice(ALWAYS.window, (Condition(Dimension.TENANT, "a"),) if one else ())
    listed = anomaly_report(store, part, measure).rows
    standing = {(row.tenant, row.conversation_id) for row in listed}
    inside = [row for row in rows if not one or row["tenant"] == "a"]
    table = anomalies_by(store, part, measure, by)
    found = named(table.rows, by)
    groups: dict[Any, list[Call]] = defaultdict(list)
    for row in inside:
        groups[oracle.NAME[by.value](row)].append(row)

    def check(found: AnomalyNumbers, chosen: list[Call]) -> None:
        mine = [c for c in chosen if (c["tenant"], c["conversation_id"]) in standing]
        names = {(c["tenant"], c["conversation_id"]) for c in mine}
        assert found.anomaly_count == len(names)
        everyone = {(c["tenant"], c["conversation_id"]) for c in chosen}
        assert found.conversation_count == len(everyone)
        assert found.anomaly_ratio == len(names) / len(everyone)
        assert found.anomaly_cost_usd == oracle.total(oracle.known(c) for c in mine)
        assert found.cost_usd == oracle.total(oracle.known(c) for c in chosen)
        assert found.anomaly_token_count == sum(
            c["input_tokens"] + c["output_tokens"] for c in mine
        )
        assert found.call_count == len(mine)
        assert found.unknown_cost_count == sum(c["cost_state"] == "unknown" for c in mine)
        if mine:
            sizes = {_label(row): _size(row, measure) for row in listed}
            largest = max(sizes[f"{tenant or ''}:triage:{name}"] for tenant, name in names)
            assert found.largest is not None
            assert sizes[found.largest] == largest

    with_some = {
        name
        for name, chosen in groups.items()
        if any((c["tenant"], c["conversation_id"]) in standing for c in chosen)
    }
    assert set(found) == with_some
    for name in with_some:
        check(found[name], groups[name])
    if inside:
        assert table.total is not None
        check(table.total, inside)
        costs = cost_report(store, part, by).total
        assert costs is not None
        assert table.total.cost_usd == costs.cost_usd
    else:
        assert table.total is None


@pytest.mark.parametrize("measure", ["cost", "tokens"])
def test_the_command_takes_what_the_other_reports_take(wai: Wai, measure: str) -> None:
    words = ("report", "anomalies", "--measure", measure)
    assert json.loads(wai(*words, "--by", "day", "--json").stdout)["rows"] == []
    with ledger_of(wai.folder / ".wai") as store:
        big = call(
            900, tenant="=x()", conversation_id="dear", cost_usd=Decimal(9), input_tokens=10**6
        )
        refill(store, [*usual(150, "=x()"), *usual(50, "b"), big])
    done = wai(*words, "--by", "tenant", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(row["tenant"], row["anomaly_count"]) for row in told["rows"]] == [("=x()", 1)]
    assert wai(*words, "--by", "tenant", "--fail-on", "anomaly_count > 0").exit_code == 1
    only = ("--where", "tenant=b", "--by", "workflow")
    assert wai(*words, *only, "--fail-on", "anomaly_count > 0").exit_code == 0
    done = wai(*words, "--by", "tenant", "--since", "2026-03-01", "--compare", "previous", "--json")
    assert json.loads(done.stdout)["rows"][0]["anomaly_count_delta"] == 1
    for fmt in ("table", "jsonl", "csv", "md", "html"):
        done = wai(*words, "--by", "tenant", "--format", fmt)
        assert done.exit_code == 0, done.stderr
        assert ("'=x()" if fmt == "csv" else "=x()") in done.stdout
