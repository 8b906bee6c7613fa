"""One decoder for everything that a model call answers: both result shapes, both stream shapes.

What the provider's answers look like, oddities included: docs/runs.md. The rules here:
text may come as a number or an object and is coerced; the OpenAI shape wins over the native one
when both are present; the last `usage` counts, because streams repeat a running total; a stream is
read to its end whatever `finish_reason` said before; a second end mark is harmless.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from wai_ops.core.money import Usage
from wai_ops.core.text import one_line

DONE = "[DONE]"
MAX_COUNT = 2**31 - 1
"""A token count beyond this (or infinite, or not a number) is no count."""
_MAX_CODE = 2**31 - 1
_REASON_LENGTH = 64
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer as it arrived."""

    kind: Literal["text", "reasoning", "tool"]
    text: str


@dataclass(slots=True)
class ToolCall:
    """A tool call; `arguments` is the JSON text that the model wrote, valid or not."""

    id: str | None = None
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class WireError:
    """An error that the body reported. `code` is the provider's own number, where there is one."""

    code: int | None
    message: str


@dataclass(slots=True)
class Answer:
    """What has been understood so far."""

    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    usage: Usage | None = None
    finish_reason: str | None = None
    served_model: str | None = None
    done: bool = False
    """The end mark of a stream was seen."""
    error: WireError | None = None
    malformed: str | None = None
    """Why a part of the answer could not be read; the rest is kept."""


class AnswerDecoder:
    """Feed events of a stream, or one whole body, then `finish`; `answer` holds what came out.

    Text is always valid Unicode. Servers that cut their text in UTF-16 may send a character in two
    halves: the first one is held back until the second comes.
    """

    def __init__(self) -> None:
        """Start with an empty answer."""
        self.answer = Answer()
        self._tools: dict[int, ToolCall] = {}
        self._held: dict[str, str] = {}

    def feed_event(self, data: str) -> list[Delta]:
        """Decode the data of one server-sent event."""
        if data.strip() == DONE:
            self.answer.done = True
            return []
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            # An event of several data lines may be several JSON documents after all.
            lines = data.split("\n")
            if len(lines) > 1:
                return [delta for line in lines for delta in self.feed_event(line)]
            if data.strip():
                self.answer.malformed = f"not JSON: {data[:80]!r}"
            return []
        return self.feed_object(value)

    def finish(self) -> list[Delta]:
        """Give what was held back and stayed half a character."""
        return self._text("\ufffd" if self._held.pop("text", "") else None)

    def feed_object(self, value: Any) -> list[Delta]:
        """Decode one JSON document: a chunk, a bare result, or a result in its envelope."""
        try:
            return self._feed(value)
        except RecursionError:  # writing takes a little more of the stack than reading did
            self.answer.malformed = "nested too deeply"
            return []

    def _feed(self, value: Any) -> list[Delta]:
        if not isinstance(value, dict):
            self.answer.malformed = f"not an object: {str(value)[:80]!r}"
            return []
        if (error := find_error(value)) is not None:
            self.answer.error = error
            return []
        inner = value.get("result")
        if isinstance(inner, dict) and "choices" not in value and "response" not in value:
            value = inner
        self._note_facts(value)
        choices = value.get("choices")
        if isinstance(choices, list) and choices:
            return self._from_choice(choices[0])
        return self._from_native(value)

    def _note_facts(self, value: dict[str, Any]) -> None:
        if (usage := _usage(value.get("usage"))) is not None:
            self.answer.usage = usage
        if isinstance(value.get("model"), str):
            self.answer.served_model = value["model"]

    def _from_choice(self, choice: Any) -> list[Delta]:
        if not isinstance(choice, dict):
            self.answer.malformed = "a choice is not an object"
            return []
        if isinstance(reason := choice.get("finish_reason"), str):
            self.answer.finish_reason = one_line(reason, _REASON_LENGTH)
        message = choice.get("delta") or choice.get("message") or {}
        if not isinstance(message, dict):
            self.answer.malformed = "a message is not an object"
            return []
        deltas = self._reasoning(message.get("reasoning_content") or message.get("reasoning"))
        deltas += self._text(message.get("content"))
        return deltas + self._tool_calls(message.get("tool_calls"))

    def _from_native(self, value: dict[str, Any]) -> list[Delta]:
        if isinstance(reason := value.get("finish_reason"), str):
            self.answer.finish_reason = one_line(reason, _REASON_LENGTH)
        deltas = self._text(value.get("response"))
        return deltas + self._tool_calls(value.get("tool_calls"))

    def _text(self, value: Any) -> list[Delta]:
        text = self._whole("text", value)
        self.answer.text += text
        return [Delta("text", text)] if text else []

    def _reasoning(self, value: Any) -> list[Delta]:
        text = self._whole("reasoning", value)
        self.answer.reasoning += text
        return [Delta("reasoning", text)] if text else []

    def _tool_calls(self, calls: Any) -> list[Delta]:
        if not isinstance(calls, list):
            return []
        deltas = []
        for position, call in enumerate(calls):
            if not isinstance(call, dict):
                self.answer.malformed = "a tool call is not an object"
                continue
            function = call.get("function")
            source = function if isinstance(function, dict) else call
            name, arguments = source.get("name"), source.get("arguments")
            if name is None and arguments is None:
                continue  # the closing chunk of a call repeats its index and nothing else
            index = call.get("index")
            slot = index if isinstance(index, int) else position
            tool = self._tools.get(slot)
            if tool is None:
                tool = self._tools[slot] = ToolCall()
                self.answer.tool_calls.append(tool)
            if isinstance(call.get("id"), str):
                tool.id = _valid(call["id"])
            if isinstance(name, str) and not tool.name:
                tool.name = _valid(name)
            piece = self._whole(f"tool {slot}", arguments)
            tool.arguments += piece
            deltas.append(Delta("tool", piece or tool.name))
        return deltas

    def _whole(self, place: str, value: Any) -> str:
        """Coerce to text, with the half of a character that the previous piece ended in."""
        text = self._held.pop(place, "") + _as_text(value)
        if "\ud800" <= text[-1:] <= "\udbff":
            self._held[place], text = text[-1], text[:-1]
        return _valid(text)


