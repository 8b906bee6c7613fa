"""Whole conversations in live state: counting them up, copying one, and removing one for good."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from wai_ops.core.clock import parse_utc, to_utc_text
from wai_ops.core.errors import DataError
from wai_ops.state.checkpoints import Checkpoint, insert_checkpoint
from wai_ops.state.conversations import from_pico
from wai_ops.state.live import LiveState
from wai_ops.state.sessions import Session, list_sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Where a conversation was copied from; its turns up to `at_turn_index` are copies."""

    parent_key: str
    at_turn_index: int
    forked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """One conversation added up; copies of a fork's parent do not count."""

    session: Session
    turn_count: int
    done_count: int
    open_count: int
    last_state: str | None
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    """Of the turns whose cost is known."""
    unknown_cost_count: int
    made_count: int
    """Checkpoints."""
    checkpoint_cost_usd: Decimal
    last_used_at: datetime


def list_totals(live: LiveState) -> list[Totals]:
    """Add up every conversation that people hold, the most recently used first.

    The conversations in which checkpoints are made are not listed: they belong to others.
    """
    makers = set(_makers(live))
    turns = {
        row[0]: row[1:]
        for row in live.execute(
            "select t.affinity_key, count(*), sum(t.state = 'done' and t.undone_from is null), "
            "sum(t.state = 'open'), sum(coalesce(t.input_tokens, 0) * own), "
            "sum(coalesce(t.output_tokens, 0) * own), sum(coalesce(t.cost_pico, 0) * own), "
            "sum((t.cost_pico is null and t.state <> 'open') * own) from (select turn.*, "
            "turn_index > coalesce(fork.at_turn_index, -1) as own from turn "
            "left join fork using (affinity_key)) t group by t.affinity_key"
        ).fetchall()
    }
    last = dict(
        live.execute(
            "select affinity_key, state from turn t where turn_index = "
            "(select max(turn_index) from turn where affinity_key = t.affinity_key)"
        ).fetchall()
    )
    checkpoints = {
        row[0]: row[1:]
        for row in live.execute(
            "select affinity_key, sum(state = 'made'), sum(coalesce(cost_pico, 0)) "
            "from checkpoint group by affinity_key"
        ).fetchall()
    }
    found = []
    for session in list_sessions(live):
        key = session.affinity_key
        if key in makers:
            continue
        count, done, is_open, tokens_in, tokens_out, pico, unknown = turns.get(key, (0,) * 7)
        made, spent = checkpoints.get(key, (0, 0))
        found.append(
            Totals(
                session=session,
                turn_count=count,
                done_count=done,
                open_count=is_open,
                last_state=last.get(key),
                input_tokens=tokens_in,
                output_tokens=tokens_out,
                cost_usd=from_pico(pico) or Decimal(0),
                unknown_cost_count=unknown,
                made_count=made,
                checkpoint_cost_usd=from_pico(spent) or Decimal(0),
                last_used_at=session.last_used_at,
            )
        )
    return found


def find_fork(live: LiveState, affinity_key: str) -> Fork | None:
    """Say where a conversation was copied from, if it was."""
    row = live.execute(
        "select parent_key, at_turn_index, forked_at from fork where affinity_key = ?",
        (affinity_key,),
    ).fetchone()
    if row is None:
        return None
    return Fork(parent_key=row[0], at_turn_index=row[1], forked_at=parse_utc(row[2]))


def copy_turns(
    live: LiveState, parent_key: str, affinity_key: str, at_turn_index: int, now: datetime
) -> int:
    """Copy the turns of a conversation up to one of them; return how many. Call in `write()`.

    The text is the same byte for byte. What they cost stays with the parent.
    """
    copied = live.execute(
        "insert into turn (affinity_key, turn_index, run_id, owner, state, model, epoch, "
        "tools_json, messages_json, reply_json, input_tokens, output_tokens, started_at, "
        "finished_at, masked_from, opening_chars, checkpoint_id, cached_input_tokens, cost_pico, "
        "cost_state, undone_from) "
        "select ?2, turn_index, run_id, owner, state, model, epoch, tools_json, messages_json, "
        "reply_json, input_tokens, output_tokens, started_at, finished_at, masked_from, "
        "opening_chars, checkpoint_id, cached_input_tokens, 0, 'none', "
        "case when undone_from <= ?3 + 1 then undone_from end "
        "from turn where affinity_key = ?1 and turn_index <= ?3 and state <> 'open'",
        (parent_key, affinity_key, at_turn_index),
    ).rowcount
    live.execute(
        "insert into fork (affinity_key, parent_key, at_turn_index, forked_at) values (?, ?, ?, ?)",
        (affinity_key, parent_key, at_turn_index, to_utc_text(now)),
    )
    return copied


def copy_checkpoints(live: LiveState, checkpoints: list[Checkpoint], affinity_key: str) -> None:
    """Copy checkpoints for a fork: same ids and same text. Call in `write()`.

    The calls that made them, and what they cost, stay with the parent.
    """
    for item in checkpoints:
        copy = replace(
            item,
            affinity_key=affinity_key,
            conversation_id="",
            cost_usd=Decimal(0),
            cost_state="none",
        )
        insert_checkpoint(live, copy)


def conversation_keys(live: LiveState, affinity_key: str) -> list[str]:
    """The keys of everything that is kept of a conversation: itself, and its checkpoints' calls."""
    return [affinity_key, *_makers(live, affinity_key)]


def _makers(live: LiveState, affinity_key: str | None = None) -> list[str]:
    """The conversations in which checkpoints were made: of one conversation, or all."""
    rows = live.execute(
        "select distinct affinity_key, conversation_id from checkpoint "
        "where conversation_id <> '' and affinity_key = coalesce(?, affinity_key)",
        (affinity_key,),
    ).fetchall()
    return [f"{key.rpartition(':')[0]}:{name}" for key, name in rows]


def remove_rows(live: LiveState, keys: list[str]) -> int:
    """Delete all that is kept of these conversations; return the turns. Call in `write()`."""
    count = 0
    for key in keys:
        count += live.execute("delete from turn where affinity_key = ?", (key,)).rowcount
        for table in ("checkpoint", "fork", "session"):
            live.execute(f"delete from {table} where affinity_key = ?", (key,))  # noqa: S608 - fixed names
    return count


def scrub(live: LiveState, *, wait_ms: int = 2000) -> bool:
    """Leave no trace of deleted rows in the file or its log. False: another process is in the way.

    The rows are gone either way. Free pages hold what was deleted, or changed, at any time before;
    only writing the file anew and emptying the log removes that.
    """
    try:
        live.execute(f"pragma busy_timeout = {wait_ms:d}")
        live.execute("vacuum")
        busy: int = live.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
    except DataError:
        return False
    return busy == 0
