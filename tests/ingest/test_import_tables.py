"""CSV and JSON lines: our own exports come back, and so do tables with the dashboard's columns."""

import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.cli import Ran, Wai
from support.facts import NOON, attempt, in_ledger, record_attempts
from support.import_rows import gateway_row, write_rows
from wai_ops.observe.ingest.columns import gateway_row as row_of_columns
from wai_ops.observe.ingest.columns import known_columns

FACTS = """
    select log_id, created_at, tenant, workflow, conversation_id, turn_index, attempt, prompt_name,
        prompt_version, run_id, gateway_id, provider, model, endpoint, http_status, error_type,
        gateway_cache_hit, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens,
        cost_state, cost_usd, neurons, gateway_cost_usd, gateway_input_tokens,
        gateway_output_tokens, event_id, step, duration_ms, feedback, score, contract
    from model_call order by log_id
"""


def done(ran: Ran) -> dict[str, Any]:
    assert ran.exit_code == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


@pytest.fixture
def other(tmp_path: Path) -> Wai:
    """Another project: a fresh ledger."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "wai.yaml").write_text('version: "1"\n')
    return Wai(folder)


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_an_export_imported_into_a_fresh_ledger_gives_the_same_facts(
    wai: Wai, project: Path, other: Wai, kind: str
) -> None:
    rows = [gateway_row(number) for number in range(60)]
    rows[3] |= {"status_code": 429, "success": False, "usage_metadata": None, "cost": 0}
    rows[4] |= {"metadata": None, "feedback": -1, "score": 0.5}
    rows[5] |= {"model": "@cf/nobody/knows-this", "cost": 0.25}
    rows[6] |= {"cached": True, "cost": 0, "tokens_in": 0, "tokens_out": 0}
    rows[7]["metadata"] = {"tenant": "=cmd|' /C calc'!A0", "workflow": 'a,b\n"c"'}
    write_rows(project / "rows.ndjson", rows)
    assert wai("logs", "import", "rows.ndjson", "--gateway", "prod").exit_code == 0
    target = other.folder / f"calls.{kind}"
    assert wai("logs", "export", kind, "-o", str(target)).exit_code == 0
    result = done(other("logs", "import", target.name, "--json"))
    assert (result["formats"], result["inserted_count"]) == ({kind: 1}, 60)
    assert result["quarantined_count"] == 0
    assert in_ledger(other.folder / ".wai", FACTS) == in_ledger(project / ".wai", FACTS)


def test_attempts_of_another_ledger_become_calls_with_its_tokens(
    wai: Wai, project: Path, other: Wai
) -> None:
    record_attempts(
        project / ".wai",
        [
            attempt(1, log_id="log-1"),
            attempt(
                2, started_at=NOON + timedelta(hours=1), error_type="capacity", http_status=429
            ),
        ],
    )
    target = other.folder / "attempts.jsonl"
    assert wai("ledger", "export", "--output", str(target)).exit_code == 0
    assert done(other("logs", "import", target.name, "--json"))["inserted_count"] == 2
    held = in_ledger(
        other.folder / ".wai",
        "select log_id, run_id, input_tokens, cached_input_tokens, error_type, http_status "
        "from model_call order by started_at",
    )
    assert held == [
        ("log-1", "run-1", 1000, 400, None, 200),
        ("attempt:attempt-2", "run-2", 1000, 400, "capacity", 429),
    ]


def test_a_table_as_a_dashboard_shows_it_is_read_by_its_header(wai: Wai, project: Path) -> None:
    (project / "dash.csv").write_text(
        "ID;Created At;Provider;Model;Status;Tokens In;Tokens Out;Cost (USD);Duration (ms);Cached\n"
        '01J;2026-10-05 08:00:00 UTC;workers-ai;"@cf/meta/llama-3.3-70b-instruct-fp8-fast";200;'
        "1200;34;$0.0012;456;false\n"
    )
    assert done(wai("logs", "import", "dash.csv", "--json"))["inserted_count"] == 1
    held = in_ledger(
        project / ".wai",
        "select log_id, created_at::varchar, http_status, input_tokens, output_tokens, "
        "gateway_cost_usd::varchar, duration_ms, usage_source from model_call",
    )
    assert held == [
        ("01J", "2026-10-05 08:00:00", 200, 1200, 34, "0.001200000000", 456.0, "gateway tokens")
    ]


def test_bad_rows_of_a_table_are_listed_by_their_first_line(wai: Wai, project: Path) -> None:
    (project / "bad.csv").write_bytes(
        b"id,created_at,model,tokens_in\n"
        b"a,2026-10-05,m,1\n"
        b"b,someday,m,1\n"
        b'c,2026-10-05,"two\nlines",1.5\n'
        b"d,2026-10-05\n"
        b"\xff\xfe,2026-10-05,m,1\n"
        b"e,2026-10-05,m,99999999999999999999\n"
        b"f,2026-10-05,m,2\n"
        b'g,2026-10-05,"never ends,1\n'
    )
    result = done(wai("logs", "import", "bad.csv", "--json"))
    assert (result["inserted_count"], result["quarantined_count"]) == (2, 6)
    assert in_ledger(
        project / ".wai", "select line, reason from ingest_quarantine order by line"
    ) == [
        (3, "created_at 'someday' is not a time"),
        (4, "gateway_input_tokens '1.5' is not a whole number"),
        (6, "2 cells under 4 column names"),
        (7, "the line is not UTF-8 text"),
        (8, "gateway_input_tokens '99999999999999999999' is not a whole number"),
        (10, "a quoted cell does not end"),
    ]


def test_rows_without_any_id_get_one_that_stays(wai: Wai, project: Path) -> None:
    (project / "noid.csv").write_text("created_at,model\n2026-10-05,m\n2026-10-05,m\n")
    assert done(wai("logs", "import", "noid.csv", "--json"))["inserted_count"] == 2
    again = done(wai("logs", "import", "noid.csv", "--again", "--json"))
    assert (again["inserted_count"], again["unchanged_count"]) == (0, 2)


@given(
    st.dictionaries(
        st.sampled_from(["id", "created_at", "tokens_in", "cost", "cached", "metadata", "model"]),
        st.text(max_size=12) | st.integers() | st.floats() | st.none() | st.booleans(),
    )
)
def test_whatever_a_row_holds_it_is_a_row_or_a_reason(values: dict[str, Any]) -> None:
    named = {next(iter(known_columns([name]))): value for name, value in values.items()}
    try:
        row = row_of_columns(named, fallback_id="x")
    except ValueError:  # and nothing else
        return
    assert row["id"]
    assert row["created_at"].endswith("Z")


def test_a_csv_export_holds_the_names_that_an_import_knows(wai: Wai, project: Path) -> None:
    """A column renamed in one place only would silently be ignored by the other."""
    write_rows(project / "rows.ndjson", [gateway_row(1)])
    assert wai("logs", "import", "rows.ndjson").exit_code == 0
    assert wai("logs", "export", "csv", "-o", "calls.csv").exit_code == 0
    with (project / "calls.csv").open(newline="") as file:
        header = next(csv.reader(file))
    assert {"log_id", "created_at", "gateway_cost_usd", "input_tokens"} <= known_columns(header)
    assert len(known_columns(header)) > 35
