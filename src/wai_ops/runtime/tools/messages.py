"""Tool calls and their results as messages of a conversation."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from wai_ops.runtime.tools.outcome import ToolProblem
from wai_ops.runtime.tools.shape import failure_text

_LOST = "no result was recorded: it may have run, or not; do not take it as done"


def result_message(call_id: str, content: str) -> dict[str, Any]:
    """The message that answers one call."""
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def calls_of(reply_json: str | None) -> list[dict[str, Any]]:
    """The tool calls of a stored reply."""
    if reply_json is None or '"tool_calls"' not in reply_json:
        return []
    try:
        message = json.loads(reply_json)
    except ValueError:
        return []
    calls = message.get("tool_calls") if isinstance(message, Mapping) else None
    if not isinstance(calls, Sequence) or isinstance(calls, str):
        return []
    return [dict(call) for call in calls if isinstance(call, Mapping)]


def unanswered(reply_json: str | None) -> tuple[dict[str, Any], ...]:
    """Answers to the calls of a conversation's last reply that nobody answered.

    A loop may end between a call and its result: at a limit, with Ctrl-C, with the process. The
    next message goes behind these, or the provider refuses the whole history.
    """
    return tuple(
        result_message(str(call.get("id", "")), failure_text(ToolProblem.NOT_RUN, _LOST))
        for call in calls_of(reply_json)
    )
