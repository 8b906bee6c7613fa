"""The text of a conversation as a request carries it, put together from stored JSON texts.

A conversation has one opening: what its prompt says before the user does. It stands first. When a
later turn is sent with another version of the prompt, that one's opening takes its place, and the
exchanges stay as they were. A checkpoint's messages stand behind the opening, in place of the turns
that it covers, and stay the same bytes until the next checkpoint.
"""

from collections.abc import Sequence

from wai_ops.state.checkpoints import Checkpoint
from wai_ops.state.conversations import Turn


def is_complete(turn: Turn) -> bool:
    """Whether a turn has its whole answer, even if it was taken back since."""
    return turn.state == "done" and turn.reply_json is not None


def stands_at(turn: Turn, index: int | None = None) -> bool:
    """Whether the request of turn `index` (None: the next one) carries this turn."""
    if not is_complete(turn):
        return False
    return turn.undone_from is None or (index is not None and index < turn.undone_from)


def history_parts(turn: Turn) -> list[str]:
    """What a turn adds to later requests: its messages and the reply, once it is done."""
    return [turn.messages_json, turn.reply_json or ""] if stands_at(turn) else []


def opening_of(turns: Sequence[Turn]) -> str:
    """The opening that is in effect after these turns, with a comma behind it; empty: none.

    That of a turn that was taken back holds on: the conversation is still the same.
    """
    found = (
        turn.messages_json[: turn.opening_chars]
        for turn in reversed(turns)
        if turn.opening_chars and is_complete(turn)
    )
    return next(found, "")


def current_checkpoint(checkpoints: Sequence[Checkpoint]) -> Checkpoint | None:
    """The checkpoint that the next request carries: the one that covers most."""
    made = [item for item in checkpoints if item.state == "made"]
    return max(made, key=lambda item: (item.covers_turn_index, item.checkpoint_id), default=None)


def compose(
    turns: Sequence[Turn],
    messages_json: str,
    opening_chars: int = 0,
    *,
    checkpoint: Checkpoint | None = None,
    index: int | None = None,
) -> str:
    """All messages of a request: opening, checkpoint, the turns behind it, then the new messages.

    `opening_chars` of `messages_json` are a new opening. `index`: the turn that the request is;
    None: the next one.
    """
    opening = messages_json[:opening_chars] or opening_of(turns)
    parts = [] if checkpoint is None else [checkpoint.messages_json or ""]
    covered = -1 if checkpoint is None else checkpoint.covers_turn_index
    for turn in turns:
        if turn.turn_index > covered and stands_at(turn, index):
            parts += [turn.messages_json[turn.opening_chars or 0 :], turn.reply_json or ""]
    return opening + ",".join([*parts, messages_json[opening_chars:]])


def sent_text(turns: Sequence[Turn], index: int, checkpoints: Sequence[Checkpoint] = ()) -> str:
    """The message text that turn `index` sent: the turns that stood before it, and its own."""
    before = [turn for turn in turns if turn.turn_index < index]
    own = next((turn for turn in turns if turn.turn_index == index), None)
    if own is None:
        return ",".join(part for turn in before for part in history_parts(turn))
    used = next((item for item in checkpoints if item.checkpoint_id == own.checkpoint_id), None)
    return compose(before, own.messages_json, own.opening_chars or 0, checkpoint=used, index=index)
