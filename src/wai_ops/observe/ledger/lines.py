"""A second look at log lines, in Python: at those that DuckDB does not take, and at suspects."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec

from wai_ops.core.clock import parse_utc, to_utc_text
from wai_ops.core.failures import FailureClass, classify_response
from wai_ops.core.metadata import KEYS
from wai_ops.observe.redact.engine import Redactor

SEPARATOR = "\x1f"
"""Between the texts of `stored_call.common`; in the texts themselves it becomes a space."""
LONGEST_LINE = 16 * 2**20
"""Bytes; the gateway stores no row above 10 MB."""
LONGEST_CONTENT = 500
"""Characters of an unreadable line that are kept."""
_GZIP = b"\x1f\x8b"
_MOST_TOKENS = 2**32


class Usage(msgspec.Struct):
    """`usage_metadata`, which no published schema has."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_cached_tokens: int | None = None
    output_reasoning_tokens: int | None = None


class Timings(msgspec.Struct):
    """`timings`, likewise."""

    latency: float | None = None


class LogLine(msgspec.Struct):
    """The fields of a log row that the ledger keeps."""

    id: str
    created_at: str
    provider: str | None = None
    model: str | None = None
    model_type: str | None = None
    path: str | None = None
    duration: float | None = None
    request_type: str | None = None
    status_code: int | None = None
    success: bool | None = None
    cached: bool | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: float | None = None
    custom_cost: bool | None = None
    metadata: dict[str, Any] | str | None = None
    step: int | None = None
    event_id: str | None = None
    usage_metadata: Usage | None = None
    timings: Timings | None = None
    user_agent: str | None = None
    feedback: int | None = None
    score: float | None = None
    wholesale: bool | None = None
    byok: str | None = None
    dlp_action: str | None = None
    gateway: str | None = None
    error_code: int | None = None
    error_message: str | None = None
    finish_reason: str | None = None
    error_type: str | None = None


class Usual(msgspec.Struct, frozen=True):
    """What log rows have in common with many others (`stored_call.common`), but for the model."""

    provider: str | None = None
    path: str | None = None
    request_type: str | None = None
    model_type: str | None = None
    finish_reason: str | None = None
    byok: str | None = None
    dlp_action: str | None = None
    user_agent: str | None = None
    # In the ranges of the columns that they are compared with.
    status_code: Annotated[int, msgspec.Meta(ge=0, lt=2**15)] | None = None
    step: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] | None = None
    custom_cost: bool | None = None
    wholesale: bool | None = None
    cached: bool | None = None

    @property
    def texts(self) -> list[str]:
        """Those that somebody wrote."""
        return [text for text in msgspec.structs.astuple(self) if isinstance(text, str)]


