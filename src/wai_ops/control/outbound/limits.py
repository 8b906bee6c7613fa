"""How long an outbound request may take, how much it may bring back, and what went wrong."""

from dataclasses import dataclass

from wai_ops.core.clock import Clock
from wai_ops.core.failures import FailureClass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one `send`, all its hops together where nothing else is said. Times in seconds."""

    resolve_s: float = 5
    """To resolve the name; for each hop."""
    connect_s: float = 5
    """To connect, TLS included; for each hop."""
    read_s: float = 15
    """The longest pause, while sending or while reading."""
    total_s: float = 30
    max_bytes: int = MIB
    """The most of a body that is kept, counted as it arrives and after decoding."""
    max_redirects: int = 5
    """0: a redirect is an answer like any other."""

    @property
    def max_wire_bytes(self) -> int:
        """The most that is read from the socket: chunks of one byte cost six."""
        return 8 * self.max_bytes + MIB


class OutboundFailure(Exception):  # noqa: N818 - it says what happened
    """A request that was permitted and did not succeed; becomes part of the result."""

    def __init__(self, failure: FailureClass, message: str) -> None:
        """Keep the class and the words."""
        super().__init__(message)
        self.failure = failure
        self.message = message


class Deadline:
    """The time that is left of a whole `send`."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        """Start the clock."""
        self._clock = clock
        self._total_s = limits.total_s
        self._ends_at = clock.monotonic() + limits.total_s

    def left(self, limit_s: float) -> float:
        """The smaller of `limit_s` and what is left, in seconds. Raises OutboundFailure at none."""
        left = self._ends_at - self._clock.monotonic()
        if left <= 0:
            raise self.passed()
        return min(limit_s, left)

    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self._clock.monotonic() >= self._ends_at

    def passed(self) -> OutboundFailure:
        """The failure of a send that took too long."""
        return OutboundFailure(
            FailureClass.TIMEOUT_TOTAL, f"not complete after {self._total_s:g} s"
        )
