"""`wai conversations`: listing, showing, forking, exporting and deleting what was said."""

import json
import shutil
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.cli import Wai
from support.emulator import Emulator

NASTY = "say \x1b[31mred\x07 \u202etrap"


@pytest.fixture(scope="module")
def spoken(session_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a project with two conversations, one of them of three turns."""
    folder = tmp_path_factory.mktemp("spoken")
    (folder / "wai.yaml").write_text('version: "1"\n')
    wai = Wai(folder, {"HOME": str(folder), **session_emulator.environ})
    for number in range(3):
        done = wai("run", "-c", "c1", "-t", "conv", "-q", f"question {number}: {NASTY}")
        assert done.exit_code == 0, done.stderr
    assert wai("run", "-c", "c2", "-t", "conv", "-q", "something else").exit_code == 0
    return folder / ".wai"


@pytest.fixture
def said(online: Wai, spoken: Path) -> Wai:
    """A project of one's own that begins with these."""
    shutil.copytree(spoken, online.folder / ".wai")
    return online


def test_the_last_used_comes_first_with_what_it_took(said: Wai) -> None:
    done = said("conversations", "list", "--json")
    rows = json.loads(done.stdout)["rows"]
    assert [row["conversation_id"] for row in rows] == ["c2", "c1"]
    assert rows[1]["turn_count"] == 3
    assert rows[1]["state"] == "warm"
    assert float(rows[1]["cost_usd"]) > 0
    shown = json.loads(said("conversations", "show", "c1", "--json").stdout)
    assert shown["cost"]["turns_usd"] == rows[1]["cost_usd"]
    assert shown["cost"]["input_tokens"] == rows[1]["input_tokens"]
    assert [turn["state"] for turn in shown["turns"]] == ["done"] * 3


def test_filters_and_limits_say_what_they_leave_out(said: Wai) -> None:
    assert "c1" not in said("conversations", "list", "-t", "nobody").stdout
    done = said("conversations", "list", "-n", "1")
    assert "c1" not in done.stdout
    assert "the 1 most recently used of 2 conversations" in done.stderr


def test_no_page_of_it_can_steer_a_terminal(said: Wai) -> None:
    for words in (
        ("show", "c1"),
        ("export", "c1"),
        ("resume-hint", "c1"),
        ("export", "c1", "-f", "json"),
        ("export", "c1", "-f", "jsonl"),
    ):
        done = said("conversations", *words)
        assert done.exit_code == 0, done.stderr
        assert "\x1b" not in done.stdout
        assert "\x07" not in done.stdout
        assert "\u202e" not in done.stdout


def test_an_export_holds_every_message_and_json_the_exact_text(said: Wai) -> None:
    whole = json.loads(said("conversations", "export", "c1", "-f", "json").stdout)
    assert whole["turns"][0]["messages"][0]["content"] == f"question 0: {NASTY}"
    lines = said("conversations", "export", "c1", "-f", "jsonl").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["role"] for row in rows] == ["user", "assistant"] * 3
    assert [row["turn_index"] for row in rows] == [0, 0, 1, 1, 2, 2]
    page = said("conversations", "export", "c1").stdout
    assert page.count("**user**") == 3
    assert all(line.startswith(">") for line in page.splitlines() if "question" in line)


def test_an_exported_file_is_private_and_never_overwritten(said: Wai) -> None:
    target = said.folder / "c1.md"
    assert said("conversations", "export", "c1", "-o", "c1.md").exit_code == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    before = target.read_bytes()
    again = said("conversations", "export", "c1", "-o", "c1.md")
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    assert target.read_bytes() == before


def test_an_unknown_name_gets_the_nearest_one(said: Wai) -> None:
    done = said("conversations", "show", "c11")
    assert done.exit_code == 2
    assert "did you mean c" in done.stderr


def test_a_name_that_two_tenants_use_must_be_said_in_full(said: Wai) -> None:
    assert said("run", "-c", "c1", "-t", "other", "-q", "hello").exit_code == 0
    done = said("conversations", "show", "c1")
    assert done.exit_code == 2
    assert "2 conversations are called 'c1'" in done.stderr
    assert said("conversations", "show", "conv:adhoc:c1").exit_code == 0


def test_a_fork_begins_warm_on_its_parents_replica_and_costs_nothing(said: Wai) -> None:
    done = said("conversations", "fork", "c1", "c1b", "--at", "1")
    assert (done.exit_code, done.stdout) == (0, "conv:adhoc:c1b\n")
    shown = json.loads(said("conversations", "show", "c1b", "--json").stdout)
    assert [turn["is_copy"] for turn in shown["turns"]] == [True, True]
    assert shown["forked_from"] == "conv:adhoc:c1@1"
    assert shown["cost"]["turns_usd"] == "0"
    parent = json.loads(said("affinity", "show", "conv:adhoc:c1", "--json").stdout)
    run = said("run", "-c", "c1b", "-t", "conv", "--json", "another way: " + "word " * 30)
    result = json.loads(run.stdout)
    assert result["affinity"]["header"] == parent["header"]
    assert result["affinity"]["reason"] == "forked"
    assert result["turn_index"] == 2
    # What the two share is warm: everything up to the last copied answer, in whole blocks.
    shared = shown["turns"][1]["input_tokens"]
    assert result["usage"]["cached_input_tokens"] >= shared - shared % 16
    assert result["affinity"]["result"] == "hit"


