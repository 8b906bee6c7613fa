"""The gate: what is recorded of every action, before it, after it, and of what is refused."""

import hashlib
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from support.decisions import Ledgered, SteppingClock, action, asked, target
from wai_ops.control.decisions.actions import actions_of
from wai_ops.control.decisions.record import LONGEST_ARGUMENTS, MAX_RECORD_BYTES
from wai_ops.control.gate import ApprovalNeeded, Gate, RecordedDenial
from wai_ops.control.policy.action import ActionKind, Mode, VerdictWord
from wai_ops.core.errors import DataError, DeniedError, ExitCode
from wai_ops.core.failures import FailureClass
from wai_ops.runtime.keeping import Keeper
from wai_ops.state.live import LiveState


@pytest.fixture
def made(tmp_path: Path) -> Ledgered:
    return Ledgered(tmp_path / ".wai")


def test_decision_and_start_are_on_disk_before_leave_is_given(made: Ledgered) -> None:
    permitted = made.gate.decide(action(), **asked())
    decision, start = made.records()
    assert (decision["type"], start["type"]) == ("decision", "action_start")
    assert decision["decision_id"] == start["decision_id"] == permitted.decision_id
    permitted.end("ok")
    assert [one["type"] for one in made.records()][2:] == ["action_end"]


def test_a_decision_says_who_what_why_and_under_which_policy(made: Ledgered) -> None:
    arguments = {"id": 7, "query": "unpaid"}
    made.gate.decide(
        action(
            arguments=arguments, data_classes=frozenset({"public", "internal"}), target=target()
        ),
        keeps_arguments=True,
        **asked(
            run_id="r1",
            attempt_id="a1",
            conversation_id="c1",
            turn_index=3,
            parent_id="p1",
            route={"model": "@cf/x", "reason": "default"},
            reserved_usd=Decimal("0.0500"),
        ),
    )
    record = next(made.records())
    spelled = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
    known = {
        "kind": "tool_call",
        "verdict": "allow",
        "mode": "enforce",
        "rule": "support.tools.ok",
        "where": "policies/support.yaml:7",
        "reason": "support.tools.ok says allow",
        "justification": "the user asked for it",
        "actor": "os:tester",
        "credential_id": "runtime:0011223344556677",
        "policy_version": "2026-11-23.1+0123456789ab",
        "policy_sha256": "01" * 32,
        "tenant": "acme",
        "workflow": "support",
        "role": "runtime",
        "risk_tier": "low",
        "tool": "ok.lookup",
        "arguments": arguments,
        "arguments_sha256": hashlib.sha256(spelled.encode()).hexdigest(),
        "data_classes": ["internal", "public"],
        "target": {
            "scheme": "https",
            "host": "api.example.com",
            "port": 443,
            "method": "GET",
            "path": "/v1/items",
        },
        "request_sha256": "ab" * 32,
        "run_id": "r1",
        "attempt_id": "a1",
        "conversation_id": "c1",
        "turn_index": 3,
        "parent_id": "p1",
        "route": {"model": "@cf/x", "reason": "default"},
        "reserved_usd": "0.0500",
    }
    own = {"v", "seq", "prev", "type", "id", "decision_id", "at"}
    assert {name: value for name, value in record.items() if name not in own} == known


def test_an_end_says_what_came_of_it(made: Ledgered) -> None:
    permitted = made.gate.decide(action(), **asked())
    permitted.end(
        "failed",
        error_type="tool_error",
        result_sha256="cd" * 32,
        cost_usd=Decimal("0.000012345678"),
        cost_state="metered",
        duration_ms=12.5,
        log_id="01LOG",
        http_status=502,
    )
    end = list(made.records())[2]
    assert {name: end[name] for name in list(end)[7:]} == {
        "outcome": "failed",
        "error_type": "tool_error",
        "result_sha256": "cd" * 32,
        "cost_usd": "0.000012345678",
        "cost_state": "metered",
        "duration_ms": 12.5,
        "http_status": 502,
        "log_id": "01LOG",
    }


def test_an_action_ends_once(made: Ledgered) -> None:
    permitted = made.gate.decide(action(), **asked())
    permitted.end("ok")
    with pytest.raises(RuntimeError, match="recorded already"):
        permitted.end("failed")
    assert len(made.lines()) == 3


def test_a_refusal_is_recorded_and_names_rule_place_and_decision(made: Ledgered) -> None:
    with pytest.raises(RecordedDenial) as caught:
        made.gate.decide(action("bad.tool"), **asked())
    (record,) = made.records()
    error = caught.value
    assert error.exit_code == ExitCode.DENIED
    assert error.message == (
        "tool_call bad.tool is refused by default: default says deny "
        f"(decision {record['decision_id']})"
    )
    assert error.hint == f"see what is on record: wai audit show {record['decision_id']}"
    assert (error.record.decision_id, record["verdict"]) == (record["decision_id"], "deny")
    assert list(made.audit().verified.open) == []


