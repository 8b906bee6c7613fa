"""`wai policy lint`: each rule finds what it is for, at its line, and nothing in a sound policy."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from policy.policies import write_policies
from wai_ops.control.policy.lint.look import Surroundings
from wai_ops.control.policy.lint.registry import RULES
from wai_ops.control.policy.lint.runner import LintReport, lint_policies
from wai_ops.control.policy.registry import Registry
from wai_ops.core.errors import UsageError
from wai_ops.core.findings import Level
from wai_ops.core.prices import Model, PriceBook, Snapshot

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SOUND = """\
version: 1
policy: support
policy_version: "2026-11-23.1"
workflows:
  support:
    models: {low: ["@cf/a/small"]}
    tools:
      - name: crm.lookup
        arguments:
          type: object
          additionalProperties: false
          properties: {id: {type: string}}
    outbound:
      - host: api.example.com
        methods: [GET]
        paths: [/v1/]
        tools: [crm.lookup]
"""
TESTS = """\
workflow: support
tests:
  - {name: a, action: {model: "@cf/a/small"}, expect: allow}
"""


def prices() -> PriceBook:
    models = {
        "@cf/a/small": Model(id="@cf/a/small"),
        "@cf/a/old": Model(id="@cf/a/old", retired_on=date(2026, 1, 1)),
        "@cf/a/soon": Model(id="@cf/a/soon", retired_on=date(2026, 12, 24)),
        "@cf/a/later": Model(id="@cf/a/later", retired_on=date(2028, 1, 1)),
    }
    snapshot = Snapshot(source="test", as_of="2025-01-01", models=models)
    return PriceBook(snapshots=[snapshot], overrides={})


def lint(
    folder: Path,
    text: str = SOUND,
    *,
    tests: str | None = TESTS,
    levels: Mapping[str, Level | None] | None = None,
    is_strict: bool = False,
    tools: Mapping[str, str] | None = None,
    committed: Registry | None = None,
    private_hosts: frozenset[str] = frozenset(),
    default_workflow: str = "support",
) -> LintReport:
    policies = write_policies(folder, support=text)
    if tests is not None:
        (policies / "tests").mkdir(exist_ok=True)
        (policies / "tests/support.yaml").write_text(tests)
    around = Surroundings(
        prices=prices(),
        now=NOW,
        private_hosts=private_hosts,
        default_workflow=default_workflow,
        default_model="@cf/a/small",
        tools=tools,
        committed=committed,
    )
    return lint_policies(policies, folder, around, levels=levels or {}, is_strict=is_strict)


def test_a_sound_policy_has_no_findings(tmp_path: Path) -> None:
    report = lint(tmp_path, is_strict=True)
    assert report.findings == ()
    assert (report.verdict.value, report.policy_count, report.workflow_count) == ("pass", 1, 1)


def test_ids_are_unique_and_every_rule_says_why_and_what_to_do() -> None:
    assert [rule.id for rule in RULES] == [f"WG{n:03}" for n in range(1, len(RULES) + 1)]
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.why.endswith(".") and rule.fix.endswith(".") for rule in RULES)


TOOL = "      - name: crm.lookup\n"
ONE = "    outbound:\n"
SMALL = '["@cf/a/small"]'
PRIVATE = "        allow_private: true\n        methods"
GET = "methods: [GET]\n        paths: [/v1/]"


@pytest.mark.parametrize(
    ("rule", "old", "new", "line", "words"),
    [
        ("WG001", "    models:", "    modles: {}\n    models:", "modles", "did you mean `models`?"),
        ("WG002", ONE, "      - {name: crm.*, effect: deny}\n" + ONE, TOOL, "is never reached"),
        ("WG002", 'small"]}', 'small"], high: ["@cf/a/small"]}', "models:", "a tier that `risk`"),
        ("WG002", "    tools:\n", f"    deny_models: {SMALL}\n    tools:\n", "models:", "denies"),
        ("WG002", TOOL, TOOL + "        risk: high\n", TOOL, "needs tier high"),
        ("WG003", "host: api.example.com", 'host: "*.workers.dev"', "- host:", "whoever owns it"),
        ("WG003", "host: api.example.com", 'host: "*.com"', "- host:", "every host below com"),
        ("WG004", ONE, "      - name: crm.new\n" + ONE, "- name: crm.new", "any arguments"),
        ("WG005", "          additionalProperties: false\n", "", TOOL, "does not name"),
        ("WG006", "{id: {type: string}}", "{id: {maximum: 5}}", TOOL, "`type: number`"),
        ("WG006", "{type: string}", "{type: array, items: {pattern: x}}", TOOL, "`type: string`"),
        ("WG008", "@cf/a/small", "@cf/a/smal", "models:", "does not know @cf/a/smal"),
        ("WG009", "@cf/a/small", "@cf/a/old", "models:", "was retired on 2026-01-01"),
        ("WG009", "@cf/a/small", "@cf/a/soon", "models:", "is retired on 2026-12-24"),
        ("WG010", "  support:\n", "  other: {}\n  support:\n", "other:", "other"),
        ("WG011", "    models:", "    risk: [low, medium]\n    models:", "models:", "tier medium"),
        ("WG013", "workflows:", "mode: observe\nworkflows:", "mode: observe", "observe mode"),
        ("WG014", "        methods", "        schemes: [http]\n        methods", "- host:", "http"),
        ("WG015", "        methods", PRIVATE, "- host:", "names none"),
        ("WG016", "tools: [crm.lookup]", "tools: [crm.other]", "- host:", "crm.other"),
        ("WG018", GET, "methods: [PUT]\n        paths: [/]", "- host:", "allows PUT on every path"),
        ("WG022", "    models:", "    approvers: [ann]\n    models:", "support:", "approvers"),
    ],
)  # fmt: skip
def test_a_rule_finds_what_it_is_for_and_names_the_line(
    tmp_path: Path, rule: str, old: str, new: str, line: str, words: str
) -> None:
    assert old in SOUND
    text = SOUND.replace(old, new, 1)
    found = [item for item in lint(tmp_path, text).findings if item.rule == rule]
    assert len(found) == 1
    assert words in found[0].message
    assert found[0].file == "policies/support.yaml"
    assert line.strip() in text.splitlines()[found[0].line - 1]


def test_a_high_tool_without_approval_is_found(tmp_path: Path) -> None:
    text = SOUND.replace("    models:", "    risk: [low, high]\n    models:")
    text = text.replace(TOOL, TOOL + "        risk: high\n")
    assert "WG007" in rules_of(lint(tmp_path, text))
    asked = text.replace(TOOL, TOOL + "        approval: always\n")
    assert "WG007" not in rules_of(lint(tmp_path, asked))


def rules_of(report: LintReport) -> set[str]:
    return {item.rule for item in report.findings}


@pytest.mark.parametrize(
    ("one", "two", "is_shadowed"),
    [
        ("methods: [GET, POST], paths: [/]", "methods: [GET], paths: [/v1/]", True),
        ("methods: [GET], paths: [/v1/]", "methods: [GET, POST], paths: [/v1/]", False),
        ("methods: [GET], paths: [/v1/]", "methods: [GET], paths: [/v1/x, /v1/y/]", True),
        ("methods: [GET], paths: [/v1/]", "methods: [GET], paths: [/v1]", False),
        ("methods: [GET], paths: [/], tools: [crm.*]", "methods: [GET], paths: [/]", False),
        (
            "methods: [GET], paths: [/], tools: [crm.*]",
            "methods: [GET], paths: [/], tools: [crm.lookup]",
            True,
        ),
        ("methods: [GET], paths: [/]", "methods: [GET], paths: [/], data: [public]", False),
        ("effect: deny", "methods: [GET], paths: [/]", True),
        ("effect: deny, paths: [/a]", "methods: [GET], paths: [/]", False),
        ("effect: deny, methods: [GET]", "effect: deny", False),
        ("effect: deny", "effect: deny, methods: [GET]", True),
    ],
)
def test_an_outbound_rule_behind_a_wider_one_is_found(
    tmp_path: Path, one: str, two: str, is_shadowed: bool
) -> None:
    head = SOUND.partition("      - host:")[0]
    text = f"{head}      - {{host: x.example.com, {one}}}\n      - {{host: x.example.com, {two}}}\n"
    assert ("WG002" in rules_of(lint(tmp_path, text))) is is_shadowed


def test_graded_rules_of_one_tool_are_no_shadows(tmp_path: Path) -> None:
    graded = """\
      - {name: pay, arguments: {type: object, additionalProperties: false, maxProperties: 1}}
      - {name: pay, arguments: {type: object, additionalProperties: false}, approval: always}
