"""The model service: from a typed call to a stream of events, with the limits of a real one.

In order: the rate limit of the model, the context, a replica by affinity, a place on it, the prefix
cache, and then the backend, whose tokens leave at their times. An engine that counts for itself
keeps its own prefill, decode and cache; places, limits and overhead hold for it too.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from wai_ops.core.clock import Clock
from wai_ops.core.tokens import estimate_tokens
from wai_ops.emulator.answers import ClientGoneError
from wai_ops.emulator.backends.base import Backend, Cancel, Event, Finish, Meter
from wai_ops.emulator.errors import ApiError, context_too_long, not_found
from wai_ops.emulator.faults import model_fault, note_meter
from wai_ops.emulator.inference.call import Call
from wai_ops.emulator.knobs import Knobs, LiveKnobs
from wai_ops.emulator.model.desk import Desk
from wai_ops.emulator.model.latency import Schedule, is_instant
from wai_ops.emulator.model.limits import RateWindows, limit_of
from wai_ops.emulator.model.waiting import Alarm, loop_alarm, resolve, wait_for
from wai_ops.emulator.models import ServedModel
from wai_ops.emulator.replicas import Replicas

_OUTSIDE: ContextVar[bool] = ContextVar("wai_emulator_outside_the_rate", default=False)


@contextmanager
def outside_the_rate() -> Iterator[None]:
    """Calls in this block count towards no rate limit, as those of a batch."""
    token = _OUTSIDE.set(True)
    try:
        yield
    finally:
        _OUTSIDE.reset(token)


class ModelService:
    """All models of one emulator."""

    def __init__(
        self,
        *,
        clock: Clock,
        knobs: LiveKnobs,
        replicas: Replicas,
        backend: Backend,
        alarm: Alarm | None = None,
    ) -> None:
        """`alarm` sets timers on `clock`; the event loop's own by default."""
        self._clock = clock
        self._knobs = knobs
        self._replicas = replicas
        self._backend = backend
        self._alarm = loop_alarm(clock) if alarm is None else alarm
        self.desk = Desk(knobs.current.capacity, clock=clock, alarm=self._alarm)
        self._rates = RateWindows()
        self._count = 0
        knobs.watch(self._adjust)

    def _adjust(self, knobs: Knobs) -> None:
        self.desk.adjust(knobs.capacity)
        self._replicas.adjust(
            block_tokens=knobs.cache.block_tokens,
            capacity_blocks=knobs.cache.capacity_blocks,
            idle_s=knobs.cache.idle_s,
        )

    def check_rate(self, served: ServedModel, *, unified_billing: bool = False) -> None:
        """Count one call to the model. Raises 429 when that is one too many."""
        if _OUTSIDE.get():
            return
        limits = self._knobs.current.limits
        limit = limit_of(served.model, limits, unified_billing=unified_billing)
        if limit is None or self._rates.admit(served.model.id, limit, self._clock.monotonic()):
            return
        raise ApiError(
            429,
            limits.model_rate_code,
            f"AiError: Rate limit of {limit} requests per minute exceeded for {served.model.id}",
        )

    async def open(
        self,
        served: ServedModel,
        call: Call,
        *,
        affinity: str | None,
        reject_if_busy: bool,
        meter: Meter,
        cancel: Cancel,
        unified_billing: bool = False,
    ) -> AsyncGenerator[Event, None]:
        """Begin to answer, once there is a place. Close what it returns, whatever happens.

        Raises ApiError for the limits, the context (5021) and the capacity (3040), and
        ClientGoneError when the client left while it waited.
        """
        self.check_rate(served, unified_billing=unified_billing)
        await model_fault(served.requested, self._hang, cancel)
        if cancel.requested:
            raise ClientGoneError
        knobs = self._knobs.current
        tokens = self._backend.tokenise(call)
        counted = _estimate(call) if tokens is None else len(tokens)
        if knobs.limits.context_check:
            _check_context(served, call, counted)
        model_id = served.model.id
        replica = self._choose(model_id, affinity)
        leave = await self.desk.enter(
            (model_id, replica), may_wait=not reject_if_busy, cancel=cancel
        )
        self._count += 1
        if tokens is not None:
            meter.input_tokens = counted
            meter.cached_input_tokens = self._replicas.admit(
                replica, model_id, tokens, now=self._clock.monotonic()
            )
        note_meter(meter)
        events = self._backend.generate(call, replica=replica, meter=meter, cancel=cancel)
        if is_instant(knobs.latency):
            return Running(events, leave)
        schedule = Schedule(
            knobs.latency,
            uncached_tokens=0 if tokens is None else counted - meter.cached_input_tokens,
            number=self._count,
        )
        paced = self._pace(
            events,
            schedule,
            meter,
            cancel,
            started=self._clock.monotonic(),
            is_own_time=tokens is None,
        )
        return Running(paced, leave)

    async def hold_place(
        self, served: ServedModel, *, affinity: str | None, reject_if_busy: bool, cancel: Cancel
    ) -> Callable[[], None]:
        """A place for work that is no text (embeddings). Returns how to give it back."""
        key = (served.model.id, self._choose(served.model.id, affinity))
        return await self.desk.enter(key, may_wait=not reject_if_busy, cancel=cancel)

    async def spend_time(self, input_tokens: int, cancel: Cancel) -> None:
        """Let the time pass that reading so many tokens takes."""
        latency = self._knobs.current.latency
        if is_instant(latency):
            return
        self._count += 1
        schedule = Schedule(latency, uncached_tokens=input_tokens, number=self._count)
        await self._pause(self._clock.monotonic() + schedule.first_s, cancel)

    def restart_replica(self, replica: int) -> None:
        """Empty the prefix cache of one replica. Raises ApiError when that cannot be done."""
        if not 0 <= replica < self._replicas.count:
            raise not_found(f"replica {replica}")
        if self._backend.keeps_own_cache:
            raise ApiError(409, 7001, "the engine keeps its own cache: restart the emulator")
        self._replicas.restart(replica)

    def _choose(self, model_id: str, affinity: str | None) -> int:
        """By affinity, else any; a busy one is passed over only where the knob allows it."""
        replica = self._replicas.select(affinity)
        if not self._knobs.current.capacity.spill or self.desk.has_room((model_id, replica)):
            return replica
        count = self._replicas.count
        others = ((replica + step) % count for step in range(1, count))
        free = (other for other in others if self.desk.has_room((model_id, other)))
        return next(free, replica)

    async def _pace(
        self,
        events: AsyncGenerator[Event, None],
        schedule: Schedule,
        meter: Meter,
        cancel: Cancel,
        *,
        started: float,
        is_own_time: bool,
    ) -> AsyncGenerator[Event, None]:
        """The same events, none of them before its time."""
        try:
            await self._pause(started + schedule.first_s, cancel)
            is_paced = schedule.is_paced and not is_own_time
            while True:
                before = (meter.output_tokens, meter.reasoning_tokens)
                event = await anext(events, None)
                if event is None:
                    return
                if is_paced and not isinstance(event, Finish):
                    due = started + schedule.due_s(meter.output_tokens)
                    if not await self._pause(due, cancel):
                        # The client left before this piece was made.
                        meter.output_tokens, meter.reasoning_tokens = before
                        return
                yield event
        finally:
            await events.aclose()

    async def _hang(self, delay_ms: float | None, cancel: Cancel) -> bool:
        if delay_ms is None:
            return await self._pause(None, cancel)
        return await self._pause(self._clock.monotonic() + delay_ms / 1000, cancel)

    async def _pause(self, at: float | None, cancel: Cancel) -> bool:
        """Wait until that time, or for ever; false when the client left meanwhile."""
        if cancel.requested:
            return False
        if at is not None and at <= self._clock.monotonic():
            await asyncio.sleep(0)  # late already: still, let the others have their turn
            return not cancel.requested
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        cancel.waiter = waiter
        try:
            await wait_for(waiter, at, self._alarm)
        finally:
            cancel.waiter = None
            resolve(waiter)
        return not cancel.requested


