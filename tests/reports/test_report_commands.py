"""`wai report` in a real process: every format with hostile names, options, exit codes, files."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from support.cli import Wai
from support.facts import NOON, attempt, in_ledger, record_attempts
from wai_ops.core.records import AttemptRecord

REPORTS = ["cost", "failures", "affinity", "cache"]
ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e"
SQL = "'; drop table model_call; --"
HTML = "<script>alert(1)</script><img src=x onerror=alert(2)>"
FORMULA = '=HYPERLINK("http://x","y")'
NAMES = [ESCAPES, SQL, HTML, FORMULA, "|`*_[x](y)", "a\nb\tc"]


def hostile(number: int, name: str) -> AttemptRecord:
    """An attempt that carries `name` wherever a name can stand."""
    return attempt(
        number,
        tenant=name,
        workflow=name,
        conversation_id=name,
        prompt_name=name,
        served_model=name,
        endpoint=name,
        gateway_id=name,
        error_type="unknown",
        error_message=name,
        price_source=name,
        affinity_result="miss",
        affinity_cause=name,
        **({"cost_state": "unknown", "cost_usd": None, "neurons": None} if number % 2 else {}),
    )


@pytest.fixture
def bad(wai: Wai, project: Path) -> Wai:
    """A project whose traffic has hostile names."""
    record_attempts(project / ".wai", [hostile(n, name) for n, name in enumerate(NAMES)])
    return wai


@pytest.fixture
def filled(wai: Wai, project: Path) -> Wai:
    """A project with a few ordinary calls on one noon, and one the hour before."""
    record_attempts(
        project / ".wai",
        [
            attempt(1, workflow="a"),
            attempt(2, workflow="b", cost_usd=Decimal("1.5"), error_type="capacity"),
            attempt(3, workflow="b", started_at=NOON.replace(hour=11), cost_usd=Decimal("0.5")),
        ],
    )
    return wai


@pytest.mark.parametrize("report", REPORTS)
def test_no_name_steers_a_terminal_a_page_or_a_spreadsheet(report: str, bad: Wai) -> None:
    for fmt in ("table", "json", "jsonl", "md", "html"):
        ran = bad("report", report, "--by", "workflow", "--format", fmt)
        assert ran.exit_code == 0, ran.stderr
        for text in (ran.stdout, ran.stderr):
            assert not set(text) & set("\x1b\x07\u202e"), fmt
    assert "<script" not in ran.stdout
    assert "<img" not in ran.stdout
    ran = bad("report", report, "--by", "workflow", "--format", "csv")
    rows = list(csv.reader(io.StringIO(ran.stdout, newline="")))
    assert len(rows) == 1 + len(NAMES)
    assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for row in rows for cell in row)
    assert any(cell == "'" + FORMULA for row in rows for cell in row)


def test_a_group_keeps_its_hostile_name_for_machines(bad: Wai) -> None:
    rows = json.loads(bad("report", "cost", "--json").stdout)["rows"]
    assert sorted(row["workflow"] for row in rows) == sorted(NAMES)
    unknown = json.loads(bad("report", "failures", "--unknown", "--json").stdout)
    assert unknown["total"] is None
    assert len(unknown["rows"]) == len(NAMES)


def test_a_condition_on_a_hostile_name_finds_it_and_nothing_else(bad: Wai, project: Path) -> None:
    for name in (SQL, ESCAPES, HTML):
        ran = bad("report", "cost", "--where", f"tenant={name}", "--json")
        assert [row["workflow"] for row in json.loads(ran.stdout)["rows"]] == [name]
        assert "\x1b" not in ran.stderr
    assert in_ledger(project / ".wai", "select count(*) from model_call") == [(len(NAMES),)]


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_of_nothing_is_empty_and_fine(report: str, wai: Wai) -> None:
    ran = wai("report", report, "--where", "model=@cf/none/such", "--json")
    assert ran.exit_code == 0
    document = json.loads(ran.stdout)
    assert (document["rows"], document["total"]) == ([], None)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--fail-on", "cost_usd > 1"], 1, "it is true"),
        (["--fail-on", "cost_usd > 100"], 0, "it is not true"),
        (["--fail-on", "any(cost_usd > 1.9)"], 1, "it is true"),
        (["--fail-on", "confirmed_cost_usd > 1"], 0, "undecided"),
        (["--fail-on", "moon > 1"], 2, "there is no moon in this report"),
        (["--fail-on", "import os"], 2, "is not a condition"),
        (["--where", "moon=full"], 2, "there is no 'moon'"),
        (["--where", "workflow"], 2, "is no condition"),
        (["--compare", "previous"], 2, "--since"),
        (["--output", "no/such/folder.json"], 2, "does not exist"),
        (["--output", "."], 2, "is a folder"),
        (["--by", "moon"], 2, "moon"),
    ],
)
def test_exit_codes_say_what_happened(
    arguments: list[str], code: int, words: str, filled: Wai
) -> None:
    ran = filled("report", "cost", *arguments)
    assert (ran.exit_code, words in ran.stderr) == (code, True), ran.stderr
    assert (ran.stdout == "") == (code == 2)


def test_the_same_key_twice_means_either_and_different_keys_both(filled: Wai) -> None:
    def count(*conditions: str) -> int:
        words = [word for text in conditions for word in ("--where", text)]
        rows = json.loads(filled("report", "cost", *words, "--json").stdout)["rows"]
        return sum(row["request_count"] for row in rows)

    assert count() == 3
    assert count("workflow=a", "workflow=b") == 3
    assert count("workflow=a") == 1
    assert count("workflow!=a") == 2
    assert count("workflow=b", "error=capacity") == 1
    assert count("error=") == 2


def test_a_file_is_written_whole_in_the_format_of_its_name(filled: Wai, project: Path) -> None:
    ran = filled("report", "cost", "--output", "cost.json")
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "wrote cost.json" in ran.stderr
    assert json.loads((project / "cost.json").read_text())["title"] == "Cost by workflow"
    (project / "cost.json").chmod(0o640)
    ran = filled("report", "cost", "--output", "cost.json", "--format", "csv")
    assert (project / "cost.json").read_text().startswith("workflow,request_count")
    assert (project / "cost.json").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in project.iterdir()) == [".wai", "cost.json", "wai.yaml"]


def test_a_failed_verdict_writes_the_file_and_a_usage_error_does_not(
    filled: Wai, project: Path
) -> None:
    ran = filled("report", "cost", "--output", "x.md", "--fail-on", "cost_usd > 1")
    assert ran.exit_code == 1
    assert (project / "x.md").read_text().startswith("## Cost by workflow")
    before = (project / "x.md").read_bytes()
    ran = filled("report", "cost", "--output", "x.md", "--fail-on", "moon > 1")
    assert ran.exit_code == 2
    assert (project / "x.md").read_bytes() == before


def test_a_link_stays_a_link_and_a_device_a_device(filled: Wai, project: Path) -> None:
    (project / "real.csv").write_text("old")
    (project / "link.csv").symlink_to("real.csv")
    assert filled("report", "cost", "--output", "link.csv").exit_code == 0
    assert (project / "link.csv").is_symlink()
    assert (project / "real.csv").read_text().startswith("workflow,")
    assert filled("report", "cost", "--output", "/dev/null").exit_code == 0
    assert not Path("/dev/null").is_file()


def test_the_previous_period_stands_beside_this_one(filled: Wai) -> None:
    window = ["--since", "2026-03-14T11:30", "--until", "2026-03-14T12:30"]
    ran = filled("report", "cost", *window, "--compare", "previous", "--json")
    document = json.loads(ran.stdout)
    rows = {row["workflow"]: row for row in document["rows"]}
    assert rows["b"]["cost_usd"] == "1.500000000000"
    assert rows["b"]["cost_usd_delta"] == "1.000000000000"
    assert rows["b"]["cost_usd_change_ratio"] == 2.0
    assert rows["a"]["cost_usd_delta"] is None
    assert rows["a"]["request_count_delta"] == 1
    assert document["total"]["request_count_delta"] == 1
    assert document["notes"][-1] == "compared with 2026-03-14 10:30 to 2026-03-14 11:30 (UTC)"


def test_targets_of_the_cache_come_from_the_settings(filled: Wai, project: Path) -> None:
    (project / "wai.yaml").write_text("cache:\n  target_ratio: 0.5\n  workflows:\n    a: 0.4\n")
    ran = filled("report", "cache", "--json", "--fail-on", "any(target_verdict == 'missed')")
    assert ran.exit_code == 1
    rows = {row["workflow"]: row for row in json.loads(ran.stdout)["rows"]}
    assert (rows["a"]["target_verdict"], rows["a"]["short_tokens"]) == ("met", 0)
    assert (rows["b"]["target_verdict"], rows["b"]["short_tokens"]) == ("missed", 200)
    assert rows["b"]["target_ratio"] == "0.5"


def test_unknown_failures_are_clustered_by_the_shape_of_their_message(
    wai: Wai, project: Path
) -> None:
    said = [
        "request 0199a3f2-1111-7abc-8def-0123456789ab failed after 31 ms",
        "request 0199a3f3-2222-7abc-8def-0123456789ab failed after 1,204 ms",
        "no such tool 'fetch_page' in [redacted:token:ab12cd34]",
        "no such tool 'search' in [redacted:token:ff00aa11]",
        "no such tool 'x' in [redacted:key:ff00aa11]",
        None,
    ]
    records = [
        attempt(n, error_type="unknown", error_message=text, http_status=418)
        for n, text in enumerate(said)
    ]
    record_attempts(project / ".wai", [*records, attempt(99, error_type="capacity")])
    rows = json.loads(wai("report", "failures", "--unknown", "--json").stdout)["rows"]
    assert [(row["request_count"], row["shape"]) for row in rows] == [
        (2, 'no such tool "…" in [redacted:token]'),
        (2, "request <id> failed after <n> ms"),
        (1, 'no such tool "…" in [redacted:key]'),
        (1, None),
    ]
    assert rows[0]["unknown_ratio"] == pytest.approx(2 / 6)
    assert rows[0]["http_status"] == 418


def test_failures_say_whose_fault_they_are_and_what_can_be_sent_again(filled: Wai) -> None:
    document = json.loads(filled("report", "failures", "--json").stdout)
    [row] = document["rows"]
    assert (row["error_type"], row["fault"], row["is_retryable"]) == ("capacity", "provider", True)
    assert (row["request_ratio"], row["failure_ratio"]) == (1 / 3, 1.0)
    assert document["notes"][1] == "1 of 1 failure (100.0%) could succeed when sent again"


@pytest.mark.parametrize(
    "command",
    [
        "report cost",
        "report cost --by conversation",
        "report cost --by gateway",
        "report failures",
        "report failures --unknown",
        "report affinity",
        "report affinity --by route",
        "report cache",
        "report cache --by day",
    ],
)
def test_json_is_what_the_schema_says(command: str, filled: Wai, project: Path) -> None:
    record_attempts(
        project / ".wai",
        [
            attempt(10, error_type="unknown", error_message="x", affinity_result="hit"),
            attempt(11, affinity_result="miss", affinity_cause="cold", cacheable_tokens=900),
        ],
    )
    (project / "wai.yaml").write_text("cache:\n  target_ratio: 0.5\n")
    document = json.loads(filled(*command.split(), "--json").stdout)
    schema = json.loads(filled("schema", command).stdout)
    assert document["rows"]
    jsonschema.Draft202012Validator(schema).validate(document)