"""
    assert "WG002" not in rules_of(lint(tmp_path, SOUND.replace(ONE, graded + ONE)))
    twice = graded + graded.splitlines(keepends=True)[0]
    assert "WG002" in rules_of(lint(tmp_path, SOUND.replace(ONE, twice + ONE)))


def test_a_private_host_of_wai_yaml_may_be_reached_without_tls(tmp_path: Path) -> None:
    text = SOUND.replace(
        "        methods", "        schemes: [http]\n        allow_private: true\n        methods"
    )
    assert rules_of(lint(tmp_path, text)) == {"WG014", "WG015"}
    assert lint(tmp_path, text, private_hosts=frozenset({"api.example.com"})).findings == ()


def test_tools_are_compared_with_those_that_are_declared(tmp_path: Path) -> None:
    assert lint(tmp_path, tools={"crm.lookup": "tools/crm.yaml:1"}).findings == ()
    assert rules_of(lint(tmp_path, tools={"crm.search": "tools/crm.yaml:1"})) == {"WG017"}


def test_a_change_without_a_new_version_is_an_error(tmp_path: Path) -> None:
    from policy.policies import registry

    committed = registry(SOUND)
    changed = SOUND.replace("[/v1/]", "[/v2/]")
    report = lint(tmp_path, changed, committed=committed)
    assert rules_of(report) == {"WG012"}
    assert (report.verdict.value, report.findings[0].line) == ("fail", 3)
    assert lint(tmp_path, "# comment\n" + SOUND, committed=committed).findings == ()
    raised = changed.replace("2026-11-23.1", "2026-11-23.2")
    assert lint(tmp_path, raised, committed=committed).findings == ()


def test_files_that_nothing_reads_and_folders_without_rules_are_named(tmp_path: Path) -> None:
    (tmp_path / "policies/old").mkdir(parents=True)
    (tmp_path / "policies/old/support.yaml").write_text(SOUND)
    assert [item.file for item in lint(tmp_path).findings] == ["policies/old/support.yaml"]
    empty = 'version: 1\npolicy: a\npolicy_version: "2026-11-23.1"\n'
    assert rules_of(lint(tmp_path, empty, tests=None)) == {"WG019", "WG020"}


def test_the_defaults_of_wai_yaml_are_asked_about(tmp_path: Path) -> None:
    assert rules_of(lint(tmp_path, default_workflow="adhoc")) == {"WG021"}
    other = SOUND.replace("@cf/a/small", "@cf/a/later")
    assert rules_of(lint(tmp_path, other)) == {"WG021"}


def test_levels_change_what_a_rule_comes_to(tmp_path: Path) -> None:
    text = SOUND.replace("workflows:", "mode: observe\nworkflows:")
    assert lint(tmp_path, text).verdict.value == "warn"
    assert lint(tmp_path, text, is_strict=True).verdict.value == "fail"
    assert lint(tmp_path, text, levels={"WG013": Level.ERROR}).verdict.value == "fail"
    ignored = lint(tmp_path, text, levels={"WG013": None})
    assert (ignored.verdict.value, ignored.ignored_count) == ("pass", 1)
    with pytest.raises(UsageError, match="there is no rule WG999"):
        lint(tmp_path, levels={"WG999": None})


def test_every_problem_of_a_broken_file_is_a_finding_of_its_own(tmp_path: Path) -> None:
    text = SOUND.replace("/v1/", "v1").replace("policy_version", "version_policy")
    report = lint(tmp_path, text)
    assert [(item.rule, item.line, item.column > 0) for item in report.findings] == [
        ("WG001", 1, True),
        ("WG001", 3, True),
        ("WG001", 16, True),
    ]
    (tmp_path / "policies/tests/more.yaml").write_text("tests: [{}]\n")
    assert {item.file for item in lint(tmp_path).findings} == {"policies/tests/more.yaml"}
