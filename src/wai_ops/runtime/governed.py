"""What policy makes of a question before it is sent: tier, limits, route, price, verdict.

`plan` reads and decides and changes nothing, so that `--dry-run` shows exactly what a run would do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from wai_ops.control.envelopes.bound import Warm, input_bound, worst_usd
from wai_ops.control.envelopes.enforce import (
    Breach,
    CallFacts,
    first_breach,
    fit_output,
    money_breach,
)
from wai_ops.control.envelopes.limits import LimitPlace, Limits, limits_of
from wai_ops.control.envelopes.model import NAMES, Envelope
from wai_ops.control.gate import Gate
from wai_ops.control.policy.action import Action, ActionKind, Mode, RiskTier, Verdict
from wai_ops.control.policy.compiled import WorkflowPolicy
from wai_ops.control.routing.choose import choose
from wai_ops.control.routing.facts import NoRouteError, RouteChoice
from wai_ops.control.routing.turn import Running, facts_for, read_running
from wai_ops.runtime.affinity import affinity_key
from wai_ops.runtime.history import sent_text
from wai_ops.runtime.plan import Prepared, Service, Surroundings, prepare
from wai_ops.runtime.request import Ask
from wai_ops.state.checkpoints import list_checkpoints
from wai_ops.state.conversations import list_turns
from wai_ops.state.live import LiveState
from wai_ops.state.reservations import Budget, balance_of

_MESSAGES = b'"messages":['


def no_budgets(_ask: Ask, _at: datetime) -> Sequence[Budget]:
    """The budgets besides those of envelopes: none."""
    return ()


class Rules(Protocol):
    """What decides: the registry of policies, or what stands for it."""

    def workflow(self, name: str) -> WorkflowPolicy | None:
        """The policy of a workflow; None when there is none."""
        ...

    def decide(self, action: Action) -> Verdict:
        """What is said to an action; pure."""
        ...


@dataclass(slots=True, kw_only=True)
class Governance:
    """Under which policies this process runs, and what its user said. Serves many runs."""

    registry: Rules
    gate: Gate | None
    """None: nothing is recorded, and so nothing may be sent (`--dry-run`)."""
    justification: str
    risk_tier: RiskTier | None = None
    """As given by flag."""
    data_classes: frozenset[str] = frozenset()
    wait_s: float = 5.0
    """How long calls in flight are waited for that hold the money."""
    budgets: Callable[[Ask, datetime], Sequence[Budget]] = no_budgets
    """Further budgets of a call."""
    budget_places: Mapping[str, str] = field(default_factory=dict)
    """Name of a further budget -> `wai.yaml:12`."""
    is_observing_told: bool = False
    """Whether the user has heard that nothing is refused: once is enough."""

    def policy(self, ask: Ask) -> WorkflowPolicy | None:
        """The policy of its workflow."""
        return self.registry.workflow(ask.workflow)

    def tier(self, ask: Ask) -> RiskTier:
        """As given by flag, else by the prompt, else the workflow's own."""
        if self.risk_tier is not None:
            return self.risk_tier
        if ask.limits is not None and ask.limits.risk_tier is not None:
            return RiskTier(ask.limits.risk_tier)
        policy = self.policy(ask)
        return RiskTier.LOW if policy is None else policy.default_risk

    def limits(self, ask: Ask) -> tuple[Limits, tuple[str, ...]]:
        """What holds, and which limits of the prompt do nothing because they are looser."""
        policy = self.policy(ask)
        prompt = ask.limits
        return limits_of(
            None if policy is None else policy.envelope,
            {} if policy is None else _places(policy),
            None if prompt is None else prompt.envelope,
            None
            if prompt is None
            else {
                name: LimitPlace(rule=f"{ask.prompt_name}.envelope.{name}", where=where)
                for name, where in prompt.places.items()
            },
        )

    def action(self, ask: Ask) -> Action:
        """What is about to be done."""
        return Action(
            kind=ActionKind.MODEL_CALL,
            tenant=ask.tenant,
            workflow=ask.workflow,
            risk_tier=self.tier(ask),
            model=ask.model,
            data_classes=self.data_classes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernedPlan:
    """A question as policy would have it sent, and what is to be said about it."""

    ask: Ask
    """With the model and the output limit that hold."""
    prepared: Prepared
    policy: WorkflowPolicy | None
    action: Action
    verdict: Verdict
    limits: Limits
    loosened: tuple[str, ...]
    choice: RouteChoice | None
    no_route: NoRouteError | None
    is_route_followed: bool
    lowered_from: int | None
    output_breach: Breach | None

    @property
    def is_observed(self) -> bool:
        """Whether nothing is refused or changed."""
        return self.policy is not None and self.policy.mode is Mode.OBSERVE


def plan(
    governance: Governance,
    ask: Ask,
    service: Service,
    around: Surroundings,
    live: LiveState | None,
) -> GovernedPlan:
    """Route and limit a question. Raises what `prepare` raises."""
    policy = governance.policy(ask)
    limits, loosened = governance.limits(ask)
    tier = governance.tier(ask)
    is_observed = policy is not None and policy.mode is Mode.OBSERVE
    fitted = fit_output(limits, ask.max_output_tokens, is_given=ask.is_output_fixed)
    output_breach = fitted if isinstance(fitted, Breach) else None
    lowered_from = None
    if isinstance(fitted, int) and fitted != ask.max_output_tokens and not is_observed:
        lowered_from = ask.max_output_tokens
        ask = replace(ask, max_output_tokens=fitted)
    prepared = prepare(ask, service, around, live)
    choice, no_route = None, None
    if policy is not None and tier in policy.risk and not ask.is_model_fixed:
        running = _running(ask, service, live, prepared.started_at)
        used = used_ratio(live, budgets_of(governance, limits, ask, prepared.started_at))
        try:
            choice = _route(policy, tier, prepared, around, running=running, used=used)
        except NoRouteError as error:
            no_route = error
    if choice is not None and choice.model != ask.model and not is_observed:
        ask = replace(ask, model=choice.model)
        prepared = prepare(ask, service, around, live)
    action = governance.action(ask)
    return GovernedPlan(
        ask=ask,
        prepared=prepared,
        policy=policy,
        action=action,
        verdict=governance.registry.decide(action),
        limits=limits,
        loosened=loosened,
        choice=choice,
        no_route=no_route,
        is_route_followed=choice is not None and choice.model == ask.model,
        lowered_from=lowered_from,
        output_breach=output_breach,
    )


def _route(
    policy: WorkflowPolicy,
    tier: RiskTier,
    prepared: Prepared,
    around: Surroundings,
    *,
    running: Running | None,
    used: Decimal | None,
) -> RouteChoice | None:
    """Choose the model; None: the workflow has no routing. Raises NoRouteError."""
    if policy.routing is None:
        return None
    facts = facts_for(
        policy,
        tier=tier,
        prices=around.prices,
        at=prepared.started_at,
        input_tokens=prepared.pricing.estimated_input_tokens,
        output_tokens=prepared.ask.max_output_tokens,
        running=running,
        budget_used_ratio=used,
        is_money_limited=used is not None,
    )
    return choose(policy.routing, facts)


def _running(ask: Ask, service: Service, live: LiveState | None, now: datetime) -> Running | None:
    if live is None:
        return None
    key = affinity_key(ask.tenant, ask.workflow, ask.conversation_id)
    return read_running(live, key, now=now, idle_ttl_s=service.idle_ttl_s)


def budgets_of(
    governance: Governance, limits: Limits, ask: Ask, at: datetime
) -> tuple[Budget, ...]:
    """The budgets that a call of this conversation draws on.

    A policy that only observes does not enforce its own; it takes nothing from the others.
    """
    most = limits.envelope.per_conversation_usd
    policy = governance.policy(ask)
    is_enforced = policy is None or policy.mode is not Mode.OBSERVE
    key = conversation_budget(ask)
    own = () if most is None else (Budget(key=key, limit_usd=most, is_enforced=is_enforced),)
    return (*own, *governance.budgets(ask, at))


def conversation_budget(ask: Ask) -> str:
    """The key of a conversation's own budget."""
    payer = ask.charged_to or ask.conversation_id
    return f"conversation:{affinity_key(ask.tenant, ask.workflow, payer)}"


def used_ratio(live: LiveState | None, budgets: Sequence[Budget]) -> Decimal | None:
    """The used share of the tightest budget, what is set aside included; None: there is none."""
    if not budgets:
        return None
    if live is None:
        return Decimal(0)
    balances = [balance_of(live, budget) for budget in budgets]
    return max(
        (item.spent_usd + item.reserved_usd) / item.limit_usd if item.limit_usd else Decimal(1)
        for item in balances
    )


def bound_of(prepared: Prepared, live: LiveState | None) -> int:
    """The most input tokens that the request can be."""
    warm = None if live is None else _warm(prepared, live)
    return input_bound(prepared.call.body, prepared.ask.tools, warm)


def worst_of(prepared: Prepared, live: LiveState | None) -> Decimal | None:
    """The most that one attempt can cost; None: no known price."""
    tokens = bound_of(prepared, live)
    return worst_usd(tokens, prepared.ask.max_output_tokens, prepared.pricing.rates)


def breach_of(
    governance: Governance,
    limits: Limits,
    prepared: Prepared,
    worst: Decimal | None,
    at_risk_usd: Decimal = Decimal(0),
) -> Breach | None:
    """The first limit that a call would pass, besides the room in shared budgets."""
    ask = prepared.ask
    facts = CallFacts(
        turn_index=prepared.turn_index,
        estimated_input_tokens=prepared.pricing.estimated_input_tokens,
        max_output_tokens=ask.max_output_tokens,
        worst_usd=worst,
        at_risk_usd=at_risk_usd,
        model=ask.model,
    )
    is_shared = bool(governance.budgets(ask, prepared.started_at))
    policy = governance.policy(ask)
    if is_shared and policy is not None and policy.mode is Mode.OBSERVE:
        # What others limit holds whatever the policy does: without a price there is no counting.
        return money_breach(Limits(envelope=Envelope()), facts, is_shared=True) or first_breach(
            limits, facts
        )
    return first_breach(limits, facts, is_shared=is_shared)


def _warm(prepared: Prepared, live: LiveState) -> Warm | None:
    """The request that this one continues; None where its prefix is not the same any more."""
    if prepared.expected.cause is not None or prepared.expected.cacheable_tokens is None:
        return None
    if prepared.ask.schema is not None:  # a template may print it, and perhaps did not before
        return None
    key = prepared.session.affinity_key
    turns = list_turns(live, key)
    last = next((turn for turn in reversed(turns) if turn.input_tokens is not None), None)
    if last is None or last.input_tokens is None:
        return None
    before = sent_text(turns, last.turn_index, list_checkpoints(live, key)).encode()
    body = prepared.call.body
    start = body.rfind(_MESSAGES + before)
    if start < 0:
        return None
    return Warm(tokens=last.input_tokens, rest=body[start + len(_MESSAGES) + len(before) :])


def _places(policy: WorkflowPolicy) -> Mapping[str, LimitPlace]:
    found = {}
    for name in NAMES:
        place = policy.places.get(f"envelope.{name}") or policy.places["workflow"]
        found[name] = LimitPlace(rule=f"{policy.name}.envelope.{name}", where=place.where)
    return found
