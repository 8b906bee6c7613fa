"""`wai policy` as a user calls it: exit codes, both streams, every format."""

import json
import subprocess
from pathlib import Path

import pytest

from policy.policies import SUPPORT, write_policies
from support.cli import Wai

TESTS = """\
workflow: support
tests:
  - name: a lookup is allowed
    action: {tool: crm.lookup, arguments: {id: ab}, data: [internal]}
    expect: allow
    rule: support.tools.crm.lookup
  - name: a large refund needs an approval
    action: {tool: crm.refund, risk: medium, arguments: {amount: 80.5}}
    expect: needs_approval
  - name: an address is no host
    action: {tool: crm.lookup, url: "https://10.0.0.1/"}
    expect: deny
    rule: outbound.url.ip_literal
"""


@pytest.fixture
def governed(wai: Wai) -> Wai:
    policies = write_policies(wai.folder, support=SUPPORT)
    (policies / "tests").mkdir()
    (policies / "tests/support.yaml").write_text(TESTS)
    return wai


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_project_without_policies_is_told_how_to_begin(wai: Wai) -> None:
    for command in ("show", "test", "lint", "diff"):
        r = wai("policy", command)
        assert (r.exit_code, r.stdout) == (2, "")
        assert "this project has no policies: its runs are not governed" in r.stderr
        assert r.stderr.endswith("hint: write a first one: wai policy init\n")


def test_a_broken_policy_is_a_usage_error_with_every_place(governed: Wai) -> None:
    (governed.folder / "policies/more.yaml").write_text("policy: x\nworkflow: {}\n")
    r = governed("policy", "show")
    assert (r.exit_code, r.stdout) == (2, "")
    assert "policies/more.yaml:2:1: unknown key `workflow`; did you mean `workflows`?" in r.stderr
    assert "policies/more.yaml:1:1: `version` is required" in r.stderr


def test_init_writes_a_policy_that_passes_its_tests_and_lint(wai: Wai) -> None:
    first = wai("policy", "init")
    assert (first.exit_code, first.stdout) == (
        0,
        "wrote policies/adhoc.yaml\nwrote policies/tests/adhoc.yaml\n",
    )
    assert wai("policy", "test", "--fail-uncovered").exit_code == 0
    lint = wai("policy", "lint", "--strict")
    assert (lint.exit_code, lint.stdout) == (0, "pass: nothing found (1 workflow in 1 policy)\n")
    again = wai("policy", "init")
    assert (again.exit_code, again.stdout) == (2, "")
    assert "there are policies already" in again.stderr


@pytest.mark.parametrize("name", ["team@a/b-1", "true", "1", "a.b"])
def test_init_takes_every_name_that_a_workflow_may_have(wai: Wai, name: str) -> None:
    assert wai("policy", "init", "--workflow", name).exit_code == 0
    r = wai("policy", "test", "--json")
    assert r.exit_code == 0, r.stderr
    assert {row["workflow"] for row in json.loads(r.stdout)["tests"]} == {name}


def test_show_lists_every_rule_with_its_line(governed: Wai) -> None:
    r = governed("policy", "show", "support", "--json")
    assert r.exit_code == 0
    rows = json.loads(r.stdout)["rows"]
    lines = SUPPORT.splitlines()
    by_rule = {row["rule"]: row for row in rows}
    assert by_rule["support.tools.crm.refund#2"]["says"].endswith("approval always")
    assert by_rule["support.outbound.files.example.org"]["says"] == "deny any method /private"
    for rule, text in (("support.tools.crm.*", "- name: crm.*"), ("support.data", "data:")):
        file, _, line = by_rule[rule]["where"].partition(":")
        assert (file, lines[int(line) - 1].strip()[: len(text)]) == (
            "policies/support.yaml",
            text,
        )
    table = governed("policy", "show")
    assert "policy support 2026-11-23.1+" in table.stderr
    unknown = governed("policy", "show", "suport")
    assert (unknown.exit_code, unknown.stderr.splitlines()[-1]) == (
        2,
        "wai: hint: did you mean support?",
    )


def test_table_tests_pass_fail_and_cover(governed: Wai) -> None:
    r = governed("policy", "test", "--json")
    assert r.exit_code == 0, r.stderr
    data = json.loads(r.stdout)
    assert (data["verdict"], data["test_count"], data["failed_count"]) == ("warn", 3, 0)
    uncovered = {item["rule"] for item in data["uncovered"]}
    assert "support.tools.crm.*" in uncovered
    assert uncovered.isdisjoint({"support.tools.crm.lookup", "support.tools.crm.refund#2"})
    assert governed("policy", "test", "--fail-uncovered").exit_code == 1
    tests = governed.folder / "policies/tests/support.yaml"
    tests.write_text(TESTS.replace("expect: needs_approval", "expect: allow"))
    failed = governed("policy", "test")
    assert failed.exit_code == 1
    assert "3 tests, 1 failed" in failed.stderr
    tests.write_text(TESTS.replace("rule: support.tools.crm.lookup", "rule: support.tools.crm.*"))
    assert governed("policy", "test").exit_code == 1


