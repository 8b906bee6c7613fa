"""`wai report tools`: families, quantiles and loops against plain Python."""

from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports2.oracle import quantile_ms
from reports2.rows import refill
from support.calls import hours
from support.cli import Wai
from wai_ops.config.settings import ToolSettings
from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.slice import Slice, parse_where
from wai_ops.observe.reports.tools import ToolGrouping, tools_report

ALWAYS = Slice(Window(None, None))


def report(
    store: Store,
    rows: list[dict[str, Any]],
    grouping: ToolGrouping = ToolGrouping.FAMILY,
    part: Slice = ALWAYS,
    config: ToolSettings | None = None,
) -> Table[Any]:
    """Put the calls in, and report."""
    return tools_report(refill(store, tools=rows), part, grouping, config or ToolSettings())


def total_of(table: Table[Any]) -> Any:
    """The row of everything."""
    assert table.total is not None
    return table.total


QUARTERS = st.integers(0, 20_000).map(lambda n: n / 4)
"""Times that a float holds exactly, many of them on the edge of rounding."""
drawn = st.lists(
    st.tuples(
        st.sampled_from([("git.log", "git"), ("git.diff", "git"), ("web__get", "web")]),
        st.sampled_from([None, "tool_error"]),
        st.one_of(st.none(), QUARTERS),
        st.one_of(st.none(), st.integers(0, 5000).map(float)),
        st.sampled_from([None, "aa", "bb"]),
        st.integers(0, 1),
        st.sampled_from(["c1", "c2"]),
    ),
    max_size=30,
)


@settings(max_examples=25)
@given(drawn)
def test_every_figure_agrees_with_plain_python(store: Store, parts: list[tuple[Any, ...]]) -> None:
    names = ("tool", "error_type", "duration_ms", "output_tokens", "arguments_sha256")
    rows = []
    for part in parts:
        row = dict(zip((*names, "turn_index", "conversation_id"), part, strict=True))
        tool, family = row.pop("tool")
        rows.append(row | {"tool_name": tool, "tool_family": family})
    repeats = Counter(
        (r["tool_name"], r["arguments_sha256"], r["turn_index"], r["conversation_id"])
        for r in rows
        if r["arguments_sha256"]
    )
    loops = {key: count for key, count in repeats.items() if count >= 3}
    for grouping, column in (
        (ToolGrouping.FAMILY, "tool_family"),
        (ToolGrouping.TOOL, "tool_name"),
    ):
        groups = defaultdict(list)
        for row in rows:
            groups[row[column]].append(row)
        table = report(store, rows, grouping)
        attribute = "family" if grouping is ToolGrouping.FAMILY else "tool"
        assert {getattr(row, attribute) for row in table.rows} == set(groups)
        for row in table.rows:
            calls = groups[getattr(row, attribute)]
            tools = {call["tool_name"] for call in calls}
            assert row.call_count == len(calls)
            assert row.failed_count == sum(call["error_type"] is not None for call in calls)
            for percent in (50, 95, 99):
                took = [call["duration_ms"] for call in calls]
                assert getattr(row, f"duration_p{percent}_ms") == quantile_ms(took, percent)
            said = [call["output_tokens"] for call in calls]
            assert row.output_tokens_p95 == quantile_ms(said, 95)
            assert row.loop_count == sum(key[0] in tools for key in loops)
            assert row.loop_call_count == sum(n for key, n in loops.items() if key[0] in tools)
        if rows:
            assert total_of(table).call_count == len(rows)
            assert total_of(table).loop_count == len(loops)


def test_the_longest_configured_beginning_names_the_family(store: Store) -> None:
    config = ToolSettings(
        families={"mcp__": "mcp", "mcp__git": "git", "search.web": "web"},
        output_tokens_p95={"git": 39, "mcp": 40, "ghost": 1},
    )
    tools = ["mcp__git__log", "mcp__jira", "search.web", "search.local"]
    table = report(
        store, [{"tool_name": tool, "tool_family": "own"} for tool in tools], config=config
    )
    told = {row.family: (row.call_count, row.verdict) for row in table.rows}
    assert told == {"git": (1, "fail"), "mcp": (1, "pass"), "web": (1, None), "own": (1, None)}


def test_a_loop_is_three_of_the_same_in_one_turn_and_nothing_less(store: Store) -> None:
    same = {"tool_name": "t", "tool_family": "t"}
    assert total_of(report(store, [same, same])).loop_count == 0
    three = report(store, [same, same, same])
    assert (total_of(three).loop_count, total_of(three).loop_call_count) == (1, 3)
    assert total_of(report(store, [same, same, same | {"turn_index": 1}])).loop_count == 0
    assert total_of(report(store, [same, same, same | {"arguments_sha256": "bb"}])).loop_count == 0
    assert total_of(report(store, [same | {"arguments_sha256": None}] * 5)).loop_count == 0
    nowhere = same | {"turn_index": None, "conversation_id": None}
    apart = [nowhere | {"request_id": f"r{n}"} for n in range(3)]
    assert total_of(report(store, apart)).loop_count == 0
    assert total_of(report(store, [nowhere | {"request_id": "r"}] * 3)).loop_count == 1


def test_the_window_and_the_conditions_choose_calls(store: Store) -> None:
    rows = [{"started_at": hours(n), "tenant": "acme" if n % 2 else "zeta"} for n in range(6)]
    window = Window(hours(1), hours(5))
    assert total_of(report(store, rows, part=Slice(window))).call_count == 4
    part = Slice(window, parse_where(["tenant=zeta"]))
    assert total_of(report(store, rows, part=part)).call_count == 2
    with pytest.raises(UsageError, match="tool calls do not carry it"):
        report(store, rows, part=Slice(window, parse_where(["prompt=x@1"])))


def test_what_is_not_known_is_said(store: Store) -> None:
    rows: list[dict[str, Any]] = [
        {},
        {"output_tokens": None, "duration_ms": None, "arguments_sha256": None},
    ]
    notes = report(store, rows).notes
    assert "1 of 2 tool calls (50.0%) do not say how many output tokens they took" in notes
    assert "1 of 2 tool calls (50.0%) have no duration" in notes
    assert any("no digest of their arguments" in note for note in notes)
    assert report(store, []).notes[0] == "the beginning to now (UTC): 0 tool calls"


def test_the_command_answers_an_empty_ledger(wai: Wai) -> None:
    done = wai("report", "tools", "--by", "tool")
    assert (done.exit_code, done.stdout) == (0, "Tools by tool\n(no rows)\n")
    assert wai("report", "tools", "--where", "prompt=x").exit_code == 2
