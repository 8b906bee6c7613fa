"""Answers in the shape of OpenAI's Responses API, whole and streamed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wai_ops.core.money import Usage
from wai_ops.emulator.answers import to_json_bytes
from wai_ops.emulator.backends.base import ReasoningDelta, TextDelta, ToolDelta
from wai_ops.emulator.inference.shapes import Piece, Reply, ToolCall

_ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""What a response repeats of its request, and what it says where that says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    """What all forms of one response have in common; `number` makes its ids."""

    number: str
    created: int
    model: str
    request: Mapping[str, Any]
    effort: str | None = None

    def to_json(
        self, *, status: str, output: list[dict[str, Any]], usage: Usage | None
    ) -> dict[str, Any]:
        """The response object."""
        echoed = {
            name: default if self.request.get(name) is None else self.request[name]
            for name, default in _ECHOED.items()
        }
        reason = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            "id": f"resp_{self.number}",
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": None,
            "incomplete_details": reason,
            "model": self.model,
            "output": output,
            **echoed,
            "reasoning": {"effort": self.effort, "summary": None},
            "store": False,
            "usage": None if usage is None else _usage_json(usage),
        }

    def whole(self, reply: Reply, usage: Usage) -> dict[str, Any]:
        """The finished response."""
        status = status_of(reply)
        output = []
        if reply.reasoning:
            output.append(self.reasoning("".join(reply.reasoning), status="completed"))
        if reply.text or not (reply.calls or reply.reasoning):
            output.append(self.message("".join(reply.text), status=status))
        output += [self.call(index, call) for index, call in reply.calls.items()]
        return self.to_json(status=status, output=output, usage=usage)

    def reasoning(self, text: str, *, status: str) -> dict[str, Any]:
        """The item of what was thought."""
        content = [{"type": "reasoning_text", "text": text}] if text else []
        return {
            "id": f"rs_{self.number}",
            "type": "reasoning",
            "status": status,
            "summary": [],
            "content": content,
        }

    def message(self, text: str | None, *, status: str) -> dict[str, Any]:
        """The item of what was said; None: nothing yet."""
        return {
            "id": f"msg_{self.number}",
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [] if text is None else [text_part(text)],
        }

    def call(self, index: int, call: ToolCall, *, status: str = "completed") -> dict[str, Any]:
        """The item of one function call."""
        return {
            "id": f"fc_{self.number}_{index}",
            "type": "function_call",
            "status": status,
            "call_id": call.call_id,
            "name": call.name,
            "arguments": call.arguments,
        }


def text_part(text: str) -> dict[str, Any]:
    """A part of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def status_of(reply: Reply) -> str:
    """`incomplete` when the answer was cut short."""
    return "incomplete" if reply.finish_reason == "length" else "completed"


def _usage_json(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_input_tokens or 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


@dataclass(slots=True)
class _Open:
    """The item that is being written: `reasoning`, `message` or the number of a call."""

    kind: str | int
    index: int
    text: list[str] = field(default_factory=list)
    call: ToolCall | None = None


class ResponsesFrames:
    """The events of a streamed response. There is no `[DONE]`: `response.completed` is the end."""

    def __init__(self, head: ResponseHead) -> None:
        """Nothing has been sent."""
        self._head = head
        self._sequence = 0
        self._output: list[dict[str, Any]] = []
        self._open: _Open | None = None

    def first(self) -> bytes:
        """The two opening events."""
        response = self._head.to_json(status="in_progress", output=[], usage=None)
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def delta(self, event: Piece) -> bytes:
        """One piece, with whatever must be opened or closed before it."""
        match event:
            case TextDelta(text):
                opening, item = self._item("message")
                kind, where = "response.output_text.delta", {"content_index": 0, "logprobs": []}
            case ReasoningDelta(text):
                opening, item = self._item("reasoning")
                kind, where = "response.reasoning_text.delta", {"content_index": 0}
            case ToolDelta(index, text, call_id, name):
                opening, item = self._item(index, ToolCall(call_id or "", name or ""))
                if not text:
                    return opening
                kind, where = "response.function_call_arguments.delta", {}
        item.text.append(text)
        ids = {"item_id": self._shown(item)["id"], "output_index": item.index}
        return opening + self._event(kind, **ids, **where, delta=text)

    def last(self, reply: Reply, usage: Usage) -> bytes:
        """What closes the stream."""
        status = status_of(reply)
        end = b""
        if self._open is None and not self._output:
            end, _ = self._item("message")
        end += self._close(status)
        response = self._head.to_json(status=status, output=self._output, usage=usage)
        return end + self._event(f"response.{status}", response=response)

    def error(self, body: Mapping[str, Any]) -> bytes:
        """An error after the stream has begun."""
        items = body.get("errors") or body.get("error") or [{}]
        item = items[0] if isinstance(items, list) else {}
        code, message = item.get("code"), item.get("message", "")
        return self._event("error", code=str(code), message=message, param=None)

    def _item(self, kind: str | int, call: ToolCall | None = None) -> tuple[bytes, _Open]:
        """The open item of that kind, opened if need be."""
        if self._open is not None and self._open.kind == kind:
            return b"", self._open
        closing = self._close("completed")
        item = self._open = _Open(kind, len(self._output), call=call)
        shown = self._shown(item, status="in_progress")
        opening = self._event("response.output_item.added", output_index=item.index, item=shown)
        if kind == "message":
            opening += self._part_event("added", shown["id"], item.index, "")
        return closing + opening, item

    def _close(self, status: str) -> bytes:
        item, self._open = self._open, None
        if item is None:
            return b""
        text = "".join(item.text)
        shown = self._shown(item, text=text, status=status)
        ids = {"item_id": shown["id"], "output_index": item.index}
        match item.kind:
            case "message":
                end = self._event(
                    "response.output_text.done", **ids, content_index=0, text=text, logprobs=[]
                ) + self._part_event("done", shown["id"], item.index, text)
            case "reasoning":
                end = self._event("response.reasoning_text.done", **ids, content_index=0, text=text)
            case _:
                end = self._event(
                    "response.function_call_arguments.done",
                    **ids,
                    name=shown["name"],
                    arguments=text,
                )
        self._output.append(shown)
        return end + self._event("response.output_item.done", output_index=item.index, item=shown)

    def _shown(
        self, item: _Open, *, text: str | None = None, status: str = "in_progress"
    ) -> dict[str, Any]:
        if item.kind == "message":
            return self._head.message(text, status=status)
        if item.kind == "reasoning":
            return self._head.reasoning(text or "", status="completed" if text else status)
        assert item.call is not None
        assert isinstance(item.kind, int)
        call = ToolCall(item.call.call_id, item.call.name, text or "")
        return self._head.call(item.kind, call, status=status)

    def _part_event(self, what: str, item_id: str, output_index: int, text: str) -> bytes:
        return self._event(
            f"response.content_part.{what}",
            item_id=item_id,
            output_index=output_index,
            content_index=0,
            part=text_part(text),
        )

    def _event(self, kind: str, **values: Any) -> bytes:
        body = {"type": kind, "sequence_number": self._sequence, **values}
        self._sequence += 1
        return b"event: " + kind.encode("ascii") + b"\ndata: " + to_json_bytes(body) + b"\n\n"
