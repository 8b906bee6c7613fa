"""Calls are stored in fewer columns than `model_call` has: nothing of them is lost on the way."""

from collections.abc import Callable
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
        log_row(8, tokens_in=900, tokens_out=None, gateway="other"),
        log_row(91, usage_metadata={"input_tokens": 7, "input_cached_tokens": 3}, cached=None),
        log_row(92, usage_metadata={"output_tokens": 7, "output_reasoning_tokens": 3}, duration=0),
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


def version_5(path: Path, rows: list[tuple[Any, ...]], attempts: list[tuple[Any, ...]]) -> None:
    """Make a ledger as version 5 of the schema had it, by its own words."""
    version_4(path, rows, attempts)
    with duckdb.connect(path) as connection:
        connection.execute(statement(f"schema/{MIGRATIONS[4]}"))
        connection.execute("update wai_meta set value = '5' where key = 'schema_version'")


@pytest.mark.parametrize("made", [version_4, version_5])
def test_the_calls_of_an_older_ledger_are_the_same_after_its_migration(
    filled: Path,
    clock: ManualClock,
    made: Callable[[Path, list[tuple[Any, ...]], list[tuple[Any, ...]]], None],
) -> None:
    expected, rows = in_ledger(filled, ALL), in_ledger(filled, WIDE)
    attempts, marks = in_ledger(filled, "from attempt"), in_ledger(filled, "from fold_mark")
    path = filled / "ledger.duckdb"
    path.unlink()
    made(path, rows, attempts)
    with duckdb.connect(path) as connection:
        connection.executemany("insert into fold_mark values (?, ?, ?)", marks)
    assert fold(filled, clock).loaded.row_count == 0
    assert len(expected) == len(rows) == 10
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


def test_kept_rows_of_versions_4_and_5_are_loaded_beside_newer_ones(
    filled: Path, clock: ManualClock, tmp_path: Path
) -> None:
    rows = "select * exclude (request_id) from model_call where sources = 'gateway only'"
    before = in_ledger(filled, f"{rows} order by log_id")
    raw_dir(filled).mkdir(exist_ok=True)
    stamp = f"{NOON:%Y%m%d%H%M%S%f}"
    old = tmp_path / "old.duckdb"
    version_5(old, in_ledger(filled, WIDE), in_ledger(filled, "from attempt"))
    only = "from stored_call where starts_with(common, 'gateway only') and log_id"
    for number, (ledger, sql) in enumerate(
        (
            (filled / "ledger.duckdb", f"{rows} and log_id < 'log-5'"),
            (old, f"{only} between 'log-5' and 'log-7'"),
            (filled / "ledger.duckdb", f"{only} > 'log-7'"),
        )
    ):
        file = raw_dir(filled) / f"rows-{stamp}-{stamp}-{number:032}.parquet"
        with duckdb.connect(ledger) as connection:
            connection.execute(f"copy ({sql}) to '{file}' (format parquet)")
            assert connection.execute(f"select count(*) from '{file}'").fetchall() != [(0,)]
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
