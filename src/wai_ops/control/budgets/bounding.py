"""`wai budget bound`: what the ledger and the price list say, put together as a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from wai_ops.config.budget_settings import BudgetSettings, LimitAction
from wai_ops.control.budgets.bound import Bound, Given, bounds_of, propagation_s, settle_s
from wai_ops.control.budgets.bound_traffic import GuardTraffic, guard_traffic
from wai_ops.control.budgets.matching import Matcher, Traits
from wai_ops.control.budgets.native import Compiled, Guard
from wai_ops.control.budgets.worst import worst_request_usd
from wai_ops.core.prices import PriceBook
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.budget_calls import Keys, budget_calls, budget_kinds
from wai_ops.observe.reports.evidence import missing_notes, read_evidence
from wai_ops.observe.reports.slice import Slice


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundRow:
    """One guard."""

    guard: str = col("Guard")
    per: str = col("Limit for")
    limit_usd: Decimal = col("Limit", Unit.USD)
    uncounted_count: int | None = col("Calls not counted", Unit.COUNT)
    worst_request_usd: Decimal | None = col("Dearest call", Unit.USD)
    overshoot_usd: Decimal | None = col("Passed by at most", Unit.USD)
    """In a window. None: not known, or without bound: the notes say which."""
    most_usd: Decimal | None = col("Window at most", Unit.USD)
    after_push_usd: Decimal | None = col("Until a push holds", Unit.USD)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorRow:
    """One number that a bound is made of."""

    guard: str = col("Guard")
    factor: str = col("Factor")
    value: Decimal | None = col("Value")
    unit: str = col("Unit")
    source: str = col("Source")
    assumption: str = col("Holds as long as")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    """All bounds, and how complete what they rest on is."""

    bounds: tuple[Bound, ...]
    notes: tuple[str, ...]

    def table(self) -> Table[BoundRow]:
        """One row a guard."""
        rows = [_row(bound) for bound in self.bounds]
        unknown = [f"{b.guard}: no bound: {b.why_unknown}" for b in self.bounds if b.why_unknown]
        gaps: dict[str, list[str]] = {}
        for bound in self.bounds:
            for gap in bound.not_covered:
                gaps.setdefault(gap, []).append(bound.guard)
        covered = [
            f"in no bound: {gap} ({', '.join(names) if len(names) < 4 else f'{len(names)} guards'})"
            for gap, names in gaps.items()
        ]
        return Table(
            row_type=BoundRow,
            rows=rows,
            title="By how much budgets can be passed",
            notes=(*unknown, *covered, *self.notes),
        )

    def factors(self) -> Table[FactorRow]:
        """One row a factor."""
        rows = [
            FactorRow(
                guard=bound.guard,
                factor=factor.name,
                value=factor.value,
                unit=factor.unit,
                source=factor.source.value,
                assumption=factor.assumption,
            )
            for bound in self.bounds
            for factor in bound.factors
        ]
        return Table(
            row_type=FactorRow, rows=rows, title="What the bounds rest on", notes=self.notes
        )


def bound_budgets(
    store: Store,
    part: Slice,
    compiled: Compiled,
    budgets: Mapping[str, BudgetSettings],
    given: Given,
    *,
    prices: PriceBook,
    at: datetime,
    max_output_tokens: int,
    default_model: str,
) -> Bounded:
    """Measure and bound. Raises DataError."""
    traffic, count = _measured(store, part, compiled, budgets, given)
    notes = [f"measured in {counted(count, 'call')}, {part.window.describe()}"]
    notes += missing_notes(read_evidence(store, part), store.folded.in_flight_count)
    worst = {}
    for guard in compiled.guards:
        budget = budgets.get(guard.budget)
        if budget is None:
            continue
        seen = traffic.get(str(guard.ref))
        models = _models(guard, budget, seen, default_model)
        costs = [
            worst_request_usd(model, prices, at, max_output_tokens=max_output_tokens)
            for model in sorted(models)
        ]
        known = [cost for cost in costs if cost is not None]
        if known and len(known) == len(costs):
            worst[str(guard.ref)] = max(known)
    bounds = bounds_of(compiled, budgets, traffic, worst, given)
    notes += [
        f"{name}: nobody is stopped: no bound"
        for name, budget in sorted(budgets.items())
        if budget.action is LimitAction.ALERT
    ]
    held = {bound.budget for bound in bounds}
    notes += [
        f"{name}: nothing holds it: no bound (wai budget plan --why)"
        for name, budget in sorted(budgets.items())
        if name not in held and budget.action is not LimitAction.ALERT
    ]
    return Bounded(bounds=tuple(bounds), notes=tuple(notes))


def _models(
    guard: Guard, budget: BudgetSettings, seen: GuardTraffic | None, default: str
) -> set[str]:
    """What may be asked under a guard: its scope, else what was recorded, else the default."""
    body = guard.body
    for holder, key in ((body.get("resource"), "model"), (body.get("model"), "values")):
        if isinstance(holder, Mapping) and isinstance(holder.get(key), list):
            return set(holder[key])
    if budget.scope.model:
        return set(budget.scope.model)
    return set(seen.models) if seen is not None and seen.models else {default}


def _measured(
    store: Store,
    part: Slice,
    compiled: Compiled,
    budgets: Mapping[str, BudgetSettings],
    given: Given,
) -> tuple[dict[str, GuardTraffic], int]:
    matcher = Matcher(compiled=compiled, budgets=budgets)
    keys = Keys(by_tenant=True, by_prompt=True, by_model=True)
    kinds = budget_kinds(store, part, keys)
    calls = budget_calls(store, part, keys)
    meters_of = [
        matcher.meters_of(
            Traits(tenant=kind.tenant, workflow=kind.workflow, prompt=kind.prompt, model=kind.model)
        )
        for kind in kinds
    ]
    found = guard_traffic(
        calls,
        meters_of,
        [kind.model for kind in kinds],
        settle_us=int(settle_s(given) * 1_000_000),
        propagation_us={
            str(guard.ref): int(propagation_s(guard.form, given) * 1_000_000)
            for guard in compiled.guards
        },
    )
    return found, len(calls)


def _row(bound: Bound) -> BoundRow:
    by_name = {factor.name: factor.value for factor in bound.factors}
    uncounted = by_name.get("calls not counted yet", by_name.get("calls not reserved"))
    return BoundRow(
        guard=bound.guard,
        per=bound.per or "all of it",
        limit_usd=bound.limit_usd,
        uncounted_count=None if uncounted is None else int(uncounted),
        worst_request_usd=by_name.get("dearest call"),
        overshoot_usd=bound.overshoot_usd,
        most_usd=bound.most_usd,
        after_push_usd=bound.after_push_usd,
    )
