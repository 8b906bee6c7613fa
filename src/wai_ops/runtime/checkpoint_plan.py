"""When a checkpoint is due, and for which turns: pure decisions on what live state holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from wai_ops.core.money import CostState, Usage, cost_of
from wai_ops.core.prices import Model, PriceBook
from wai_ops.runtime.checkpoint_prompt import BuiltIn, CheckpointPrompt
from wai_ops.runtime.checkpoint_text import begins_with_user, tokens_of
from wai_ops.runtime.history import current_checkpoint, stands_at
from wai_ops.state.checkpoints import Checkpoint
from wai_ops.state.conversations import Turn

LEAST_TOKENS = 256
"""Turns that take less than this are left as they are: a summary would not be smaller."""
_ATTEMPTED = ("made", "skipped")
_NOT_FOR_THIS = ("guard", "coder", "sqlcoder", "-code", "lora", "vision", "math")
"""Parts of the names of models that do something else than sum up a talk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPolicy:
    """How checkpoints are made. `every_turns` 0: only when somebody asks for one."""

    every_turns: int = 8
    keep_turns: int = 2
    max_tokens: int = 1000
    model: str | None = None
    """None: the cheapest that fits, or the conversation's own."""
    uses_own_model: bool = False
    """Without `model`: take the conversation's own, which its policy allows."""
    prompt: CheckpointPrompt = BuiltIn()  # noqa: RUF009 - frozen

    @property
    def max_output_tokens(self) -> int:
        """What the summing model may write: the summary in JSON, with room to think."""
        return 2 * self.max_tokens + 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The turns that a checkpoint is to cover, and the checkpoint that it goes on from."""

    turns: tuple[Turn, ...]
    before: Checkpoint | None
    covers_turn_index: int
    after_turn_index: int
    tokens_before: int
    """What the covered turns, and the summary before them, take now (estimated)."""


@dataclass(frozen=True, slots=True)
class NotDue:
    """Why there is nothing to do."""

    reason: str


def span_due(
    turns: Sequence[Turn],
    checkpoints: Sequence[Checkpoint],
    policy: CheckpointPolicy,
    *,
    is_forced: bool,
    alive: Callable[[str], bool],
) -> Span | NotDue:
    """Say which turns the next checkpoint covers. `is_forced`: somebody asked for it now.

    The cut never parts a call of a tool from its result, and never passes a turn that still runs:
    its exchange would be lost once it ends.
    """
    if any(item.state == "making" and alive(item.owner) for item in checkpoints):
        return NotDue("another process is making one")
    standing = [turn for turn in turns if stands_at(turn)]
    attempted = [item.after_turn_index for item in checkpoints if item.state in _ATTEMPTED]
    since = [turn for turn in standing if turn.turn_index > max(attempted, default=-1)]
    if not is_forced and not 0 < policy.every_turns <= len(since):
        return NotDue(f"{len(since)} turns since the last one")
    before = current_checkpoint(checkpoints)
    covered = -1 if before is None else before.covers_turn_index
    running = [turn.turn_index for turn in turns if turn.state == "open" and alive(turn.owner)]
    uncovered = [turn for turn in standing if turn.turn_index > covered]
    cut = len(uncovered) - policy.keep_turns
    while cut > 0 and not _may_cut(uncovered, cut, running):
        cut -= 1
    if cut <= 0:
        return NotDue("no turns to sum up yet beyond those that are kept as they were said")
    found = tuple(uncovered[:cut])
    tokens_before = tokens_of(before.messages_json or "") if before else 0
    for turn in found:
        tokens_before += tokens_of(turn.messages_json[turn.opening_chars or 0 :])
        tokens_before += tokens_of(turn.reply_json or "")
    if tokens_before < LEAST_TOKENS:
        return NotDue(f"the turns take about {tokens_before} tokens: a summary would save nothing")
    return Span(
        turns=found,
        before=before,
        covers_turn_index=found[-1].turn_index,
        after_turn_index=turns[-1].turn_index,
        tokens_before=tokens_before,
    )


def _may_cut(turns: Sequence[Turn], cut: int, running: Sequence[int]) -> bool:
    if any(index < turns[cut - 1].turn_index for index in running):
        return False
    return cut == len(turns) or begins_with_user(turns[cut])


def model_for(
    policy: CheckpointPolicy,
    prices: PriceBook,
    *,
    own: str,
    said_by_prompt: str | None,
    input_tokens: int,
    now: datetime,
) -> str:
    """Choose who sums up: as set, as the prompt says, else the cheapest that fits, else `own`."""
    if policy.model or said_by_prompt:
        return policy.model or said_by_prompt or own
    if policy.uses_own_model:
        return own
    needed = input_tokens + policy.max_output_tokens
    found = []
    for model in prices.models(now):
        price = _price(model, prices, input_tokens, policy.max_output_tokens, now)
        if price is not None and _fits(model, needed, now):
            found.append((price, model.id))
    return min(found)[1] if found else own


def _fits(model: Model, needed: int, now: datetime) -> bool:
    return (
        model.task == "Text Generation"
        and not model.is_retired(now.date())
        and not model.workers_paid
        and model.context_window is not None
        and model.context_window >= needed
        and not any(part in model.id for part in _NOT_FOR_THIS)
    )


def _price(
    model: Model, prices: PriceBook, input_tokens: int, output_tokens: int, now: datetime
) -> Decimal | None:
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    return cost_of(usage, prices.rates(model.id, now), CostState.ESTIMATED).cost_usd