class Running(AsyncGenerator[Event, None]):
    """The events of a call that holds a place: closing it gives the place back, begun or not."""

    def __init__(self, events: AsyncGenerator[Event, None], leave: Callable[[], None]) -> None:
        """`leave` may be called twice."""
        self._events = events
        self._leave = leave

    def __del__(self) -> None:
        """Whoever drops it unclosed must not keep the place for ever."""
        self._leave()

    async def __anext__(self) -> Event:
        """The next event; after the last one the place is free."""
        try:
            return await self._events.__anext__()
        except BaseException:
            self._leave()
            raise

    async def asend(self, value: None) -> Event:
        """As `__anext__`: nothing can be sent."""
        del value
        return await self.__anext__()

    async def athrow(self, typ: Any, val: Any = None, tb: Any = None) -> Event:
        """Throw into the events; the place is given back."""
        del val, tb
        try:
            return await self._events.athrow(typ)
        finally:
            self._leave()

    async def aclose(self) -> None:
        """End early."""
        try:
            await self._events.aclose()
        finally:
            self._leave()


def _check_context(served: ServedModel, call: Call, counted: int) -> None:
    window = served.model.context_window
    reserved = call.max_tokens or 0
    if window is not None and counted + reserved > window:
        raise context_too_long(input_tokens=counted, reserved=reserved, window=window)


def _estimate(call: Call) -> int:
    return sum(estimate_tokens(message.content) for message in call.messages)