def test_a_broken_table_names_its_lines(governed: Wai) -> None:
    tests = governed.folder / "policies/tests/support.yaml"
    tests.write_text(
        "tests:\n  - {name: a, action: {}, expect: allowed}\n"
        "  - {name: b, action: {model: x, modle: y}, expect: deny}\n"
    )
    r = governed("policy", "test")
    assert (r.exit_code, r.stdout) == (2, "")
    assert "policies/tests/support.yaml:2:35: tests.0.expect: must be" in r.stderr
    assert "policies/tests/support.yaml:3:34: unknown key `modle`" in r.stderr
    tests.write_text("tests:\n  - {name: a, action: {}, expect: deny}\n")
    said = governed("policy", "test").stderr
    assert "2:5: tests.0: the action names no workflow, nor does the file" in said
    assert "2:5: tests.0: an action names a model, a tool, a URL or a change" in said


def test_explain_names_the_rule_its_line_and_the_others(governed: Wai) -> None:
    r = governed("policy", "explain", "-w", "support", "--tool", "crm.lookup", "--arg", "id=a1")
    assert r.exit_code == 1
    lines = r.stdout.splitlines()
    assert lines[0].startswith("deny: tool crm.lookup: arguments.id: does not meet `pattern")
    assert lines[1] == "  rule    default:support.tools"
    assert lines[2].endswith(": - name: crm.lookup")
    assert "  - support.tools.crm.* (policies/support.yaml:29): is hidden by rules" in r.stdout
    allowed = governed(
        *("policy", "explain", "-w", "support", "--tool", "crm.lookup", "--json"),
        *("--url", "https://api.example.com/v1/x?q=1"),
    )
    assert allowed.exit_code == 0
    data = json.loads(allowed.stdout)
    assert (data["verdict"], data["kind"]) == ("allow", "outbound_request")
    assert data["source_line"] == "- host: api.example.com"
    assert [item["fits"] for item in data["considered"]] == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("flags", "code", "begin"),
    [
        (("--model", "@cf/a/small"), 0, "allow: model @cf/a/small is allowed for tier low"),
        (("--model", "@cf/a/banned"), 1, "deny: model @cf/a/banned is denied"),
        (("--model", "@cf/a/small", "--data", "secret"), 1, "deny: data of class secret"),
        (("--model", "@cf/a/small", "--role", "operator"), 1, "deny: role operator may not act"),
        (("--tool", "crm.x", "--risk", "medium"), 1, "needs_approval: tool crm.x needs"),
        (("--tool", "crm.x", "--risk", "medium", "--approved-by", "ann"), 0, "allow: tool crm.x"),
        (("--change", "guard.deploy"), 1, "deny: role operator may not act here"),
        (("--url", "http://user@x.example/"), 1, "deny: user and password do not belong"),
        (("--url", "https://a.example.org/", "--method", "DELETE"), 1, "deny: DELETE to"),
    ],
)
def test_explain_takes_every_kind_of_action(
    governed: Wai, flags: tuple[str, ...], code: int, begin: str
) -> None:
    r = governed("policy", "explain", "--workflow", "support", *flags)
    assert (r.exit_code, r.stdout[: len(begin)]) == (code, begin), r.stderr


def test_explain_reads_an_action_from_a_file(governed: Wai) -> None:
    action = {"workflow": "support", "tool": "crm.refund", "risk": "medium"}
    file = governed.folder / "a.json"
    file.write_text("\t" + json.dumps(action | {"arguments": {"amount": 49.5}}))
    r = governed("policy", "explain", "--action", "a.json")
    assert (r.exit_code, r.stdout.splitlines()[0]) == (0, "allow: tool crm.refund is allowed")
    (governed.folder / "a.yaml").write_text("tool: crm.lookup\nworkflow: support\n")
    assert governed("policy", "explain", "--action", "a.yaml").exit_code == 1
    for text, problem in (
        ("{", "not JSON"),
        ("[]", "an action is a JSON object"),
        ('{"tol": "x"}', "unknown key `tol`; did you mean `tool`?"),
        ('{"tool": "x", "risk": "big"}', "risk: must be `low`, `medium` or `high`"),
    ):
        file.write_text(text)
        r = governed("policy", "explain", "--action", "a.json")
        assert (r.exit_code, r.stdout) == (2, "")
        assert problem in r.stderr
    both = governed("policy", "explain", "--action", "a.json", "--tool", "x")
    assert (both.exit_code, both.stdout) == (2, "")


