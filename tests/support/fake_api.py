"""A small stand-in for the API, on a real socket, that answers what a test tells it to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ACCOUNT = "acc"
PREFIX = "/client/v4"


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    """What to answer: a JSON value, or bytes as they are."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def result(value: Any, **info: Any) -> Answer:
    """An answer in the API's envelope."""
    return Answer(
        {"result": value, "success": True, "errors": [], "messages": [], "result_info": info}
    )


def refusal(status: int, code: int, message: str, **headers: str) -> Answer:
    """A refusal in the API's envelope."""
    errors = [{"code": code, "message": message}]
    body = {"result": None, "success": False, "errors": errors, "messages": []}
    return Answer(body, status, {name.replace("_", "-"): text for name, text in headers.items()})


Handler = Callable[[Seen], Answer]


@dataclass
class FakeApi:
    """Routes by `METHOD /path` below the base address; what is not routed is a 404."""

    base_url: str = ""
    routes: dict[str, Answer | Handler] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    skew_s: float = 0
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def answer(self, seen: Seen) -> Answer:
        """Record the request and find its answer."""
        self.seen.append(seen)
        route = self.routes.get(f"{seen.method} {seen.path}")
        if route is None:
            return refusal(404, 7003, "Could not route to that path")
        return route if isinstance(route, Answer) else route(seen)

    def calls(self) -> list[str]:
        """The requests so far, without queries."""
        return [f"{seen.method} {seen.path}" for seen in self.seen]


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        api = self.server.api
        answer = api.answer(
            Seen(
                method=self.command,
                path=parts.path.removeprefix(PREFIX),
                query={name: values[0] for name, values in parse_qs(parts.query).items()},
                headers={name.lower(): value for name, value in self.headers.items()},
                body=json.loads(content) if content else None,
            )
        )
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response_only(answer.status)
        sent_at = api.clock() + timedelta(seconds=api.skew_s)
        for name, value in {
            "date": format_datetime(sent_at, usegmt=True),
            "content-type": "application/json",
            "content-length": str(len(body)),
            **answer.headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep the test's stderr clean."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: FakeApi


@contextmanager
def running_api() -> Iterator[FakeApi]:
    """A running stand-in, empty of routes."""
    server = _Server(("127.0.0.1", 0), _RequestHandler)
    server.api = FakeApi(base_url=f"http://127.0.0.1:{server.server_port}{PREFIX}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
