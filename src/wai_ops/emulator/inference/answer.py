"""What an attempt gives, and the seam between the gateway and whoever answers."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from wai_ops.emulator.answers import JSON_TYPE
from wai_ops.emulator.gateway.exchange import Attempt
from wai_ops.emulator.gateway.steps import Step
from wai_ops.emulator.inference.disconnect import Client

EVENT_STREAM = "text/event-stream"
Part = tuple[bytes, bool]
"""Some bytes of a stream, and whether they are the last."""


@dataclass(slots=True, kw_only=True)
class Answer:
    """What an attempt gives once its success is certain: `body` whole, or `parts` to come."""

    text: Callable[[], str]
    """What the model has said so far."""
    body: bytes | None = None
    parts: AsyncGenerator[Part, None] | None = None
    status: int = 200
    """Of the log row; the last part of a stream may turn it into a failure."""

    @property
    def content_type(self) -> str:
        """Of the answer."""
        return JSON_TYPE if self.parts is None else EVENT_STREAM

    async def hold(self) -> None:
        """Take a whole stream in, so that it can be looked at before any of it leaves."""
        if self.parts is None:
            return
        async with aclosing(self.parts) as parts:
            held = [part async for part in parts]
        self.parts = _replay(held)


async def _replay(parts: list[Part]) -> AsyncGenerator[Part, None]:
    for part in parts:
        yield part


class Models(Protocol):
    """Whoever answers in the end."""

    async def open(
        self, step: Step, attempt: Attempt, headers: Mapping[bytes, bytes], client: Client
    ) -> Answer:
        """Begin to answer. Raises ApiError while nothing has been answered, or ClientGoneError.

        A streamed answer has its first event by then, a whole one all of them. `attempt.meter` is
        set as soon as there is something to pay.
        """
        ...
