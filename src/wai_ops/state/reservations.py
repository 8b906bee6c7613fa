"""Money set aside in live state: what is spent and what is reserved never pass a budget's limit.

A call reserves its worst case in all its budgets or in none, in the transaction that announces it.
When it ends, what it was charged takes the place of the reservation; where nobody knows, the whole
reservation counts as spent until somebody does. A process that dies leaves its reservations behind
(`LiveState.reconcile` marks them as unknown).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from wai_ops.core.clock import parse_utc, to_utc_text
from wai_ops.core.errors import DataError
from wai_ops.state.live import LiveState

PICO = 10**12
"""Picodollars in a dollar."""
MOST_PICO = 2**63 - 1
"""What a column holds: about nine million dollars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A ceiling in dollars, and the time from which on it counts; None: for ever."""

    key: str
    limit_usd: Decimal
    window_start: datetime | None = None
    is_enforced: bool = True
    """False: what passes it is counted and said, and not kept from being sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """How a budget stands."""

    key: str
    window_start: datetime | None
    limit_usd: Decimal
    spent_usd: Decimal
    open_usd: Decimal
    """Reserved by calls in flight."""
    unknown_usd: Decimal
    """Reserved by calls that ended, or whose process died, with nobody saying what they cost."""

    @property
    def reserved_usd(self) -> Decimal:
        """All that is set aside."""
        return self.open_usd + self.unknown_usd

    @property
    def remaining_usd(self) -> Decimal:
        """What may still be reserved; never below zero, even where a limit was lowered."""
        return max(Decimal(0), self.limit_usd - self.spent_usd - self.reserved_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """The first budget that lacks room, which is why a reservation was not made."""

    balance: Balance
    needed_usd: Decimal
    is_enforced: bool = True
    """False: it was made all the same, because the budget is only watched."""

    @property
    def may_clear(self) -> bool:
        """Whether there is room once the calls in flight cost nothing."""
        taken = self.balance.spent_usd + self.balance.unknown_usd
        return taken + self.needed_usd <= self.balance.limit_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What one call has set aside in one budget."""

    reservation_id: str
    """The id of the attempt."""
    budget_key: str
    window_start: datetime | None
    amount_usd: Decimal
    state: str
    """`open` or `unknown`."""
    owner: str
    run_id: str
    reserved_at: datetime


def reserve(
    live: LiveState,
    budgets: Sequence[Budget],
    amount_usd: Decimal,
    *,
    reservation_id: str,
    run_id: str,
    now: datetime,
) -> Shortage | None:
    """Set the amount aside in every budget, or say which one lacks room. Call in `write()`.

    The same key twice counts once, with the lower limit. Amounts are rounded up, limits down. A
    shortage of a budget that is not enforced is said, and the amount set aside.
    """
    if not live.is_writing:  # read first and written later, the same room is given away twice
        raise RuntimeError("money is set aside inside of a write() only")
    needed = to_pico(amount_usd)
    tightest: dict[tuple[str, str], Budget] = {}
    for budget in budgets:
        place = (budget.key, _window(budget.window_start))
        if place not in tightest or budget.limit_usd < tightest[place].limit_usd:
            tightest[place] = budget
    short = _shortage(live, tightest, needed)
    if short is not None and short.is_enforced:
        return short
    at = to_utc_text(now)
    for (key, window), budget in tightest.items():
        live.execute(
            "insert into budget (budget_key, window_start, limit_pico, changed_at) "
            "values (?, ?, ?, ?) on conflict (budget_key, window_start) "
            "do update set limit_pico = excluded.limit_pico, changed_at = excluded.changed_at",
            (key, window, _limit_pico(budget.limit_usd), at),
        )
        live.execute(
            "insert into reservation (reservation_id, budget_key, window_start, amount_pico, "
            "state, owner, run_id, reserved_at) values (?, ?, ?, ?, 'open', ?, ?, ?)",
            (reservation_id, key, window, needed, live.owner, run_id, at),
        )
    return short


def _shortage(
    live: LiveState, budgets: Mapping[tuple[str, str], Budget], needed: int
) -> Shortage | None:
    """The first shortage that counts, else the first one that is only watched."""
    watched = None
    for (key, window), budget in budgets.items():
        limit = _limit_pico(budget.limit_usd)
        standing = _standing(live, key, window)
        if sum(standing) + needed > limit:
            short = Shortage(
                balance=_balance(key, window, limit, standing),
                needed_usd=to_usd(needed),
                is_enforced=budget.is_enforced,
            )
            if budget.is_enforced:
                return short
            watched = watched or short
    return watched


def settle(
    live: LiveState, reservation_id: str, charged_usd: Decimal | None, *, now: datetime
) -> Decimal:
    """Put what was charged in place of a reservation; None: nobody knows. Call in `write()`.

    Returns by how much the charge passed what was reserved: zero unless the bound was none. A
    reservation that is not there (settled before) changes nothing.
    """
    if charged_usd is None:
        live.execute(
            "update reservation set state = 'unknown' where reservation_id = ?", (reservation_id,)
        )
        return Decimal(0)
    charged = to_pico(charged_usd)
    rows = live.execute(
        "delete from reservation where reservation_id = ? "
        "returning budget_key, window_start, amount_pico",
        (reservation_id,),
    ).fetchall()
    for key, window, _ in rows:
        live.execute(
            "update budget set spent_pico = spent_pico + ?, changed_at = ? "
            "where budget_key = ? and window_start = ?",
            (charged, to_utc_text(now), key, window),
        )
    over = max((charged - amount for _, _, amount in rows), default=0)
    return to_usd(max(0, over))


def release(live: LiveState, reservation_id: str, *, now: datetime) -> None:
    """Give a reservation back: nothing was charged. Call in `write()`."""
    settle(live, reservation_id, Decimal(0), now=now)


def balance_of(live: LiveState, budget: Budget) -> Balance:
    """How a budget stands, with the limit that is given; one nobody used has spent nothing."""
    window = _window(budget.window_start)
    standing = _standing(live, budget.key, window)
    return _balance(budget.key, window, _limit_pico(budget.limit_usd), standing)


def list_balances(live: LiveState) -> list[Balance]:
    """Every budget that was ever used, with the limit that its last call named, by key."""
    rows = live.execute(
        "select budget_key, window_start, limit_pico from budget order by budget_key, window_start"
    ).fetchall()
    return [
        _balance(key, window, limit, _standing(live, key, window)) for key, window, limit in rows
    ]


def list_reservations(live: LiveState) -> list[Reservation]:
    """Everything that is set aside, the oldest first."""
    rows = live.execute(
        "select reservation_id, budget_key, window_start, amount_pico, state, owner, run_id, "
        "reserved_at from reservation order by reserved_at, reservation_id, budget_key"
    )
    return [
        Reservation(
            reservation_id=reservation_id,
            budget_key=key,
            window_start=_window_start(window),
            amount_usd=to_usd(amount),
            state=state,
            owner=owner,
            run_id=run_id,
            reserved_at=parse_utc(reserved_at),
        )
        for (
            reservation_id,
            key,
            window,
            amount,
            state,
            owner,
            run_id,
            reserved_at,
        ) in rows.fetchall()
    ]


def to_pico(usd: Decimal) -> int:
    """Dollars as whole picodollars, rounded up. Raises DataError for what no column holds."""
    pico = int((usd * PICO).to_integral_value(ROUND_CEILING))
    if not 0 <= pico <= MOST_PICO:
        raise DataError(f"${usd:f} is no amount that can be set aside")
    return pico


def to_usd(pico: int) -> Decimal:
    """Whole picodollars as dollars."""
    return Decimal(pico).scaleb(-12)


def _limit_pico(usd: Decimal) -> int:
    return min(MOST_PICO, max(0, int((usd * PICO).to_integral_value(ROUND_FLOOR))))


def _standing(live: LiveState, key: str, window: str) -> tuple[int, int, int]:
    """Spent, in flight, unknown: picodollars."""
    row: Any = live.execute(
        "select coalesce((select spent_pico from budget "
        "where budget_key = ?1 and window_start = ?2), 0), "
        "coalesce(sum(amount_pico) filter (where state = 'open'), 0), "
        "coalesce(sum(amount_pico) filter (where state = 'unknown'), 0) "
        "from reservation where budget_key = ?1 and window_start = ?2",
        (key, window),
    ).fetchone()
    spent, held, unknown = row
    return int(spent), int(held), int(unknown)


def _balance(key: str, window: str, limit: int, standing: tuple[int, int, int]) -> Balance:
    spent, held, unknown = standing
    return Balance(
        key=key,
        window_start=_window_start(window),
        limit_usd=to_usd(limit),
        spent_usd=to_usd(spent),
        open_usd=to_usd(held),
        unknown_usd=to_usd(unknown),
    )


def _window(start: datetime | None) -> str:
    return "" if start is None else to_utc_text(start)


def _window_start(text: str) -> datetime | None:
    return parse_utc(text) if text else None
