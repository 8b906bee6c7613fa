"""Outcomes in files: CSV with a header, or JSON lines. Each line becomes what it says, or why not.

`wai outcomes list --format csv|jsonl` writes what is read here.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from wai_ops.core.clock import parse_utc
from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line
from wai_ops.observe.reports.conversation import Wanted, parse_wanted
from wai_ops.observe.reports.outcomes import Outcome, check_note, parse_outcome, parse_value

_IDS = ("conversation", "conversation_id")
_TIMES = ("at", "recorded_at")
_KNOWN = frozenset({*_IDS, *_TIMES, "tenant", "workflow", "outcome", "value_usd", "note"})
_IGNORED = frozenset({"source", "is_current", "is_known"})
"""What `outcomes list` says on top: nothing that a file could decide."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class LineFormat(StrEnum):
    """How a file of outcomes is written."""

    CSV = "csv"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeLine:
    """What one line says. `at` None: it does not say when."""

    line: int
    wanted: Wanted
    outcome: Outcome
    value_usd: Decimal | None
    note: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that cannot be used, and why."""

    line: int
    reason: str


def choose_line_format(name: str | None, path: Path) -> LineFormat:
    """The format that was asked for, else the file name's. Raises UsageError."""
    text = path.suffix.lower().lstrip(".") if name is None else name
    text = {"ndjson": "jsonl"}.get(text, text)
    try:
        return LineFormat(text)
    except ValueError:
        raise UsageError(
            f"cannot tell how {one_line(str(path), 200)} is written", hint="add --format csv|jsonl"
        ) from None


def parse_lines(
    data: bytes, fmt: LineFormat, *, tenant: str | None = None, workflow: str | None = None
) -> Iterator[OutcomeLine | BadLine]:
    """Read every line; `tenant` and `workflow` stand in where a line has none.

    Raises UsageError for a CSV header that cannot be one of outcomes.
    """
    rows = _csv_rows(data) if fmt is LineFormat.CSV else _json_rows(data)
    for line, values in rows:
        if isinstance(values, str):
            yield BadLine(line=line, reason=values)
            continue
        try:
            yield _outcome_line(line, values, tenant, workflow)
        except UsageError as error:
            yield BadLine(line=line, reason=error.message)


def _outcome_line(
    line: int, values: Mapping[str, str | None], tenant: str | None, workflow: str | None
) -> OutcomeLine:
    if odd := sorted(set(values) - _KNOWN - _IGNORED):
        raise UsageError(f"unknown key {one_line(odd[0], 60)!r}")
    conversation, at = _one_of(values, _IDS), _one_of(values, _TIMES)
    if conversation is None:
        raise UsageError("no conversation")
    outcome = values.get("outcome")
    if outcome is None:
        raise UsageError("no outcome")
    value, note = values.get("value_usd"), values.get("note")
    own = values.get("tenant"), values.get("workflow")
    if own == (None, None) and (wanted := parse_wanted(conversation)).key is not None:
        pass  # the whole name stands in one column
    else:
        wanted = parse_wanted(conversation, own[0] or tenant, own[1] or workflow)
    return OutcomeLine(
        line=line,
        wanted=wanted,
        outcome=parse_outcome(outcome),
        value_usd=None if value is None else parse_value(value),
        note=None if note is None else check_note(note),
        at=None if at is None else _time(at),
    )


def _one_of(values: Mapping[str, str | None], names: tuple[str, str]) -> str | None:
    found = [values[name] for name in names if values.get(name) is not None]
    if len(found) > 1:
        raise UsageError(f"{names[0]} and {names[1]} say the same thing: give one")
    return found[0] if found else None


def _time(text: str) -> datetime:
    try:
        return parse_utc(text)
    except (ValueError, OverflowError):
        raise UsageError(f"{one_line(text, 60)!r} is not a time") from None


Row = tuple[int, dict[str, str | None] | str]
"""A line's number, and its values as text or why there are none. An empty value is None."""


def _csv_rows(data: bytes) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(_text(data), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise UsageError(f"the header of the CSV cannot be read: {error}") from None
    _check_header(header)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield line, f"not CSV: {error}"
            continue
        if row is None:
            return
        if not row:
            continue
        if len(row) != len(header):
            yield line, f"{len(row)} columns where the header has {len(header)}"
        elif any("\ufffd" in cell for cell in row):
            yield line, "not UTF-8"
        else:
            yield line, {name: _cell(text) for name, text in zip(header, row, strict=True)}


def _check_header(header: list[str]) -> None:
    hint = "columns: conversation,outcome and if you like tenant,workflow,value_usd,note,at"
    for name in header:
        if name not in _KNOWN | _IGNORED:
            raise UsageError(f"unknown column {one_line(name, 60)!r}", hint=hint)
        if header.count(name) > 1:
            raise UsageError(f"the column {name!r} is there twice", hint=hint)
    if "outcome" not in header or not set(_IDS) & set(header):
        raise UsageError("the file has no header that names conversation and outcome", hint=hint)


def _cell(text: str) -> str | None:
    # Written before a formula sign so that no spreadsheet runs the cell; not part of the text.
    if text.startswith("'") and text[1:].startswith(_FORMULA):
        text = text[1:]
    return text.strip() or None


def _json_rows(data: bytes) -> Iterator[Row]:
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            value = json.loads(raw.decode("utf-8-sig" if number == 1 else "utf-8"), **_EXACT)
        except (ValueError, RecursionError) as error:
            yield number, f"not JSON: {one_line(str(error), 120)}"
            continue
        if not isinstance(value, dict):
            yield number, "not a JSON object"
        elif odd := next((k for k, v in value.items() if _is_odd(k, v)), None):
            yield number, f"{one_line(odd, 60)} is neither text nor a number"
        else:
            yield number, {key: _plain(item) for key, item in value.items()}


_EXACT: dict[str, Any] = {"parse_float": str, "parse_constant": str, "parse_int": str}
"""Numbers stay the text that they are, so that no amount is rounded."""


def _is_odd(key: str, value: Any) -> bool:
    return key not in _IGNORED and value is not None and not isinstance(value, str)


def _plain(value: Any) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else None


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig", "replace")
