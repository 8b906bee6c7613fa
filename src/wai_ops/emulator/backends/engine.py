"""A real model in this process, through xllamacpp: its own tokens, timing and prefix cache.

One replica is one slot of the engine: the requests of a replica run one after another on the slot
that remembers its last prompt. Which model the client named makes no difference to the answer.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from wai_ops.core.errors import DataError
from wai_ops.emulator.backends.base import Cancel, Event, Finish, Meter, TextDelta, ToolDelta
from wai_ops.emulator.errors import ApiError, context_too_long, execution_failed
from wai_ops.emulator.inference.call import Call

CONTEXT_TOKENS = 4096
"""Per replica. Small: the memory for it is taken for every replica at the start."""
_Chunk = Mapping[str, Any]


class EngineBackend:
    """Loads the model when made. Raises DataError when the file cannot be loaded."""

    keeps_own_cache = True

    def __init__(self, model_file: Path, *, replicas: int) -> None:
        """Start the engine with one slot a replica."""
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(model_file)
        params.n_parallel = replicas
        params.n_ctx = CONTEXT_TOKENS * replicas
        params.n_gpu_layers = 0
        params.cache_ram_mib = 0  # no second cache behind the slots
        # A waiting thread of the engine spins: with one a core, everything else starves.
        threads = max(1, (os.cpu_count() or 2) - 1)
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
        params.verbosity = 0
        params.endpoint_slots = False
        params.ui = False
        # The engine opens a loopback port of its own; nobody knows this key.
        params.api_keys = [secrets.token_urlsafe(24)]
        try:
            self._server: Any = xllamacpp.Server(params)
        except Exception as error:
            raise DataError(
                f"the model cannot be loaded: {error}",
                where=str(model_file),
                hint="it must be a GGUF file that llama.cpp can read",
            ) from error
        self._slots = [
            ThreadPoolExecutor(1, thread_name_prefix=f"emulator-replica-{index}")
            for index in range(replicas)
        ]

    def tokenise(self, call: Call) -> None:
        """The engine counts for itself."""
        del call

    async def generate(
        self, call: Call, *, replica: int, meter: Meter, cancel: Cancel
    ) -> AsyncGenerator[Event, None]:
        """Run the call on the replica's slot, in its thread."""
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[_Chunk | None] = asyncio.Queue()

        def on_chunk(chunk: _Chunk) -> bool:
            """Called by the engine for every piece; true makes it stop."""
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            return cancel.requested

        body = engine_body(call, slot=replica)
        done = loop.run_in_executor(
            self._slots[replica], _run, self._server, body, on_chunk, cancel
        )
        done.add_done_callback(lambda _: chunks.put_nowait(None))
        reason: str | None = None
        try:
            while (chunk := await chunks.get()) is not None:
                count(chunk, meter)
                reason = finish_reason(chunk) or reason
                for event in events_of(chunk):
                    yield event
            await done
            if reason is not None:
                yield Finish(reason)
        finally:
            cancel.requested = True  # whoever stops listening early stops the engine too

    def close(self) -> None:
        """End the threads, then the engine."""
        for slot in self._slots:
            slot.shutdown(wait=True)
        self._server = None


def _run(
    server: Any, body: Mapping[str, Any], on_chunk: Callable[[_Chunk], bool], cancel: Cancel
) -> None:
    if cancel.requested:  # the client left while this request waited for its slot
        return
    try:
        server.handle_chat_completions(body, on_chunk)
    except ValueError as error:  # the engine's way to refuse a request
        raise execution_failed(str(error)) from error


def engine_body(call: Call, *, slot: int) -> dict[str, Any]:
    """The engine's own request for a call."""
    messages = []
    for message in call.messages:
        item: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.tool_calls:
            item["tool_calls"] = list(message.tool_calls)
        if message.tool_call_id is not None:
            item["tool_call_id"] = message.tool_call_id
        messages.append(item)
    body: dict[str, Any] = {
        "messages": messages,
        "id_slot": slot,
        "cache_prompt": True,
        "stream": True,
        "stream_options": {"include_usage": True},
        "timings_per_token": True,
    }
    for name in ("max_tokens", "temperature", "top_p", "seed"):
        if (value := getattr(call, name)) is not None:
            body[name] = value
    if call.json_schema is not None:
        schema = {"name": "answer", "schema": dict(call.json_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if call.tools:
        body["tool_choice"] = call.tool_choice
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                },
            }
            for tool in call.tools
            if call.forced_tool in (None, tool.name)
        ]
    return body


def count(chunk: _Chunk, meter: Meter) -> None:
    """Take over the engine's counts: running ones with every piece, the final usage at the end.

    Raises ApiError when the chunk is the engine's refusal.
    """
    if isinstance(error := chunk.get("error"), Mapping):
        raise _refusal(error)
    if isinstance(timings := chunk.get("timings"), Mapping):
        meter.cached_input_tokens = timings["cache_n"]
        meter.input_tokens = timings["cache_n"] + timings["prompt_n"]
        meter.output_tokens = timings["predicted_n"]
    if isinstance(usage := chunk.get("usage"), Mapping):
        meter.input_tokens = usage["prompt_tokens"]
        meter.output_tokens = usage["completion_tokens"]
        details = usage.get("prompt_tokens_details") or {}
        meter.cached_input_tokens = details.get("cached_tokens", 0)


def _refusal(error: Mapping[str, Any]) -> ApiError:
    if "n_ctx" in error and "n_prompt_tokens" in error:
        return context_too_long(
            input_tokens=error["n_prompt_tokens"], reserved=0, window=error["n_ctx"]
        )
    return execution_failed(str(error.get("message", error)))


def finish_reason(chunk: _Chunk) -> str | None:
    """The reason in this chunk, if it is the one that has it."""
    for choice in chunk.get("choices", ()):
        if reason := choice.get("finish_reason"):
            return str(reason)
    return None


def events_of(chunk: _Chunk) -> list[Event]:
    """The pieces in one chunk of the engine."""
    events: list[Event] = []
    for choice in chunk.get("choices", ()):
        delta = choice.get("delta", {})
        if text := delta.get("content"):
            events.append(TextDelta(text))
        for call in delta.get("tool_calls") or ():
            function = call.get("function", {})
            events.append(
                ToolDelta(
                    call.get("index", 0),
                    function.get("arguments") or "",
                    call_id=call.get("id") or None,
                    name=function.get("name") or None,
                )
            )
    return events
