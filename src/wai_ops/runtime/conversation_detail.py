"""One conversation in full: its turns, its checkpoints, and what these cost and saved."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from wai_ops.core.prices import PriceBook
from wai_ops.core.text import one_line
from wai_ops.runtime.checkpoint_text import decode, text_of_message
from wai_ops.runtime.conversation_cost import ConversationCost, conversation_cost
from wai_ops.state.checkpoints import Checkpoint, list_checkpoints
from wai_ops.state.conversation_rows import find_fork
from wai_ops.state.conversations import Turn, list_turns
from wai_ops.state.live import LiveState
from wai_ops.state.sessions import Session

_SAID = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetail:
    """One turn. `said` is the beginning of what the user (or a tool) said in it, on one line."""

    turn_index: int
    state: str
    """`done`, `partial`, `failed`, `lost`, `open`, or `undone`."""
    is_copy: bool
    said: str
    model: str
    checkpoint_id: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    cost_state: str | None
    run_id: str
    started_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointDetail:
    """One checkpoint. `replaced`: facts that gave way to another, as they were."""

    checkpoint_id: str
    state: str
    covers_turn_index: int
    model: str
    prompt: str
    prompt_sha256: str
    tokens_before: int | None
    tokens_after: int | None
    cost_usd: Decimal | None
    cost_state: str | None
    reason: str | None
    summary: str | None
    facts: list[str]
    replaced: list[dict[str, object]]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationDetail:
    """A conversation. `decision_ids` are those of its recorded decisions, the first one first."""

    conversation_id: str
    tenant: str
    workflow: str
    affinity_key: str
    epoch: int
    forked_from: str | None
    """Key of the parent and its last copied turn, as `key@turn`."""
    last_used_at: datetime
    turns: list[TurnDetail]
    checkpoints: list[CheckpointDetail]
    decision_ids: list[str]
    cost: ConversationCost

    def to_text(self) -> str:
        """Lay it out for people."""
        from wai_ops.runtime.conversation_text import detail_text

        return detail_text(self)


def show_conversation(
    live: LiveState, session: Session, prices: PriceBook, *, decision_ids: Sequence[str] = ()
) -> ConversationDetail:
    """Read one conversation."""
    key = session.affinity_key
    turns, checkpoints = list_turns(live, key), list_checkpoints(live, key)
    fork = find_fork(live, key)
    copied = -1 if fork is None else fork.at_turn_index
    return ConversationDetail(
        conversation_id=session.conversation_id,
        tenant=session.tenant,
        workflow=session.workflow,
        affinity_key=key,
        epoch=session.epoch,
        forked_from=None if fork is None else f"{fork.parent_key}@{fork.at_turn_index}",
        last_used_at=session.last_used_at,
        turns=[_turn(turn, copied) for turn in turns],
        checkpoints=[_checkpoint(item) for item in checkpoints],
        decision_ids=list(decision_ids),
        cost=cost_of_conversation(turns, checkpoints, prices, copied_through=copied),
    )


def cost_of_conversation(
    turns: Sequence[Turn],
    checkpoints: Sequence[Checkpoint],
    prices: PriceBook,
    *,
    copied_through: int = -1,
) -> ConversationCost:
    """Add up a conversation at the prices that held when each turn was sent."""
    return conversation_cost(
        turns,
        checkpoints,
        lambda turn: prices.rates(turn.model, turn.started_at) if turn.started_at else None,
        copied_through=copied_through,
    )


def _turn(turn: Turn, copied_through: int) -> TurnDetail:
    said = decode(turn.messages_json[turn.opening_chars or 0 :])
    return TurnDetail(
        turn_index=turn.turn_index,
        state=turn.state if turn.undone_from is None else "undone",
        is_copy=turn.turn_index <= copied_through,
        said=one_line(text_of_message(said[-1]), _SAID) if said else "",
        model=turn.model,
        checkpoint_id=turn.checkpoint_id,
        input_tokens=turn.input_tokens,
        cached_input_tokens=turn.cached_input_tokens,
        output_tokens=turn.output_tokens,
        cost_usd=turn.cost_usd,
        cost_state=turn.cost_state,
        run_id=turn.run_id,
        started_at=turn.started_at,
    )


def _checkpoint(item: Checkpoint) -> CheckpointDetail:
    return CheckpointDetail(
        checkpoint_id=item.checkpoint_id,
        state=item.state,
        covers_turn_index=item.covers_turn_index,
        model=item.model,
        prompt=f"{item.prompt_name}@{item.prompt_version}",
        prompt_sha256=item.prompt_sha256,
        tokens_before=item.tokens_before,
        tokens_after=item.tokens_after,
        cost_usd=item.cost_usd,
        cost_state=item.cost_state,
        reason=item.reason,
        summary=item.summary,
        facts=json.loads(item.facts_json or "[]"),
        replaced=json.loads(item.replaced_json or "[]"),
        created_at=item.created_at,
    )
