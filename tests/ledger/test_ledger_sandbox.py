"""`wai ledger sql`: everything may be read from the ledger, and nothing else be touched."""

import contextlib
import json
from pathlib import Path

import pytest

from support.cli import Wai
from support.facts import ManualClock, attempt, record_attempts
from wai_ops.core.errors import UsageError
from wai_ops.observe.ledger.fold import fold
from wai_ops.observe.ledger.sandbox import query_sql


@pytest.fixture
def filled(wai: Wai, state_dir: Path) -> Wai:
    """A project with two attempts in its outbox: `sql` has to fold them first."""
    record_attempts(state_dir, [attempt(1), attempt(2, tenant="=HYPERLINK(1)", streamed=False)])
    return wai


def test_a_query_sees_what_was_recorded_a_moment_ago(filled: Wai) -> None:
    ran = filled(
        "ledger",
        "sql",
        "select attempt_id, cost_usd, started_at, streamed, error_type, 1.5::double as x "
        "from attempt order by 1",
        "--format",
        "json",
    )
    assert (ran.exit_code, ran.stderr) == (0, "")
    document = json.loads(ran.stdout)
    assert document["rows"][0] == {
        "attempt_id": "attempt-1",
        "cost_usd": "0.000123456789",
        "started_at": "2026-03-14T12:00:00.250000Z",
        "streamed": True,
        "error_type": None,
        "x": 1.5,
    }
    assert [column["unit"] for column in document["columns"]] == [
        "text",
        "text",
        "time",
        "flag",
        "text",
        "text",
    ]


def test_a_query_comes_from_stdin_and_goes_out_in_any_format(filled: Wai) -> None:
    ran = filled("ledger", "sql", "-", "-f", "csv", stdin="select tenant from attempt order by 1;")
    assert (ran.exit_code, ran.stdout) == (0, "tenant\r\n'=HYPERLINK(1)\r\nacme\r\n")


def test_richer_types_come_out_as_text_and_equal_names_are_told_apart(filled: Wai) -> None:
    ran = filled(
        "ledger",
        "sql",
        "select [1, 2] as a, {'k': date '2026-01-31'} as a, '\\xAA'::blob as b, "
        "interval 90 minute as i, time '12:30' as t, uuid '00000000-0000-0000-0000-00000000000a' u",
        "--format",
        "jsonl",
    )
    assert json.loads(ran.stdout) == {
        "a": "[1, 2]",
        "a_2": '{"k": "2026-01-31"}',
        "b": "aa",
        "i": "1:30:00",
        "t": "12:30:00",
        "u": "00000000-0000-0000-0000-00000000000a",
    }


@pytest.mark.parametrize("statement", ["describe attempt", "show tables", "explain select 1"])
def test_looking_around_is_reading(statement: str, filled: Wai) -> None:
    ran = filled("ledger", "sql", statement)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.count("\n") > 2


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("delete from attempt", "one that reads"),
        ("insert into attempt select * from attempt", "one that reads"),
        ("drop table attempt", "one that reads"),
        ("create table mine (i int)", "one that reads"),
        ("copy attempt to 'out.csv'", "one that reads"),
        ("export database 'out'", "one that reads"),
        ("attach 'other.duckdb' as other", "one that reads"),
        ("install httpfs", "one that reads"),
        ("load httpfs", "one that reads"),
        ("set enable_external_access = true", "one that reads"),
        ("pragma enable_profiling", "one that reads"),
        ("call pragma_version()", "one that reads"),
        ("create secret (type s3)", "one that reads"),
        ("checkpoint", "one that reads"),
        ("select 1; select 2", "one that reads"),
        ("", "one that reads"),
        ("-- nothing", "one that reads"),
        ("select * from read_text('secret.txt')", "disabled by configuration"),
        ("select * from read_csv('secret.txt')", "disabled by configuration"),
        ("select * from read_blob('secret.txt')", "disabled by configuration"),
        ("select * from read_parquet('secret.txt')", "disabled by configuration"),
        ("select * from glob('*')", "disabled by configuration"),
        ("from sniff_csv('secret.txt')", "disabled by configuration"),
        ("from 'secret.txt'", "does not exist"),
        ("from 'https://127.0.0.1:1/x.csv'", "disabled by configuration"),
        ("from read_duckdb('other.duckdb')", "disabled by configuration"),
        ("from query('copy attempt to ''out.csv''')", "SELECT"),
        ("select getenv('HOME')", "does not exist"),
        ("from statement", "does not exist"),
        ("selec 1", "syntax error"),
        ("select nothing from attempt", "nothing"),
        ("select $1", "parameter"),
        ("select now()", "has a time zone"),
    ],
)
def test_whatever_else_is_refused_and_changes_nothing(
    statement: str, words: str, filled: Wai, project: Path, state_dir: Path, clock: ManualClock
) -> None:
    (project / "secret.txt").write_text("hunter2\n")
    fold(state_dir, clock)
    names = sorted(str(path) for path in project.rglob("*"))
    ledger = (state_dir / "ledger.duckdb").read_bytes()
    with pytest.raises(UsageError) as caught, contextlib.chdir(project):
        query_sql(state_dir, clock, statement)
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert "hunter2" not in caught.value.message
    assert caught.value.hint
    assert (state_dir / "ledger.duckdb").read_bytes() == ledger
    assert sorted(str(path) for path in project.rglob("*")) == names


def test_a_refusal_is_one_line_and_a_hint_and_exit_code_two(filled: Wai) -> None:
    ran = filled("ledger", "sql", "select * from read_text('wai.yaml')")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == (
        'wai: error: Permission Error: Cannot access file "wai.yaml" - file system operations are '
        "disabled by configuration\n"
        'wai: hint: try: wai ledger sql "show tables", or wai ledger sql "describe attempt"\n'
    )


def test_text_from_the_ledger_cannot_steer_the_terminal(wai: Wai, state_dir: Path) -> None:
    record_attempts(state_dir, [attempt(1, error_message="\x1b[2J\x9b31m\u202egone")])
    ran = wai("ledger", "sql", "select error_message from attempt")
    assert ran.stdout == "error_message\n␛[2J<U+009B>31m<U+202E>gone\n"
