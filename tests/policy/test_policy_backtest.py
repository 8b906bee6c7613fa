"""`wai policy backtest`: recorded decisions and requests under other policies."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from policy.policies import SUPPORT, registry
from support.cli import Wai
from wai_ops.control.decisions.log import FILE_NAME, DecisionLog
from wai_ops.control.decisions.record import (
    ActionEnd,
    ActionStart,
    DecisionRecord,
    canonical_sha256,
    to_fields,
)
from wai_ops.control.policy.backtesting import Backtest, Replay, backtest_table
from wai_ops.control.policy.recorded import from_ledger, from_log, of_request
from wai_ops.core.clock import SystemClock
from wai_ops.core.window import Window
from wai_ops.observe.reports.policy_decisions import LedgerDecision
from wai_ops.observe.reports.route_requests import RouteRequest

ALWAYS = Window(None, None)
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Written:
    """A decision log that is written through the real writer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = DecisionLog(folder, SystemClock())
        self._count = 0

    def decision(self, *, cost_usd: str | None = None, ended: bool = True, **fields: Any) -> str:
        self._count += 1
        name = f"d{self._count}"
        base: dict[str, Any] = {
            "kind": "model_call",
            "verdict": "allow",
            "mode": "enforce",
            "rule": "support.models.low",
            "reason": "r",
            "justification": "j",
            "actor": "a",
            "policy_version": "v",
            "policy_sha256": "0",
            "tenant": "t",
            "workflow": "support",
            "risk_tier": "low",
            "role": "runtime",
            "request_sha256": "0",
            "at": AT,
        }
        record = DecisionRecord(id=name, decision_id=name, **(base | fields))
        batch = [to_fields(record)]
        if record.verdict == "allow":
            batch.append(to_fields(ActionStart(id=f"{name}s", decision_id=name, at=AT)))
        self._log.append(*batch)
        if record.verdict == "allow" and ended:
            cost = None if cost_usd is None else Decimal(cost_usd)
            end = ActionEnd(id=f"{name}e", decision_id=name, at=AT, outcome="ok", cost_usd=cost)
            self._log.append(to_fields(end))
        return name

    def tool(self, tool: str, arguments: Any = None, *, kept: Any = None, **fields: Any) -> str:
        digest = None if arguments is None else canonical_sha256(arguments)
        return self.decision(
            kind="tool_call",
            tool=tool,
            rule=f"support.tools.{tool}",
            arguments=kept,
            arguments_sha256=digest,
            **fields,
        )


@pytest.fixture
def log(tmp_path: Path) -> Written:
    return Written(tmp_path / "decisions")


def replayed(log: Written, text: str, window: Window = ALWAYS, only: str | None = None) -> Backtest:
    replay = Replay(registry(text), only=only)
    replay.decisions(from_log(log.folder, window))
    return replay.result("candidate")


def changes(found: Backtest) -> list[tuple[str, str, str, int, Decimal | None]]:
    return [(row.what, row.before, row.after, row.count, row.cost_usd) for row in found.changed]


def test_the_policy_that_decided_changes_nothing(log: Written) -> None:
    log.decision(model="@cf/a/small", cost_usd="0.01")
    log.tool("crm.lookup", {"id": "ab"}, kept={"id": "ab"})
    log.decision(model="@cf/a/large", verdict="deny", rule="default:support.models.low")
    found = replayed(log, SUPPORT)
    assert (found.decision_count, found.changed_count) == (3, 0)
    assert not found.changed
    assert not found.not_evaluated


def test_what_is_now_denied_is_listed_with_what_it_had_cost(log: Written) -> None:
    for cost in ("0.01", "0.02"):
        log.decision(model="@cf/a/small", cost_usd=cost)
    first = log.decision(model="@cf/a/large", risk_tier="medium", cost_usd="0.5")
    log.decision(model="@cf/a/large", risk_tier="medium", ended=False)
    log.decision(model="@cf/a/small", workflow="other", verdict="deny", rule="default")
    candidate = SUPPORT.replace('medium: ["@cf/a/large"]', 'medium: ["@cf/a/next"]')
    found = replayed(log, candidate)
    assert changes(found) == [("@cf/a/large", "allow", "deny", 2, Decimal("0.5"))]
    [row] = found.changed
    assert (row.rule, row.unknown_cost_count) == ("default:support.models.medium", 1)
    assert row.example in (first, "d4")
    [denied] = found.now_denied
    assert (denied.workflow, denied.count, denied.cost_usd) == ("support", 2, Decimal("0.5"))
    notes = backtest_table(found, fails=False).notes
    assert any("2 actions would no longer go out" in note and "$0.5" in note for note in notes)


