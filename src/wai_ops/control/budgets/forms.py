"""What each form of guard makes of a budget, or why it cannot hold it. Pure.

A form fits when its object stops what the budget is about and nothing else; what slips through all
the same is listed as a gap. Facts about the forms come from the provider's pages on spend limits,
policies, rate limits and dynamic routes (October 2026) and from what users observed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wai_ops.config.budget_settings import (
    Alignment,
    BudgetScope,
    BudgetSettings,
    BudgetWindow,
    Enforcement,
    LimitAction,
    ScopeKey,
)
from wai_ops.control.budgets.native import PROVIDER, Facts, Guard, Kind, Ref, number

_HOUR = 3600
WINDOW_S: Mapping[BudgetWindow, int] = {
    BudgetWindow.HOURLY: _HOUR,
    BudgetWindow.DAILY: 24 * _HOUR,
    BudgetWindow.WEEKLY: 7 * 24 * _HOUR,
    BudgetWindow.MONTHLY: 30 * 24 * _HOUR,
}
"""How long a rolling window is."""
_EPOCH_ALIGNED = (BudgetWindow.HOURLY, BudgetWindow.DAILY)
"""The calendar windows that are also a fixed length of time counted from 1970."""

CACHE_GAP = "answers from the gateway's response cache pass it"
UNPRICED_GAP = "calls of models without a public price are not counted"
LATE_GAP = "a cost is counted when its call has ended: calls in flight pass it"


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a form cannot hold a budget: one sentence."""

    why: str


Form = Callable[[str, BudgetSettings, str, Facts], "list[Guard] | Wrong"]


def policy_guards(
    name: str, budget: BudgetSettings, prefix: str, facts: Facts
) -> list[Guard] | Wrong:
    """Calendar caps. One policy; for a budget per model one for each model of the scope."""
    del facts
    if budget.action is not LimitAction.BLOCK:
        return Wrong("a policy can only refuse")
    if budget.alignment is not Alignment.CALENDAR:
        return Wrong("periods of policies are those of the calendar")
    if ScopeKey.MODEL in budget.per and not budget.scope.model:
        return Wrong("a policy cannot split by model: list the models in scope.model")
    keys = [key for key in budget.per if key is not ScopeKey.MODEL]
    actor = "-".join([f"{prefix}-{name}", *(f"{{metadata.{key.value}}}" for key in keys)])
    gaps = [CACHE_GAP, UNPRICED_GAP, LATE_GAP, "a change holds after up to 15 minutes"]
    gaps += [f"calls without the key {key.value} pass it" for key in keys]
    if ScopeKey.PROMPT in budget.per:
        gaps.append("each version of a prompt has a limit of its own")
    made = []
    for own, models in _groups(name, budget, prefix):
        made.append(
            Guard(
                budget=name,
                form=Enforcement.POLICY,
                ref=Ref(Kind.POLICY, own),
                body={
                    "name": own,
                    "actor": actor,
                    "resource": _resource(models),
                    "condition": condition_of(budget.scope),
                    "action": {
                        "type": "limit",
                        "amount": number(budget.limit_usd),
                        "period": budget.window.value,
                        "technique": "named-interval",
                    },
                },
                why=f"policies know {budget.window.value} periods of the calendar in UTC, "
                "and refuse before the call",
                gaps=tuple(gaps),
            )
        )
    return made


def spend_guards(
    name: str, budget: BudgetSettings, prefix: str, facts: Facts
) -> list[Guard] | Wrong:
    """Spend rules. One rule; for a budget per model one for each model of the scope."""
    del facts
    if (wrong := _no_spend_rule(budget)) is not None:
        return wrong
    is_calendar = budget.alignment is Alignment.CALENDAR
    common: dict[str, Any] = {
        "enabled": True,
        "limit": number(budget.limit_usd),
        "limitType": "cost",
        "window": WINDOW_S[budget.window],
        "technique": "fixed" if is_calendar else "sliding",
    }
    if metadata := _dimensions(budget):
        common["metadata"] = metadata
    made = []
    for own, models in _groups(name, budget, prefix):
        body = {"id": own} | common
        if models:
            body["model"] = {"mode": "filter", "values": sorted(models)}
        what = "fixed windows of an hour or a day begin with the clock in UTC"
        made.append(
            Guard(
                budget=name,
                form=Enforcement.SPEND_LIMIT,
                ref=Ref(Kind.SPEND_RULE, own),
                body=body,
                why=what if is_calendar else "spend rules know lengths of time",
                gaps=_spend_gaps(budget),
            )
        )
    return made


