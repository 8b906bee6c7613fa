"""The figures and the verdict of a comparison, from answers that were never sent."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from wai_ops.core.table import Verdict
from wai_ops.prompts.dataset import Case, Dataset
from wai_ops.prompts.frontmatter import FrontMatter
from wai_ops.prompts.source import Source
from wai_ops.runtime.compare_checks import Checked
from wai_ops.runtime.compare_journal import Answer
from wai_ops.runtime.compare_plan import ComparePlan, Planned, PlannedCase
from wai_ops.runtime.compare_result import CompareResult, Limits, result_of
from wai_ops.runtime.compare_show import findings_of, to_table
from wai_ops.runtime.prompt_compare import Judged, Ran
from wai_ops.runtime.prompt_use import Found
from wai_ops.runtime.request import Ask, PromptRelease


def found(version: str) -> Found:
    release = PromptRelease(
        sha256=version * 64,
        frozen=True,
        label=None,
        canary=False,
        canary_percent=None,
        overrides=(),
    )
    source = Source(
        name="triage",
        path="prompts/triage.prompt",
        raw=b"",
        front=FrontMatter(),
        sections=(),
        includes=(),
        files={},
    )
    return Found(source=source, version=version, release=release)


def planned(case_id: str, version: str) -> Planned:
    ask = Ask(
        text="q",
        model="m",
        tenant="t",
        workflow="compare",
        conversation_id="c",
        prompt_name="triage",
        prompt_version=version,
        max_output_tokens=1,
    )
    return Planned(key=f"{case_id}/{version}", ask=ask, worst_usd=Decimal(1))


def judged(passed: bool | None, *, cost: str = "0.001", ms: float = 100, **changes: Any) -> Judged:
    values: dict[str, Any] = {
        "key": "k",
        "text": "t",
        "failure": None,
        "error_message": None,
        "cost_usd": Decimal(cost),
        "charged_usd": Decimal(cost),
        "duration_ms": ms,
        "ttft_ms": 1.0,
        "input_tokens": 1,
        "cached_input_tokens": 0,
        "output_tokens": 5,
        "gateway_cache_hit": False,
        "run_id": "r",
        "conversation_id": "c",
    }
    checks = () if passed else (Checked(assertion="contains: x", passed=passed),)
    return Judged(
        answer=Answer(**(values | changes)),
        checks=checks,
        passed=passed,
        judge_cost_usd=Decimal(0),
    )


def compared(
    pairs: list[tuple[Judged, Judged]], limits: Limits | None = None, **ran: Any
) -> CompareResult:
    ids = [f"c{number}" for number in range(len(pairs))]
    case: dict[str, Any] = {"variables": {}, "text": None, "assertions": ()}
    plan = ComparePlan(
        id="i",
        dataset=Dataset(path=Path("cases.jsonl"), sha256="0" * 64, cases=()),
        sides=(found("1"), found("2")),
        cases=tuple(
            PlannedCase(
                case=Case(id=name, line=line, **case),
                sides=(planned(name, "1"), planned(name, "2")),
            )
            for line, name in enumerate(ids, 1)
        ),
        judges={},
        schemas={},
    )
    return result_of(
        plan,
        Ran(pairs=dict(zip(ids, pairs, strict=True)), **ran),
        limits or Limits(),
        spent_usd=Decimal("0.02"),
        ceiling_usd=Decimal(1),
    )


GOOD, BAD, NONE = judged(True), judged(False), judged(None)


@pytest.mark.parametrize(
    ("lost", "won", "verdict"),
    [(0, 0, Verdict.PASS), (0, 9, Verdict.PASS), (5, 0, Verdict.WARN), (6, 0, Verdict.FAIL)],
)
def test_only_what_is_not_chance_is_a_regression(lost: int, won: int, verdict: Verdict) -> None:
    pairs = [(GOOD, BAD)] * lost + [(BAD, GOOD)] * won + [(GOOD, GOOD)] * 10
    assert compared(pairs).verdict is verdict


def test_cases_without_an_answer_are_in_no_figure() -> None:
    result = compared([(GOOD, NONE), (NONE, BAD), *[(GOOD, GOOD)] * 6])
    assert (result.compared_count, result.unanswered_count) == (6, 2)
    assert {item.n for item in result.metrics} == {6}
    assert result.metrics[0].a == 1.0
    assert result.verdict is Verdict.WARN


def test_nothing_compared_is_never_a_pass() -> None:
    result = compared([(NONE, NONE)])
    assert result.verdict is Verdict.WARN
    assert result.metrics == []
    assert to_table(result).rows == []


def test_an_unknown_cost_is_left_out_of_the_mean_and_of_its_pair() -> None:
    odd = (judged(True, cost_usd=None), judged(True, cost="0.009"))
    result = compared([odd, *[(GOOD, judged(True, cost="0.003"))] * 6])
    (cost,) = (item for item in result.metrics if item.metric == "cost")
    assert cost.n == 6
    assert cost.a == pytest.approx(0.001)
    assert cost.difference == pytest.approx(0.002)
    assert result.metrics[0].n == 7


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(max_cost_rise=0.5), "cost rose by 100.0%"),
        (Limits(max_latency_rise=0.2), "latency rose by 50.0%"),
        (Limits(max_pass_drop=0.05), "the pass rate fell by 10.0%"),
    ],
)
def test_a_limit_makes_a_regression_of_what_may_be_chance(limits: Limits, words: str) -> None:
    dearer = judged(True, cost="0.002", ms=150)
    lost = judged(False, cost="0.002", ms=150)
    pairs = [(GOOD, dearer)] * 9 + [(GOOD, lost)]
    assert compared(pairs).verdict is Verdict.WARN
    result = compared(pairs, limits)
    assert result.verdict is Verdict.FAIL
    assert result.reasons == [f"regression: {words}"]


def test_a_limit_that_is_just_met_is_no_regression() -> None:
    pairs = [(judged(True, cost="0.002"), judged(True, cost="0.003"))] * 8
    assert compared(pairs, Limits(max_cost_rise=0.5)).verdict is Verdict.PASS
    assert compared(pairs, Limits(max_cost_rise=0.49)).verdict is Verdict.FAIL


def test_the_findings_name_the_lines_of_lost_cases_and_every_reason() -> None:
    result = compared([(GOOD, GOOD), *[(GOOD, BAD)] * 6])
    findings = findings_of(result)
    assert [item.line for item in findings if item.rule == "WC001"] == [2, 3, 4, 5, 6, 7]
    assert [item.rule for item in findings][-1] == "WC002"
    assert "contains: x" in findings[0].message


def test_the_table_says_who_how_many_and_how_sure() -> None:
    table = to_table(compared([(GOOD, judged(True, cost="0.003"))] * 8))
    cells = [(row.metric, row.difference, row.verdict) for row in table.rows]
    assert cells == [
        ("pass rate", "+0.0%", "no clear difference"),
        ("cost", "+$0.002", "worse"),
        ("latency", "+0 ms", "no clear difference"),
        ("output tokens", "+0.0", "no clear difference"),
    ]
    assert table.notes[0] == "A is triage@1 on m, B is triage@2 on m"
    assert "8 of 8 cases compared; $0.02 of at most $1 spent" in table.notes[1]


def test_answers_from_the_gateways_cache_and_cut_ones_are_told() -> None:
    cached = judged(True, gateway_cache_hit=True)
    cut = judged(True, failure="output_truncated")
    notes = compared([(cached, cut), *[(GOOD, GOOD)] * 5]).notes
    assert "1 answer was cut by the output limit" in notes
    assert any(note.startswith("from the gateway's cache: 1;") for note in notes)


def test_a_comparison_that_was_stopped_says_so() -> None:
    assert compared([(GOOD, GOOD)], is_out_of_money=True).is_complete is False
    assert compared([(GOOD, GOOD)], is_interrupted=True).is_complete is False
    assert compared([(GOOD, GOOD)]).is_complete is True
