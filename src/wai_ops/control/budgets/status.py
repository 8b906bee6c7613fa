"""How budgets stand: what was spent and set aside in the windows that run, and what is left.

Spent is what the ledger knows: every call that ended in the window, whoever sent it, as far as the
gateway's log was read. Set aside is what live state holds for calls under way, and for calls of
which nobody knows the cost. What the gateway itself has counted cannot be read.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from wai_ops.config.budget_settings import Alignment, BudgetSettings
from wai_ops.control.budgets.local import KEY_PREFIX, budget_key, held_locally, window_start
from wai_ops.control.budgets.matching import Traits, bucket_of, fits
from wai_ops.control.budgets.windows import running_since, running_until
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store, to_aware
from wai_ops.observe.reports.budget_spent import Spent, spent_between
from wai_ops.observe.reports.evidence import missing_notes, read_evidence
from wai_ops.observe.reports.slice import Slice
from wai_ops.state.reservations import Balance

_DIGITS = Decimal("0.000000000001")
_MINUTE_S = 60


class Standing(StrEnum):
    """How a budget stands in one word."""

    OK = "ok"
    WARN = "warn"
    """A share of `warn_at` is reached."""
    OVER = "over"
    """The limit is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """One bucket of one budget in the window that runs."""

    budget: str = col("Budget")
    bucket: str = col("For")
    """The values that it is split by, such as `tenant=acme`; empty: all its calls."""
    standing: Standing = col("State")
    limit_usd: Decimal = col("Limit", Unit.USD)
    spent_usd: Decimal = col("Spent", Unit.USD)
    """Metered and confirmed costs in the ledger, or what live state has settled if that is more."""
    reserved_usd: Decimal | None = col("Set aside", Unit.USD)
    """By calls under way, or whose cost nobody knows. Null: wai does not hold this budget."""
    remaining_usd: Decimal = col("Left", Unit.USD)
    used_ratio: float = col("Used", Unit.RATIO)
    """Spent and set aside, of the limit."""
    burn_usd_per_h: Decimal | None = col("An hour", Unit.USD)
    """Spent by the hours of the window that have gone; null: less than a minute has."""
    call_count: int = col("Calls", Unit.COUNT)
    unknown_cost_count: int = col("Unknown cost", Unit.COUNT)
    estimated_cost_usd: Decimal | None = col("Estimated", Unit.USD)
    """On top, and not part of what was spent."""
    window_began_at: datetime = col("Since", Unit.TIME)
    window_ends_at: datetime | None = col("Until", Unit.TIME)
    """Null: it rolls."""
    owner: str | None = col("Owner")


@dataclass(slots=True)
class Total:
    """What one bucket adds up to."""

    cost_usd: Decimal = Decimal(0)
    estimated_usd: Decimal | None = None
    call_count: int = 0
    unknown_count: int = 0

    def add(self, row: Spent) -> None:
        """Count a group of calls."""
        self.cost_usd += row.cost_usd
        self.call_count += row.call_count
        self.unknown_count += row.unknown_cost_count
        if row.estimated_cost_usd is not None:
            self.estimated_usd = (self.estimated_usd or Decimal(0)) + row.estimated_cost_usd


def by_bucket(budget: BudgetSettings, rows: Iterable[Spent]) -> dict[str, Total]:
    """The calls that draw on a budget, by its buckets; one that is not split always has its own."""
    found: dict[str, Total] = {} if budget.per else {"": Total()}
    for row in rows:
        call = traits_of(row)
        if fits(budget.scope, call) and (bucket := bucket_of(budget, call)) is not None:
            found.setdefault(bucket, Total()).add(row)
    return found


def traits_of(row: Spent) -> Traits:
    """By what budgets know these calls."""
    return Traits(tenant=row.tenant, workflow=row.workflow, prompt=row.prompt, model=row.model)


def budget_status(
    store: Store,
    budgets: Mapping[str, BudgetSettings],
    balances: Iterable[Balance],
    now: datetime,
) -> Table[StatusRow]:
    """Every bucket of every budget, with what the figures stand on. Raises DataError.

    `balances`: how live state's budgets stand (`state.reservations.list_balances`).
    """
    held = {(item.key, item.window_start): item for item in balances}
    local = held_locally(budgets)
    cached: dict[datetime, list[Spent]] = {}
    rows: list[StatusRow] = []
    for name in sorted(budgets):
        budget = budgets[name]
        since = running_since(budget, now)
        if since not in cached:
            cached[since] = spent_between(store, since, now)
        buckets = by_bucket(budget, cached[since])
        own = _own_balances(name, budget, held, now) if name in local else None
        for bucket in own or ():
            buckets.setdefault(bucket, Total())
        for bucket in sorted(buckets):
            balance = own.get(bucket) if own else None
            made = _Bucket(name, bucket, buckets[bucket], name in local, balance)
            rows.append(_row(budget, made, now))
    return Table(
        row_type=StatusRow,
        rows=rows,
        title="Budgets",
        notes=tuple(_notes(store, budgets, rows, cached, now)),
    )


