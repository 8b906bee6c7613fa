"""Response shape: a tool's raw output becomes the text that the model reads.

Fields are picked, lists and texts are cut to so many rows, and the whole is cut to a number of
tokens. What was left out is said. The text is canonical JSON, so the same output always gives the
same bytes:

    {"data":{...},"left_out":{"rows":{"orders":480}},"ok":true}
    {"error":{"message":"...","type":"timeout"},"ok":false}
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from wai_ops.core.text import printable
from wai_ops.core.tokens import estimate_tokens
from wai_ops.runtime.tools.canonical import canonical_json
from wai_ops.runtime.tools.model import OutputFormat, OutputShape
from wai_ops.runtime.tools.outcome import Raw, ToolFailed, ToolProblem
from wai_ops.runtime.tools.paths import parse_path, pick

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]P^_X][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|[ -/]*[0-~])"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
_SHORTEST_TEXT = 40
_DEEPEST = 64


def shaped(raw: Raw, shape: OutputShape, max_tokens: int) -> str:
    """The text for the model, of at most `max_tokens` estimated tokens.

    Raises ToolFailed for output that is no text, or not the JSON that it should be.
    """
    text = _decoded(raw.content)
    value = _parsed(text, shape.format)
    if shape.pick:
        if isinstance(value, str):
            raise ToolFailed(ToolProblem.NOT_JSON, "the tool's output is not JSON", raw=raw)
        value = pick(value, [parse_path(path) for path in shape.pick])
    return _fitted(_cleaned(value), shape.rows, max_tokens, raw.note)


def failure_text(problem: ToolProblem, message: str) -> str:
    """What the model is told of a call without a result."""
    line = printable(_ESCAPES.sub("", message)).strip()
    return canonical_json(
        {"ok": False, "error": {"type": problem.value, "message": line[:_ERROR_CHARS]}}
    )


_ERROR_CHARS = 500


def _decoded(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ToolFailed(
            ToolProblem.NOT_TEXT, f"the tool wrote {len(content):,} bytes that are no text"
        ) from error
    if "\0" in text:
        raise ToolFailed(
            ToolProblem.NOT_TEXT, f"the tool wrote {len(content):,} bytes that are no text"
        )
    return text


def _parsed(text: str, expected: OutputFormat) -> Any:
    if expected is OutputFormat.TEXT:
        return text
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        _check_depth(value)
    except (ValueError, RecursionError) as error:
        if expected is OutputFormat.JSON:
            raise ToolFailed(ToolProblem.NOT_JSON, "the tool's output is not JSON") from error
        return text
    return value


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is out of range")
    return value


def _check_depth(value: Any, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        for item in value.values():
            _check_depth(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_depth(item, depth + 1)


def _cleaned(value: Any) -> Any:
    """The data without what steers terminals: no reader of it is meant to obey."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        # In order, so that of two keys that become one always the same one stays.
        return {printable(key): _cleaned(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value


def clean_text(text: str) -> str:
    """A text without escape sequences; other control characters become visible."""
    if text.isascii() and text.isprintable():
        return text
    return printable(_ESCAPES.sub("", text).replace("\r\n", "\n"))


def _fitted(value: Any, rows: int, max_tokens: int, note: str | None) -> str:
    """Cut until it fits: rows by halves, then texts by halves, then nothing is left but a word."""
    longest: int | None = None
    while True:
        cut = _Cut(rows, longest)
        text = _text_of(cut.of(value), cut, note)
        if estimate_tokens(text) <= max_tokens:
            return text
        if rows > 1:
            rows //= 2
        elif longest is None:
            longest = 4 * max_tokens
        elif longest > _SHORTEST_TEXT:
            longest //= 2
        else:
            return failure_text(
                ToolProblem.TOO_LARGE,
                f"the result does not fit into {max_tokens:,} tokens: ask for less",
            )


def _text_of(value: Any, cut: "_Cut", note: str | None) -> str:
    told: dict[str, Any] = {"ok": True, "data": value}
    left_out: dict[str, Mapping[str, int]] = {}
    if cut.rows_left_out:
        left_out["rows"] = cut.rows_left_out
    if cut.chars_left_out:
        left_out["chars"] = cut.chars_left_out
    if left_out:
        told["left_out"] = left_out
    if note is not None:
        told["note"] = note
    return canonical_json(told)


class _Cut:
    """Cuts one value to a number of rows and of characters, and counts what it leaves out."""

    def __init__(self, rows: int, longest: int | None) -> None:
        self._rows = rows
        self._longest = longest
        self.rows_left_out: dict[str, int] = {}
        self.chars_left_out: dict[str, int] = {}

    def of(self, value: Any, path: str = "") -> Any:
        if isinstance(value, dict):
            return {
                key: self.of(item, f"{path}.{key}" if path else key) for key, item in value.items()
            }
        if isinstance(value, list):
            _add(self.rows_left_out, path, len(value) - self._rows)
            return [self.of(item, f"{path}[]") for item in value[: self._rows]]
        if isinstance(value, str):
            return self._text(value, path)
        return value

    def _text(self, text: str, path: str) -> str:
        lines = text.splitlines(keepends=True)
        if not path and len(lines) > self._rows:  # the whole output is one text
            _add(self.rows_left_out, path, len(lines) - self._rows)
            text = "".join(lines[: self._rows])
        if self._longest is not None and len(text) > self._longest:
            _add(self.chars_left_out, path, len(text) - self._longest)
            text = text[: self._longest]
        return text


def _add(counts: dict[str, int], path: str, count: int) -> None:
    if count > 0:
        counts[path or "all"] = counts.get(path or "all", 0) + count


def schema_problems(shape: OutputShape) -> Sequence[str]:
    """What is wrong with the paths of a shape."""
    problems = []
    for path in shape.pick:
        try:
            parse_path(path)
        except ValueError as error:
            problems.append(str(error))
    return problems
