"""The door of the run endpoint: `?queueRequest=true` goes to the batches, all else straight on."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from wai_ops.emulator.answers import (
    ClientGoneError,
    Receive,
    Scope,
    Send,
    read_body,
    send_json,
    to_json_bytes,
)
from wai_ops.emulator.errors import too_large
from wai_ops.emulator.identity import Permission
from wai_ops.emulator.inference.batch import Batches
from wai_ops.emulator.inference.parse import decode_body
from wai_ops.emulator.services import Services

MAX_BODY_BYTES = 10_000_000
"""The provider's own figure for a batch."""
_App = Callable[[Scope, Receive, Send], Awaitable[None]]


class BatchDoor:
    """An ASGI application around the run endpoint."""

    def __init__(self, services: Services, run: _App, batches: Batches) -> None:
        """`run` answers what is no batch."""
        self._services = services
        self._run = run
        self._batches = batches

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises ApiError."""
        if not scope["query_string"] or not _is_queued(scope["query_string"]):
            await self._run(scope, receive, send)
            return
        params = scope["path_params"]
        identity = self._services.store.identity
        identity.check(scope["wai.principal"], Permission.WORKERS_AI_EDIT, params["account_id"])
        try:
            raw = await read_body(receive, MAX_BODY_BYTES)
        except ClientGoneError:
            return
        if raw is None:
            raise too_large(MAX_BODY_BYTES)
        answer = await self._batches.answer(params["model"], decode_body(raw))
        await send_json(send, 200, to_json_bytes(answer))


def _is_queued(query: bytes) -> bool:
    return parse_qs(query.decode("latin-1")).get("queueRequest") == ["true"]
