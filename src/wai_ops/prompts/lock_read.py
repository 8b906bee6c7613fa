"""Reading `prompts.lock`, strictly and fast.

A lock of many thousand versions must be read in a moment, and a YAML parser is slow: blocks that
look exactly as `lock_text.py` writes them are read by pattern. Any other block goes through the
strict YAML parser, so a lock that was edited by hand means what YAML says it means.
"""

import re
from collections.abc import Iterator
from typing import Any

from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.lock_records import (
    RECORDS,
    key_text,
    make_record,
    parse_time,
    plain_value,
    unquoted,
)
from wai_ops.prompts.lock_text import FORMAT
from wai_ops.prompts.lockfile import FrozenVersion, Lock, PromptLock
from wai_ops.prompts.names import is_label, is_prompt_name

_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})(?: |$)", re.MULTILINE)
_HEAD_LINE = re.compile(rf"#.*|format: {FORMAT}|prompts:|")
_BLOCK = re.compile(r'^  ("?)([A-Za-z0-9][^"\s]*)\1:$', re.MULTILINE)
_TEXT = r'"((?:[^"\\]|\\.)*)"'
_VERSION = re.compile(
    r"      - \{version: ([1-9]\d{0,8}), sha256: ([0-9a-f]{64}), file_sha256: ([0-9a-f]{64}), "
    rf"frozen_at: ([^\s,]{{20,27}}), author: {_TEXT}, message: {_TEXT}\}}"
)
_FIELD = re.compile(rf"(\w+): (?:{_TEXT}|([^\s,\"{{}}]+))(, |\}}\Z)")
_LABEL = re.compile(r'      ("?)([^"\s]+)\1: ([1-9]\d{0,8})(?:  # sha256:[0-9a-f]{12})?')
_PART = re.compile(rf"    ({'|'.join((*RECORDS, 'labels'))}):")


def parse_lock(content: bytes, label: str) -> Lock:
    """Read the text of a lock; `label` names the file. Raises PromptError with the line."""
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise PromptError(f"is not UTF-8 (byte {error.start})", where=label) from error
    if conflict := _CONFLICT.search(text):
        line = text.count("\n", 0, conflict.start()) + 1
        raise PromptError(
            "an unresolved merge conflict",
            where=f"{label}:{line}",
            hint="keep both blocks; where both froze a prompt, keep one and freeze the other again",
        )
    marks = list(_BLOCK.finditer(text))
    head = text[: marks[0].start()] if marks else ""
    if not marks or not all(_HEAD_LINE.fullmatch(line) for line in head.split("\n")):
        return _read_all(text, label)
    prompts: dict[str, PromptLock] = {}
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    line = head.count("\n") + 1
    for mark, end in zip(marks, ends, strict=True):
        block = text[mark.start() : end]
        prompt = _Block(mark, block, line).read()
        for item in [prompt] if prompt is not None else _read_strict(block, line, label):
            _add(prompts, item, label)
        line += block.count("\n")
    return Lock(prompts=prompts)


def _add(prompts: dict[str, PromptLock], prompt: PromptLock, label: str) -> None:
    where = f"{label}:{prompt.line}"
    if prompt.name in prompts:
        first = prompts[prompt.name].line
        raise PromptError(
            f"there are two blocks for {prompt.name}: the first is on line {first}",
            where=where,
            hint="two branches froze it first: keep one block and freeze the other again",
        )
    numbers = [item.version for item in prompt.versions]
    if (number := _twice(numbers)) is not None:
        raise PromptError(
            f"version {number} of {prompt.name} is there twice",
            where=where,
            hint="two branches froze it: keep one line and freeze the other again",
        )
    if (name := _twice([item.label for item in prompt.canaries])) is not None:
        raise PromptError(
            f"{prompt.name} has two canaries for {name}",
            where=where,
            hint="two branches changed it: keep one line",
        )
    prompts[prompt.name] = prompt


def _twice(items: list[Any]) -> Any:
    """The first that is there more than once."""
    if len(set(items)) == len(items):
        return None
    return next(item for item in items if items.count(item) > 1)


def _prompt(
    name: str, lists: dict[str, list[Any]], labels: dict[str, int], line: int
) -> PromptLock:
    versions: list[FrozenVersion] = lists["versions"]
    return PromptLock(
        name=name,
        versions=tuple(sorted(versions, key=lambda item: item.version)),
        labels=labels,
        canaries=tuple(lists["canaries"]),
        # After a merge the lines of one branch stand behind those of the other.
        approvals=tuple(sorted(lists["approvals"], key=lambda item: item.approved_at)),
        releases=tuple(sorted(lists["releases"], key=lambda item: item.released_at)),
        line=line,
    )


