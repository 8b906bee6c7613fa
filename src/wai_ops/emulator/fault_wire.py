"""Faults on the wire: a layer around the routes that breaks answers the way real ones break.

Without rules it costs one comparison a request. A broken connection is really broken: a reset is a
TCP reset, a truncated answer ends early, a hang holds the socket.
"""

import re
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from wai_ops.emulator.answers import (
    Receive,
    Scope,
    Send,
    read_body,
    send_json,
    to_json_bytes,
)
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import ApiError, too_large
from wai_ops.emulator.fault_frames import FrameFaults
from wai_ops.emulator.faults import CURRENT, Facts, FaultBook, Hit, Passage, refusal
from wai_ops.emulator.gateway.metadata import kept_metadata
from wai_ops.emulator.knobs import Knobs, LiveKnobs

OWN_PATH = "/__wai/"
"""The emulator's own endpoints: nothing breaks there."""
TRANSPORT = "wai.transport"
"""Where the scope has the connection."""
GATEWAY_HOST = "/v1/"
MAX_BODY_BYTES = 32 * 1024 * 1024
_DRIP_MS = 100.0
_MODEL = re.compile(r"/(?:ai/run|workers-ai/run|workers-ai)/(@.+)\Z")

_App = Callable[[Scope, Receive, Send], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]


class FaultLayer:
    """An ASGI application around another."""

    def __init__(self, app: _App, *, knobs: LiveKnobs, sleep: Sleep) -> None:
        """`sleep` takes seconds."""
        self._app = app
        self._sleep = sleep
        self._book = FaultBook()
        knobs.watch(self._adjust)

    def _adjust(self, knobs: Knobs) -> None:
        if knobs.faults != self._book.rules:
            self._book = FaultBook(knobs.faults)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or break it. Raises ApiError where a fault is an error answer."""
        book = self._book
        if not book.rules or scope["path"].startswith(OWN_PATH):
            await self._app(scope, receive, send)
            return
        facts = _facts(scope)
        if facts.model is None and book.needs_model("edge"):
            body = await read_body(receive, MAX_BODY_BYTES)
            if body is None:
                raise too_large(MAX_BODY_BYTES)
            facts.model = _model_of(body)
            receive = _again(body, receive)
        passage = Passage(facts, book)
        token = CURRENT.set(passage)
        try:
            hits = book.hits(facts, "edge")
            if hits:
                await self._break(hits, passage, scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            CURRENT.reset(token)

    async def _break(
        self, hits: Sequence[Hit], passage: Passage, scope: Scope, receive: Receive, send: Send
    ) -> None:
        for hit in hits:
            rule = hit.rule
            at_once = rule.after_bytes == 0
            if rule.kind == "status":
                raise refusal(rule, on_gateway_host=scope["path"].startswith(GATEWAY_HOST))
            if rule.kind == "error_in_200":
                body = refusal(rule).body()
                await send_json(send, 200, to_json_bytes(body))
                return
            if rule.kind == "reset" and at_once:
                reset(scope)
                return
            if rule.kind == "hang" and at_once:
                if rule.delay_ms is None:
                    await _gone(receive)
                    return
                await self._sleep(rule.delay_ms / 1000)
        broken = _BrokenSend(hits, passage, scope=scope, receive=receive, send=send)
        broken.sleep = self._sleep
        try:
            await self._app(scope, receive, broken)
        except ApiError as error:
            if broken.has_started:
                raise
            await send_json(broken, error.status, to_json_bytes(error.body()), error.headers)
        await broken.finish()


class _BrokenSend:
    """The `send` of one answer under faults."""

    def __init__(
        self,
        hits: Sequence[Hit],
        passage: Passage,
        *,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self.sleep: Sleep
        self.has_started = False
        self._frames = FrameFaults(hits, lambda: passage.meter)
        self._scope = scope
        self._receive = receive
        self._send = send
        self._start: MutableMapping[str, Any] | None = None
        self._is_stream = False
        self._sent = 0
        self._cut = ""
        """Why nothing leaves any more: truncate, reset or hang."""
        stops = [hit for hit in hits if hit.rule.kind in ("truncate", "reset", "hang")]
        stops = [hit for hit in stops if hit.rule.kind == "truncate" or hit.rule.after_bytes > 0]
        self._stops = sorted(stops, key=lambda hit: hit.rule.after_bytes)
        self._drip = next((hit.rule for hit in hits if hit.rule.kind == "slow_drip"), None)

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """As ASGI's `send`."""
        if message["type"] == "http.response.start":
            self._start = message
            headers = dict(message["headers"])
            self._is_stream = headers.get(b"content-type", b"").startswith(b"text/event-stream")
            return
        body = message.get("body", b"")
        is_last = not message.get("more_body", False)
        if self._is_stream:
            body = self._frames.part(body, is_last=is_last)
        elif self._start is not None and is_last:
            body = self._frames.whole(body)
            _set_length(self._start, len(body))
        if self._start is not None:
            start, self._start = self._start, None
            self.has_started = True
            await self._send(start)
        await self._write(body)
        if is_last and not self._cut:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def finish(self) -> None:
        """End an answer that was cut: a stream as if it were over, a whole one by closing."""
        if self._cut != "truncate":
            return
        if self._is_stream:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        self._scope[TRANSPORT].close()
        await _gone(self._receive)

    async def _write(self, data: bytes) -> None:
        while not self._cut and self._stops:
            rule = self._stops[0].rule
            room = rule.after_bytes - self._sent
            if len(data) <= room:
                break
            self._stops.pop(0)
            await self._pieces(data[:room])
            data = data[room:]
            if rule.kind != "hang":
                self._cut = rule.kind
            elif rule.delay_ms is not None:
                await self.sleep(rule.delay_ms / 1000)
            else:
                self._cut = rule.kind
                await _gone(self._receive)
        if self._cut == "reset":
            reset(self._scope)
        elif not self._cut:
            await self._pieces(data)

    async def _pieces(self, data: bytes) -> None:
        """Send bytes, drop by drop where that is asked for."""
        size = len(data) if self._drip is None else self._drip.chunk_bytes
        for start in range(0, len(data), size or 1):
            if self._drip is not None:
                delay_ms = self._drip.delay_ms
                await self.sleep((_DRIP_MS if delay_ms is None else delay_ms) / 1000)
            piece = data[start : start + size]
            self._sent += len(piece)
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})


