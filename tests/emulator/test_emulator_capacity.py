"""Places on a replica: never too many, first come first served, and nobody is lost."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.manual_time import ManualTime, settle
from wai_ops.emulator.answers import ClientGoneError
from wai_ops.emulator.backends.base import Cancel
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.knobs import Capacity
from wai_ops.emulator.model.capacity import Bounds, Line, Place
from wai_ops.emulator.model.desk import Desk

LIMITS = st.none() | st.integers(1, 4)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "arrive_now", "leave", "give_up", "adjust"]),
        st.integers(0, 30),
        LIMITS,
        st.none() | st.integers(0, 3),
    ),
    max_size=60,
)


@given(LIMITS, st.none() | st.integers(0, 3), STEPS)
def test_a_line_never_runs_too_many_keeps_the_order_and_loses_nobody(
    concurrency: int | None,
    length: int | None,
    steps: list[tuple[str, int, int | None, int | None]],
) -> None:
    """Checked against plain lists after every step, with bounds that change meanwhile."""
    line: Line[int] = Line(Bounds(concurrency, length))
    running: list[int] = []
    waiting: list[int] = []
    numbers = itertools.count()

    def start(admitted: list[int]) -> None:
        assert admitted == waiting[: len(admitted)]
        del waiting[: len(admitted)]
        running.extend(admitted)

    for kind, pick, new_concurrency, new_length in steps:
        if kind in ("arrive", "arrive_now"):
            ticket = next(numbers)
            free = not waiting and (concurrency is None or len(running) < concurrency)
            place = line.arrive(ticket, may_wait=kind == "arrive")
            if free:
                assert place is Place.RUNS
                running.append(ticket)
            elif kind == "arrive" and (length is None or len(waiting) < length):
                assert place is Place.WAITS
                waiting.append(ticket)
            else:
                assert place is Place.REFUSED
        elif kind == "leave" and running:
            running.pop(pick % len(running))
            start(line.leave())
        elif kind == "give_up" and waiting:
            ticket = waiting.pop(pick % len(waiting))
            assert line.give_up(ticket)
            assert not line.give_up(ticket)
        elif kind == "adjust":
            concurrency, length = new_concurrency, new_length
            start(line.adjust(Bounds(concurrency, length)))
        assert (line.running, line.waiting) == (len(running), len(waiting))
        # Nobody waits beside a free place.
        assert not waiting or (concurrency is not None and len(running) >= concurrency)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "finish", "client_leaves", "task_cancelled", "time"]),
        st.integers(0, 20),
    ),
    max_size=40,
)


@given(st.integers(1, 3), ACTIONS)
def test_no_place_is_lost_however_calls_end(limit: int, actions: list[tuple[str, int]]) -> None:
    """Clients leave, tasks are cancelled and waits run out; in the end all places are free."""
    asyncio.run(_play(limit, actions))


class _Crowd:
    """Calls that come and go on one replica, and watch that there are never too many inside."""

    def __init__(self, limit: int) -> None:
        self.time = ManualTime()
        capacity = Capacity(concurrency=limit, queue_length=4, queue_wait_ms=1000.0)
        self.desk = Desk(capacity, clock=self.time, alarm=self.time.alarm)
        self.inside = 0
        self._limit = limit

    async def call(self, cancel: Cancel, finish: asyncio.Event) -> str:
        try:
            leave = await self.desk.enter(("model", 0), may_wait=True, cancel=cancel)
        except ApiError as error:
            return str(error.code)
        except ClientGoneError:
            return "gone"
        try:
            self.inside += 1
            assert self.inside <= self._limit
            await finish.wait()
        finally:
            self.inside -= 1
            leave()
            leave()  # harmless
        return "done"


async def _play(limit: int, actions: list[tuple[str, int]]) -> None:
    crowd = _Crowd(limit)
    time = crowd.time
    calls: list[tuple[asyncio.Task[str], Cancel, asyncio.Event]] = []
    for kind, pick in actions:
        if kind == "arrive":
            cancel, finish = Cancel(), asyncio.Event()
            calls.append((asyncio.create_task(crowd.call(cancel, finish)), cancel, finish))
        elif kind == "time":
            await time.move_to(time.at + pick / 10)
        elif calls:
            task, cancel, finish = calls[pick % len(calls)]
            if kind == "finish":
                finish.set()
            elif kind == "client_leaves":
                cancel.requested = True
            else:
                task.cancel()
        if pick % 2:
            await settle()  # else the next thing happens before anybody could react
    for _, _, finish in calls:
        finish.set()
    await time.move_to(time.at + 10)
    outcomes = await asyncio.gather(*(task for task, _, _ in calls), return_exceptions=True)
    wrong = [item for item in outcomes if isinstance(item, AssertionError)]
    assert not wrong
    assert all(load.running == load.waiting == 0 for load in crowd.desk.loads().values())
    assert crowd.inside == time.pending == 0


def test_saturation_is_3040_at_once_when_the_queue_is_full_or_refused() -> None:
    """The queue's length, the longest wait and the request's own wish each end in 3040."""

    async def play() -> list[object]:
        time = ManualTime()
        desk = Desk(
            Capacity(concurrency=1, queue_length=1, queue_wait_ms=500.0),
            clock=time,
            alarm=time.alarm,
        )
        key = ("model", 0)
        leave = await desk.enter(key, may_wait=True, cancel=Cancel())
        waiter = asyncio.create_task(desk.enter(key, may_wait=True, cancel=Cancel()))
        await settle()
        codes: list[object] = []
        for may_wait in (True, False):
            with pytest.raises(ApiError) as refused:
                await desk.enter(key, may_wait=may_wait, cancel=Cancel())
            codes.append((refused.value.status, refused.value.code))
        await time.move_to(0.499)
        codes.append(waiter.done())
        await time.move_to(0.5)
        error = waiter.exception()
        assert isinstance(error, ApiError)
        codes.append((error.status, error.code))
        leave()
        return codes

    assert asyncio.run(play()) == [(429, 3040), (429, 3040), False, (429, 3040)]


def test_more_concurrency_at_run_time_lets_the_first_ones_in() -> None:
    """Whoever waits need not wait for an end when the knob is opened."""

    async def play() -> tuple[list[bool], list[bool]]:
        time = ManualTime()
        desk = Desk(Capacity(concurrency=1), clock=time, alarm=time.alarm)
        tasks = [
            asyncio.create_task(desk.enter(("m", 0), may_wait=True, cancel=Cancel()))
            for _ in range(4)
        ]
        await settle()
        before = [task.done() for task in tasks]
        desk.adjust(Capacity(concurrency=3))
        await settle()
        after = [task.done() for task in tasks]
        desk.adjust(Capacity())
        for task in tasks:
            (await task)()
        return before, after

    assert asyncio.run(play()) == (
        [True, False, False, False],
        [True, True, True, False],
    )
