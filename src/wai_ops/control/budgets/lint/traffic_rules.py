"""Rules about calls that were made: what of them the budgets would not see."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from wai_ops.config.budget_settings import BudgetSettings, Enforcement, ScopeKey, Unmatched
from wai_ops.control.budgets.lint.guard_rules import CACHE
from wai_ops.control.budgets.lint.look import Look, found, share, usd
from wai_ops.control.budgets.matching import Matcher, Traits, fits
from wai_ops.control.budgets.native import Compiled
from wai_ops.core.findings import Finding, Level, Rule
from wai_ops.core.text import counted, one_line
from wai_ops.observe.reports.budget_traffic import TrafficRow

UNPRICED_TRAFFIC = Rule(
    id="WB002",
    name="unpriced-traffic",
    level=Level.WARNING,
    why="Calls of models without a price count as nothing: they pass every limit in dollars.",
    fix="Set their price under `prices`, or keep these models out by policy.",
)
MISSING_KEY = Rule(
    id="WB003",
    name="missing-key",
    level=Level.WARNING,
    why="Calls that lack a key which the budget splits or filters on are in none of its buckets: "
    "they are neither counted nor stopped.",
    fix="Send the key with every call (wai run does), or stop calls without it by policy.",
)
HOLE = Rule(
    id="WB005",
    name="default-deny-hole",
    level=Level.ERROR,
    why="With any policy, a gateway refuses the calls that none is about; calls like these were "
    "made, and would get 403.",
    fix="Add a budget that they draw on, or set guards.unmatched to allow.",
)
UNSEEN = Rule(
    id="WB019",
    name="unseen-value",
    level=Level.NOTE,
    why="No recorded call carries a value of the budget's scope: it may be misspelled, and then "
    "the budget is about nothing.",
    fix="Correct the value; wai report cost --by tenant lists those that are there.",
)
PAST_WAI = Rule(
    id="WB020",
    name="calls-past-wai",
    level=Level.WARNING,
    why="Only wai holds the budget, by what it sets aside before it sends; calls of other clients "
    "draw on it and nothing stops them.",
    fix="Add a form of the gateway to `enforce`: policy or spend_limit.",
)
RULES = (UNPRICED_TRAFFIC, MISSING_KEY, HOLE, UNSEEN, PAST_WAI)
_MOST = 3


def check_traffic(look: Look) -> Iterator[Finding]:
    """Look at the recorded calls. Without them there is nothing to say."""
    rows = look.traffic
    if not rows:
        return
    for name, budget in look.budgets.items():
        yield from _unpriced(look, name, budget, rows)
        yield from _missing(look, name, budget, rows)
        yield from _unseen(look, name, budget, rows)
        if look.is_local(name) and not look.guards_of(name):
            yield from _past_wai(look, name, budget, rows)
    yield from _hole(look, rows)
    cached = [row for row in rows if row.cached_count]
    if cached:
        count = sum(row.cached_count for row in cached)
        total = sum(row.call_count for row in rows)
        text = f"the gateway's cache answered {counted(count, 'call')} ({share(count, total)})"
        yield found(look, CACHE, "", f"{text}: {_examples(cached)}", key="cached calls")


def _traits(row: TrafficRow) -> Traits:
    return Traits(tenant=row.tenant, workflow=row.workflow, prompt=row.prompt, model=row.model)


def _unpriced(
    look: Look, name: str, budget: BudgetSettings, rows: Sequence[TrafficRow]
) -> Iterator[Finding]:
    drawn = [row for row in rows if fits(budget.scope, _traits(row))]
    bad = [row for row in drawn if row.unpriced_count]
    if bad:
        count = sum(row.unpriced_count for row in bad)
        total = sum(row.call_count for row in drawn)
        models = _listed(row.model for row in bad)
        text = f"{counted(count, 'call')} ({share(count, total)}) of it had no price: {models}"
        yield found(look, UNPRICED_TRAFFIC, name, text)


def _missing(
    look: Look, name: str, budget: BudgetSettings, rows: Sequence[TrafficRow]
) -> Iterator[Finding]:
    """Keys that calls lack which would be the budget's by all the others."""
    for key in ScopeKey:
        is_filter = bool(getattr(budget.scope, key.value))
        if not is_filter and key not in budget.per:
            continue
        bad = [
            row for row in rows if getattr(row, key.value) is None and _fits_but(budget, row, key)
        ]
        if bad:
            calls, cost = _sums(bad)
            all_calls, all_cost = _sums(rows)
            how = "splits by" if key in budget.per else "is for values of"
            text = f"it {how} {key.value}, and {counted(calls, 'call')} without it "
            text += f"({share(calls, all_calls)} of all, {usd(cost)}, {share(cost, all_cost)}) "
            text += f"pass it: {_examples(bad)}"
            yield found(look, MISSING_KEY, name, text, key=f"{name} {key.value}")


