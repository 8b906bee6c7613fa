"""What `--dry-run` shows of policy: verdict, route, limits and what would be set aside."""

from collections.abc import Mapping
from decimal import Decimal

from wai_ops.control.envelopes.limits import Limits
from wai_ops.control.envelopes.model import NAMES
from wai_ops.control.policy.action import Mode
from wai_ops.runtime.governed import (
    Governance,
    GovernedPlan,
    bound_of,
    breach_of,
    budgets_of,
    conversation_budget,
    plan,
    worst_of,
)
from wai_ops.runtime.governed_refusal import shortage_breach
from wai_ops.runtime.governed_result import GovernedPreview, RunLimit
from wai_ops.runtime.governed_told import budget_row, route_of
from wai_ops.runtime.plan import Service, Surroundings
from wai_ops.runtime.preview import RunPreview, preview_of
from wai_ops.runtime.request import Ask
from wai_ops.state.live import LiveState
from wai_ops.state.reservations import Balance, Budget, Shortage, balance_of


def governed_preview(
    governance: Governance,
    ask: Ask,
    service: Service,
    around: Surroundings,
    live: LiveState | None,
) -> RunPreview:
    """Plan as a run would and describe it. Nothing is written."""
    found = plan(governance, ask, service, around, live)
    prepared = found.prepared
    budgets = budgets_of(governance, found.limits, prepared.ask, prepared.started_at)
    balances = [_balance(live, budget) for budget in budgets]
    worst = worst_of(prepared, live)
    verdict = found.verdict
    governed = GovernedPreview(
        verdict=verdict.word.value,
        rule=verdict.rule,
        where=verdict.where,
        reason=verdict.reason,
        policy_version=verdict.policy_version,
        mode=(Mode.ENFORCE if found.policy is None else found.policy.mode).value,
        risk_tier=found.action.risk_tier.value,
        route=route_of(found.choice, is_followed=found.is_route_followed),
        limits=limit_rows(found.limits),
        max_output_tokens_lowered_from=found.lowered_from,
        input_tokens_bound=bound_of(prepared, live),
        reserved_usd=worst,
        budgets=[budget_row(balance) for balance in balances],
        refusal=_refusal(governance, found, worst, dict(zip(budgets, balances, strict=True))),
    )
    return preview_of(prepared, governed)


def limit_rows(limits: Limits) -> list[RunLimit]:
    """The limits that are set, with their places."""
    return [
        RunLimit(
            name=name,
            value=format(value, "f") if isinstance(value, Decimal) else str(value),
            rule=limits.place(name).rule,
            where=limits.place(name).where,
        )
        for name in NAMES
        if (value := getattr(limits.envelope, name)) is not None
    ]


def _balance(live: LiveState | None, budget: Budget) -> Balance:
    if live is not None:
        return balance_of(live, budget)
    return Balance(
        key=budget.key,
        window_start=budget.window_start,
        limit_usd=budget.limit_usd,
        spent_usd=Decimal(0),
        open_usd=Decimal(0),
        unknown_usd=Decimal(0),
    )


def _refusal(
    governance: Governance,
    found: GovernedPlan,
    worst: Decimal | None,
    balances: Mapping[Budget, Balance],
) -> str | None:
    is_observed = found.is_observed
    if not found.verdict.permits:
        return found.verdict.reason
    if found.no_route is not None and not is_observed:
        return found.no_route.message
    breach = breach_of(governance, found.limits, found.prepared, worst)
    if found.output_breach is not None and not is_observed:
        breach = found.output_breach
    if breach is not None and (breach.is_binding or not is_observed):
        return f"{breach.place.rule}: {breach.reason}"
    for budget, balance in balances.items():
        if budget.is_enforced and worst is not None and worst > balance.remaining_usd:
            short = Shortage(balance=balance, needed_usd=worst)
            own_key = conversation_budget(found.ask)
            breach = shortage_breach(
                short, found.limits, own_key=own_key, places=governance.budget_places
            )
            return f"{breach.place.rule}: {breach.reason}"
    return None
