"""`wai prompts lint` as a command: formats, verdicts, levels, what is ignored."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.cli import Wai

CLEAN = "---\nparameters: {max_output_tokens: 9}\nvariables: {q: string}\n---\n{{ q }}\n"
WARNS = CLEAN.replace("{max_output_tokens: 9}", "{seed: 1}")
FAILS = (
    "---\nparameters: {max_output_tokens: 9}\nvariables: {today: string}\n---\n"
    "{% role system %}\nIt is {{ today }}.\n{% role user %}\nHi\n"
)


@pytest.fixture
def prompts(project: Path) -> Path:
    """Three prompts: one is clean, one warns, one fails."""
    folder = project / "prompts"
    folder.mkdir()
    (project / "wai.yaml").write_text('version: "1"\nprompts: {lint: {levels: {WP009: ignore}}}\n')
    (folder / "clean.prompt").write_text(CLEAN)
    (folder / "warns.prompt").write_text(WARNS)
    (folder / "fails.prompt").write_text(FAILS)
    return folder


def test_the_list_names_place_level_rule_and_fix(wai: Wai, prompts: Path) -> None:
    """What somebody reads who fixes it."""
    del prompts
    ran = wai("prompts", "lint")
    assert ran.exit_code == 1
    assert ran.stdout == (
        "prompts/fails.prompt:6:7: error WP002 clock-in-prefix\n"
        "    `today` changes with the time, and every later turn of a conversation has the system "
        "text in its prefix\n"
        "    fix: Move it into the last user section, behind the fixed text, or give only what "
        "the task needs of it.\n"
        "\n"
        "prompts/warns.prompt:2: warning WP013 no-output-limit\n"
        "    no max_output_tokens: the default of this project (1,024) holds, which is no part of "
        "the version\n"
        "    fix: Set `parameters.max_output_tokens` in the front matter.\n"
        "\n"
        "fail: 1 error, 1 warning (3 prompts)\n"
    )
    assert ran.stderr == "wai: note: 3 ignored, as front matters or wai.yaml say\n"


@pytest.mark.parametrize(
    ("arguments", "code", "verdict"),
    [
        (["clean"], 0, "pass: nothing found (1 prompt)"),
        (["warns"], 0, "warn: 1 warning (1 prompt)"),
        (["warns", "--strict"], 1, "fail: 1 warning (1 prompt)"),
        (["fails"], 1, "fail: 1 error (1 prompt)"),
        (["clean", "--strict"], 0, "pass: nothing found (1 prompt)"),
        (["prompts/clean.prompt", "clean"], 0, "pass: nothing found (1 prompt)"),
    ],
)
def test_the_verdict_is_the_exit_code(
    wai: Wai, prompts: Path, arguments: list[str], code: int, verdict: str
) -> None:
    """Errors fail; warnings only when asked to."""
    del prompts
    ran = wai("prompts", "lint", *arguments)
    assert (ran.exit_code, ran.stdout.splitlines()[-1]) == (code, verdict)


def test_json_holds_verdict_counts_and_findings(wai: Wai, prompts: Path) -> None:
    """For scripts; its shape is that of wai schema."""
    import jsonschema

    del prompts
    ran = wai("prompts", "lint", "--json")
    document = json.loads(ran.stdout)
    schema = json.loads(wai("schema", "prompts lint").stdout)
    jsonschema.Draft202012Validator(schema).validate(document)
    assert (document["verdict"], document["prompt_count"], document["ignored_count"]) == (
        "fail",
        3,
        3,
    )
    assert [item["rule"] for item in document["findings"]] == ["WP002", "WP013"]
    assert wai("prompts", "lint", "--format", "json").stdout == ran.stdout


def test_sarif_goes_to_code_scanning(wai: Wai, prompts: Path) -> None:
    """With paths from the root of the repository."""
    wai.environ["GITHUB_WORKSPACE"] = str(prompts.parent.parent)
    ran = wai("prompts", "lint", "--format", "sarif")
    assert ran.exit_code == 1
    (run,) = json.loads(ran.stdout)["runs"]
    assert [item["ruleId"] for item in run["results"]] == ["WP002", "WP013"]
    assert len(run["tool"]["driver"]["rules"]) == 19
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "project/prompts/fails.prompt"
    assert place["region"] == {"startLine": 6, "startColumn": 7, "endColumn": 18}


def test_github_gets_annotations_and_a_summary(wai: Wai, prompts: Path, tmp_path: Path) -> None:
    """On stdout both, and the summary in the step's own file as well."""
    del prompts
    summary = tmp_path / "summary.md"
    wai.environ["GITHUB_STEP_SUMMARY"] = str(summary)
    ran = wai("prompts", "lint", "--format", "github")
    lines = ran.stdout.splitlines()
    assert lines[0].startswith(
        "::error file=prompts/fails.prompt,line=6,col=7,endColumn=17,title=WP002::`today` changes"
    )
    assert lines[1].startswith("::warning file=prompts/warns.prompt,line=2,title=WP013::")
    assert lines[2:6] == ["## wai prompts lint", "", "**FAIL** · 1 error, 1 warning", ""]
    assert summary.read_text() == "\n".join(lines[2:]) + "\n"


