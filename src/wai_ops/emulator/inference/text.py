"""One attempt at a text answer: from a step's body to bytes in its wire shape."""

import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from wai_ops.emulator.answers import ClientGoneError, envelope, to_json_bytes
from wai_ops.emulator.backends.base import Event, Finish, Meter
from wai_ops.emulator.errors import ApiError, execution_failed
from wai_ops.emulator.gateway.exchange import Attempt
from wai_ops.emulator.gateway.steps import Step
from wai_ops.emulator.inference.answer import Answer, Part
from wai_ops.emulator.inference.call import Call
from wai_ops.emulator.inference.disconnect import Client
from wai_ops.emulator.inference.parse import parse_call
from wai_ops.emulator.inference.reasoning import reasoning_field
from wai_ops.emulator.inference.responses_body import to_chat_body
from wai_ops.emulator.inference.responses_shape import ResponseHead, ResponsesFrames
from wai_ops.emulator.inference.shapes import (
    Frames,
    LegacyFrames,
    OpenAiFrames,
    Reply,
)
from wai_ops.emulator.inference.surfaces import Shape
from wai_ops.emulator.models import ServedModel, resolve_model
from wai_ops.emulator.services import Services


class TextModels:
    """Everything that answers prompts."""

    def __init__(self, services: Services) -> None:
        """Nothing runs yet."""
        self._services = services

    async def open(
        self, step: Step, attempt: Attempt, headers: Mapping[bytes, bytes], client: Client
    ) -> Answer:
        """Begin to answer; see `Models`."""
        services = self._services
        served = resolve_model(services.book, step.model, services.clock.now())
        attempt.served, attempt.model = served, served.model.id
        is_run = step.shape is Shape.NATIVE
        body = to_chat_body(step.body) if step.shape is Shape.RESPONSES else step.body
        call = parse_call(body, model=served.model, prompt_allowed=is_run)
        meter = Meter()
        cancel = client.begin()
        affinity = headers.get(b"x-session-affinity")
        events = await services.models.open(
            served,
            call,
            affinity=None if not affinity else affinity.decode("latin-1"),
            reject_if_busy=call.reject_if_busy,
            meter=meter,
            cancel=cancel,
            unified_billing=attempt.is_wholesale,
        )
        shaper = _Shaper(step, served, call, int(services.clock.now().timestamp()))
        if call.stream:
            return await _stream(events, shaper, meter, attempt, client)
        return await _whole(events, shaper, meter, attempt, client)


@dataclass(frozen=True, slots=True)
class _Shaper:
    """The wire shape of one answer."""

    step: Step
    served: ServedModel
    call: Call
    created: int

    @property
    def _head(self) -> ResponseHead:
        return ResponseHead(
            number=secrets.token_hex(24),
            created=self.created,
            model=self.served.model.id,
            request=self.step.body,
            effort=self.call.reasoning_effort,
        )

    @property
    def _is_native(self) -> bool:
        return self.step.shape is Shape.NATIVE and self.served.is_legacy

    def whole(self, reply: Reply, meter: Meter) -> bytes:
        usage = meter.usage()
        if self._is_native:
            is_json = self.call.json_schema is not None
            return to_json_bytes(envelope(reply.legacy(usage=usage, is_json=is_json)))
        if self.step.shape is Shape.RESPONSES:
            return to_json_bytes(self._head.whole(reply, usage))
        answer: dict[str, Any] = reply.openai(
            response_id=_response_id(),
            created=self.created,
            model=self.served.model.id,
            usage=usage,
            reasoning_field=reasoning_field(self.served.model),
        )
        return to_json_bytes(envelope(answer) if self.step.shape is Shape.NATIVE else answer)

    def frames(self) -> Frames:
        if self._is_native:
            return LegacyFrames()
        if self.step.shape is Shape.RESPONSES:
            return ResponsesFrames(self._head)
        return OpenAiFrames(
            response_id=_response_id(),
            created=self.created,
            model=self.served.model.id,
            with_usage=self.step.shape is Shape.NATIVE or self.call.include_usage,
            reasoning_field=reasoning_field(self.served.model),
        )


async def _whole(
    events: AsyncGenerator[Event, None],
    shaper: _Shaper,
    meter: Meter,
    attempt: Attempt,
    client: Client,
) -> Answer:
    reply = Reply()
    async with aclosing(events):
        async for event in events:
            reply.add(event)
    if client.is_gone and reply.finish_reason is None:
        attempt.meter = meter  # what was made until then is counted
    _require_end(reply, client)
    attempt.meter = meter
    return Answer(text=reply.all_text, body=shaper.whole(reply, meter))


async def _stream(
    events: AsyncGenerator[Event, None],
    shaper: _Shaper,
    meter: Meter,
    attempt: Attempt,
    client: Client,
) -> Answer:
    # The first event decides: until there is one, a failure is still an answer of its own.
    try:
        first = await anext(events, None)
    except BaseException:
        await events.aclose()
        raise
    attempt.meter = meter
    reply = Reply()
    answer = Answer(text=reply.all_text)
    answer.parts = _parts(
        answer,
        events=events,
        first=first,
        reply=reply,
        frames=shaper.frames(),
        meter=meter,
        client=client,
    )
    return answer


async def _parts(
    answer: Answer,
    *,
    events: AsyncGenerator[Event, None],
    first: Event | None,
    reply: Reply,
    frames: Frames,
    meter: Meter,
    client: Client,
) -> AsyncGenerator[Part, None]:
    """The bytes of a stream. Raises ClientGoneError; an error becomes the last frame."""
    async with aclosing(events):
        if opening := frames.first():
            yield opening, False
        event = first
        try:
            while event is not None and not client.is_gone:
                reply.add(event)
                if not isinstance(event, Finish) and (part := frames.delta(event)):
                    yield part, False
                event = await anext(events, None)
            _require_end(reply, client)
        except ApiError as error:
            answer.status = error.status
            yield frames.error(error.body()), True
            return
        yield frames.last(reply, meter.usage()), True


def _require_end(reply: Reply, client: Client) -> None:
    """Raise unless the backend came to its end."""
    if reply.finish_reason is None:
        raise ClientGoneError if client.is_gone else execution_failed("no end of the answer")


def _response_id() -> str:
    return f"chatcmpl-{secrets.token_hex(12)}"
