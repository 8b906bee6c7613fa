"""How much may wait in memory before reading waits."""

import threading


class Room:
    """Counts what was read and is not yet committed. For several threads.

    Nobody knows how large a window is before it is read, so that whoever reads already may still
    add it: what waits is never more than `most` and one window a thread.
    """

    def __init__(self, most: int) -> None:
        """Let `most` wait, in whatever unit."""
        self._most = most
        self._taken = 0
        self._changed = threading.Condition()

    def wait(self, *, timeout_s: float) -> bool:
        """Whether there is any room left, at the latest after so long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._taken < self._most, timeout_s)

    def fill(self, amount: int) -> None:
        """Something was read."""
        with self._changed:
            self._taken += amount

    def clear(self, amount: int) -> None:
        """As much of it is committed."""
        with self._changed:
            self._taken -= amount
            self._changed.notify_all()
