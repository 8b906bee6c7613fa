"""A server of raw bytes on loopback: it answers each connection exactly as it was told.

For what no well-behaved server does: cut streams, garbage, resets, silence. Every step is
explicit, nothing waits for a clock.
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Send:
    """Send these bytes as they are."""

    data: bytes


@dataclass(frozen=True)
class Reset:
    """Break the connection with a RST."""


@dataclass(frozen=True)
class Hang:
    """Say nothing more until the client goes away."""


@dataclass(frozen=True)
class Do:
    """Call back into the test, in the server's thread."""

    action: Callable[[], object]


Step = Send | Reset | Hang | Do


@dataclass
class WireServer:
    """Answers the n-th request with the n-th script; the last script repeats."""

    scripts: Sequence[Sequence[Step]]
    requests: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def base_url(self) -> str:
        """What to set CLOUDFLARE_BASE_URL to."""
        return f"http://127.0.0.1:{self.port}/client/v4"

    @property
    def environ(self) -> dict[str, str]:
        """Settings that lead `wai` here."""
        return {
            "CLOUDFLARE_BASE_URL": self.base_url,
            "CLOUDFLARE_ACCOUNT_ID": "0" * 32,
            "CLOUDFLARE_API_TOKEN": "test-runtime-token-0123456789",
        }

    def handle(self, connection: socket.socket) -> None:
        """Read one request, play one script."""
        with connection:
            request = _read_request(connection)
            if request is None:
                return
            script = self.scripts[min(len(self.requests), len(self.scripts) - 1)]
            self.requests.append(request)
            for step in script:
                if isinstance(step, Send):
                    connection.sendall(step.data)
                elif isinstance(step, Do):
                    step.action()
                elif isinstance(step, Hang):
                    connection.recv(1)  # returns when the client closes
                else:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return


@contextmanager
def wire_server(*scripts: Sequence[Step]) -> Iterator[WireServer]:
    """Serve the scripts until the block ends."""
    server = WireServer(scripts)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.port = listener.getsockname()[1]

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return  # the listener was closed: the test is over
                threading.Thread(target=_guard, args=(server, connection), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _guard(server: WireServer, connection: socket.socket) -> None:
    try:
        server.handle(connection)
    except (ConnectionError, TimeoutError):
        return  # the client went away, which many of these tests are about


def _read_request(connection: socket.socket) -> bytes | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def http(status: str, body: bytes, *headers: str, content_type: str = "application/json") -> Send:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    head = "\r\n".join([*lines, "Connection: close", *headers])
    return Send(head.encode() + b"\r\n\r\n" + body)


def sse_head(*headers: str) -> Send:
    """The start of a stream that ends when the connection closes."""
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Connection: close", *headers]
    return Send("\r\n".join(lines).encode() + b"\r\n\r\n")


def event(data: str) -> Send:
    """One server-sent event."""
    return Send(f"data: {data}\n\n".encode())
