"""Policy files: strict, whole, bounded; every problem at once with its place."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from policy.policies import SUPPORT, registry, write_policies
from wai_ops.control.policy.loading import load_contents, load_folder
from wai_ops.control.policy.registry import load_registry
from wai_ops.core.errors import UsageError


def problems(*texts: str) -> list[str]:
    contents = {f"p{place}.yaml": text.encode() for place, text in enumerate(texts)}
    with pytest.raises(UsageError) as caught:
        load_contents(contents, "policies")
    assert caught.value.exit_code == 2
    return caught.value.message.splitlines()


def test_every_problem_of_every_file_is_named_with_its_place() -> None:
    found = problems(
        """\
version: 1
policy: a
policy_version: "2026-13-01.1"
mode: shadow
workflows:
  one:
    default_risk: high
    modles: {}
    tools:
      - name: a b
        approval: sometimes
      - name: ok
        arguments: {type: object, propertys: {}, format: x}
    outbound:
      - host: https://x.example
        methods: [get]
        paths: [v1]
      - host: "*"
        methods: [GET]
        paths: [/]
        ports: [0]
""",
        "version: 2\npolicy: b\nworkflows: {x: {risk: [low], routing: {name: a}}}\n",
    )
    expected = [
        ("p0.yaml:3:17", "2026-13-01 is no date"),
        ("p0.yaml:4:7", 'must be `enforce` or `observe`, not "shadow"'),
        ("p0.yaml:8:5", "unknown key `modles` in `workflows.one`; did you mean `models`?"),
        ("p0.yaml:10:15", "workflows.one.tools.0.name: must be the name of a tool"),
        ("p0.yaml:11:19", "must be `never`, `always`, `above-low` or `above-medium`"),
        ("p0.yaml:13:35", "unknown keyword `propertys` of JSON Schema; did you mean `properties`"),
        ("p0.yaml:13:50", "`format` is only a comment to JSON Schema: use `pattern` or `enum`"),
        ("p0.yaml:15:15", "outbound.0.host: must be a host name in lower case"),
        ("p0.yaml:16:19", "outbound.0.methods.0: must be a method in capitals"),
        ("p0.yaml:17:17", "outbound.0.paths.0: must be the beginning of a path"),
        ("p0.yaml:18:15", "`*` stands for one whole label"),
        ("p0.yaml:21:17", "outbound.1.ports.0: must be between 1 and 65535"),
        ("p1.yaml:1:1", "`policy_version` is required"),
        ("p1.yaml:1:10", "version: must be 1, the only version there is"),
        ("p1.yaml:3:39", "workflows.x.routing: `models` is required"),
        ("p1.yaml:3:40", "unknown key `name` in `workflows.x.routing`"),
    ]
    for line, (place, text) in zip(found, expected, strict=True):
        assert line.startswith(f"policies/{place}: "), line
        assert text in line


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("default_risk: low", "default_risk: high", "`high` is not among the tiers of `risk`"),
        ("        methods: [GET]\n", "", "`methods` is required where requests are allowed"),
        ("paths: [/v1/]", "paths: []", "an empty list fits nothing: leave the rule out"),
        (
            "effect: deny\n    out",
            "effect: deny\n        data: [x]\n    out",
            "has no meaning here",
        ),
        ("paths: [/v1/]", "paths: [/v1/../x]", "must not hold empty or dot segments"),
        ("paths: [/v1/]", "paths: [/v1/%20]", "nothing percent-encoded"),
        ("host: api.example.com", "host: 10.0.0.1", "must be a host name, not an address"),
        ("host: api.example.com", "host: bücher.example", "punycode"),
        ("host: api.example.com", "host: API.example.com", "in lower case"),
        ("host: api.example.com", "host: a.*.example.com", "`*` stands for one whole label"),
        ('pattern: "^[a-z]+$"', 'pattern: "(?=x)"', "is no pattern of RE2"),
        ('pattern: "^[a-z]+$"', "minLength: -1", "minLength: must be a whole number, at least 0"),
        ("name: crm.refund", "name: crm.*.x", "must be the name of a tool"),
        ("deny_models:", "routing: {models: {}, low: 1}\n    deny_models:", "unknown key"),
        ("deny_models:", "envelope: {max_turn: 3}\n    deny_models:", "did you mean `max_turns`?"),
        ("approvers: [ann]", "approvers: ann", "must be a list"),
    ],
)
def test_what_cannot_hold_is_refused_with_its_line(old: str, new: str, problem: str) -> None:
    assert old in SUPPORT
    found = problems(SUPPORT.replace(old, new, 1))
    assert len(found) == 1, found
    assert problem in found[0]
    assert found[0].startswith("policies/p0.yaml:")


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ("{$ref: 'https://example.com/x.json'}", "a reference stays inside the schema"),
        ("{$ref: '#/$defs/x'}", "refers to nothing"),
        ("{$ref: '#/$defs/x', $defs: {x: {$ref: '#/$defs/x'}}}", "lead in a circle"),
        ("{$id: 'https://example.com/x'}", "references stay inside"),
        ("{patternProperties: {'(a+)+$': {}}}", "is not taken"),
        ("{$schema: 'http://json-schema.org/draft-07/schema#'}", "must be https://json-schema"),
    ],
)
def test_a_schema_that_reaches_elsewhere_or_never_ends_is_refused(
    schema: str, problem: str
) -> None:
    assert problem in "".join(problems(tool_with(schema)))


def tool_with(schema: str) -> str:
    return f"""\
