"""Writing answers: JSON bytes, the v4 envelope, and one way to send them."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from starlette.responses import Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON_TYPE = "application/json"


def to_json_bytes(value: Any) -> bytes:
    """Encode compactly, ASCII only: a lone surrogate in model text must not break the answer."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def envelope(result: Any, *, info: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The v4 success envelope."""
    body = {"result": result, "success": True, "errors": [], "messages": []}
    return body if info is None else {**body, "result_info": dict(info)}


def page_info(*, page: int, per_page: int, count: int, total_count: int) -> dict[str, int]:
    """The `result_info` of a list."""
    return {"count": count, "page": page, "per_page": per_page, "total_count": total_count}


def json_response(value: Any, status: int = 200) -> Response:
    """A Starlette response, for the handlers that are not on the hot path."""
    return Response(to_json_bytes(value), status, media_type=JSON_TYPE)


async def send_start(
    send: Send, status: int, content_type: str, headers: Iterable[tuple[str, str]]
) -> None:
    """Send status and headers."""
    raw = [(b"content-type", content_type.encode("ascii"))]
    raw += [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def send_json(
    send: Send, status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> None:
    """Send a whole JSON answer."""
    items = [*(headers or {}).items(), ("content-length", str(len(body)))]
    await send_start(send, status, JSON_TYPE, items)
    await send({"type": "http.response.body", "body": body})


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """The request's body; None when it is longer than `limit`. A client that left sends no more."""
    chunks = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


class ClientGoneError(Exception):
    """The client closed the connection: there is nobody to answer."""