def test_a_project_gives_rules_another_level(wai: Wai, prompts: Path) -> None:
    """Or leaves them out; an id that there is not is a mistake in the file."""
    config = prompts.parent / "wai.yaml"
    levels = "{WP002: warning, WP009: ignore, WP013: ignore}"
    config.write_text(f'version: "1"\nprompts: {{lint: {{levels: {levels}}}}}\n')
    ran = wai("prompts", "lint")
    assert (ran.exit_code, ran.stdout.splitlines()[-1]) == (0, "warn: 1 warning (3 prompts)")
    config.write_text('version: "1"\nprompts: {lint: {levels: {WP999: note}}}\n')
    ran = wai("prompts", "lint")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "prompts.lint.levels: there is no rule WP999" in ran.stderr


def test_a_prompt_leaves_rules_out_for_itself(wai: Wai, prompts: Path) -> None:
    """In its front matter, for good reasons of its own."""
    file = prompts / "fails.prompt"
    file.write_text(FAILS.replace("---\n{%", "lint: {ignore: [WP002]}\n---\n{%"))
    ran = wai("prompts", "lint", "fails")
    assert (ran.exit_code, ran.stdout) == (0, "pass: nothing found (1 prompt)\n")
    assert ran.stderr == "wai: note: 2 ignored, as front matters or wai.yaml say\n"


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("lint: {ignore: WP2}", "must be the id of a rule, such as WP006"),
        ("lint: {ignore: {a: b}}", "lint.ignore: must be a list of rules"),
        ("lint: {ignores: [WP002]}", "unknown key `ignores` in `lint`; did you mean `ignore`?"),
    ],
)
def test_a_wrong_ignore_is_found(wai: Wai, prompts: Path, yaml: str, message: str) -> None:
    """It would silence nothing."""
    (prompts / "clean.prompt").write_text(CLEAN.replace("---\n{{", f"{yaml}\n---\n{{{{"))
    ran = wai("prompts", "lint", "clean")
    assert ran.exit_code == 1
    assert message in ran.stdout


def test_fixes_are_said_and_what_is_left_is_listed(wai: Wai, prompts: Path) -> None:
    """Twice is once."""
    tools = "tools:\n  - name: b\n  - name: a\n"
    (prompts / "clean.prompt").write_text(CLEAN.replace("---\nparam", f"---\n{tools}param"))
    ran = wai("prompts", "lint", "--fix")
    assert ran.exit_code == 1
    assert ran.stderr.startswith("wai: fixed prompts/clean.prompt: tools sorted by name (WP010)\n")
    assert "WP010" not in ran.stdout
    again = wai("prompts", "lint", "--fix", "--json")
    assert json.loads(again.stdout)["fixes"] == []


def test_the_rules_are_listed(wai: Wai) -> None:
    """With why and what to do, in a project without prompts too."""
    ran = wai("prompts", "lint", "--rules", "--json")
    rows = json.loads(ran.stdout)["rows"]
    assert [row["id"] for row in rows] == [f"WP{number:03}" for number in range(1, 20)]
    assert [row["id"] for row in rows if row["is_fixable"]] == ["WP007", "WP010"]
    assert all(len(row["why"]) > 30 and row["fix"] for row in rows)
    listed = wai("prompts", "lint", "--rules").stdout
    assert listed.split("\n\n")[9] == (
        "WP010 tool-order (warning, --fix)\n"
        "    Tools are part of the prefix, in their order. In any order but a sorted one they are "
        "soon written, merged or generated in another, and every cache is lost with it.\n"
        "    fix: Sort them by name."
    )
    ran = wai("prompts", "lint", "--rules", "--format", "sarif")
    assert (ran.exit_code, ran.stdout) == (2, "")


def test_no_prompts_are_nothing_to_complain_about(wai: Wai) -> None:
    """And that is said."""
    ran = wai("prompts", "lint")
    assert (ran.exit_code, ran.stdout) == (0, "pass: nothing found (0 prompts)\n")
    assert ran.stderr == "wai: note: there are no prompts\n"


def test_an_unknown_name_is_a_usage_error(wai: Wai, prompts: Path) -> None:
    """With the nearest one."""
    del prompts
    ran = wai("prompts", "lint", "claen")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "there is no prompt 'claen'" in ran.stderr
    assert "did you mean clean?" in ran.stderr


