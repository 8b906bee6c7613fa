"""From the answers of a comparison to its figures and its verdict."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from wai_ops.core.table import Verdict
from wai_ops.core.text import one_line
from wai_ops.prompts.compare_stats import Interval, PassRates, mean_difference, pass_rates
from wai_ops.runtime.compare_checks import Checked, is_settled
from wai_ops.runtime.compare_journal import Answer
from wai_ops.runtime.compare_plan import ComparePlan
from wai_ops.runtime.prompt_compare import Judged, Ran

_MOST_NAMED = 10
"""Cases that a note lists; the JSON has all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where B is too much worse, whether or not that is chance. None: no such limit."""

    max_pass_drop: float | None = None
    """As a share of the cases."""
    max_cost_rise: float | None = None
    """As a share of what A costs."""
    max_latency_rise: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SideInfo:
    """One of the two versions."""

    prompt: str
    """`name@version`, as the records have it."""
    sha256: str
    model: str
    passed_count: int
    cost_usd: Decimal
    """Of all its answers whose cost is known, judges not included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure of both versions over the cases that both answered, and how sure it is."""

    metric: str
    unit: str
    """`ratio`, `usd`, `ms` or `tokens`; a case's mean."""
    a: float
    b: float
    difference: float
    """B minus A."""
    low: float | None
    high: float | None
    """95% interval of the difference; null with too few cases."""
    method: str
    n: int
    p_value: float | None
    """For the pass rate: the exact test."""
    is_regression: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSide:
    """One version on one case, without what it said."""

    passed: bool | None
    failed: list[Checked]
    failure: str | None
    cost_usd: Decimal | None
    judge_cost_usd: Decimal
    duration_ms: float | None
    ttft_ms: float | None
    output_tokens: int | None
    run_id: str | None
    conversation_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOutcome:
    """One case. `change`: `same`, `regressed`, `improved` or `unanswered`."""

    id: str
    line: int
    change: str
    a: CaseSide
    b: CaseSide


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareResult:
    """Everything that a comparison found. Costs include what earlier runs of it paid for."""

    id: str
    dataset: str
    dataset_sha256: str
    a: SideInfo
    b: SideInfo
    case_count: int
    compared_count: int
    """Cases that both versions answered and that could be judged."""
    unanswered_count: int
    sent_count: int
    """Calls of this time; the others were kept from before."""
    spent_usd: Decimal
    """Against the ceiling, judges included; unknown costs count with their worst case."""
    ceiling_usd: Decimal
    is_complete: bool
    """False: it was stopped, by the ceiling or by hand."""
    metrics: list[Metric]
    cases: list[CaseOutcome]
    verdict: Verdict
    reasons: list[str]
    """Why the verdict is not `pass`."""
    notes: list[str]


def result_of(
    plan: ComparePlan, ran: Ran, limits: Limits, *, spent_usd: Decimal, ceiling_usd: Decimal
) -> CompareResult:
    """Work out figures and verdict."""
    outcomes = [_outcome(plan, index, ran) for index in range(len(plan.cases))]
    pairs = [
        pair
        for pair in ran.pairs.values()
        if pair[0].passed is not None and pair[1].passed is not None
    ]
    metrics, reasons = _metrics(pairs, limits)
    unanswered = sum(item.change == "unanswered" for item in outcomes)
    is_complete = not ran.is_out_of_money and not ran.is_interrupted
    verdict = Verdict.FAIL if reasons else Verdict.PASS
    if not reasons:
        reasons = _doubts(metrics, len(pairs), unanswered)
        verdict = Verdict.WARN if reasons else Verdict.PASS
    return CompareResult(
        id=plan.id,
        dataset=str(plan.dataset.path),
        dataset_sha256=plan.dataset.sha256,
        a=_side(plan, ran, 0),
        b=_side(plan, ran, 1),
        case_count=len(plan.cases),
        compared_count=len(pairs),
        unanswered_count=unanswered,
        sent_count=ran.sent_count,
        spent_usd=spent_usd,
        ceiling_usd=ceiling_usd,
        is_complete=is_complete,
        metrics=metrics,
        cases=outcomes,
        verdict=verdict,
        reasons=reasons,
        notes=_notes(plan, outcomes, ran, metrics),
    )


def _side(plan: ComparePlan, ran: Ran, place: int) -> SideInfo:
    ask = plan.cases[0].sides[place].ask
    sides = [pair[place] for pair in ran.pairs.values()]
    costs = [item.answer.cost_usd for item in sides if item.answer is not None]
    return SideInfo(
        prompt=f"{ask.prompt_name}@{ask.prompt_version}",
        sha256=plan.sides[place].release.sha256,
        model=ask.model,
        passed_count=sum(item.passed is True for item in sides),
        cost_usd=sum((cost for cost in costs if cost is not None), Decimal(0)),
    )


def _outcome(plan: ComparePlan, index: int, ran: Ran) -> CaseOutcome:
    case = plan.cases[index].case
    nothing = Judged(answer=None, checks=(), passed=None, judge_cost_usd=Decimal(0))
    a, b = ran.pairs.get(case.id, (nothing, nothing))
    change = "same"
    if a.passed is None or b.passed is None:
        change = "unanswered"
    elif a.passed != b.passed:
        change = "regressed" if a.passed else "improved"
    return CaseOutcome(id=case.id, line=case.line, change=change, a=_case_side(a), b=_case_side(b))


