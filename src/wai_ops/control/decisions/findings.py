"""What is found wrong with a log, and how places that do not fit together are named. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is wrong."""

    TAMPERED = "tampered"
    """Records are not the ones that were written."""
    INCOMPLETE = "incomplete"
    """Records that must have been there are gone."""
    UNREADABLE = "unreadable"
    """Bytes that are no record."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong, with the records that it is about, the last one included."""

    first: int
    last: int
    kind: Kind
    message: str

    def covers(self, first: int, end: int) -> bool:
        """Whether it is about records from `first` up to, not including, `end`."""
        return self.first < end and self.last >= first


def named(first: int, last: int) -> str:
    """`record 7` or `records 7 to 9`."""
    return f"record {first}" if first == last else f"records {first} to {last}"


def changed(links: Iterable[int]) -> Iterator[Finding]:
    """Name the records that were changed, from the links that are broken, ascending.

    Link k is what record k + 1 says of record k. One broken link: record k is another one. A run
    of them: at least one of the records that they join.
    """
    run: list[int] = []
    for link in links:
        if run and link != run[-1] + 1:
            yield _changed(run[0], run[-1])
            run = []
        run.append(link)
    if run:
        yield _changed(run[0], run[-1])


def _changed(first: int, last: int) -> Finding:
    if first == last:
        message = f"record {first} is not the one that record {first + 1} was written after"
    else:
        message = f"one or more of the {named(first, last)} are not the ones that were written"
    return Finding(first, last, Kind.TAMPERED, message)


class Gaps:
    """Numbers that were skipped, until they turn up in the wrong place."""

    def __init__(self) -> None:
        """None are missing yet."""
        self._ranges: list[tuple[int, int]] = []

    def skip(self, first: int, end: int) -> None:
        """Numbers from `first` up to, not including, `end` are missing; each call goes further."""
        self._ranges.append((first, end))

    def find(self, number: int) -> bool:
        """Whether the number was missing; from now on it is not."""
        place = bisect_right(self._ranges, number, key=lambda gap: gap[0]) - 1
        if place < 0 or number >= self._ranges[place][1]:
            return False
        first, end = self._ranges[place]
        parts = [(first, number), (number + 1, end)]
        self._ranges[place : place + 1] = [part for part in parts if part[0] < part[1]]
        return True

    def findings(self) -> Iterator[Finding]:
        """The records that are gone."""
        for first, end in self._ranges:
            are = "is" if end - first == 1 else "are"
            yield Finding(first, end - 1, Kind.INCOMPLETE, f"{named(first, end - 1)} {are} missing")
