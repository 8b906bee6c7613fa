"""Conversations in live state: every turn with the exact JSON text that was sent and received.

Sending the same text again, byte for byte, is what keeps the provider's prefix cache warm; so the
text is stored, never rebuilt. The one exception is a credential: it is masked before it is stored.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from wai_ops.core.clock import to_utc_text
from wai_ops.state.live import LiveState

TurnState = Literal["open", "done", "partial", "failed", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One exchange. `messages_json` is the comma-joined JSON of the messages this turn added."""

    turn_index: int
    run_id: str
    owner: str
    state: TurnState
    model: str
    epoch: int
    tools_json: str | None
    messages_json: str
    reply_json: str | None
    input_tokens: int | None
    output_tokens: int | None
    masked_from: int | None = None
    """Where `messages_json` begins to differ from what was sent; None: it does not."""
    opening_chars: int | None = None
    """How much of `messages_json` is the opening, the comma behind it included; None: not known."""


def list_turns(live: LiveState, affinity_key: str) -> list[Turn]:
    """Return all turns of a conversation in order, whatever became of them."""
    rows = live.execute(
        "select turn_index, run_id, owner, state, model, epoch, tools_json, messages_json, "
        "reply_json, input_tokens, output_tokens, masked_from, opening_chars from turn "
        "where affinity_key = ? order by turn_index",
        (affinity_key,),
    )
    return [
        Turn(
            turn_index=index,
            run_id=run_id,
            owner=owner,
            state=state,
            model=model,
            epoch=epoch,
            tools_json=tools,
            messages_json=messages,
            reply_json=reply,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            masked_from=masked_from,
            opening_chars=opening_chars,
        )
        for (
            index,
            run_id,
            owner,
            state,
            model,
            epoch,
            tools,
            messages,
            reply,
            input_tokens,
            output_tokens,
            masked_from,
            opening_chars,
        ) in rows.fetchall()
    ]


def begin_turn(
    live: LiveState,
    affinity_key: str,
    *,
    run_id: str,
    model: str,
    epoch: int,
    tools_json: str | None,
    messages_json: str,
    now: datetime,
    masked_from: int | None = None,
    opening_chars: int = 0,
) -> int:
    """Reserve the conversation's next turn and return its index, from 0. Call in `write()`."""
    index: int = live.execute(
        "select coalesce(max(turn_index) + 1, 0) from turn where affinity_key = ?",
        (affinity_key,),
    ).fetchone()[0]
    live.execute(
        "insert into turn (affinity_key, turn_index, run_id, owner, state, model, epoch, "
        "tools_json, messages_json, started_at, masked_from, opening_chars) "
        "values (?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?)",
        (
            affinity_key,
            index,
            run_id,
            live.owner,
            model,
            epoch,
            tools_json,
            messages_json,
            to_utc_text(now),
            masked_from,
            opening_chars,
        ),
    )
    return index


def end_turn(
    live: LiveState,
    affinity_key: str,
    turn_index: int,
    *,
    state: TurnState,
    reply_json: str | None,
    input_tokens: int | None,
    output_tokens: int | None,
    now: datetime,
) -> None:
    """Close a turn with what came back, complete or not. Call in `write()`."""
    live.execute(
        "update turn set state = ?, reply_json = ?, input_tokens = ?, output_tokens = ?, "
        "finished_at = ? where affinity_key = ? and turn_index = ?",
        (
            state,
            reply_json,
            input_tokens,
            output_tokens,
            to_utc_text(now),
            affinity_key,
            turn_index,
        ),
    )