def _own_balances(
    name: str,
    budget: BudgetSettings,
    held: Mapping[tuple[str, datetime | None], Balance],
    now: datetime,
) -> dict[str, Balance]:
    """Bucket -> its balance in the running window."""
    start = window_start(budget.window, now)
    found = {}
    for (key, window), balance in held.items():
        if window != start or not key.startswith(f"{KEY_PREFIX}{name}"):
            continue
        bucket = key.removeprefix(f"{KEY_PREFIX}{name}").removeprefix("[").removesuffix("]")
        if key == budget_key(name, bucket):  # and not that of a budget whose name begins alike
            found[bucket] = balance
    return found


@dataclass(frozen=True, slots=True)
class _Bucket:
    budget: str
    name: str
    total: Total
    is_held: bool
    """Whether `wai` holds the budget itself."""
    balance: Balance | None


def _row(budget: BudgetSettings, bucket: _Bucket, now: datetime) -> StatusRow:
    total, balance = bucket.total, bucket.balance
    reserved = Decimal(0) if bucket.is_held else None
    spent = total.cost_usd
    if balance is not None:
        reserved = balance.reserved_usd
        spent = max(spent, balance.spent_usd)
    used = spent + (reserved or Decimal(0))
    since = running_since(budget, now)
    gone_s = Decimal(str((now - since).total_seconds()))
    is_long = gone_s >= _MINUTE_S
    return StatusRow(
        budget=bucket.budget,
        bucket=bucket.name,
        standing=standing_of(budget, used),
        limit_usd=budget.limit_usd,
        spent_usd=spent,
        reserved_usd=reserved,
        remaining_usd=max(Decimal(0), budget.limit_usd - used),
        used_ratio=float(used / budget.limit_usd),
        burn_usd_per_h=(spent * 3600 / gone_s).quantize(_DIGITS) if is_long else None,
        call_count=total.call_count,
        unknown_cost_count=total.unknown_count,
        estimated_cost_usd=total.estimated_usd,
        window_began_at=since,
        window_ends_at=running_until(budget, now),
        owner=budget.owner,
    )


def standing_of(budget: BudgetSettings, used_usd: Decimal) -> Standing:
    """The state that a sum comes to."""
    if used_usd >= budget.limit_usd:
        return Standing.OVER
    if any(used_usd >= share * budget.limit_usd for share in budget.warn_at):
        return Standing.WARN
    return Standing.OK


def _notes(
    store: Store,
    budgets: Mapping[str, BudgetSettings],
    rows: list[StatusRow],
    cached: Mapping[datetime, list[Spent]],
    now: datetime,
) -> Iterator[str]:
    seen = {row.budget for row in rows}
    for name in sorted(set(budgets) - seen):
        yield f"{name}: nobody has spent anything in its window yet"
    yield "spent: metered and confirmed costs of the ledger; a cost counts when its call has ended"
    if not cached:
        return
    widest = min(cached)
    found = read_evidence(store, Slice(Window(widest, now)))
    others = sum(row.gateway_only_count for row in cached[widest])
    if found.marks:
        through = min(to_aware(mark["through"]) for mark in found.marks)
        yield (
            f"the gateway's log was read through {through:%Y-%m-%d %H:%M} (UTC):"
            f" {counted(others, 'call')} of other clients are counted, later ones are not"
        )
    else:
        yield (
            "the gateway's log was never read: calls of other clients are not counted;"
            " see: wai logs pull"
        )
    local = sum(row.local_count for row in cached[widest])
    if local:
        yield (
            f"{counted(local, 'call')} of these were served by the local emulator: list prices,"
            " nothing was billed"
        )
    unknown = sum(row.unknown_cost_count for row in cached[widest])
    if unknown:
        yield f"{counted(unknown, 'call')} of unknown cost may have cost more than is shown"
    if any(item.alignment is Alignment.ROLLING for item in budgets.values()):
        yield "a window that rolls ends now; what leaves it makes room again"
    yield (
        "what the gateway's own guards have counted cannot be read: they see every client, and"
        " count later"
    )
    yield from missing_notes(found, store.folded.in_flight_count)
