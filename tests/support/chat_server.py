"""A model on loopback that answers what the test says: whole or as a stream, with usage.

For what the emulator's script never says: summaries of a certain size, and answers that are none.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True)
class Says:
    """One answer. `status` other than 200: an error without an answer."""

    text: str = ""
    status: int = 200
    finish_reason: str = "stop"
    tool_calls: Sequence[tuple[str, Any]] = ()
    """Name and arguments of the tools that it asks for; arguments that are text go as they are."""
    before: Callable[[], object] | None = None
    """Done in the server's thread before the answer begins."""


@dataclass
class ChatServer:
    """Answers each request with what `answer` makes of its body, and keeps the bodies."""

    answer: Callable[[Body], Says]
    bodies: list[Body] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
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


def is_summary(body: Body) -> bool:
    """Whether a request asks for a checkpoint's summary."""
    first = body["messages"][0]
    return bool(first["role"] == "system" and "memory of a conversation" in first["content"])


@contextmanager
def chat_server(answer: Callable[[Body], Says]) -> Iterator[ChatServer]:
    """Serve on a free port until the block ends."""
    told = ChatServer(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one piece: two would wait for an acknowledgement

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            body = json.loads(raw)
            told.raw.append(raw)
            told.bodies.append(body)
            said = told.answer(body)
            if said.before is not None:
                said.before()
            data, kind = _encoded(body, said)
            self.send_response(said.status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

        def handle(self) -> None:
            with suppress(ConnectionError):  # who asked may be gone: some tests kill it
                super().handle()

        def finish(self) -> None:
            with suppress(ConnectionError):
                super().finish()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _encoded(body: Body, said: Says) -> tuple[bytes, str]:
    if said.status != 200:
        error = {"success": False, "errors": [{"code": 7000, "message": "no"}], "result": None}
        return json.dumps(error).encode(), "application/json"
    text_in = json.dumps(body["messages"])
    usage = {
        "prompt_tokens": len(text_in) // 4,
        "completion_tokens": len(said.text) // 4,
        "total_tokens": (len(text_in) + len(said.text)) // 4,
    }
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.tool_calls:
        message["tool_calls"] = _tool_calls(len(body["messages"]), said)
    if not body.get("stream"):
        choice = {"index": 0, "message": message, "finish_reason": said.finish_reason}
        whole = {"object": "chat.completion", "choices": [choice], "usage": usage}
        return json.dumps(whole).encode(), "application/json"
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": message}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": said.finish_reason}]},
        {"choices": [], "usage": usage},
    ]
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return "".join([*lines, "data: [DONE]\n\n"]).encode(), "text/event-stream"


def _tool_calls(place: int, said: Says) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "id": f"call_{place}_{index}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
            },
        }
        for index, (name, arguments) in enumerate(said.tool_calls)
    ]
