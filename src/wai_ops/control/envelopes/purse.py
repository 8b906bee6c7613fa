"""The purse that all processes share: room is looked for and taken in one transaction.

When the room that is missing is held by calls in flight, whoever asks may wait a while for it:
most of them cost less than was set aside for them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from wai_ops.core.clock import Clock
from wai_ops.state.live import LiveState
from wai_ops.state.owner import is_alive
from wai_ops.state.reservations import (
    Budget,
    Shortage,
    balance_of,
    list_reservations,
    reserve,
)

T = TypeVar("T")
POLL_S = 0.05
"""How often room is looked for: a look is one short transaction."""
LONGEST_POLL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a call sets aside, and where."""

    reservation_id: str
    run_id: str
    amount_usd: Decimal
    budgets: Sequence[Budget]


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """The room is taken; `value` is what was done with it in the same transaction."""

    value: T
    short: Shortage | None
    """The room that there was not, in a budget that is not enforced."""


class SharedPurse:
    """Takes room in budgets. One for each process."""

    def __init__(self, live: LiveState, clock: Clock, *, wait_s: float) -> None:
        """`wait_s`: how long calls in flight are waited for."""
        self._live = live
        self._clock = clock
        self._wait_s = wait_s

    def take(
        self, plan: Callable[[], Want | None], then: Callable[[], T]
    ) -> Taken[T] | Shortage | None:
        """Plan, take the room and do what follows from it, all in one transaction.

        Nothing is changed when there is no room, or when `plan` gives None.
        """
        with self._live.write():
            want = plan()
            if want is None:
                return None
            short = reserve(
                self._live,
                want.budgets,
                want.amount_usd,
                reservation_id=want.reservation_id,
                run_id=want.run_id,
                now=self._clock.now(),
            )
            if short is not None and short.is_enforced:
                return short
            return Taken(then(), short)

    def take_in_time(
        self,
        plan: Callable[[], Want | None],
        then: Callable[[], T],
        waiting: Callable[[Shortage], None] = lambda _: None,
    ) -> Taken[T] | Shortage | None:
        """The same, waiting for calls in flight that hold the room; `waiting` is told once.

        A shortage that comes back is one that waiting did not, or could not, help.
        """
        until = self._clock.monotonic() + self._wait_s
        is_told = False
        while True:
            found = self.take(plan, then)
            if not isinstance(found, Shortage) or not self._may_clear(found):
                return found
            if self._clock.monotonic() >= until:
                return found
            if not is_told:
                waiting(found)
                is_told = True
            self._wait_for(found, until)

    def _wait_for(self, short: Shortage, until: float) -> None:
        """Wait until there is room, until there cannot be, or until the time is over.

        This only reads, so that many who wait do not keep those from writing that they wait for.
        """
        pause_s = POLL_S
        budget = Budget(
            key=short.balance.key,
            limit_usd=short.balance.limit_usd,
            window_start=short.balance.window_start,
        )
        while True:
            left = until - self._clock.monotonic()
            if left <= 0:
                return
            self._clock.sleep(min(pause_s, left))
            pause_s = min(pause_s * 1.5, LONGEST_POLL_S)
            balance = balance_of(self._live, budget)
            now = Shortage(balance=balance, needed_usd=short.needed_usd)
            if balance.remaining_usd >= short.needed_usd or not self._may_clear(now):
                return

    def _may_clear(self, short: Shortage) -> bool:
        """Whether somebody who is still at work holds the room."""
        if not short.may_clear:
            return False
        window = short.balance.window_start
        return any(
            is_alive(item.owner)
            for item in list_reservations(self._live)
            if item.state == "open"
            and (item.budget_key, item.window_start) == (short.balance.key, window)
        )
