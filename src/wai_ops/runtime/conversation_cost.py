"""What checkpoints brought: what was sent, and what would have been sent without them.

What was sent is counted. What would have been is an estimate: what a summary took out is put back
into each request, in tokens that were counted when it was still there. The cache is taken to do as
well as it did: the same share of what could have been warm.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from wai_ops.core.money import CostState, Rates, Usage, cost_of
from wai_ops.runtime.checkpoint_text import tokens_of
from wai_ops.runtime.history import stands_at
from wai_ops.runtime.turn_cost import total_cost
from wai_ops.state.checkpoints import Checkpoint
from wai_ops.state.conversations import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTokens:
    """One request: its counted tokens, and those that it would have had without checkpoints."""

    turn_index: int
    input_tokens: int
    cached_input_tokens: int | None
    without_input_tokens: int
    without_cached_tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationCost:
    """Money and tokens of a conversation, with its checkpoints and without them.

    `without_*` and `saved_usd` are estimates; they are null where no price is known.
    """

    turns_usd: Decimal
    """All turns whose cost is known, retries included."""
    turns_state: str
    unknown_turn_count: int
    """Turns whose cost is not known: stopped ones, and those of models without a price."""
    checkpoints_usd: Decimal | None
    """The calls that made the summaries, also those that came to nothing."""
    checkpoints_state: str
    made_count: int
    skipped_count: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    without_input_tokens: int
    without_usd: Decimal | None
    saved_usd: Decimal | None
    """`without_usd` less turns and checkpoints; below zero: they cost more than they saved."""
    is_estimated: bool
    """False while no request was sent with a checkpoint: then nothing had to be estimated."""


def request_tokens(turns: Sequence[Turn]) -> list[TurnTokens]:
    """Count each request of a conversation, and estimate it without checkpoints.

    What a checkpoint takes out of requests is the same for all that carry it, so it is told once:
    at the first of them, from the request before, its answer, and what the user said since.
    """
    found: list[TurnTokens] = []
    taken_out: dict[str | None, int] = {None: 0}
    counted: list[Turn] = []
    share = 1.0
    for turn in turns:
        if turn.input_tokens is None:
            continue
        if turn.checkpoint_id not in taken_out:
            before = _last(counted, turn.turn_index)
            taken_out[turn.checkpoint_id] = 0
            if before is not None and before.input_tokens is not None:
                history = before.input_tokens + taken_out[before.checkpoint_id]
                history += before.output_tokens or 0
                said = tokens_of(turn.messages_json[turn.opening_chars or 0 :])
                taken_out[turn.checkpoint_id] = history + said - turn.input_tokens
        without = turn.input_tokens + taken_out[turn.checkpoint_id]
        cached = turn.cached_input_tokens
        without_cached = cached
        if counted and cached is not None:
            if counted[-1].checkpoint_id == turn.checkpoint_id:
                share = min(1.0, cached / max(1, counted[-1].input_tokens or 0))
            without_cached = min(without, round(share * found[-1].without_input_tokens))
        found.append(
            TurnTokens(
                turn_index=turn.turn_index,
                input_tokens=turn.input_tokens,
                cached_input_tokens=cached,
                without_input_tokens=without,
                without_cached_tokens=without_cached,
            )
        )
        counted.append(turn)
    return found


def _last(counted: Sequence[Turn], index: int) -> Turn | None:
    """The last request whose exchange is part of the one at `index`."""
    return next((turn for turn in reversed(counted) if stands_at(turn, index)), None)


def conversation_cost(
    turns: Sequence[Turn],
    checkpoints: Sequence[Checkpoint],
    rates_of: Callable[[Turn], Rates | None],
    *,
    copied_through: int = -1,
) -> ConversationCost:
    """Add up a conversation. Turns up to `copied_through` are a fork's copies, and cost nothing."""
    own = [turn for turn in turns if turn.turn_index > copied_through]
    ended = [turn for turn in own if turn.state != "open"]
    known = [turn for turn in ended if turn.cost_usd is not None]
    known_usd, turns_state = total_cost((turn.cost_usd, turn.cost_state) for turn in known)
    turns_usd = known_usd or Decimal(0)
    made_usd, made_state = total_cost(
        (item.cost_usd, item.cost_state) for item in checkpoints if item.state != "making"
    )
    requests = {item.turn_index: item for item in request_tokens(turns)}
    mine = [(turn, requests[turn.turn_index]) for turn in own if turn.turn_index in requests]
    differs = any(item.without_input_tokens != item.input_tokens for _, item in mine)
    without_usd: Decimal | None = turns_usd
    for turn, item in mine:
        more = _difference(turn, item, rates_of(turn))
        without_usd = None if without_usd is None or more is None else without_usd + more
    saved = None
    if without_usd is not None and made_usd is not None:
        saved = without_usd - turns_usd - made_usd
    return ConversationCost(
        turns_usd=turns_usd,
        turns_state=turns_state,
        unknown_turn_count=len(ended) - len(known),
        checkpoints_usd=made_usd,
        checkpoints_state=made_state,
        made_count=sum(item.state == "made" for item in checkpoints),
        skipped_count=sum(item.state == "skipped" for item in checkpoints),
        input_tokens=sum(item.input_tokens for _, item in mine),
        cached_input_tokens=sum(item.cached_input_tokens or 0 for _, item in mine),
        output_tokens=sum(turn.output_tokens or 0 for turn in own),
        without_input_tokens=sum(item.without_input_tokens for _, item in mine),
        without_usd=without_usd,
        saved_usd=saved,
        is_estimated=differs,
    )


def _difference(turn: Turn, item: TurnTokens, rates: Rates | None) -> Decimal | None:
    """What the request would have cost more without checkpoints; None: no price is known."""
    if item.without_input_tokens == item.input_tokens:
        return Decimal(0)
    output = turn.output_tokens or 0
    with_it = Usage(
        input_tokens=item.input_tokens,
        cached_input_tokens=item.cached_input_tokens,
        output_tokens=output,
    )
    without = Usage(
        input_tokens=item.without_input_tokens,
        cached_input_tokens=item.without_cached_tokens,
        output_tokens=output,
    )
    paid = cost_of(with_it, rates, CostState.ESTIMATED).cost_usd
    instead = cost_of(without, rates, CostState.ESTIMATED).cost_usd
    return None if paid is None or instead is None else instead - paid
