"""Two versions of a prompt measured against each other, and what to do with the new one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from math import sqrt
from typing import Any

from wai_ops.core.failures import FailureClass
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.core.text import counted, one_line
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.evidence import missing_notes, read_evidence
from wai_ops.observe.reports.query import query_slice
from wai_ops.observe.reports.release_advice import (
    FEWEST,
    JOINT_LEVEL,
    LEVEL,
    RULES,
    Advice,
    Decision,
    Judged,
    Measure,
    Scale,
    Side,
    decide,
)
from wai_ops.observe.reports.release_math import QUANTILE, Readings, Sums, quantile_of
from wai_ops.observe.reports.release_pair import Design, Pair
from wai_ops.observe.reports.slice import Condition, Dimension, Slice

PROMPT_CLASSES = (
    FailureClass.BAD_REQUEST,
    FailureClass.CONTEXT_TOO_LONG,
    FailureClass.GUARDRAIL,
    FailureClass.DLP,
    FailureClass.TIMEOUT_TOTAL,
    FailureClass.TOOL_ERROR,
    FailureClass.TOOL_LOOP,
    FailureClass.OUTPUT_TRUNCATED,
    FailureClass.INVALID_OUTPUT,
    FailureClass.UNKNOWN,
)
"""Failures that the words of a prompt can cause; a lack of capacity, say, is none of them."""
TRIALS = "compare"
"""The workflow of `wai prompts compare`: cases of a dataset, and no conversation of anybody."""
_UNITS = {
    Measure.REQUEST_COST: "USD",
    Measure.RESOLVED_COST: "USD",
    Measure.TTFT: "ms",
    Measure.OUTPUT: "tokens",
}
_SIX = Context(prec=6)
_DIGITS = 6
"""Of ratios: sums of floats differ in their last digits with the order that they are added in."""
_UNLIKELY = 3.29
"""Standard deviations that chance passes once in a thousand times."""
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class ReleaseRow:
    """One measure of both versions. Differences of shares are in points, others relative."""

    measure: Measure = col("Measure")
    finding: str = col("Finding")
    unit: str = col("In")
    before: Decimal | None = col("Old")
    after: Decimal | None = col("New")
    change_ratio: float | None = col("Change", Unit.RATIO)
    low_ratio: float | None = col("Low", Unit.RATIO)
    high_ratio: float | None = col("High", Unit.RATIO)
    scale: Scale = col("As")
    tolerance_ratio: float | None = col("Tolerated", Unit.RATIO)
    """So much worse does not count as worse; None: the measure decides nothing."""
    before_count: int = col("Old conversations", Unit.COUNT)
    after_count: int = col("New conversations", Unit.COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    """A row of `release_times.sql`."""

    is_new: bool
    ttft_ms: float
    call_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """A row of `release_sums.sql`."""

    is_new: bool
    measure: str
    unit_count: int
    x: float
    y: float
    xx: float
    xy: float
    yy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Both versions, what was left out, and the decision."""

    pair: Pair
    old: Side
    new: Side
    mixed_count: int
    outside_count: int
    early_count: int
    """Of these, conversations that had the new version before it was promoted."""
    decision: Decision


