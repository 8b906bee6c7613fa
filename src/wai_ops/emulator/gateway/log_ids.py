"""Ids of log rows: UUIDv7 that rise even within a millisecond, so that rows keep their order."""

import secrets
from datetime import UTC, datetime, timedelta

from wai_ops.core.ids import uuid7

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAIL = 19
"""Where the last two groups begin: two bits of variant, sixty-two of chance."""
_HIGHEST = 0xBFFF_FFFF_FFFF_FFFF


class LogIds:
    """One source a server."""

    def __init__(self) -> None:
        """None was given out."""
        self._last = ""

    def take(self, now: datetime) -> str:
        """An id above all before it."""
        fresh = uuid7(now)
        if fresh <= self._last:
            fresh = self._after_last()
        self._last = fresh
        return fresh

    def _after_last(self) -> str:
        """The last id with a little added; a millisecond later where there is no room."""
        head, tail = self._last[:_TAIL], int(self._last[_TAIL:].replace("-", ""), 16)
        tail += 1 + secrets.randbits(32)
        if tail > _HIGHEST:
            millis = int(head.replace("-", "")[:12], 16)
            return uuid7(_EPOCH + timedelta(milliseconds=millis + 1))
        text = f"{tail:016x}"
        return f"{head}{text[:4]}-{text[4:]}"
