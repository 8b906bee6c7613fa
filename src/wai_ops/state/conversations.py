"""Conversations in live state: every turn with the exact JSON text that was sent and received.

Sending the same text again, byte for byte, is what keeps the provider's prefix cache warm; so the
text is stored, never rebuilt. The one exception is a credential: it is masked before it is stored.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from wai_ops.core.clock import parse_utc, to_utc_text
from wai_ops.state.live import LiveState

TurnState = Literal["open", "done", "partial", "failed", "lost"]

_PICO_DIGITS = 12
_COLUMNS = (
    "turn_index, run_id, owner, state, model, epoch, tools_json, messages_json, reply_json, "
    "input_tokens, output_tokens, masked_from, opening_chars, checkpoint_id, "
    "cached_input_tokens, cost_pico, cost_state, undone_from, started_at"
)


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
    checkpoint_id: str | None = None
    """The checkpoint that its request was sent with; None: the whole history was sent."""
    cached_input_tokens: int | None = None
    cost_usd: Decimal | None = None
    """All attempts together. None: not known."""
    cost_state: str | None = None
    undone_from: int | None = None
    """Requests from this turn on leave the exchange out; None: it stands."""
    started_at: datetime | None = None


def to_pico(usd: Decimal | None) -> int | None:
    """Dollars as a whole number of 1e-12 dollars, which is what a cost is exact to."""
    return None if usd is None else int(usd.scaleb(_PICO_DIGITS).to_integral_exact())


def from_pico(pico: int | None) -> Decimal | None:
    """Turn 1e-12 dollars back into dollars, exactly."""
    return None if pico is None else Decimal(pico).scaleb(-_PICO_DIGITS)


def list_turns(live: LiveState, affinity_key: str) -> list[Turn]:
    """Return all turns of a conversation in order, whatever became of them."""
    rows = live.execute(
        f"select {_COLUMNS} from turn where affinity_key = ? order by turn_index",  # noqa: S608 - fixed columns
        (affinity_key,),
    )
    return [_turn(row) for row in rows.fetchall()]


def count_since_checkpoint(live: LiveState, affinity_key: str) -> int:
    """How many turns that stand came after the last checkpoint that was made or skipped."""
    count: int = live.execute(
        "select count(*) from turn where affinity_key = ?1 and state = 'done' "
        "and undone_from is null and turn_index > coalesce((select max(after_turn_index) "
        "from checkpoint where affinity_key = ?1 and state in ('made', 'skipped')), -1)",
        (affinity_key,),
    ).fetchone()[0]
    return count


def last_reply(live: LiveState, affinity_key: str) -> str | None:
    """The reply that the next request's history ends with; None: it is empty."""
    row = live.execute(
        "select reply_json from turn where affinity_key = ? and state = 'done' "
        "and undone_from is null order by turn_index desc limit 1",
        (affinity_key,),
    ).fetchone()
    return None if row is None else row[0]


def _turn(row: tuple[Any, ...]) -> Turn:
    values: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
    values["cost_usd"] = from_pico(values.pop("cost_pico"))
    values["started_at"] = parse_utc(values["started_at"])
    return Turn(**values)


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
    checkpoint_id: str | None = None,
) -> int:
    """Reserve the conversation's next turn and return its index, from 0. Call in `write()`."""
    index: int = live.execute(
        "select coalesce(max(turn_index) + 1, 0) from turn where affinity_key = ?",
        (affinity_key,),
    ).fetchone()[0]
    live.execute(
        "insert into turn (affinity_key, turn_index, run_id, owner, state, model, epoch, "
        "tools_json, messages_json, started_at, masked_from, opening_chars, checkpoint_id) "
        "values (?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?)",
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
            checkpoint_id,
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
    cached_input_tokens: int | None = None,
    cost_usd: Decimal | None = None,
    cost_state: str | None = None,
) -> None:
    """Close a turn with what came back, complete or not. Call in `write()`."""
    live.execute(
        "update turn set state = ?, reply_json = ?, input_tokens = ?, output_tokens = ?, "
        "cached_input_tokens = ?, cost_pico = ?, cost_state = ?, finished_at = ? "
        "where affinity_key = ? and turn_index = ?",
        (
            state,
            reply_json,
            input_tokens,
            output_tokens,
            cached_input_tokens,
            to_pico(cost_usd),
            cost_state,
            to_utc_text(now),
            affinity_key,
            turn_index,
        ),
    )


def undo_turns(live: LiveState, affinity_key: str, from_index: int, to_index: int) -> int:
    """Leave the turns `from_index` to `to_index` out of later requests. Call in `write()`.

    Returns how many of them stood until now. Nothing is deleted.
    """
    return live.execute(
        "update turn set undone_from = (select max(turn_index) + 1 from turn where "
        "affinity_key = ?1) where affinity_key = ?1 and turn_index between ?2 and ?3 "
        "and undone_from is null",
        (affinity_key, from_index, to_index),
    ).rowcount
