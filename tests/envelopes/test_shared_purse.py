"""Room is looked for and taken in one transaction, so that many processes never overspend."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from support import purse_child
from support.facts import NOON, ManualClock
from support.purse_child import AMOUNT, BUDGET, CheckThenAdd
from wai_ops.control.envelopes.purse import SharedPurse, Taken, Want
from wai_ops.core.clock import SystemClock
from wai_ops.state.live import LiveState
from wai_ops.state.reservations import (
    Budget,
    Shortage,
    balance_of,
    list_reservations,
    settle,
)

CENT = Decimal("0.01")


@dataclass
class BusyClock(ManualClock):
    """A clock on which something happens whenever somebody sleeps."""

    happens: Callable[[], None] = field(default=lambda: None)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.happens()


def want(name: str, amount: Decimal, limit: Decimal = CENT) -> Want:
    """What one call sets aside."""
    budget = Budget(key="k", limit_usd=limit)
    return Want(reservation_id=name, run_id=name, amount_usd=amount, budgets=[budget])


def take(live: LiveState, purse: SharedPurse, name: str, amount: Decimal) -> object:
    """Take without doing anything else."""
    return purse.take_in_time(lambda: want(name, amount), lambda: name)


def test_what_is_missing_for_good_is_refused_at_once(tmp_path: Path) -> None:
    clock = ManualClock()
    with LiveState.open(tmp_path, clock=clock) as live:
        purse = SharedPurse(live, clock, wait_s=60)
        found = take(live, purse, "a", CENT * 2)
        assert isinstance(found, Shortage)
        assert clock.elapsed == 0
        assert list_reservations(live) == []


def test_a_call_waits_for_money_that_is_in_flight_and_gets_it(tmp_path: Path) -> None:
    clock = BusyClock()
    told: list[Shortage] = []
    with LiveState.open(tmp_path, clock=clock) as live:
        purse = SharedPurse(live, clock, wait_s=5)
        assert isinstance(take(live, purse, "a", CENT), Taken)

        def end_soon() -> None:
            if clock.elapsed > 1:
                with live.write():
                    settle(live, "a", CENT / 4, now=NOON)

        clock.happens = end_soon
        found = purse.take_in_time(lambda: want("b", CENT / 2), lambda: "b", told.append)
        assert isinstance(found, Taken)
        assert 1 < clock.elapsed < 5
        assert len(told) == 1, "whoever waits is told once"


def test_waiting_ends_when_the_time_is_over(tmp_path: Path) -> None:
    clock = ManualClock()
    with LiveState.open(tmp_path, clock=clock) as live:
        purse = SharedPurse(live, clock, wait_s=5)
        take(live, purse, "a", CENT)
        found = take(live, purse, "b", CENT / 2)
        assert isinstance(found, Shortage)
        assert found.may_clear
        assert clock.elapsed == pytest.approx(5)


def test_nobody_waits_for_the_dead(tmp_path: Path) -> None:
    clock = ManualClock()
    with LiveState.open(tmp_path, clock=clock) as live:
        purse = SharedPurse(live, clock, wait_s=60)
        ours = live.owner
        live.owner = ours.rpartition("/")[0] + "/1"  # a process that began at another time
        take(live, purse, "a", CENT)
        live.owner = ours
        assert isinstance(take(live, purse, "b", CENT / 2), Shortage)
        assert clock.elapsed == 0


def test_waiting_ends_as_soon_as_it_cannot_help_any_more(tmp_path: Path) -> None:
    clock = BusyClock()
    with LiveState.open(tmp_path, clock=clock) as live:
        purse = SharedPurse(live, clock, wait_s=60)
        take(live, purse, "a", CENT)

        def lose_the_price() -> None:
            with live.write():
                settle(live, "a", None, now=NOON)

        clock.happens = lose_the_price
        assert isinstance(take(live, purse, "b", CENT / 2), Shortage)
        assert clock.elapsed < 1


def test_a_failure_after_the_room_was_taken_gives_it_back(tmp_path: Path) -> None:
    def fail() -> None:
        raise RuntimeError("half way")

    clock = ManualClock()
    with LiveState.open(tmp_path, clock=clock) as live:
        purse = SharedPurse(live, clock, wait_s=0)
        with pytest.raises(RuntimeError, match="half way"):
            purse.take(lambda: want("a", CENT), fail)
        assert list_reservations(live) == []


def test_what_is_counted_without_being_enforced_says_what_was_missing(tmp_path: Path) -> None:
    clock = ManualClock()
    budget = Budget(key="k", limit_usd=CENT, is_enforced=False)
    with LiveState.open(tmp_path, clock=clock) as live:
        purse = SharedPurse(live, clock, wait_s=60)
        asked = Want(
            reservation_id="a",
            run_id="a",
            amount_usd=CENT * 2,
            budgets=[budget],
        )
        found = purse.take_in_time(lambda: asked, lambda: "a")
        assert isinstance(found, Taken)
        assert found.short is not None
        assert balance_of(live, budget).open_usd == CENT * 2
        assert clock.elapsed == 0


def taken_by_two(folder: Path, purse_type: type[SharedPurse]) -> int:
    """How many of two callers get all the money, when one comes just before the other writes."""
    clock = SystemClock()
    with LiveState.open(folder, clock=clock) as live, LiveState.open(folder, clock=clock) as other:
        found: list[object] = []
        write = live.write

        def write_late() -> AbstractContextManager[None]:
            found.append(take(other, purse_type(other, clock, wait_s=0), "b", CENT))
            return write()

        live.write = write_late  # type: ignore[method-assign, assignment]
        found.append(take(live, purse_type(live, clock, wait_s=0), "a", CENT))
        return sum(isinstance(item, Taken) for item in found)


def test_whoever_comes_between_two_steps_finds_no_gap(tmp_path: Path) -> None:
    assert taken_by_two(tmp_path, SharedPurse) == 1


def test_looking_first_and_taking_later_is_caught_by_the_same_test(tmp_path: Path) -> None:
    """The mutant: it spends the money twice."""
    assert taken_by_two(tmp_path, CheckThenAdd) == 2


def released_together(kind: str, state_dir: Path, processes: int, count: int) -> Decimal:
    """Start processes, let them all go at once, and add up what each says it spent."""
    LiveState.open(state_dir, clock=SystemClock()).close()
    script = purse_child.__file__
    started = [
        subprocess.Popen(
            [sys.executable, script, kind, str(state_dir), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    total = Decimal(0)
    for process in started:
        assert process.stdout is not None
        total += Decimal(process.stdout.read())
        assert process.wait() == 0
        process.stdout.close()
    return total


def test_processes_released_together_spend_all_but_the_last_call_and_never_more(
    tmp_path: Path,
) -> None:
    """16 processes want 4 calls each, of a budget that fits 10 worst cases."""
    spent = released_together("shared", tmp_path, processes=16, count=4)
    with LiveState.open(tmp_path, clock=SystemClock()) as live:
        balance = balance_of(live, BUDGET)
    assert spent == balance.spent_usd
    assert balance.reserved_usd == 0
    assert BUDGET.limit_usd - AMOUNT < spent <= BUDGET.limit_usd
