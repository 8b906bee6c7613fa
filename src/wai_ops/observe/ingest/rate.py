"""The account's request limit, shared politely: one gate for all threads of a pull.

The API allows 1,200 requests in 5 minutes to *everything* that a user does, and whoever passes that
is locked out for the next 5. So a pull takes a share: a bucket of tokens that never gives more than
the share in any 5 minutes, whatever the moment they begin at.
"""

import threading
from collections.abc import Callable
from decimal import Decimal

from wai_ops.core.clock import Clock

API_REQUESTS = 1200
API_WINDOW_S = 300.0
_BURST_RATIO = 0.05
"""Of the share: what may go out at once after a rest."""
_RESERVE = 20
"""Requests of the whole limit that are left to others, whatever the share is."""

_WORTH_TELLING_S, _QUIET_S = 1.0, 15.0
"""A pause that is shorter goes by unnoticed; and nobody wants to read of every one."""


class Stopped(Exception):  # noqa: N818 - it names what happened
    """The pull was told to stop while it waited."""


class RateGate:
    """Lets requests through at `share` of the limit; None: as fast as they come."""

    def __init__(
        self,
        clock: Clock,
        share: Decimal | None,
        *,
        rest: Callable[[float], None] | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        """Begin with a full bucket. `rest` waits for seconds: the clock's own sleep, or `Halt`'s.

        `on_wait` is told, in words, when the API itself closed the gate, and when somebody waits
        because a request failed: of many such waits now and then.
        """
        self._clock = clock
        self._rest = clock.sleep if rest is None else rest
        self._on_wait = on_wait
        self._lock = threading.Lock()
        self._closed_until = self._quiet_until = clock.monotonic()
        total = None if share is None else float(share) * API_REQUESTS
        self._burst = 1.0 if total is None else max(1.0, total * _BURST_RATIO)
        # Burst and refill together never pass the share, in any window of the limit's length.
        self._per_s = None if total is None else max(total - self._burst, 0.5) / API_WINDOW_S
        self._tokens = self._burst
        self._filled_at = clock.monotonic()

    def enter(self) -> None:
        """Wait until one more request may be sent, and count it."""
        while True:
            with self._lock:
                wait_s = self._wait_s()
                if wait_s <= 0:
                    self._tokens -= 1
                    return
            self._rest(wait_s)

    def close(self, seconds: float) -> None:
        """Let nobody through for so long."""
        with self._lock:
            until = self._clock.monotonic() + seconds
            is_news = until > self._closed_until + 1
            self._closed_until = max(self._closed_until, until)
        if is_news and self._on_wait is not None:
            self._on_wait(f"the API asks to wait {seconds:.0f} s (its rate limit)")

    def pause(self, seconds: float, why: str) -> None:
        """Keep this caller alone waiting."""
        with self._lock:
            now = self._clock.monotonic()
            is_news = seconds >= _WORTH_TELLING_S and now >= self._quiet_until
            if is_news:
                self._quiet_until = now + _QUIET_S
        if is_news and self._on_wait is not None:
            self._on_wait(f"{why}; trying again")
        self._rest(seconds)

    def hear(self, remaining: int, reset_s: float) -> None:
        """Stop before the limit is passed: others who use it up would be locked out as well."""
        if self._per_s is not None and remaining < _RESERVE:
            self.close(min(reset_s, API_WINDOW_S))

    def _wait_s(self) -> float:
        now = self._clock.monotonic()
        if now < self._closed_until:
            return self._closed_until - now
        if self._per_s is None:
            self._tokens = self._burst
            return 0.0
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_s)
        self._filled_at = now
        # A hair less than one token is one: the arithmetic is in floats.
        return 0.0 if self._tokens >= 1 - 1e-9 else (1 - self._tokens) / self._per_s


class Halt:
    """A switch that ends every wait. For the real clock only: it waits by itself."""

    def __init__(self) -> None:
        """Not thrown yet."""
        self._event = threading.Event()

    @property
    def is_thrown(self) -> bool:
        """Whether work is to end."""
        return self._event.is_set()

    def throw(self) -> None:
        """End all waits, now and later."""
        self._event.set()

    def rest(self, seconds: float) -> None:
        """Wait. Raises Stopped as soon as the switch is thrown."""
        if self._event.wait(seconds):
            raise Stopped
