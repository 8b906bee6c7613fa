"""Which model serves a turn. Pure: the same section and the same facts give the same choice.

Asked in this order, the same for everybody:

1. Where the turn is at home: the model that its conversation runs on, while the policy allows it
   for this tier, the turn is of no higher tier than those it was chosen for, and the turn fits;
   else the model of the tier; else, when that one is withdrawn or too small, the fallbacks for
   `model_retired` or `context_too_long`: what would fail is not sent.
2. `downshift.budget_pressure`, `downshift.low_risk`, `downshift.short_context`: the first that
   applies, may serve, and is known to be cheaper than home.
"""

from collections.abc import Iterator
from decimal import Decimal

from wai_ops.control.policy.action import RiskTier
from wai_ops.control.routing.facts import (
    NoRouteError,
    PassedOver,
    RouteChoice,
    RouteFacts,
    Switch,
)
from wai_ops.control.routing.fit import (
    fits,
    is_cheaper,
    is_retired,
    obstacle,
    switch_to,
    turn_cost,
)
from wai_ops.control.routing.model import FallbackClass, Routing, SwitchWhen

_RISES = {RiskTier.LOW: 0, RiskTier.MEDIUM: 1, RiskTier.HIGH: 2}
CONVERSATION = "conversation"
"""The name of the rule that keeps a conversation on its model: its line is that of the section."""


def choose(routing: Routing, facts: RouteFacts) -> RouteChoice:
    """Choose the model of a turn. Raises NoRouteError (exit 5) when none may serve it."""
    return _Chooser(routing, facts).choose()