_POLICY_CAP = frozenset({"bucket", "spent", "limit"})


def find_error(value: dict[str, Any]) -> WireError | None:
    """Find the error in a body, in any of the four shapes; None when it reports none.

    The shapes: `errors` (control plane), `error` as a list (gateway and inference), `error` as an
    object or a text (policies, OpenAI style), and `{"object": "error", "message", "code"}`.
    """
    candidates: list[Any] = []
    for key in ("errors", "error"):
        found = value.get(key)
        if isinstance(found, list):
            candidates += found
        elif found:
            candidates.append(found)
    if value.get("object") == "error":
        candidates.append(value)
    if not candidates and value.get("success") is False:
        candidates.append(value)
    for candidate in candidates:
        if isinstance(candidate, dict):
            code = candidate.get("code", value.get("internalCode"))
            message = str(candidate.get("message") or value.get("message") or "")
            if candidate.keys() >= _POLICY_CAP and "limit exceeded" not in message.lower():
                # A policy's cap is told by its fields; its words are documented nowhere.
                message = f"spending limit exceeded: {message}"
            return WireError(_as_code(code), message)
        return WireError(_as_code(value.get("internalCode")), str(candidate))
    return None


def _as_code(value: Any) -> int | None:
    """Read the provider's code: a number, or a text of digits. Anything else is no code."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _MAX_CODE else None


def _valid(text: str) -> str:
    """Join pairs of surrogates; replace those that stay alone, which nothing can encode."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _as_text(value: Any) -> str:
    """Coerce what should be text: numbers and objects have been seen in its place."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):  # content parts
        parts = [part.get("text") for part in value if isinstance(part, dict)]
        if parts and all(isinstance(part, str) for part in parts):
            return "".join(str(part) for part in parts)
    return json.dumps(value, ensure_ascii=False)


def _usage(value: Any) -> Usage | None:
    if not isinstance(value, dict):
        return None
    prompt, completion = _count(value.get("prompt_tokens")), _count(value.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = value.get("prompt_tokens_details")
    out_details = value.get("completion_tokens_details")
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cached_input_tokens=_count(details.get("cached_tokens"))
        if isinstance(details, dict)
        else None,
        reasoning_tokens=_count(out_details.get("reasoning_tokens"))
        if isinstance(out_details, dict)
        else None,
    )


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MAX_COUNT else None
