"""`wai prompts diff` as it is called: formats, verdicts, what it opens, and hostile text."""

import json
import os
import pty
import re
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from support.cli import Wai
from support.prompts import freeze_prompt, set_labels, write_prompt
from support.script_tokens import write_tokenizer

HOUSE = " ".join(f"Rule {number}: be brief, kind and exact." for number in range(60))
ASSUMED = ("--assume", "requests=10000,conversations=1000,output=100,cached=0.9")


def prompt(first: str = "", last: str = "Answer.", front: str = "") -> str:
    return (
        f"---\nmodel: '@cf/moonshotai/kimi-k2.6'\n{front}\n---\n"
        f"{{% role system %}}\n{first}{HOUSE}\n{last}\n"
        "{% role user %}\n{{ ticket }}\n"
    )


@pytest.fixture
def two(project: Path) -> Path:
    """Two frozen versions: a variable came first."""
    freeze_prompt(project, "triage", prompt())
    freeze_prompt(project, "triage", prompt("Today is {{ day }}. "))
    return project


def thresholds(project: Path, **values: str) -> None:
    listed = ", ".join(f"{key}: {value}" for key, value in values.items())
    (project / "wai.yaml").write_text(f'version: "1"\nprompts:\n  thresholds: {{{listed}}}\n')


def imported(wai: Wai, *arguments: str) -> set[str]:
    """The modules that a command has imported."""
    code = (
        "import sys\nfrom wai_ops.cli.app import run\n"
        f"code = run({list(arguments)!r})\n"
        "sys.stderr.write(f'CODE {code} ' + ' '.join(sys.modules))"
    )
    wai.environ["PYTHONPATH"] = ""
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=wai.folder,
        env=wai.environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    tail = done.stderr.rpartition("CODE 0 ")[2]
    assert tail, done.stderr
    return set(tail.split())


def test_equal_versions_have_an_empty_diff(wai: Wai, two: Path) -> None:
    r = wai("prompts", "diff", "triage@2", "triage@work")
    assert (r.exit_code, r.stderr) == (0, "")
    assert r.stdout == ("triage@2 -> triage@work\nnothing that decides behaviour differs\n")


def test_a_change_is_shown_with_its_text_its_place_and_its_prefix(wai: Wai, two: Path) -> None:
    r = wai("prompts", "diff", "triage@1", "@2", "--no-money")
    assert r.exit_code == 0
    lines = r.stdout.splitlines()
    assert lines[0] == "triage@1 -> triage@2"
    assert re.fullmatch(
        r"stable prefix \d+ -> 0 tokens \(0 in common\), \+\d+ tokens a request", lines[1]
    )
    assert "system: changed, +1 -1" in lines
    assert any(line.startswith("  + Today is {{ day }}. Rule 0") for line in lines)
    assert "  + prompts/triage.prompt:6:1: Today is {{ day }}. Rule…" in lines
    assert "  ends after   prompts/triage.prompt:6:10 (day)" in lines
    assert lines[-1] == "verdict: pass"
    assert "wai: note: tokens are estimated at 4 bytes a token" in r.stderr


def test_without_b_the_working_tree_is_held_against_what_is_released(wai: Wai, two: Path) -> None:
    write_prompt(two, "triage", prompt(last="Answer now."))
    newest = json.loads(wai("prompts", "diff", "triage", "--json").stdout)
    assert newest["diff"]["before"]["version"] == "2"
    set_labels(two, "triage", {"production": 1})
    released = json.loads(wai("prompts", "diff", "triage", "--json").stdout)
    assert released["diff"]["before"]["reference"] == "triage@production"
    assert released["diff"]["before"]["version"] == "1"
    assert released["diff"]["after"]["reference"] == "triage@work"


def test_the_json_is_what_the_schema_says(wai: Wai, two: Path) -> None:
    schema = json.loads(wai("schema", "prompts diff").stdout)
    for options in ((), ("--no-money",), ASSUMED):
        r = wai("prompts", "diff", "triage@1", "@2", "--json", *options)
        Draft202012Validator(schema).validate(json.loads(r.stdout))
    same = wai("prompts", "diff", "triage@1", "@1", "--json")
    Draft202012Validator(schema).validate(json.loads(same.stdout))


