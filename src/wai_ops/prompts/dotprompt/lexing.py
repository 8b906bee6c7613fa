"""Handlebars cut into text and tags, with its rules for white space applied.

A block tag, comment or partial that stands alone on its line takes the line with it; `~` takes all
white space of its side.
"""

import re
from dataclasses import dataclass, field
from enum import Enum


class TagKind(Enum):
    """What the sign behind `{{` says."""

    VALUE = ""
    OPEN = "#"
    INVERSE = "^"
    CLOSE = "/"
    ELSE = "else"
    PARTIAL = ">"
    COMMENT = "!"


MAX_TAGS = 4_000
"""Templates with more could not be loaded as prompts either."""
_ALONE = frozenset(
    {TagKind.OPEN, TagKind.INVERSE, TagKind.CLOSE, TagKind.ELSE, TagKind.PARTIAL, TagKind.COMMENT}
)
_LINE_BEFORE = re.compile(r"\n[ \t]*\Z")
_LINE_BEHIND = re.compile(r"[ \t]*\n")


@dataclass(slots=True)
class Text:
    """Text between tags. `value` is what is left of it; `lead` and `tail` were taken by `~`."""

    original: str
    line: int
    value: str = ""
    lead: str = ""
    tail: str = ""


@dataclass(slots=True)
class Tag:
    """One tag. `words` is what stands in it, without the signs at its ends."""

    kind: TagKind
    words: str
    line: int
    strips_before: bool = False
    strips_behind: bool = False
    takes_line: bool = False
    """It stood alone on its line, and the line's end went with it."""
    indent: str = ""
    """The white space before it on the line that it took."""


Item = Text | Tag


