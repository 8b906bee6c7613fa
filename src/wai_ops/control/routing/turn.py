"""The facts of a turn, from the workflow's policy, the price book and the running conversation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from wai_ops.control.policy.action import RiskTier
from wai_ops.control.policy.compiled import RANKS, WorkflowPolicy
from wai_ops.control.routing.check import models_named
from wai_ops.control.routing.facts import RouteFacts, model_facts
from wai_ops.core.errors import UsageError
from wai_ops.core.prices import PriceBook
from wai_ops.state.conversations import Turn, list_turns
from wai_ops.state.live import LiveState
from wai_ops.state.sessions import Session, find_session
from wai_ops.state.turn_facts import tiers_on_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What routing needs to know of a conversation that has begun."""

    model: str
    tier: RiskTier | None = None
    """The highest tier of the turns on this model; None: not known."""
    warm_tokens: int = 0
    """The length of its last request, while its session is alive: what the next one may find."""
    history_tokens: int = 0
    """The length of its last request with the answer: the least that the next one sends."""


def running_conversation(
    turns: Sequence[Turn], session: Session | None, *, now: datetime, idle_ttl_s: float
) -> Running | None:
    """What the turns of live state say; None when none of them has been sent to a model."""
    last = next((turn for turn in reversed(turns) if turn.state in ("done", "partial")), None)
    if last is None:
        return None
    sent = last.input_tokens or 0
    is_warm = (
        session is not None
        and session.epoch == last.epoch
        and (now - session.last_used_at).total_seconds() <= idle_ttl_s
    )
    return Running(
        model=last.model,
        warm_tokens=sent if is_warm else 0,
        history_tokens=sent + (last.output_tokens or 0),
    )


def read_running(live: LiveState, key: str, *, now: datetime, idle_ttl_s: float) -> Running | None:
    """What live state has of the conversation with this affinity key. Raises DataError."""
    found = running_conversation(
        list_turns(live, key), find_session(live, key), now=now, idle_ttl_s=idle_ttl_s
    )
    if found is None:
        return None
    tiers = [RiskTier(tier) for tier in tiers_on_model(live, key, found.model)]
    return replace(found, tier=max(tiers, key=lambda tier: RANKS[tier], default=None))


def allowed_models(policy: WorkflowPolicy, tier: RiskTier) -> frozenset[str]:
    """The models that the policy lets a turn of this tier go to."""
    return frozenset(policy.models.get(tier, ())) - policy.deny_models


def tier_of(policy: WorkflowPolicy, asked: RiskTier | None) -> RiskTier:
    """The tier asked for, else the workflow's. Raises UsageError for one that it does not have."""
    tier = policy.default_risk if asked is None else asked
    if tier not in policy.risk:
        known = ", ".join(item.value for item in RiskTier if item in policy.risk)
        raise UsageError(
            f"workflow {policy.name} has no turns of tier {tier.value}; it has: {known}",
            where=policy.where,
        )
    return tier


def facts_for(
    policy: WorkflowPolicy,
    *,
    tier: RiskTier,
    prices: PriceBook,
    at: datetime,
    input_tokens: int | None,
    output_tokens: int | None,
    running: Running | None = None,
    budget_used_ratio: Decimal | None = None,
    is_money_limited: bool = False,
) -> RouteFacts:
    """Put the facts of one turn together; the policy must have a section `routing`.

    Money is limited where the envelope says so, or the caller does.
    """
    assert policy.routing is not None
    named = models_named(policy.routing) | ({running.model} if running else set())
    has_money = policy.envelope is not None and policy.envelope.has_money
    return RouteFacts(
        risk_tier=tier,
        allowed=allowed_models(policy, tier),
        models={model: model_facts(prices, model, at) for model in sorted(named)},
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        budget_used_ratio=budget_used_ratio,
        is_money_limited=has_money or is_money_limited,
        conversation_model=running.model if running else None,
        conversation_tier=running.tier if running else None,
        cached_tokens=running.warm_tokens if running else 0,
    )
