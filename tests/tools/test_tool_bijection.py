"""What our decision log says was sent, and what a host outside says has arrived, are the same."""

import json
from pathlib import Path

from support.outside import outside_host
from support.tool_project import records_of
from support.tool_runs import Comparison, compare, fleet, summary

ACTIONS = 100
"""In the suite; benchmarks/tools.py does 500 and more."""


def test_two_logs_agree_over_random_actions_faults_and_kills(tmp_path: Path) -> None:
    """0 missing, 0 extra, 0 ambiguous; what was refused opened no socket."""
    project = tmp_path / "project"
    project.mkdir()
    with (
        outside_host(tmp_path) as outside,
        fleet(project, outside, seed=20261123) as (runs, silent),
    ):
        runs.run(ACTIONS, kill_share=0.4)
        found = compare(records_of(project), outside.requests)
        assert found.is_bijection, (found.missing, found.extra, found.ambiguous)
        assert runs.decided >= ACTIONS
        assert runs.killed > 0
        assert set(runs.exit_codes) == {0}
        assert found.refused > 0
        assert found.arrived > ACTIONS / 2, summary(found)
        # A connection is opened under a start alone, and to nobody who was refused.
        assert outside.connections <= found.started
        assert silent.connections == 0


def decided(key: str, path: str = "/ok/1") -> list[dict[str, object]]:
    target = {"scheme": "http", "host": "h", "port": 80, "method": "GET", "path": path}
    decision: dict[str, object] = {"type": "decision", "kind": "outbound_request", "target": target}
    return [decision | {"decision_id": key}, {"type": "action_start", "decision_id": key}]


def ended(key: str, outcome: str, **more: object) -> dict[str, object]:
    return {"type": "action_end", "decision_id": key, "outcome": outcome, **more}


def arrived(key: str | None, path: str = "/ok/1") -> dict[str, object]:
    return {"decision": key, "method": "GET", "target": path}


def joined(records: list[dict[str, object]], *lines: dict[str, object]) -> Comparison:
    return compare(json.loads(json.dumps(records)), lines)


def test_the_comparison_itself_finds_every_kind_of_disagreement() -> None:
    """A check that never says no would prove nothing."""
    fine = [*decided("a"), ended("a", "ok", http_status=200)]
    assert joined(fine, arrived("a")).is_bijection
    assert joined(decided("a"), arrived("a")).is_bijection
    assert joined(decided("a")).is_bijection
    assert joined([*decided("a"), ended("a", "unknown")]).is_bijection
    assert joined([*decided("a"), ended("a", "failed")]).is_bijection
    assert joined(fine).extra
    assert joined([*decided("a"), ended("a", "failed", http_status=500)]).extra
    assert joined([*decided("a"), ended("a", "failed")], arrived("a")).extra
    assert joined([*decided("a"), ended("a", "cancelled")], arrived("a")).extra
    assert joined([], arrived("a")).missing
    assert joined(fine[:1], arrived("a")).missing
    assert joined(fine, arrived("a"), arrived(None)).missing
    assert joined(fine, arrived("a"), arrived("a")).ambiguous
    assert joined(fine, arrived("a", "/other")).ambiguous
    assert joined([*fine, fine[-1]], arrived("a")).ambiguous
    assert joined([*fine, fine[1]], arrived("a")).ambiguous
