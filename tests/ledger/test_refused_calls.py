"""`refused_call`: which decisions are calls that were refused before there was an attempt."""

from pathlib import Path
from typing import Any

import duckdb

from support.facts import NOON, ManualClock, in_ledger, record_fact
from wai_ops.core.clock import to_utc_text
from wai_ops.observe.ledger.database import MIGRATIONS, statement
from wai_ops.observe.ledger.fold import fold

REFUSED: dict[str, Any] = {
    "decision_id": "d1",
    "occurred_at": to_utc_text(NOON),
    "policy_version": "2026-03-01.1",
    "verdict": "deny",
    "rule": "support.models.low",
    "action": "model_call @cf/a/one",
    "run_id": "r1",
    "tenant": "acme",
    "workflow": "support",
    "conversation_id": "c1",
    "turn_index": 0,
    "prompt_name": "triage",
    "prompt_version": "3",
    "error_type": "local_policy",
    "error_message": "not allowed",
}
COLUMNS = "decision_id, model, prompt_name, error_type, error_message, sources, is_last"


def test_only_calls_of_models_without_an_attempt_are_refused_calls(tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"decision_id": "of an attempt, which is a call itself", "attempt_id": "a1"},
        {"decision_id": "of a tool", "action": "tool_call crm.lookup"},
        {"decision_id": "only observed", "error_type": None, "error_message": None},
        {"decision_id": "allowed", "verdict": "allow", "error_type": None},
        {"decision_id": "d2", "parent_id": "d0", "error_type": "local_budget"},
        {"decision_id": "no model", "action": "model_call"},
    ]
    for change in changes:
        record_fact(tmp_path, "decision", REFUSED | change)
    fold(tmp_path, ManualClock())
    assert in_ledger(tmp_path, f"select {COLUMNS} from refused_call order by decision_id") == [
        ("d1", "@cf/a/one", "triage", "local_policy", "not allowed", "client only", True),
        ("d2", "@cf/a/one", "triage", "local_budget", "not allowed", "client only", False),
        ("no model", None, "triage", "local_policy", "not allowed", "client only", True),
    ]
    assert in_ledger(tmp_path, "select count(*) from decision") == [(len(changes),)]


def test_decisions_of_an_earlier_version_stay_and_are_no_refused_calls(tmp_path: Path) -> None:
    record_fact(tmp_path, "decision", REFUSED)
    fold(tmp_path, ManualClock())
    assert in_ledger(tmp_path, "select count(*) from refused_call") == [(1,)]
    path = tmp_path / "ledger.duckdb"
    marks = in_ledger(tmp_path, "from fold_mark")
    path.unlink()
    before = MIGRATIONS[: MIGRATIONS.index("0004_refusals")]
    with duckdb.connect(path) as connection:
        for name in before:
            connection.execute(statement(f"schema/{name}"))
        connection.executemany("insert into fold_mark values (?, ?, ?)", marks)
        connection.execute(
            "insert into decision by name select 'old' as decision_id, 'deny' as verdict,"
            " 'model_call @cf/a/one' as action, 'v' as policy_version,"
            " timestamp '2026-03-01' as occurred_at"
        )
        connection.execute(
            "insert into wai_meta values ('application', 'wai-ops ledger'),"
            f" ('schema_version', '{len(before)}')"
        )
    fold(tmp_path, ManualClock())
    assert in_ledger(tmp_path, "select decision_id from decision") == [("old",)]
    assert in_ledger(tmp_path, "select count(*) from refused_call") == [(0,)]
