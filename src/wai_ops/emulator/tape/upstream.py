"""One request to the real API, from a thread, with the standard library alone."""

import asyncio
import http.client
import socket
import ssl
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from wai_ops.core.errors import UsageError

_TIMEOUT_S = 300.0
_PART = 65536
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer."""

    status: int
    headers: Sequence[tuple[str, str]]


def parse_target(target: str) -> SplitResult:
    """Read the target's address. Raises UsageError unless tokens are safe on the way to it."""
    address = urlsplit(target)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise UsageError(
            f"{target} is no http(s) address", hint="such as https://api.cloudflare.com/client/v4"
        )
    if address.scheme == "http" and not _is_loopback(address.hostname):
        raise UsageError(
            "a token must not travel without TLS", hint="use https, or http to loopback only"
        )
    if address.query or address.fragment or address.username:
        raise UsageError("the target must be a plain address, without query or credentials")
    return address


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def forwarded_headers(headers: Sequence[tuple[str, str]], *, host: str) -> list[tuple[str, str]]:
    """The request's own headers, for the next host. Answers shall come uncompressed."""
    dropped = _HOP_BY_HOP | {"host", "accept-encoding", "content-length", "expect", "origin"}
    kept = [(name, value) for name, value in headers if name.lower() not in dropped]
    return [*kept, ("host", host), ("accept-encoding", "identity")]


def answer_headers(head: Head) -> list[tuple[str, str]]:
    """What may be passed back: all but what belongs to one connection."""
    return [(name, value) for name, value in head.headers if name.lower() not in _HOP_BY_HOP]


async def ask(
    target: SplitResult,
    executor: Executor,
    *,
    method: str,
    path: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
) -> AsyncGenerator[Head | bytes, None]:
    """The head, then the parts as they come. Raises OSError or HTTPException.

    Close it early and the connection is closed too.
    """
    loop = asyncio.get_running_loop()
    connection = _connect(target)
    opened: list[socket.socket] = []
    try:
        await loop.run_in_executor(executor, connection.connect)
        # Kept here because the connection lets go of it when the answer says that it closes.
        opened.append(connection.sock)
        sent = forwarded_headers(headers, host=target.netloc)
        response = await loop.run_in_executor(
            executor, _begin, connection, method, path, sent, body
        )
        yield Head(response.status, response.getheaders())
        while part := await loop.run_in_executor(executor, response.read1, _PART):
            yield part
        if response.length:  # fewer bytes than the head had promised
            raise http.client.IncompleteRead(b"", response.length)
    finally:
        for own in opened:
            with suppress(OSError):
                own.shutdown(socket.SHUT_RDWR)  # wakes a thread that still reads
        connection.close()


def _begin(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
) -> http.client.HTTPResponse:
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body or method in ("POST", "PUT", "PATCH"):
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body or None)
    return connection.getresponse()


def _connect(target: SplitResult) -> http.client.HTTPConnection:
    assert target.hostname is not None
    if target.scheme == "http":
        return http.client.HTTPConnection(target.hostname, target.port, timeout=_TIMEOUT_S)
    context = ssl.create_default_context()
    return http.client.HTTPSConnection(
        target.hostname, target.port, timeout=_TIMEOUT_S, context=context
    )
