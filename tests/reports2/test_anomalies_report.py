"""`wai report anomalies`: who stands out, and that small populations cannot."""

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports2.oracle import nearest_rank
from reports2.rows import refill
from support.calls import Call, call
from support.cli import Wai
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.anomalies import AnomalyRow, Measure, anomaly_report
from wai_ops.observe.reports.slice import Slice

ALWAYS = Slice(Window(None, None))


def conversation(number: int, cost: str | Decimal, **changes: Any) -> Call:
    """A conversation of one call."""
    values = {"conversation_id": f"c{number}", "cost_usd": Decimal(cost)} | changes
    return call(number, **values)


def report(
    store: Store, rows: list[Call], measure: Measure = Measure.COST
) -> tuple[list[AnomalyRow], Any]:
    refill(store, rows)
    table = anomaly_report(store, ALWAYS, measure)
    return list(table.rows), table.notes


USUAL = [conversation(n, "0.01") for n in range(150)]


def test_one_that_is_dear_for_its_tenant_and_for_all_stands_out_with_its_drivers(
    store: Store,
) -> None:
    dear = [
        call(
            1000 + n,
            conversation_id="dear",
            turn_index=n // 2,
            attempt=1 + n % 2,
            is_last=n % 2 == 1,
            is_first=n % 2 == 0,
            cost_usd=Decimal("0.02"),
            cached_input_tokens=0,
        )
        for n in range(40)
    ]
    [row], notes = report(store, [*USUAL, *dear])
    assert (row.conversation_id, row.cost_usd) == ("dear", Decimal("0.80"))
    assert (row.turn_count, row.call_count, row.retry_count) == (20, 40, 20)
    assert row.tenant_p95_usd == row.overall_p99_usd == Decimal("0.01")
    assert row.times_tenant_p95 == Decimal("80.0")
    assert row.drivers == (
        "20 turns (usually 1), 20 retries (usually 0), 0% of the input cached (usually 40%)"
    )
    assert notes[0].endswith(
        "1 of 151 conversations (0.7%) above twice the p95 of their tenant and above the p99 of"
        " all, by cost"
    )


def test_twice_the_p95_itself_is_not_above_it(store: Store) -> None:
    assert report(store, [*USUAL, conversation(999, "0.02")])[0] == []
    assert len(report(store, [*USUAL, conversation(999, "0.020000000001")])[0]) == 1


def test_nothing_can_stand_out_of_too_few_and_the_notes_say_so(store: Store) -> None:
    few = [conversation(n, "0.01") for n in range(18)]
    rows, notes = report(store, [*few, conversation(99, "1000")])
    assert rows == []
    assert "of 19 conversations none can be above the p99 of all: that takes 100" in notes
    assert (
        "1 of 1 tenant (100.0%) with fewer than 20 conversations: none of theirs (19) can stand out"
        in notes
    )


def test_calls_without_a_known_cost_are_not_taken_for_cheap(store: Store) -> None:
    unknown = conversation(500, "0") | {"cost_state": "unknown", "cost_usd": None}
    rows, notes = report(store, [*USUAL, unknown])
    assert rows == []
    assert "not looked at: 1 conversation without a known cost" in notes


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from([1, 2, 3, 1000, 5000]),
            st.integers(1, 3),
        ),
        max_size=150,
    ),
    st.sampled_from(list(Measure)),
)
def test_the_same_conversations_as_plain_python_finds(
    store: Store, parts: list[tuple[str, int, int]], measure: Measure
) -> None:
    rows = [
        conversation(
            number,
            Decimal(size) / 1000,
            tenant=tenant,
            input_tokens=size,
            output_tokens=0,
            cached_input_tokens=None,
        )
        for number, (tenant, size, calls) in enumerate(parts)
        for _ in range(calls)
    ]
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        sums[row["tenant"], row["conversation_id"]] += row["input_tokens"]
    p99 = nearest_rank(sums.values(), 99)
    wanted = set()
    for (tenant, name), size in sums.items():
        p95 = nearest_rank([v for (t, _), v in sums.items() if t == tenant], 95)
        assert p95 is not None
        assert p99 is not None
        if size > 2 * p95 and size > p99:
            wanted.add((tenant, name))
    found, _ = report(store, rows, measure)
    assert {(row.tenant, row.conversation_id) for row in found} == wanted
    sizes = [row.token_count for row in found]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("measure", ["cost", "tokens"])
def test_the_command_answers_an_empty_ledger(wai: Wai, measure: str) -> None:
    done = wai("report", "anomalies", "--measure", measure, "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["rows"] == []


def test_the_notes_say_where_the_calls_are_known_from(store: Store) -> None:
    refill(store, [call(1, sources="gateway only"), call(2), call(3, conversation_id=None)])
    notes = anomaly_report(store, Slice(Window(None, None)), Measure.COST).notes
    assert "known from: 1 gateway only, 1 client only" in notes