version: 1
policy: a
policy_version: "2026-11-23.1"
workflows:
  w:
    tools:
      - name: x
        arguments: {schema}
"""


def test_a_schema_that_explodes_through_its_references_is_refused() -> None:
    steps = ", ".join(
        f"s{n}: {{anyOf: [{{$ref: '#/$defs/s{n + 1}'}}, {{$ref: '#/$defs/s{n + 1}'}}]}}"
        for n in range(40)
    )
    text = tool_with(f"{{$ref: '#/$defs/s0', $defs: {{{steps}, s40: {{type: string}}}}}}")
    assert "is larger than 5,000 schemas" in problems(text)[0]


def test_a_workflow_that_two_files_define_is_an_error_at_the_second() -> None:
    other = SUPPORT.replace("policy: support", "policy: other")
    assert problems(SUPPORT, other) == [
        "policies/p1.yaml:5:3: workflow `support` is also defined at policies/p0.yaml:5"
    ]
    assert problems(SUPPORT, SUPPORT.replace("  support:", "  again:")) == [
        "policies/p1.yaml:2:1: policy `support` is also defined at policies/p0.yaml:2"
    ]


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (LAUGHS.encode(), "anchors are not supported"),
        (b"version: 1\nversion: 1\n", "duplicate key `version`"),
        (b"a: " + b"[" * 100_000, "nested deeper than 32 levels"),
        (b"#" * 300_000, "is larger than 256 KiB"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"--- !!python/object/apply:os.system ['true']\n", "tags are not supported"),
        (b"", "is required"),
        (b"- a\n", "must be a mapping"),
    ],
)
def test_hostile_files_are_refused_without_being_read_further(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/x.yaml").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_registry(tmp_path / "policies", tmp_path)
    assert problem in caught.value.message
    assert caught.value.message.startswith("policies/x.yaml:")


def test_links_fifos_and_folders_are_no_policies(tmp_path: Path) -> None:
    policies = write_policies(tmp_path, support=SUPPORT)
    outside = tmp_path / "outside.yaml"
    outside.write_text(SUPPORT.replace("support:", "other:"))
    (policies / "link.yaml").symlink_to(outside)
    os.mkfifo(policies / "pipe.yaml")
    (policies / "folder.yaml").mkdir()
    (policies / "old.yml").write_text(SUPPORT)
    with pytest.raises(UsageError) as caught:
        load_registry(policies, tmp_path)
    assert caught.value.message.splitlines() == [
        "policies/folder.yaml: is not a regular file",
        "policies/link.yaml: is a link: links are not followed",
        "policies/old.yml: is not read: policies end in .yaml",
        "policies/pipe.yaml: is not a regular file",
    ]


def test_table_tests_and_hidden_files_are_not_policies(tmp_path: Path) -> None:
    policies = write_policies(tmp_path, support=SUPPORT)
    (policies / "tests").mkdir()
    (policies / "tests/support.yaml").write_text("not: a policy\n")
    (policies / ".support.yaml.swp.yaml").write_text("not: a policy\n")
    assert [item.file for item in load_folder(policies, tmp_path)] == ["policies/support.yaml"]


@pytest.mark.parametrize("make", ["nothing", "file"])
def test_a_folder_that_cannot_be_read_is_an_error_and_not_an_empty_policy(
    tmp_path: Path, make: str
) -> None:
    if make == "file":
        (tmp_path / "policies").write_text("")
    with pytest.raises(UsageError):
        load_registry(tmp_path / "policies", tmp_path)


def test_more_files_than_a_person_wrote_are_refused(tmp_path: Path) -> None:
    policies = write_policies(tmp_path, **{f"p{n}": "a: 1\n" for n in range(201)})
    with pytest.raises(UsageError, match="more than 200 policies"):
        load_registry(policies, tmp_path)


def version_of(text: str) -> str:
    return registry(text).policies[0].policy_version


BASE = version_of(SUPPORT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1\n", "# a comment\nversion: '1'\n\n"),
        ("risk: [low, medium]\n", "risk: [medium, low]\n"),
        ("data: [public, internal]", "data:\n      - internal\n      - public\n      - public"),
        ("methods: [GET, POST]", "methods: [POST, GET]"),
        ("maximum: 50}", "maximum: 50.0}"),
    ],
)
def test_what_says_the_same_has_the_same_version(old: str, new: str) -> None:
    assert old in SUPPORT
    assert version_of(SUPPORT.replace(old, new, 1)) == BASE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("risk: [low, medium]\n", "risk: [low, medium, high]\n"),
        ("maximum: 50}", "maximum: 50.5}"),
        ("approval: above-low", "approval: never"),
        ('low: ["@cf/a/small"]', 'low: ["@cf/a/small", "@cf/a/large"]'),
        ("workflows:", "mode: observe\nworkflows:"),
    ],
)
def test_what_says_something_else_has_another_version(old: str, new: str) -> None:
    assert old in SUPPORT
    changed = version_of(SUPPORT.replace(old, new, 1))
    assert changed != BASE
    assert changed.startswith("2026-11-23.1+")
    assert len(changed) == len("2026-11-23.1+") + 12


def test_the_order_of_permissions_for_one_name_has_a_meaning_and_so_a_version() -> None:
    parts = SUPPORT.split("      - name: crm.refund\n")
    swapped = "      - name: crm.refund\n".join([parts[0], parts[2].partition("      - ")[0]])
    rest = parts[2].partition("      - ")[2]
    text = swapped + "      - name: crm.refund\n" + parts[1] + "      - " + rest
    assert sorted(text.splitlines()) == sorted(SUPPORT.splitlines())
    assert version_of(text) != BASE


def test_the_version_is_defined_by_canonical_json_alone() -> None:
    """The digest, by hand: a second implementation can make it without knowing this one."""
    import hashlib

    text = 'version: 1\npolicy: a\npolicy_version: "2026-01-31.7"\nworkflows: {w: {data: [b, a]}}\n'
    expected = '{"policy":"a","version":"1","workflows":{"w":{"data":["a","b"]}}}'
    policy = registry(text).policies[0]
    assert policy.policy_sha256 == hashlib.sha256(expected.encode()).hexdigest()
    assert policy.policy_version == f"2026-01-31.7+{policy.policy_sha256[:12]}"


def test_reading_while_others_write_never_sees_half_a_set_of_rules(tmp_path: Path) -> None:
    """A file that is replaced is the old one or the new one."""
    policies = write_policies(tmp_path, support=SUPPORT)
    changed = SUPPORT.replace("2026-11-23.1", "2026-11-23.2")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for text in (changed, SUPPORT):
                (tmp_path / "new").write_text(text)
                (tmp_path / "new").replace(policies / "support.yaml")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        versions = {
            load_registry(policies, tmp_path).policies[0].declared_version for _ in range(10)
        }
    finally:
        stop.set()
        writer.join()
    assert versions <= {"2026-11-23.1", "2026-11-23.2"}


def test_importing_the_registry_loads_neither_yaml_nor_jsonschema_nor_pydantic() -> None:
    code = (
        "import sys, wai_ops.control.policy.registry, wai_ops.control.policy.find;"
        "print([m for m in ('yaml', 'jsonschema', 'pydantic', 're2', 'typer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


DOCS = Path(__file__).parents[2] / "docs" / "policy.md"


def test_the_policy_in_the_documentation_loads_and_its_test_passes(tmp_path: Path) -> None:
    from wai_ops.control.policy.tabled import load_tests

    blocks = [part.split("```")[0] for part in DOCS.read_text("utf-8").split("```yaml\n")[1:]]
    policies = write_policies(tmp_path, support=blocks[0])
    (policies / "tests").mkdir()
    (policies / "tests/support.yaml").write_text(blocks[1])
    loaded = load_registry(policies, tmp_path)
    assert [rule.name for rule in loaded.workflows["support"].tools] == ["crm.lookup", "crm.delete"]
    assert len(load_tests(policies, "policies")) == 1


def test_the_documentation_names_every_rule_of_lint() -> None:
    from wai_ops.control.policy.lint.registry import RULES

    text = DOCS.read_text("utf-8")
    for rule in RULES:
        assert f"{rule.id} {rule.name}" in text