def reset(scope: Scope) -> None:
    """Break the connection with a TCP reset."""
    transport = scope[TRANSPORT]
    own = transport.get_extra_info("socket")
    with socket.socket(fileno=socket.dup(own.fileno())) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _gone(receive: Receive) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _facts(scope: Scope) -> Facts:
    found = _MODEL.search(scope["path"])
    metadata = dict(scope["headers"]).get(b"cf-aig-metadata")
    kept = None if metadata is None else kept_metadata(metadata.decode("utf-8", "replace"))
    tenant = None if kept is None else kept.get("tenant")
    return Facts(
        path=scope["path"],
        model=None if found is None else found[1],
        tenant=None if tenant is None else str(tenant),
    )


def _model_of(body: bytes) -> str | None:
    try:
        value = decode_json(body)
    except ValueError:
        return None
    model = value.get("model") if isinstance(value, dict) else None
    return model.removeprefix("workers-ai/") if isinstance(model, str) else None


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more."""
    is_first = True

    async def receive_again() -> MutableMapping[str, Any]:
        nonlocal is_first
        if is_first:
            is_first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return receive_again


def _set_length(start: MutableMapping[str, Any], size: int) -> None:
    start["headers"] = [
        (name, str(size).encode() if name == b"content-length" else value)
        for name, value in start["headers"]
    ]
