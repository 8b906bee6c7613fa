"""Checkpoints in live state: summaries that stand for the turns of a conversation before them.

A row is there before the call that makes the summary, so that nobody makes the same one twice and
a process that dies leaves a trace. Its text and the state `made` come in one transaction: half a
summary is never there to be sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from wai_ops.core.clock import parse_utc, to_utc_text
from wai_ops.state.conversations import from_pico, to_pico
from wai_ops.state.live import LiveState
from wai_ops.state.owner import is_alive

CheckpointState = Literal["making", "made", "skipped", "lost"]

_COLUMNS = (
    "affinity_key, checkpoint_id, state, owner, covers_turn_index, after_turn_index, "
    "conversation_id, model, prompt_name, prompt_version, prompt_sha256, messages_json, "
    "summary, facts_json, replaced_json, tokens_before, tokens_after, cost_pico, cost_state, "
    "reason, created_at, finished_at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One checkpoint. Token counts are estimates; what is None is not known (yet)."""

    affinity_key: str
    checkpoint_id: str
    state: CheckpointState
    owner: str
    covers_turn_index: int
    """The last turn that it stands for."""
    after_turn_index: int
    """The last turn that there was when it was made."""
    conversation_id: str
    """The conversation of the calls that made it."""
    model: str
    prompt_name: str
    prompt_version: str
    prompt_sha256: str
    messages_json: str | None = None
    """The messages in place of the turns, as comma-joined JSON: the exact text that is sent."""
    summary: str | None = None
    facts_json: str | None = None
    replaced_json: str | None = None
    tokens_before: int | None = None
    tokens_after: int | None = None
    cost_usd: Decimal | None = None
    """All calls that it took. None: not known."""
    cost_state: str | None = None
    reason: str | None = None
    """Why it was skipped."""
    created_at: datetime
    finished_at: datetime | None = None


def list_checkpoints(live: LiveState, affinity_key: str) -> list[Checkpoint]:
    """Return all checkpoints of a conversation in the order of their making, whatever became."""
    rows = live.execute(
        f"select {_COLUMNS} from checkpoint where affinity_key = ? order by checkpoint_id",  # noqa: S608 - fixed columns
        (affinity_key,),
    )
    return [_checkpoint(row) for row in rows.fetchall()]


def insert_checkpoint(live: LiveState, checkpoint: Checkpoint) -> None:
    """Store a row: of one that is about to be made, or of a fork's copy. Call in `write()`."""
    item = checkpoint
    values = (
        item.affinity_key,
        item.checkpoint_id,
        item.state,
        item.owner,
        item.covers_turn_index,
        item.after_turn_index,
        item.conversation_id,
        item.model,
        item.prompt_name,
        item.prompt_version,
        item.prompt_sha256,
        item.messages_json,
        item.summary,
        item.facts_json,
        item.replaced_json,
        item.tokens_before,
        item.tokens_after,
        to_pico(item.cost_usd),
        item.cost_state,
        item.reason,
        to_utc_text(item.created_at),
        None if item.finished_at is None else to_utc_text(item.finished_at),
    )
    marks = ", ".join("?" * len(values))
    live.execute(f"insert into checkpoint ({_COLUMNS}) values ({marks})", values)  # noqa: S608 - fixed columns


def finish_checkpoint(
    live: LiveState,
    affinity_key: str,
    checkpoint_id: str,
    *,
    state: CheckpointState,
    now: datetime,
    messages_json: str | None = None,
    summary: str | None = None,
    facts_json: str | None = None,
    replaced_json: str | None = None,
    tokens_before: int | None = None,
    tokens_after: int | None = None,
    cost_usd: Decimal | None = None,
    cost_state: str | None = None,
    model: str | None = None,
    reason: str | None = None,
) -> bool:
    """Write the outcome of what is being made. False: it is no longer there. Call in `write()`."""
    done = live.execute(
        "update checkpoint set state = ?, messages_json = ?, summary = ?, facts_json = ?, "
        "replaced_json = ?, tokens_before = ?, tokens_after = ?, cost_pico = ?, cost_state = ?, "
        "model = coalesce(?, model), reason = ?, finished_at = ? "
        "where affinity_key = ? and checkpoint_id = ? and state = 'making'",
        (
            state,
            messages_json,
            summary,
            facts_json,
            replaced_json,
            tokens_before,
            tokens_after,
            to_pico(cost_usd),
            cost_state,
            model,
            reason,
            to_utc_text(now),
            affinity_key,
            checkpoint_id,
        ),
    )
    return done.rowcount == 1


def close_lost_checkpoints(
    live: LiveState, affinity_key: str, *, now: datetime, alive: Callable[[str], bool] = is_alive
) -> int:
    """Close what processes that died were making; return how many. Call in `write()`."""
    rows = live.execute(
        "select checkpoint_id, owner from checkpoint where affinity_key = ? and state = 'making'",
        (affinity_key,),
    ).fetchall()
    lost = [checkpoint_id for checkpoint_id, owner in rows if not alive(owner)]
    for checkpoint_id in lost:
        finish_checkpoint(
            live,
            affinity_key,
            checkpoint_id,
            state="lost",
            now=now,
            reason="the process that made it ended",
        )
    return len(lost)


def _checkpoint(row: tuple[Any, ...]) -> Checkpoint:
    values: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
    values["cost_usd"] = from_pico(values.pop("cost_pico"))
    values["created_at"] = parse_utc(values["created_at"])
    if values["finished_at"] is not None:
        values["finished_at"] = parse_utc(values["finished_at"])
    return Checkpoint(**values)
