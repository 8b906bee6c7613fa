"""Strict YAML: plain data with the place of every key and value, and every problem at once.

Refused because they make a file say something else than it seems to: duplicate keys, anchors and
aliases, tags, directives, several documents, keys that are not text, infinities. Size and depth
are bounded. Plain scalars mean what `scalars.py` says.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from wai_ops.config.files import MAX_BYTES
from wai_ops.config.problems import Mark, Problem
from wai_ops.config.scalars import resolve_plain

MAX_DEPTH = 32
DataPath = tuple[str | int, ...]
# Line breaks to one edition of YAML and text to the next: line numbers would be wrong in one.
_ODD_BREAKS = re.compile("[\x85\u2028\u2029]")


@dataclass(slots=True)
class Document:
    """What a file says. `problems` is empty when all of it can be believed."""

    label: str
    data: Any = None
    marks: dict[DataPath, Mark] = field(default_factory=dict)
    """The place of each value."""
    key_marks: dict[DataPath, Mark] = field(default_factory=dict)
    """The place of each key, under the path of its value."""
    problems: list[Problem] = field(default_factory=list)
    is_complete: bool = True
    """False when reading stopped half-way, so that what is missing means nothing."""


class _StopReading(Exception):  # noqa: N818 - control flow inside this module
    """Nothing after this point can be understood."""


def parse(content: bytes, label: str) -> Document:
    """Parse a document; what is wrong with it is in its `problems`, and nothing is raised."""
    document = Document(label)
    text = _decode(content, document)
    if text is None:
        return document
    import yaml

    try:
        _Reader(document, yaml.parse(text, Loader=yaml.SafeLoader)).read()
    except _StopReading:
        document.is_complete = False
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Mark() if mark is None else Mark(mark.line + 1, mark.column + 1)
        parts = (error.context, error.problem)
        document.problems.append(Problem(place, ": ".join(part for part in parts if part)))
        document.is_complete = False
    except yaml.reader.ReaderError as error:
        place = _mark_at(text, error.position)
        document.problems.append(
            Problem(
                place,
                f"the character U+{error.character:04X} is not allowed; escape it in double quotes",
            )
        )
        document.is_complete = False
    return document


def _decode(content: bytes, document: Document) -> str | None:
    problem = None
    if len(content) > MAX_BYTES:
        problem = Problem(Mark(), f"the file is larger than {MAX_BYTES // 1024} KiB")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            good = content[: error.start].decode("utf-8-sig", "replace")
            problem = Problem(_mark_at(good, len(good)), "this byte is not UTF-8")
        else:
            if odd := _ODD_BREAKS.search(text):
                problem = Problem(
                    _mark_at(text, odd.start()),
                    f"the line break U+{ord(odd[0]):04X} is not allowed; "
                    "escape it in double quotes",
                )
    if problem is None:
        return text
    document.problems.append(problem)
    document.is_complete = False
    return None


def _mark_at(text: str, offset: int) -> Mark:
    before = text[:offset]
    return Mark(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


class _Reader:
    """Turns PyYAML's events into data. Events, because composing stops at the first problem."""

    def __init__(self, document: Document, events: Iterator[Any]) -> None:
        self._document = document
        self._events = events

    def read(self) -> None:
        from yaml import DocumentStartEvent, StreamEndEvent

        next(self._events)  # the start of the stream
        start = next(self._events)
        if isinstance(start, StreamEndEvent):
            return
        if start.version or start.tags:
            self._problem(start, "directives are not supported: remove the line that starts with %")
        first = next(self._events)
        self._document.data = self._node(first, (), 0)
        if not isinstance(self._document.data, dict | None):
            self._problem(first, "the file must be a mapping (`key: value` lines)", ())
        next(self._events)  # the end of the document
        second = next(self._events)
        if isinstance(second, DocumentStartEvent):
            self._problem(second, "only one document is allowed: remove the second `---`")

    def _problem(self, event: Any, message: str, path: DataPath | None = None) -> None:
        self._document.problems.append(Problem(_mark(event), message, path))

    def _node(self, event: Any, path: DataPath | None, depth: int) -> Any:
        """Read one value; `path` is None inside a value that is thrown away."""
        from yaml import AliasEvent, MappingStartEvent, ScalarEvent

        if path is not None:
            self._document.marks[path] = _mark(event)
        if depth > MAX_DEPTH:
            self._problem(event, f"nested deeper than {MAX_DEPTH} levels")
            raise _StopReading
        if isinstance(event, AliasEvent):
            self._problem(event, f"aliases are not supported: write out *{event.anchor}", path)
            return None
        if event.anchor is not None:
            self._problem(event, f"anchors are not supported: remove &{event.anchor}")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            # What a tag does to text is unknown here; a mapping stays a mapping.
            refused = path if isinstance(event, ScalarEvent) else None
            self._problem(event, f"tags are not supported: remove {tag}", refused)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, MappingStartEvent):
            return self._mapping(path, depth)
        return self._sequence(path, depth)

    def _scalar(self, event: Any, path: DataPath | None) -> Any:
        if event.style is not None:
            # Only an escape can make one: half of a character that no file or header can hold.
            if any("\ud800" <= character <= "\udfff" for character in event.value):
                self._problem(event, "the text holds half of a surrogate pair", path)
                return None
            return event.value
        try:
            return resolve_plain(event.value)
        except ValueError as error:
            self._problem(event, str(error), path)
            return None

    def _sequence(self, path: DataPath | None, depth: int) -> list[Any]:
        from yaml import SequenceEndEvent

        items: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            items.append(self._node(event, _join(path, len(items)), depth + 1))
        return items

    def _mapping(self, path: DataPath | None, depth: int) -> dict[str, Any]:
        from yaml import MappingEndEvent

        found: dict[str, Any] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._key(event, depth)
            if key is not None and key in found:
                self._problem(event, f"duplicate key `{key}`: the first is on line {lines[key]}")
                key = None
            inner = None if key is None else _join(path, key)
            if inner is not None:
                self._document.key_marks[inner] = _mark(event)
            value = self._node(next(self._events), inner, depth + 1)
            if key is not None:
                found[key] = value
                lines[key] = _mark(event).line
        return found

    def _key(self, event: Any, depth: int) -> str | None:
        """Read one key; None when it cannot be one, with the problem noted."""
        from yaml import ScalarEvent

        before = len(self._document.problems)
        key = self._node(event, None, depth + 1)
        if isinstance(key, str):
            return key
        if len(self._document.problems) == before:
            simple = isinstance(event, ScalarEvent)
            advice = f"put `{event.value}` in quotes" if simple else "lists and mappings cannot be"
            self._problem(event, f"a key must be text: {advice}")
        return None


def _join(path: DataPath | None, part: str | int) -> DataPath | None:
    return None if path is None else (*path, part)


def _mark(event: Any) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)