def test_without_traffic_it_says_so_and_names_no_money(wai: Wai, two: Path) -> None:
    r = wai("prompts", "diff", "triage@1", "@2", "--json")
    found = json.loads(r.stdout)
    assert found["money"]["source"] == "none"
    assert (found["money"]["rows"], found["money"]["total"]) == ([], None)
    assert "the ledger has no request with the prompt triage" in found["money"]["notes"][0]
    assert not (two / ".wai" / "ledger.duckdb").exists()


def test_assumed_traffic_is_priced_and_called_assumed(wai: Wai, two: Path) -> None:
    """By hand: what a month costs more when nothing of the prefix is found any more."""
    r = wai("prompts", "diff", "triage@1", "@2", "--json", *ASSUMED)
    found = json.loads(r.stdout)
    diff, total = found["diff"], found["money"]["total"]
    assert found["money"]["source"] == "assumed"
    rate_in, rate_cached = Decimal("0.950004"), Decimal("0.159995")
    longer = diff["tokens"]["opening_delta_tokens"]
    prefix = diff["prefix"]["before_cacheable_tokens"]
    # 900 of 1,000 first requests found the prefix, 8,100 of 9,000 later ones their history.
    lost = 900 * prefix * (rate_in - rate_cached)
    more = longer * (1900 * rate_in + 8100 * rate_cached)
    assert Decimal(total["delta_usd"]) == pytest.approx(
        (lost + more) / 1_000_000, rel=Decimal("0.0001")
    )
    assert Decimal(total["rewarm_usd"]) == 0 or total["live_conversation_count"] > 0
    assert "the traffic is assumed, not observed" in found["money"]["notes"][0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("requests", "'requests' is none of its pairs"),
        ("requests=x", "'requests=x' is none of its pairs"),
        ("requests=-1", "is none of its pairs"),
        ("requests=1e9", "is none of its pairs"),
        ("calls=9", "'calls=9' is none of its pairs"),
        ("output=9", "needs requests=NUMBER"),
        ("requests=9,requests=9", "is none of its pairs"),
        ("requests=9,cached=1.5", "a share between 0 and 1"),
        ("requests=9,conversations=10", "between 1 and requests"),
    ],
)
def test_a_wrong_assumption_is_refused(wai: Wai, two: Path, text: str, reason: str) -> None:
    r = wai("prompts", "diff", "triage@1", "@2", "--assume", text)
    assert (r.exit_code, r.stdout) == (2, "")
    assert reason in r.stderr


def test_contradicting_and_wrong_flags_are_usage_errors(wai: Wai, two: Path) -> None:
    for options, reason in (
        (("--no-money", *ASSUMED), "give either --no-money or --assume"),
        (("--window", "soon"), "--window 'soon' is not a time"),
        (("--window", "2999-01-01"), "does not begin in the past"),
        (("--var", "nobody=1"), "neither version uses the variable 'nobody'"),
        (("--tokenizer", "nowhere"), "cannot read tokenizer nowhere"),
    ):
        r = wai("prompts", "diff", "triage@1", "@2", *options)
        assert (r.exit_code, r.stdout) == (2, ""), options
        assert reason in r.stderr


def test_thresholds_decide_on_verdict_exit_code_and_findings(wai: Wai, two: Path) -> None:
    thresholds(two, warn_prefix_loss_ratio="0.1", fail_prefix_loss_ratio="1")
    warned = wai("prompts", "diff", "triage@1", "@2", "--no-money")
    assert warned.exit_code == 0
    assert "warning WD001: 100% of the stable prefix is lost" in warned.stdout
    assert warned.stdout.endswith("verdict: warn\n")
    thresholds(two, fail_prefix_loss_ratio="0.5", fail_monthly_usd="0.01", fail_rewarm_usd="500")
    failed = wai("prompts", "diff", "triage@1", "@2", "--json", *ASSUMED)
    assert failed.exit_code == 1
    found = json.loads(failed.stdout)
    assert found["verdict"] == "fail"
    assert [(item["rule"], item["level"]) for item in found["findings"]] == [
        ("WD001", "error"),
        ("WD002", "error"),
    ]
    assert (found["findings"][0]["file"], found["findings"][0]["line"]) == (
        "prompts/triage.prompt",
        6,
    )
    back = wai("prompts", "diff", "triage@2", "@1", *ASSUMED)
    assert (back.exit_code, back.stdout.splitlines()[-1]) == (0, "verdict: pass")


