"""`wai logs export parquet|jsonl|csv`: the calls of a slice, whole or not at all."""

import csv
import json
import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from support.cli import Wai
from support.facts import NOON, attempt, record_attempts
from wai_ops.core.errors import ExitCode
from wai_ops.observe.ledger.database import statement

HOSTILE = ("=1+1", "+SUM(A1)", "-2", "@cmd", "\tx", "\rx", "\x1b[31mred", 'quo"te,\nline', "ünï")


@pytest.fixture
def recorded(project: Path) -> Path:
    """Nine calls, an hour apart, with hostile names."""
    record_attempts(
        project / ".wai",
        [
            attempt(
                number,
                started_at=NOON + timedelta(hours=number),
                tenant=name,
                conversation_id=name,
                error_message=name,
                error_type="server_error",
            )
            for number, name in enumerate(HOSTILE)
        ],
    )
    return project


def test_parquet_keeps_rows_types_and_sums(wai: Wai, recorded: Path) -> None:
    ran = wai("logs", "export", "parquet", "--output", "calls.parquet")
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert ran.stderr == "wai: wrote 9 rows to calls.parquet\n"
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"select count(*), sum(cost_usd), typeof(any_value(cost_usd)), list(tenant order by "
            f"started_at) from '{recorded / 'calls.parquet'}'"
        ).fetchall()
    assert rows == [(9, Decimal("0.001111111101"), "DECIMAL(18,12)", list(HOSTILE))]


def test_jsonl_holds_decimals_and_times_as_text(wai: Wai, recorded: Path) -> None:
    assert wai("logs", "export", "jsonl", "-o", "calls.jsonl").exit_code == 0
    rows = [json.loads(line) for line in (recorded / "calls.jsonl").read_text().splitlines()]
    assert [row["tenant"] for row in rows] == list(HOSTILE)
    assert rows[0]["cost_usd"] == "0.000123456789"
    assert rows[0]["started_at"] == "2026-03-14T12:00:00.250000Z"
    assert rows[0]["created_at"] is None


def test_no_csv_cell_can_become_a_formula(wai: Wai, recorded: Path) -> None:
    assert wai("logs", "export", "csv", "-o", "calls.csv").exit_code == 0
    with (recorded / "calls.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["tenant"].removeprefix("'") for row in rows] == list(HOSTILE)
    cells = [(name, cell) for row in rows for name, cell in row.items()]
    assert [item for item in cells if item[1].startswith(("=", "+", "-", "@", "\t", "\r"))] == []


def test_every_text_column_of_the_table_is_guarded() -> None:
    """A column that a migration adds must be added to the export as well."""
    with duckdb.connect() as connection:
        for name in ("schema/0001_initial", "schema/0002_gateway", "export/macros"):
            connection.execute(statement(name))
        described = connection.execute("describe model_call").fetchall()
    texts = [row[0] for row in described if row[1] == "VARCHAR"]
    export = statement("export/calls_csv")
    assert [name for name in texts if f"csv_text({name}) as {name}" not in export] == []


def test_a_slice_is_a_window_and_conditions(wai: Wai, recorded: Path) -> None:
    ran = wai(
        *("logs", "export", "jsonl", "-o", "some.jsonl", "--since", "2026-03-14T13:00"),
        *("--until", "2026-03-14T17:00", "--where", "tenant!=-2"),
    )
    assert ran.exit_code == 0, ran.stderr
    rows = [json.loads(line) for line in (recorded / "some.jsonl").read_text().splitlines()]
    assert [row["tenant"] for row in rows] == ["+SUM(A1)", "@cmd", "\tx"]


def test_an_empty_ledger_gives_an_empty_file(wai: Wai, project: Path) -> None:
    for kind in ("parquet", "jsonl", "csv", "focus", "otlp"):
        ran = wai("logs", "export", kind, "-o", f"none.{kind}")
        assert (ran.exit_code, ran.stderr) == (0, f"wai: wrote 0 rows to none.{kind}\n")
        assert (project / f"none.{kind}").is_file()


def test_what_is_there_is_replaced_only_with_force_and_whole(wai: Wai, recorded: Path) -> None:
    target = recorded / "calls.jsonl"
    target.write_text("precious")
    ran = wai("logs", "export", "jsonl", "-o", "calls.jsonl")
    assert (ran.exit_code, target.read_text()) == (ExitCode.USAGE, "precious")
    assert ran.stderr.startswith("wai: error: calls.jsonl exists\n")
    assert wai("logs", "export", "jsonl", "-o", "calls.jsonl", "--force").exit_code == 0
    assert len(target.read_text().splitlines()) == 9
    assert [path.name for path in recorded.iterdir() if path.name.endswith(".part")] == []


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (".", "is a folder"),
        ("gone/calls.csv", "the folder gone does not exist"),
        ("pipe", "is no regular file"),
    ],
)
def test_a_place_that_cannot_be_written_is_said(
    wai: Wai, recorded: Path, output: str, message: str
) -> None:
    os.mkfifo(recorded / "pipe")
    ran = wai("logs", "export", "csv", "-o", output, "--force")
    assert ran.exit_code in {ExitCode.USAGE, ExitCode.DATA}
    assert message in ran.stderr
