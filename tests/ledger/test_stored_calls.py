"""Calls are stored in fewer columns than `model_call` has: nothing of them is lost on the way."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from support.facts import NOON, ManualClock, attempt, in_ledger, record_attempts
from support.gateway_rows import ingest_some, log_row, metadata
from wai_ops.observe.ledger.database import MIGRATIONS, statement
from wai_ops.observe.ledger.fold import fold
from wai_ops.observe.ledger.paths import raw_dir
from wai_ops.observe.ledger.rebuild import rebuild

ALL = "select * from model_call order by attempt_id nulls last, log_id"
WIDE = "select * exclude (request_id) from model_call order by attempt_id nulls last, log_id"


@pytest.fixture
def filled(state_dir: Path) -> Path:
    """A ledger with calls of all kinds, of which few columns are empty everywhere."""
    record_attempts(
        state_dir,
        [
            attempt(1, log_id="log-1", affinity_result="miss", affinity_cause="cold", ttft_ms=9.5),
            attempt(2, started_at=NOON + timedelta(hours=1), max_output_tokens=100),
        ],
    )
    ingest_some(
        state_dir,
        log_row(1),
        log_row(3, feedback=1, score=80, step=2, dlp_action="FLAG", wholesale=True),
        log_row(4, status_code=429, success=False, error_code=2045, error_message="too much"),
        log_row(5, metadata=None, provider=None, user_agent=None, cost=None, usage_metadata=None),
        log_row(6, metadata={"prompt": "no-version", "conversation": "of.no.contract"}),
        log_row(7, metadata=metadata(7, prompt="odd@name@7"), model="@cf/un/known"),
    )
    fold(state_dir, ManualClock())
    return state_dir


def version_4(path: Path, rows: list[tuple[Any, ...]], attempts: list[tuple[Any, ...]]) -> None:
    """Make a ledger as version 4 of the schema had it."""
    with duckdb.connect(path) as connection:
        for name in MIGRATIONS[:4]:
            connection.execute(statement(f"schema/{name}"))
        for table, values in (("model_call", rows), ("attempt", attempts)):
            holes = ", ".join("?" * len(values[0]))
            connection.executemany(f"insert into {table} values ({holes})", values)
        connection.execute(
            "insert into wai_meta values ('application', 'wai-ops ledger'), ('schema_version', '4')"
        )


def test_the_calls_of_a_ledger_of_version_4_are_the_same_after_its_migration(
    filled: Path, clock: ManualClock
) -> None:
    expected, rows = in_ledger(filled, ALL), in_ledger(filled, WIDE)
    attempts, marks = in_ledger(filled, "from attempt"), in_ledger(filled, "from fold_mark")
    path = filled / "ledger.duckdb"
    path.unlink()
    version_4(path, rows, attempts)
    with duckdb.connect(path) as connection:
        connection.executemany("insert into fold_mark values (?, ?, ?)", marks)
    assert fold(filled, clock).loaded.row_count == 0
    assert len(expected) == 7
    assert in_ledger(filled, ALL) == expected


def test_a_call_of_any_kind_has_every_column_of_version_4_in_its_type(
    filled: Path, tmp_path: Path
) -> None:
    path = tmp_path / "old.duckdb"
    version_4(path, in_ledger(filled, WIDE), in_ledger(filled, "from attempt"))
    with duckdb.connect(path) as connection:
        old = connection.execute("describe model_call").fetchall()
    new = in_ledger(filled, "describe model_call")
    assert [(name, kind) for name, kind, *_ in new] == [(name, kind) for name, kind, *_ in old]


def test_kept_rows_of_version_4_are_loaded_beside_newer_ones(
    filled: Path, clock: ManualClock
) -> None:
    rows = "select * exclude (request_id) from model_call where sources = 'gateway only'"
    before = in_ledger(filled, f"{rows} order by log_id")
    raw_dir(filled).mkdir(exist_ok=True)
    stamp = f"{NOON:%Y%m%d%H%M%S%f}"
    for number, sql in (
        (1, f"{rows} and log_id < 'log-5'"),
        (2, "from stored_call where log_id >= 'log-5'"),
    ):
        file = raw_dir(filled) / f"rows-{stamp}-{stamp}-{number:032}.parquet"
        with duckdb.connect(filled / "ledger.duckdb") as connection:
            connection.execute(f"copy ({sql}) to '{file}' (format parquet)")
    (filled / "ledger.duckdb").unlink()
    rebuild(filled, clock)
    assert in_ledger(filled, f"{rows} order by log_id") == before


@pytest.mark.parametrize("name", ["user_agent", "provider", "path", "model", "request_type"])
def test_a_text_with_the_separator_in_it_does_not_become_two(state_dir: Path, name: str) -> None:
    ingest_some(state_dir, log_row(1), log_row(2, **{name: "one\x1ftwo\x1fthree"}))
    column = {"path": "endpoint"}.get(name, name)
    other = [
        "sources", "contract", "provider", "model", "endpoint", "request_type", "model_type",
        "user_agent", "target", "ingest_source", "http_status",
    ]  # fmt: skip
    other.remove(column)
    rows = in_ledger(
        state_dir, f"select {column}, {', '.join(other)} from model_call order by log_id"
    )
    assert rows[1][0] == "one two three"
    assert rows[1][1:] == rows[0][1:]


def test_an_empty_text_counts_as_a_missing_one(state_dir: Path) -> None:
    ingest_some(state_dir, log_row(1, user_agent="", provider=""))
    assert in_ledger(state_dir, "select user_agent, provider from model_call") == [(None, None)]
