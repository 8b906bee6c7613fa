"""The limit on all requests of a user to the REST API."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime

from wai_ops.core.clock import Clock
from wai_ops.emulator.errors import ApiError

_CODE = 10100
"""Seen in answers of the real API."""


class ApiRate:
    """Counts in windows that follow one another; whoever passes the limit is blocked for one."""

    def __init__(self) -> None:
        """Nobody has asked anything."""
        self._ends_at: datetime | None = None
        self._count = 0
        self._blocked_until: datetime | None = None

    def count(self, limit: int, window_s: float, clock: Clock) -> Mapping[str, str]:
        """Count a request. Returns headers for its answer; raises 429/10100 with headers."""
        now, window = clock.now(), timedelta(seconds=window_s)
        if self._blocked_until is not None:
            if now < self._blocked_until:
                raise _refusal(limit, window_s, self._blocked_until, now)
            self._blocked_until = None
        if self._ends_at is None or now >= self._ends_at:
            self._ends_at, self._count = now + window, 0
        self._count += 1
        if self._count > limit:
            self._blocked_until, self._ends_at = now + window, None
            raise _refusal(limit, window_s, self._blocked_until, now)
        return _headers(limit, limit - self._count, self._ends_at)


def _refusal(limit: int, window_s: float, until: datetime, now: datetime) -> ApiError:
    error = ApiError(
        429,
        _CODE,
        f"More than {limit} requests per {window_s:.0f} seconds reached. "
        "Please wait and consider throttling your request speed",
    )
    wait_s = max(1, math.ceil((until - now).total_seconds()))
    error.headers = {**_headers(limit, 0, until), "retry-after": str(wait_s)}
    return error


def _headers(limit: int, remaining: int, reset: datetime) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": format_datetime(reset, usegmt=True),
    }
