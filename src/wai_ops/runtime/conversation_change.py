"""Forking, taking back, deleting and pruning conversations.

A fork has the same text, byte for byte, and goes to its parent's replica until its session's next
epoch: what is warm there is what the two share. Deleting takes the content out of live state for
good. Facts about money and decisions stay where they are recorded: they hold no content.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.core.errors import UsageError
from wai_ops.core.ids import is_name
from wai_ops.runtime.affinity import Reason, affinity_key
from wai_ops.runtime.checkpoint_text import asked_in, decode, text_of_message
from wai_ops.runtime.conversation_find import find_conversation
from wai_ops.runtime.history import current_checkpoint, is_complete, stands_at
from wai_ops.state.checkpoints import list_checkpoints
from wai_ops.state.conversation_rows import (
    conversation_keys,
    copy_checkpoints,
    copy_turns,
    list_totals,
    remove_rows,
    scrub,
)
from wai_ops.state.conversations import Turn, list_turns, undo_turns
from wai_ops.state.live import LiveState
from wai_ops.state.owner import is_alive
from wai_ops.state.sessions import Session, find_session, save_session

HISTORY_FILE = "chat-history"
"""What was typed in `wai chat`, beside live state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forked:
    """A new conversation, and what it begins with."""

    conversation_id: str
    affinity_key: str
    parent_key: str
    at_turn_index: int
    turn_count: int
    checkpoint_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was deleted. `is_scrubbed` false: traces stay in the file until nobody else has it."""

    conversation_ids: list[str]
    turn_count: int
    history_line_count: int
    tool_output_count: int
    """Raw outputs of tools that a policy let be kept."""
    is_scrubbed: bool


NOTHING_REMOVED = Removed(
    conversation_ids=[],
    turn_count=0,
    history_line_count=0,
    tool_output_count=0,
    is_scrubbed=True,
)


def fork_conversation(
    live: LiveState, session: Session, new_id: str, *, at: int | None, now: datetime
) -> Forked:
    """Copy a conversation, whole or up to one turn. Raises UsageError."""
    if not is_name(new_id):
        raise UsageError(
            f"{new_id!r} is not a usable name",
            hint="letters, digits and . _ @ / -, at most 128 characters",
        )
    parent = session.affinity_key
    key = affinity_key(session.tenant, session.workflow, new_id)
    with live.write():
        if find_session(live, key) is not None:
            raise UsageError(f"there is a conversation {new_id!r} already", hint="choose another")
        turns = list_turns(live, parent)
        last = _fork_point(session, turns, at)
        checkpoints = [
            item
            for item in list_checkpoints(live, parent)
            if item.state == "made" and (at is None or item.after_turn_index < last)
        ]
        count = copy_turns(live, parent, key, last, now)
        copy_checkpoints(live, checkpoints, key)
        begun = replace(
            session,
            affinity_key=key,
            conversation_id=new_id,
            reason=Reason.FORKED.value,
            request_count=0,
            wire_key=session.wire_key or parent,
        )
        save_session(live, begun, begins=True)
    return Forked(
        conversation_id=new_id,
        affinity_key=key,
        parent_key=parent,
        at_turn_index=last,
        turn_count=count,
        checkpoint_count=len(checkpoints),
    )


def _fork_point(session: Session, turns: Sequence[Turn], at: int | None) -> int:
    complete = [turn for turn in turns if stands_at(turn)]
    if not complete:
        raise UsageError(f"{session.conversation_id} has no finished turn to fork from")
    if at is None:
        return max(turn.turn_index for turn in turns if turn.state != "open")
    found = next((turn for turn in turns if turn.turn_index == at), None)
    if found is None or not is_complete(found):
        raise UsageError(
            f"turn {at} of {session.conversation_id} is not a finished turn",
            hint=f"finished are {complete[0].turn_index} to {complete[-1].turn_index}",
        )
    if (
        '"tool_calls":' in (found.reply_json or "")
        and "tool_calls" in decode(found.reply_json or "")[0]
    ):
        raise UsageError(f"turn {at} asks for tools: their results come in the next one")
    return at


def undo_exchange(live: LiveState, key: str) -> str:
    """Take the last exchange back, and return what the user said in it. Raises UsageError.

    Nothing is deleted: later requests leave it out.
    """
    with live.write():
        turns = list_turns(live, key)
        standing = [turn for turn in turns if stands_at(turn)]
        if not standing:
            raise UsageError("there is nothing to take back")
        asked = [turn for turn in standing if asked_in(turn) is not None]
        first = asked[-1] if asked else standing[0]
        checkpoint = current_checkpoint(list_checkpoints(live, key))
        if checkpoint is not None and first.turn_index <= checkpoint.covers_turn_index:
            raise UsageError(
                "the turns before are summed up: they cannot be taken back one by one",
                hint=f"fork it where it was right: wai conversations fork {key} NEW --at TURN",
            )
        undo_turns(live, key, first.turn_index, turns[-1].turn_index)
    return asked_in(first) or ""


def last_question(live: LiveState, key: str) -> str | None:
    """What the user said last, answered or not; None: nothing yet."""
    for turn in reversed(list_turns(live, key)):
        if turn.undone_from is None and (said := asked_in(turn)) is not None:
            return said
    return None


def delete_conversations(
    live: LiveState, sessions: Sequence[Session], *, decision_ids: Sequence[str] = ()
) -> Removed:
    """Delete conversations and all that is kept of them. Raises UsageError while one runs.

    `decision_ids`: those about them; what their tools said is kept under these names.
    """
    state_dir = live.path.parent
    said: set[str] = set()
    count = 0
    with live.write():
        for session in sessions:
            turns = list_turns(live, session.affinity_key)
            if any(turn.state == "open" and is_alive(turn.owner) for turn in turns):
                raise UsageError(
                    f"conversation {session.conversation_id} is in use by a running process"
                )
            for turn in turns:
                for message in decode(turn.messages_json[turn.opening_chars or 0 :]):
                    said.update(text_of_message(message).splitlines())
            count += remove_rows(live, conversation_keys(live, session.affinity_key))
    return Removed(
        conversation_ids=[session.conversation_id for session in sessions],
        turn_count=count,
        history_line_count=_forget_lines(history_file(state_dir), said),
        tool_output_count=_remove_outputs(state_dir, decision_ids),
        is_scrubbed=scrub(live),
    )


def stale_conversations(live: LiveState, before: datetime) -> list[Session]:
    """The conversations that were last used before a time, and that nobody uses now."""
    return [
        item.session
        for item in list_totals(live)
        if item.last_used_at < before and not item.open_count
    ]


def find_all(live: LiveState, names: Sequence[str]) -> list[Session]:
    """Find several conversations, each once. Raises UsageError."""
    found = {find_conversation(live, name).affinity_key: name for name in names}
    return [find_conversation(live, key) for key in found]


def history_file(state_dir: Path) -> Path:
    """Where the lines that were typed in `wai chat` are kept."""
    return state_dir / HISTORY_FILE


def _remove_outputs(state_dir: Path, decision_ids: Sequence[str]) -> int:
    if not decision_ids:
        return 0
    from wai_ops.runtime.tools.facts import FOLDER_NAME

    paths = [state_dir / FOLDER_NAME / f"{decision_id}.json" for decision_id in decision_ids]
    found = [path for path in paths if path.exists()]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _forget_lines(history: Path, said: set[str]) -> int:
    """Take lines that were said in a conversation out of what was typed."""
    try:
        lines = history.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return 0
    kept = [line for line in lines if line.strip() not in {item.strip() for item in said}]
    if len(kept) < len(lines):
        # In place, so that no older copy of the file stays on the disk under another name.
        with history.open("r+", encoding="utf-8") as file:
            file.truncate(0)
            file.write("".join(f"{line}\n" for line in kept))
    return len(lines) - len(kept)


def resume_lines(live: LiveState, session: Session, clock: Clock) -> list[str]:
    """How to go on with a conversation, and where it left off."""
    from wai_ops.core.text import one_line

    turns = list_turns(live, session.affinity_key)
    minutes = int((clock.now() - session.last_used_at).total_seconds() // 60)
    ago = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
    place = f"-t {session.tenant} -w {session.workflow}"
    lines = [
        f"wai chat -c {session.conversation_id} {place}",
        f'wai run -c {session.conversation_id} {place} "..."',
        f"# {len(turns)} turns, last used {ago} ago",
    ]
    if (said := last_question(live, session.affinity_key)) is not None:
        lines.append(f"# last said: {one_line(said, 100)}")
    if turns and not is_complete(turns[-1]):
        lines.append(f"# the last turn is {turns[-1].state}: it is not part of the history")
    return lines
