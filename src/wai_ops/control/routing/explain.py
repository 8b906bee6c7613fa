"""The choice for a turn, what else there was, and what comes after a failure."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from wai_ops.control.policy.action import RiskTier
from wai_ops.control.policy.compiled import WorkflowPolicy
from wai_ops.control.routing.check import models_named
from wai_ops.control.routing.choose import choose
from wai_ops.control.routing.facts import (
    NoRouteError,
    PassedOver,
    RouteChoice,
    RouteFacts,
    Switch,
)
from wai_ops.control.routing.fallback import NoFallback, next_after
from wai_ops.control.routing.fit import obstacle, turn_cost
from wai_ops.control.routing.model import FallbackClass, Routing
from wai_ops.core.failures import FailureClass
from wai_ops.core.text import one_line

NOT_ASKED = "no rule asked for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model that the section names, for this turn."""

    model: str
    is_chosen: bool
    reason: str
    """Why it was passed over, or that no rule asked for it; why it was chosen."""
    context_window: int | None
    expected_cost_usd: Decimal | None
    """What the turn is expected to cost there; null: not known."""
    difference_usd: Decimal | None
    """Less the cost of the chosen one; null: one of the two is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackStep:
    """What happens after a failure of this class: one model, or none and why."""

    failure: str
    order: int
    """From 1: each step assumes that the one before failed in the same way."""
    model: str | None
    rule: str
    where: str
    reason: str
    is_maybe_billed: bool
    """Whether the attempt before may have been billed; it stays counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteExplanation:
    """The answer. `model` is null where no model may serve the turn."""

    workflow: str
    risk_tier: RiskTier
    policy_version: str
    model: str | None
    rule: str
    where: str
    reason: str
    expected_cost_usd: Decimal | None
    input_tokens: int | None
    output_tokens: int | None
    budget_used_ratio: Decimal | None
    is_money_limited: bool
    conversation_model: str | None
    cached_tokens: int
    switch: Switch | None
    passed_over: tuple[PassedOver, ...]
    candidates: tuple[Candidate, ...]
    fallbacks: tuple[FallbackStep, ...]

    def to_text(self) -> str:
        """Lay it out for people."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for label, value in (
            ("workflow", f"{self.workflow}, tier {self.risk_tier.value}"),
            ("model", self.model or "none: no model may serve this turn"),
            ("why", self.reason),
            ("rule", f"{self.rule}  {self.where}".rstrip()),
            ("policy", self.policy_version),
            ("turn", self._turn()),
            ("expected", self._expected()),
        ):
            yield f"{label:<12} {one_line(value)}"
        if self.passed_over:
            yield "\npassed over"
            for item in self.passed_over:
                place = f"{item.rule}  {item.where}".rstrip()
                yield f"  {one_line(item.model)}: {one_line(item.reason)}  ({one_line(place)})"
        if self.candidates:
            yield "\nmodels of this routing"
            for row in self.candidates:
                mark = "*" if row.is_chosen else " "
                yield f"{mark} {one_line(row.model)}  {_usd(row.expected_cost_usd)}{_more(row)}"
        if self.fallbacks:
            yield "\nafter a failure"
            for step in self.fallbacks:
                name = step.failure if step.order == 1 else f"  then {step.failure}"
                model = one_line(step.model or "no other model")
                yield f"  {name}: {model} ({one_line(step.reason)})"

    def _expected(self) -> str:
        if self.input_tokens is None:
            return "cost not known without the length of the input (--input-tokens)"
        return _usd(self.expected_cost_usd)

    def _turn(self) -> str:
        sent, reserved = _tokens(self.input_tokens), _tokens(self.output_tokens)
        parts = [f"{sent} in, {reserved} reserved for the answer"]
        if self.conversation_model is not None:
            parts.append(f"running on {self.conversation_model}, {self.cached_tokens:,} warm")
        if self.budget_used_ratio is not None:
            parts.append(f"{(self.budget_used_ratio * 100).normalize():f}% of the budget used")
        if self.is_money_limited:
            parts.append("money is limited")
        return "; ".join(parts)


def explain(
    policy: WorkflowPolicy, facts: RouteFacts, *, failure: FailureClass | None = None
) -> RouteExplanation:
    """Explain the choice for these facts; with `failure`, only what follows that class.

    Needs a policy with a section `routing`.
    """
    routing = policy.routing
    assert routing is not None
    choice: RouteChoice | None = None
    refused: NoRouteError | None = None
    try:
        choice = choose(routing, facts)
    except NoRouteError as error:
        refused = error
    said = choice or refused
    assert said is not None
    return RouteExplanation(
        workflow=policy.name,
        risk_tier=facts.risk_tier,
        policy_version=policy.policy_version,
        model=choice.model if choice else None,
        rule=said.rule,
        where=said.where or "",
        reason=choice.reason if choice else str(refused),
        expected_cost_usd=choice.expected_cost_usd if choice else None,
        input_tokens=facts.input_tokens,
        output_tokens=facts.output_tokens,
        budget_used_ratio=facts.budget_used_ratio,
        is_money_limited=facts.is_money_limited,
        conversation_model=facts.conversation_model,
        cached_tokens=facts.cached_tokens,
        switch=choice.switch if choice else None,
        passed_over=said.passed_over,
        candidates=tuple(_candidates(routing, facts, choice, said.passed_over)),
        fallbacks=tuple(_fallbacks(routing, choice, failure)) if choice else (),
    )


def _candidates(
    routing: Routing,
    facts: RouteFacts,
    choice: RouteChoice | None,
    passed: tuple[PassedOver, ...],
) -> Iterator[Candidate]:
    named = models_named(routing)
    if facts.conversation_model is not None:
        named |= {facts.conversation_model}
    costs = {model: turn_cost(facts, model) for model in named}
    chosen = choice.model if choice else None
    base = costs.get(chosen) if chosen else None
    # The cheapest first, the unknown last; names decide between equals.
    for model in sorted(named, key=lambda name: (costs[name] is None, costs[name] or 0, name)):
        cost = costs[model]
        known = facts.models.get(model)
        why = next((item.reason for item in passed if item.model == model), None)
        if choice is not None and model == chosen:
            why = choice.reason
        yield Candidate(
            model=model,
            is_chosen=model == chosen,
            reason=why or obstacle(facts, model) or NOT_ASKED,
            context_window=known.context_window if known else None,
            expected_cost_usd=cost,
            difference_usd=None if cost is None or base is None else cost - base,
        )


def _fallbacks(
    routing: Routing, choice: RouteChoice, failure: FailureClass | None
) -> Iterator[FallbackStep]:
    classes = [failure] if failure else [FailureClass(item.value) for item in FallbackClass]
    named = {failed.value for fallback in routing.fallbacks for failed in fallback.after}
    for failed in classes:
        if failure is None and failed.value not in named:
            continue
        at, order = choice, 1
        while True:
            found = next_after(routing, at, failed)
            if isinstance(found, NoFallback):
                yield FallbackStep(
                    failure=failed.value,
                    order=order,
                    model=None,
                    rule="",
                    where="",
                    reason=found.reason,
                    is_maybe_billed=False,
                )
                break
            yield FallbackStep(
                failure=failed.value,
                order=order,
                model=found.model,
                rule=found.rule,
                where=found.where,
                reason=found.reason,
                is_maybe_billed=found.is_maybe_billed,
            )
            at, order = found, order + 1


def _more(row: Candidate) -> str:
    more = "" if not row.difference_usd else f" ({row.difference_usd:+f})"
    return more + ("" if row.is_chosen else f"  {one_line(row.reason)}")


def _usd(amount: Decimal | None) -> str:
    return "cost not known" if amount is None else f"${amount.normalize():f}"


def _tokens(count: int | None) -> str:
    return "unknown tokens" if count is None else f"{count:,} tokens"
