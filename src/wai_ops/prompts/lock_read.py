"""Reading `prompts.lock`, strictly and fast.

A lock of many thousand versions must be read in a moment, and a YAML parser is slow: lines that
look exactly as `lock_text.py` writes them are read by pattern. Any other line goes through the
strict YAML parser, so a lock that was edited by hand means what YAML says it means.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.lock_records import parse_time, plain_value, read_line, unquoted
from wai_ops.prompts.lock_text import FORMAT
from wai_ops.prompts.lockfile import Approval, Canary, FrozenVersion, Lock, PromptLock, Release
from wai_ops.prompts.names import is_prompt_name

_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})(?: |$)", re.MULTILINE)
_TEXT = r'"((?:[^"\\]|\\.)*)"'
_VERSION = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._/-]*)@([1-9]\d{0,8}): \{sha256: \"([0-9a-f]{64})\", "
    r"file_sha256: \"([0-9a-f]{64})\", frozen_at: ([0-9.:TZ-]{20,27}), "
    rf"author: {_TEXT}, message: {_TEXT}\}}"
)
_LABEL = re.compile(r"([^\s:\"'#]+@[a-z][^\s:#]*): ([1-9]\d{0,8})(?:  # sha256:[0-9a-f]{12})?")
_OTHER = re.compile(r"([A-Za-z0-9][^\s\"'#{}]*@[^\"'#{}]*?): \{(.*)\}")
_FIELD = re.compile(rf"(\w+): (?:{_TEXT}|([^\s,\"'{{}}\[\]#&*!|>%@`]+))(?:, |\Z)")


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
            hint="keep the lines of both; where both froze a prompt, keep one and freeze again",
        )
    reader = _Reader(label)
    odd: list[str] = []
    lines = text.split("\n")
    for number, one in enumerate(lines, 1):
        # What is indented, and what stands in between, belongs to the odd line before.
        is_blank = not one.strip(" ") or one.lstrip(" ").startswith("#")
        goes_on = bool(odd) and (is_blank or one.startswith((" ", "\t")))
        if goes_on or not (is_blank or reader.line(one, number)):
            odd.append(one)
        elif odd:
            reader.strict(odd, number - len(odd))
            odd = []
    if odd:
        reader.strict(odd, len(lines) + 1 - len(odd))
    return reader.lock()


@dataclass(slots=True)
class _Prompt:
    """One prompt while its lines come in."""

    line: int
    versions: list[FrozenVersion] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    canaries: list[Canary] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)


class _Reader:
    """Collects lines."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._prompts: dict[str, _Prompt] = {}
        self._said: dict[str, tuple[Any, int]] = {}
        """Key -> what it says, and the line where it does."""

    def line(self, text: str, number: int) -> bool:
        """Read one line by pattern; False when it is not spelled as it is written here."""
        if match := _VERSION.fullmatch(text):
            return self._version(match, number)
        if match := _LABEL.fullmatch(text):
            return self._add(match[1], int(match[2]), number) is None
        if match := _OTHER.fullmatch(text):
            values = _fields(match[2])
            return values is not None and self._add(match[1], values, number) is None
        return text == f"format: {FORMAT}" and self._add("format", FORMAT, number) is None

    def strict(self, lines: list[str], first: int) -> None:
        """Read lines as YAML; line numbers stay those of the file."""
        from wai_ops.config.yaml_strict import parse
        from wai_ops.prompts.data_files import problems_error

        if lines[0][:1] in (" ", "\t", "-"):
            raise PromptError(
                "is no line of a lock: each begins with the name of a prompt",
                where=f"{self._label}:{first}",
            )
        text = "\n" * (first - 1) + "\n".join(lines)
        document = parse(text.encode("utf-8"), self._label)
        if document.problems:
            error = problems_error(self._label, document.problems)
            if any("duplicate key" in problem.message for problem in document.problems):
                error.hint = _TWICE
            raise error
        for key, value in (document.data or {}).items():
            mark = document.key_marks[key,]
            if (problem := self._add(key, value, mark.line)) is not None:
                raise PromptError(problem, where=f"{self._label}:{mark.line}:{mark.column}")

    def lock(self) -> Lock:
        """Everything that was read."""
        if self._prompts and "format" not in self._said:
            raise PromptError(f"is no prompts.lock of format {FORMAT}", where=f"{self._label}:1:1")
        return Lock(prompts={name: _done(name, item) for name, item in self._prompts.items()})

    def _version(self, match: re.Match[str], number: int) -> bool:
        name, version, sha256, file_sha256, at, author, message = match.groups()
        frozen_at, who, why = parse_time(at), unquoted(author), unquoted(message)
        if frozen_at is None or who is None or why is None or not is_prompt_name(name):
            return False
        record = FrozenVersion(
            version=int(version),
            sha256=sha256,
            file_sha256=file_sha256,
            frozen_at=frozen_at,
            author=who,
            message=why,
        )
        if self._is_new(f"{name}@{version}", record, number):
            self._prompt(name, number).versions.append(record)
        return True

    def _add(self, key: str, value: Any, number: int) -> str | None:
        """Take one decoded line; returns what is wrong with it."""
        if key == "format":
            if value != FORMAT:
                return f"is no prompts.lock of format {FORMAT}"
            self._is_new(key, value, number)
            return None
        found = read_line(key, value)
        if isinstance(found, str):
            return found
        name, record = found
        if not self._is_new(key, record, number):
            return None
        prompt = self._prompt(name, number)
        match record:
            case FrozenVersion():
                prompt.versions.append(record)
            case Canary():
                prompt.canaries.append(record)
            case Approval():
                prompt.approvals.append(record)
            case Release():
                prompt.releases.append(record)
            case (label, version):
                prompt.labels[label] = version
        return None

    def _prompt(self, name: str, number: int) -> _Prompt:
        found = self._prompts.get(name)
        if found is None:
            found = self._prompts[name] = _Prompt(number)
        return found

    def _is_new(self, key: str, record: Any, number: int) -> bool:
        """Whether nothing was said under this key yet. Raises PromptError for something else.

        A merge may leave a line twice as it is, where both branches added lines around it.
        """
        first = self._said.setdefault(key, (record, number))
        if first[1] == number:
            return True
        if first[0] == record:
            return False
        raise PromptError(
            f"{key} is there twice: the first is on line {first[1]}",
            where=f"{self._label}:{number}",
            hint=_TWICE,
        )


_TWICE = "two branches changed it: keep one line; freeze or release the other again"


def _fields(text: str) -> dict[str, Any] | None:
    """Read `name: value, name: value`; None when it is spelled otherwise."""
    values: dict[str, Any] = {}
    place = 0
    while place < len(text):
        match = _FIELD.match(text, place)
        if match is None or match[1] in values:
            return None
        value = plain_value(match[3]) if match[2] is None else unquoted(match[2])
        if value is None:
            return None
        values[match[1]] = value
        place = match.end()
    return None if text.endswith(", ") else values


def _done(name: str, item: _Prompt) -> PromptLock:
    """After a merge the lines of one branch stand behind those of the other: put in order."""
    return PromptLock(
        name=name,
        versions=tuple(sorted(item.versions, key=lambda version: version.version)),
        labels=item.labels,
        canaries=tuple(sorted(item.canaries, key=lambda canary: canary.label)),
        approvals=tuple(sorted(item.approvals, key=lambda approval: approval.approved_at)),
        releases=tuple(sorted(item.releases, key=lambda release: release.released_at)),
        line=item.line,
    )
