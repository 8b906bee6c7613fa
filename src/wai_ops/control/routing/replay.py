"""Recorded requests under another routing: which model each would have gone to, and at what cost.

Pure. A conversation is followed through: where the candidate moves it to another model, its later
turns run there. What a moved request costs has three figures, since nobody recorded it:

    low       as many cached tokens as were recorded: nothing is lost by moving
    expected  the same, but none where a conversation changes its model: its prefix is cold there
    high      no cached token at all

Where the recorded conversation changed its model and the candidate's does not, its last request
counts as cached in place of what was recorded. A request that stays on its model, after a turn that
stayed too, costs what was recorded in all three. The tokens are always the recorded ones: another
model counts and answers in its own way.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache

from wai_ops.control.policy.action import RiskTier
from wai_ops.control.policy.compiled import WorkflowPolicy
from wai_ops.control.policy.registry import Registry
from wai_ops.control.routing.check import models_named
from wai_ops.control.routing.choose import choose
from wai_ops.control.routing.facts import (
    ModelFacts,
    NoRouteError,
    RouteChoice,
    RouteFacts,
    model_facts,
)
from wai_ops.control.routing.fallback import after
from wai_ops.control.routing.recorded import RecordedTurn
from wai_ops.control.routing.replayed import Costs, Gap, Replayed, Served
from wai_ops.control.routing.turn import allowed_models
from wai_ops.core.failures import TRAITS, Billed, FailureClass
from wai_ops.core.money import Rates, Usage, cost_of
from wai_ops.core.prices import PriceBook
from wai_ops.observe.reports.route_requests import RouteRequest

_RISES = {RiskTier.LOW: 0, RiskTier.MEDIUM: 1, RiskTier.HIGH: 2}


@dataclass(slots=True)
class _Conversation:
    """Where a conversation is under the candidate, and where it was recorded."""

    model: str
    tier: RiskTier | None
    """The highest on this model; None: not known."""
    recorded_model: str
    epoch: int | None
    sent_tokens: int
    spent_usd: Decimal | None
    """Under the candidate, as expected; None: its beginning was not seen, or a cost is unknown."""
    began_before: bool = False


def replay(
    requests: Iterable[RouteRequest],
    registry: Registry,
    prices: PriceBook,
    recorded: Mapping[str, RecordedTurn],
) -> Iterator[Replayed | None]:
    """Replay requests that stand in the order of their conversations. None: no policy names it.

    `recorded` has what decisions said, by run id; without a tier the workflow's own is assumed.
    """
    replayer = _Replayer(registry, prices, recorded)
    for request in requests:
        yield replayer.replay(request)


class _Replayer:
    """The prices and the conversation that is under way."""

    def __init__(
        self, registry: Registry, prices: PriceBook, recorded: Mapping[str, RecordedTurn]
    ) -> None:
        self._registry = registry
        self._recorded = recorded
        self._key: tuple[str | None, str | None, str | None] | None = None
        self._now: _Conversation | None = None

        @cache
        def known(model: str, day: datetime) -> ModelFacts:
            return model_facts(prices, model, day)

        self._known = known

    def replay(self, request: RouteRequest) -> Replayed | None:
        policy = self._registry.workflow(request.workflow or "")
        if policy is None or request.model is None:
            return None
        running = self._running(request)
        recorded = self._recorded.get(request.run_id or "")
        tier = policy.default_risk if recorded is None else recorded.tier
        turn = _Turn(request, policy, tier, recorded, running)
        facts = self._facts(turn)
        is_pressure_unknown = (
            policy.routing is not None
            and policy.routing.downshift.budget_pressure is not None
            and facts.budget_used_ratio is None
        )
        model, served = self._route(turn, facts)
        is_same_path = model == request.model and (
            running is None or running.model == running.recorded_model
        )
        is_switch = running is not None and model is not None and running.model != model
        costs, gap = self._costs(
            turn, model, served, is_same_path=is_same_path, is_switch=is_switch
        )
        self._move_on(turn, model, costs)
        return Replayed(
            request=request,
            tier=turn.tier,
            is_tier_recorded=recorded is not None,
            model=model,
            served=served,
            costs=costs,
            gap=gap,
            is_switch=is_switch,
            is_pressure_unknown=is_pressure_unknown,
            began_before=running is not None and running.began_before,
        )

    # The conversation

    def _running(self, request: RouteRequest) -> _Conversation | None:
        key = (request.tenant, request.workflow, request.conversation_id)
        if request.conversation_id is None:
            self._key, self._now = None, None
            return None
        if key != self._key:
            self._key, self._now = key, None
            if request.turn_index and request.model is not None:
                self._now = self._begun_before(request, request.model)
        return self._now

    def _begun_before(self, request: RouteRequest, model: str) -> _Conversation:
        """It was running when the period began: taken to be on the model that it is on now."""
        return _Conversation(
            model=model,
            tier=None,
            recorded_model=model,
            epoch=request.affinity_epoch,
            sent_tokens=request.cached_input_tokens or 0,
            spent_usd=None,
            began_before=True,
        )

    def _move_on(self, turn: "_Turn", model: str | None, costs: Costs | None) -> None:
        request, before = turn.request, turn.running
        if request.conversation_id is None or request.model is None:
            return
        if model is None:  # nothing is sent: it stays where it is
            if before is not None:
                before.recorded_model = request.model
            return
        spent: Decimal | None = Decimal(0) if before is None else before.spent_usd
        if spent is not None:
            spent = None if costs is None else spent + costs.expected_usd
        tier: RiskTier | None = turn.tier
        if before is not None and before.model == model:
            tier = _higher(before.tier, turn.tier)
        self._now = _Conversation(
            model=model,
            tier=tier,
            recorded_model=request.model,
            epoch=request.affinity_epoch,
            sent_tokens=request.input_tokens or (before.sent_tokens if before else 0),
            spent_usd=spent,
            began_before=before is not None and before.began_before,
        )

    # The choice

    def _facts(self, turn: "_Turn") -> RouteFacts:
        request, policy, running = turn.request, turn.policy, turn.running
        named = set() if policy.routing is None else set(models_named(policy.routing))
        named |= {running.model} if running else set()
        day = _day(request)
        reserved = request.max_output_tokens
        return RouteFacts(
            risk_tier=turn.tier,
            allowed=allowed_models(policy, turn.tier),
            models={model: self._known(model, day) for model in named},
            input_tokens=request.input_tokens,
            output_tokens=request.output_tokens if reserved is None else reserved,
            budget_used_ratio=_used(turn),
            is_money_limited=policy.envelope is not None and policy.envelope.has_money,
            conversation_model=running.model if running else None,
            conversation_tier=running.tier if running else None,
            cached_tokens=_warm(request, running),
        )

    def _route(self, turn: "_Turn", facts: RouteFacts) -> tuple[str | None, Served]:
        """The model that the last attempt goes to under the candidate, and what can be said."""
        request, policy = turn.request, turn.policy
        assert request.model is not None
        if turn.tier not in policy.risk:
            return None, Served.REFUSED
        if policy.routing is None:
            # The model is the one that is asked for; the policy decides upon it.
            if request.model not in facts.allowed:
                return None, Served.REFUSED
            return request.model, _ended(request)
        try:
            choice = choose(policy.routing, facts)
        except NoRouteError:
            return None, Served.REFUSED
        if choice.model == request.first_model != request.model:
            return self._as_the_first_failed(turn, choice)
        if choice.model == request.model:
            if _has_answered(request):
                return request.model, Served.AS_RECORDED
            return _fallen(turn, choice, request.error_type or "")
        return choice.model, self._fits(facts, choice.model, request)

    def _as_the_first_failed(self, turn: "_Turn", choice: RouteChoice) -> tuple[str, Served]:
        """Recorded was a fallback to another model: would the candidate have fallen there too?"""
        request = turn.request
        assert request.model is not None
        model, served = _fallen(turn, choice, request.first_error_type or "")
        if model == request.model and _has_answered(request):
            return model, Served.AS_RECORDED
        return model, served

    @staticmethod
    def _fits(facts: RouteFacts, model: str, request: RouteRequest) -> Served:
        known = facts.models.get(model, ModelFacts())
        if known.context_window is None or request.input_tokens is None:
            return Served.UNKNOWN
        return Served.FITS if _has_answered(request) else Served.UNKNOWN

    # The money

    def _costs(
        self,
        turn: "_Turn",
        model: str | None,
        served: Served,
        *,
        is_same_path: bool,
        is_switch: bool,
    ) -> tuple[Costs | None, Gap | None]:
        request = turn.request
        if model is None:
            return None, Gap.REFUSED
        is_as_recorded = served is Served.AS_RECORDED or (
            served is Served.FAILED and model == request.model
        )
        if is_same_path and is_as_recorded:
            if request.cost_usd is None:
                return None, Gap.NO_TOKENS if request.input_tokens is None else Gap.NO_PRICE
            same = request.cost_usd
            return Costs(low_usd=same, expected_usd=same, high_usd=same), None
        if request.is_gateway_cache_hit:
            return None, Gap.GATEWAY_CACHE
        if not _has_answered(request) or served is Served.FAILED:
            return None, Gap.FAILED
        if request.input_tokens is None or request.output_tokens is None:
            return None, Gap.NO_TOKENS
        return self._moved(turn, model, is_switch=is_switch)

    def _moved(
        self, turn: "_Turn", model: str, *, is_switch: bool
    ) -> tuple[Costs | None, Gap | None]:
        request, running = turn.request, turn.running
        rates = self._known(model, _day(request)).rates
        cached = request.cached_input_tokens or 0
        if running is not None and running.recorded_model != request.model and not is_switch:
            cached = max(cached, _warm(request, running))
        low, cold = _priced(request, rates, cached), _priced(request, rates, 0)
        if low is None or cold is None:
            return None, Gap.NO_PRICE
        return Costs(low_usd=low, expected_usd=cold if is_switch else low, high_usd=cold), None


@dataclass(frozen=True, slots=True)
class _Turn:
    request: RouteRequest
    policy: WorkflowPolicy
    tier: RiskTier
    recorded: RecordedTurn | None
    running: _Conversation | None


def _day(request: RouteRequest) -> datetime:
    """Prices hold for whole days."""
    return request.started_at.replace(hour=0, minute=0, second=0, microsecond=0)


def _higher(before: RiskTier | None, now: RiskTier) -> RiskTier | None:
    if before is None:
        return None
    return before if _RISES[before] > _RISES[now] else now


def _ended(request: RouteRequest) -> Served:
    return Served.AS_RECORDED if _has_answered(request) else Served.FAILED


def _has_answered(request: RouteRequest) -> bool:
    """Whether an answer came: one that is cut short or against its schema is billed as well."""
    try:
        failure = None if request.error_type is None else FailureClass(request.error_type)
    except ValueError:
        return False
    return failure is None or TRAITS[failure].billed is Billed.YES


def _fallen(turn: _Turn, choice: RouteChoice, error_type: str) -> tuple[str, Served]:
    """What the candidate does after the recorded failure of the model that it chose too."""
    routing = turn.policy.routing
    assert routing is not None
    try:
        failure = FailureClass(error_type)
    except ValueError:  # a class that this version does not know
        return choice.model, Served.FAILED
    fallen = after(routing, choice, failure)
    if fallen is None:
        return choice.model, Served.FAILED
    return fallen.model, Served.FALLBACK


def _used(turn: _Turn) -> Decimal | None:
    """Of the conversation's own limit, as the candidate spends it; else as it was recorded."""
    envelope, running = turn.policy.envelope, turn.running
    limit = None if envelope is None else envelope.per_conversation_usd
    spent = Decimal(0) if running is None else running.spent_usd
    if limit is not None and spent is not None:
        return spent / limit
    return None if turn.recorded is None else turn.recorded.budget_used_ratio


def _warm(request: RouteRequest, running: _Conversation | None) -> int:
    """What the candidate would expect to be warm: the last request, in the same epoch."""
    if running is None or running.epoch != request.affinity_epoch:
        return 0
    sent = running.sent_tokens
    return sent if request.input_tokens is None else min(sent, request.input_tokens)


def _priced(request: RouteRequest, rates: Rates | None, cached_tokens: int) -> Decimal | None:
    assert request.input_tokens is not None
    assert request.output_tokens is not None
    usage = Usage(
        input_tokens=request.input_tokens,
        output_tokens=request.output_tokens,
        cached_input_tokens=cached_tokens,
    )
    return cost_of(usage, rates).cost_usd
