"""`wai outcomes`: facts that somebody recorded, in full and never twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.cli import Wai
from support.facts import attempt, in_ledger, outbox_count, record_attempts

SECRET = "cfut_" + "a1B2c3D4" * 6


@pytest.fixture
def state_dir(project: Path) -> Path:
    """The state folder of the project in which `wai` runs."""
    return project / ".wai"


def outcomes(wai: Wai, *options: str) -> list[dict[str, Any]]:
    """What `outcomes list` says."""
    done = wai("outcomes", "list", "--json", *options)
    assert done.exit_code == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    return rows


def test_a_whole_name_is_recorded_without_opening_the_ledger(wai: Wai, state_dir: Path) -> None:
    done = wai("outcomes", "record", "acme:triage:c9", "resolved", "--value", "12.50")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == (
        "wai: note: no run of acme:triage:c9 was made here; the outcome counts once its logs are"
        " in\nwai: recorded acme:triage:c9: resolved\n"
    )
    assert not (state_dir / "ledger.duckdb").exists()
    assert outbox_count(state_dir) == 1
    [row] = outcomes(wai)
    assert (row["tenant"], row["workflow"], row["conversation_id"]) == ("acme", "triage", "c9")
    assert (row["outcome"], row["value_usd"], row["source"]) == (
        "resolved",
        "12.500000000000",
        "recorded",
    )
    assert (row["is_current"], row["is_known"]) == (True, False)


def test_an_id_that_the_ledger_knows_once_is_enough(wai: Wai, state_dir: Path) -> None:
    record_attempts(state_dir, [attempt(1, conversation_id="only"), attempt(2)])
    done = wai("outcomes", "record", "only", "failed", "--json", "--at", "2026-03-15T10:00:00")
    assert done.exit_code == 0
    assert done.stderr == ""
    assert json.loads(done.stdout) == {
        "tenant": "acme",
        "workflow": "triage",
        "conversation_id": "only",
        "outcome": "failed",
        "value_usd": None,
        "note": None,
        "source": "recorded",
        "recorded_at": "2026-03-15T10:00:00.000000Z",
    }


def test_an_id_that_several_have_needs_more_and_nothing_is_recorded(
    wai: Wai, state_dir: Path
) -> None:
    record_attempts(state_dir, [attempt(1), attempt(2, tenant="zeta")])
    done = wai("outcomes", "record", "c1", "failed")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "2 conversations are called 'c1': acme:triage:c1, zeta:triage:c1" in done.stderr
    assert outcomes(wai) == []
    assert wai("outcomes", "record", "c1", "failed", "--tenant", "zeta").exit_code == 0
    [row] = outcomes(wai)
    assert (row["tenant"], row["is_known"]) == ("zeta", True)


def test_an_unknown_id_goes_under_the_defaults_and_says_so(wai: Wai) -> None:
    done = wai("outcomes", "record", "later", "abandoned")
    assert done.exit_code == 0
    assert "the ledger has no conversation 'later': recorded for default:adhoc:later" in done.stderr
    assert [row["tenant"] for row in outcomes(wai)] == ["default"]


def test_the_latest_outcome_counts_and_the_older_one_stays(wai: Wai) -> None:
    for outcome, at in (("resolved", "2026-03-02"), ("failed", "2026-03-03"), ("resolved", None)):
        more = () if at is None else ("--at", at)
        assert wai("outcomes", "record", "a:b:c", outcome, *more).exit_code == 0
    assert wai("outcomes", "record", "a:b:c", "failed", "--at", "2026-03-01").exit_code == 0
    told = [(row["outcome"], row["is_current"]) for row in outcomes(wai)]
    assert told == [("resolved", True), ("failed", False), ("resolved", False), ("failed", False)]
    assert [row["outcome"] for row in outcomes(wai, "--until", "2026-03-02")] == ["failed"]


def test_a_credential_in_a_note_never_reaches_the_disk(wai: Wai, state_dir: Path) -> None:
    done = wai("outcomes", "record", "a:b:c", "failed", "--note", f"the key {SECRET} leaked")
    assert done.exit_code == 0
    [row] = outcomes(wai)
    assert row["note"].startswith("the key [redacted:")
    assert row["note"].endswith("] leaked")
    for path in state_dir.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a:b:c", "done"), "'done' is no outcome"),
        (("a:b:c", "failed", "--value", "much"), "'much' is not an amount in dollars"),
        (("a:b:c", "failed", "--value", "-1"), "'-1' is not an amount in dollars"),
        (("a:b:c", "failed", "--value", "NaN"), "'NaN' is not an amount in dollars"),
        (("a:b:c", "failed", "--value", "1e6"), "'1e6' is not an amount in dollars"),
        (("a:b:c", "failed", "--value", "0.0000000000001"), "more than 12 decimal places"),
        (("a:b:c", "failed", "--at", "soon"), "--at 'soon' is not a time"),
        (("a::c", "failed"), "the workflow '' is empty"),
        (("a:b:\x1b[2J", "failed"), "holds characters that cannot be printed"),
        (("x" * 257, "failed"), "is longer than 256 characters"),
        (("a:b:c", "failed", "--note", "x" * 2001), "the note is longer than 2000 characters"),
    ],
)
def test_what_cannot_be_recorded_is_a_usage_error_and_leaves_nothing(
    wai: Wai, state_dir: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = wai("outcomes", "record", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr
    assert "\x1b" not in done.stderr
    assert not (state_dir / "state.sqlite").exists()


CSV = """\
conversation,outcome,value_usd,note,at
acme:triage:c1,resolved,2.5,"first, and best",2026-03-14T10:00:00
c2,failed,,,2026-03-14T11:00:00+01:00
"""


def imported(wai: Wai, text: str, name: str, *options: str) -> dict[str, Any]:
    (wai.folder / name).write_text(text)
    done = wai("outcomes", "import", name, "--json", *options)
    assert done.exit_code == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_same_file_twice_is_recorded_once(wai: Wai, state_dir: Path) -> None:
    record_attempts(state_dir, [attempt(1), attempt(2, conversation_id="c2", tenant="zeta")])
    first = imported(wai, CSV, "outcomes.csv")
    assert first == {
        "line_count": 2,
        "recorded_count": 2,
        "unchanged_count": 0,
        "unknown_count": 0,
        "malformed_count": 0,
        "is_dry_run": False,
    }
    again = imported(wai, CSV, "outcomes.csv")
    assert (again["recorded_count"], again["unchanged_count"]) == (0, 2)
    rows = outcomes(wai)
    assert [(row["tenant"], row["conversation_id"], row["source"]) for row in rows] == [
        ("acme", "c1", "imported"),
        ("zeta", "c2", "imported"),
    ]
    assert [row["recorded_at"] for row in rows] == 2 * ["2026-03-14T10:00:00.000000Z"]
    assert rows[0]["note"] == "first, and best"


def test_without_a_time_a_line_is_known_by_what_the_latest_outcome_says(wai: Wai) -> None:
    lines = '{"conversation": "a:b:c", "outcome": "resolved"}\n' * 2
    first = imported(wai, lines, "x.jsonl")
    assert (first["recorded_count"], first["unchanged_count"], first["unknown_count"]) == (1, 1, 1)
    assert imported(wai, lines, "x.jsonl")["recorded_count"] == 0
    changed = '{"conversation": "a:b:c", "outcome": "failed"}\n'
    assert imported(wai, changed, "x.jsonl")["recorded_count"] == 1
    assert imported(wai, lines, "x.jsonl")["recorded_count"] == 1


def test_a_dry_run_says_everything_and_writes_nothing(wai: Wai) -> None:
    assert imported(wai, CSV, "o.csv", "--dry-run")["recorded_count"] == 2
    assert outcomes(wai) == []


def test_what_list_writes_can_be_imported_elsewhere(wai: Wai, tmp_path: Path) -> None:
    for number, note in enumerate(["=1+1", "plain, with comma", "two\\nwords"]):
        wai("outcomes", "record", f"a:b:c{number}", "failed", "--note", note, "--value", "0.10")
    for fmt in ("csv", "jsonl"):
        listed = wai("outcomes", "list", "--format", fmt).stdout
        other = tmp_path / fmt
        other.mkdir()
        (other / "wai.yaml").write_text('version: "1"\n')
        there = Wai(other)
        assert imported(there, listed, f"all.{fmt}")["recorded_count"] == 3
        told = {row["conversation_id"]: (row["note"], row["value_usd"]) for row in outcomes(there)}
        assert told == {
            "c0": ("=1+1", "0.100000000000"),
            "c1": ("plain, with comma", "0.100000000000"),
            "c2": ("two\\nwords", "0.100000000000"),
        }


BROKEN = b"""\
{"conversation": "a:b:c", "outcome": "resolved"}
{"conversation": "a:b:c"
{"conversation": "a:b:c", "outcome": "solved"}
{"outcome": "failed"}
["a:b:c", "failed"]
{"conversation": "a:b:c", "outcome": "failed", "value_usd": {"x": 1}}
{"conversation": "a:b:c", "outcome": "failed", "mood": "bad"}
{"conversation": "a:b:\xff", "outcome": "failed"}

{"conversation": "a:b:d", "outcome": "failed", "value_usd": 0.1}
"""


def test_malformed_lines_are_named_and_nothing_is_recorded(wai: Wai) -> None:
    (wai.folder / "x.jsonl").write_bytes(BROKEN)
    done = wai("outcomes", "import", "x.jsonl")
    assert (done.exit_code, done.stdout) == (6, "")
    lines = done.stderr.splitlines()
    assert [line.split(": ")[2] for line in lines[:7]] == [f"x.jsonl:{n}" for n in range(2, 9)]
    assert "wai: warning: x.jsonl:3: 'solved' is no outcome" in lines
    assert "wai: warning: x.jsonl:7: unknown key 'mood'" in lines
    assert "7 of 9 lines are malformed; nothing was recorded" in done.stderr
    assert outcomes(wai) == []


def test_the_good_lines_go_in_when_asked_and_the_exit_code_says_that_some_did_not(wai: Wai) -> None:
    (wai.folder / "x.jsonl").write_bytes(BROKEN)
    done = wai("outcomes", "import", "x.jsonl", "--skip-malformed", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["recorded_count"], told["malformed_count"]) == (2, 7)
    assert {row["value_usd"] for row in outcomes(wai)} == {None, "0.100000000000"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file has no header that names conversation and outcome"),
        ("conversation,mood\n", "unknown column 'mood'"),
        ("conversation,outcome,outcome\n", "the column 'outcome' is there twice"),
        ("outcome\nfailed\n", "the file has no header that names conversation and outcome"),
    ],
)
def test_a_csv_that_is_none_of_outcomes_is_a_usage_error(
    wai: Wai, content: str, words: str
) -> None:
    (wai.folder / "x.csv").write_text(content)
    done = wai("outcomes", "import", "x.csv")
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr


def test_csv_lines_are_counted_as_an_editor_counts_them(wai: Wai) -> None:
    text = 'conversation,outcome,note\na:b:c,failed,"two\nlines"\na:b:d,solved,\na:b:e\n'
    (wai.folder / "x.csv").write_text(text)
    done = wai("outcomes", "import", "x.csv")
    assert done.exit_code == 6
    assert "x.csv:4: 'solved' is no outcome" in done.stderr
    assert "x.csv:5: 1 columns where the header has 3" in done.stderr


def test_standard_input_needs_to_be_told_its_format(wai: Wai) -> None:
    line = '{"conversation": "c", "outcome": "failed"}'
    assert wai("outcomes", "import", "-", stdin=line).exit_code == 2
    names = ("--tenant", "t", "--workflow", "w")
    done = wai("outcomes", "import", "-", "--format", "jsonl", *names, stdin=line)
    assert done.exit_code == 0
    assert [(row["tenant"], row["workflow"]) for row in outcomes(wai)] == [("t", "w")]


def test_a_file_that_is_not_there_is_a_usage_error(wai: Wai) -> None:
    done = wai("outcomes", "import", "none.csv")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "none.csv: cannot be read: No such file or directory" in done.stderr


def test_facts_of_two_at_the_same_instant_count_in_the_order_of_their_recording(
    wai: Wai, state_dir: Path
) -> None:
    for outcome in ("resolved", "failed"):
        wai("outcomes", "record", "a:b:c", outcome, "--at", "2026-03-14")
    assert [row["outcome"] for row in outcomes(wai) if row["is_current"]] == ["failed"]
    assert in_ledger(state_dir, "select outcome from last_outcome") == [("failed",)]
