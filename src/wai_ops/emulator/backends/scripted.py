"""The scripted backend: instant, deterministic, no dependency. The same request, the same answer.

It never pretends to understand. It says what it is, repeats what it was asked, fills in schemas
with the smallest valid values, and calls a tool when told to or when the message names one.
"""

import asyncio
import hashlib
import itertools
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from wai_ops.emulator.backends.base import (
    Cancel,
    Event,
    Finish,
    Meter,
    ReasoningDelta,
    TextDelta,
    ToolDelta,
)
from wai_ops.emulator.backends.schema_instance import instance_of
from wai_ops.emulator.inference.call import Call, Tool

_TOKEN = re.compile(r" ?[A-Za-z]{1,6}| ?[0-9]{1,3}|.", re.DOTALL)
_WORDS_WANTED = re.compile(r"\b(\d{1,6}) words\b")
_CLOSINGS = (
    "Point the same request at Cloudflare for a real answer.",
    "The tokens, the cached share and the list price of this call are counted as for a real one.",
    "Ask the same again and you will get the same words: that is the point of a script.",
    "Everything around this sentence is real: the socket, the stream, the usage, the log row.",
)
_FILLER = (
    "This is the scripted model counting out the words that it was asked for one after another "
    "so that long answers and slow readers can be tried without any cost "
)
_THOUGHTS = "The script thinks in fixed words, so that reasoning can be seen, streamed and billed. "
_ANY_OBJECT = {"type": "object"}
_BRACES_TRIED = 20
_THOUGHT_TOKENS = {"minimal": 8, "low": 16, "medium": 32, "high": 64, "xhigh": 96, "max": 128}


def tokenise(text: str) -> list[str]:
    """Split text into tokens of about four bytes; joined again they are the text."""
    return _TOKEN.findall(text)


def render(call: Call) -> list[str]:
    """The prompt as the model sees it. The marks cannot come out of any text's own tokens."""
    tokens: list[str] = []
    if call.tools:
        tokens.append("<|tools|>")
        for tool in call.tools:
            described = [tool.name, tool.description, tool.parameters]
            tokens += tokenise(json.dumps(described, separators=(",", ":")))
    for message in call.messages:
        tokens.append(f"<|{message.role}|>")
        if message.reasoning:
            tokens += ["<|reasoning|>", *tokenise(message.reasoning), "<|/reasoning|>"]
        tokens += tokenise(message.content)
        if message.tool_calls:
            tokens += tokenise(json.dumps(message.tool_calls, separators=(",", ":")))
    tokens.append("<|assistant|>")
    return tokens


class ScriptedBackend:
    """See the module."""

    keeps_own_cache = False

    def tokenise(self, call: Call) -> Sequence[str]:
        """The tokens of the rendered prompt."""
        return render(call)

    async def generate(
        self, call: Call, *, replica: int, meter: Meter, cancel: Cancel
    ) -> AsyncGenerator[Event, None]:
        """One token an event, with a turn of the event loop after each."""
        del replica  # the script is the same everywhere
        limit = call.max_tokens
        tool = _tool_to_call(call)
        text = () if tool is not None else tokenise(answer(call))
        # Thoughts come first, and out of the same budget.
        events: Iterator[TextDelta | ReasoningDelta] = itertools.chain(
            map(ReasoningDelta, _thoughts(call)), map(TextDelta, text)
        )
        for event in events:
            if meter.output_tokens == limit:
                yield Finish("length")
                return
            if cancel.requested:
                return
            meter.output_tokens += 1
            meter.reasoning_tokens += isinstance(event, ReasoningDelta)
            yield event
            if call.stream:
                await asyncio.sleep(0)
        if tool is None:
            yield Finish("stop")
            return
        arguments = json.dumps(instance_of(tool.parameters))
        size = len(tokenise(tool.name)) + len(tokenise(arguments))
        if limit is not None and meter.output_tokens + size > limit:
            meter.output_tokens = limit
            yield Finish("length")
            return
        meter.output_tokens += size
        yield ToolDelta(0, "", call_id=f"call_{_digest(call)[:24]}", name=tool.name)
        yield ToolDelta(0, arguments)
        yield Finish("tool_calls")

    def close(self) -> None:
        """Nothing to let go of."""


def answer(call: Call) -> str:
    """The whole text of the answer, before any limit."""
    if call.json_schema is not None:
        told = _schema_in_text(call) if call.json_schema == _ANY_OBJECT else None
        return json.dumps(instance_of(told or call.json_schema))
    last = call.messages[-1]
    if last.role == "tool":
        return f"The tool answered {_quote(last.content)}, and the scripted model has read it."
    asked = next((m.content for m in reversed(call.messages) if m.role == "user"), last.content)
    if wanted := _WORDS_WANTED.search(asked):
        return " ".join(itertools.islice(itertools.cycle(_FILLER.split()), int(wanted[1])))
    count = len(asked.split())
    closing = _CLOSINGS[int(_digest(call)[:8], 16) % len(_CLOSINGS)]
    return (
        "This is the scripted model of the local emulator: no neural network read your message. "
        f"You wrote {_quote(asked)} ({count} word{'' if count == 1 else 's'}). {closing}"
    )


def _schema_in_text(call: Call) -> Mapping[str, Any] | None:
    """The first JSON Schema of an object in a message: how JSON mode is often told its schema."""
    decoder = json.JSONDecoder()
    for message in call.messages:
        start = message.content.find("{")
        for _ in range(_BRACES_TRIED):
            if start < 0:
                break
            found: Any = None
            end = start + 1
            with suppress(ValueError, RecursionError):
                found, end = decoder.raw_decode(message.content, start)
            if isinstance(found, dict) and isinstance(found.get("properties"), dict):
                return found
            start = message.content.find("{", end)
    return None


def _thoughts(call: Call) -> list[str]:
    if call.reasoning_effort is None:
        return []
    wanted = _THOUGHT_TOKENS[call.reasoning_effort]
    return list(itertools.islice(itertools.cycle(tokenise(_THOUGHTS)), wanted))


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= 200 else f'"{line[:199]}…"'


def _tool_to_call(call: Call) -> Tool | None:
    """The tool that is forced, or that the user's last message names; required means the first."""
    if not call.tools or call.tool_choice == "none":
        return None
    if call.forced_tool is not None:
        return next(tool for tool in call.tools if tool.name == call.forced_tool)
    last = call.messages[-1]
    if last.role == "user":
        for tool in call.tools:
            if re.search(rf"(?<!\w){re.escape(tool.name)}(?!\w)", last.content):
                return tool
    return call.tools[0] if call.tool_choice == "required" else None


def _digest(call: Call) -> str:
    text = "\0".join(render(call)) + f"\0{call.seed}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