def _no_spend_rule(budget: BudgetSettings) -> Wrong | None:
    if budget.action is not LimitAction.BLOCK:
        return Wrong("a spend rule can only refuse")
    if budget.alignment is Alignment.CALENDAR and budget.window not in _EPOCH_ALIGNED:
        return Wrong(
            f"spend rules know lengths of time, no {budget.window.value} ones of the calendar"
        )
    if any("@" not in prompt for prompt in budget.scope.prompt):
        return Wrong("spend rules compare whole values, and the key prompt carries a version")
    if ScopeKey.MODEL in budget.per and not budget.scope.model:
        return Wrong("a spend rule cannot split by model: list the models in scope.model")
    for key in budget.per:
        if key is not ScopeKey.MODEL and getattr(budget.scope, key.value):
            return Wrong(f"a spend rule can filter or split by {key.value}, not both")
    return None


def _dimensions(budget: BudgetSettings) -> dict[str, Any]:
    """The metadata of a spend rule: what it is split by, and what it is for."""
    found: dict[str, Any] = {}
    for key in (ScopeKey.TENANT, ScopeKey.WORKFLOW, ScopeKey.PROMPT):
        if key in budget.per:
            found[key.value] = {"mode": "partition"}
        elif values := getattr(budget.scope, key.value):
            found[key.value] = {"mode": "filter", "values": sorted(values)}
    return found


def _spend_gaps(budget: BudgetSettings) -> tuple[str, ...]:
    gaps = [CACHE_GAP, UNPRICED_GAP, LATE_GAP, "one of nine observed overspends was never enforced"]
    gaps += [
        f"calls without the key {key.value} pass it"
        for key in budget.per
        if key is not ScopeKey.MODEL
    ]
    if budget.alignment is Alignment.ROLLING:
        gaps.append("a sliding window weighs the one before it: it is no exact rolling sum")
        if budget.window is BudgetWindow.MONTHLY:
            gaps.append("a month is 30 days")
    return tuple(gaps)


def rate_guards(
    name: str, budget: BudgetSettings, prefix: str, facts: Facts
) -> list[Guard] | Wrong:
    """The gateway's one rate limit: so many calls that even the dearest stay within the budget."""
    del prefix
    if budget.action is not LimitAction.BLOCK:
        return Wrong("a rate limit can only refuse")
    if budget.scope != BudgetScope() or budget.per:
        return Wrong("a gateway has one rate limit for all of its calls")
    if budget.alignment is Alignment.CALENDAR and budget.window not in _EPOCH_ALIGNED:
        return Wrong("a rate limit counts in lengths of time")
    worst = facts.worst_request_usd.get(name)
    if worst is None or worst <= 0:
        return Wrong("what one call can cost at most is not known")
    calls = int(budget.limit_usd / worst)
    if calls < 1:
        return Wrong(f"one call can cost ${worst:f}, more than the whole limit")
    technique = "fixed" if budget.alignment is Alignment.CALENDAR else "sliding"
    return [
        Guard(
            budget=name,
            form=Enforcement.RATE_LIMIT,
            ref=Ref(Kind.RATE_LIMIT, "gateway"),
            body={
                "rate_limiting_interval": WINDOW_S[budget.window],
                "rate_limiting_limit": calls,
                "rate_limiting_technique": technique,
            },
            why=f"{calls} calls of at most ${worst:f} stay within ${budget.limit_usd:f}",
            gaps=("it counts calls, whatever they cost: cheap ones are stopped early",),
        )
    ]


def route_guards(
    name: str, budget: BudgetSettings, prefix: str, facts: Facts
) -> list[Guard] | Wrong:
    """A dynamic route that counts cost, and goes on with a cheaper model."""
    del facts
    if budget.action is not LimitAction.DOWNSHIFT or budget.downshift_to is None:
        return Wrong("a route is for going on with another model: action downshift")
    if len(budget.scope.model) != 1:
        return Wrong("a route needs the one model that it begins with: scope.model")
    if budget.alignment is Alignment.CALENDAR and budget.window not in _EPOCH_ALIGNED:
        return Wrong("a route counts in lengths of time")
    filters = {
        key: getattr(budget.scope, key.value)
        for key in (ScopeKey.TENANT, ScopeKey.WORKFLOW, ScopeKey.PROMPT)
        if getattr(budget.scope, key.value)
    }
    if any(len(values) > 1 for values in filters.values()):
        return Wrong("a route compares a key with one value")
    if any("@" not in prompt for prompt in budget.scope.prompt):
        return Wrong("a route compares whole values, and the key prompt carries a version")
    keys = list(budget.per) or list(filters)[:1]
    if len(keys) != 1 or ScopeKey.MODEL in keys:
        return Wrong("a route counts by exactly one key of the metadata")
    gaps = [
        "only calls of the model dynamic/... on the compat endpoint take a route",
        "its windows are fixed, from the clock",
        LATE_GAP,
        f"calls without the key {keys[0].value} pass it",
    ]
    elements = _route_elements(budget, budget.downshift_to, keys[0], filters)
    return [
        Guard(
            budget=name,
            form=Enforcement.ROUTE,
            ref=Ref(Kind.ROUTE, f"{prefix}-{name}"),
            body={"name": f"{prefix}-{name}", "elements": elements},
            why=f"a route can go on with {budget.downshift_to}; nothing else of the gateway can",
            gaps=tuple(gaps),
        )
    ]


