"""The shapes of answers: whole and streamed, OpenAI's and the older native one. Pure.

The Responses shape is in `responses_shape`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from wai_ops.core.money import Usage
from wai_ops.emulator.answers import to_json_bytes
from wai_ops.emulator.backends.base import (
    Event,
    Finish,
    ReasoningDelta,
    TextDelta,
    ToolDelta,
)

DONE = b"data: [DONE]\n\n"
Piece = TextDelta | ReasoningDelta | ToolDelta


def usage_json(usage: Usage) -> dict[str, Any]:
    """`usage` as both generations of models report it."""
    shown: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens or 0},
    }
    if usage.reasoning_tokens:
        shown["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return shown


@dataclass(slots=True)
class ToolCall:
    """One tool call as it comes together; `arguments` is JSON text."""

    call_id: str
    name: str
    arguments: str = ""


@dataclass(slots=True)
class Reply:
    """An answer as it comes together."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: dict[int, ToolCall] = field(default_factory=dict)
    finish_reason: str | None = None
    """None: it never came to its end."""

    def add(self, event: Event) -> None:
        """Take one event in."""
        match event:
            case TextDelta(text):
                self.text.append(text)
            case ReasoningDelta(text):
                self.reasoning.append(text)
            case ToolDelta(index, arguments, call_id, name):
                call = self.calls.setdefault(index, ToolCall(call_id or "", name or ""))
                call.arguments += arguments
            case Finish(reason):
                self.finish_reason = reason

    def all_text(self) -> str:
        """Everything that was said so far: text, and the arguments of tool calls."""
        return "".join([*self.text, *(call.arguments for call in self.calls.values())])

    def openai(
        self,
        *,
        response_id: str,
        created: int,
        model: str,
        usage: Usage,
        reasoning_field: str = "reasoning",
    ) -> dict[str, Any]:
        """The OpenAI object."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self.text)}
        if self.reasoning:
            message[reasoning_field] = "".join(self.reasoning)
        if self.calls:
            message["content"] = message["content"] or None
            message["tool_calls"] = [
                {
                    "id": call.call_id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in self.calls.values()
            ]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": self.finish_reason,
        }
        return {
            "id": response_id,
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": [choice],
            "usage": usage_json(usage),
        }

    def legacy(self, *, usage: Usage, is_json: bool) -> dict[str, Any]:
        """The native object; in JSON mode `response` is the decoded value."""
        text = "".join(self.text)
        result: dict[str, Any] = {"response": _decoded(text) if is_json else text}
        if self.calls:
            result["response"] = text or None
            result["tool_calls"] = self._flat_calls()
        result["usage"] = usage_json(usage)
        return result

    def _flat_calls(self) -> list[dict[str, Any]]:
        return [
            {"name": call.name, "arguments": _decoded(call.arguments)}
            for call in self.calls.values()
        ]


def _decoded(text: str) -> Any:
    """JSON text as its value; text that was cut short stays text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _frame(value: Any) -> bytes:
    return b"data: " + to_json_bytes(value) + b"\n\n"


class Frames(Protocol):
    """A stream in one of the wire shapes: each method gives the bytes of zero or more events."""

    def first(self) -> bytes:
        """What opens the stream."""
        ...

    def delta(self, event: Piece) -> bytes:
        """One piece."""
        ...

    def last(self, reply: Reply, usage: Usage) -> bytes:
        """What closes the stream."""
        ...

    def error(self, body: Mapping[str, Any]) -> bytes:
        """An error after the stream has begun; the provider's own form is not documented."""
        ...


class _DataFrames:
    """Streams whose events are data alone."""

    def error(self, body: Mapping[str, Any]) -> bytes:
        """The error's own body as an event."""
        return _frame(body)


class OpenAiFrames(_DataFrames):
    """Chunks of the OpenAI form."""

    def __init__(
        self,
        *,
        response_id: str,
        created: int,
        model: str,
        with_usage: bool,
        reasoning_field: str = "reasoning",
    ) -> None:
        """`with_usage`: a last chunk without choices carries the usage."""
        self._reasoning_field = reasoning_field
        self._base = {
            "id": response_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._with_usage = with_usage

    def first(self) -> bytes:
        """The opening chunk."""
        return self._chunk({"role": "assistant", "content": ""})

    def delta(self, event: Piece) -> bytes:
        """One piece."""
        if isinstance(event, TextDelta):
            return self._chunk({"content": event.text})
        if isinstance(event, ReasoningDelta):
            return self._chunk({self._reasoning_field: event.text})
        call: dict[str, Any] = {"index": event.index}
        if event.name is not None:
            call |= {"id": event.call_id, "type": "function"}
            call["function"] = {"name": event.name, "arguments": event.arguments}
        else:
            call["function"] = {"arguments": event.arguments}
        return self._chunk({"tool_calls": [call]})

    def last(self, reply: Reply, usage: Usage) -> bytes:
        """What closes the stream."""
        end = self._chunk({}, reply.finish_reason)
        if self._with_usage:
            end += _frame({**self._base, "choices": [], "usage": usage_json(usage)})
        return end + DONE

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _frame({**self._base, "choices": [choice]})


class LegacyFrames(_DataFrames):
    """Chunks of the native form: text pieces, then one empty piece with the usage."""

    def first(self) -> bytes:
        """There is no opening chunk."""
        return b""

    def delta(self, event: Piece) -> bytes:
        """One piece of text; tool calls come whole, at the end."""
        return _frame({"response": event.text}) if isinstance(event, TextDelta) else b""

    def last(self, reply: Reply, usage: Usage) -> bytes:
        """What closes the stream."""
        whole = reply.legacy(usage=usage, is_json=False)
        return _frame({**whole, "response": ""}) + DONE
