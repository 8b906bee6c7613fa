"""Bodies of logged calls: fetched only when asked for, redacted before they go anywhere.

A response body says what a row does not: the error's code and words, why the model stopped, which
tools it called. Those go into the row and the ledger's own columns; of the content a capped part.
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

import msgspec

from wai_ops.cloudflare.api_errors import ApiAccessError
from wai_ops.cloudflare.decode import Answer, AnswerDecoder
from wai_ops.cloudflare.sse import SseOverflow, SseParser
from wai_ops.core.clock import Clock
from wai_ops.core.errors import AccessError, UsageError
from wai_ops.core.text import one_line
from wai_ops.observe.ingest.pull_source import LogSource, RowKey
from wai_ops.observe.ledger.pull_bodies import Body, FoundTool
from wai_ops.observe.ledger.pull_rows import RawRow, spliced
from wai_ops.observe.redact.engine import Redactor

READ_BYTES = 4 * 1024 * 1024
"""Of a body: what lies beyond is neither decoded nor redacted nor kept."""
KEPT_CHARACTERS = 256 * 1024
"""Of a redacted body. The rest is cut off, and the cut is noted."""
_MESSAGE_CHARACTERS = 500
_FAILED_FROM = 400
_ENDS = (".", "/", ":", "__")


class BodyMode(StrEnum):
    """Whose bodies are fetched."""

    NONE = "none"
    FAILED = "failed"
    ALL = "all"
    SAMPLE = "sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyChoice:
    """Whose bodies, and of a sample what share."""

    mode: BodyMode = BodyMode.NONE
    ratio: Decimal = Decimal(0)

    def wants(self, key: RowKey) -> bool:
        """Decide on one row; always the same for the same row."""
        match self.mode:
            case BodyMode.NONE:
                return False
            case BodyMode.ALL:
                return True
            case BodyMode.FAILED:
                return key.success is False or (key.status_code or 0) >= _FAILED_FROM
            case BodyMode.SAMPLE:
                drawn = int.from_bytes(hashlib.sha256(key.id.encode()).digest()[:8], "big")
                return drawn < self.ratio * 2**64


def parse_bodies(text: str | None) -> BodyChoice:
    """Read `failed`, `all` or `sample:1%`. Raises UsageError."""
    if text is None:
        return BodyChoice()
    mode, _, share = text.partition(":")
    if mode == BodyMode.SAMPLE and share.endswith("%"):
        try:
            ratio = Decimal(share[:-1]) / 100
        except ArithmeticError:
            ratio = Decimal(-1)
        if ratio.is_finite() and 0 < ratio <= 1:
            return BodyChoice(mode=BodyMode.SAMPLE, ratio=ratio)
    elif not share and mode in (BodyMode.FAILED, BodyMode.ALL):
        return BodyChoice(mode=BodyMode(mode))
    raise UsageError(f"--bodies {text!r} is none", hint="try failed, all or sample:1%")


@dataclass(slots=True)
class FoundBodies:
    """What the bodies of some rows gave."""

    bodies: list[Body] = field(default_factory=list)
    tools: list[FoundTool] = field(default_factory=list)
    redacted: Counter[str] = field(default_factory=Counter)
    missing_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyReader:
    """Fetches and redacts; shared by the threads of a pull, which redact one at a time."""

    source: LogSource
    redactor: Redactor
    clock: Clock
    choice: BodyChoice
    known: frozenset[str] = frozenset()
    """Log ids whose bodies are in the ledger."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, rows: dict[str, RawRow], keys: Iterable[RowKey | None]) -> FoundBodies:
        """Fetch the bodies of the rows that are wanted, and complete those rows in place.

        Raises AccessError when the token may not read bodies, ApiError when the source fails.
        """
        found = FoundBodies()
        if self.choice.mode is BodyMode.NONE:
            return found
        for key in keys:
            if key is None or not self.choice.wants(key) or key.id in self.known:
                continue
            for kind in ("request", "response"):
                content = self._fetch(key, kind)
                if content is None:
                    found.missing_count += 1
                    continue
                with self.lock:
                    if kind == "response":
                        more = self._understand(key, content, found)
                        rows[key.id] = spliced(bytes(rows[key.id]), more)
                    found.bodies.append(self._body(key, kind, content, found))
        return found

    def _fetch(self, key: RowKey, kind: str) -> bytes | None:
        try:
            return self.source.body(key.id, kind)
        except ApiAccessError as error:
            raise AccessError(
                f"this token may list the log, and not read bodies: {error.message}",
                where=error.where,
                hint="bodies need the permission `AI Gateway Read`; without --bodies, "
                "`AI Gateway Metadata Read` is enough",
            ) from error

    def _understand(self, key: RowKey, content: bytes, found: FoundBodies) -> dict[str, object]:
        """What a response body adds to its row."""
        answer = decode_answer(content[:READ_BYTES])
        for tool in answer.tool_calls:
            if tool.name:
                found.tools.append(
                    FoundTool(
                        log_id=key.id,
                        tool_call_id=tool.id,
                        tool_name=self.redactor.text(one_line(tool.name, 128)),
                        tool_family=family_of(self.redactor.text(one_line(tool.name, 128))),
                        arguments_sha256=hashlib.sha256(
                            tool.arguments.encode("utf-8", "replace")
                        ).hexdigest(),
                    )
                )
        more: dict[str, object] = {}
        if answer.error is not None:
            more["error_code"] = answer.error.code
            text = self.redactor.text(one_line(answer.error.message, _MESSAGE_CHARACTERS))
            more["error_message"] = text
        if answer.finish_reason is not None:
            more["finish_reason"] = answer.finish_reason
        return {name: value for name, value in more.items() if value is not None}

    def _body(self, key: RowKey, kind: str, content: bytes, found: FoundBodies) -> Body:
        before = Counter(self.redactor.counts)
        text = self.redactor.text(content[:READ_BYTES].decode("utf-8", "replace"))
        removed = Counter(self.redactor.counts)
        removed.subtract(before)
        found.redacted.update(+removed)
        return Body(
            log_id=key.id,
            created_at=key.created_at,
            kind=kind,
            content=text[:KEPT_CHARACTERS].replace("\0", "\ufffd"),
            is_truncated=len(content) > READ_BYTES or len(text) > KEPT_CHARACTERS,
            redacted_count=sum((+removed).values()),
            fetched_at=self.clock.now(),
        )


def decode_answer(content: bytes) -> Answer:
    """Decode a stored response: a whole answer, or the stream as it was sent."""
    decoder = AnswerDecoder()
    try:
        decoder.feed_object(msgspec.json.decode(content))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        parser = SseParser()
        try:
            for event in (*parser.feed(content), *parser.finish()):
                decoder.feed_event(event)
        except SseOverflow:
            decoder.answer.malformed = "an event is too long"
    decoder.finish()
    return decoder.answer


def family_of(tool_name: str) -> str:
    """The part of a tool's name before the first `.`, `/`, `:` or `__`."""
    ends = [place for end in _ENDS if (place := tool_name.find(end)) > 0]
    return tool_name[: min(ends)] if ends else tool_name