def edge_guards(
    name: str, budget: BudgetSettings, prefix: str, facts: Facts
) -> list[Guard] | Wrong:
    """The guard Worker, which is not there yet."""
    del name, budget, prefix, facts
    return Wrong("the guard Worker does not exist yet")


FORMS: Mapping[Enforcement, Form] = {
    Enforcement.POLICY: policy_guards,
    Enforcement.SPEND_LIMIT: spend_guards,
    Enforcement.RATE_LIMIT: rate_guards,
    Enforcement.ROUTE: route_guards,
    Enforcement.EDGE: edge_guards,
}


def condition_of(scope: BudgetScope) -> str:
    """The CEL condition of a scope's metadata; `true` for all calls.

    Values are names (`core.ids.is_name`): they hold no quote and no backslash.
    """
    parts = [
        _any_of([f'metadata.{key} == "{value}"' for value in getattr(scope, key)])
        for key in ("tenant", "workflow")
    ]
    prompts = [
        f'metadata.prompt == "{prompt}"'
        if "@" in prompt
        else f'metadata.prompt.startsWith("{prompt}@")'
        for prompt in scope.prompt
    ]
    parts.append(_any_of(prompts))
    return " && ".join(part for part in parts if part) or "true"


def _any_of(terms: Sequence[str]) -> str:
    if len(terms) < 2:
        return "".join(terms)
    return f"({' || '.join(terms)})"


def _groups(name: str, budget: BudgetSettings, prefix: str) -> list[tuple[str, tuple[str, ...]]]:
    """The objects that a budget needs, each its name and models; split by model: one a model."""
    if ScopeKey.MODEL not in budget.per:
        return [(f"{prefix}-{name}", budget.scope.model)]
    return [(f"{prefix}-{name}-{_short(model)}", (model,)) for model in budget.scope.model]


def _resource(models: Sequence[str]) -> Any:
    return {"model": sorted(models), "provider": PROVIDER} if models else "*"


def _short(model: str) -> str:
    """`@cf/google/gemma-4` -> `google-gemma-4`: for the name of an object."""
    text = "".join(c if c.isascii() and c.isalnum() else "-" for c in model.removeprefix("@cf/"))
    return "-".join(part for part in text.lower().split("-") if part)


def _route_elements(
    budget: BudgetSettings,
    cheaper: str,
    counted: ScopeKey,
    filters: Mapping[ScopeKey, Sequence[str]],
) -> list[dict[str, Any]]:
    """Start, the scope's conditions, the counter, the two models, the end."""
    model = budget.scope.model[0]
    first = "scope" if filters else "spent"
    elements: list[dict[str, Any]] = [
        {"id": "start", "type": "start", "outputs": {"next": {"elementId": first}}}
    ]
    if filters:
        conditions = [
            {f"metadata.{key.value}": {"$eq": values[0]}} for key, values in filters.items()
        ]
        elements.append(
            {
                "id": "scope",
                "type": "conditional",
                "properties": {
                    "conditions": conditions[0] if len(conditions) == 1 else {"$and": conditions}
                },
                "outputs": {"true": {"elementId": "spent"}, "false": {"elementId": "model"}},
            }
        )
    elements.append(
        {
            "id": "spent",
            "type": "rate",
            "properties": {
                "limitType": "cost",
                "key": f"metadata.{counted.value}",
                "limit": number(budget.limit_usd),
                "window": WINDOW_S[budget.window],
            },
            "outputs": {"success": {"elementId": "model"}, "fallback": {"elementId": "cheaper"}},
        }
    )
    for own, name in (("model", model), ("cheaper", cheaper)):
        elements.append(
            {
                "id": own,
                "type": "model",
                "properties": {
                    "provider": PROVIDER,
                    "model": name,
                    "timeout": 60_000,
                    "retries": 0,
                },
                "outputs": {"success": {"elementId": "end"}, "fallback": {"elementId": "end"}},
            }
        )
    elements.append({"id": "end", "type": "end", "outputs": {}})
    return elements
