"""A recording reverse proxy on loopback: what passes is kept, with its timings, without secrets."""

import asyncio
import http.client
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import TextIO
from urllib.parse import SplitResult

from wai_ops.core.clock import Clock, to_utc_text
from wai_ops.core.errors import DataError, UsageError
from wai_ops.emulator.answers import (
    ClientGoneError,
    Receive,
    Scope,
    Send,
    read_body,
    send_json,
    to_json_bytes,
)
from wai_ops.emulator.errors import ApiError, too_large
from wai_ops.emulator.fault_wire import TRANSPORT
from wai_ops.emulator.identity import check_local
from wai_ops.emulator.tape.format import Exchange, head_line, to_line
from wai_ops.emulator.tape.masking import Masker, kept_answer_headers, kept_request_headers
from wai_ops.emulator.tape.upstream import Head, answer_headers, ask, parse_target

MAX_BODY_BYTES = 32 * 1024 * 1024
_AT_ONCE = 64
_Pairs = Sequence[tuple[str, str]]


class Recorder:
    """An ASGI application in front of the real API. Close it in the end."""

    def __init__(self, target: str, file: Path, clock: Clock) -> None:
        """Raises UsageError (bad target, the file exists) or DataError (it cannot be written)."""
        self.target: SplitResult = parse_target(target)
        self._clock = clock
        self._masker = Masker()
        self._file = _create(file)
        self._executor = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="emulator-record")
        self.count = 0
        """Exchanges kept so far."""
        self._write(head_line(target=target, recorded_at=to_utc_text(clock.now())))

    def close(self) -> None:
        """No more exchanges come."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._file.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on and keep it."""
        if scope["type"] != "http":
            return
        try:
            headers = dict(scope["headers"])
            check_local(headers.get(b"host"), headers.get(b"origin"))
            body = await read_body(receive, MAX_BODY_BYTES)
            if body is None:
                raise too_large(MAX_BODY_BYTES)
        except ApiError as error:
            await send_json(send, error.status, to_json_bytes(error.body()))
            return
        except ClientGoneError:
            return
        passing = _Passing(self, scope, body, receive, send)
        self._masker.learn(passing.headers, passing.path)
        await passing.run()

    def keep(self, exchange: Exchange, request_headers: _Pairs) -> None:
        """Write one exchange, masked."""
        masker = self._masker
        masker.learn_accounts(exchange.path, exchange.body)
        is_hidden = _is_encoded(exchange.headers.items())
        parts = [] if is_hidden else [part for _, part in exchange.chunks]
        times = [at for at, _ in exchange.chunks]
        hidden_request = _is_encoded(request_headers)
        masked = Exchange(
            method=exchange.method,
            path=masker.path(exchange.path),
            request_headers=kept_request_headers(request_headers, masker),
            request_body=b"" if hidden_request else masker.chunks([exchange.request_body])[0],
            status=exchange.status,
            headers=kept_answer_headers(exchange.headers.items(), masker),
            head_ms=exchange.head_ms,
            chunks=list(zip(times, masker.chunks(parts), strict=True)) if not is_hidden else [],
            end_ms=exchange.end_ms,
            is_cut=exchange.is_cut,
            is_omitted=is_hidden or hidden_request,
        )
        self._write(to_line(masked))
        self.count += 1

    def ms_since(self, started: float) -> float:
        """Milliseconds since a moment of the clock."""
        return (self._clock.monotonic() - started) * 1000

    @property
    def clock(self) -> Clock:
        """The clock of the timings."""
        return self._clock

    @property
    def executor(self) -> ThreadPoolExecutor:
        """The threads that wait for the real API."""
        return self._executor

    def _write(self, line: str) -> None:
        self._file.write(line)
        self._file.flush()


class _Passing:
    """One request on its way through."""

    def __init__(
        self, recorder: Recorder, scope: Scope, body: bytes, receive: Receive, send: Send
    ) -> None:
        self._recorder = recorder
        self._scope = scope
        self._body = body
        self._receive = receive
        self._send = send
        self.headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ]
        query = scope["query_string"].decode("latin-1")
        self.path = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        self._started = recorder.clock.monotonic()
        self._head: Head | None = None
        self._head_ms = 0.0
        self._chunks: list[tuple[float, bytes]] = []
        self._is_complete = False

    async def run(self) -> None:
        """Pass it on, both ways, until the end or until either side leaves."""
        passing = asyncio.create_task(self._pass())
        leaving = asyncio.create_task(self._wait_for_leaving())
        await asyncio.wait({passing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        # The server says that the client has left as soon as an answer is complete, too.
        if not self._is_complete:
            passing.cancel()
        leaving.cancel()
        (outcome, _) = await asyncio.gather(passing, leaving, return_exceptions=True)
        if isinstance(outcome, OSError | http.client.HTTPException):
            await self._fail(outcome)
        elif isinstance(outcome, Exception):
            raise outcome
        if self._head is not None and not self._is_complete:
            self._keep(self._head, is_cut=True)

    async def _pass(self) -> None:
        recorder = self._recorder
        answer = ask(
            recorder.target,
            recorder.executor,
            method=self._scope["method"],
            path=self.path,
            headers=self.headers,
            body=self._body,
        )
        expected: int | None = None
        received = 0
        async with aclosing(answer):
            async for part in answer:
                at = recorder.ms_since(self._started)
                if isinstance(part, Head):
                    self._head, self._head_ms = part, at
                    expected = _length_of(part)
                    raw = [
                        (name.lower().encode("latin-1"), value.encode("latin-1"))
                        for name, value in answer_headers(part)
                    ]
                    await self._send(
                        {"type": "http.response.start", "status": part.status, "headers": raw}
                    )
                else:
                    self._chunks.append((at, part))
                    received += len(part)
                    if received == expected:  # a client that has all of it may leave now
                        self._complete(self._head)
                    await self._send(
                        {"type": "http.response.body", "body": part, "more_body": True}
                    )
        self._complete(self._head)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _complete(self, head: Head | None) -> None:
        """Keep it before its end leaves: who has read the answer finds it in the file."""
        if head is not None and not self._is_complete:
            self._is_complete = True
            self._keep(head, is_cut=False)

    async def _wait_for_leaving(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _fail(self, error: Exception) -> None:
        """The real API could not be reached, or broke off."""
        if self._head is not None:
            self._scope[TRANSPORT].abort()
            return
        failed = ApiError(502, 10001, f"The recorded API did not answer: {error}")
        await send_json(self._send, failed.status, to_json_bytes(failed.body()))

    def _keep(self, head: Head, *, is_cut: bool) -> None:
        self._recorder.keep(
            Exchange(
                method=self._scope["method"],
                path=self.path,
                request_body=self._body,
                status=head.status,
                headers=dict(answer_headers(head)),
                head_ms=self._head_ms,
                chunks=self._chunks,
                end_ms=self._recorder.ms_since(self._started),
                is_cut=is_cut,
            ),
            self.headers,
        )


def _length_of(head: Head) -> int | None:
    """How long the body will be, where the head says so."""
    for name, value in head.headers:
        if name.lower() == "content-length" and value.isdigit():
            return int(value)
    return None


def _is_encoded(headers: Iterable[tuple[str, str]]) -> bool:
    return any(
        name.lower() == "content-encoding" and value.lower() != "identity"
        for name, value in headers
    )


def _create(file: Path) -> TextIO:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(
            "this file exists already", where=str(file), hint="name a new one with --to"
        ) from None
    except OSError as error:
        raise DataError(
            f"the recording cannot be written: {error.strerror}", where=str(file)
        ) from error
    return os.fdopen(descriptor, "w", encoding="utf-8")
