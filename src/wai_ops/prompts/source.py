"""A prompt as it is written: front matter, role sections, includes, tools and schema from files.

`load_source` reads `prompts/<name>.prompt` and everything that it names below `prompts/`. Sections
are told apart in the source, before anything is rendered, so that no value can open a role.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.files import read_below
from wai_ops.prompts.frontmatter import FrontMatter
from wai_ops.prompts.includes import Expansion, Place, Span, expand, place_of, where_of
from wai_ops.prompts.names import check_prompt_name
from wai_ops.prompts.tags import normal_lines

SUFFIX = ".prompt"
MAX_TOTAL = 4 * 1024 * 1024
"""Characters of a prompt file and everything that it names."""
ROLES = ("system", "user", "assistant")
_FENCE = re.compile(r"---[ \t]*(?:\n|\Z)")
_FENCE_LINE = re.compile(r"^---[ \t]*$", re.MULTILINE)
_ROLE_LINE = re.compile(r"^\{%-?[ \t]*role[ \t]+([^%\n]*?)[ \t]*-?%\}[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One message: its role and its template, with includes put in and blank ends cut off."""

    role: str
    text: str
    line: int
    """Where the text begins in the prompt file."""
    spans: tuple[Span, ...] = field(default=(), compare=False)
    """Where each character comes from."""

    def place(self, offset: int) -> Place:
        """File (below `prompts/`), line and column of one character of the text."""
        return place_of(self.text, self.spans, offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Include:
    """A part that went into a prompt: its path below `prompts/` and the SHA-256 of its text."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Everything that a prompt is made of."""

    name: str
    path: str
    """As errors name it: `prompts/triage.prompt`."""
    raw: bytes
    """The prompt file as it was read."""
    front: FrontMatter
    sections: tuple[Section, ...]
    includes: tuple[Include, ...]
    files: Mapping[str, str]
    """Path below `prompts/` -> text, of every file that was read; the prompt's own comes first."""


Reader = Callable[[str], bytes]
"""Path below `prompts/` -> bytes. Raises PromptError."""


def load_source(folder: Path, name: str) -> Source:
    """Load a prompt from the folder `prompts/`. Raises PromptError with file, line and column."""
    check_prompt_name(name)
    return parse_source(name, lambda path: read_below(folder, path))


def parse_source(name: str, read: Reader) -> Source:
    """Make a prompt of what `read` gives: a folder, a git revision, or a frozen version."""
    from wai_ops.prompts.front_reader import read_front

    path = f"{name}{SUFFIX}"
    files: dict[str, str] = {}

    def text_of(file: str, where: str) -> str:
        if file not in files:
            try:
                files[file] = read(file).decode("utf-8")
            except UnicodeDecodeError as error:
                what = "" if file == path else f"prompts/{file} "
                raise PromptError(
                    f"{what}is not UTF-8 (byte {error.start})", where=where
                ) from error
            except PromptError as error:
                if file == path:
                    raise
                raise PromptError(f"{error.where} {error.message}", where=where) from error
            if sum(map(len, files.values())) > MAX_TOTAL:
                raise PromptError(
                    f"the prompt and the files that it names are longer than {MAX_TOTAL}",
                    where=where,
                )
        return normal_lines(files[file])

    text = text_of(path, f"prompts/{path}").removeprefix("\ufeff")
    front_text, body, line = _split_front(text, path)
    front = read_front(front_text, path, text_of) if front_text is not None else FrontMatter()
    into = Expansion()
    sections = []
    for role, section, first in _split_roles(body, path, line):
        into.begin()
        expand(section, path, first, text_of, into)
        spans = tuple(into.spans) or (Span(0, path, first, 1),)
        sections.append(Section(role=role, text=into.text, line=first, spans=spans))
    return Source(
        name=name,
        path=f"prompts/{path}",
        raw=files[path].encode("utf-8"),
        front=front,
        sections=tuple(sections),
        includes=tuple(
            Include(path=part, sha256=hashlib.sha256(content.encode()).hexdigest())
            for part, content in sorted(into.parts.items())
        ),
        files=files,
    )


def _split_front(text: str, path: str) -> tuple[str | None, str, int]:
    """Return the front matter (None without one), what follows, and the line where that begins.

    The front matter keeps a blank line in place of its fence, so that line numbers are the file's.
    """
    opening = _FENCE.match(text)
    if opening is None:
        return None, text, 1
    closing = _FENCE_LINE.search(text, opening.end())
    if closing is None:
        raise PromptError(
            "the front matter has no end: a line that is exactly ---", where=f"prompts/{path}:1:1"
        )
    front = "\n" + text[opening.end() : closing.start()]
    body = text[closing.end() :].removeprefix("\n")
    return front, body, text[: closing.end()].count("\n") + 2


def _split_roles(body: str, path: str, line: int) -> list[tuple[str, str, int]]:
    """Split at the role lines: role, text, and the line where the text begins."""
    marks = list(_ROLE_LINE.finditer(body))
    if not marks:
        text, first = _trimmed(body, line)
        if not text:
            raise PromptError("the prompt is empty", where=where_of((path, line, 1)))
        return [("user", text, first)]
    before, first = _trimmed(body[: marks[0].start()], line)
    if before:
        raise PromptError(
            "there is text before the first role line", where=where_of((path, first, 1))
        )
    found = []
    ends = [*(mark.start() for mark in marks[1:]), len(body)]
    for mark, end in zip(marks, ends, strict=True):
        at = line + body.count("\n", 0, mark.start())
        if mark[1] not in ROLES:
            raise PromptError(
                f"there is no role {mark[1]!r}",
                where=where_of((path, at, 1)),
                hint=f"roles: {', '.join(ROLES)}",
            )
        text, first = _trimmed(body[mark.end() : end], at)
        if not text:
            raise PromptError(f"the {mark[1]} section is empty", where=where_of((path, at, 1)))
        found.append((mark[1], text, first))
    return found


def _trimmed(text: str, line: int) -> tuple[str, int]:
    """Cut blank lines off both ends; the line moves with the beginning."""
    if not text.strip():
        return "", line
    start = text[: len(text) - len(text.lstrip())].rfind("\n") + 1
    end = len(text.rstrip())
    tail = text.find("\n", end)
    return text[start : len(text) if tail < 0 else tail], line + text.count("\n", 0, start)
