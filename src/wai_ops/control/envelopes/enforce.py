"""Holding one call against its limits, before anything is sent. Pure.

The output limit is the one that can be lowered: a default, or what a prompt says, gives way to the
envelope; what was asked for by flag is refused instead, because whoever asked wants to know.
Everything else is refused.
"""

from dataclasses import dataclass
from decimal import Decimal

from wai_ops.control.envelopes.limits import LimitPlace, Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A limit that a call would pass."""

    name: str
    """The limit's key; `budget` for money that several share."""
    place: LimitPlace
    reason: str
    """One sentence."""
    hint: str
    is_money: bool = False
    is_binding: bool = False
    """Whether it holds even where a policy only observes: another's budget is behind it."""
    is_contended: bool = False
    """Whether calls in flight hold what is missing, so that waiting may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What is about to be sent."""

    turn_index: int
    estimated_input_tokens: int
    max_output_tokens: int
    worst_usd: Decimal | None
    """Of this attempt; None: no known price."""
    at_risk_usd: Decimal = Decimal(0)
    """What the attempts of this turn so far may have cost."""
    model: str = ""


def fit_output(limits: Limits, asked: int, *, is_given: bool) -> int | Breach:
    """The output limit that is sent. `is_given`: by a flag, and so not to be changed."""
    most = limits.envelope.max_output_tokens
    if most is None or asked <= most:
        return asked
    if not is_given:
        return most
    return Breach(
        name="max_output_tokens",
        place=limits.place("max_output_tokens"),
        reason=f"{asked} output tokens were asked for, and {most} are allowed",
        hint=f"leave --max-tokens out, or give at most {most}",
    )


def first_breach(limits: Limits, facts: CallFacts, *, is_shared: bool = False) -> Breach | None:
    """The first limit that the call would pass, besides the room in budgets that calls share.

    `is_shared`: other budgets than the envelope's hold, so that the price must be known.
    """
    envelope = limits.envelope
    if envelope.max_turns is not None and facts.turn_index >= envelope.max_turns:
        return Breach(
            name="max_turns",
            place=limits.place("max_turns"),
            reason=f"the conversation has had {facts.turn_index} turns of {envelope.max_turns}",
            hint="begin another conversation: leave --conversation out, or give a new name",
        )
    most = envelope.max_context_tokens
    if most is not None and facts.estimated_input_tokens > most:
        return Breach(
            name="max_context_tokens",
            place=limits.place("max_context_tokens"),
            reason=f"the request is about {facts.estimated_input_tokens} tokens of at most {most}",
            hint="shorten the prompt, set checkpoints, or begin another conversation",
        )
    return money_breach(limits, facts, is_shared=is_shared)


def money_breach(limits: Limits, facts: CallFacts, *, is_shared: bool = False) -> Breach | None:
    """Why the turn's own money does not do, or that no price is known; `is_shared` as above."""
    envelope = limits.envelope
    if not envelope.has_money and not is_shared:
        return None
    name = "per_turn_usd" if envelope.per_turn_usd is not None else "per_conversation_usd"
    if facts.worst_usd is None:
        return Breach(
            name=name,
            place=limits.place(name),
            reason=f"no price is known for {facts.model}, and money is limited",
            hint="name a priced model (wai models list), or give its price in wai.yaml: prices",
            is_money=True,
            is_binding=is_shared,
        )
    most = envelope.per_turn_usd
    if most is not None and facts.at_risk_usd + facts.worst_usd > most:
        before = f", after ${facts.at_risk_usd.normalize():f}" if facts.at_risk_usd else ""
        return Breach(
            name="per_turn_usd",
            place=limits.place("per_turn_usd"),
            reason=(
                f"the call could cost ${facts.worst_usd.normalize():f}{before}, and a turn may "
                f"cost ${most.normalize():f}"
            ),
            hint="shorten the prompt, lower --max-tokens, or name a cheaper --model",
            is_money=True,
        )
    return None
