"""The cases of a comparison: one JSON object a line, read strictly, every mistake with its line.

    {"id": "late", "vars": {"ticket": "It is late"}, "assert": [{"contains": "delivery"}]}

Only the shape is judged here; schemas and judges are looked at by who runs them.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Any

from wai_ops.config.problems import nearest
from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line

MAX_BYTES = 64 * 1024 * 1024
MAX_LINE = 1024 * 1024
MAX_CASES = 20_000
MAX_CHECKS = 50
MAX_TEXT = 100_000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@/-]{0,127}\Z")
_KEYS = ("id", "vars", "text", "assert")


class Kind(StrEnum):
    """What an assertion looks at; each is the key that it is written with."""

    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    REGEX = "regex"
    JSON_SCHEMA = "json_schema"
    MAX_COST_USD = "max_cost_usd"
    MAX_LATENCY_MS = "max_latency_ms"
    JUDGE = "judge"


_KINDS = tuple(kind.value for kind in Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """One thing that must hold of an answer."""

    kind: Kind
    value: Any
    """Text, a schema, a Decimal or a number of milliseconds; for a judge, the reference."""
    variables: Mapping[str, Any]
    """For a judge: values of its variables."""

    def __str__(self) -> str:
        """Name it in one short line."""
        shown = self.value if isinstance(self.value, str) else json.dumps(self.value, default=str)
        return one_line(f"{self.kind.value}: {shown}", 120)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question, and what must hold of its answer."""

    id: str
    line: int
    variables: Mapping[str, Any]
    text: str | None
    """The user's message, for prompts that have none of their own."""
    assertions: tuple[Assertion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """All cases of a file."""

    path: Path
    sha256: str
    cases: tuple[Case, ...]


def read_dataset(path: Path) -> Dataset:
    """Read a dataset. Raises UsageError with `file:line` of the first thing that is wrong."""
    content = _content(path)
    first: dict[str, int] = {}
    cases: list[Case] = []
    for number, line in _lines(content, path):
        case = _Line(f"{path}:{number}", number).read(line)
        if case.id in first:
            raise UsageError(
                f"the id {case.id!r} is on line {first[case.id]} already",
                where=f"{path}:{number}",
                hint="give every case an id of its own",
            )
        first[case.id] = number
        cases.append(case)
        if len(cases) > MAX_CASES:
            raise UsageError(f"more than {MAX_CASES:,} cases", where=f"{path}:{number}")
    if not cases:
        raise UsageError("the dataset has no cases", where=str(path))
    return Dataset(path=path, sha256=hashlib.sha256(content).hexdigest(), cases=tuple(cases))


def _content(path: Path) -> bytes:
    try:
        # O_NONBLOCK so that a FIFO cannot make this wait; it is refused by what it is.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError("is not a regular file", where=str(path))
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UsageError(f"is larger than {MAX_BYTES} bytes", where=str(path))
    return content


def _lines(content: bytes, path: Path) -> Iterator[tuple[int, str]]:
    """Every line that is not blank, and its number."""
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if len(line) > MAX_LINE:
            raise UsageError(f"the line is longer than {MAX_LINE} bytes", where=f"{path}:{number}")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f"not UTF-8 (byte {error.start})", where=f"{path}:{number}") from error
        if text.strip():
            yield number, text


