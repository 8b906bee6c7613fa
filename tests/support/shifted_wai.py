"""`wai` with its clock moved, in a real process: no midnight cuts a test's or a page's windows.

$ CLOCK_SHIFT_S=-3600 python tests/support/shifted_wai.py logs pull     as an hour ago
"""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

VARIABLE = "CLOCK_SHIFT_S"
SCRIPT = Path(__file__).resolve()
SOURCE = SCRIPT.parents[2] / "src"


def to_noon() -> timedelta:
    """From now back to noon (UTC) of the day before."""
    now = datetime.now(UTC)
    today = now.replace(hour=12, minute=0, second=0, microsecond=0)
    return today - timedelta(days=1) - now


def shifted(shift: timedelta) -> dict[str, str]:
    """The environment of a shifted `wai`."""
    return {VARIABLE: repr(shift.total_seconds())}


def main() -> None:
    """Move the clock and be `wai`."""
    sys.path[0] = str(SOURCE)  # in place of this folder, whose names would hide others
    from wai_ops.__main__ import main as wai
    from wai_ops.core.clock import SystemClock

    shift_s = float(os.environ[VARIABLE])
    now, seconds = SystemClock.now, time.time
    SystemClock.now = lambda self: now(self) + timedelta(seconds=shift_s)  # type: ignore[method-assign]
    time.time = lambda: seconds() + shift_s  # what the emulator's server says that the time is
    wai()


if __name__ == "__main__":
    main()
