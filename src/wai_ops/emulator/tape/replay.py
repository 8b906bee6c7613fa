"""Serving a recording: the same answers, with the same timings or faster ones."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from wai_ops.core.clock import Clock
from wai_ops.emulator.answers import (
    ClientGoneError,
    Receive,
    Scope,
    Send,
    read_body,
    send_json,
    to_json_bytes,
)
from wai_ops.emulator.errors import ApiError, not_authenticated, too_large
from wai_ops.emulator.fault_wire import TRANSPORT
from wai_ops.emulator.identity import check_local
from wai_ops.emulator.tape.format import Exchange
from wai_ops.emulator.tape.masking import ACCOUNT, Masker
from wai_ops.emulator.tape.record import MAX_BODY_BYTES

_MADE_ANEW = frozenset({"content-length", "date", "server", "transfer-encoding", "connection"})
_ACCOUNT = re.compile(r"(/accounts/|^/v1/)[^/?#]+")
Sleep = Callable[[float], Awaitable[None]]


class Shelf:
    """Which exchange answers a request: pure.

    First choice is one with the same method, path, query and body; then one whose body differs.
    Each is used in the order of the recording, and the last one again and again.
    """

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        """All of them are still unused."""
        self._exact: dict[tuple[str, str, bytes], list[Exchange]] = defaultdict(list)
        self._loose: dict[tuple[str, str], list[Exchange]] = defaultdict(list)
        for exchange in exchanges:
            path = _same_account(exchange.path)
            self._exact[exchange.method, path, exchange.request_body].append(exchange)
            self._loose[exchange.method, path].append(exchange)

    def take(self, method: str, path: str, body: bytes) -> Exchange | None:
        """The next answer; None when nothing was recorded there."""
        path = _same_account(path)
        queue = self._exact.get((method, path, body))
        others = self._loose.get((method, path))
        if not others:
            return None
        found = (queue or others)[0]
        for waiting in (self._exact[method, path, found.request_body], others):
            if len(waiting) > 1:
                waiting[:] = [item for item in waiting if item is not found]
        return found


class Replayer:
    """An ASGI application."""

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        *,
        token: str,
        speed: float,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`speed` 1: as recorded; 2: twice as fast; 0: at once."""
        self._shelf = Shelf(exchanges)
        self._token = token.encode()
        self._speed = speed
        self._clock = clock
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        started = self._clock.monotonic()
        try:
            exchange = await self._find(scope, receive)
        except ApiError as error:
            await send_json(send, error.status, to_json_bytes(error.body()), error.headers)
            return
        except ClientGoneError:
            return
        headers = [(k, v) for k, v in exchange.headers.items() if k not in _MADE_ANEW]
        if "content-length" in exchange.headers and not exchange.is_cut:
            headers.append(("content-length", str(len(exchange.body))))
        raw = [(k.encode("latin-1", "replace"), v.encode("latin-1", "replace")) for k, v in headers]
        await self._until(started, exchange.head_ms)
        await send({"type": "http.response.start", "status": exchange.status, "headers": raw})
        for at_ms, part in exchange.chunks:
            await self._until(started, at_ms)
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await self._until(started, exchange.end_ms)
        if exchange.is_cut:
            scope[TRANSPORT].abort()
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _find(self, scope: Scope, receive: Receive) -> Exchange:
        import hmac

        headers = dict(scope["headers"])
        check_local(headers.get(b"host"), headers.get(b"origin"))
        given = headers.get(b"cf-aig-authorization", headers.get(b"authorization", b""))
        if not hmac.compare_digest(given.rpartition(b" ")[2], self._token):
            raise not_authenticated()
        body = await read_body(receive, MAX_BODY_BYTES)
        if body is None:
            raise too_large(MAX_BODY_BYTES)
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        masker = Masker()
        pairs = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
        masker.learn(pairs, path)
        exchange = self._shelf.take(scope["method"], masker.path(path), masker.chunks([body])[0])
        if exchange is None:
            raise ApiError(404, 7003, f"The recording has no {scope['method']} {path}")
        return exchange

    async def _until(self, started: float, at_ms: float) -> None:
        """Wait for an absolute moment, so that lateness does not add up."""
        if self._speed == 0:
            return
        left = started + at_ms / 1000 / self._speed - self._clock.monotonic()
        if left > 0:
            await self._sleep(left)


def _same_account(path: str) -> str:
    return _ACCOUNT.sub(lambda found: found[1] + ACCOUNT, path)
