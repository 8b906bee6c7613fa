"""One conversation from its decisions: who wanted what, why, what policy said, and what came of it.

Joined with the calls that the ledger and live state know of; what only one side knows is said. The
level tells how far the result can be relied on.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from wai_ops.control.decisions.actions import NOT_STARTED, REFUSED, Told, to_money
from wai_ops.control.decisions.audit import Audit
from wai_ops.control.decisions.record import Outcome
from wai_ops.core.ids import summed_up
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.core.text import counted, one_line
from wai_ops.observe.reports.timeline_facts import Call, Facts


class Level(StrEnum):
    """How complete a reconstruction is, the best first."""

    COMPLETE = "complete"
    UNANCHORED = "unanchored"
    """Some of it is vouched for by no checkpoint yet."""
    UNKNOWN = "outcome unknown"
    """Some actions were begun, and nobody knows what came of them."""
    DAMAGED = "damaged"
    """The log is not the one that was written, or it and the ledger contradict each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRow:
    """One action, or a call that no decision is known of. None: it does not apply."""

    number: int | None = col("#", Unit.COUNT)
    at: datetime | None = col("Time", Unit.TIME)
    run_id: str | None = col("Run")
    turn_index: int | None = col("Turn", Unit.COUNT)
    seq: int | None = col("Record", Unit.COUNT)
    actor: str | None = col("Who")
    kind: str = col("Action")
    what: str = col("What")
    justification: str | None = col("Why")
    verdict: str | None = col("Verdict")
    rule: str | None = col("Rule")
    where: str | None = col("Where")
    policy_version: str | None = col("Policy")
    outcome: str | None = col("Outcome")
    error_type: str | None = col("Error", default=None)
    result_sha256: str | None = col("Result digest", default=None)
    duration_ms: float | None = col("Took", Unit.MS, default=None)
    cost_usd: Decimal | None = col("Cost", Unit.USD, default=None)
    cost_state: str | None = col("Cost is", default=None)
    decision_id: str | None = col("Decision", default=None)
    parent_id: str | None = col("Part of", default=None)
    credential_id: str | None = col("Credential", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionLine:
    """What of an action fits into one line for people."""

    number: int | None = col("#", Unit.COUNT)
    at: datetime | None = col("Time", Unit.TIME)
    turn_index: int | None = col("Turn", Unit.COUNT)
    actor: str | None = col("Who")
    kind: str = col("Action")
    what: str = col("What")
    justification: str | None = col("Why")
    verdict: str | None = col("Verdict")
    rule: str | None = col("Rule")
    policy_version: str | None = col("Policy")
    outcome: str | None = col("Outcome")
    cost_usd: Decimal | None = col("Cost", Unit.USD)


def in_brief(table: Table[ActionRow]) -> Table[ActionLine]:
    """The same with the columns that people read; nothing is left out of other formats."""
    names = [item.name for item in fields(ActionLine)]

    def line(row: ActionRow) -> ActionLine:
        values = {name: getattr(row, name) for name in names}
        why = values["justification"]
        values["justification"] = why and one_line(why, 80)
        if row.error_type:
            values["outcome"] = f"{row.outcome}: {one_line(row.error_type, 40)}"
        return ActionLine(**values)

    return Table(
        row_type=ActionLine,
        rows=[line(row) for row in table.rows],
        title=table.title,
        notes=table.notes,
        verdict=table.verdict,
        total=None if table.total is None else line(table.total),
    )


def reconstruct(
    told: Sequence[Told], facts: Facts | None, audit: Audit, *, name: str
) -> tuple[Table[ActionRow], Level]:
    """Put the conversation together. `facts` None: no ledger was asked."""
    calls = _Calls(facts.calls if facts else ())
    rows = [_row(one, calls) for one in told]
    rows += [_of_call(call) for call in calls.left()]
    rows.sort(key=lambda row: (row.at is None, row.at, row.seq or 0))
    missing = _missing(told, facts)
    unknown = sum(one.outcome == Outcome.UNKNOWN for one in told)
    late = sum(one.seq >= audit.verified.anchored for one in told)
    if audit.verified.is_damaged or missing:
        level = Level.DAMAGED
    elif unknown:
        level = Level.UNKNOWN
    elif late:
        level = Level.UNANCHORED
    else:
        level = Level.COMPLETE
    notes = [
        _said(level, unknown),
        *_notes(told, calls, audit, missing, late=late, asked=facts is not None),
    ]
    table = Table(
        row_type=ActionRow,
        rows=[replace(row, number=number) for number, row in enumerate(rows, start=1)],
        title=f"Actions of {one_line(name)}",
        notes=tuple(notes),
        verdict=Verdict.FAIL if level is Level.DAMAGED else Verdict.PASS,
        total=_total(rows),
    )
    return table, level


def _said(level: Level, unknown: int) -> str:
    many = f" for {counted(unknown, 'action')}" if level is Level.UNKNOWN else ""
    return f"completeness: {level.value}{many}"


class _Calls:
    """The calls that the ledger knows of, handed out to the decisions that they belong to."""

    def __init__(self, calls: Iterable[Call]) -> None:
        self._left = list(calls)

    def of(self, told: Told) -> Call | None:
        """The call of a decision on a model call: by the gateway's log id, else by its place."""
        end, decision = told.end or {}, told.decision
        if decision["kind"] != "model_call" or told.outcome in {REFUSED, NOT_STARTED}:
            return None
        log_id, run_id = end.get("log_id"), decision.get("run_id")
        for call in self._left:
            if log_id is not None and call.log_id == log_id:
                return self._taken(call)
        for call in self._left:
            same_place = call.run_id == run_id and call.turn_index == decision.get("turn_index")
            if run_id is not None and same_place and (call.log_id is None or log_id is None):
                return self._taken(call)
        return None

    def _taken(self, call: Call) -> Call:
        self._left.remove(call)
        return call

    def left(self) -> list[Call]:
        """Those that belong to no decision."""
        return self._left


def _row(told: Told, calls: _Calls) -> ActionRow:
    decision, end = told.decision, told.end or {}
    call = calls.of(told)
    cost, state = to_money(end.get("cost_usd")), end.get("cost_state")
    if call is not None and (cost is None or call.cost_state == "confirmed"):
        cost, state = call.cost_usd, call.cost_state
    return ActionRow(
        number=None,
        at=told.at,
        run_id=decision.get("run_id"),
        turn_index=decision.get("turn_index"),
        seq=told.seq,
        actor=decision["actor"],
        kind=decision["kind"],
        what=_what(told),
        justification=decision["justification"],
        verdict=told.verdict,
        rule=decision["rule"],
        where=decision.get("where"),
        policy_version=decision["policy_version"],
        outcome=told.outcome,
        error_type=end.get("error_type"),
        result_sha256=end.get("result_sha256"),
        duration_ms=end.get("duration_ms"),
        cost_usd=cost,
        cost_state=state,
        decision_id=told.decision_id,
        parent_id=decision.get("parent_id"),
        credential_id=decision.get("credential_id"),
    )


def _what(told: Told) -> str:
    name = told.decision.get("conversation_id") or ""
    return told.what if summed_up(name) == name else f"{told.what} (summary)"


def _of_call(call: Call) -> ActionRow:
    return ActionRow(
        number=None,
        at=call.started_at,
        run_id=call.run_id,
        turn_index=call.turn_index,
        seq=None,
        actor=None,
        kind="model_call",
        what=call.model or "model unknown",
        justification=None,
        verdict="no decision",
        rule=None,
        where=None,
        policy_version=None,
        outcome="ok" if call.error_type is None else "failed",
        error_type=call.error_type,
        duration_ms=call.duration_ms,
        cost_usd=call.cost_usd,
        cost_state=call.cost_state,
    )


def _missing(told: Iterable[Told], facts: Facts | None) -> list[str]:
    """Decisions that the ledger knows of and the log does not: their records are gone."""
    here = {one.decision_id for one in told}
    known = facts.decisions if facts else ()
    return [one.decision_id for one in known if one.decision_id not in here]


def _notes(
    told: Sequence[Told],
    calls: _Calls,
    audit: Audit,
    missing: Sequence[str],
    *,
    late: int,
    asked: bool,
) -> Iterator[str]:
    yield f"{counted(len(told), 'decision')} in the log"
    for finding in audit.verified.findings[:3]:
        yield f"{finding.kind.value}: {finding.message}"
    if missing:
        yield (
            f"{counted(len(missing), 'decision')} known to the ledger and not in the log, "
            f"the first one {missing[0]}"
        )
    if late:
        yield f"{counted(late, 'decision')} after the last checkpoint that fits"
    if calls.left():
        without = counted(len(calls.left()), "call")
        yield f"{without} without a decision: not governed, or in another log"
    if not asked:
        yield "no ledger was read: costs are those that the log has"


def _total(rows: Sequence[ActionRow]) -> ActionRow | None:
    if not rows:
        return None
    known = [row.cost_usd for row in rows if row.cost_usd is not None]
    return ActionRow(
        number=None,
        at=None,
        run_id=None,
        turn_index=None,
        seq=None,
        actor=None,
        kind="total",
        what=counted(len(rows), "action"),
        justification=None,
        verdict=None,
        rule=None,
        where=None,
        policy_version=None,
        outcome=None,
        cost_usd=sum(known, Decimal(0)) if known else None,
    )