class _Line:
    """Reads one line."""

    def __init__(self, where: str, number: int) -> None:
        self._where = where
        self._number = number

    def read(self, line: str) -> Case:
        data = self._json(line)
        if not isinstance(data, dict):
            raise self._wrong("a case is a JSON object")
        self._known(data, _KEYS, "a case")
        variables = self._mapping(data.get("vars", {}), "vars")
        text = data.get("text")
        if text is not None and (not isinstance(text, str) or not text.strip()):
            raise self._wrong("text must be text, and not empty")
        checks = data.get("assert", [])
        if not isinstance(checks, list) or len(checks) > MAX_CHECKS:
            raise self._wrong(f"assert must be a list of at most {MAX_CHECKS}")
        return Case(
            id=self._id(data, variables, text),
            line=self._number,
            variables=variables,
            text=text,
            assertions=tuple(self._assertion(item) for item in checks),
        )

    def _wrong(self, message: str, hint: str | None = None) -> UsageError:
        return UsageError(message, where=self._where, hint=hint)

    def _json(self, line: str) -> Any:
        def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            found = dict(pairs)
            if len(found) < len(pairs):
                keys = [key for key, _ in pairs]
                twice = next(key for key in keys if keys.count(key) > 1)
                raise self._wrong(f"the key {one_line(twice, 40)!r} is there twice")
            return found

        def constant(name: str) -> Any:
            raise self._wrong(f"{name} is no JSON")

        try:
            value = json.loads(
                line, object_pairs_hook=mapping, parse_constant=constant, parse_float=_finite
            )
            # A lone surrogate is JSON, and nothing could be sent with it.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except json.JSONDecodeError as error:
            raise UsageError(
                f"not JSON: {error.msg}", where=f"{self._where}:{error.colno}"
            ) from error
        except UnicodeEncodeError as error:
            raise self._wrong("a text holds half of a surrogate pair") from error
        except (RecursionError, ValueError) as error:
            raise self._wrong("nested too deeply, or a number out of range") from error
        return value

    def _known(self, data: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
        for key in data:
            if key not in known:
                near = nearest(key, known)
                advice = f"did you mean `{near}`?" if near else f"it takes: {', '.join(known)}"
                raise self._wrong(f"unknown key `{one_line(key, 40)}` in {what}", advice)

    def _mapping(self, value: Any, what: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._wrong(f"{what} must be an object")
        return value

    def _id(self, data: Mapping[str, Any], variables: Mapping[str, Any], text: str | None) -> str:
        if "id" not in data:
            # Not the line's number: a line that is put in above must not make cases new.
            told = json.dumps([variables, text], sort_keys=True)
            return f"case-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
        found = data["id"]
        if not isinstance(found, str) or not _ID.match(found):
            raise self._wrong(
                "id must be a name", "letters, digits and . _ @ / -, at most 128 characters"
            )
        return found

    def _assertion(self, item: Any) -> Assertion:
        if not isinstance(item, dict):
            raise self._wrong('an assertion is an object, such as {"contains": "late"}')
        self._known(item, (*_KINDS, "vars"), "an assertion")
        kinds = [key for key in item if key in _KINDS]
        if len(kinds) != 1 or ("vars" in item and kinds != [Kind.JUDGE]):
            raise self._wrong(
                f"an assertion has exactly one of {', '.join(_KINDS)}", "vars go with judge alone"
            )
        kind = Kind(kinds[0])
        variables = self._mapping(item.get("vars", {}), "vars")
        return Assertion(kind=kind, value=self._value(kind, item[kind]), variables=variables)

    def _value(self, kind: Kind, value: Any) -> Any:
        match kind:
            case Kind.JSON_SCHEMA:
                return self._mapping(value, kind.value)
            case Kind.MAX_COST_USD:
                return self._dollars(value, kind.value)
            case Kind.MAX_LATENCY_MS:
                return self._milliseconds(value, kind.value)
            case Kind.REGEX:
                return self._pattern(value, kind.value)
        return self._text(value, kind.value)

    def _text(self, value: Any, what: str) -> str:
        if not isinstance(value, str) or not value or len(value) > MAX_TEXT:
            raise self._wrong(f"{what} must be text of 1 to {MAX_TEXT} characters")
        return value

    def _pattern(self, value: Any, what: str) -> str:
        pattern = self._text(value, what)
        try:
            compile_pattern(pattern)
        except ValueError as error:
            raise self._wrong(f"{what}: {error}") from error
        return pattern

    def _dollars(self, value: Any, what: str) -> Decimal:
        try:
            found = Decimal(str(value)) if type(value) in (str, int, float) else Decimal("NaN")
        except InvalidOperation:
            found = Decimal("NaN")
        if not found.is_finite() or found < 0:
            raise self._wrong(f"{what} must be dollars, such as 0.001")
        return found

    def _milliseconds(self, value: Any, what: str) -> float:
        if type(value) not in (int, float) or value <= 0:
            raise self._wrong(f"{what} must be a number of milliseconds above 0")
        return float(value)


def compile_pattern(pattern: str) -> Any:
    """Compile a regular expression that ends in linear time. Raises ValueError with the reason."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        words = error.args[0] if error.args else error
        told = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        raise ValueError(f"not a regular expression: {one_line(told, 200)}") from error


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(text)
    return value
