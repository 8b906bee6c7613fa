"""The Merkle tree of RFC 6962 over the exact bytes of the records: hashes, proofs, checks. Pure.

A proof is a list of the roots of certain ranges of leaves. `inclusion_ranges` and
`consistency_ranges` say which; `Subtrees` computes them while the leaves go by once, in memory that
does not grow with the log.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(record: bytes) -> bytes:
    """The hash of a leaf: a zero byte keeps it apart from that of an inner node."""
    return hashlib.sha256(b"\0" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """A tree that only grows: the roots of its full subtrees, the largest first."""

    size: int = 0
    _roots: list[bytes] = field(default_factory=list)

    def add(self, leaf: bytes) -> None:
        """Add a leaf, given by its hash."""
        full = self.size
        self.size += 1
        roots = self._roots
        while full & 1:  # as in binary addition: each carry joins two subtrees of one height
            leaf = hashlib.sha256(b"\x01" + roots.pop() + leaf).digest()
            full >>= 1
        roots.append(leaf)

    def root(self) -> bytes:
        """The hash of the whole tree."""
        if not self._roots:
            return EMPTY_ROOT
        *others, found = self._roots
        for left in reversed(others):
            found = node_hash(left, found)
        return found


Range = tuple[int, int]
"""Leaves from the first one up to, not including, the second."""


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Whose roots prove that leaf `index` is in a tree of `size` leaves, from the leaf upwards."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    start, end = 0, size
    found: list[Range] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """Whose roots prove that the tree of `old` leaves is the beginning of that of `new`."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} leaves is no beginning of one of {new}")
    if old in {0, new}:
        return []
    start, end = 0, new
    found: list[Range] = []
    while end > old:
        middle = start + _split(end - start)
        if old <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    if start > 0:  # else this is the old tree itself, whose root is known
        found.append((start, end))
    return found[::-1]


def _split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


class Subtrees:
    """The roots of ranges that do not overlap, from leaves that go by in order."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        """Begin before the first leaf."""
        self._asked = list(ranges)
        self._waiting = sorted(ranges, reverse=True)
        self._current = Frontier()
        self._roots: dict[Range, bytes] = {}
        self._next = 0

    def add(self, leaf: bytes) -> None:
        """Take the next leaf, given by its hash."""
        index = self._next
        self._next += 1
        if not self._waiting or index < self._waiting[-1][0]:
            return
        self._current.add(leaf)
        if index + 1 == self._waiting[-1][1]:
            self._roots[self._waiting.pop()] = self._current.root()
            self._current = Frontier()

    def roots(self) -> list[bytes]:
        """The roots in the order in which the ranges were given; all leaves must have gone by."""
        return [self._roots[one] for one in self._asked]


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that a proof of inclusion leads to; None when it has the wrong length."""
    if not 0 <= index < size:
        return None
    ranges = inclusion_ranges(index, size)
    if len(ranges) != len(proof):
        return None
    return _joined({(index, index + 1): leaf, **dict(zip(ranges, proof, strict=True))}, (0, size))


def is_consistent(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the proof shows that the old tree is the beginning of the new one."""
    if not 0 <= old <= new:
        return False
    ranges = consistency_ranges(old, new)
    if len(ranges) != len(proof):
        return False
    if old == 0:
        return old_root == EMPTY_ROOT
    if old == new:
        return old_root == new_root
    known = dict(zip(ranges, proof, strict=True))
    if all(end != old for _, end in ranges):
        known[0, old] = old_root
    return _joined(known, (0, old)) == old_root and _joined(known, (0, new)) == new_root


def _joined(known: Mapping[Range, bytes], wanted: Range) -> bytes:
    """The root of a range, from the known ones that make it up."""
    if wanted in known:
        return known[wanted]
    start, end = wanted
    middle = start + _split(end - start)
    return node_hash(_joined(known, (start, middle)), _joined(known, (middle, end)))