def test_a_threshold_in_dollars_and_no_traffic_is_a_warning(wai: Wai, two: Path) -> None:
    thresholds(two, fail_monthly_usd="1")
    r = wai("prompts", "diff", "triage@1", "@2")
    assert r.exit_code == 0
    assert "warning WD004: what the change of triage costs is not known" in r.stdout
    asked_for_none = wai("prompts", "diff", "triage@1", "@2", "--no-money")
    assert asked_for_none.stdout.endswith("verdict: pass\n")


def test_for_github_there_are_annotations_and_a_summary_with_one_line(
    wai: Wai, two: Path, tmp_path: Path
) -> None:
    thresholds(two, fail_prefix_loss_ratio="0.5")
    summary = tmp_path / "summary.md"
    wai.environ |= {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_WORKSPACE": str(two.parent)}
    r = wai("prompts", "diff", "triage@1", "@2", "--format", "github", *ASSUMED)
    assert r.exit_code == 1
    assert r.stdout.startswith(
        "::error file=project/prompts/triage.prompt,line=6,col=1,title=WD001::100%25 of the stable"
    )
    assert len(r.stdout.splitlines()) == 1
    text = summary.read_text()
    assert re.search(r"^\*\*FAIL\*\* · stable prefix .*, \+\$\d+\.\d+ a month", text, re.MULTILINE)
    assert "| Tokens of a first request |" in text
    assert "```diff" in text


def test_a_template_cannot_speak_to_the_runner_end_its_fence_or_reach_the_terminal(
    wai: Wai, project: Path
) -> None:
    """Escape sequences, workflow commands, fences and markup: shown, and without effect."""
    hostile = (
        "::error::owned\n  ::stop-commands::x\n````\n# owned\n<script>alert(1)</script>\n"
        "\x1b]0;owned\x07\x1b[31mred\u202eright\n| a | b |\n%0A::error::owned\n"
    )
    freeze_prompt(project, "triage", prompt(last=hostile.replace("owned", "before")))
    freeze_prompt(project, "triage", prompt(last=hostile))
    wai.environ["GITHUB_ACTIONS"] = "true"
    for options in ((), ("--format", "md"), ("--format", "github"), ("--json",)):
        r = wai("prompts", "diff", "triage@1", "@2", "--no-money", *options)
        assert r.exit_code == 0
        seen = r.stdout + r.stderr
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", seen), options
    page = wai("prompts", "diff", "triage@1", "@2", "--no-money", "--format", "md").stdout
    fence = next(line for line in page.splitlines() if line.endswith("diff"))
    assert fence == "`````diff"
    assert page.split(fence)[1].count("\n`````\n") == 1
    told = wai("prompts", "diff", "triage@1", "@2", "--no-money", "--format", "github").stdout
    commands = [line for line in told.splitlines() if line.lstrip().startswith("::")]
    stop = re.fullmatch(r"::stop-commands::(wai-[0-9a-f]{32})", commands[0])
    assert stop
    assert told.splitlines()[-1] == f"::{stop[1]}::"


@pytest.mark.parametrize(
    "reference",
    [
        "../triage",
        "triage@../../etc",
        "triage@git:--output=x",
        "triage@git:$(touch owned)",
        "triage@\x1b[31m",
        "{{7*7}}@1",
        "%s%n@1",
        "triage@sha256:zz",
        "@1",
        "",
        "triage@999999",
    ],
)
def test_hostile_references_are_refused_in_one_clean_line(
    wai: Wai, two: Path, reference: str
) -> None:
    r = wai("prompts", "diff", reference, "triage@1")
    if reference == "@1":  # the name is the other one's
        assert r.exit_code == 0
        return
    assert (r.exit_code, r.stdout) == (2, "")
    assert r.stderr.startswith("wai: error: ")
    assert not re.search("[\x00-\x09\x0b-\x1f]", r.stderr)
    assert not (two / "owned").exists()


def test_without_money_or_without_a_ledger_duckdb_is_not_imported(wai: Wai, two: Path) -> None:
    for arguments in (
        ("prompts", "diff", "triage@1", "@2"),
        ("prompts", "diff", "triage@1", "@2", *ASSUMED),
        ("prompts", "diff", "triage@1", "@2", "--no-money", "--format", "md"),
    ):
        found = imported(wai, *arguments)
        assert "wai_ops.runtime.prompt_review" in found
        assert not {"duckdb", "cloudflare", "httpx", "tokenizers"} & found, arguments
    wai("ledger", "fold")
    assert (two / ".wai" / "ledger.duckdb").exists()
    assert "duckdb" not in imported(wai, "prompts", "diff", "triage@1", "@2", "--no-money")
    # Versions that are equal cost nothing, and nothing is asked.
    assert "duckdb" not in imported(wai, "prompts", "diff", "triage@1", "@1")
    assert "duckdb" in imported(wai, "prompts", "diff", "triage@1", "@2")


def test_a_tokenizer_that_is_given_is_used_and_named(wai: Wai, two: Path, tmp_path: Path) -> None:
    folder = write_tokenizer(tmp_path / "tokenizer")
    found = json.loads(
        wai("prompts", "diff", "triage@1", "@2", "--json", "--tokenizer", str(folder)).stdout
    )
    assert found["diff"]["before"]["token_basis"]["method"] == "exact"
    assert str(folder) in found["diff"]["before"]["token_basis"]["words"]


def test_a_stdout_without_the_script_of_a_template_shows_its_codes(wai: Wai, project: Path) -> None:
    freeze_prompt(project, "triage", prompt(last="Antworte höflich."))
    freeze_prompt(project, "triage", prompt(last="丁寧に答えて。"))
    wai.environ |= {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}
    for options in ((), ("--format", "md"), ("--format", "github"), ("--json",)):
        r = wai("prompts", "diff", "triage@1", "@2", "--no-money", *options)
        assert r.exit_code == 0, r.stderr
        assert r.stdout.isascii()
        assert "\\u4e01" in r.stdout


def test_on_a_terminal_additions_are_green_unless_colour_is_unwanted(wai: Wai, two: Path) -> None:
    for no_colour, seen in (("", True), ("1", False)):
        wai.environ |= {"TERM": "xterm-256color", "NO_COLOR": no_colour, "COLUMNS": "80"}
        text = on_terminal(wai, "prompts", "diff", "triage@1", "@2", "--no-money")
        assert ("\x1b[32m  + Today" in text) is seen
        assert ("\x1b[" in text) is seen


def on_terminal(wai: Wai, *arguments: str) -> str:
    """Run on a pseudo-terminal and return what was drawn."""
    master, slave = pty.openpty()
    process = wai.start(*arguments, stdout=slave, stderr=slave)
    os.close(slave)
    drawn = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        drawn += piece
    os.close(master)
    assert process.wait(timeout=60) == 0
    return drawn.decode()


def test_hundreds_of_versions_and_prompts_do_not_slow_one_diff_down(
    wai: Wai, project: Path
) -> None:
    """Work and not time: of all that is frozen, two files are opened."""
    for number in range(12):
        freeze_prompt(project, "triage", prompt(last=f"Answer {number}."))
        freeze_prompt(project, f"other-{number}", prompt(last=f"Other {number}."))
    files = {path.name for path in (project / "prompts" / ".versions").rglob("*.json")}
    assert len(files) == 24
    r = wai("prompts", "diff", "triage@3", "@9", "--json", "--no-money")
    hashes = {json.loads(r.stdout)["diff"][side]["sha256"] for side in ("before", "after")}
    assert len(hashes) == 2
    # The others may be gone, and nobody would notice.
    for path in (project / "prompts" / ".versions").rglob("*.json"):
        if path.stem not in hashes:
            path.unlink()
    again = wai("prompts", "diff", "triage@3", "@9", "--json", "--no-money")
    assert (again.exit_code, again.stdout) == (0, r.stdout)