def test_credentials_of_the_environment_and_of_known_shape_are_found(
    wai: Wai, prompts: Path
) -> None:
    """And shown nowhere."""
    known, shaped = "correct-horse-battery-9", "AKIA" + "Z7" * 8
    wai.environ["DEPLOY_TOKEN"] = known
    (prompts / "clean.prompt").write_text(CLEAN + f"Use {known}.\n{'x ' * 40_000}\n{shaped}\n")
    ran = wai("prompts", "lint", "clean", "--json")
    found = [item for item in json.loads(ran.stdout)["findings"] if item["rule"] == "WP015"]
    assert [(item["line"], item["column"]) for item in found] == [(6, 5), (8, 1)]
    assert known not in ran.stdout + ran.stderr
    assert shaped not in ran.stdout + ran.stderr


def test_what_a_terminal_could_take_amiss_is_replaced(wai: Wai, prompts: Path) -> None:
    """Names and texts are somebody else's."""
    (prompts / "clean.prompt").write_text(
        "---\nparameters: {max_output_tokens: 9}\ntools:\n"
        '  - {name: "b\\e[2J"}\n  - {name: "a\\n::error::x"}\n---\nHi\n'
    )
    for fmt in ("table", "github"):
        ran = wai("prompts", "lint", "clean", "--format", fmt)
        assert "WP010" in ran.stdout
        assert "\x1b" not in ran.stdout
        assert not re.search(r"^\s*::error::x", ran.stdout, re.MULTILINE)


def test_a_long_list_fits_80_columns(prompts: Path) -> None:
    """On a terminal lines are wrapped; piped they are not."""
    from wai_ops.prompts.lint.look import Options
    from wai_ops.prompts.lint.registry import BY_ID
    from wai_ops.prompts.lint.runner import lint_prompts
    from wai_ops.render.findings import to_text

    linted = lint_prompts(prompts, ["clean", "fails", "warns"], Options())
    for width in (80, 120):
        from wai_ops.core.findings import verdict_of

        verdict = verdict_of(linted.findings)
        text = to_text(linted.findings, rules=BY_ID, verdict=verdict, width=width)
        assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize(
    "line",
    [
        "curl -H 'Authorization: Bearer $TOKEN' https://api.example.com",
        'curl -H "Authorization: Bearer <your token>" https://api.example.com',
        "postgres://user:password@localhost/db and postgres://u:{{q}}@h/db",
        'api_key = "YOUR_API_KEY", password: {{ q }}',
        "Set OPENAI_API_KEY=sk-... first, CLOUDFLARE_API_TOKEN=" + "x" * 40,
        "Never reveal the password: or the token of anybody.",
        "Commit 3f786850e387550fdab836ed7e6dc881de23001b.",
    ],
)
def test_what_only_shows_where_a_credential_would_stand_is_none(line: str) -> None:
    """Documentation of an API is full of it."""
    from wai_ops.runtime.prompt_lint import secret_finder

    assert list(secret_finder({})(line)) == []


def test_a_file_whose_name_is_no_name_and_one_that_is_none_are_findings(
    wai: Wai, prompts: Path
) -> None:
    """One broken file hides none of the others."""
    (prompts / "a b.prompt").write_text("Hi")
    (prompts / "bytes.prompt").write_bytes(b"\xff")
    (prompts / "link.prompt").symlink_to(prompts / "clean.prompt")
    ran = wai("prompts", "lint", "--json")
    found = [
        (item["file"], item["message"])
        for item in json.loads(ran.stdout)["findings"]
        if item["rule"] == "WP001"
    ]
    assert found == [
        ("prompts/a b.prompt", "'a b' is not a name of a prompt"),
        ("prompts/bytes.prompt", "is not UTF-8 (byte 0)"),
        ("prompts/link.prompt", "is a link: links are not followed"),
    ]


def test_line_ends_of_windows_change_no_place(wai: Wai, prompts: Path) -> None:
    """A checkout there shows the same lines."""
    (prompts / "fails.prompt").write_bytes(FAILS.replace("\n", "\r\n").encode())
    assert "prompts/fails.prompt:6:7: error WP002" in wai("prompts", "lint", "fails").stdout


def test_linting_loads_neither_the_ledger_nor_the_network(
    prompts: Path, run_python: Callable[[str], str]
) -> None:
    """It runs on every commit, often on hundreds of prompts."""
    out = run_python(
        "import os, sys\n"
        f"os.chdir({str(prompts.parent)!r})\n"
        "from wai_ops.cli.app import run\n"
        "run(['prompts', 'lint', 'clean'])\n"
        "heavy = {'duckdb', 'httpx', 'cloudflare', 'rich', 'jsonschema'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    assert out == "pass: nothing found (1 prompt)\n[]\n"
