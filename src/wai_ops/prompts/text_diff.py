"""Line differences of two texts, in hunks with context; bounded in time whatever the texts are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

CONTEXT_LINES = 3
MOST_CELLS = 4_000_000
"""Lines x lines that are compared with each other; beyond it the middle is one replacement."""

_Code = tuple[str, int, int, int, int]


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line: ` ` in both, `-` only before, `+` only after."""

    sign: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Lines that changed, with those around them. Line numbers count from 1 in each text."""

    before_line: int
    after_line: int
    lines: tuple[DiffLine, ...]


def diff_lines(before: str, after: str) -> tuple[Hunk, ...]:
    """Compare two texts line by line. Equal texts have no hunks."""
    if before == after:
        return ()
    # `splitlines` would also cut at form feeds and the like, which are text here.
    old, new = before.split("\n"), after.split("\n")
    return tuple(_hunk(old, new, group) for group in _groups(_codes(old, new)))


def _codes(old: Sequence[str], new: Sequence[str]) -> list[_Code]:
    """What SequenceMatcher says of the middles, between the common lines at both ends."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    codes: list[_Code] = [("equal", 0, head, 0, head)] if head else []
    if len(middle_old) * len(middle_new) > MOST_CELLS:
        codes.append(("replace", head, len(old) - tail, head, len(new) - tail))
    else:
        matcher = SequenceMatcher(None, middle_old, middle_new, autojunk=False)
        codes += [
            (tag, a1 + head, a2 + head, b1 + head, b2 + head)
            for tag, a1, a2, b1, b2 in matcher.get_opcodes()
        ]
    if tail:
        codes.append(("equal", len(old) - tail, len(old), len(new) - tail, len(new)))
    return codes


def _groups(codes: Sequence[_Code]) -> Iterator[list[_Code]]:
    """Cut long equal stretches, so that each group has its context and no more."""
    group: list[_Code] = []
    for number, (tag, a1, a2, b1, b2) in enumerate(codes):
        if tag != "equal":
            group.append((tag, a1, a2, b1, b2))
            continue
        is_last = number == len(codes) - 1
        if group and (is_last or a2 - a1 > 2 * CONTEXT_LINES):
            end = min(a2, a1 + CONTEXT_LINES)
            yield [*group, (tag, a1, end, b1, b1 + end - a1)]
            group = []
        if not is_last:
            start = max(a1, a2 - CONTEXT_LINES) if not group else a1
            group.append((tag, start, a2, b1 + start - a1, b2))
    if group:
        yield group


def _hunk(old: Sequence[str], new: Sequence[str], codes: Sequence[_Code]) -> Hunk:
    lines: list[DiffLine] = []
    for tag, a1, a2, b1, b2 in codes:
        if tag == "equal":
            lines += [DiffLine(" ", text) for text in old[a1:a2]]
            continue
        lines += [DiffLine("-", text) for text in old[a1:a2]]
        lines += [DiffLine("+", text) for text in new[b1:b2]]
    return Hunk(before_line=codes[0][1] + 1, after_line=codes[0][3] + 1, lines=tuple(lines))