def compare_versions(store: Store, part: Slice, prompt: str, pair: Pair) -> Compared:
    """Measure both versions over the pair's time; the slice gives the conditions. DataError.

    Trials are left out, unless the slice asks for a workflow itself.
    """
    where = part.where
    if not any(item.key is Dimension.WORKFLOW for item in where):
        where = (*where, Condition(Dimension.WORKFLOW, TRIALS, is_equal=False))
    if pair.tenant is not None:
        where = (*where, Condition(Dimension.TENANT, pair.tenant))
    given: dict[str, Any] = {
        "prompt": prompt,
        "old": pair.old,
        "new": pair.new,
        "old_since": pair.old_window.since or _FIRST,
        "old_until": pair.old_window.until or _LAST,
        "new_since": pair.new_window.since or _FIRST,
        "new_until": pair.new_window.until or _LAST,
    }
    chosen = Slice(pair.span, where)
    times = query_slice(store, _Times, "release_times", chosen, **given)
    old_times, new_times = _histogram(times, is_new=False), _histogram(times, is_new=True)
    found = query_slice(
        store,
        _Sums,
        "release_sums",
        chosen,
        prompt_classes=[item.value for item in PROMPT_CLASSES],
        old_p95=quantile_of(*old_times, QUANTILE),
        new_p95=quantile_of(*new_times, QUANTILE),
        **given,
    )
    old = _side([row for row in found if not row.is_new], old_times)
    new = _side([row for row in found if row.is_new], new_times)
    return Compared(
        pair=pair,
        old=old,
        new=new,
        mixed_count=_units(found, "mixed"),
        outside_count=_units(found, "outside"),
        early_count=_units([row for row in found if row.is_new], "outside"),
        decision=decide(old, new, is_concurrent=pair.design is Design.CANARY),
    )


_Histogram = tuple[Sequence[float], Sequence[int]]


def _histogram(rows: Sequence[_Times], *, is_new: bool) -> _Histogram:
    chosen = [row for row in rows if row.is_new is is_new]
    return [row.ttft_ms for row in chosen], [row.call_count for row in chosen]


def _units(rows: Sequence[_Sums], measure: str) -> int:
    return sum(row.unit_count for row in rows if row.measure == measure)


def _side(rows: Sequence[_Sums], times: _Histogram) -> Side:
    sums = {
        Measure(row.measure): Sums(
            unit_count=row.unit_count, x=row.x, y=row.y, xx=row.xx, xy=row.xy, yy=row.yy
        )
        for row in rows
        if row.measure in RULES
    }
    above = sums.pop(Measure.TTFT, None)
    values, counts = times
    return Side(
        unit_count=_units(rows, "units"),
        sums=sums,
        ttft=None if above is None else Readings(values=values, counts=counts, above=above),
    )


def release_report(
    store: Store, prompt: str, compared: Compared, *, is_checked: bool = False
) -> Table[ReleaseRow]:
    """The comparison as a table, the advice in front of its notes.

    With `is_checked` the advice to roll back is the verdict no, and too little data a warning.
    """
    pair, decision = compared.pair, compared.decision
    found = read_evidence(store, Slice(pair.span))
    verdicts = {Advice.ROLL_BACK: Verdict.FAIL, Advice.KEEP: Verdict.PASS}
    return Table(
        row_type=ReleaseRow,
        rows=[_row(item) for item in decision.judged],
        title=f"{one_line(prompt, 80)}: version {one_line(pair.new, 80)} against"
        f" {one_line(pair.old, 80)}",
        notes=(
            advice_text(prompt, compared),
            *release_notes(compared),
            *missing_notes(found, store.folded.in_flight_count),
        ),
        verdict=verdicts.get(decision.advice, Verdict.WARN) if is_checked else None,
    )


def _row(item: Judged) -> ReleaseRow:
    change = item.change
    return ReleaseRow(
        measure=item.measure,
        finding=item.finding.value,
        unit=_UNITS.get(item.measure, "share"),
        before=_rounded(item.before),
        after=_rounded(item.after),
        change_ratio=None if change is None else round(change.value, _DIGITS),
        low_ratio=None if change is None else round(change.low, _DIGITS),
        high_ratio=None if change is None else round(change.high, _DIGITS),
        scale=item.rule.scale,
        tolerance_ratio=item.rule.tolerance,
        before_count=item.before_count,
        after_count=item.after_count,
    )


def _rounded(value: float | None) -> Decimal | None:
    """Six digits that count: what rounding of sums could change is never shown."""
    if value is None:
        return None
    made = _SIX.create_decimal_from_float(value).normalize(_SIX)
    return made or Decimal(0)


