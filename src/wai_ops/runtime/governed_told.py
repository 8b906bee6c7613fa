"""What a governed run says of itself when it is over."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from wai_ops.control.envelopes.limits import Limits
from wai_ops.control.policy.action import Mode
from wai_ops.control.routing.facts import RouteChoice
from wai_ops.runtime.governed import GovernedPlan
from wai_ops.runtime.governed_result import RunBudget, RunDecision, RunGoverned, RunRoute
from wai_ops.runtime.plan import Prepared
from wai_ops.state.conversations import list_turns
from wai_ops.state.live import LiveState
from wai_ops.state.reservations import Balance, Budget, balance_of


def told(
    found: GovernedPlan,
    choice: RouteChoice | None,
    prepared: Prepared,
    live: LiveState,
    *,
    decisions: list[RunDecision],
    held: Mapping[str, Decimal] | None,
    charged: Mapping[str, Decimal | None],
    would_refuse: list[str],
    budgets: Sequence[Budget],
) -> RunGoverned:
    """Put it together. `held` None: no money is limited."""
    unsettled = [name for name, amount in charged.items() if amount is None]
    return RunGoverned(
        policy_version=found.verdict.policy_version,
        mode=(Mode.ENFORCE if found.policy is None else found.policy.mode).value,
        risk_tier=found.action.risk_tier.value,
        decisions=decisions,
        route=route_of(choice or found.choice, is_followed=found.is_route_followed),
        max_output_tokens=prepared.ask.max_output_tokens,
        max_output_tokens_lowered_from=found.lowered_from,
        reserved_usd=None if held is None else sum(held.values(), Decimal(0)),
        settled_usd=sum((amount or Decimal(0) for amount in charged.values()), Decimal(0)),
        unsettled_usd=sum(((held or {}).get(name, Decimal(0)) for name in unsettled), Decimal(0)),
        budgets=[budget_row(balance_of(live, budget)) for budget in budgets],
        would_refuse=would_refuse,
    )


def route_of(choice: RouteChoice | None, *, is_followed: bool) -> RunRoute | None:
    """The route as results show it."""
    if choice is None:
        return None
    return RunRoute(
        model=choice.model,
        rule=choice.rule,
        where=choice.where,
        reason=choice.reason,
        tried=list(choice.tried),
        is_followed=is_followed,
    )


def budget_row(balance: Balance) -> RunBudget:
    """A budget as results show it."""
    return RunBudget(
        budget_key=balance.key,
        limit_usd=balance.limit_usd,
        spent_usd=balance.spent_usd,
        reserved_usd=balance.reserved_usd,
        remaining_usd=balance.remaining_usd,
    )


def cache_notice(limits: Limits, live: LiveState, prepared: Prepared) -> str | None:
    """That a conversation's cached share is below its target; its first turn is always cold."""
    target = limits.envelope.cache_target
    if target is None:
        return None
    share = cached_share(live, prepared.session.affinity_key)
    if share is None or share >= target:
        return None
    place = limits.place("cache_target")
    return (
        f"{share * 100:.0f}% of this conversation's input came from the cache, below its target "
        f"of {(target * 100).normalize():f}%: {place.rule} ({place.where})"
    )


def cached_share(live: LiveState, affinity_key: str) -> Decimal | None:
    """Cached input / input of the turns after the first one that say it; None: none does."""
    turns = [
        (turn.input_tokens, turn.cached_input_tokens)
        for turn in list_turns(live, affinity_key)
        if turn.input_tokens and turn.cached_input_tokens is not None
    ][1:]
    total = sum(tokens for tokens, _ in turns)
    return Decimal(sum(cached for _, cached in turns)) / total if total else None
