"""Time windows as users type them: `24h`, `7d`, `2026-01-31`, `2026-01-31T12:00`, `now`."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from wai_ops.core.errors import UsageError

_AGO = re.compile(r"(\d{1,6})(m|h|d|w)\Z")
_UNIT = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open interval [since, until), aware, UTC; None means unbounded on that side."""

    since: datetime | None
    until: datetime | None

    def describe(self) -> str:
        """Words for a note: `2026-01-01 00:00 to now (UTC)`."""
        start = "the beginning" if self.since is None else f"{self.since:%Y-%m-%d %H:%M}"
        end = "now" if self.until is None else f"{self.until:%Y-%m-%d %H:%M}"
        return f"{start} to {end} (UTC)"


def parse_instant(text: str, *, now: datetime, flag: str) -> datetime:
    """One end of a window. Raises UsageError that names `flag`."""
    if text == "now":
        return now
    if match := _AGO.match(text):
        try:
            return now - timedelta(**{_UNIT[match[2]]: int(match[1])})
        except OverflowError:
            pass
    else:
        try:
            at = datetime.fromisoformat(text)
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):  # in UTC it may lie before year 1 or after 9999
            pass
    raise UsageError(f"{flag} {text!r} is not a time", hint="try 24h, 7d or 2026-01-31")


def parse_window(since: str | None, until: str | None, *, now: datetime) -> Window:
    """Both ends; raises UsageError when a text is no time or the window is empty."""
    start = None if since is None else parse_instant(since, now=now, flag="--since")
    end = None if until is None else parse_instant(until, now=now, flag="--until")
    if start is not None and end is not None and start >= end:
        raise UsageError(
            f"the window is empty: --since {since} is not before --until {until}",
            hint="give --since an earlier time than --until",
        )
    if start is not None and end is None and start > now:
        raise UsageError(
            f"the window is empty: --since {since} lies in the future",
            hint="times are UTC; give --until too for a window that has yet to begin",
        )
    return Window(start, end)
