"""The two endpoints that answer prompts: chat completions, and the native run."""

import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from wai_ops.core.money import UNKNOWN_COST, Cost
from wai_ops.core.tokens import estimate_tokens
from wai_ops.emulator.answers import (
    JSON_TYPE,
    ClientGoneError,
    Receive,
    Scope,
    Send,
    envelope,
    read_body,
    send_json,
    send_start,
    to_json_bytes,
)
from wai_ops.emulator.backends.base import Cancel, Event, Finish, Meter
from wai_ops.emulator.errors import (
    ApiError,
    context_too_long,
    execution_failed,
    invalid_input,
    too_large,
)
from wai_ops.emulator.gateway.exchange import CLIENT_CLOSED, Exchange, begin_exchange
from wai_ops.emulator.gateway.log_row import HEAD_CHARACTERS
from wai_ops.emulator.identity import Permission, Principal
from wai_ops.emulator.inference.call import Call
from wai_ops.emulator.inference.disconnect import watch_client
from wai_ops.emulator.inference.parse import decode_body, parse_call
from wai_ops.emulator.inference.shapes import (
    Frames,
    LegacyFrames,
    OpenAiFrames,
    Reply,
    error_frame,
)
from wai_ops.emulator.models import ServedModel, resolve_model
from wai_ops.emulator.services import Services

MAX_BODY_BYTES = 32 * 1024 * 1024
"""The provider refuses what is too large and does not say from where on; this is our figure."""
_EVENT_STREAM = "text/event-stream"


class Surface(Enum):
    """Which endpoint was called."""

    RUN = "run"
    CHAT = "v1/chat/completions"


@dataclass(slots=True)
class _Job:
    """One request on its way."""

    exchange: Exchange | None
    cancel: Cancel
    meter: Meter = field(default_factory=Meter)
    served: ServedModel | None = None
    status: int = 200
    content_type: str = JSON_TYPE
    head: bytes = b""
    size: int = 0
    begun: bool = False
    """Whether a model has begun to work, so that there is something to pay."""

    def note_answer(self, part: bytes) -> None:
        """Count a part of the answer that is about to leave."""
        self.size += len(part)
        if len(self.head) < HEAD_CHARACTERS:
            self.head += part[: HEAD_CHARACTERS - len(self.head)]

    def record(self, status: int) -> None:
        """Write the gateway's row."""
        if self.exchange is None:
            return
        if not self.begun:
            self.exchange.record(
                status=status,
                content_type=self.content_type,
                response=self.head,
                response_size=self.size,
            )
            return
        usage = self.meter.usage()
        cost: Cost = UNKNOWN_COST if self.served is None else self.served.cost(usage)
        self.exchange.record(
            status=status,
            content_type=self.content_type,
            response=self.head,
            response_size=self.size,
            usage=usage,
            cost=cost,
        )