def _case_side(judged: Judged) -> CaseSide:
    answer = judged.answer
    return CaseSide(
        passed=judged.passed,
        failed=[item for item in judged.checks if item.passed is not True],
        failure=answer.failure if answer else None,
        cost_usd=answer.cost_usd if answer else None,
        judge_cost_usd=judged.judge_cost_usd,
        duration_ms=answer.duration_ms if answer else None,
        ttft_ms=answer.ttft_ms if answer else None,
        output_tokens=answer.output_tokens if answer else None,
        run_id=answer.run_id if answer else None,
        conversation_id=answer.conversation_id if answer else None,
    )


def _metrics(
    pairs: Sequence[tuple[Judged, Judged]], limits: Limits
) -> tuple[list[Metric], list[str]]:
    """The figures, and why B is a regression."""
    if not pairs:
        return [], []
    reasons = []
    rates = pass_rates([(a.passed is True, b.passed is True) for a, b in pairs])
    drop = rates.rate_a - rates.rate_b
    is_worse = rates.is_worse
    if is_worse:
        reasons.append(
            f"regression: {rates.only_a} cases pass with A alone and {rates.only_b} with B alone "
            f"(exact McNemar p = {rates.p_value:.2g})"
        )
    if limits.max_pass_drop is not None and drop > limits.max_pass_drop:
        reasons.append(f"regression: the pass rate fell by {drop:.1%}")
        is_worse = True
    metrics = [_pass_metric(rates, is_regression=is_worse)]
    for name, unit, read, limit in (
        ("cost", "usd", _cost, limits.max_cost_rise),
        ("latency", "ms", lambda answer: answer.duration_ms, limits.max_latency_rise),
        ("output tokens", "tokens", lambda answer: answer.output_tokens, None),
    ):
        metric = _mean_metric(pairs, name, unit, read, limit)
        if metric is not None:
            metrics.append(metric)
            if metric.is_regression:
                rise = metric.difference / metric.a if metric.a else 0.0
                reasons.append(f"regression: {name} rose by {rise:.1%}")
    return metrics, reasons


def _pass_metric(rates: PassRates, *, is_regression: bool) -> Metric:
    return Metric(
        metric="pass rate",
        unit="ratio",
        a=rates.rate_a,
        b=rates.rate_b,
        difference=rates.interval.difference,
        low=rates.interval.low,
        high=rates.interval.high,
        method=rates.interval.method,
        n=rates.n,
        p_value=rates.p_value,
        is_regression=is_regression,
    )


def _mean_metric(
    pairs: Sequence[tuple[Judged, Judged]],
    name: str,
    unit: str,
    read: Callable[[Answer], float | None],
    limit: float | None,
) -> Metric | None:
    values = []
    for a, b in pairs:
        one = None if a.answer is None else read(a.answer)
        other = None if b.answer is None else read(b.answer)
        if one is not None and other is not None:
            values.append((float(one), float(other)))
    if not values:
        return None
    interval: Interval = mean_difference(values)
    mean_a = sum(a for a, _ in values) / len(values)
    rise = interval.difference / mean_a if mean_a else 0.0
    return Metric(
        metric=name,
        unit=unit,
        a=mean_a,
        b=sum(b for _, b in values) / len(values),
        difference=interval.difference,
        low=interval.low,
        high=interval.high,
        method=interval.method,
        n=interval.n,
        p_value=None,
        is_regression=limit is not None and rise > limit,
    )


def _cost(answer: Answer) -> float | None:
    return None if answer.cost_usd is None else float(answer.cost_usd)


def _doubts(metrics: Sequence[Metric], compared: int, unanswered: int) -> list[str]:
    """What keeps a comparison without a regression from being a plain yes."""
    found = []
    if not compared:
        found.append("no case could be compared")
    if unanswered:
        what = "1 case has" if unanswered == 1 else f"{unanswered} cases have"
        found.append(f"{what} no answer or no verdict: run again to ask")
    rate = next((item for item in metrics if item.metric == "pass rate"), None)
    if rate is not None and rate.difference < 0:
        found.append(
            f"the pass rate fell by {-rate.difference:.1%}, which may be chance "
            f"(exact McNemar p = {rate.p_value:.2g})"
        )
    return found


def _notes(
    plan: ComparePlan, outcomes: Sequence[CaseOutcome], ran: Ran, metrics: Sequence[Metric]
) -> list[str]:
    notes = []
    if all(item.sides[0].key == item.sides[1].key for item in plan.cases):
        notes.append("A and B are the same version: each answer stands for both")
    for change, words in (("regressed", "pass with A alone"), ("improved", "pass with B alone")):
        names = [item.id for item in outcomes if item.change == change]
        if names:
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            notes.append(f"{words}: {', '.join(names[:_MOST_NAMED])}{more}")
    answers = [side.answer for pair in ran.pairs.values() for side in pair if side.answer]
    missing = [item for item in answers if item.failure is not None and not is_settled(item)]
    for failure, count in Counter(item.failure for item in missing).most_common():
        example = next(item.error_message for item in missing if item.failure == failure)
        words = f", such as: {one_line(example, 200)}" if example else ""
        notes.append(f"{count} call{'' if count == 1 else 's'} failed with {failure}{words}")
    cut = sum(item.failure == "output_truncated" for item in answers)
    if cut:
        notes.append(f"{_answers(cut)} cut by the output limit")
    if any(item.gateway_cache_hit for item in answers):
        count = sum(item.gateway_cache_hit for item in answers)
        notes.append(f"from the gateway's cache: {count}; their cost and latency say little")
    methods = sorted({item.method for item in metrics})
    if methods:
        n = metrics[0].n
        notes.append(f"95% intervals over {n} pairs: {'; '.join(methods)}")
    return notes


def _answers(count: int) -> str:
    return "1 answer was" if count == 1 else f"{count} answers were"
