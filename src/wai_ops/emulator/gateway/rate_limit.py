"""The gateway's rate limit: so many requests an interval, fixed or sliding. In memory."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Window:
    number: int = -1
    count: int = 0
    times: deque[float] = field(default_factory=deque)


class RateLimits:
    """One counter a gateway. What is refused does not count."""

    def __init__(self) -> None:
        """Nothing has been counted."""
        self._windows: dict[str, _Window] = {}

    def admit(
        self,
        gateway_id: str,
        *,
        limit: int | None,
        interval_s: int | None,
        technique: str,
        at: float,
    ) -> bool:
        """Count one request at `at` (Unix seconds). False: it is over the limit.

        `fixed` intervals begin at whole multiples of their length. `sliding` looks back exactly
        one interval. A limit or interval of 0 or None is no limit.
        """
        if not limit or not interval_s:
            return True
        window = self._windows.setdefault(gateway_id, _Window())
        if technique == "sliding":
            while window.times and window.times[0] <= at - interval_s:
                window.times.popleft()
            if len(window.times) >= limit:
                return False
            window.times.append(at)
            return True
        number = int(at // interval_s)
        if window.number != number:
            window.number, window.count = number, 0
        if window.count >= limit:
            return False
        window.count += 1
        return True