class _Chooser:
    """One decision: the facts, and what was passed over on the way."""

    def __init__(self, routing: Routing, facts: RouteFacts) -> None:
        self._routing = routing
        self._facts = facts
        self._passed: list[PassedOver] = []

    def choose(self) -> RouteChoice:
        home = self._home()
        for path, model, why, when in self._downshifts(home):
            if self._may_move(path, model, home, when):
                return self._choice(model, path, why)
        if home is None:
            raise self._no_route()
        return self._choice(*home)

    # Where the turn is at home: (model, rule, why)

    def _home(self) -> tuple[str, str, str] | None:
        facts = self._facts
        if facts.conversation_model is not None and self._keeps(facts.conversation_model):
            return (
                facts.conversation_model,
                CONVERSATION,
                "the conversation stays on its model, where its prefix is cached",
            )
        primary = self._routing.models.get(facts.risk_tier)
        if primary is None:
            return None
        path = f"models.{facts.risk_tier.value}"
        why = obstacle(facts, primary)
        if why is None:
            return primary, path, f"the model of tier {facts.risk_tier.value}"
        self._pass_over(primary, path, why)
        return self._in_place_of(primary)

    def _keeps(self, model: str) -> bool:
        facts = self._facts
        why = obstacle(facts, model)
        reached = facts.conversation_tier
        if why is None and reached is not None and _RISES[facts.risk_tier] > _RISES[reached]:
            if model == self._routing.models.get(facts.risk_tier):
                return True
            why = f"it was chosen for tier {reached.value}, and this turn is {facts.risk_tier}"
        if why is not None:
            self._pass_over(model, CONVERSATION, why)
        return why is None

    def _in_place_of(self, primary: str) -> tuple[str, str, str] | None:
        """What would certainly fail is not sent: its fallbacks are asked at once."""
        facts = self._facts
        if primary not in facts.allowed:
            return None
        failure = None
        if is_retired(facts, primary):
            failure = FallbackClass.MODEL_RETIRED
        elif not fits(facts, primary):
            failure = FallbackClass.CONTEXT_TOO_LONG
        for index, fallback in enumerate(self._routing.fallbacks):
            if failure not in fallback.after:
                continue
            path = f"fallbacks.{index}"
            for model in fallback.models:
                why = obstacle(facts, model)
                if why is None:
                    return model, path, f"in place of {primary}, which would fail: {failure}"
                self._pass_over(model, path, why)
        return None

    # What moves it to a cheaper model: (rule, model, why, when a conversation may be left)

    def _downshifts(
        self, home: tuple[str, str, str] | None
    ) -> Iterator[tuple[str, str, str, SwitchWhen]]:
        facts, rules = self._facts, self._routing.downshift
        pressure, low_risk, short = rules.budget_pressure, rules.low_risk, rules.short_context
        used = facts.budget_used_ratio
        if (
            pressure is not None
            and used is not None
            and used > pressure.budget_used_above
            and self._is_of(pressure.tiers)
        ):
            above = _percent(pressure.budget_used_above)
            why = f"{_percent(used)} of the budget is used, above {above}"
            yield "downshift.budget_pressure", pressure.model, why, pressure.switch
        if low_risk is not None and self._is_low_turn(home):
            model = low_risk.model or self._routing.models.get(RiskTier.LOW)
            if model is not None:
                why = "a low-risk turn in a conversation on a model of a higher tier"
                yield "downshift.low_risk", model, why, low_risk.switch
        if (
            short is not None
            and facts.input_tokens is not None
            and facts.input_tokens < short.input_tokens_below
            and self._is_of(short.tiers)
        ):
            why = f"{facts.input_tokens:,} input tokens, below {short.input_tokens_below:,}"
            yield "downshift.short_context", short.model, why, short.switch

    def _is_of(self, tiers: tuple[RiskTier, ...]) -> bool:
        return not tiers or self._facts.risk_tier in tiers

    def _is_low_turn(self, home: tuple[str, str, str] | None) -> bool:
        facts = self._facts
        return (
            facts.risk_tier is RiskTier.LOW
            and home is not None
            and home[1] == CONVERSATION
            and facts.conversation_tier is not RiskTier.LOW
        )

    def _may_move(
        self, path: str, model: str, home: tuple[str, str, str] | None, when: SwitchWhen
    ) -> bool:
        facts = self._facts
        if home is not None and home[0] == model:
            return False  # it is there already
        why = obstacle(facts, model)
        if why is None and home is not None:
            is_running = home[1] == CONVERSATION
            if is_running and when is SwitchWhen.NEVER:
                why = "the rule leaves running conversations on their model"
            else:
                is_cold = is_running and when is SwitchWhen.ALWAYS
                why = self._not_cheaper(model, home[0], is_cold=is_cold)
        if why is not None:
            self._pass_over(model, path, why)
        return why is None

    def _not_cheaper(self, model: str, home: str, *, is_cold: bool) -> str | None:
        facts = self._facts
        match is_cheaper(facts, model, home, is_cold=is_cold):
            case True:
                return None
            case None:
                return f"whether it is cheaper than {home} is not known"
            case False:
                prefix = home == facts.conversation_model and facts.cached_tokens and not is_cold
                lost = f", with {facts.cached_tokens:,} cached tokens lost" if prefix else ""
                return f"this turn is not cheaper than on {home}{lost}"

    # What comes of it

    def _pass_over(self, model: str, path: str, why: str) -> None:
        self._passed.append(
            PassedOver(
                model=model,
                rule=self._routing.rule(path),
                where=self._routing.where(path),
                reason=why,
            )
        )

    def _choice(self, model: str, path: str, why: str) -> RouteChoice:
        switch = switch_to(self._facts, model)
        return RouteChoice(
            model=model,
            rule=self._routing.rule(path),
            where=self._routing.where(path),
            reason=why + switch_words(switch),
            expected_cost_usd=turn_cost(self._facts, model),
            passed_over=tuple(self._passed),
            switch=switch,
            facts=self._facts,
        )

    def _no_route(self) -> NoRouteError:
        tier = self._facts.risk_tier.value
        path = f"models.{tier}"
        if tier not in self._routing.models:
            message = f"{self._routing.name} names no model for tier {tier}"
        else:
            each = "; ".join(f"{item.model}: {item.reason}" for item in self._passed)
            message = f"no model may serve this turn of tier {tier}: {each}"
        return NoRouteError(
            message,
            rule=self._routing.rule(path),
            where=self._routing.where(path),
            passed_over=tuple(self._passed),
        )


def switch_words(switch: Switch | None) -> str:
    """What a switch loses, as the end of a reason."""
    if switch is None:
        return ""
    if not switch.lost_tokens:
        return f"; it leaves {switch.from_model}, where nothing is known to be cached"
    return (
        f"; it leaves {switch.from_model} and loses {switch.lost_tokens:,} cached tokens:"
        f" {_usd(switch.cold_usd)} to read them here, {_usd(switch.warm_usd)} there"
    )


def _usd(amount: Decimal | None) -> str:
    return "an unknown price" if amount is None else f"${amount.normalize():f}"


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f}%"