def test_a_fork_goes_its_own_way_from_its_next_epoch_on(said: Wai) -> None:
    assert said("conversations", "fork", "c1", "c1b").exit_code == 0
    parent = json.loads(said("affinity", "show", "conv:adhoc:c1", "--json").stdout)["header"]
    rotated = json.loads(said("affinity", "rotate", "conv:adhoc:c1b", "--json").stdout)["header"]
    assert rotated.rpartition("-")[2] != parent.rpartition("-")[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("c1", "c2"), "there is a conversation 'c2' already"),
        (("c1", "a b"), "'a b' is not a usable name"),
        (("c1", "new", "--at", "7"), "turn 7 of c1 is not a finished turn"),
    ],
)
def test_a_fork_that_makes_no_sense_is_refused(
    said: Wai, words: tuple[str, ...], message: str
) -> None:
    done = said("conversations", "fork", *words)
    assert done.exit_code == 2
    assert message in done.stderr


def on_disk(folder: Path) -> bytes:
    """Every byte of live state, its log and what was typed."""
    files = [*folder.glob(".wai/state.sqlite*"), *folder.glob(".wai/chat-history")]
    return b"".join(path.read_bytes() for path in files)


def test_deleting_leaves_no_trace_of_the_content_and_all_of_the_money(said: Wai) -> None:
    assert b"question 1" in on_disk(said.folder)
    before = json.loads(said("report", "cost", "--by", "tenant", "--json").stdout)["rows"]
    done = said("conversations", "delete", "c1", "--yes")
    assert done.exit_code == 0
    assert "deleted 1 conversation with 3 turns" in done.stderr
    assert "stays in the ledger" in done.stderr
    assert "warning" not in done.stderr
    left = on_disk(said.folder)
    assert b"question" not in left
    assert b"something else" in left
    assert json.loads(said("report", "cost", "--by", "tenant", "--json").stdout)["rows"] == before
    assert said("conversations", "show", "c1").exit_code == 2
    assert "conversation\tc1" not in (said.folder / ".wai" / "names").read_text().splitlines()
    assert said("run", "-c", "c1", "-t", "conv", "-q", "afresh").exit_code == 0


def test_lines_that_were_typed_in_it_go_as_well(said: Wai) -> None:
    history = said.folder / ".wai" / "chat-history"
    history.write_text(f"/help\nquestion 1: {NASTY}\nkept\n", encoding="utf-8")
    history.chmod(0o600)
    assert said("conversations", "delete", "c1", "--yes").exit_code == 0
    assert history.read_text("utf-8") == "/help\nkept\n"


def test_without_a_terminal_deleting_wants_a_yes(said: Wai) -> None:
    done = said("conversations", "delete", "c1")
    assert done.exit_code == 2
    assert "say --yes" in done.stderr
    assert said("conversations", "show", "c1").exit_code == 0


def test_another_process_that_reads_keeps_traces_and_that_is_said(said: Wai) -> None:
    path = said.folder / ".wai" / "state.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select * from turn").fetchall()
        done = said("conversations", "delete", "c1", "--yes")
        assert done.exit_code == 0
        assert "traces stay in the file" in done.stderr
        assert b"question 1" in on_disk(said.folder)
    assert said("conversations", "prune", "--older-than", "2001-01-01", "--yes").exit_code == 0
    assert b"question 1" not in on_disk(said.folder)


def test_pruning_takes_what_nobody_used_for_long(said: Wai) -> None:
    path = said.folder / ".wai" / "state.sqlite"
    long_ago = (datetime.now(UTC) - timedelta(days=100)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "update session set last_used_at = ? where conversation_id = 'c1'", (long_ago,)
        )
    dry = said("conversations", "prune", "--older-than", "90d", "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, "conv:adhoc:c1\n")
    assert said("conversations", "show", "c1").exit_code == 0
    done = said("conversations", "prune", "--older-than", "90d", "--yes", "--json")
    assert json.loads(done.stdout)["conversation_ids"] == ["c1"]
    assert said("conversations", "show", "c1").exit_code == 2
    assert said("conversations", "show", "c2").exit_code == 0


def test_the_hint_says_how_to_go_on_and_where_it_left_off(said: Wai) -> None:
    done = said("conversations", "resume-hint")
    assert done.stdout.splitlines()[:2] == [
        "wai chat -c c2 -t conv -w adhoc",
        'wai run -c c2 -t conv -w adhoc "..."',
    ]
    assert "last said: something else" in done.stdout


def test_where_nothing_was_said_there_is_nothing(wai: Wai) -> None:
    assert json.loads(wai("conversations", "list", "--json").stdout)["rows"] == []
    for words in (("show", "c1"), ("resume-hint",), ("delete", "c1", "--yes"), ("export", "c1")):
        done = wai("conversations", *words)
        assert (done.exit_code, done.stdout) == (2, "")
    assert not (wai.folder / ".wai" / "state.sqlite").exists()
