"""What `wai schema` promises of these commands is what their --json says."""

import json
from decimal import Decimal

import pytest
from jsonschema import Draft202012Validator

from reports2.rows import put_tool
from support.calls import call, end, fill, ledger_of
from support.cli import Wai
from wai_ops.cli.schema import schema_of

COMMANDS = {
    "report slo": ("report", "slo", "--since", "2026-03-01"),
    "report slo --by model": ("report", "slo", "--since", "2026-03-01", "--by", "model"),
    "report tools": ("report", "tools"),
    "report tools --by tool": ("report", "tools", "--by", "tool"),
    "report kpi": ("report", "kpi", "--since", "2026-03-01"),
    "report kpi --by tenant": ("report", "kpi", "--since", "2026-03-01", "--by", "tenant"),
    "report audit-cost": ("report", "audit-cost"),
    "report anomalies": ("report", "anomalies"),
    "report anomalies --by day": ("report", "anomalies", "--by", "day"),
    "report timeline": ("report", "timeline", "c1"),
    "outcomes list": ("outcomes", "list"),
    "outcomes record": ("outcomes", "record", "acme:triage:c1", "failed"),
    "outcomes feedback": ("outcomes", "feedback"),
}


@pytest.fixture
def full(wai: Wai) -> Wai:
    """A ledger in which every one of these reports has a row."""
    with ledger_of(wai.folder / ".wai") as store:
        rows = [call(n, conversation_id=f"c{n}", feedback=1) for n in range(120)]
        fill(store, [*rows, call(200, conversation_id="dear", cost_usd=Decimal(9))])
        end(store, "c1", "resolved")
        put_tool(store)
    return wai


def test_every_answer_is_what_its_schema_says(full: Wai) -> None:
    (full.folder / "wai.yaml").write_text('version: "1"\nslo: {completion_ratio: 0.99}\n')
    for name, words in COMMANDS.items():
        done = full(*words, "--json")
        assert done.exit_code == 0, done.stderr
        answer = json.loads(done.stdout)
        Draft202012Validator(schema_of(name)).validate(answer)
        assert answer.get("rows", True), name
    assert full("report", "baseline", "b").exit_code == 0
    for name, words in {"list": ("list",), "show": ("show", "b")}.items():
        answer = json.loads(full("report", "baseline", *words, "--json").stdout)
        Draft202012Validator(schema_of(f"report baseline {name}")).validate(answer)


def test_feedback_becomes_outcomes_once_and_never_beats_a_recorded_one(full: Wai) -> None:
    done = full("outcomes", "feedback", "--json", "--dry-run")
    assert json.loads(done.stdout)["recorded_count"] == 119  # c1 has an outcome already
    assert json.loads(full("outcomes", "feedback", "--json").stdout)["recorded_count"] == 119
    again = json.loads(full("outcomes", "feedback", "--json").stdout)
    assert (again["recorded_count"], again["unchanged_count"]) == (0, 119)
    rows = json.loads(full("outcomes", "list", "--json").stdout)["rows"]
    assert {(row["source"], row["outcome"]) for row in rows} == {
        ("recorded", "resolved"),
        ("feedback", "resolved"),
    }
    assert len(rows) == 120
