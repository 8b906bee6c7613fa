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
from wai_ops.control.budgets.local import local_problem
from wai_ops.control.budgets.native import (
    Compiled,
    Facts,
    Guard,
    Kind,
    LocalBudget,
    Ref,
    Unfit,
)

_LOCAL_WHY = "wai sets the worst case of a call aside before it sends it, so it is never passed"
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
        made, wrong = _native(name, budgets[name], settings.prefix, facts or Facts(), guards)
        guards += made
        unfit += wrong
        own = _own(name, budgets[name])
        if isinstance(own, LocalBudget):
            local.append(own)
        elif own is not None:
            unfit.append(own)
    guards += _allowlist_guards(allowlists or {}, settings)
    if any(guard.form is Enforcement.POLICY for guard in guards):
        guards += _let_through(settings)
    return Compiled(guards=tuple(guards), local=tuple(local), unfit=tuple(unfit))


def _native(
    name: str, budget: BudgetSettings, prefix: str, facts: Facts, taken: list[Guard]
) -> tuple[list[Guard], list[Unfit]]:
    """The gateway's forms: all that are wanted, or the first that fits."""
    guards: list[Guard] = []
    unfit: list[Unfit] = []
    for form in budget.enforce or preferred_forms(budget):
        if form is Enforcement.LOCAL:
            continue
        found = FORMS[form](name, budget, prefix, facts)
        if not isinstance(found, Wrong):
            found = _taken(found, taken) or found
        if isinstance(found, Wrong):
            is_wanted = bool(budget.enforce)
            unfit.append(Unfit(budget=name, form=form, why=found.why, is_wanted=is_wanted))
            continue
        guards += found
        if not budget.enforce:
            break
    return guards, unfit


def _own(name: str, budget: BudgetSettings) -> LocalBudget | Unfit | None:
    """What `wai` itself holds; None: nobody asked it to, and it could not."""
    if budget.enforce and Enforcement.LOCAL not in budget.enforce:
        return None
    why = local_problem(budget)
    if why is None:
        return LocalBudget(budget=name, why=_LOCAL_WHY, gaps=(LOCAL_GAP,))
    is_wanted = bool(budget.enforce)
    if budget.action is LimitAction.ALERT and not is_wanted:
        return None
    return Unfit(budget=name, form=Enforcement.LOCAL, why=why, is_wanted=is_wanted)


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
