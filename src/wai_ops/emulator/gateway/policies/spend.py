"""What each budget of the policies has spent in its running calendar periods."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from wai_ops.emulator.gateway.policies.engine import Bucket
from wai_ops.emulator.gateway.policies.periods import Period, period_key
from wai_ops.emulator.gateway.windows import Delayed

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Booking:
    """A cost that is not seen yet, with the periods in which its call finished."""

    bucket_ids: tuple[str, ...]
    period_keys: tuple[str, ...]
    amount: Decimal


class PolicySpend:
    """The counters of one gateway's policies.

    Every budget is counted in all four periods, so that a cap for another period finds its past.
    """

    def __init__(self) -> None:
        """Nothing is spent."""
        self._amounts: dict[str, dict[str, Decimal]] = {}
        """Period key -> bucket id -> dollars: an ended period is forgotten as a whole."""
        self._delayed: Delayed[_Booking] = Delayed()

    def spent(self, bucket_id: str, period: str, now: datetime) -> Decimal:
        """Dollars of one budget in one period, as far as they are seen by now."""
        for booking in self._delayed.take_due(now):
            self._book(booking)
        return self._amounts.get(period, {}).get(bucket_id, _ZERO)

    def settle(
        self,
        buckets: Iterable[Bucket],
        cost_usd: Decimal | None,
        now: datetime,
        *,
        delay_s: float = 0.0,
    ) -> None:
        """Count a finished call in the periods that run now; it is seen `delay_s` later.

        An unknown cost counts nothing.
        """
        bucket_ids = tuple(bucket.id for bucket in buckets)
        if cost_usd is None or cost_usd <= 0 or not bucket_ids:
            return
        running = tuple(period_key(period, now) for period in Period)
        for ended in self._amounts.keys() - set(running):
            del self._amounts[ended]
        booking = _Booking(bucket_ids, running, cost_usd)
        if delay_s > 0:
            self._delayed.add(booking, now + timedelta(seconds=delay_s))
        else:
            self._book(booking)

    def snapshot(self) -> list[list[Any]]:
        """All counters as JSON can hold them. What is still delayed is taken as seen."""
        copy = PolicySpend()
        copy.restore(self._rows())
        for booking in self._delayed.waiting():
            copy._book(booking)
        return copy._rows()

    def restore(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take back what `snapshot` gave, in place of what is counted now."""
        self._delayed = Delayed()
        self._amounts = {}
        for period, bucket_id, amount in rows:
            self._amounts.setdefault(period, {})[bucket_id] = Decimal(amount)

    def _rows(self) -> list[list[Any]]:
        return [
            [period, bucket_id, str(amount)]
            for period, amounts in self._amounts.items()
            for bucket_id, amount in amounts.items()
        ]

    def _book(self, booking: _Booking) -> None:
        for period in booking.period_keys:
            amounts = self._amounts.setdefault(period, {})
            for bucket_id in booking.bucket_ids:
                amounts[bucket_id] = amounts.get(bucket_id, _ZERO) + booking.amount
