"""Where the tags of a template stand, to the character, by Jinja2's own lexer.

Jinja2 itself remembers lines only. Tags are numbered in the order of the text; the parser is given
those numbers (`rendering.py`), and this list turns a number back into a place.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from wai_ops.core.text import one_line

if TYPE_CHECKING:
    from jinja2 import Environment

_BEGINS = frozenset({"block_begin", "variable_begin"})
_ENDS = frozenset({"block_end", "variable_end"})
_IGNORED = frozenset({"whitespace", "data"})
MAX_TOKENS = 8_000
"""Words and signs in the tags of one prompt: compiling takes time for each of them."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One `{{ … }}` or `{% … %}`; raw blocks and comments are none. Offsets into the text."""

    start: int
    end: int
    word: str
    """The first word of a block tag; empty for `{{ … }}`."""
    argument: str | None
    """The text of the tag's only string, as in `{% include "x" %}`; None when it is not that."""
    strips_before: bool
    strips_after: bool
    size: int
    """How many tokens it has."""


class LexError(ValueError):
    """The text is no template: what is wrong, and the line (from 1) in the text."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@cache
def _environment() -> "Environment":
    import jinja2

    return jinja2.Environment()  # noqa: S701 - only its lexer is used; nothing is rendered


def normal_lines(text: str) -> str:
    """One kind of line end, as Jinja2 reads them: a checkout on Windows is the same prompt."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def find_tags(text: str) -> list[Tag]:
    """Find the tags in the order of the text, which has normal lines. Raises LexError."""
    if "{{" not in text and "{%" not in text and "{#" not in text:
        return []
    from jinja2.exceptions import TemplateSyntaxError

    found: list[Tag] = []
    place = start = 0
    inner: list[tuple[str, str]] = []
    size = 0
    try:
        for number, kind, value in _environment().lexer.tokeniter(text, None):
            # The lexer leaves out white space that `{%-` strips; nothing else is missing.
            while not text.startswith(value, place):
                place += 1
            if kind in _BEGINS:
                start, inner = place, [(kind, value)]
            place += len(value)
            if kind in _ENDS:
                found.append(_tag(start, place, inner, value))
                inner = []
            elif kind not in _BEGINS and kind not in _IGNORED:
                inner.append((kind, value))
                size += 1
            if size > MAX_TOKENS:
                raise LexError(f"the tags are longer than {MAX_TOKENS} words and signs", number)
    except TemplateSyntaxError as error:
        raise LexError(one_line(error.message or "syntax error"), error.lineno) from error
    if inner and inner[0][0] in _BEGINS:
        # It has no end, as the parser will say; this is where.
        found.append(_tag(start, len(text), inner, ""))
    return found


def _tag(start: int, end: int, inner: list[tuple[str, str]], last: str) -> Tag:
    (kind, opening), *rest = inner
    word = argument = None
    if kind == "block_begin" and rest and rest[0][0] == "name":
        word = rest[0][1]
        if len(rest) == 2 and rest[1][0] == "string":
            argument = rest[1][1][1:-1]
    return Tag(
        start=start,
        end=end - (len(last) - len(last.rstrip())),
        word=word or "",
        argument=argument,
        strips_before=opening.endswith("-"),
        strips_after=last.startswith("-"),
        size=len(inner),
    )
