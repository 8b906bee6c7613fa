"""Which of the known formats a file has, told from what is in it."""

import csv
import re
from enum import StrEnum
from typing import Any

import msgspec

from wai_ops.observe.ingest.columns import known_columns
from wai_ops.observe.ingest.lines import BOM


class LogFormat(StrEnum):
    """What can be imported."""

    GATEWAY = "gateway"
    LOGPUSH = "logpush"
    OTLP = "otlp"
    CSV = "csv"
    JSONL = "jsonl"


class Shape(StrEnum):
    """How the values of a format lie in the file."""

    LINES = "lines"
    """One JSON object a line."""
    OTHER = "other"


_TRIES = 50
_WORDS = {
    LogFormat.OTLP: re.compile(rb'"resourceSpans"\s*:'),
    LogFormat.GATEWAY: re.compile(rb'"created_at"\s*:'),
    LogFormat.LOGPUSH: re.compile(rb'"StatusCode"\s*:'),
    LogFormat.JSONL: re.compile(rb'"cost_state"\s*:'),
}
"""For JSON that does not end on its line, or not within what was read."""
DELIMITERS = ",;\t"


def detect(head: bytes) -> tuple[LogFormat, Shape] | None:
    """Say what a file is that begins like this; None: it cannot be told. Never raises."""
    text = head.removeprefix(BOM)
    for line in text.splitlines()[:_TRIES]:
        if (found := _of_value(_decoded(line))) is not None:
            return found if len(text) == len(head) else (found[0], Shape.OTHER)
    if text.lstrip()[:1] in {b"{", b"["}:
        for fmt, words in _WORDS.items():
            if words.search(text):
                return fmt, Shape.OTHER
        return None
    header = header_of(text)
    if header is not None and len(known_columns(header)) >= 2:
        return LogFormat.CSV, Shape.OTHER
    return None


def is_blank(head: bytes) -> bool:
    """Whether there is nothing to import."""
    return not head.removeprefix(BOM).strip()


def header_of(text: bytes) -> list[str] | None:
    """The first line as column names; None when it is no text."""
    try:
        line = text.lstrip(b"\r\n").split(b"\n", 1)[0].decode()
    except UnicodeDecodeError:
        return None
    delimiter = delimiter_of(line)
    try:
        return next(csv.reader([line.rstrip("\r")], delimiter=delimiter), None)
    except csv.Error:
        return None


def delimiter_of(header: str) -> str:
    """The mark between columns: the one that the header has most of."""
    return max(DELIMITERS, key=header.count)


def _decoded(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _of_value(value: Any) -> tuple[LogFormat, Shape] | None:
    if isinstance(value, list):
        found = _of_value(value[0]) if value and isinstance(value[0], dict) else None
        return None if found is None else (found[0], Shape.OTHER)
    if not isinstance(value, dict):
        return None
    if "resourceSpans" in value:
        return LogFormat.OTLP, Shape.LINES
    if "attempt_id" in value and "cost_state" in value:
        return LogFormat.JSONL, Shape.LINES
    if "StatusCode" in value or ("Gateway" in value and "Endpoint" in value):
        return LogFormat.LOGPUSH, Shape.LINES
    if "id" in value and "created_at" in value:
        return LogFormat.GATEWAY, Shape.LINES
    if isinstance(value.get("result"), list):  # an answer of the Logs API, saved as it came
        return LogFormat.GATEWAY, Shape.OTHER
    return None
