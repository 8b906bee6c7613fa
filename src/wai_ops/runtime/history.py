"""The text of a conversation as a request carries it, put together from stored JSON texts.

A conversation has one opening: what its prompt says before the user does. It stands first. When a
later turn is sent with another version of the prompt, that one's opening takes its place, and the
exchanges stay as they were.
"""

from collections.abc import Sequence

from wai_ops.state.conversations import Turn


def history_parts(turn: Turn) -> list[str]:
    """What a turn adds to later requests: its messages and the reply, once it is done."""
    if turn.state != "done" or turn.reply_json is None:
        return []
    return [turn.messages_json, turn.reply_json]


def opening_of(turns: Sequence[Turn]) -> str:
    """The opening that is in effect after these turns, with a comma behind it; empty: none."""
    found = (
        turn.messages_json[: turn.opening_chars]
        for turn in reversed(turns)
        if turn.opening_chars and history_parts(turn)
    )
    return next(found, "")


def compose(turns: Sequence[Turn], messages_json: str, opening_chars: int = 0) -> str:
    """All messages of a request: the opening, the finished turns, then the new messages.

    `opening_chars` of `messages_json` are a new opening.
    """
    opening = messages_json[:opening_chars] or opening_of(turns)
    parts = []
    for turn in turns:
        if history_parts(turn):
            parts += [turn.messages_json[turn.opening_chars or 0 :], turn.reply_json or ""]
    return opening + ",".join([*parts, messages_json[opening_chars:]])


def sent_text(turns: Sequence[Turn], index: int) -> str:
    """The message text that turn `index` sent: the finished turns before it, and its own."""
    before = [turn for turn in turns if turn.turn_index < index]
    own = next((turn for turn in turns if turn.turn_index == index), None)
    if own is None:
        return ",".join(part for turn in before for part in history_parts(turn))
    return compose(before, own.messages_json, own.opening_chars or 0)