def test_what_needs_approval_is_recorded_and_not_started(made: Ledgered) -> None:
    with pytest.raises(ApprovalNeeded, match=r"needs approval by support\.tools\.ask") as caught:
        made.gate.decide(action("ask.refund"), **asked())
    assert isinstance(caught.value, DeniedError)
    assert "(policies/support.yaml:12)" in caught.value.message
    assert [one["verdict"] for one in made.records()] == ["needs_approval"]


def test_in_shadow_mode_the_verdict_is_recorded_and_nothing_is_refused(tmp_path: Path) -> None:
    made = Ledgered(tmp_path / ".wai", mode=Mode.OBSERVE)
    made.gate.decide(action("bad.tool"), **asked()).end("ok")
    kinds = [(one["type"], one.get("verdict"), one.get("mode")) for one in made.records()]
    assert kinds == [
        ("decision", "deny", "observe"),
        ("action_start", None, None),
        ("action_end", None, None),
    ]
    assert list(made.audit().verified.findings) == []


@pytest.mark.parametrize("mode", list(Mode))
def test_a_refusal_of_a_budget_holds_in_shadow_mode_as_well(tmp_path: Path, mode: Mode) -> None:
    made = Ledgered(tmp_path / ".wai", mode=mode)
    with pytest.raises(RecordedDenial, match=r"by support\.budget \(wai\.yaml:3\): it is spent"):
        made.gate.refuse(
            action(), "support.budget", "wai.yaml:3", "it is spent", hint="wait", **asked()
        )
    (record,) = made.records()
    assert (record["verdict"], record["mode"], record["rule"]) == (
        "deny",
        "enforce",
        "support.budget",
    )
    assert record["policy_version"] == "2026-11-23.1+0123456789ab"


def test_a_verdict_of_somebody_else_stands_in_place_of_the_registrys(made: Ledgered) -> None:
    said = replace(
        made.gate._registry.decide(action()),
        word=VerdictWord.DENY,
        rule="support.envelope.max_turns",
        mode=Mode.OBSERVE,
    )
    made.gate.decide(action(), said=said, **asked())
    record = next(made.records())
    assert (record["verdict"], record["rule"]) == ("deny", "support.envelope.max_turns")


def test_secrets_are_masked_before_anything_is_written(made: Ledgered) -> None:
    permitted = made.gate.decide(
        action(
            "ok.hunter2",
            arguments={"password": "hunter2", "n": 1},
            target=target("/v1/hunter2"),
        ),
        keeps_arguments=True,
        **asked(justification="with hunter2"),
    )
    permitted.end("failed", error_type="hunter2 was wrong")
    assert b"hunter2" not in made.file.read_bytes()
    record = next(made.records())
    assert record["arguments"] == {"password": "[redacted:test:00000000]", "n": 1}
    assert record["target"]["path"] == "/v1/[redacted:test:00000000]"


def test_the_keeper_of_runs_masks_credentials_in_all_texts(made: Ledgered) -> None:
    token = "sk-" + "a1B2c3D4" * 6
    gate = Gate(
        made.gate._registry,
        made.log,
        None,
        clock=made.clock,
        actor="a",
        credential_id=None,
        keeper=Keeper({"NAME": token}),
    )
    around = asked(justification=f"use {token}")
    gate.decide(action(arguments={"token": token}), keeps_arguments=True, **around)
    assert token.encode() not in made.file.read_bytes()
    assert b"[redacted:name:" in made.file.read_bytes()


def test_arguments_are_kept_only_when_policy_says_so_and_when_they_are_small(
    made: Ledgered,
) -> None:
    made.gate.decide(action(arguments={"a": 1}), **asked())
    big = {"a": "x" * LONGEST_ARGUMENTS}
    made.gate.decide(action(arguments=big), keeps_arguments=True, **asked())
    first, second = (one for one in made.records() if one["type"] == "decision")
    assert "arguments" not in first
    assert "arguments" not in second
    assert first["arguments_sha256"] != second["arguments_sha256"]


def test_the_digest_of_arguments_does_not_depend_on_the_order_of_keys(made: Ledgered) -> None:
    made.gate.decide(action(arguments={"a": 1, "b": [2]}), **asked())
    made.gate.decide(action(arguments={"b": [2], "a": 1}), **asked())
    first, second = (one for one in made.records() if one["type"] == "decision")
    assert first["arguments_sha256"] == second["arguments_sha256"]


