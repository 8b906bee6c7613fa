"""Includes: `{% include "shared/house.part" %}` replaced by the part's text before anything runs.

The names are static and the files lie below `prompts/`, so what a prompt says is known when it is
loaded. Every character of the result knows the file and line that it came from.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.tags import MAX_TOKENS, LexError, Tag, find_tags

SUFFIX = ".part"
MAX_DEPTH = 8
MAX_TEXT = 1024 * 1024
"""Characters of one prompt with all its parts."""
MAX_INCLUDES = 1000

Place = tuple[str, int, int]
"""File (below `prompts/`), line and column, both from 1."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` (an offset into the text) on, the text comes from this place."""

    start: int
    path: str
    line: int
    column: int


def place_of(text: str, spans: Sequence[Span], offset: int) -> Place:
    """The place in the files of one character of a text."""
    span = spans[bisect_right([item.start for item in spans], offset) - 1]
    before = text[span.start : offset]
    newlines = before.count("\n")
    if newlines == 0:
        return span.path, span.line, span.column + len(before)
    return span.path, span.line + newlines, len(before) - before.rindex("\n")


@dataclass(slots=True)
class Expansion:
    """What came of a section: its text and its places; parts and sizes are of the whole prompt."""

    pieces: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    start: int = 0
    parts: dict[str, str] = field(default_factory=dict)
    """Path of each part -> its text."""
    length: int = 0
    count: int = 0
    tokens: int = 0

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.pieces)

    def begin(self) -> None:
        """Go on with the next section."""
        self.pieces, self.spans, self.start = [], [], self.length

    def add(self, text: str, place: Place) -> None:
        """Append text that comes from `place`. Raises PromptError when all is too much."""
        if text:
            self.spans.append(Span(self.length - self.start, *place))
            self.pieces.append(text)
            self.length += len(text)
        if self.length > MAX_TEXT:
            raise PromptError(
                f"the prompt with its includes is longer than {MAX_TEXT} characters",
                where=where_of(place),
            )


def where_of(place: Place) -> str:
    """Write a place as errors show it."""
    return f"prompts/{place[0]}:{place[1]}:{place[2]}"


def expand(
    text: str, path: str, line: int, read: Callable[[str, str], str], into: Expansion
) -> None:
    """Append `text`, which begins at `line` of the file `path`, with its includes put in.

    `read(part, where)` gives the text of a part. Raises PromptError with the place.
    """
    _expand(text, (path,), line, read, into)


def _expand(
    text: str,
    chain: tuple[str, ...],
    line: int,
    read: Callable[[str, str], str],
    into: Expansion,
) -> None:
    path = chain[-1]
    here = [Span(0, path, line, 1)]
    try:
        tags = find_tags(text)
    except LexError as error:
        raise PromptError(str(error), where=f"prompts/{path}:{line + error.line - 1}") from error
    done = 0
    for tag in tags:
        place = place_of(text, here, tag.start)
        into.tokens += tag.size + 1
        if into.tokens > MAX_TOKENS:
            raise PromptError(
                f"the tags are longer than {MAX_TOKENS} words and signs", where=where_of(place)
            )
        if tag.word == "role":
            raise PromptError(
                "a role line stands alone, at the beginning of its line and in no part",
                where=where_of(place),
                hint="{% role system %}, {% role user %} or {% role assistant %}",
            )
        if tag.word != "include":
            continue
        into.add(text[done : tag.start], place_of(text, here, done))
        # Comments that strip keep the meaning of `{%-` and `-%}`.
        into.add("{#- #}" if tag.strips_before else "", place)
        _include(tag, place, chain, read, into)
        into.add("{# -#}" if tag.strips_after else "", place)
        done = tag.end
    into.add(text[done:], place_of(text, here, done))


def _include(
    tag: Tag,
    place: Place,
    chain: tuple[str, ...],
    read: Callable[[str, str], str],
    into: Expansion,
) -> None:
    where = where_of(place)
    part = tag.argument
    if part is None or not part.endswith(SUFFIX):
        raise PromptError(
            f"an include names one {SUFFIX} file, as plain text",
            where=where,
            hint='{% include "shared/house.part" %}',
        )
    if part in chain:
        loop = " -> ".join([*chain[chain.index(part) :], part])
        raise PromptError(f"the includes run in a circle: {loop}", where=where)
    if len(chain) > MAX_DEPTH:
        raise PromptError(f"includes are nested deeper than {MAX_DEPTH}", where=where)
    into.count += 1
    if into.count > MAX_INCLUDES:
        raise PromptError(f"more than {MAX_INCLUDES} includes", where=where)
    if part not in into.parts:
        into.parts[part] = read(part, where)
    # As Jinja2 does: the newline at the end of a file is not part of its text.
    _expand(into.parts[part].removesuffix("\n"), (*chain, part), 1, read, into)
