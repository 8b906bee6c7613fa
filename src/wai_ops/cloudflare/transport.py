"""The HTTP transport of model calls: httpx above, an httpcore pool with our own deadlines below.

httpx knows one read timeout for a whole response. A model call needs several (first token, pause
between chunks, total), and they change while the body is being read. So every socket read asks a
`Deadline` how long it may take. The connection is also where its time is measured.
"""

import os
import ssl
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

import httpcore
import httpx

from wai_ops.core.clock import Clock
from wai_ops.core.failures import FailureClass


class DeadlineExceeded(Exception):  # noqa: N818 - it names what happened, like StopIteration
    """A time limit of our own was reached; `failure` says which."""

    def __init__(self, failure: FailureClass, message: str) -> None:
        """Keep the class and the words for the record."""
        super().__init__(message)
        self.failure = failure


class Deadline:
    """The limits of one call: a current phase, and the whole."""

    def __init__(self, clock: Clock, *, total_s: float) -> None:
        """Start the clock of the whole call."""
        self._clock = clock
        self._total_s = total_s
        self._total_at = clock.monotonic() + total_s
        self._phase: tuple[float, float, FailureClass, str] | None = None

    def begin(self, limit_s: float, failure: FailureClass, what: str) -> None:
        """Enter a phase: from now on, `what` must come within `limit_s`."""
        self._phase = (self._clock.monotonic() + limit_s, limit_s, failure, what)

    def remaining(self) -> float:
        """Seconds until the nearest limit. Raises DeadlineExceeded when it has passed."""
        now = self._clock.monotonic()
        if now >= self._total_at:
            raise DeadlineExceeded(
                FailureClass.TIMEOUT_TOTAL, f"not complete after {self._total_s:g} s"
            )
        if self._phase is None:
            return self._total_at - now
        phase_at, limit_s, failure, what = self._phase
        if now >= phase_at:
            raise DeadlineExceeded(failure, f"no {what} within {limit_s:g} s")
        return min(self._total_at, phase_at) - now


class _TimedStream(httpcore.NetworkStream):
    """A socket whose reads obey the call's deadline."""

    def __init__(self, inner: httpcore.NetworkStream, transport: "CallTransport") -> None:
        self._inner = inner
        self._transport = transport

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        deadline = self._transport.deadline
        if deadline is None:
            return self._inner.read(max_bytes, timeout)
        try:
            return self._inner.read(max_bytes, deadline.remaining())
        except httpcore.ReadTimeout:
            deadline.remaining()  # raises the limit that was reached
            raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not self._transport.request_sent:
            self._transport.request_sent = True
            self._transport.sent_at = self._transport.clock.monotonic()
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        started = self._transport.clock.monotonic()
        inner = self._inner.start_tls(ssl_context, server_hostname, timeout)
        self._transport.connect_ms = (self._transport.connect_ms or 0.0) + (
            self._transport.clock.monotonic() - started
        ) * 1000
        # What a proxy was sent before this point was no request of ours.
        self._transport.request_sent = False
        return _TimedStream(inner, self._transport)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _TimedBackend(httpcore.NetworkBackend):
    """Opens sockets, and notes how long that took."""

    def __init__(self, transport: "CallTransport") -> None:
        self._inner = httpcore.SyncBackend()
        self._transport = transport

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        started = self._transport.clock.monotonic()
        stream = self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        self._transport.connect_ms = (self._transport.clock.monotonic() - started) * 1000
        return _TimedStream(stream, self._transport)


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        if hasattr(self._stream, "close"):
            self._stream.close()


class CallTransport(httpx.BaseTransport):
    """An httpx transport for one base address, one call at a time.

    `deadline` may be set and changed while a response is being read. `connect_ms` is the time of
    the last connection, None when an open one was used again. `request_sent` says whether any byte
    of the request can have reached the other side: if not, nothing can have been billed. `sent_at`
    is the moment of its first byte, on the monotonic clock.
    """

    def __init__(self, base_url: str, clock: Clock) -> None:
        """Prepare the pool; nothing is opened yet."""
        self.clock = clock
        self.deadline: Deadline | None = None
        self.connect_ms: float | None = None
        self.request_sent = False
        self.sent_at: float | None = None
        backend = _TimedBackend(self)
        # Plain http is loopback only; building a TLS context takes as long as connecting.
        context = httpx.create_ssl_context() if base_url.startswith("https:") else None
        proxy = _proxy_for(base_url) if context else None
        self._pool: httpcore.ConnectionPool = (
            httpcore.ConnectionPool(ssl_context=context, network_backend=backend)
            if proxy is None
            else httpcore.HTTPProxy(proxy, ssl_context=context, network_backend=backend)
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close the pool."""
        self.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises httpcore's exceptions and DeadlineExceeded."""
        self.connect_ms = None
        self.request_sent = False
        self.sent_at = None
        assert isinstance(request.stream, httpx.SyncByteStream)
        response = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        assert isinstance(response.stream, Iterable)
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response.stream),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def _proxy_for(base_url: str) -> str | None:
    """The proxy that the environment names for this address, if any."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass

    host = httpx.URL(base_url).host
    if proxy_bypass(host):
        return None
    return getproxies().get("https")