def test_what_is_now_allowed_or_needs_an_approval_is_listed(log: Written) -> None:
    log.decision(model="@cf/a/next", verdict="deny", rule="default:support.models.low")
    log.tool("crm.other", {}, kept={})
    candidate = SUPPORT.replace('["@cf/a/small"]', '["@cf/a/small", "@cf/a/next"]')
    candidate = candidate.replace("approval: above-low", "approval: always")
    assert changes(replayed(log, candidate)) == [
        ("@cf/a/next", "deny", "allow", 1, Decimal(0)),
        ("crm.other", "allow", "needs_approval", 1, Decimal(0)),
    ]


def test_an_approval_that_was_given_is_replayed(log: Written) -> None:
    log.tool("crm.other", {}, kept={}, risk_tier="medium", approved_by="ann")
    assert replayed(log, SUPPORT).changed_count == 0
    found = replayed(log, SUPPORT.replace("approvers: [ann]", "approvers: [bo]"))
    assert changes(found) == [("crm.other", "allow", "needs_approval", 1, Decimal(0))]


def test_arguments_that_were_not_kept_are_said_to_be_missing(log: Written) -> None:
    log.tool("crm.lookup", {"id": "ab"})
    log.tool("crm.lookup", {"id": "secret"}, kept={"id": "[masked]"})
    log.tool("crm.other", {"x": 1})
    found = replayed(log, SUPPORT)
    assert found.changed_count == 0
    [missed] = found.not_evaluated
    assert (missed.kind, missed.count) == ("tool_call", 2)
    assert "arguments were not kept as they were" in missed.reason
    notes = backtest_table(found, fails=False).notes
    assert any(note.startswith("not evaluated: 2 actions: its arguments") for note in notes)


def test_requests_are_judged_by_their_target(log: Written) -> None:
    target = {"scheme": "https", "host": "a.example.org", "port": 443, "method": "GET", "path": "/"}
    base: dict[str, Any] = {
        "kind": "outbound_request",
        "rule": "support.outbound.*.example.org",
        "tool": "crm.lookup",
    }
    log.decision(target=target, **base)
    log.decision(**base)
    found = replayed(log, SUPPORT.replace('"*.example.org"', "b.example.org"))
    assert changes(found) == [("a.example.org", "allow", "deny", 1, Decimal(0))]
    assert [item.reason for item in found.not_evaluated] == ["its URL was not kept"]


@pytest.mark.parametrize(
    "rule", ["support.envelope.max_turns", "outbound.url.userinfo", "budget.day"]
)
def test_what_a_limit_or_a_budget_refused_is_not_held_against_the_policy(
    log: Written, rule: str
) -> None:
    log.decision(model="@cf/a/small", verdict="deny", rule=rule)
    found = replayed(log, SUPPORT)
    assert found.changed_count == 0
    assert "which are not replayed" in found.not_evaluated[0].reason


def test_only_the_period_and_the_workflow_that_were_asked_for(log: Written) -> None:
    other: dict[str, Any] = {"workflow": "other", "rule": "other.models.low"}
    log.decision(model="@cf/a/x", at=datetime(2026, 11, 1, tzinfo=UTC))
    log.decision(model="@cf/a/x", at=datetime(2026, 11, 10, tzinfo=UTC))
    log.decision(model="@cf/a/x", at=datetime(2026, 11, 20, tzinfo=UTC))
    log.decision(model="@cf/a/x", at=datetime(2026, 11, 10, tzinfo=UTC), **other)
    window = Window(datetime(2026, 11, 10, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC))
    assert replayed(log, SUPPORT, window).changed_count == 2
    assert replayed(log, SUPPORT, window, only="support").changed_count == 1


def test_lines_that_are_no_records_are_passed_over(log: Written) -> None:
    log.decision(model="@cf/a/x")
    path = log.folder / FILE_NAME
    damaged = b'{"type":"decision"}\nnot json\n[]\n' + path.read_bytes()
    path.write_bytes(damaged)
    assert replayed(log, SUPPORT).changed_count == 1


