"""The end of a log file: its last record, and what a writer left there that died. Pure.

A writer adds all lines of a batch with one write and tells nobody before they are on disk. So what
an honest crash can leave is: the beginning of a batch, and, after a loss of power, blocks of
zeros in place of parts of it. Records never hold a zero byte.
"""

from dataclasses import dataclass

from wai_ops.control.decisions.record import MAX_RECORD_BYTES

MAX_BATCH = 8
"""Records that are added at once, at most."""
WINDOW_BYTES = (MAX_BATCH + 1) * (MAX_RECORD_BYTES + 1)
"""Every batch, and the record before it, lies within this many bytes of the end."""


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the records end, and the last of them; None: there is none."""

    end: int
    """How many bytes of the window are whole records."""
    last: bytes | None


def read_tail(window: bytes) -> Tail | None:
    """Look at the last bytes of a log, from the beginning of a line on.

    None: this is no crash, something else has damaged the end.
    """
    whole = window.rfind(b"\n") + 1
    torn = window.find(b"\0", 0, whole)
    if torn >= 0:
        whole, was = window.rfind(b"\n", 0, torn) + 1, whole
        if window.count(b"\n", whole, was) > MAX_BATCH:
            return None
    if len(window) - whole > MAX_BATCH * (MAX_RECORD_BYTES + 1):
        return None
    if whole == 0:
        return Tail(0, None)
    return Tail(whole, window[window.rfind(b"\n", 0, whole - 1) + 1 : whole - 1])