class InferenceEndpoint:
    """An ASGI application for one surface."""

    def __init__(self, services: Services, surface: Surface) -> None:
        """Nothing runs yet."""
        self._services = services
        self._surface = surface

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever happens, its gateway gets one row."""
        principal: Principal = scope["wai.principal"]
        params: Mapping[str, str] = scope["path_params"]
        self._services.store.identity.check(
            principal, Permission.WORKERS_AI_EDIT, params["account_id"]
        )
        headers: Mapping[bytes, bytes] = scope["wai.headers"]
        path = self._surface.value
        if self._surface is Surface.RUN:
            path = f"{path}/{params['model']}"
        job = _Job(await begin_exchange(self._services, headers, path), Cancel())
        try:
            await self._run(job, params.get("model"), headers, receive, send)
        except ClientGoneError:
            job.record(CLIENT_CLOSED)
        except ApiError as error:
            job.note_answer(to_json_bytes(error.body()))
            job.record(error.status)
            if job.exchange is not None:
                error.headers = job.exchange.response_headers
            raise
        except BaseException:  # a bug, or the server is being stopped: the row is written anyway
            job.record(500)
            raise

    async def _run(
        self,
        job: _Job,
        model_id: str | None,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        send: Send,
    ) -> None:
        raw = await read_body(receive, MAX_BODY_BYTES)
        if raw is None:
            raise too_large(MAX_BODY_BYTES)
        if job.exchange is not None:
            job.exchange.request_body = raw
            job.exchange.model = model_id or ""
        body = decode_body(raw)
        if model_id is None:
            model_id = body.get("model")
            if not isinstance(model_id, str):
                raise invalid_input("model is required")
        if job.exchange is not None:
            job.exchange.model = model_id
        served = resolve_model(self._services.book, model_id, self._services.clock.now())
        job.served = served
        if job.exchange is not None:
            job.exchange.model = served.model.id
        is_run = self._surface is Surface.RUN
        call = parse_call(body, model=served.model, prompt_allowed=is_run)
        events = self._generate(job, call, headers)
        async with watch_client(receive, job.cancel), aclosing(events):
            if call.stream:
                await self._stream(job, call, events, send)
            else:
                await self._answer(job, call, events, send)

    def _generate(
        self, job: _Job, call: Call, headers: Mapping[bytes, bytes]
    ) -> AsyncGenerator[Event, None]:
        """Choose the replica, check the context, count the prompt, start the backend."""
        assert job.served is not None
        backend, replicas = self._services.backend, self._services.replicas
        affinity = headers.get(b"x-session-affinity")
        replica = replicas.select(None if not affinity else affinity.decode("latin-1"))
        tokens = backend.tokenise(call)
        window = job.served.model.context_window
        if window is not None:
            counted = _estimate(call) if tokens is None else len(tokens)
            if counted + (call.max_tokens or 0) > window:
                raise context_too_long(
                    input_tokens=counted, reserved=call.max_tokens or 0, window=window
                )
        if tokens is not None:
            job.meter.input_tokens = len(tokens)
            job.meter.cached_input_tokens = replicas.admit(replica, job.served.model.id, tokens)
        return backend.generate(call, replica=replica, meter=job.meter, cancel=job.cancel)

    async def _answer(
        self, job: _Job, call: Call, events: AsyncGenerator[Event, None], send: Send
    ) -> None:
        reply = Reply()
        async for event in events:
            job.begun = True
            reply.add(event)
        _require_end(job, reply)
        body = to_json_bytes(self._whole(job, call, reply))
        job.note_answer(body)
        job.record(200)
        await send_json(send, 200, body, _headers(job))

    def _whole(self, job: _Job, call: Call, reply: Reply) -> dict[str, Any]:
        assert job.served is not None
        usage = job.meter.usage()
        if self._surface is Surface.RUN and job.served.is_legacy:
            is_json = call.json_schema is not None
            return envelope(reply.legacy(usage=usage, is_json=is_json))
        answer = reply.openai(
            response_id=_response_id(),
            created=int(self._services.clock.now().timestamp()),
            model=job.served.model.id,
            usage=usage,
        )
        return envelope(answer) if self._surface is Surface.RUN else answer

    def _frames(self, job: _Job, call: Call) -> Frames:
        assert job.served is not None
        is_run = self._surface is Surface.RUN
        if is_run and job.served.is_legacy:
            return LegacyFrames()
        return OpenAiFrames(
            response_id=_response_id(),
            created=int(self._services.clock.now().timestamp()),
            model=job.served.model.id,
            with_usage=is_run or call.include_usage,
        )

    async def _stream(
        self, job: _Job, call: Call, events: AsyncGenerator[Event, None], send: Send
    ) -> None:
        frames = self._frames(job, call)
        reply = Reply()

        async def write(part: bytes, *, more: bool = True) -> None:
            if part or not more:
                job.note_answer(part)
                await send({"type": "http.response.body", "body": part, "more_body": more})

        # The first event decides: until there is one, a failure is still an answer of its own.
        event = await anext(events, None)
        job.begun = True
        job.content_type = _EVENT_STREAM
        if job.exchange is not None:
            job.exchange.mark_first_byte()
        headers = [*_headers(job).items(), ("cache-control", "no-cache")]
        await send_start(send, 200, _EVENT_STREAM, headers)
        await write(frames.first())
        try:
            while event is not None and not job.cancel.requested:
                reply.add(event)
                if not isinstance(event, Finish):
                    await write(frames.delta(event))
                event = await anext(events, None)
            _require_end(job, reply)
        except ApiError as error:
            job.record(error.status)
            await write(error_frame(error.body()), more=False)
            return
        last = frames.last(reply, job.meter.usage())
        # Recorded before the last byte leaves, so that who has read it finds the row.
        job.note_answer(last)
        job.record(200)
        await send({"type": "http.response.body", "body": last, "more_body": False})


def _require_end(job: _Job, reply: Reply) -> None:
    """Raise unless the backend came to its end."""
    if reply.finish_reason is None:
        raise ClientGoneError if job.cancel.requested else execution_failed("no end of the answer")


def _headers(job: _Job) -> dict[str, str]:
    return {} if job.exchange is None else job.exchange.response_headers


def _response_id() -> str:
    return f"chatcmpl-{secrets.token_hex(12)}"


def _estimate(call: Call) -> int:
    return sum(estimate_tokens(message.content) for message in call.messages)
