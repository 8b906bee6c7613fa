"""Actions as the log tells of them: each decision with its start and its end. Constant memory."""

import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from wai_ops.control.decisions.lines import measure, read_lines
from wai_ops.control.decisions.log import FILE_NAME
from wai_ops.control.decisions.record import Outcome, RecordType
from wai_ops.core.clock import parse_utc

NOT_STARTED = "not started"
REFUSED = "refused"


@dataclass(slots=True)
class Told:
    """One decision and what followed: the records as they were written (decoded JSON)."""

    decision: dict[str, Any]
    start: dict[str, Any] | None = None
    end: dict[str, Any] | None = None

    @property
    def decision_id(self) -> str:
        """Its id."""
        return str(self.decision["decision_id"])

    @property
    def seq(self) -> int:
        """The number of the decision's record."""
        return int(self.decision["seq"])

    @property
    def at(self) -> datetime:
        """When it was decided."""
        return parse_utc(self.decision["at"])

    @property
    def outcome(self) -> str:
        """What came of it; `unknown` without an end, `refused` without leave."""
        if self.end is not None:
            return str(self.end["outcome"])
        if self.start is not None:
            return Outcome.UNKNOWN.value
        permitted = self.decision["verdict"] == "allow" or self.decision["mode"] == "observe"
        return NOT_STARTED if permitted else REFUSED

    @property
    def verdict(self) -> str:
        """What was said; `(shadow)` where it stopped nothing."""
        is_shadow = self.decision["mode"] == "observe"
        return str(self.decision["verdict"]) + (" (shadow)" if is_shadow else "")

    @property
    def what(self) -> str:
        """The thing acted on: a request line, a tool or a model."""
        at = self.decision.get("target")
        if at:
            return f"{at['method']} {at['scheme']}://{at['host']}:{at['port']}{at['path']}"
        return str(self.decision.get("tool") or self.decision.get("model") or "")


class _Head(msgspec.Struct):
    type: str
    seq: int
    decision_id: str = ""


_decode = msgspec.json.Decoder(_Head).decode


def to_money(text: str | None) -> Decimal | None:
    """Dollars as a record has them; None for what is none."""
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return None


@dataclass(slots=True)
class Collector:
    """Keeps the actions that are asked for while the lines of a log go by.

    `wanted` sees each decision. `hint`: bytes that stand in the line of every wanted decision, so
    that the others are not decoded. `limit`: the newest so many are kept.
    """

    wanted: Callable[[dict[str, Any]], bool]
    hint: bytes = b""
    limit: int | None = None
    dropped: int = 0
    _kept: OrderedDict[str, Told] = field(default_factory=OrderedDict)

    def take(self, line: bytes) -> None:
        """Look at a line; what is no record is passed over."""
        try:
            head = _decode(line)
        except msgspec.DecodeError:
            return
        if head.type == RecordType.DECISION:
            if self.hint in line:
                self._decision(line)
            return
        told = self._kept.get(head.decision_id)
        if told is None:
            return
        if head.type == RecordType.ACTION_START:
            told.start = json.loads(line)
        elif head.type == RecordType.ACTION_END:
            told.end = json.loads(line)

    def _decision(self, line: bytes) -> None:
        told = Told(json.loads(line))
        try:
            if not self.wanted(told.decision):
                return
            self._kept[told.decision_id] = told
        except (KeyError, ValueError, TypeError):  # a foreign record: verify tells of it
            return
        if self.limit is not None and len(self._kept) > self.limit:
            self._kept.popitem(last=False)
            self.dropped += 1

    def actions(self) -> Iterator[Told]:
        """The actions, in the order of the log."""
        yield from self._kept.values()


def actions_of(folder: Path, *, run_ids: Collection[str]) -> Iterator[Told]:
    """The actions of some runs, in the order of the log; one pass over it. Raises DataError."""
    path = folder / FILE_NAME
    wanted = frozenset(run_ids)
    hint = b"" if len(wanted) != 1 else next(iter(wanted)).encode()
    found = Collector(lambda decision: decision.get("run_id") in wanted, hint)
    if wanted:
        for line in read_lines(path, measure(path).whole_bytes):
            found.take(line)
    return found.actions()
