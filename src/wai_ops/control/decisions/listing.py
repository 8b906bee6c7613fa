"""Decisions as rows and as text: what `wai audit show` prints."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from wai_ops.control.decisions.actions import Collector, Told, to_money
from wai_ops.control.decisions.lines import measure, read_lines
from wai_ops.control.decisions.log import FILE_NAME
from wai_ops.core.clock import parse_utc
from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import counted, one_line
from wai_ops.core.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """One decision and what came of it."""

    at: datetime = col("Time", Unit.TIME)
    seq: int = col("Record", Unit.COUNT)
    tenant: str = col("Tenant")
    workflow: str = col("Workflow")
    conversation_id: str | None = col("Conversation")
    turn_index: int | None = col("Turn", Unit.COUNT)
    kind: str = col("Action")
    what: str = col("What")
    verdict: str = col("Verdict")
    rule: str = col("Rule")
    outcome: str = col("Outcome")
    cost_usd: Decimal | None = col("Cost", Unit.USD)
    decision_id: str = col("Decision")


EVER = Window(None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which decisions are asked for; None: all."""

    window: Window = EVER
    tenant: str | None = None
    workflow: str | None = None
    conversation_id: str | None = None
    verdict: str | None = None
    kind: str | None = None

    def fits(self, decision: Mapping[str, Any]) -> bool:
        """Whether a decision (decoded JSON) is one of them."""
        for name in ("tenant", "workflow", "conversation_id", "verdict", "kind"):
            asked = getattr(self, name)
            if asked is not None and decision.get(name) != asked:
                return False
        since, until = self.window.since, self.window.until
        if since is None and until is None:
            return True
        at = parse_utc(decision["at"])
        return (since is None or since <= at) and (until is None or at < until)


def list_decisions(folder: Path, wanted: Wanted, limit: int) -> Table[DecisionRow]:
    """The newest decisions that fit, oldest first. Raises DataError."""
    path = folder / FILE_NAME
    hint = (wanted.conversation_id or "").encode()
    found = Collector(wanted.fits, hint, limit)
    for line in read_lines(path, measure(path).whole_bytes):
        found.take(line)
    notes = ["read, not verified: see wai audit verify"]
    if found.dropped:
        notes.append(f"{counted(found.dropped, 'older decision')} left out: see --limit")
    return Table(
        row_type=DecisionRow,
        rows=[_row(one) for one in found.actions()],
        title="Decisions",
        notes=tuple(notes),
    )


def _row(told: Told) -> DecisionRow:
    decision = told.decision
    return DecisionRow(
        at=told.at,
        seq=told.seq,
        tenant=decision["tenant"],
        workflow=decision["workflow"],
        conversation_id=decision.get("conversation_id"),
        turn_index=decision.get("turn_index"),
        kind=decision["kind"],
        what=told.what,
        verdict=told.verdict,
        rule=decision["rule"],
        outcome=told.outcome,
        cost_usd=to_money((told.end or {}).get("cost_usd")),
        decision_id=told.decision_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionDetail:
    """One action whole: its records as they stand in the log, and the decisions that are parts."""

    decision_id: str
    outcome: str
    decision: Mapping[str, Any]
    start: Mapping[str, Any] | None
    end: Mapping[str, Any] | None
    parts: tuple[str, ...]

    def to_text(self) -> str:
        """Lines for people."""
        lines = [f"{self.decision['kind']} {self.decision_id}: {self.outcome}"]
        for title, record in (
            ("decision", self.decision),
            ("start", self.start),
            ("end", self.end),
        ):
            if record is None:
                continue
            lines.append(f"\n{title} (record {record['seq']})")
            lines += [
                f"  {one_line(name, 40):17} {one_line(_shown(value), 2100)}"
                for name, value in record.items()
                if name not in {"v", "seq", "type", "id", "decision_id"}
            ]
        if self.parts:
            lines += ["\nparts", *(f"  {one_line(part)}" for part in self.parts)]
        return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def show_action(folder: Path, name: str) -> ActionDetail:
    """One action, by the id of its decision or the number of one of its records.

    Raises UsageError when there is none, DataError.
    """
    if name.isascii() and name.isdecimal():
        name = _decision_of(folder, int(name))
    path = folder / FILE_NAME
    found = Collector(lambda one: name in {one["decision_id"], one.get("parent_id")}, name.encode())
    for line in read_lines(path, measure(path).whole_bytes):
        found.take(line)
    actions = list(found.actions())
    told = next((one for one in actions if one.decision_id == name), None)
    if told is None:
        raise UsageError(f"there is no decision {one_line(name, 80)}", hint="see: wai audit show")
    return ActionDetail(
        decision_id=told.decision_id,
        outcome=told.outcome,
        decision=told.decision,
        start=told.start,
        end=told.end,
        parts=tuple(
            f"{one.decision_id} {one.decision['kind']} {one.what}: {one.outcome}"
            for one in actions
            if one is not told
        ),
    )


def record_number(folder: Path, name: str) -> int:
    """The number of a record, given as such or by the decision that it is. Raises UsageError."""
    if name.isascii() and name.isdecimal():
        return int(name)
    return int(show_action(folder, name).decision["seq"])


def _decision_of(folder: Path, seq: int) -> str:
    """The decision that a record is about. Raises UsageError."""
    import json

    path = folder / FILE_NAME
    mark = f'"seq":{seq},'.encode()
    for line in read_lines(path, measure(path).whole_bytes):
        if mark in line[:64]:
            record = json.loads(line)
            if record.get("seq") == seq and "decision_id" in record:
                return str(record["decision_id"])
    raise UsageError(f"no record {seq} is about a decision", hint="see: wai audit show")
