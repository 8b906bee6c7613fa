"""What one line of the decision log says: a decision, the start of an action, its end, a repair.

Lines are JSON objects; a field that does not apply is left out. The log itself puts `v`, `seq` and
`prev` in front (see `log`). Texts come here masked already.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, ClassVar

from wai_ops.core.clock import to_utc_text

VERSION = 1
"""Of the format of a line."""
MAX_RECORD_BYTES = 65_535
"""The longest line without its newline: what an entry of a tile bundle can hold."""
LONGEST_TEXT = 4_000
"""Bytes that are kept of a text that people or models wrote."""
_CUT = r"\u2026"
LONGEST_ARGUMENTS = 8_192
"""Bytes of JSON; longer arguments are recorded by their digest alone."""


class RecordType(StrEnum):
    """What a line is."""

    DECISION = "decision"
    ACTION_START = "action_start"
    ACTION_END = "action_end"
    REPAIR = "repair"
    """Bytes of a writer that died were cut from the end of the log and kept aside."""


class Outcome(StrEnum):
    """How an action ended."""

    OK = "ok"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """It was sent, and nobody knows what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """One decision: who wanted what and why, and what was said to it by which rule."""

    type: ClassVar[RecordType] = RecordType.DECISION
    id: str
    decision_id: str
    at: datetime
    kind: str
    verdict: str
    mode: str
    rule: str
    reason: str
    justification: str
    actor: str
    policy_version: str
    policy_sha256: str
    tenant: str
    workflow: str
    risk_tier: str
    role: str
    request_sha256: str
    where: str | None = None
    parent_id: str | None = None
    """The decision of which this one is a part: a retry's or a redirect's first, a tool's turn."""
    credential_id: str | None = None
    """Names the credential; nothing of the credential itself."""
    conversation_id: str | None = None
    run_id: str | None = None
    attempt_id: str | None = None
    """The attempt in live state that it is about."""
    turn_index: int | None = None
    model: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    tool: str | None = None
    arguments_sha256: str | None = None
    arguments: Any = None
    data_classes: tuple[str, ...] | None = None
    target: Mapping[str, Any] | None = None
    """`scheme`, `host`, `port`, `method`, `path`."""
    route: Any = None
    approved_by: str | None = None
    reserved_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionStart:
    """The action is about to be done: from here on it may have happened."""

    type: ClassVar[RecordType] = RecordType.ACTION_START
    id: str
    decision_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionEnd:
    """The action is over, with what came of it."""

    type: ClassVar[RecordType] = RecordType.ACTION_END
    id: str
    decision_id: str
    at: datetime
    outcome: str
    error_type: str | None = None
    result_sha256: str | None = None
    cost_usd: Decimal | None = None
    cost_state: str | None = None
    duration_ms: float | None = None
    http_status: int | None = None
    log_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """Bytes that no writer was ever told were kept, now in `kept_as` beside the log."""

    type: ClassVar[RecordType] = RecordType.REPAIR
    id: str
    at: datetime
    cut_bytes: int
    cut_sha256: str
    kept_as: str


Record = DecisionRecord | ActionStart | ActionEnd | Repair


def to_fields(record: Record) -> dict[str, Any]:
    """The record as what its line holds: plain JSON values, without what does not apply."""
    found: dict[str, Any] = {"type": record.type.value}
    for item in fields(record):
        value = getattr(record, item.name)
        if value is not None:
            found[item.name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_utc_text(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    return value


def encode(record: Mapping[str, Any]) -> bytes:
    """One line without its newline: compact JSON in ASCII. Raises ValueError for NaN."""
    line = _to_json(record)
    if "\\ud" in line:  # a half of a pair is legal in JSON's escapes and nowhere else
        line = _to_json(json.loads(_to_json(record, ensure_ascii=False).encode("utf-8", "replace")))
    return line.encode("ascii")


def _to_json(value: Any, *, ensure_ascii: bool = True) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=ensure_ascii)


def canonical_sha256(value: Any) -> str:
    """The digest of a JSON value, whatever the order of its keys: hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def shortened(text: str) -> str:
    """At most `LONGEST_TEXT` bytes as a line has them, with a mark where something was left out."""
    whole = text[:LONGEST_TEXT].encode("utf-8", "replace").decode()
    if len(text) <= LONGEST_TEXT and len(_to_json(whole)) <= LONGEST_TEXT:
        return whole
    while len(_to_json(whole)) > LONGEST_TEXT - len(_CUT):
        whole = whole[: len(whole) * 7 // 8]
    return f"{whole}…"