def advice_text(prompt: str, compared: Compared) -> str:
    """One plain sentence: what to do, why, and what would change it."""
    pair, decision = compared.pair, compared.decision
    name = one_line(prompt, 80)
    label = f" of {pair.label}" if pair.label else ""
    new, old = one_line(pair.new, 80), one_line(pair.old, 80)
    what = {
        Advice.KEEP: f"keep {name}@{new}{label}",
        Advice.WATCH: f"watch {name}@{new}{label}",
        Advice.ROLL_BACK: f"roll back {name}{label} from {new} to {old}",
        Advice.NONE: f"too little data to judge {name}@{new}{label}",
    }[decision.advice]
    return f"{what}: {decision.reason}. {decision.outlook[:1].upper()}{decision.outlook[1:]}."


def release_notes(compared: Compared) -> Iterator[str]:
    """Say what was compared, how, and what was left out."""
    pair = compared.pair
    old, new = compared.old.unit_count, compared.new.unit_count
    yield (
        f"{_design_words(pair)} {counted(old, 'conversation')} of version"
        f" {one_line(pair.old, 80)}, {new:,} of {one_line(pair.new, 80)}"
    )
    if compared.mixed_count:
        yield (
            f"{counted(compared.mixed_count, 'conversation')} with calls of both versions left out"
        )
    if compared.outside_count:
        yield (
            f"{counted(compared.outside_count, 'conversation')} that began outside this time"
            " left out"
        )
    if pair.design is Design.BEFORE_AFTER and pair.label and compared.early_count >= FEWEST:
        yield (
            f"{counted(compared.early_count, 'conversation')} had version"
            f" {one_line(pair.new, 80)} before that: if a canary gave it to them, --versions"
            f" {one_line(pair.old, 80)} {one_line(pair.new, 80)} --until"
            f" {_minute(pair.new_window.since).replace(' ', 'T')} is the better comparison"
        )
    if mismatch := _mismatch(compared):
        yield mismatch
    yield (
        "method: conversations are the unit, for calls within one depend on each other; intervals"
        f" of {100 * LEVEL:.0f}% each, so that all deciding ones hold with"
        f" {100 * JOINT_LEVEL:.0f}% together; shares by Wilson and Newcombe, means by their"
        " linearised ratio, TTFT p95 by order statistics"
    )


def _design_words(pair: Pair) -> str:
    match pair.design:
        case Design.CANARY:
            return (
                f"canary of {pair.percent}% since {_minute(pair.new_window.since)} (UTC): both"
                " versions side by side, which is better evidence than before and after."
            )
        case Design.SIDE_BY_SIDE:
            return (
                f"both versions had calls {pair.new_window.describe()}: compared side by side, but"
                " nobody says that chance decided which conversation got which."
            )
        case Design.BEFORE_AFTER if pair.label is not None:
            return (
                f"{pair.label} moved at {_minute(pair.new_window.since)} (UTC): the time since"
                f" {_minute(pair.old_window.since)} against the time until"
                f" {_minute(pair.new_window.until)}. Whatever else changed then is in the"
                " difference."
            )
        case _:
            return (
                "one version after the other: whatever else changed between them is in the"
                " difference."
            )


def _minute(at: datetime | None) -> str:
    return "the beginning" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def _mismatch(compared: Compared) -> str | None:
    """Whether the canary got another share than it was to get, by more than chance."""
    percent = compared.pair.percent
    total = compared.old.unit_count + compared.new.unit_count
    if percent is None or not total:
        return None
    asked, got = percent / 100, compared.new.unit_count / total
    if abs(got - asked) <= _UNLIKELY * sqrt(asked * (1 - asked) / total):
        return None
    return (
        f"the canary was to get {percent}% of the conversations and got {100 * got:.1f}%: the two"
        " may not be alike (another percentage at first, callers that name a version, other labels)"
    )
