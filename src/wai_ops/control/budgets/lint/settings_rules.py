"""Rules that settings and prices alone can answer."""

from collections.abc import Iterator
from decimal import Decimal

from wai_ops.config.budget_settings import BudgetScope, BudgetSettings, LimitAction, ScopeKey
from wai_ops.control.budgets.forms import WINDOW_S
from wai_ops.control.budgets.lint.look import Look, found, usd
from wai_ops.control.policy.action import RiskTier
from wai_ops.core.findings import Finding, Level, Rule

UNPRICED = Rule(
    id="WB001",
    name="unpriced-model",
    level=Level.ERROR,
    why="A model without a price costs nothing in the eyes of every guard: it passes the budget "
    "for ever, and wai refuses to hold it.",
    fix="Correct the id, fetch the catalogue (wai models sync), or set its price under `prices`.",
)
BELOW_ONE = Rule(
    id="WB010",
    name="below-one-request",
    level=Level.ERROR,
    why="One request can cost more than the whole limit: guards that count afterwards are passed "
    "by the first call, and wai itself may refuse every call.",
    fix="Raise the limit, lower max_output_tokens, or name cheaper models in scope.model.",
)
NO_OWNER = Rule(
    id="WB011",
    name="no-owner",
    level=Level.NOTE,
    why="Nobody is named who answers for the budget when it stops somebody at night.",
    fix="Set `owner`: a team, or an address.",
)
NEVER_REACHED = Rule(
    id="WB012",
    name="never-reached",
    level=Level.WARNING,
    why="Another budget that all of its calls draw on as well ends before it does: it stops "
    "nobody, and looks as if it did.",
    fix="Lower its limit, or remove it.",
)
UNFIT = Rule(
    id="WB013",
    name="unfit-form",
    level=Level.ERROR,
    why="`enforce` names a form that cannot hold the budget, so it is not there.",
    fix="Take the form out of `enforce`, or change the budget so that it fits; see "
    "wai budget plan --why.",
)
UNHEARD = Rule(
    id="WB014",
    name="unheard-alert",
    level=Level.WARNING,
    why="The budget stops nobody and tells nobody.",
    fix="Name a channel under `alerts`, and run wai budget alerts from time to time.",
)
WARN_ORDER = Rule(
    id="WB015",
    name="warn-at-order",
    level=Level.NOTE,
    why="Shares that are out of order or there twice read as something else than they are.",
    fix="Write `warn_at` in ascending order, each share once, below 1.",
)
DEARER = Rule(
    id="WB016",
    name="dearer-downshift",
    level=Level.ERROR,
    why="The model that is to save money costs more than the one that it takes over from.",
    fix="Name a cheaper model in `downshift_to`.",
)
DENIED_DOWNSHIFT = Rule(
    id="WB017",
    name="denied-downshift",
    level=Level.WARNING,
    why="The policy of a workflow does not allow the model that is to take over: its calls are "
    "refused where they were to become cheaper.",
    fix="Allow the model in the workflow's policy, or downshift to one that is.",
)
UNHELD = Rule(
    id="WB018",
    name="unheld-budget",
    level=Level.ERROR,
    why="No form fits the budget: it stops nobody.",
    fix="See wai budget plan --why for what keeps each form from holding it.",
)
RULES = (
    *(UNPRICED, BELOW_ONE, NO_OWNER, NEVER_REACHED, UNFIT, UNHEARD, WARN_ORDER, DEARER),
    *(DENIED_DOWNSHIFT, UNHELD),
)


def check_settings(look: Look) -> Iterator[Finding]:
    """Look at each budget by itself."""
    for name, budget in look.budgets.items():
        yield from _prices(look, name, budget)
        worst = look.worst_usd.get(name)
        if worst is not None and worst > budget.limit_usd:
            text = f"one request can cost {usd(worst)}, and the limit is {usd(budget.limit_usd)}"
            yield found(look, BELOW_ONE, name, text)
        if budget.owner is None:
            yield found(look, NO_OWNER, name, "nobody owns it")
        if budget.action is LimitAction.ALERT and not _is_heard(look, name):
            yield found(look, UNHEARD, name, "it only alerts, and no channel gets its alerts")
        ascending = sorted(set(budget.warn_at))
        if list(budget.warn_at) != ascending or any(item >= 1 for item in ascending):
            yield found(look, WARN_ORDER, name, "warn_at is not ascending, or holds the limit")
        is_held = look.guards_of(name) or look.is_local(name)
        if budget.action is not LimitAction.ALERT and not is_held:
            yield found(look, UNHELD, name, "nothing holds it")
    for item in look.compiled.unfit:
        if item.is_wanted:
            key = f"{item.budget} {item.form.value}"
            yield found(look, UNFIT, item.budget, f"{item.form.value}: {item.why}", key=key)


