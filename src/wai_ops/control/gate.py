"""The gate: every action is decided and recorded here before anything of it happens.

`decide` returns only when the decision and the start of the action are on disk. A refusal is
recorded as well and then raised. `Permitted.end` records what came of it; an action whose end is
never recorded has the outcome "unknown".
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal, NoReturn, Protocol, Required, TypedDict, Unpack

from wai_ops.control.decisions.log import DecisionLog
from wai_ops.control.decisions.record import (
    LONGEST_ARGUMENTS,
    ActionEnd,
    ActionStart,
    DecisionRecord,
    canonical_sha256,
    shortened,
    to_fields,
)
from wai_ops.control.policy.action import Action, Mode, Verdict, VerdictWord
from wai_ops.core.clock import Clock
from wai_ops.core.errors import DataError, DeniedError
from wai_ops.core.failures import FailureClass
from wai_ops.core.ids import uuid7
from wai_ops.core.text import one_line
from wai_ops.state.live import LiveState

DECISION = "decision"
"""The kind of these facts in the outbox."""
_LONGEST_NAME = 200
OutcomeWord = Literal["ok", "failed", "cancelled", "unknown"]


class RecordedDenial(DeniedError):  # noqa: N818 - it says what it is
    """A refusal that is on record."""

    def __init__(self, message: str, *, record: DecisionRecord, hint: str | None = None) -> None:
        """Keep what was recorded of it."""
        super().__init__(message, hint=hint)
        self.record = record


class ApprovalNeeded(RecordedDenial):
    """Policy allows this only after somebody has said yes."""


class Decider(Protocol):
    """The registry of policies, as far as the gate needs it."""

    def decide(self, action: Action) -> Verdict:
        """Say what the policies say to an action; pure."""
        ...


class Masker(Protocol):
    """Masks the secrets of texts that are about to be stored."""

    def text(self, text: str) -> str:
        """Mask a text."""
        ...

    def json_text(self, text: str) -> str:
        """Mask the strings of comma-joined JSON values."""
        ...


class Around(TypedDict, total=False):
    """What surrounds an action; what does not apply is left out or None."""

    justification: Required[str]
    """Why, in the words of whoever wants it."""
    request_sha256: Required[str]
    """Of what is about to be sent, in hex."""
    run_id: str | None
    attempt_id: str | None
    conversation_id: str | None
    turn_index: int | None
    prompt_name: str | None
    prompt_version: str | None
    parent_id: str | None
    """The decision that this one is a part of."""
    route: Any
    """JSON: why this model."""
    reserved_usd: Decimal | None


class EndFacts(TypedDict, total=False):
    """What is known of the end of an action."""

    error_type: str | None
    result_sha256: str | None
    cost_usd: Decimal | None
    cost_state: str | None
    duration_ms: float | None
    log_id: str | None
    http_status: int | None


class Permitted:
    """Leave to do one action, which is recorded as started."""

    def __init__(self, gate: "Gate", decision_id: str, verdict: Verdict) -> None:
        """Use `Gate.decide`."""
        self._gate = gate
        self.decision_id = decision_id
        self.verdict = verdict
        self.is_ended = False

    def end(self, outcome: OutcomeWord, **facts: Unpack[EndFacts]) -> None:
        """Record what came of the action, once. Raises DataError when it cannot be recorded."""
        if self.is_ended:
            raise RuntimeError(f"the end of {self.decision_id} is recorded already")
        self._gate.write_end(self.decision_id, outcome, **facts)
        self.is_ended = True


class Gate:
    """Decides, records, and lets through. One for each process."""

    def __init__(
        self,
        registry: Decider,
        log: DecisionLog,
        live: LiveState | None,
        *,
        clock: Clock,
        actor: str,
        credential_id: str | None,
        keeper: Masker,
    ) -> None:
        """`live` None: the ledger hears nothing. `actor`: who runs this, `credential_id`: as what.

        Neither may hold anything of a credential itself.
        """
        self._registry = registry
        self._log = log
        self._live = live
        self._clock = clock
        self._actor = actor
        self._credential_id = credential_id
        self._keeper = keeper

    def decide(
        self,
        action: Action,
        *,
        said: Verdict | None = None,
        keeps_arguments: bool = False,
        **around: Unpack[Around],
    ) -> Permitted:
        """Ask the policies, record what they say and, if they permit it, that the action starts.

        `said`: the verdict where something else than the registry has judged (an envelope or a
        budget in shadow mode, an operator's command). `keeps_arguments`: whether policy lets the
        masked arguments of the call be kept; their digest always is. Raises RecordedDenial,
        ApprovalNeeded among them, and DataError when nothing can be recorded: then nothing may be
        done.
        """
        verdict = said or self._registry.decide(action)
        record = self._record(action, verdict, around, keeps_arguments=keeps_arguments)
        if not verdict.permits:
            self._write_refused(record, FailureClass.LOCAL_POLICY)
            raise _denied(record)
        start = ActionStart(id=uuid7(record.at), decision_id=record.decision_id, at=record.at)
        self._log.append(to_fields(record), to_fields(start))
        try:
            self._tell(record, None)
        except DataError:
            self.write_end(record.decision_id, "cancelled", error_type="local_state")
            raise
        return Permitted(self, record.decision_id, verdict)

    def refuse(
        self,
        action: Action,
        rule: str,
        where: str,
        reason: str,
        *,
        hint: str | None = None,
        failure: FailureClass = FailureClass.LOCAL_POLICY,
        **around: Unpack[Around],
    ) -> NoReturn:
        """Record a refusal that is not the registry's (budget, envelope, URL), and raise it.

        It holds in shadow mode as well. `hint`: what to do next. `failure`: what the ledger counts
        it as. Raises RecordedDenial, or DataError as `decide` does.
        """
        said = self._registry.decide(action)
        verdict = replace(
            said,
            word=VerdictWord.DENY,
            rule=rule,
            where=where,
            reason=reason,
            mode=Mode.ENFORCE,
        )
        record = self._record(action, verdict, around, keeps_arguments=False)
        self._write_refused(record, failure)
        raise _denied(record, hint)

    def write_end(self, decision_id: str, outcome: OutcomeWord, **facts: Unpack[EndFacts]) -> None:
        """Record the end of an action; `facts` as in `Permitted.end`."""
        now = self._clock.now()
        if error_type := facts.get("error_type"):
            facts["error_type"] = shortened(self._keeper.text(error_type))
        end = ActionEnd(id=uuid7(now), decision_id=decision_id, at=now, outcome=outcome, **facts)
        self._log.append(to_fields(end))

    def _write_refused(self, record: DecisionRecord, failure: FailureClass) -> None:
        self._log.append(to_fields(record))
        self._tell(record, failure)

    def _record(
        self,
        action: Action,
        verdict: Verdict,
        around: Around,
        *,
        keeps_arguments: bool,
    ) -> DecisionRecord:
        now = self._clock.now()
        decision_id = uuid7(now)
        digest = None if action.arguments is None else canonical_sha256(action.arguments)
        return DecisionRecord(
            id=decision_id,
            decision_id=decision_id,
            at=now,
            kind=action.kind.value,
            verdict=verdict.word.value,
            mode=verdict.mode.value,
            rule=verdict.rule,
            where=verdict.where or None,
            reason=shortened(self._keeper.text(verdict.reason)),
            justification=shortened(self._keeper.text(around["justification"])),
            actor=self._actor,
            credential_id=self._credential_id,
            policy_version=verdict.policy_version,
            policy_sha256=verdict.policy_sha256,
            tenant=action.tenant,
            workflow=action.workflow,
            risk_tier=action.risk_tier.value,
            role=action.role,
            model=self._name(action.model),
            prompt_name=around.get("prompt_name"),
            prompt_version=around.get("prompt_version"),
            tool=self._name(action.tool),
            arguments_sha256=digest,
            arguments=self._kept(action.arguments) if keeps_arguments else None,
            data_classes=tuple(sorted(action.data_classes)) or None,
            target=self._target(action),
            approved_by=action.approved_by,
            request_sha256=around["request_sha256"],
            run_id=around.get("run_id"),
            attempt_id=around.get("attempt_id"),
            conversation_id=around.get("conversation_id"),
            turn_index=around.get("turn_index"),
            parent_id=around.get("parent_id"),
            route=around.get("route"),
            reserved_usd=around.get("reserved_usd"),
        )

    def _name(self, name: str | None) -> str | None:
        """A name that a model may have made up."""
        return None if name is None else one_line(self._keeper.text(name), _LONGEST_NAME)

    def _kept(self, arguments: Mapping[str, Any] | None) -> Any:
        if arguments is None:
            return None
        kept = json.loads(self._keeper.json_text(json.dumps(arguments, separators=(",", ":"))))
        return kept if len(json.dumps(kept)) <= LONGEST_ARGUMENTS else None

    def _target(self, action: Action) -> Mapping[str, Any] | None:
        target = action.target
        if target is None:
            return None
        return {
            "scheme": target.scheme,
            "host": target.host,
            "port": target.port,
            "method": target.method,
            "path": shortened(self._keeper.text(target.path)),
        }

    def _tell(self, record: DecisionRecord, failure: FailureClass | None) -> None:
        """Let the ledger know. `failure`: why nothing is done. Raises DataError."""
        if self._live is None:
            return
        with self._live.write():
            self._live.append(DECISION, _fact(record, failure))


def _fact(record: DecisionRecord, failure: FailureClass | None) -> dict[str, Any]:
    known = to_fields(record)
    names = (
        "decision_id", "policy_version", "verdict", "rule", "justification", "actor", "run_id",
        "attempt_id", "parent_id", "tenant", "workflow", "conversation_id", "turn_index",
        "prompt_name", "prompt_version", "request_sha256",
    )  # fmt: skip
    return {name: known.get(name) for name in names} | {
        "occurred_at": known["at"],
        "action": described(record),
        # A verdict alone does not say it: a policy that only observes denies and lets through.
        "error_type": None if failure is None else failure.value,
        "error_message": None if failure is None else record.reason,
    }


def described(record: DecisionRecord) -> str:
    """The action in one line: `tool_call crm.lookup`."""
    if record.target is not None:
        at = record.target
        what: str | None = f"{at['method']} {at['scheme']}://{at['host']}:{at['port']}{at['path']}"
    else:
        what = record.tool or record.model
    return record.kind if what is None else f"{record.kind} {one_line(what, 300)}"


def _denied(record: DecisionRecord, hint: str | None = None) -> RecordedDenial:
    needs = record.verdict == VerdictWord.NEEDS_APPROVAL.value
    word = "needs approval" if needs else "is refused"
    at = f" ({record.where})" if record.where else ""
    see = f"wai audit show {record.decision_id}"
    kind = ApprovalNeeded if needs else RecordedDenial
    return kind(
        f"{described(record)} {word} by {record.rule}{at}: {one_line(record.reason, 300)} "
        f"(decision {record.decision_id})",
        record=record,
        hint=f"{hint}; on record: {see}" if hint else f"see what is on record: {see}",
    )