TEXTS = tuple(
    name
    for name in LogLine.__struct_fields__
    if name not in {"created_at", "metadata", "usage_metadata", "timings"}
    and "str" in str(LogLine.__annotations__[name])
)
_decoder = msgspec.json.Decoder(LogLine, strict=False)
_usual_decoder = msgspec.json.Decoder(Usual)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be read: where, why, and its redacted beginning."""

    origin: str
    line: int
    reason: str
    content: str


def split_lines(files: Sequence[Path], good: Path, redactor: Redactor) -> list[BadLine]:
    """Write the lines that can be read to `good`, in their plainest form; return the others.

    Secrets are masked in what is written.
    """
    bad = []
    with good.open("wb") as spool:
        for file in files:
            with open_lines(file) as lines:
                for number, line in enumerate(bounded(lines), 1):
                    if not line.strip():
                        continue
                    try:
                        if len(line) > LONGEST_LINE:
                            raise ValueError(f"longer than {LONGEST_LINE // 2**20} MiB")
                        row = read_line(line)
                    except _UNREADABLE as error:
                        shown = line[:_LONGEST_REDACTED].decode("utf-8", "replace")
                        content = redactor.text(shown.strip())[:LONGEST_CONTENT]
                        reason = redactor.text(f"{error}")
                        bad.append(BadLine(str(file), number, reason, content))
                    else:
                        text = _encoder.encode(row)
                        if redactor.may_change_bytes(text):
                            text = _encoder.encode(mask(row, redactor))
                        spool.write(text + b"\n")
    return bad


def most_usual(lines: Sequence[bytes]) -> Usual | None:
    """What most of the lines that can be read have in common; None: none can be read."""
    found = Counter[Usual]()
    for line in lines:
        with suppress(msgspec.MsgspecError, RecursionError):
            found[_usual_decoder.decode(line)] += 1
    return next((usual for usual, _ in found.most_common(1)), None)


def bounded(lines: BinaryIO) -> Iterator[bytes]:
    """Each line; of one without end no more than tells that it is too long."""
    while line := lines.readline(LONGEST_LINE + 1):
        yield line
        while line and len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = lines.readline(LONGEST_LINE + 1)


_LONGEST_REDACTED = 16 * 1024
_UNREADABLE = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)


def read_line(line: bytes) -> LogLine:
    """Decode one line. Raises msgspec.MsgspecError or ValueError with the reason."""
    row = _decoder.decode(line)
    if not row.id:
        raise ValueError("id is empty")
    try:
        row.created_at = to_utc_text(parse_utc(row.created_at))
    except ValueError:  # which quotes it: as it stands, so that redaction knows what it is, or not
        if repr(row.created_at) == f"'{row.created_at}'":
            raise
        raise ValueError("created_at is not a time") from None
    row.metadata = read_metadata(row.metadata)
    _check(row)
    return row


def read_metadata(entries: Any) -> dict[str, str] | None:
    """The five keys of metadata that is an object, or the text of one; None: there are none."""
    if isinstance(entries, str):
        try:
            entries = json.loads(entries)
        except (ValueError, RecursionError):
            return None
    if not isinstance(entries, dict):
        return None
    found = {}
    for key in KEYS:
        value = entries.get(key)
        if value is not None and not isinstance(value, dict | list):
            found[key] = value if isinstance(value, str) else json.dumps(value)
    return found


def mask(row: LogLine, redactor: Redactor) -> LogLine:
    """Redact every text of a row."""
    for name in TEXTS:
        if (text := getattr(row, name)) is not None:
            setattr(row, name, redactor.text(text.replace(SEPARATOR, " ")))
    row.metadata = {
        key: redactor.text(value) for key, value in (read_metadata(row.metadata) or {}).items()
    } or None
    return row


def judge(row: LogLine, redactor: Redactor) -> LogLine:
    """Redact every text of a row, and class its failure by all that is known of it."""
    mask(row, redactor)
    is_known = row.error_type in _CLASSES
    if not is_known and row.status_code is not None:
        row.error_type = class_of(row.status_code, row.error_code, row.error_message or "")
    elif not is_known:
        row.error_type = None
    return row


_CLASSES = frozenset(item.value for item in FailureClass)


@lru_cache(maxsize=4096)
def class_of(status: int, code: int | None, message: str) -> str:
    """The failure class of an answer."""
    return classify_response(status, code, message).value


def encode(rows: Sequence[LogLine]) -> bytes:
    """Write rows as NDJSON."""
    return _encoder.encode_lines(rows)


def _check(row: LogLine) -> None:
    usage = row.usage_metadata or Usage()
    counts = {
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
        "usage_metadata.input_tokens": usage.input_tokens,
        "usage_metadata.output_tokens": usage.output_tokens,
        "usage_metadata.input_cached_tokens": usage.input_cached_tokens,
        "usage_metadata.output_reasoning_tokens": usage.output_reasoning_tokens,
    }
    for name, count in counts.items():
        if count is not None and not 0 <= count < _MOST_TOKENS:
            raise ValueError(f"{name} is {count}")
    for name in ("step", "feedback", "error_code"):
        number = getattr(row, name)
        if number is not None and not -(2**31) <= number < 2**31:
            raise ValueError(f"{name} is {number}")
    if row.cost is not None and not abs(row.cost) < 1_000_000:
        raise ValueError(f"cost is {row.cost}")
    if row.duration is not None and not 0 <= row.duration < 1e12:
        raise ValueError(f"duration is {row.duration}")
    if row.status_code is not None and not 0 <= row.status_code < 1000:
        raise ValueError(f"status_code is {row.status_code}")


def is_gzip(file: Path) -> bool:
    """Told from the content; names lie."""
    with file.open("rb") as raw:
        return raw.read(2) == _GZIP


@contextmanager
def open_lines(file: Path) -> Iterator[BinaryIO]:
    """Open a file that may be gzipped."""
    with file.open("rb") as raw:
        yield gzip.GzipFile(fileobj=raw) if is_gzip(file) else raw  # type: ignore[misc]
