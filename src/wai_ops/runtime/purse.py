"""A ceiling in dollars that many calls share: each reserves its worst case before it is sent."""

import threading
from decimal import Decimal


class Purse:
    """Never lets out more than the ceiling, whatever is in flight."""

    def __init__(self, ceiling_usd: Decimal, *, spent_usd: Decimal) -> None:
        """Begin with what was spent before."""
        self.ceiling_usd = ceiling_usd
        self._spent = spent_usd
        self._held = Decimal(0)
        self._changed = threading.Condition()
        self._is_shut = False

    @property
    def spent_usd(self) -> Decimal:
        """What was spent, without what is in flight."""
        with self._changed:
            return self._spent

    def reserve(self, worst_usd: Decimal) -> bool:
        """Hold the worst case of a call, waiting for others to end if that may make room.

        False: it does not fit, or the purse is shut; then nothing may be sent.
        """
        with self._changed:
            while True:
                if self._is_shut:
                    return False
                if self._spent + self._held + worst_usd <= self.ceiling_usd:
                    self._held += worst_usd
                    return True
                if self._held == 0:
                    return False
                self._changed.wait()

    def settle(self, worst_usd: Decimal, charged_usd: Decimal) -> None:
        """Put what was really spent in place of the reservation."""
        with self._changed:
            self._held -= worst_usd
            self._spent += charged_usd
            self._changed.notify_all()

    def shut(self) -> None:
        """Let nothing out any more."""
        with self._changed:
            self._is_shut = True
            self._changed.notify_all()
