"""Pieces of a template put into text that Jinja2 reads: signs escaped, lines where they were.

A block tag that took its line with it is written with `-%}` before the line's end, where that
strips nothing else; otherwise the line ends inside the tag.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wai_ops.prompts.dotprompt.lexing import Text

_SIGN = re.compile(r"\{(?=[{%#]|\Z)")
_ENDS = {"{%": "%}", "{{": "}}", "{#": "#}"}


@dataclass(frozen=True, slots=True)
class Out:
    """A tag of Jinja2."""

    opening: str
    inner: str
    strips_before: bool = False
    strips_behind: bool = False
    takes_line: bool = False
    adds_line: bool = False
    """A line's end that belongs to an included text, which loses its own."""


Piece = Text | Out


def to_text(pieces: Sequence[Piece]) -> str:
    """Write the pieces one after the other."""
    written = []
    for place, piece in enumerate(pieces):
        before = pieces[place - 1] if place else None
        behind = pieces[place + 1] if place + 1 < len(pieces) else None
        if isinstance(piece, Text):
            written.append(_escaped(_whole(piece, before, behind)))
        else:
            written.append(_tag(piece, pieces[place + 1 :]))
    return "".join(written)


def _whole(text: Text, before: Piece | None, behind: Piece | None) -> str:
    """A text with the white space that the tags around it strip."""
    lead = text.lead if isinstance(before, Out) and before.strips_behind else ""
    tail = text.tail if isinstance(behind, Out) and behind.strips_before else ""
    return lead + text.value + tail


def _escaped(text: str) -> str:
    return _SIGN.sub("{{ '{' }}", text)


def _tag(tag: Out, rest: Sequence[Piece]) -> str:
    dash = "-" if tag.strips_before else ""
    end = _ENDS[tag.opening]
    start = f"{tag.opening}{dash} {tag.inner}"
    if tag.adds_line:
        return f"{start} {end}\n"
    if tag.strips_behind:
        return f"{start} -{end}"
    if not tag.takes_line or not rest:
        return f"{start} {end}"
    if _begins_with_something(rest[0]):
        return f"{start} -{end}\n"
    return f"{start}\n{end}"


def _begins_with_something(piece: Piece) -> bool:
    """Whether stripping white space here takes just the one line's end."""
    if isinstance(piece, Out):
        return not piece.strips_before
    return not piece.lead and piece.value[:1] != "" and not piece.value[0].isspace()
