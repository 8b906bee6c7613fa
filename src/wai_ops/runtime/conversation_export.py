"""A conversation as a file: Markdown for people, JSON and JSON Lines for programs.

The content is what is stored: credentials were masked before. In Markdown every line of it is
quoted and harmless to a terminal, so that no message can pass for another; JSON carries the text
as it is, with everything but ASCII escaped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wai_ops.core.text import one_line, printable
from wai_ops.runtime.checkpoint_text import decode, text_of_message
from wai_ops.runtime.conversation_detail import ConversationDetail, TurnDetail
from wai_ops.state.conversations import Turn, list_turns
from wai_ops.state.live import LiveState


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedTurn:
    """One turn with its messages as they are stored, the reply last if there is one."""

    turn: TurnDetail
    opening: list[dict[str, Any]]
    """The messages of a prompt or the system text, where the turn brings them."""
    messages: list[dict[str, Any]]
    reply: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedConversation:
    """Everything that is kept of a conversation."""

    exported_at: datetime
    conversation: ConversationDetail
    turns: list[ExportedTurn]


def export_conversation(
    live: LiveState, detail: ConversationDetail, now: datetime
) -> ExportedConversation:
    """Read a conversation with its content."""
    turns = list_turns(live, detail.affinity_key)
    return ExportedConversation(
        exported_at=now,
        conversation=detail,
        turns=[_turn(turn, shown) for turn, shown in zip(turns, detail.turns, strict=True)],
    )


def to_markdown(exported: ExportedConversation) -> str:
    """Write it for people."""
    detail = exported.conversation
    place = f"{detail.tenant}/{detail.workflow}"
    lines = [
        f"# Conversation {one_line(detail.conversation_id)}",
        "",
        f"{place}, exported {exported.exported_at:%Y-%m-%d %H:%M:%S} UTC",
    ]
    for item in exported.turns:
        state = "" if item.turn.state == "done" else f" ({item.turn.state})"
        lines += ["", f"## Turn {item.turn.turn_index}{state}"]
        for message in [*item.opening, *item.messages, *([item.reply] if item.reply else [])]:
            lines += ["", f"**{one_line(str(message.get('role', '?')), 20)}**", ""]
            lines += [f"> {line}".rstrip() for line in _said(message).splitlines() or [""]]
    for checkpoint in detail.checkpoints:
        if checkpoint.state == "made":
            lines += ["", f"## Checkpoint after turn {checkpoint.covers_turn_index}", ""]
            lines += [f"> {line}" for line in printable(checkpoint.summary or "").splitlines()]
            lines += [">", *(f"> - {one_line(fact, 2000)}" for fact in checkpoint.facts)]
    return "\n".join(lines) + "\n"


def message_rows(exported: ExportedConversation) -> Iterator[dict[str, Any]]:
    """One flat record a message, in order: what a line of JSON Lines holds."""
    for item in exported.turns:
        parts = [
            *(("opening", message) for message in item.opening),
            *(("message", message) for message in item.messages),
            *([("reply", item.reply)] if item.reply else []),
        ]
        for part, message in parts:
            yield {
                "conversation_id": exported.conversation.conversation_id,
                "turn_index": item.turn.turn_index,
                "turn_state": item.turn.state,
                "part": part,
                **message,
            }


def _turn(turn: Turn, shown: TurnDetail) -> ExportedTurn:
    cut = turn.opening_chars or 0
    return ExportedTurn(
        turn=shown,
        opening=decode(turn.messages_json[:cut].removesuffix(",")),
        messages=decode(turn.messages_json[cut:]),
        reply=decode(turn.reply_json)[0] if turn.reply_json else None,
    )


def _said(message: dict[str, Any]) -> str:
    text = text_of_message(message)
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        for call in calls:
            function = call.get("function", {}) if isinstance(call, dict) else {}
            text += f"\n[calls {function.get('name')} with {function.get('arguments')}]"
    return printable(text.strip("\n"))
