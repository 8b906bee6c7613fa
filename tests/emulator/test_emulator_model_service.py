"""The model service on a clock that tests move: when tokens leave, who is refused, what counts."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.manual_time import ManualTime, settle
from wai_ops.core.prices import PriceBook, built_in
from wai_ops.emulator.answers import ClientGoneError
from wai_ops.emulator.backends.base import Cancel, Event, Finish, Meter, TextDelta
from wai_ops.emulator.backends.scripted import ScriptedBackend
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.inference.call import Call, Message
from wai_ops.emulator.knobs import Latency, LiveKnobs
from wai_ops.emulator.model.latency import Schedule
from wai_ops.emulator.model.service import ModelService
from wai_ops.emulator.models import ServedModel, resolve_model
from wai_ops.emulator.replicas import Replicas

PAID = "@cf/moonshotai/kimi-k2.6"
FREE = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
BOOK = PriceBook([built_in()])
Moments = list[tuple[float, Event]]


@dataclass
class World:
    """A model service with everything it needs, and a clock in the test's hand."""

    replica_count: int = 4
    time: ManualTime = field(default_factory=ManualTime)
    knobs: LiveKnobs = field(default_factory=LiveKnobs)

    def __post_init__(self) -> None:
        self.time.at = 1_800_000_000.0
        self.replicas = Replicas(rng=random.Random(0), count=self.replica_count)
        self.service = ModelService(
            clock=self.time,
            knobs=self.knobs,
            replicas=self.replicas,
            backend=ScriptedBackend(),
            alarm=self.time.alarm,
        )

    def served(self, model: str = PAID) -> ServedModel:
        return resolve_model(BOOK, model, self.time.now())

    async def open(
        self,
        text: str = "Write 20 words",
        *,
        model: str = PAID,
        affinity: str | None = "one",
        reject: bool = False,
        unified: bool = False,
        max_tokens: int | None = 100,
        meter: Meter | None = None,
        cancel: Cancel | None = None,
    ) -> Any:
        call = Call(messages=(Message(role="user", content=text),), max_tokens=max_tokens)
        return await self.service.open(
            self.served(model),
            call,
            affinity=affinity,
            reject_if_busy=reject,
            meter=meter or Meter(),
            cancel=cancel or Cancel(),
            unified_billing=unified,
        )

    async def moments(self, events: Any, *, seconds: float = 100.0, step: float = 0.005) -> Moments:
        """Move the clock in small steps and note when each event came, from now on."""
        started = self.time.at
        seen: Moments = []

        async def collect() -> None:
            async for event in events:
                seen.append((self.time.at - started, event))

        task = asyncio.create_task(collect())
        while not task.done() and self.time.at < started + seconds:
            await self.time.move_to(self.time.at + step)
        await task
        return seen


def test_tokens_leave_after_queue_overhead_and_uncached_prompt_then_at_their_rate() -> None:
    """TTFT = overhead + uncached / prefill; token k comes k - 1 decode steps later."""

    async def play() -> tuple[Moments, Moments, Meter, Meter]:
        world = World()
        for name, value in (
            ("overhead_ms", 50),
            ("prefill_tokens_per_s", 1000),
            ("decode_tokens_per_s", 20),
        ):
            world.knobs.change(f"latency.{name}", value)
        text = "Write 20 words. " + "Please take your time with it. " * 40
        cold, warm = Meter(), Meter()
        first = await world.moments(await world.open(text, meter=cold))
        second = await world.moments(await world.open(text, meter=warm))
        return first, second, cold, warm

    first, second, cold, warm = asyncio.run(play())
    assert cold.cached_input_tokens == 0
    assert warm.cached_input_tokens == cold.input_tokens // 16 * 16 > 0
    for seen, meter in ((first, cold), (second, warm)):
        ttft = 0.05 + (meter.input_tokens - meter.cached_input_tokens) / 1000
        pieces = [at for at, event in seen if isinstance(event, TextDelta)]
        assert len(pieces) == meter.output_tokens
        expected = [ttft + number / 20 for number in range(len(pieces))]
        assert pieces == pytest.approx(expected, abs=1e-6)
        assert isinstance(seen[-1][1], Finish)
        assert seen[-1][0] == pytest.approx(expected[-1], abs=0.006)