class HandlebarsError(ValueError):
    """The text is no Handlebars that can be read: what is wrong, and its line."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(slots=True)
class _Lexer:
    text: str
    line: int
    items: list[Item] = field(default_factory=list)
    place: int = 0

    def run(self) -> list[Item]:
        held = ""
        while (start := self.text.find("{{", self.place)) >= 0:
            before = self.text[self.place : start]
            if before.endswith("\\") and not before.endswith("\\\\"):
                # An escaped tag is text, up to the next one.
                end = self.text.find("{{", start + 2)
                end = len(self.text) if end < 0 else end
                tail = self.text[start:end]
                slash = tail.endswith("\\") and end < len(self.text)
                end -= 1 if slash else 0
                held += before[:-1] + self.text[start:end]
                self._pass(before + self.text[start:end], end)
                continue
            kept = before[:-1] if before.endswith("\\\\") else before
            self._add_text(held + kept, before)
            held = ""
            self.place = start
            self._add_tag(start)
        rest = self.text[self.place :]
        self._add_text(held + rest, rest)
        return self.items

    def _pass(self, seen: str, end: int) -> None:
        self.line += seen.count("\n")
        self.place = end

    def _add_text(self, value: str, seen: str) -> None:
        if value:
            self.items.append(Text(value, self.line, value))
        self.line += seen.count("\n")

    def _add_tag(self, start: int) -> None:
        if self.text.startswith("{{{{", start):
            raise HandlebarsError("raw blocks {{{{…}}}} cannot be imported", self.line)
        if len(self.items) > 2 * MAX_TAGS:
            raise HandlebarsError(f"more than {MAX_TAGS} tags", self.line)
        tag, end = self._comment(start) or self._tag(start)
        self.items.append(tag)
        self._pass(self.text[start:end], end)

    def _comment(self, start: int) -> tuple[Tag, int] | None:
        match = re.compile(r"\{\{(~?)!").match(self.text, start)
        if match is None:
            return None
        is_long = self.text.startswith("--", match.end())
        closing = re.compile(r"--(~?)\}\}" if is_long else r"(~?)\}\}")
        end = closing.search(self.text, match.end() + (2 if is_long else 0))
        if end is None:
            raise HandlebarsError("a comment is never closed", self.line)
        words = self.text[match.end() + (2 if is_long else 0) : end.start()]
        tag = Tag(
            kind=TagKind.COMMENT,
            words=words,
            line=self.line,
            strips_before=bool(match[1]),
            strips_behind=bool(end[1]),
        )
        return tag, end.end()

    def _tag(self, start: int) -> tuple[Tag, int]:
        is_triple = self.text.startswith("{{{", start)
        inner = start + (3 if is_triple else 2)
        closing = "}}}" if is_triple else "}}"
        end = self._end(inner, closing)
        words = self.text[inner:end]
        before = words.startswith("~")
        behind = words.endswith("~")
        words = words.removeprefix("~").removesuffix("~").strip()
        kind = TagKind.VALUE
        if not is_triple:
            kind, words = _kind(words)
        tag = Tag(kind, words, self.line, strips_before=before, strips_behind=behind)
        return tag, end + len(closing)

    def _end(self, place: int, closing: str) -> int:
        quote = ""
        while place < len(self.text):
            character = self.text[place]
            if quote:
                quote = "" if character == quote else quote
            elif character in "\"'":
                quote = character
            elif self.text.startswith(closing, place):
                return place
            elif self.text.startswith("{{", place):
                break
            place += 1
        raise HandlebarsError("a tag is never closed", self.line)


def _kind(words: str) -> tuple[TagKind, str]:
    if words == "else" or words.startswith(("else ", "else\n", "else\t")):
        return TagKind.ELSE, words.removeprefix("else").strip()
    if words == "^":
        return TagKind.ELSE, ""
    if words.startswith("&"):
        return TagKind.VALUE, words[1:].strip()
    for kind in (TagKind.OPEN, TagKind.INVERSE, TagKind.CLOSE, TagKind.PARTIAL):
        if words.startswith(kind.value):
            return kind, words[1:].strip()
    return TagKind.VALUE, words


def lex(text: str, line: int = 1) -> list[Item]:
    """Cut a template into text and tags, white space done. Raises HandlebarsError."""
    items = _Lexer(text, line).run()
    for place, item in enumerate(items):
        if isinstance(item, Tag):
            before = items[place - 1] if place else None
            behind = items[place + 1] if place + 1 < len(items) else None
            _take_line(item, before, behind, is_first=place <= 1, is_last=place >= len(items) - 2)
            _strip(item, before, behind)
    return items


def _take_line(
    tag: Tag, before: Item | None, behind: Item | None, *, is_first: bool, is_last: bool
) -> None:
    if tag.kind not in _ALONE or not _ends_line(before, is_first=is_first):
        return
    if not _begins_line(behind, is_last=is_last):
        return
    if isinstance(before, Text):
        kept = before.value.rstrip(" \t")
        tag.indent = before.value[len(kept) :]
        before.value = kept
    if isinstance(behind, Text):
        left = behind.value.lstrip(" \t")
        tag.takes_line = left.startswith("\n")
        behind.value = left.removeprefix("\n")


def _ends_line(before: Item | None, *, is_first: bool) -> bool:
    if before is None:
        return True
    if not isinstance(before, Text):
        return False
    return bool(_LINE_BEFORE.search(before.original)) or (
        is_first and not before.original.strip(" \t")
    )


def _begins_line(behind: Item | None, *, is_last: bool) -> bool:
    if behind is None:
        return True
    if not isinstance(behind, Text):
        return False
    return bool(_LINE_BEHIND.match(behind.original)) or (
        is_last and not behind.original.strip(" \t")
    )


def _strip(tag: Tag, before: Item | None, behind: Item | None) -> None:
    if tag.strips_before and isinstance(before, Text):
        kept = before.value.rstrip()
        before.tail, before.value = before.value[len(kept) :], kept
    if tag.strips_behind and isinstance(behind, Text):
        kept = behind.value.lstrip()
        behind.lead, behind.value = behind.value[: len(behind.value) - len(kept)], kept
