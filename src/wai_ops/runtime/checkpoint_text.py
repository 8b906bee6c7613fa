"""The messages that stand in place of turns, and the turns as the summing model reads them.

The summary is said by the user, and noted by the assistant: as a system text it would lift what
users and tools said above what the project says, and some models take no second system message and
want user and assistant in turn.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from wai_ops.core.tokens import TOKENS_PER_MESSAGE, estimate_tokens
from wai_ops.runtime.checkpoint_facts import Memory
from wai_ops.state.conversations import Turn

_HEAD = "The earlier messages of this conversation are left out. This is what happened in them."
_FACTS = "What holds:"
_NOTED = "Noted."


def memory_messages(memory: Memory) -> str:
    """The two messages, as comma-joined JSON."""
    text = f"{_HEAD}\n\n{memory.summary}"
    if memory.facts:
        text += "\n\n" + "\n".join([_FACTS, *(f"- {fact}" for fact in memory.facts)])
    messages = ({"role": "user", "content": text}, {"role": "assistant", "content": _NOTED})
    return ",".join(
        json.dumps(message, ensure_ascii=False, separators=(",", ":")) for message in messages
    )


def tokens_of(messages_json: str) -> int:
    """Estimate what messages take in a request."""
    if not messages_json:
        return 0
    return estimate_tokens(messages_json) + TOKENS_PER_MESSAGE * len(decode(messages_json))


def transcript(turns: Sequence[Turn]) -> str:
    """The exchanges of turns, one JSON object a line, without openings and without reasoning."""
    lines = []
    for turn in turns:
        said = turn.messages_json[turn.opening_chars or 0 :]
        for message in (*decode(said), *decode(turn.reply_json or "")):
            kept = {key: value for key, value in message.items() if key != "reasoning"}
            lines.append(json.dumps(kept, ensure_ascii=False, separators=(",", ":")))
    return "\n".join(lines)


def decode(messages_json: str) -> list[dict[str, Any]]:
    """Comma-joined JSON messages as data."""
    found: list[dict[str, Any]] = json.loads(f"[{messages_json}]")
    return found


def begins_with_user(turn: Turn) -> bool:
    """Whether a turn begins an exchange: one that brings results of tools belongs to another."""
    said = decode(turn.messages_json[turn.opening_chars or 0 :])
    return bool(said) and said[0].get("role") != "tool"


def asked_in(turn: Turn) -> str | None:
    """What the user says in a turn; None: it only brings results of tools."""
    said = decode(turn.messages_json[turn.opening_chars or 0 :])
    texts = [text_of_message(message) for message in said if message.get("role") == "user"]
    return texts[-1] if texts else None


def text_of_message(message: Mapping[str, Any]) -> str:
    """The text of a message; parts that are no text come as JSON."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "" if content is None else json.dumps(content, ensure_ascii=False)
