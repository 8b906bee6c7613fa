"""What a pull tells whoever is watching. By default nobody is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class PullProgress:
    """How far a pull has come."""

    row_count: int
    """Rows read so far, committed or not."""
    committed_count: int
    expected_count: int | None
    """Rows that the source counted at the beginning; None where it does not count."""
    rows_per_s: float
    eta_s: float | None
    through: datetime | None
    """The end of the latest window that was committed."""


class PullWatcher(Protocol):
    """Anything that can be told how a pull goes."""

    def progress(self, progress: PullProgress) -> None:
        """Called after every window."""
        ...

    def say(self, text: str) -> None:
        """A line for people: what was chosen, what is waited for."""
        ...


class NobodyWatches:
    """The watcher that tells nobody."""

    def progress(self, progress: PullProgress) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""


class Speed:
    """Rows per second of the whole pull, and how long the rest takes at that speed."""

    def __init__(self, started: float, expected: int | None) -> None:
        """`started` is on the monotonic clock."""
        self._started = started
        self.expected = expected
        self.rows = 0

    def at(self, now: float) -> tuple[float, float | None]:
        """Rows per second, and seconds to go; None where the end is not known."""
        elapsed = now - self._started
        rate = self.rows / elapsed if elapsed > 0 else 0.0
        if self.expected is None or rate <= 0:
            return rate, None
        return rate, max(0.0, (self.expected - self.rows) / rate)