def _is_heard(look: Look, budget: str) -> bool:
    return any(not item.budgets or budget in item.budgets for item in look.alerts.values())


def _prices(look: Look, name: str, budget: BudgetSettings) -> Iterator[Finding]:
    named = (*budget.scope.model, *((budget.downshift_to,) if budget.downshift_to else ()))
    for model in dict.fromkeys(named):
        if look.prices.rates(model, look.now) is None:
            text = f"no price is known for {model}"
            yield found(look, UNPRICED, name, text, key=f"{name} {model}")
    if budget.downshift_to is not None:
        for model in budget.scope.model:
            if _is_dearer(look, budget.downshift_to, model):
                text = f"{budget.downshift_to} is no cheaper than {model}"
                yield found(look, DEARER, name, text, key=f"{name} {model}")
        yield from _denied(look, name, budget, budget.downshift_to)


def _is_dearer(look: Look, cheap: str, dear: str) -> bool:
    """Whether a token costs at least as much in every way, and so can save nothing."""
    one, two = look.prices.rates(cheap, look.now), look.prices.rates(dear, look.now)
    if one is None or two is None:
        return False
    out = [
        Decimal(0) if rates.neurons_out_per_m is None else rates.neurons_out_per_m
        for rates in (one, two)
    ]
    return one.neurons_in_per_m >= two.neurons_in_per_m and out[0] >= out[1]


def _denied(look: Look, name: str, budget: BudgetSettings, model: str) -> Iterator[Finding]:
    if look.registry is None:
        return
    for workflow, policy in look.registry.workflows.items():
        if budget.scope.workflow and workflow not in budget.scope.workflow:
            continue
        allowed = {item for tier in RiskTier for item in policy.models.get(tier, ())}
        uses = not budget.scope.model or allowed & set(budget.scope.model)
        if uses and (model not in allowed or model in policy.deny_models):
            text = f"the policy of workflow {workflow} ({policy.where}) does not allow {model}"
            yield found(look, DENIED_DOWNSHIFT, name, text, key=f"{name} {workflow}")


def check_overlaps(look: Look) -> Iterator[Finding]:
    """Find budgets inside of others that end first."""
    for name, inner in look.budgets.items():
        for other, outer in look.budgets.items():
            if other != name and _ends_first(outer, inner) and not _are_twins(look, other, name):
                text = f"{other} ({usd(outer.limit_usd)} {outer.window.value}) ends before it does"
                yield found(look, NEVER_REACHED, name, text, key=f"{name} {other}")
                break


def _ends_first(outer: BudgetSettings, inner: BudgetSettings) -> bool:
    """Whether all that an inner bucket can hold is in one bucket of the outer, with less room."""
    if outer.action is not LimitAction.BLOCK or inner.action is LimitAction.ALERT:
        return False
    is_longer = WINDOW_S[outer.window] >= WINDOW_S[inner.window]
    fixed = {key for key in ScopeKey if len(getattr(inner.scope, key.value)) == 1}
    is_one_bucket = set(outer.per) <= set(inner.per) | fixed
    holds = is_longer and is_one_bucket and _covers(outer.scope, inner.scope)
    return holds and outer.limit_usd <= inner.limit_usd


def _covers(outer: BudgetScope, inner: BudgetScope) -> bool:
    for key in ScopeKey:
        wide, narrow = getattr(outer, key.value), getattr(inner, key.value)
        if wide and (not narrow or not set(narrow) <= set(wide)):
            return False
    return True


def _are_twins(look: Look, other: str, name: str) -> bool:
    """Of two that end each other, the second is named."""
    return _ends_first(look.budgets[name], look.budgets[other]) and name < other
