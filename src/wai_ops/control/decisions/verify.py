"""Verifying a decision log: one pass, offline, in memory that does not grow with it.

Three things are compared: the number and the predecessor that each record names, what the records
say of the actions (no start without a decision, no end without a start), and the roots that signed
checkpoints give. The first tells the place of a careless change even where no checkpoint reaches;
only the last stands against somebody who may write the file.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest

import msgspec

from wai_ops.control.decisions.checkpoint import Checkpoint
from wai_ops.control.decisions.findings import Finding, Gaps, Kind, changed, named
from wai_ops.control.decisions.log import FIRST_PREV
from wai_ops.control.decisions.merkle import Frontier, leaf_hash
from wai_ops.control.decisions.record import MAX_RECORD_BYTES, VERSION, RecordType
from wai_ops.control.policy.action import Mode, VerdictWord

MAX_FINDINGS = 1_000
"""Of one sort; what goes beyond is counted."""
MAX_OPEN = 10_000
_BEGUN = 1
_TYPES = frozenset(one.value for one in RecordType)


class _Head(msgspec.Struct):
    """What every record says of itself."""

    v: int
    seq: int
    prev: str
    type: str
    decision_id: str | None = None
    verdict: str | None = None
    mode: str | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """An action that was permitted and has no end in the log."""

    decision_id: str
    seq: int
    """Of its decision."""
    is_started: bool
    """If not, the writer died before it let anybody act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What is known of a log after looking at all of it."""

    record_count: int
    root: bytes
    findings: Sequence[Finding]
    """By place; at most `MAX_FINDINGS` of each sort."""
    unlisted: int
    """Findings beyond those."""
    anchored: int
    """So many records, from the first on, are vouched for by a checkpoint that fits."""
    checkpoint: Checkpoint | None
    """The largest one that fits."""
    open: Sequence[Open]
    """By place; at most `MAX_OPEN`."""
    begun_count: int
    """Actions that were begun and have no end."""
    never_begun_count: int
    """Actions that were permitted and never begun."""
    repair_count: int

    @property
    def unanchored(self) -> int:
        """Records after the last checkpoint that fits."""
        return self.record_count - self.anchored

    @property
    def is_damaged(self) -> bool:
        """Whether anything is wrong with it."""
        return bool(self.findings)

    def kinds(self) -> frozenset[Kind]:
        """The sorts of what is wrong."""
        return frozenset(one.kind for one in self.findings)


@dataclass(slots=True)
class _Pass:
    """The state of one pass over the lines."""

    frontier: Frontier = field(default_factory=Frontier)
    expected: int = 0
    """The number of the next record."""
    prev: str | None = FIRST_PREV
    """What it must name; None where the record before it is not known."""
    unread: int = 0
    """Lines since the last record that are none."""
    gaps: Gaps = field(default_factory=Gaps)
    links: list[int] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)
    unlisted: int = 0
    open: dict[str, int] = field(default_factory=dict)
    """Decision -> twice its number, and one more when the action has begun: this may be long."""
    repair_count: int = 0

    def note(self, first: int, kind: Kind, message: str) -> None:
        """Keep a finding about one record."""
        if len(self.found) < MAX_FINDINGS:
            self.found.append(Finding(first, first, kind, message))
        else:
            self.unlisted += 1

    def take(self, line: bytes) -> None:
        """Look at the next line."""
        leaf = leaf_hash(line)
        self.frontier.add(leaf)
        try:
            head = _decode(line)
        except msgspec.DecodeError as error:
            self._unreadable(str(error))
            return
        if len(line) > MAX_RECORD_BYTES or head.type not in _TYPES or head.v != VERSION:
            self._unreadable("it is too long" if len(line) > MAX_RECORD_BYTES else "not its form")
            return
        if self.unread:
            self._resume(head.seq)
        if head.seq != self.expected and not self._place(head):
            return
        if head.seq == self.expected and self.prev is not None and head.prev != self.prev:
            self._broken_link()
        self.expected = head.seq + 1
        self.prev = leaf.hex()
        self._follow(head)

    def _unreadable(self, why: str) -> None:
        place = self.expected + self.unread
        self.note(
            place,
            Kind.UNREADABLE,
            f"line {self.frontier.size}, where record {place} belongs, is no record: {why}",
        )
        self.unread += 1

    def _resume(self, seq: int) -> None:
        """Go on after lines that are no records: they stand in place of some, or between two."""
        if self.expected < seq <= self.expected + self.unread:
            self.expected, self.prev = seq, None
        self.unread = 0

    def _place(self, head: _Head) -> bool:
        """A record with another number than the next one: whether to go on from it."""
        if 0 <= head.seq < self.expected:
            said = "was moved to" if self.gaps.find(head.seq) else "stands a second time in"
            self.note(
                head.seq, Kind.TAMPERED, f"record {head.seq} {said} line {self.frontier.size}"
            )
            return False
        if head.seq < 0 or head.prev == self.prev:  # nothing is missing: the number is wrong
            self.note(
                self.expected,
                Kind.TAMPERED,
                f"record {self.expected} carries the number {head.seq}",
            )
            head.seq = self.expected
            return True
        self.gaps.skip(self.expected, head.seq)
        return True

    def _broken_link(self) -> None:
        if self.expected == 0:
            self.note(0, Kind.TAMPERED, "record 0 names a record before it")
        elif len(self.links) < MAX_FINDINGS:
            self.links.append(self.expected - 1)
        else:
            self.unlisted += 1

    def _follow(self, head: _Head) -> None:
        """Keep book of what was decided, begun and ended."""
        name = head.decision_id
        if head.type == RecordType.REPAIR:
            self.repair_count += 1
        elif name is None:
            self.note(head.seq, Kind.UNREADABLE, f"record {head.seq} names no decision")
        elif head.type == RecordType.ACTION_END:
            if not self.open.pop(name, 0) & _BEGUN:
                self._orphan(head.seq, "ends an action that no record before it begins")
        elif head.type == RecordType.ACTION_START:
            decided = self.open.get(name, _BEGUN)
            if decided & _BEGUN:
                self._orphan(head.seq, "begins an action that no decision before it permits")
            else:
                self.open[name] = decided | _BEGUN
        elif name in self.open:
            self.note(head.seq, Kind.TAMPERED, f"record {head.seq} decides {name} again")
        elif head.verdict == VerdictWord.ALLOW or head.mode == Mode.OBSERVE:
            self.open[name] = 2 * head.seq

    def _orphan(self, seq: int, why: str) -> None:
        self.note(seq, Kind.INCOMPLETE, f"record {seq} {why}")


_decode = msgspec.json.Decoder(_Head).decode


def verify_lines(lines: Iterable[bytes], checkpoints: Iterable[Checkpoint]) -> Verification:
    """Look at all records. `checkpoints`: those whose signatures are good, in any order.

    Raises what reading the lines raises.
    """
    state = _Pass()
    roots = _Roots(checkpoints)
    roots.compare(state.frontier)
    for line in lines:
        state.take(line)
        if state.frontier.size == roots.next_size:
            roots.compare(state.frontier)
    begun = sum(place & _BEGUN for place in state.open.values())
    found = _merged(
        [*state.found, *state.gaps.findings(), *changed(state.links)],
        roots.findings(state.expected + state.unread),
    )
    return Verification(
        record_count=state.frontier.size,
        root=state.frontier.root(),
        findings=found,
        unlisted=state.unlisted,
        anchored=0 if roots.good is None else roots.good.size,
        checkpoint=roots.good,
        open=[
            Open(name, place >> 1, is_started=bool(place & _BEGUN))
            for name, place in nsmallest(MAX_OPEN, state.open.items(), key=lambda item: item[1])
        ],
        begun_count=begun,
        never_begun_count=len(state.open) - begun,
        repair_count=state.repair_count,
    )


class _Roots:
    """The checkpoints, compared when the tree has their size."""

    def __init__(self, checkpoints: Iterable[Checkpoint]) -> None:
        self._waiting = sorted(set(checkpoints), key=lambda one: one.size, reverse=True)
        self._largest = self._waiting[0] if self._waiting else None
        self._bad: list[tuple[int, Checkpoint]] = []
        self.good: Checkpoint | None = None

    @property
    def next_size(self) -> int:
        """When to compare again."""
        return self._waiting[-1].size if self._waiting else -1

    def compare(self, frontier: Frontier) -> None:
        """Compare those that are about the tree as it is now."""
        while self._waiting and self._waiting[-1].size == frontier.size:
            one = self._waiting.pop()
            if one.root == frontier.root():
                self.good = one
            else:
                self._bad.append((self.good.size if self.good else 0, one))

    def findings(self, expected: int) -> list[Finding]:
        """What the checkpoints say against the log, whose next record would be `expected`."""
        found = []
        for after, one in self._bad[:1]:  # those after it tell nothing new
            last = max(one.size - 1, 0)
            what = named(after, last) if one.size else "the empty log"
            message = f"at least one of {what} differs from what the checkpoint of {one.size} says"
            found.append(Finding(after, last, Kind.TAMPERED, message))
        largest = self._largest
        if largest is not None and largest.size > expected:
            what = named(expected, largest.size - 1)
            message = f"{what} are missing: there is a checkpoint of {largest.size} records"
            found.append(Finding(expected, largest.size - 1, Kind.INCOMPLETE, message))
        return found


def _merged(places: list[Finding], roots: list[Finding]) -> list[Finding]:
    """All findings by place; a root that differs says nothing new where a place is known."""
    told = [
        root
        for root in roots
        if root.kind is not Kind.TAMPERED
        or not any(one.covers(root.first, root.last + 1) for one in places)
    ]
    return sorted({*places, *told})
