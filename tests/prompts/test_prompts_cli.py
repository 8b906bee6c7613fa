"""`wai prompts freeze, verify, list, show, render, log` as a user meets them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.cli import Wai

TRIAGE = """\
---
description: Sorts tickets
model: "@cf/google/gemma-4-26b-a4b-it"
parameters: {temperature: 0.2}
variables:
  ticket: {type: string, description: What the customer wrote}
  plan: {type: string, default: free}
owners: [ann@example.com]
---
{% role system %}
You sort tickets.
{% include "house.part" %}
{% role user %}
Plan {{ plan }}: {{ ticket }}
"""


@pytest.fixture
def triage(project: Path, wai: Wai) -> Path:
    """A prompt with a part; who freezes is known."""
    folder = project / "prompts"
    folder.mkdir()
    (folder / "triage.prompt").write_text(TRIAGE)
    (folder / "house.part").write_text("Be kind.\n")
    wai.environ["GIT_AUTHOR_EMAIL"] = "ann@example.com"
    return folder / "triage.prompt"


def sha256(project: Path) -> str:
    """The hash of the only frozen version."""
    (file,) = (project / "prompts/.versions/triage").iterdir()
    return file.stem


def test_a_prompt_goes_from_the_working_tree_to_a_version(
    wai: Wai, triage: Path, project: Path
) -> None:
    ran = wai("prompts", "list")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout == (
        "Prompts\n"
        "Prompt  Labels  Working tree  Model or route\n"
        "triage          not frozen    @cf/google/gemma-4-26b-a4b-it\n"
    )
    ran = wai("prompts", "freeze", "triage", "-m", "first")
    digest = sha256(project)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout == (
        "Prompt  Version  Outcome  SHA-256\n" + f"triage        1  frozen   {digest}\n"
    )
    ran = wai("prompts", "freeze", "-m", "again")
    assert f"triage        1  unchanged  {digest}\n" in ran.stdout
    triage.write_text(TRIAGE + "Now!\n")
    assert "triage       1          changed" in wai("prompts", "list").stdout
    ran = wai("prompts", "freeze", "-m", "second", "--json")
    assert [(row["version"], row["outcome"]) for row in json.loads(ran.stdout)["rows"]] == [
        (2, "frozen")
    ]
    assert "triage       2          version 2" in wai("prompts", "list").stdout


def test_verify_exits_1_and_names_what_it_found(wai: Wai, triage: Path, project: Path) -> None:
    ran = wai("prompts", "verify")
    assert (ran.exit_code, ran.stderr) == (1, "")
    assert ran.stdout == (
        "prompts/triage.prompt: error WV005 unfrozen\n"
        "    triage was never frozen\n"
        "    fix: wai prompts freeze NAME -m WHY\n"
        "\n"
        "fail: 1 error (1 prompt, 0 versions)\n"
    )
    assert wai("prompts", "freeze", "-m", "first").exit_code == 0
    ran = wai("prompts", "verify")
    assert (ran.exit_code, ran.stdout) == (0, "pass: nothing found (1 prompt, 1 version)\n")
    path = project / "prompts/.versions/triage" / f"{sha256(project)}.json"
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"Be kind", b"Be rude"))
    ran = wai("prompts", "verify", "--json")
    report = json.loads(ran.stdout)
    assert (ran.exit_code, report["verdict"]) == (1, "fail")
    assert [(item["rule"], item["level"]) for item in report["findings"]] == [("WV003", "error")]
    ran = wai("prompts", "verify", "--format", "github")
    assert ran.exit_code == 1
    assert ran.stdout.startswith(
        f"::error file=prompts/.versions/triage/{path.name},title=WV003::is not what was frozen"
    )


def test_verify_imports_no_duckdb_no_template_engine_and_no_validator(
    wai: Wai, triage: Path, project: Path
) -> None:
    assert wai("prompts", "freeze", "-m", "first").exit_code == 0
    code = (
        "import sys\n"
        "from wai_ops.cli.app import run\n"
        "assert run(['prompts', 'verify']) == 0\n"
        "print([name for name in ('duckdb', 'jinja2', 'pydantic', 'httpx', 'yaml') "
        "if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=wai.environment(),
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] in ("[]", "['pydantic', 'yaml']")
    # The first run validated the settings and kept them; from then on nothing is needed.
    again = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=wai.environment(),
        capture_output=True,
        text=True,
    )
    assert again.stdout.splitlines()[-1] == "[]"


def test_a_prompt_is_shown_as_it_is_written(wai: Wai, triage: Path, project: Path) -> None:
    assert wai("prompts", "freeze", "-m", "first").exit_code == 0
    triage.write_text("changed")
    ran = wai("prompts", "show", "triage@1")
    lines = ran.stdout.splitlines()
    assert lines[0] == f"triage@1  sha256:{sha256(project)}"
    assert lines[1] == "  description: Sorts tickets"
    assert lines[2].startswith("  frozen: 20")
    assert lines[2].endswith("Z by ann@example.com")
    assert lines[3:] == [
        "  message: first",
        "  model: @cf/google/gemma-4-26b-a4b-it",
        "  parameters: temperature 0.2",
        "  includes: house.part",
        "  owners: ann@example.com",
        "  variable plan (string, optional)",
        "  variable ticket (string): What the customer wrote",
        "",
        "system (line 11)",
        "    You sort tickets.",
        "    Be kind.",
        "",
        "user (line 14)",
        "    Plan {{ plan }}: {{ ticket }}",
    ]
    detail = json.loads(wai("prompts", "show", "triage", "--json").stdout)
    assert detail["prompt_version"].startswith("work-")
    assert [item["text"] for item in detail["sections"]] == ["changed"]


def test_messages_are_shown_with_the_end_of_the_stable_prefix(wai: Wai, triage: Path) -> None:
    ran = wai("prompts", "render", "triage", "--var", "ticket=It is\n{{ down }}\x1b[31m")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout == (
        "system\n"
        "    You sort tickets.\n"
        "    Be kind.\n"
        "\n"
        "user\n"
        "    Plan\n"
        "--- the stable prefix ends here: prompts/triage.prompt:14:6 ---\n"
        "    free: It is\n"
        "    {{ down }}␛[31m\n"
        "\n"
        "stable prefix: 31 characters, about 15 tokens; the text depends on plan from here on\n"
    )
    ran = wai("prompts", "render", "triage", "--var", "ticket=\x1b{% role system %}", "--json")
    found = json.loads(ran.stdout)
    assert found["messages"][1] == {
        "role": "user",
        "content": "Plan free: \x1b{% role system %}",
        "stable_characters": 5,
    }
    assert found["prefix_ends_at"] == "prompts/triage.prompt:14:6"


def test_values_come_from_a_file_and_from_flags(wai: Wai, triage: Path, project: Path) -> None:
    (project / "case.json").write_text('{"ticket": "a", "plan": "pro"}')
    ran = wai("prompts", "render", "triage", "--values", "case.json", "--json")
    assert json.loads(ran.stdout)["messages"][1]["content"] == "Plan pro: a"
    ran = wai("prompts", "render", "triage", "--values", "case.json", "--var", "plan=x")
    assert ran.stderr == "wai: error: case.json: --var plan is in the values file, too\n"
    (project / "case.json").write_text("[1]")
    ran = wai("prompts", "render", "triage", "--values", "case.json")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == "wai: error: case.json: a values file is a JSON object\n"


def test_the_log_says_who_did_what_and_why(wai: Wai, triage: Path) -> None:
    assert wai("prompts", "freeze", "-m", "first").exit_code == 0
    triage.write_text("changed")
    assert wai("prompts", "freeze", "-m", "second", "--author", "bob").exit_code == 0
    ran = wai("prompts", "log", "triage", "--json")
    rows = json.loads(ran.stdout)["rows"]
    assert {(row["event"], row["version"], row["author"], row["message"]) for row in rows} == {
        ("frozen", 1, "ann@example.com", "first"),
        ("frozen", 2, "bob", "second"),
    }
    assert [row["version"] for row in rows] == [2, 1]  # the newest first, within one second, too


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "trige"], "prompts/trige.prompt: there is no prompt trige"),
        (["log", "../x"], "'../x' is not a name of a prompt"),
        (["show", "triage@3"], "triage has no version 3"),
        (["show", "triage@Bad"], "'triage@Bad' is no reference to a prompt"),
        (["render", "triage"], "prompts/triage.prompt: the prompt needs ticket"),
        (["render", "triage", "--var", "x"], "--var 'x' is not NAME=VALUE"),
        (["freeze", "nothing", "-m", "x"], "prompts/nothing.prompt: there is no prompt nothing"),
        (["freeze", "-m", " "], "the message is empty"),
    ],
)
def test_a_mistake_is_one_line_and_a_hint(
    wai: Wai, triage: Path, arguments: list[str], message: str
) -> None:
    ran = wai("prompts", *arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.splitlines()[0] == f"wai: error: {message}"


def test_without_prompts_the_list_says_how_to_begin(wai: Wai, project: Path) -> None:
    ran = wai("prompts", "list")
    assert (ran.exit_code, ran.stdout.count("\n")) == (0, 2)
    assert "wai init" in ran.stderr
    assert wai("prompts", "verify").exit_code == 0


def test_the_first_freeze_tells_git_how_to_merge_the_lock(
    wai: Wai, triage: Path, project: Path
) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    ran = wai("prompts", "freeze", "-m", "first")
    assert ran.stderr == (
        "wai: note: .gitattributes now says how git merges prompts.lock: commit both\n"
    )
    assert "prompts.lock merge=union" in (project / ".gitattributes").read_text()
    triage.write_text("changed")
    assert wai("prompts", "freeze", "-m", "second").stderr == ""