def test_lint_speaks_sarif_github_and_json(governed: Wai) -> None:
    sarif = governed("policy", "lint", "--format", "sarif")
    assert sarif.exit_code == 1  # the models of this policy are in no price book
    run = json.loads(sarif.stdout)["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]][:2] == ["WG001", "WG002"]
    assert {item["ruleId"] for item in run["results"]} >= {"WG004", "WG005", "WG008"}
    github = governed("policy", "lint", "--format", "github")
    assert "::error file=policies/support.yaml,line=10,title=WG008::" in github.stdout
    data = json.loads(governed("policy", "lint", "--json").stdout)
    assert (data["verdict"], data["policy_count"]) == ("fail", 1)
    rules = governed("policy", "lint", "--rules")
    assert (rules.exit_code, rules.stdout.count("\nWG")) == (0, 21)
    (governed.folder / "wai.yaml").write_text(
        'version: "1"\npolicy: {lint: {levels: {WG008: ignore}}}\n'
    )
    quiet = governed("policy", "lint")
    assert quiet.exit_code == 0, quiet.stdout
    assert "wai: note: 2 ignored, as wai.yaml says" in quiet.stderr


def test_lint_and_diff_hold_the_policy_against_the_last_commit(governed: Wai) -> None:
    file = governed.folder / "policies/support.yaml"
    git(governed.folder, "init", "-q")
    git(governed.folder, "add", "-A")
    git(governed.folder, "commit", "-q", "-m", "one")
    none = governed("policy", "diff")
    assert (none.exit_code, none.stdout) == (0, "Changes of policies\n(no rows)\n")
    file.write_text(SUPPORT.replace("maximum: 50}", "maximum: 90}"))
    lint = json.loads(governed("policy", "lint", "--json").stdout)
    assert "WG012" in {item["rule"] for item in lint["findings"]}
    r = governed("policy", "diff", "--json", "--fail")
    assert r.exit_code == 1
    data = json.loads(r.stdout)
    assert [(row["change"], row["what"]) for row in data["rows"]] == [
        ("looser", "tools.crm.refund: arguments.amount.maximum"),
        ("newly allowed", "test: a large refund needs an approval"),
    ]
    assert "its version is still 2026-11-23.1" in r.stderr
    git(governed.folder, "commit", "-q", "-a", "-m", "two")
    back = governed("policy", "diff", "HEAD", "HEAD~1", "--fail")
    assert back.exit_code == 0
    assert "tighter" in back.stdout
    wrong = governed("policy", "diff", "nope")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    hostile = governed("policy", "diff", "--", "--output=/tmp/x")
    assert (hostile.exit_code, hostile.stdout) == (2, "")


def test_diff_compares_folders_and_says_so(governed: Wai, tmp_path: Path) -> None:
    other = write_policies(tmp_path, support=SUPPORT.replace("ports: [443, 8443]", "ports: [443]"))
    r = governed("policy", "diff", "policies", str(other))
    assert r.exit_code == 0
    assert "tighter" in r.stdout
    assert f"policies -> {other}" in r.stderr
    file = governed("policy", "diff", "wai.yaml")
    assert (file.exit_code, file.stdout) == (2, "")


def test_a_git_revision_with_a_link_in_place_of_a_policy_is_refused(governed: Wai) -> None:
    policies = governed.folder / "policies"
    (policies / "extra.yaml").symlink_to("/etc/passwd")
    git(governed.folder, "init", "-q")
    git(governed.folder, "add", "-A")
    git(governed.folder, "commit", "-q", "-m", "one")
    (policies / "extra.yaml").unlink()
    r = governed("policy", "diff")
    assert (r.exit_code, r.stdout) == (2, "")
    assert "is not a regular file" in r.stderr


def test_an_ungoverned_run_loads_nothing_of_the_control_plane(project: Path) -> None:
    (project / "wai.yaml").write_text('version: "1"\ntarget: local\n')
    wai = Wai(project)
    command = wai.command("run", "hello")
    listed = [command[0], "-X", "importtime", *command[1:]]  # `sys.modules`, told from outside
    environment = wai.environment()

    def loaded() -> set[str]:
        done = subprocess.run(listed, cwd=project, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        rows = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
        return {row.rpartition("|")[2].strip() for row in rows}

    modules = loaded()
    assert "wai_ops.runtime.run" in modules
    assert {name for name in modules if name.startswith("wai_ops.control")} == set()
    assert wai("policy", "init").exit_code == 0
    assert "wai_ops.control.policy.registry" in loaded()
