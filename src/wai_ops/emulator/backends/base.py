"""The seam between the service and whatever produces text.

A backend turns a `Call` into a stream of events. One that can say its tokens beforehand leaves
the prefix cache to the emulator's replicas; an engine with a cache of its own answers None and
reports the counts itself, in the `Meter`.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from wai_ops.core.money import Usage
from wai_ops.emulator.inference.call import Call


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolDelta:
    """A piece of a tool call; `call_id` and `name` come with the first piece of each."""

    index: int
    arguments: str
    call_id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event: `stop`, `length` or `tool_calls`."""

    reason: str


Event = TextDelta | ReasoningDelta | ToolDelta | Finish


@dataclass(slots=True)
class Meter:
    """Running token counts, right at every moment: a call may end early."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    """A part of `output_tokens`."""

    def add(self, other: "Meter") -> None:
        """Count what another one has counted as well."""
        self.input_tokens += other.input_tokens
        self.cached_input_tokens += other.cached_input_tokens
        self.output_tokens += other.output_tokens
        self.reasoning_tokens += other.reasoning_tokens

    def usage(self) -> Usage:
        """The counts so far."""
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cached_input_tokens=self.cached_input_tokens,
            reasoning_tokens=self.reasoning_tokens,
        )


class Cancel:
    """Set from outside when nobody waits for the answer any more. Safe to read from any thread."""

    __slots__ = ("_requested", "waiter")

    def __init__(self) -> None:
        """Somebody waits."""
        self._requested = False
        self.waiter: asyncio.Future[None] | None = None
        """What the call is waiting for just now; the request to stop ends that wait."""

    @property
    def requested(self) -> bool:
        """Whether to stop."""
        return self._requested

    @requested.setter
    def requested(self, value: bool) -> None:
        """Ask to stop; only from the thread of the event loop."""
        self._requested = value
        if value and self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Backend(Protocol):
    """What answers."""

    @property
    def keeps_own_cache(self) -> bool:
        """Whether the prefix cache is the engine's, and out of the emulator's reach."""
        ...

    def tokenise(self, call: Call) -> Sequence[str] | None:
        """The tokens of the rendered prompt; None when the engine counts for itself."""
        ...

    def generate(
        self, call: Call, *, replica: int, meter: Meter, cancel: Cancel
    ) -> AsyncGenerator[Event, None]:
        """Produce the answer, ending with `Finish` unless cancelled. Raises ApiError."""
        ...

    def close(self) -> None:
        """Let go of threads and memory; running generations have ended."""
        ...