@given(
    st.floats(0, 1),
    st.integers(0, 5),
    st.integers(0, 5000),
    st.integers(2, 60),
)
def test_jitter_keeps_the_order_and_never_adds_up(
    jitter: float, seed: int, uncached: int, count: int
) -> None:
    """Every token stays within one decode step of its place, however many there are."""
    latency = Latency(
        overhead_ms=20.0,
        prefill_tokens_per_s=2000.0,
        decode_tokens_per_s=50.0,
        jitter_ratio=jitter,
        seed=seed,
    )

    def due() -> list[float]:
        schedule = Schedule(latency, uncached_tokens=uncached, number=3)
        return [schedule.due_s(number) for number in range(1, count + 1)]

    times = due()
    assert times == due()
    assert times == sorted(times)
    base = 0.02 + uncached / 2000
    assert base * (1 - jitter) - 1e-9 <= times[0] <= base * (1 + jitter) + 1e-9
    for number, at in enumerate(times):
        assert -1e-9 <= at - times[0] - number / 50 <= 1 / 50 + 1e-9


def test_a_slow_reader_does_not_shift_the_schedule() -> None:
    """Deadlines are absolute: who comes late gets the waiting tokens at once."""

    async def play() -> tuple[list[float], float]:
        world = World()
        world.knobs.change("latency.decode_tokens_per_s", 10)
        events = await world.open("Write 30 words")
        started = world.time.at
        await anext(events)
        world.time.at += 0.75  # the reader was busy
        times = []
        for _ in range(12):
            piece = asyncio.create_task(anext(events))
            await settle()
            while not piece.done():
                await world.time.move_to(world.time.at + 0.01)
            await piece
            times.append(world.time.at - started)
        await events.aclose()
        return times, world.time.at

    times, _ = asyncio.run(play())
    late, timely = times[:7], times[7:]
    assert max(late) < 0.85
    assert timely == pytest.approx([0.8, 0.9, 1.0, 1.1, 1.2], abs=0.021)


def test_a_client_that_leaves_while_reading_is_counted_only_what_it_got() -> None:
    """The wait ends at once, the place is free, and no token is counted that never was made."""

    async def play() -> tuple[int, int, int, int]:
        world = World()
        world.knobs.change("latency.decode_tokens_per_s", 10)
        world.knobs.change("capacity.concurrency", 1)
        meter, cancel = Meter(), Cancel()
        events = await world.open("Write 50 words", meter=meter, cancel=cancel)

        async def read() -> list[Event]:
            return [event async for event in events]

        task = asyncio.create_task(read())
        await world.time.move_to(world.time.at + 0.55)
        cancel.requested = True
        await settle()
        assert task.done()
        busy = sum(load.running for load in world.service.desk.loads().values())
        return len(task.result()), meter.output_tokens, busy, world.time.pending

    assert asyncio.run(play()) == (6, 6, 0, 0)


def test_a_call_that_is_closed_before_it_began_gives_its_place_back() -> None:
    """Also when nobody closes it: a place must not be lost for ever."""

    async def play() -> list[int]:
        world = World()
        world.knobs.change("capacity.concurrency", 1)
        running = []
        for is_closed in (True, False):
            events = await world.open()
            running.append(sum(load.running for load in world.service.desk.loads().values()))
            if is_closed:
                await events.aclose()
            else:
                del events
            running.append(sum(load.running for load in world.service.desk.loads().values()))
        return running

    assert asyncio.run(play()) == [1, 0, 1, 0]


def test_rate_limits_depend_on_the_model_and_on_who_pays() -> None:
    """300 a minute, 20 for models of the paid plan, 50 for these with prepaid credits."""

    async def allowed(model: str, *, unified: bool) -> int:
        world = World()
        world.knobs.change("limits.model_rate", value=True)
        count = 0
        while True:
            try:
                await (await world.open(model=model, unified=unified)).aclose()
            except ApiError as error:
                refused = error
                break
            count += 1
        assert refused.status == 429
        assert "Rate limit" in refused.message
        await world.time.move_to(world.time.at + 59.9)
        with pytest.raises(ApiError):
            await world.open(model=model, unified=unified)
        await world.time.move_to(world.time.at + 0.2)
        await (await world.open(model=model, unified=unified)).aclose()
        return count

    assert asyncio.run(allowed(FREE, unified=False)) == 300
    assert asyncio.run(allowed(FREE, unified=True)) == 300
    assert asyncio.run(allowed(PAID, unified=False)) == 20
    assert asyncio.run(allowed(PAID, unified=True)) == 50


