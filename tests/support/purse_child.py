"""One of many processes that spend from one budget: `python purse_child.py KIND STATE_DIR ...`.

It waits for the end of its standard input, then takes what it can, "spends" a part of it and says
what it spent in all. KIND is `shared`, or `check-then-add`: the mutant that the tests must catch.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TypeVar

from wai_ops.control.envelopes.purse import SharedPurse, Taken, Want
from wai_ops.core.clock import SystemClock
from wai_ops.core.ids import uuid7
from wai_ops.state.live import LiveState
from wai_ops.state.reservations import Budget, Shortage, balance_of, reserve, settle

T = TypeVar("T")
BUDGET = Budget(key="shared", limit_usd=Decimal("0.01"))
AMOUNT = Decimal("0.001")


class CheckThenAdd(SharedPurse):
    """Wrong on purpose: looks for room first, and takes it in a transaction of its own."""

    def take(
        self, plan: Callable[[], Want | None], then: Callable[[], T]
    ) -> Taken[T] | Shortage | None:
        want = plan()
        if want is None:
            return None
        for budget in want.budgets:
            balance = balance_of(self._live, budget)
            if balance.remaining_usd < want.amount_usd:
                return Shortage(balance=balance, needed_usd=want.amount_usd)
        with self._live.write():
            reserve(
                self._live,
                [replace(budget, is_enforced=False) for budget in want.budgets],
                want.amount_usd,
                reservation_id=want.reservation_id,
                run_id=want.run_id,
                now=self._clock.now(),
            )
            return Taken(then(), None)


def _same(want: Want) -> Want:
    return want


KINDS = {"shared": SharedPurse, "check-then-add": CheckThenAdd}


def spend(kind: str, state_dir: Path, count: int, wait_s: float) -> Decimal:
    """Take and settle `count` times; return what was spent."""
    clock, spent = SystemClock(), Decimal(0)
    with LiveState.open(state_dir, clock=clock) as live:
        purse = KINDS[kind](live, clock, wait_s=wait_s)
        for number in range(count):
            name = uuid7(clock.now())
            want = Want(reservation_id=name, run_id=name, amount_usd=AMOUNT, budgets=[BUDGET])
            taken = purse.take_in_time(partial(_same, want), str)
            if not isinstance(taken, Taken):
                continue
            charged = AMOUNT if number % 2 else AMOUNT / 2
            spent += charged
            with live.write():
                settle(live, name, charged, now=clock.now())
    return spent


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    sys.stdout.write(f"{spend(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), 20.0)}\n")
