"""What was found in a window of text: put in order, and where the window may end."""

from dataclasses import dataclass

WINDOW = 32 * 1024
"""Bytes that one step settles."""
REACH = 16 * 1024
"""Bytes that it looks ahead: no secret and no run that is masked as a whole is longer, but for
those that are masked in parts."""
_SHORT = 4 * 1024


@dataclass(frozen=True, slots=True)
class Find:
    """One secret in a text: what to mask, and what it is called.

    `begin` is where the words begin that gave it away; a text must not be cut after it.
    """

    begin: int
    start: int
    end: int
    rank: int
    kind: str
    secret: bytes


def merged(finds: list[Find]) -> list[Find]:
    """Finds in order; those that overlap become one, under the name of the surest."""
    out: list[Find] = []
    for found in sorted(finds, key=lambda one: (one.start, -one.end)):
        if not out or found.start >= out[-1].end:
            out.append(found)
            continue
        last = out[-1]
        best = min(last, found, key=lambda one: (one.rank, one.start - one.end))
        end = max(last.end, found.end)
        out[-1] = Find(last.begin, last.start, end, best.rank, best.kind, best.secret)
    return out


def settled_end(window: bytes, finds: list[Find]) -> int:
    """Where a window may end: within no find, and after a blank where one is near.

    A find that goes on beyond the window is looked at again from its beginning. One that fills a
    whole window is cut, but never where it would cut a shorter one.
    """
    blank = max(window.rfind(mark, WINDOW - 1024, WINDOW) for mark in (b"\n", b" ", b","))
    wanted = blank + 1 if blank > 0 else WINDOW
    begin, end = _zone(wanted, finds)
    if end == len(window) and begin == 0:
        begin, end = _zone(wanted, [one for one in finds if one.end - one.begin <= _SHORT])
    return begin or end


def _zone(place: int, finds: list[Find]) -> tuple[int, int]:
    """The stretch of overlapping finds that holds a place; the place itself if none does."""
    begin = end = place
    zone_begin = zone_end = 0
    for found in sorted(finds, key=lambda one: one.begin):
        if found.begin >= zone_end:
            if zone_begin < place < zone_end:
                break
            zone_begin = found.begin
        zone_end = max(zone_end, found.end)
    if zone_begin < place < zone_end:
        begin, end = zone_begin, zone_end
    return begin, end