class _Block:
    """Reads one block by pattern; gives up at the first line that is spelled otherwise."""

    def __init__(self, mark: re.Match[str], text: str, line: int) -> None:
        self._name = mark[2]
        self._is_ours = is_prompt_name(mark[2]) and mark[0] == f"  {key_text(mark[2])}:"
        self._lines = text.split("\n")[1:]
        self._line = line
        self._part = ""
        self._lists: dict[str, list[Any]] = {key: [] for key in RECORDS}
        self._labels: dict[str, int] = {}
        self._seen: set[str] = set()

    def read(self) -> PromptLock | None:
        if self._is_ours and all(not text or self._one(text) for text in self._lines):
            return _prompt(self._name, self._lists, self._labels, self._line)
        return None

    def _one(self, text: str) -> bool:
        if self._part == "versions" and (match := _VERSION.fullmatch(text)):
            return self._version(match)
        if match := _PART.fullmatch(text):
            self._part = match[1]
            is_new = match[1] not in self._seen
            self._seen.add(match[1])
            return is_new
        if self._part == "labels":
            return self._label(text)
        return self._part in RECORDS and text.startswith("      - {") and self._record(text)

    def _version(self, match: re.Match[str]) -> bool:
        number, sha256, file_sha256, at, author, message = match.groups()
        frozen_at, who, why = parse_time(at), unquoted(author), unquoted(message)
        if frozen_at is None or who is None or why is None:
            return False
        self._lists["versions"].append(
            FrozenVersion(
                version=int(number),
                sha256=sha256,
                file_sha256=file_sha256,
                frozen_at=frozen_at,
                author=who,
                message=why,
            )
        )
        return True

    def _label(self, text: str) -> bool:
        match = _LABEL.fullmatch(text)
        if match is None or not is_label(match[2]) or match[2] in self._labels:
            return False
        self._labels[match[2]] = int(match[3])
        return key_text(match[2]) == f"{match[1]}{match[2]}{match[1]}"

    def _record(self, text: str) -> bool:
        values: dict[str, Any] = {}
        place = len("      - {")
        while match := _FIELD.match(text, place):
            name, inner, plain, after = match.groups()
            value = plain_value(plain) if inner is None else unquoted(inner)
            if value is None or name in values:
                return False
            values[name] = value
            place = match.end()
            if after == "}":
                break
        record, _ = make_record(RECORDS[self._part], values) if place == len(text) else (None, "")
        if record is None:
            return False
        self._lists[self._part].append(record)
        return True


def _read_strict(block: str, line: int, label: str) -> Iterator[PromptLock]:
    """Read one block as YAML; line numbers stay those of the file."""
    document = _parse("\n" * (line - 1) + block, label)
    yield from _Data(document, (), label).read(document.data)


def _read_all(text: str, label: str) -> Lock:
    """Read a whole lock as YAML."""
    document = _parse(text, label)
    data = document.data or {}
    if data.get("format") != FORMAT:
        raise PromptError(f"is no prompts.lock of format {FORMAT}", where=f"{label}:1:1")
    reader = _Data(document, ("prompts",), label)
    for key in data:
        if key not in ("format", "prompts"):
            raise PromptError(f"unknown key `{key}`", where=f"{label}:1:1")
    prompts: dict[str, PromptLock] = {}
    for prompt in reader.read(data.get("prompts") or {}):
        _add(prompts, prompt, label)
    return Lock(prompts=prompts)


def _parse(text: str, label: str) -> Any:
    from wai_ops.config.yaml_strict import parse
    from wai_ops.prompts.data_files import problems_error

    document = parse(text.encode("utf-8"), label)
    if document.problems:
        error = problems_error(label, document.problems)
        if any("duplicate key" in problem.message for problem in document.problems):
            error.hint = "two branches changed it: keep one of the two lines"
        raise error
    return document


class _Data:
    """Reads blocks from decoded YAML."""

    def __init__(self, document: Any, base: tuple[Any, ...], label: str) -> None:
        self._document = document
        self._base = base
        self._label = label

    def read(self, data: Any) -> Iterator[PromptLock]:
        if not isinstance(data, dict):
            raise self._wrong("must be a mapping of prompts")
        for name, block in data.items():
            if not is_prompt_name(name):
                raise self._wrong(f"`{name}` is not a name of a prompt", name)
            if not isinstance(block, dict):
                raise self._wrong(f"{name}: must be a mapping", name)
            yield self._prompt(name, block)

    def _wrong(self, message: str, *path: Any) -> PromptError:
        full = (*self._base, *path)
        mark = self._document.key_marks.get(full) or self._document.marks.get(full)
        place = f":{mark.line}:{mark.column}" if mark else ""
        return PromptError(message, where=self._label + place)

    def _prompt(self, name: str, block: dict[str, Any]) -> PromptLock:
        for key in block:
            if key not in RECORDS and key != "labels":
                raise self._wrong(f"unknown key `{key}`", name, key)
        lists = {key: list(self._records(name, key, block.get(key) or [])) for key in RECORDS}
        labels = block.get("labels") or {}
        if not isinstance(labels, dict):
            raise self._wrong("labels: must be a mapping", name, "labels")
        for label, number in labels.items():
            if not is_label(label) or type(number) is not int or number < 1:
                raise self._wrong(f"`{label}` is no label with a version", name, "labels", label)
        mark = self._document.key_marks[*self._base, name]
        return _prompt(name, lists, labels, mark.line)

    def _records(self, name: str, key: str, items: Any) -> Iterator[Any]:
        if not isinstance(items, list):
            raise self._wrong(f"{key}: must be a list", name, key)
        for position, item in enumerate(items):
            record, problem = make_record(RECORDS[key], item)
            if record is None:
                raise self._wrong(problem, name, key, position)
            yield record