def _fits_but(budget: BudgetSettings, row: TrafficRow, key: ScopeKey) -> bool:
    return fits(replace(budget.scope, **{key.value: ()}), _traits(row))


def _unseen(
    look: Look, name: str, budget: BudgetSettings, rows: Sequence[TrafficRow]
) -> Iterator[Finding]:
    for key in ScopeKey:
        seen = {getattr(row, key.value) for row in rows}
        if key is ScopeKey.PROMPT:
            seen |= {value.partition("@")[0] for value in seen if value is not None}
        for value in getattr(budget.scope, key.value):
            if value not in seen:
                text = f"no recorded call has {key.value} {value}"
                yield found(look, UNSEEN, name, text, key=f"{name} {key.value} {value}")


def _past_wai(
    look: Look, name: str, budget: BudgetSettings, rows: Sequence[TrafficRow]
) -> Iterator[Finding]:
    drawn = [row for row in rows if fits(budget.scope, _traits(row))]
    bad = [row for row in drawn if row.foreign_count]
    if bad:
        count = sum(row.foreign_count for row in bad)
        calls, _ = _sums(drawn)
        text = f"only wai holds it, and {counted(count, 'call')} of it ({share(count, calls)}) "
        yield found(look, PAST_WAI, name, f"{text}did not come from wai: {_examples(bad)}")


def _hole(look: Look, rows: Sequence[TrafficRow]) -> Iterator[Finding]:
    """Calls that no policy would be about, once the first policy is there."""
    policies = tuple(
        guard
        for guard in look.compiled.guards
        if guard.form is Enforcement.POLICY and guard.body["action"].get("type") != "block"
    )
    if not policies or look.guards.unmatched is Unmatched.ALLOW:
        return
    matcher = Matcher(Compiled(guards=policies), look.budgets)
    refused = [row for row in rows if matcher.meters_of(_traits(row)) is None]
    if refused:
        calls, cost = _sums(refused)
        all_calls, _ = _sums(rows)
        text = f"{counted(calls, 'recorded call')} ({share(calls, all_calls)}, {usd(cost)}) would "
        text += f"be refused, since no policy is about them: {_examples(refused)}"
        yield found(look, HOLE, "", text, key="default deny")


def _sums(rows: Sequence[TrafficRow]) -> tuple[int, Decimal]:
    return sum(row.call_count for row in rows), sum((row.cost_usd for row in rows), Decimal(0))


def _examples(rows: Sequence[TrafficRow]) -> str:
    """The workflows with the most of these calls."""
    largest = sorted(rows, key=lambda row: -row.call_count)
    return _listed(
        f"workflow {row.workflow or '(none)'} of tenant {row.tenant or '(none)'}" for row in largest
    )


def _listed(items: Iterable[str | None]) -> str:
    names = list(dict.fromkeys(one_line(item or "(none)", 80) for item in items))
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
