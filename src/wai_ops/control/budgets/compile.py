"""From budgets to guards: each to the strongest form that fits it, with the reason. Pure."""

from collections.abc import Mapping
from typing import Any

from wai_ops.config.budget_settings import (
    Alignment,
    BudgetSettings,
    Enforcement,
    GuardSettings,
    LimitAction,
    Unmatched,
)
from wai_ops.control.budgets.forms import FORMS, Wrong
from wai_ops.control.budgets.native import (
    Compiled,
    Facts,
    Guard,
    Kind,
    LocalBudget,
    Ref,
    Unfit,
)

LOCAL_GAP = "calls that are not sent through wai, or from another state folder, are not counted"


def compile_budgets(
    budgets: Mapping[str, BudgetSettings],
    settings: GuardSettings,
    facts: Facts | None = None,
    allowlists: Mapping[str, tuple[str, ...]] | None = None,
) -> Compiled:
    """Compile all budgets, in the order of their names.

    `allowlists`: workflow -> the models that its policy allows, for the gateway to enforce.
    """
    guards: list[Guard] = []
    local: list[LocalBudget] = []
    unfit: list[Unfit] = []
    for name in sorted(budgets):
        budget = budgets[name]
        for form in budget.enforce or preferred_forms(budget):
            if form is Enforcement.LOCAL:
                local.append(_local(name, budget))
                continue
            found = FORMS[form](name, budget, settings.prefix, facts or Facts())
            if not isinstance(found, Wrong):
                found = _taken(found, guards) or found
            if isinstance(found, Wrong):
                is_wanted = bool(budget.enforce)
                unfit.append(Unfit(budget=name, form=form, why=found.why, is_wanted=is_wanted))
                continue
            guards += found
            if not budget.enforce:
                break
        if not budget.enforce and budget.action is not LimitAction.ALERT:
            local.append(_local(name, budget))
    guards += _allowlist_guards(allowlists or {}, settings)
    if any(guard.form is Enforcement.POLICY for guard in guards):
        guards += _let_through(settings)
    return Compiled(guards=tuple(guards), local=tuple(local), unfit=tuple(unfit))


def preferred_forms(budget: BudgetSettings) -> tuple[Enforcement, ...]:
    """The gateway's forms, the strongest for this budget first.

    A policy knows the calendar and refuses before the call; a spend rule knows lengths of time; a
    route is the only one that can go on with another model.
    """
    if budget.action is LimitAction.ALERT:
        return ()
    if budget.action is LimitAction.DOWNSHIFT:
        return (Enforcement.ROUTE,)
    if budget.alignment is Alignment.CALENDAR:
        return (Enforcement.POLICY, Enforcement.SPEND_LIMIT)
    return (Enforcement.SPEND_LIMIT,)


def _taken(found: list[Guard], guards: list[Guard]) -> Wrong | None:
    holders = {guard.ref: guard.budget for guard in guards}
    for guard in found:
        if (holder := holders.get(guard.ref)) is not None:
            return Wrong(f"the {guard.ref} holds the budget {holder} already")
    return None


def _local(name: str, budget: BudgetSettings) -> LocalBudget:
    why = "wai reserves the worst case of a call before it sends it, so this is never passed"
    if budget.action is LimitAction.DOWNSHIFT:
        why += f"; what does not fit goes to {budget.downshift_to}"
    return LocalBudget(budget=name, why=why, gaps=(LOCAL_GAP,))


def _allowlist_guards(
    allowlists: Mapping[str, tuple[str, ...]], settings: GuardSettings
) -> list[Guard]:
    if not settings.model_allowlists:
        return []
    return [
        _guard_of_policy(
            f"{settings.prefix}-models-{workflow}",
            condition=f'metadata.workflow == "{workflow}"',
            resource={"model": sorted(models)},
            action={"type": "block", "except": True},
            why=f"the policy of {workflow} allows these models alone",
            gaps=("a block wins over everything: it also stops calls that a limit would let pass",),
        )
        for workflow, models in sorted(allowlists.items())
    ]


def _let_through(settings: GuardSettings) -> list[Guard]:
    if settings.unmatched is not Unmatched.ALLOW:
        return []
    return [
        _guard_of_policy(
            f"{settings.prefix}-everything-else",
            condition="true",
            resource="*",
            action={"type": "no-limit"},
            why="with any policy a gateway refuses what none is about; guards.unmatched is allow",
            gaps=(),
        )
    ]


def _guard_of_policy(
    name: str, *, condition: str, resource: Any, action: Any, why: str, gaps: tuple[str, ...]
) -> Guard:
    return Guard(
        budget="",
        form=Enforcement.POLICY,
        ref=Ref(Kind.POLICY, name),
        body={
            "name": name,
            "actor": name,
            "resource": resource,
            "condition": condition,
            "action": action,
        },
        why=why,
        gaps=gaps,
    )
