"""`wai budget forecast` and `check`: where budgets are going, and whether that is all right."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from wai_ops.config.budget_settings import BudgetSettings
from wai_ops.control.budgets.forecast import STEP_S, Forecast, TooLittle, forecast
from wai_ops.control.budgets.matching import bucket_of, fits
from wai_ops.control.budgets.status import Standing, StatusRow, traits_of
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.core.text import counted
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.budget_spent import Spent, spent_between

_METHOD = (
    "method: the rest of the window is filled 1,000 times with steps drawn from the past (5"
    " minutes, hours or days by the window; the same hour of the day, working days or weekends"
    " where six are known); 8 of 10 futures lie between earliest and latest, low and high"
)
_NEVER = datetime.max.replace(tzinfo=UTC)
_BLIND = "a forecast knows nothing of what has not happened before: growth, releases, holidays"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRow:
    """One bucket of one budget, up to the end of its window."""

    budget: str = col("Budget")
    bucket: str = col("For")
    limit_usd: Decimal = col("Limit", Unit.USD)
    spent_usd: Decimal = col("Spent", Unit.USD)
    low_usd: Decimal | None = col("Low", Unit.USD)
    expected_usd: Decimal | None = col("Expected", Unit.USD)
    """What the window will have counted at its end."""
    high_usd: Decimal | None = col("High", Unit.USD)
    probability_ratio: float | None = col("Reaches limit", Unit.RATIO)
    earliest_at: datetime | None = col("Earliest", Unit.TIME)
    exhausted_at: datetime | None = col("Used up", Unit.TIME)
    """Null: not before the end of the window."""
    latest_at: datetime | None = col("Latest", Unit.TIME)
    horizon_at: datetime | None = col("Window ends", Unit.TIME)
    """Of a window that rolls: its length from now."""
    step_count: int | None = col("Steps known", Unit.COUNT)
    unknown_because: str | None = col("Unknown because")


class CheckWord(StrEnum):
    """What a check says of a bucket."""

    PASS = "PASS"  # noqa: S105 - a verdict
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetCheckRow:
    """One bucket, and why it is judged so."""

    budget: str = col("Budget")
    bucket: str = col("For")
    verdict: CheckWord = col("Verdict")
    reason: str = col("Because")
    used_ratio: float = col("Used", Unit.RATIO)
    limit_usd: Decimal = col("Limit", Unit.USD)
    remaining_usd: Decimal = col("Left", Unit.USD)
    exhausted_at: datetime | None = col("Used up", Unit.TIME)
    owner: str | None = col("Owner")


Outlook = Mapping[tuple[str, str], Forecast | TooLittle]
"""(budget, bucket) -> its forecast."""


def outlook(
    store: Store,
    budgets: Mapping[str, BudgetSettings],
    status: Iterable[StatusRow],
    now: datetime,
    *,
    history: timedelta,
) -> Outlook:
    """Forecast every bucket that has a status, from so long a past. Raises DataError."""
    series: dict[int, dict[tuple[str, str], dict[datetime, Decimal]]] = {}
    found: dict[tuple[str, str], Forecast | TooLittle] = {}
    for row in status:
        budget = budgets[row.budget]
        step_s = STEP_S[budget.window]
        if step_s not in series:
            alike = {name: item for name, item in budgets.items() if STEP_S[item.window] == step_s}
            spent = spent_between(store, now - history, now, step_s=step_s)
            series[step_s] = _series(alike, spent)
        key = (row.budget, row.bucket)
        used = row.spent_usd + (row.reserved_usd or Decimal(0))
        past = series[step_s].get(key, {})
        found[key] = forecast(budget, past, used, now, name=f"{row.budget}[{row.bucket}]")
    return found


def _series(
    budgets: Mapping[str, BudgetSettings], rows: Iterable[Spent]
) -> dict[tuple[str, str], dict[datetime, Decimal]]:
    """(budget, bucket) -> beginning of a step -> what was spent in it."""
    found: dict[tuple[str, str], dict[datetime, Decimal]] = defaultdict(dict)
    for row in rows:
        call = traits_of(row)
        assert row.step_at is not None
        for name, budget in budgets.items():
            if fits(budget.scope, call) and (bucket := bucket_of(budget, call)) is not None:
                past = found[name, bucket]
                past[row.step_at] = past.get(row.step_at, Decimal(0)) + row.cost_usd
    return found


def forecast_table(status: Table[StatusRow], ahead: Outlook) -> Table[ForecastRow]:
    """One row a bucket, what is used up first on top."""
    rows = [_row(row, ahead[row.budget, row.bucket]) for row in status.rows]
    rows.sort(key=lambda row: (row.exhausted_at or _NEVER, row.budget, row.bucket))
    return Table(
        row_type=ForecastRow,
        rows=rows,
        title="Forecast of budgets",
        notes=(*status.notes, _METHOD, _BLIND),
    )


def _row(row: StatusRow, found: Forecast | TooLittle) -> ForecastRow:
    empty = ForecastRow(
        budget=row.budget,
        bucket=row.bucket,
        limit_usd=row.limit_usd,
        spent_usd=row.spent_usd,
        low_usd=None,
        expected_usd=None,
        high_usd=None,
        probability_ratio=None,
        earliest_at=None,
        exhausted_at=None,
        latest_at=None,
        horizon_at=row.window_ends_at,
        step_count=None,
        unknown_because=found.reason if isinstance(found, TooLittle) else None,
    )
    if isinstance(found, TooLittle):
        return empty
    return replace(
        empty,
        low_usd=found.low_usd,
        expected_usd=found.expected_usd,
        high_usd=found.high_usd,
        probability_ratio=found.probability_ratio,
        earliest_at=found.earliest_at,
        exhausted_at=found.exhausted_at,
        latest_at=found.latest_at,
        horizon_at=found.horizon_at,
        step_count=found.step_count,
    )


def check_table(
    status: Table[StatusRow], ahead: Outlook, *, is_strict: bool = False
) -> Table[BudgetCheckRow]:
    """Judge every bucket, the worst first. With `is_strict` a WARN fails the whole as well."""
    rows = [_judged(row, ahead.get((row.budget, row.bucket))) for row in status.rows]
    order = {CheckWord.FAIL: 0, CheckWord.WARN: 1, CheckWord.PASS: 2}
    rows.sort(key=lambda row: (order[row.verdict], row.budget, row.bucket))
    words = {row.verdict for row in rows}
    verdict = Verdict.PASS
    if CheckWord.WARN in words:
        verdict = Verdict.FAIL if is_strict else Verdict.WARN
    if CheckWord.FAIL in words:
        verdict = Verdict.FAIL
    failed = sum(row.verdict is CheckWord.FAIL for row in rows)
    warned = sum(row.verdict is CheckWord.WARN for row in rows)
    summary = f"{counted(len(rows), 'bucket')}: {failed} FAIL, {warned} WARN"
    return Table(
        row_type=BudgetCheckRow,
        rows=rows,
        title="Check of budgets",
        notes=(summary, *status.notes),
        verdict=verdict,
    )


def _judged(row: StatusRow, found: Forecast | TooLittle | None) -> BudgetCheckRow:
    known = found if isinstance(found, Forecast) else None
    word, reason = _word(row, known)
    return BudgetCheckRow(
        budget=row.budget,
        bucket=row.bucket,
        verdict=word,
        reason=reason,
        used_ratio=row.used_ratio,
        limit_usd=row.limit_usd,
        remaining_usd=row.remaining_usd,
        exhausted_at=known.exhausted_at if known else None,
        owner=row.owner,
    )


def _word(row: StatusRow, known: Forecast | None) -> tuple[CheckWord, str]:
    used = f"{row.used_ratio:.1%} of the limit is used"
    if row.standing is Standing.OVER:
        return CheckWord.FAIL, used
    if row.standing is Standing.WARN:
        return CheckWord.WARN, used
    if known is not None and known.exhausted_at is not None:
        share = f"{known.probability_ratio:.0%} of the futures"
        return CheckWord.WARN, f"{share} reach the limit before the window ends"
    if row.unknown_cost_count:
        unknown = counted(row.unknown_cost_count, "call")
        return CheckWord.WARN, f"{used}, and {unknown} of unknown cost may have cost more"
    return CheckWord.PASS, used