def test_nothing_is_limited_unless_a_knob_says_so() -> None:
    """The defaults are the easy world."""

    async def play() -> None:
        world = World()
        opened = [await world.open(model=PAID) for _ in range(500)]
        for events in opened:
            await events.aclose()

    asyncio.run(play())


def test_what_does_not_fit_the_context_is_5021_unless_the_check_is_off() -> None:
    """Input and reserved output count together."""

    async def play(*, check: bool) -> int:
        world = World()
        world.knobs.change("limits.context_check", check)
        try:
            await (await world.open(model=FREE, max_tokens=24_000)).aclose()
        except ApiError as error:
            return error.code
        return 0

    assert asyncio.run(play(check=True)) == 5021
    assert asyncio.run(play(check=False)) == 0


def test_a_busy_request_is_refused_or_waits_by_its_own_wish() -> None:
    """`rejectIfBusy` is 3040 at once; the other one gets the place when it is free."""

    async def play() -> tuple[int, bool, bool]:
        world = World()
        world.knobs.change("capacity.concurrency", 1)
        first = await world.open()
        with pytest.raises(ApiError) as refused:
            await world.open(reject=True)
        waiter = asyncio.create_task(world.open())
        await settle()
        before = waiter.done()
        await first.aclose()
        await settle()
        after = waiter.done()
        await (await waiter).aclose()
        return refused.value.code, before, after

    assert asyncio.run(play()) == (3040, False, True)


def test_a_client_that_leaves_the_queue_makes_room_for_the_next() -> None:
    """Its place in the line is gone, and it is no refusal of the service."""

    async def play() -> str:
        world = World()
        world.knobs.change("capacity.concurrency", 1)
        first, cancel = await world.open(), Cancel()
        leaving = asyncio.create_task(world.open(cancel=cancel))
        staying = asyncio.create_task(world.open())
        await settle()
        cancel.requested = True
        await settle()
        with pytest.raises(ClientGoneError):
            leaving.result()
        await first.aclose()
        await settle()
        assert staying.done()
        await staying.result().aclose()
        return "ok"

    assert asyncio.run(play()) == "ok"


def test_spill_goes_to_a_free_replica_and_finds_it_cold() -> None:
    """Without the knob the call would wait for the replica of its affinity value."""

    async def play(*, spill: bool) -> tuple[bool, int]:
        world = World(replica_count=2)
        world.knobs.change("capacity.concurrency", 1)
        world.knobs.change("capacity.spill", spill)
        text = "The same long prefix for both of them. " * 20
        first, meter = await world.open(text), Meter()
        second = asyncio.create_task(world.open(text, meter=meter))
        await settle()
        is_open = second.done()
        await first.aclose()
        await (await second).aclose()
        return is_open, meter.cached_input_tokens

    is_open, cached = asyncio.run(play(spill=True))
    assert (is_open, cached) == (True, 0)
    is_open, cached = asyncio.run(play(spill=False))
    assert not is_open
    assert cached > 0


def _warm_then(*steps: tuple[str, object]) -> int:
    """Cached tokens of the second of two equal calls, with something in between."""

    async def play() -> int:
        world = World(replica_count=1)
        text = "A prefix that is long enough to fill some blocks. " * 10
        await (await world.open(text)).aclose()
        for name, value in steps:
            if name == "wait":
                await world.time.move_to(world.time.at + float(str(value)))
            elif name == "restart":
                world.service.restart_replica(0)
            else:
                world.knobs.change(name, value)
        meter = Meter()
        await (await world.open(text, meter=meter)).aclose()
        return meter.cached_input_tokens

    return asyncio.run(play())


@pytest.mark.parametrize(
    ("steps", "is_warm"),
    [
        ((), True),
        ((("restart", None),), False),
        ((("cache.idle_s", 60), ("wait", 59.0)), True),
        ((("cache.idle_s", 60), ("wait", 60.0)), False),
        ((("wait", 1e6),), True),
        ((("cache.capacity_blocks", 0),), False),
        ((("cache.block_tokens", 32),), False),
    ],
)
def test_the_prefix_cache_forgets_by_restart_size_and_idle_time(
    steps: Sequence[tuple[str, object]], is_warm: bool
) -> None:
    """And by nothing else."""
    assert (_warm_then(*steps) > 0) is is_warm


def test_an_unknown_replica_cannot_be_restarted() -> None:
    """There are as many as the knob says."""
    world = World(replica_count=2)
    with pytest.raises(ApiError) as error:
        world.service.restart_replica(2)
    assert error.value.status == 404
