"""A host outside, in a process of its own, with an access log that outlives every crash.

Each connection and each request is one line of JSON, synced before anything is answered. How a
request is treated stands in its path:

    /ok/...            a small JSON answer          /status/503/...   that status
    /flaky/2/...       503 for the first two times  /reset/...        a RST instead of an answer
    /hang/...          silence                      /redirect/...     302 to what follows
    /big/...           ten megabytes                /cut/...          half of what was promised

    python outside.py ACCESS_LOG
"""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MEGABYTE = b"x" * 1_000_000


@dataclass(frozen=True)
class Outside:
    """A running host."""

    port: int
    log: Path

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it has seen, in order."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests that came whole."""
        return [line for line in self.lines if line["event"] == "request"]

    @property
    def connections(self) -> int:
        """The connections that were opened."""
        return sum(line["event"] == "connection" for line in self.lines)


@contextmanager
def outside_host(folder: Path) -> Iterator[Outside]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    log = folder / "access.jsonl"
    process = subprocess.Popen(
        [sys.executable, __file__, str(log)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield Outside(int(process.stdout.readline()), log)
    finally:
        process.kill()
        process.communicate()


class _Host:
    def __init__(self, log: str) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()

    def serve(self) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            sys.stdout.write(f"{listener.getsockname()[1]}\n")
            sys.stdout.flush()
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._guard, args=(connection,), daemon=True).start()

    def _guard(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._handle(connection)
            except OSError:
                return  # the client went away: half of the tests do that

    def _note(self, **line: Any) -> None:
        with self._lock:
            os.write(self._log, json.dumps(line).encode() + b"\n")
            os.fsync(self._log)

    def _handle(self, connection: socket.socket) -> None:
        self._note(event="connection")
        request = _read_request(connection)
        if request is None:
            return
        method, target, headers, body = request
        self._note(
            event="request",
            method=method,
            target=target,
            decision=headers.get("x-wai-decision"),
            key=headers.get("idempotency-key"),
            authorization=headers.get("authorization"),
            body=body.decode(),
        )
        with self._lock:
            self._seen[target] += 1
            times = self._seen[target]
        self._treat(connection, target.partition("?")[0], times)

    def _treat(self, connection: socket.socket, path: str, times: int) -> None:
        _, kind, *rest = path.split("/")
        if kind == "reset":
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        elif kind == "hang":
            connection.recv(1)  # returns when the client closes
        elif kind == "big":
            head = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n"
            connection.sendall(head + 10 * _MEGABYTE)
        elif kind == "cut":
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"half":')
        elif kind == "redirect":
            location = "/".join(rest)
            location = location if location.startswith("http:") else f"/{location}"
            connection.sendall(_answer(302, b"", f"Location: {location}"))
        elif kind == "status":
            connection.sendall(_answer(int(rest[0]), b'{"error":"as you wished"}'))
        elif kind == "flaky" and times <= int(rest[0]):
            connection.sendall(_answer(503, b"", "Retry-After: 0"))
        else:
            data = {"path": path, "times": times, "items": list(range(5))}
            connection.sendall(_answer(200, json.dumps(data).encode()))


def _read_request(
    connection: socket.socket,
) -> tuple[str, str, dict[str, str], bytes] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    while len(body) < int(headers.get("content-length", "0")):
        piece = connection.recv(65536)
        if not piece:
            return None
        body += piece
    method, target, _ = first.split(" ")
    return method, target, headers, body


def _answer(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


if __name__ == "__main__":
    _Host(sys.argv[1]).serve()