def request(**fields: Any) -> RouteRequest:
    base: dict[str, Any] = dict.fromkeys(RouteRequest.__dataclass_fields__)
    base |= {"started_at": AT, "is_gateway_cache_hit": False, "attempt_count": 1}
    return RouteRequest(**(base | fields))


def test_requests_without_a_decision_are_taken_to_be_of_the_default_tier() -> None:
    candidate = registry(SUPPORT)
    replay = Replay(candidate)
    rows = [
        request(workflow="support", first_model="@cf/a/small", cost_usd=Decimal(1), run_id="r1"),
        request(workflow="support", first_model="@cf/a/large", cost_usd=Decimal(2), run_id="r2"),
        request(workflow="other", first_model="@cf/a/small", cost_usd=None, run_id="r3"),
        request(workflow=None, first_model="@cf/a/small", cost_usd=Decimal(4), run_id="r4"),
        request(workflow="support", first_model=None, cost_usd=Decimal(8), run_id="r5"),
    ]
    replay.requests(of_request(row, candidate) for row in rows)
    found = replay.result("candidate")
    assert changes(found) == [
        ("@cf/a/large", "allow", "deny", 1, Decimal(2)),
        ("@cf/a/small", "allow", "deny", 1, None),
    ]
    assert found.assumed_tier_count == 3
    assert {item.reason: item.cost_usd for item in found.not_evaluated} == {
        "the request names no workflow": Decimal(4),
        "the request names no model": Decimal(8),
    }


def test_a_request_whose_decision_was_recorded_counts_once(log: Written) -> None:
    log.decision(model="@cf/a/small", run_id="r1", cost_usd="0.25")
    candidate = registry(SUPPORT.replace("@cf/a/small", "@cf/a/next"))
    replay = Replay(candidate)
    replay.decisions(from_log(log.folder, ALWAYS))
    row = request(workflow="support", first_model="@cf/a/small", run_id="r1", cost_usd=Decimal(9))
    replay.requests([of_request(row, candidate)])
    found = replay.result("candidate")
    assert (found.decision_count, found.request_count) == (1, 0)
    assert changes(found) == [("@cf/a/small", "allow", "deny", 1, Decimal("0.25"))]


def test_decisions_that_only_the_ledger_has_cannot_be_judged() -> None:
    decisions = [
        LedgerDecision(decision_id="d1", workflow="w", verdict="allow", action="tool_call crm.x"),
        LedgerDecision(decision_id="d2", workflow="w", verdict="allow", action="tool_call crm.y"),
        LedgerDecision(decision_id="d3", workflow="w", verdict="allow", action="model_call @cf/a"),
    ]
    [only] = from_ledger(decisions, {"d1"})
    assert (only.id, only.kind, only.what) == ("d2", "tool_call", "crm.y")
    assert "only the ledger has the decision" in only.problem


def test_a_governed_run_is_replayed_from_log_and_ledger(wai: Wai) -> None:
    """The whole way: a run decided by one policy, an older one without, and a candidate."""
    (wai.folder / "wai.yaml").write_text('version: "1"\ntarget: local\n')
    assert wai("run", "before there was a policy").exit_code == 0
    assert wai("policy", "init").exit_code == 0
    assert wai("run", "hello").exit_code == 0
    assert wai("run", "hello", "--workflow", "other").exit_code == 5
    same = wai("policy", "backtest", "--candidate", "policies", "--json")
    assert same.exit_code == 0, same.stderr
    data = json.loads(same.stdout)
    assert (data["decision_count"], data["request_count"], data["changed_count"]) == (2, 1, 0)
    text = (wai.folder / "policies/adhoc.yaml").read_text()
    (wai.folder / "next").mkdir()
    (wai.folder / "next/adhoc.yaml").write_text(text.replace("gemma-4-26b-a4b-it", "gemma-5"))
    r = wai("policy", "backtest", "--candidate", "next", "--fail", "--json")
    assert r.exit_code == 1
    data = json.loads(r.stdout)
    assert data["changed_count"] == 2
    assert Decimal(data["now_denied"][0]["cost_usd"]) > 0
    assert {row["after"] for row in data["changed"]} == {"deny"}
    table = wai("policy", "backtest", "--candidate", "next")
    assert table.exit_code == 0
    assert "2 verdicts would change" in table.stderr
    assert "1 request without a recorded risk tier" in table.stderr