def test_texts_of_any_length_and_kind_fit_into_a_record(made: Ledgered) -> None:
    odd = "\ud800\x1b[2J\x00\u202e" + "\U0001f600" * 100_000
    made.gate.decide(
        action(f"ok.{odd}", target=target(odd), arguments={"a": odd[-1_500:]}),
        said=replace(made.gate._registry.decide(action()), reason=odd),
        keeps_arguments=True,
        **asked(justification=odd, route={"reason": "\udfff"}),
    ).end("failed", error_type=odd)
    assert all(len(line) <= MAX_RECORD_BYTES for line in made.lines())
    assert all(byte >= 32 or byte == 10 for byte in made.file.read_bytes())
    assert list(made.audit().verified.findings) == []


def test_the_ledger_hears_of_every_decision(tmp_path: Path) -> None:
    clock = SteppingClock()
    with LiveState.open(tmp_path / ".wai", clock=clock) as live:
        made = Ledgered(tmp_path / ".wai", clock, live)
        made.gate.decide(
            action(target=target()), **asked(conversation_id="c1", turn_index=2, run_id="r1")
        )
        made.act("bad.tool")
        first, second = (json.loads(row.payload) for row in live.sealed(after=0))
    assert first == {
        "decision_id": next(made.records())["decision_id"],
        "occurred_at": next(made.records())["at"],
        "policy_version": "2026-11-23.1+0123456789ab",
        "verdict": "allow",
        "rule": "support.tools.ok",
        "action": "tool_call GET https://api.example.com:443/v1/items",
        "justification": "the user asked for it",
        "actor": "os:tester",
        "run_id": "r1",
        "attempt_id": None,
        "parent_id": None,
        "tenant": "acme",
        "workflow": "support",
        "conversation_id": "c1",
        "turn_index": 2,
        "prompt_name": None,
        "prompt_version": None,
        "request_sha256": "ab" * 32,
        "error_type": None,
        "error_message": None,
    }
    assert (second["verdict"], second["action"]) == ("deny", "tool_call bad.tool")
    assert (second["error_type"], second["error_message"]) == ("local_policy", "default says deny")


def test_the_ledger_hears_what_was_refused_and_not_what_was_only_denied(tmp_path: Path) -> None:
    with LiveState.open(tmp_path / ".wai", clock=SteppingClock()) as live:
        made = Ledgered(tmp_path / ".wai", live=live, mode=Mode.OBSERVE)
        made.act("bad.tool", prompt_name="triage", prompt_version="3")
        with pytest.raises(RecordedDenial):
            made.gate.refuse(
                action(),
                "budgets.acme",
                "wai.yaml:3",
                "hunter2 is spent",
                failure=FailureClass.LOCAL_BUDGET,
                **asked(),
            )
        let_through, refused = (json.loads(row.payload) for row in live.sealed(after=0))
    assert (let_through["verdict"], let_through["error_type"]) == ("deny", None)
    assert (let_through["prompt_name"], let_through["prompt_version"]) == ("triage", "3")
    assert (refused["verdict"], refused["error_type"]) == ("deny", "local_budget")
    assert refused["error_message"] == "[redacted:test:00000000] is spent"


def test_an_action_that_live_state_cannot_hear_of_is_not_done(tmp_path: Path) -> None:
    clock = SteppingClock()
    live = LiveState.open(tmp_path / ".wai", clock=clock)
    made = Ledgered(tmp_path / ".wai", clock, live)
    live.execute("drop table outbox")
    with live, pytest.raises(DataError, match="outbox"):
        made.gate.decide(action(), **asked())
    end = list(made.records())[-1]
    assert (end["type"], end["outcome"], end["error_type"]) == (
        "action_end",
        "cancelled",
        "local_state",
    )


def test_without_a_record_nothing_may_be_done(tmp_path: Path) -> None:
    (tmp_path / ".wai").write_bytes(b"")
    made = Ledgered(tmp_path / ".wai")
    with pytest.raises(DataError, match="cannot record a decision"):
        made.gate.decide(action(), **asked())


def test_actions_are_found_by_their_runs(made: Ledgered) -> None:
    for number in range(4):
        made.act(run_id=f"r{number}", end=number != 2)
    made.act("bad.tool", run_id="r3")
    found = list(actions_of(made.folder, run_ids=["r2", "r3"]))
    assert [(one.decision["run_id"], one.outcome) for one in found] == [
        ("r2", "unknown"),
        ("r3", "ok"),
        ("r3", "refused"),
    ]
    assert list(actions_of(made.folder, run_ids=[])) == []


def test_a_model_call_is_described_by_its_model(made: Ledgered) -> None:
    with pytest.raises(RecordedDenial, match=r"^model_call @other/model is refused"):
        made.gate.decide(
            replace(action(), kind=ActionKind.MODEL_CALL, tool=None, model="@other/model"),
            **asked(),
        )
