"""A candidate policy against what was recorded: which verdicts change, and what that had cost."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from wai_ops.control.policy.recorded import Recorded, judgeable
from wai_ops.control.policy.registry import Registry
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.core.text import counted, one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRow:
    """Actions alike whose verdict changes alike."""

    workflow: str = col("Workflow")
    kind: str = col("Kind")
    what: str = col("What")
    before: str = col("Before")
    after: str = col("After")
    rule: str = col("Rule")
    """Of the candidate."""
    count: int = col("Actions", Unit.COUNT)
    cost_usd: Decimal | None = col("Cost", Unit.USD)
    """What these had cost, as far as it is known. None: of none it is known."""
    unknown_cost_count: int = col("Unknown cost", Unit.COUNT)
    example: str = col("Example")
    """The id of a decision, or of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotEvaluated:
    """Actions that the candidate could not be asked about."""

    workflow: str
    kind: str
    reason: str
    count: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class NowDenied:
    """What the candidate would have stopped, by workflow."""

    workflow: str
    count: int
    cost_usd: Decimal
    unknown_cost_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a candidate would have said."""

    candidate: str
    policy_versions: tuple[str, ...]
    decision_count: int
    """Recorded decisions that were looked at."""
    request_count: int
    """Requests without a decision that were looked at."""
    changed_count: int
    assumed_tier_count: int
    now_denied: tuple[NowDenied, ...]
    changed: tuple[ChangedRow, ...]
    not_evaluated: tuple[NotEvaluated, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Sum:
    count: int = 0
    known: int = 0
    cost_usd: Decimal = Decimal(0)
    example: str = ""

    def add(self, record: Recorded) -> None:
        self.count += 1
        self.example = self.example or record.id
        if record.cost_usd is not None:
            self.known += 1
            self.cost_usd += record.cost_usd


@dataclass(slots=True)
class Replay:
    """Takes recorded actions one by one; memory grows with what differs, not with their number."""

    candidate: Registry
    only: str | None = None
    """A workflow. None: all."""
    run_ids: set[str] = field(default_factory=set)
    """Runs that a decision was recorded of: their requests are not looked at again."""
    decision_ids: set[str] = field(default_factory=set)
    decision_count: int = 0
    request_count: int = 0
    assumed_tier_count: int = 0
    _changed: dict[tuple[str, str, str, str, str, str], _Sum] = field(default_factory=dict)
    _denied: dict[str, _Sum] = field(default_factory=dict)
    _missed: dict[tuple[str, str, str], _Sum] = field(default_factory=dict)

    def decisions(self, records: Iterable[Recorded]) -> None:
        """Take recorded decisions."""
        for record in records:
            self.decision_ids.add(record.id)
            if record.run_id is not None and record.kind == "model_call":
                self.run_ids.add(record.run_id)
            if self.only in (None, record.workflow):
                self.decision_count += 1
                self._take(record)

    def requests(self, records: Iterable[Recorded]) -> None:
        """Take requests, but for those of runs whose decisions were taken."""
        for record in records:
            if record.run_id in self.run_ids or self.only not in (None, record.workflow):
                continue
            self.request_count += 1
            self._take(record)

    def _take(self, record: Recorded) -> None:
        reason = judgeable(record, self.candidate)
        if reason or record.action is None:
            key = (record.workflow, record.kind, reason)
            self._missed.setdefault(key, _Sum()).add(record)
            return
        self.assumed_tier_count += record.is_tier_assumed
        verdict = self.candidate.decide(record.action)
        after = verdict.word.value
        if after == record.said:
            return
        what = one_line(record.what, 200)
        group = (record.workflow, record.kind, what, record.said, after, verdict.rule)
        self._changed.setdefault(group, _Sum()).add(record)
        if record.said == "allow":
            self._denied.setdefault(record.workflow, _Sum()).add(record)

    def result(self, candidate: str, notes: Iterable[str] = ()) -> Backtest:
        """What came of it. `candidate`: how the policies are named."""
        changed = tuple(
            ChangedRow(
                workflow=key[0],
                kind=key[1],
                what=key[2],
                before=key[3],
                after=key[4],
                rule=key[5],
                count=total.count,
                cost_usd=total.cost_usd if total.known else None,
                unknown_cost_count=total.count - total.known,
                example=total.example,
            )
            for key, total in sorted(
                self._changed.items(), key=lambda item: (-item[1].cost_usd, item[0])
            )
        )
        return Backtest(
            candidate=candidate,
            policy_versions=tuple(
                f"{policy.name} {policy.policy_version}" for policy in self.candidate.policies
            ),
            decision_count=self.decision_count,
            request_count=self.request_count,
            changed_count=sum(row.count for row in changed),
            assumed_tier_count=self.assumed_tier_count,
            now_denied=tuple(
                NowDenied(
                    workflow=name,
                    count=total.count,
                    cost_usd=total.cost_usd,
                    unknown_cost_count=total.count - total.known,
                )
                for name, total in sorted(self._denied.items())
            ),
            changed=changed,
            not_evaluated=tuple(
                NotEvaluated(
                    workflow=key[0],
                    kind=key[1],
                    reason=key[2],
                    count=total.count,
                    cost_usd=total.cost_usd,
                )
                for key, total in sorted(self._missed.items())
            ),
            notes=tuple(notes),
        )


def backtest_table(found: Backtest, *, fails: bool) -> Table[ChangedRow]:
    """The changed verdicts, with everything else in the notes; `fails`: a change is a "no"."""
    looked = f"{counted(found.decision_count, 'decision')} and "
    looked += f"{counted(found.request_count, 'request')} without one"
    notes = [
        f"{looked} under {found.candidate} ({', '.join(found.policy_versions) or 'no policy'})",
        f"{counted(found.changed_count, 'verdict')} would change",
    ]
    for item in found.now_denied:
        text = f"workflow {item.workflow}: {counted(item.count, 'action')} would no longer go out "
        text += f"by itself; it had cost ${item.cost_usd:f}"
        if item.unknown_cost_count:
            text += f", and {item.unknown_cost_count:,} of unknown cost"
        notes.append(text)
    reasons: Counter[str] = Counter()
    for missed in found.not_evaluated:
        reasons[missed.reason] += missed.count
    notes += [f"not evaluated: {counted(n, 'action')}: {why}" for why, n in sorted(reasons.items())]
    if found.assumed_tier_count:
        notes.append(
            f"{counted(found.assumed_tier_count, 'request')} without a recorded risk tier: taken "
            "to be of the candidate's default_risk, with no data class"
        )
    notes += found.notes
    verdict = Verdict.FAIL if found.changed_count else Verdict.PASS
    return Table(
        row_type=ChangedRow,
        title="Verdicts that would change",
        rows=found.changed,
        notes=tuple(notes),
        verdict=verdict if fails else None,
    )
