"""A comparison for people: the paired table, findings for annotations, and what it would cost."""

from dataclasses import dataclass
from decimal import Decimal

from wai_ops.core.findings import Finding, Level
from wai_ops.core.table import Table, Verdict, col
from wai_ops.runtime.compare_checks import Checked
from wai_ops.runtime.compare_plan import ComparePlan
from wai_ops.runtime.compare_result import CompareResult, Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One figure, for people."""

    metric: str = col("Per case")
    a: str = col("A")
    b: str = col("B")
    difference: str = col("B - A")
    interval: str = col("95% interval")
    verdict: str = col("Verdict")


def to_table(result: CompareResult) -> Table[MetricRow]:
    """The paired table, for every format that shows rows."""
    a, b = result.a, result.b
    notes = [
        f"A is {a.prompt} on {a.model}, B is {b.prompt} on {b.model}",
        headline(result),
        *result.notes,
        *result.reasons,
    ]
    return Table(
        row_type=MetricRow,
        rows=[_row(item) for item in result.metrics],
        title=f"{a.prompt} against {b.prompt}",
        notes=tuple(notes),
        verdict=result.verdict,
    )


def headline(result: CompareResult) -> str:
    """How much was compared, and what it cost."""
    return (
        f"{result.compared_count} of {result.case_count} cases compared; "
        f"${_plain(result.spent_usd)} of at most ${_plain(result.ceiling_usd)} spent, "
        f"{result.sent_count} calls this time"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePreview:
    """What a comparison would send and cost."""

    id: str
    a: str
    b: str
    dataset: str
    case_count: int
    call_count: int
    """Calls that are not answered yet, judges included."""
    remaining_usd: Decimal
    """At most, by list price: bytes for tokens, nothing cached, every output token used."""
    spent_usd: Decimal
    """By earlier runs."""

    def to_text(self) -> str:
        """One line about it."""
        before = f", ${_plain(self.spent_usd)} spent before" if self.spent_usd else ""
        return (
            f"{self.a} against {self.b} on {self.case_count} cases: {self.call_count} calls, "
            f"at most ${_plain(self.remaining_usd)}{before}"
        )


def preview_of(
    plan: ComparePlan, *, call_count: int, remaining_usd: Decimal, spent_usd: Decimal
) -> ComparePreview:
    """Describe what is still to be done."""
    a, b = (side.ask for side in plan.cases[0].sides)
    return ComparePreview(
        id=plan.id,
        a=f"{a.prompt_name}@{a.prompt_version}",
        b=f"{b.prompt_name}@{b.prompt_version}",
        dataset=str(plan.dataset.path),
        case_count=len(plan.cases),
        call_count=call_count,
        remaining_usd=remaining_usd,
        spent_usd=spent_usd,
    )


def findings_of(result: CompareResult) -> list[Finding]:
    """A finding for every case that passes with A alone, and for every other regression."""
    is_failed = result.verdict is Verdict.FAIL
    level = Level.ERROR if is_failed else Level.WARNING
    found = []
    for case in result.cases:
        if case.change == "regressed":
            broken = "; ".join(_broken(item) for item in case.b.failed)
            found.append(
                Finding(
                    rule="WC001",
                    level=level,
                    message=f"case {case.id} passes with {result.a.prompt} and not with "
                    f"{result.b.prompt}: {broken}",
                    file=result.dataset,
                    line=case.line,
                    key=case.id,
                )
            )
    found += [
        Finding(rule="WC002", level=level, message=reason, file=result.dataset, key=reason)
        for reason in result.reasons
    ]
    return found


def _broken(item: Checked) -> str:
    return item.assertion + (f" ({item.reason})" if item.reason else "")


def _row(item: Metric) -> MetricRow:
    interval = "too few cases"
    if item.low is not None and item.high is not None:
        interval = f"{_shown(item.low, item.unit, True)} to {_shown(item.high, item.unit, True)}"
    return MetricRow(
        metric=item.metric,
        a=_shown(item.a, item.unit, False),
        b=_shown(item.b, item.unit, False),
        difference=_shown(item.difference, item.unit, True),
        interval=interval,
        verdict=_word(item),
    )


def _word(item: Metric) -> str:
    if item.is_regression:
        return "regression"
    if item.low is None or item.high is None or item.low <= 0 <= item.high:
        return "no clear difference"
    is_more = item.low > 0
    if item.unit == "tokens":
        return "more" if is_more else "fewer"  # neither is better in itself
    return "better" if is_more == (item.metric == "pass rate") else "worse"


def _shown(value: float, unit: str, is_signed: bool) -> str:
    sign = "+" if is_signed else ""
    match unit:
        case "ratio":
            return f"{value * 100:{sign}.1f}%"
        case "usd":
            prefix = "-" if value < 0 else sign
            return (
                f"{prefix}${abs(value):.3g}"
                if abs(value) >= 1e-4
                else (f"{prefix}${abs(value):.2e}" if value else "$0")
            )
        case "ms":
            return f"{value:{sign},.0f} ms"
    return f"{value:{sign},.1f}"


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
