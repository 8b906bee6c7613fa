"""The other `wai ledger` commands, as a person or a script calls them."""

import csv
import io
import json
from pathlib import Path

import duckdb
import pytest

from support.cli import Wai
from support.facts import ManualClock, attempt, record_attempts, record_session, record_text
from wai_ops.core.records import FIELD_NAMES, to_json
from wai_ops.observe.ledger.database import statement
from wai_ops.observe.ledger.fold import fold
from wai_ops.observe.ledger.lock import ledger_lock


def test_fold_says_what_it_folded_and_json_says_it_all(wai: Wai, state_dir: Path) -> None:
    record_attempts(state_dir, [attempt(1), attempt(2)])
    record_session(state_dir, "k")
    record_text(state_dir, "attempt", "broken")
    ran = wai("ledger", "fold")
    line = "folded 2 attempts, 1 session events, 0 other facts; 1 quarantined\n"
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, line, "")
    assert json.loads(wai("ledger", "fold", "--json").stdout) == {
        "reconciled_count": 0,
        "archived_count": 0,
        "loaded": {
            "attempt_count": 0,
            "session_event_count": 0,
            "outcome_count": 0,
            "tool_call_count": 0,
            "decision_count": 0,
            "other_event_count": 0,
            "quarantined_count": 0,
        },
        "restored_count": 0,
        "in_flight_count": 0,
        "merged_file_count": 0,
        "warnings": [],
    }


def test_status_shows_what_waits_without_folding_it(wai: Wai, state_dir: Path) -> None:
    record_attempts(state_dir, [attempt(1)])
    assert wai("ledger", "fold").exit_code == 0
    record_attempts(state_dir, [attempt(2), attempt(3)])
    for _ in range(2):
        ran = wai("ledger", "status", "--format", "json")
        assert ran.exit_code == 0
        [row] = json.loads(ran.stdout)["rows"]
        assert row.pop("ledger_bytes") > 0
        assert row.pop("archive_bytes") > 0
        assert row.pop("folded_at").endswith("Z")
        assert row == {
            "path": str(state_dir / "ledger.duckdb"),
            "attempt_count": 1,
            "session_event_count": 0,
            "outcome_count": 0,
            "tool_call_count": 0,
            "decision_count": 0,
            "other_event_count": 0,
            "gateway_row_count": 0,
            "quarantined_count": 0,
            "folded_through": 1,
            "pending_count": 2,
            "in_flight_count": 0,
            "archive_file_count": 1,
        }


def test_status_and_path_make_nothing(wai: Wai, state_dir: Path) -> None:
    ran = wai("ledger", "status")
    assert ran.exit_code == 0
    assert ran.stderr.startswith("wai: note: there is no ledger yet")
    ran = wai("ledger", "path")
    assert (ran.exit_code, ran.stdout) == (0, f"{state_dir / 'ledger.duckdb'}\n")
    assert not (state_dir / "ledger.duckdb").exists()


@pytest.fixture
def filled(wai: Wai, state_dir: Path) -> Wai:
    record_attempts(state_dir, [attempt(2), attempt(1, error_message='=1+1,"\n\x1b[2J')])
    return wai


def test_export_as_json_lines_gives_the_records_as_they_were_recorded(filled: Wai) -> None:
    ran = filled("ledger", "export")
    assert (ran.exit_code, ran.stderr) == (0, "")
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    expected = [to_json(attempt(1, error_message='=1+1,"\n\x1b[2J')), to_json(attempt(2))]
    numbers = ("neurons", "in_usd_per_m", "cached_in_usd_per_m", "out_usd_per_m")
    for row in [*rows, *expected]:
        for name in numbers:  # the ledger's own scale: more zeros at the end
            row[name] = float(row[name])
    assert rows == expected


def test_export_as_csv_reads_back_and_runs_nothing_in_a_spreadsheet(
    filled: Wai, project: Path
) -> None:
    ran = filled("ledger", "export", "--output", "out.csv")
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert ran.stderr == "wai: wrote 2 attempts to out.csv\n"
    rows = list(csv.DictReader(io.StringIO((project / "out.csv").read_text(), newline="")))
    assert list(rows[0]) == list(FIELD_NAMES)
    assert [row["error_message"] for row in rows] == ["'=1+1,\"\n\x1b[2J", ""]
    assert rows[0]["cost_usd"] == "0.000123456789"
    assert rows[0]["started_at"] == "2026-03-14T12:00:00.250000Z"


def test_every_text_column_of_the_csv_export_is_guarded(filled: Wai, state_dir: Path) -> None:
    """A text column that is added later must not slip through."""
    fold(state_dir, ManualClock())
    with duckdb.connect(state_dir / "ledger.duckdb", read_only=True) as connection:
        columns = connection.execute("describe attempt").fetchall()
    text = [name for name, kind, *_ in columns if kind == "VARCHAR"]
    assert [name for name in text if f"csv_text({name})" not in statement("export/csv")] == []


def test_export_as_parquet_keeps_the_types_and_needs_a_file(filled: Wai, project: Path) -> None:
    ran = filled("ledger", "export", "--format", "parquet")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "parquet goes to a file only" in ran.stderr
    assert filled("ledger", "export", "-o", "out.parquet").exit_code == 0
    with duckdb.connect() as connection:
        rows = connection.execute(
            "select typeof(cost_usd), typeof(started_at), attempt_id from read_parquet($1)",
            [str(project / "out.parquet")],
        ).fetchall()
    assert rows == [
        ("DECIMAL(18,12)", "TIMESTAMP", "attempt-1"),
        ("DECIMAL(18,12)", "TIMESTAMP", "attempt-2"),
    ]


def test_export_does_not_overwrite_unless_told_to(filled: Wai, project: Path) -> None:
    out = project / "out.jsonl"
    out.write_text("precious")
    ran = filled("ledger", "export", "-o", "out.jsonl")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == (
        "wai: error: out.jsonl exists\nwai: hint: choose another name, or add --force\n"
    )
    assert out.read_text() == "precious"
    assert filled("ledger", "export", "-o", "out.jsonl", "--force").exit_code == 0
    assert out.read_text().count("\n") == 2
    assert sorted(path.name for path in project.glob(".out*")) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "out.xlsx"], "'xlsx' is none of parquet, jsonl, csv"),
        (["-f", "xml"], "'xml' is none of parquet, jsonl, csv"),
        (["-o", ".", "-f", "csv"], "is a folder"),
    ],
)
def test_export_says_what_is_wrong_with_its_flags(
    arguments: list[str], words: str, wai: Wai
) -> None:
    ran = wai("ledger", "export", *arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert words in ran.stderr


def test_export_into_a_folder_that_is_not_there_is_one_clear_error(filled: Wai) -> None:
    ran = filled("ledger", "export", "-o", "nowhere/out.csv")
    assert (ran.exit_code, ran.stdout) == (6, "")
    assert ran.stderr == (
        "wai: error: the folder nowhere does not exist\nwai: hint: create it first\n"
    )


def test_a_command_waits_for_the_ledger_and_says_for_whom(
    wai: Wai, state_dir: Path, clock: ManualClock
) -> None:
    with ledger_lock(state_dir, clock):
        process = wai.start("ledger", "fold")
        assert process.stderr is not None
        line = process.stderr.readline().decode()
    stdout, _ = process.communicate()
    assert line.startswith("wai: waiting for the ledger, in use by ")
    assert (process.returncode, stdout[:8]) == (0, b"folded 0")
