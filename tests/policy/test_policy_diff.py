"""`wai policy diff`: changes of meaning, which way they go, and nothing else."""

import pytest

from policy.policies import SUPPORT, registry
from wai_ops.control.policy.comparing import Kind, changes_table, compare, version_notes
from wai_ops.core.table import Verdict


def changes(before: str, after: str) -> list[tuple[Kind, str, str, str]]:
    rows = compare(registry(before), registry(after))
    return [(row.change, row.what, row.before, row.after) for row in rows]


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("workflows:", "mode: observe\nworkflows:", (Kind.LOOSER, "mode", "enforce", "observe")),
        ("[low, medium]", "[low, medium, high]", (Kind.ALLOWED, "risk: high", "", "high")),
        ("[public, internal]", "[public]", (Kind.DENIED, "data: internal", "internal", "")),
        (
            'low: ["@cf/a/small"]',
            'low: ["@cf/a/tiny", "@cf/a/small"]',
            (Kind.ALLOWED, "models.low: @cf/a/tiny", "", "@cf/a/tiny"),
        ),
        (
            'deny_models: ["@cf/a/banned"]',
            "deny_models: []",
            (Kind.LOOSER, "deny_models: @cf/a/banned", "@cf/a/banned", ""),
        ),
        ("approvers: [ann]", "approvers: []", (Kind.LOOSER, "approvers", "ann", "anybody")),
        ("approvers: [ann]", "approvers: [ann, bo]", (Kind.LOOSER, "approvers", "ann", "ann, bo")),
        ("approvers: [ann]", "approvers: [bo]", (Kind.CHANGED, "approvers", "ann", "bo")),
        (
            "maximum: 50}",
            "maximum: 80}",
            (Kind.LOOSER, "tools.crm.refund: arguments.amount.maximum", "50", "80"),
        ),
        (
            "required: [id]",
            "required: [id, why]",
            (Kind.TIGHTER, "tools.crm.lookup: arguments.required", '["id"]', '["id","why"]'),
        ),
        (
            "additionalProperties: false\n",
            "additionalProperties: true\n",
            (Kind.LOOSER, "tools.crm.lookup: arguments.additionalProperties", "false", "true"),
        ),
        (
            "additionalProperties: false\n",
            "additionalProperties: {type: string}\n",
            (
                Kind.CHANGED,
                "tools.crm.lookup: arguments.additionalProperties",
                "false",
                '{"type":"string"}',
            ),
        ),
        (
            '"^[a-z]+$"',
            '"^[a-z]*$"',
            (
                Kind.CHANGED,
                "tools.crm.lookup: arguments.id.pattern",
                '"^[a-z]+$"',
                '"^[a-z]*$"',
            ),
        ),
        (
            "approval: above-low",
            "approval: always",
            (Kind.TIGHTER, "tools.crm.*: approval", "above-low", "always"),
        ),
        (
            "name: crm.admin.*\n        effect: deny",
            "name: crm.root.*\n        effect: deny",
            (Kind.LOOSER, "tools.crm.admin.*", "deny", ""),
        ),
        (
            "    outbound:\n",
            "      - name: mail.send\n    outbound:\n",
            (Kind.ALLOWED, "tools.mail.send", "", "allow from tier low"),
        ),
        (
            "    outbound:\n",
            "      - name: crm.note\n    outbound:\n",
            (Kind.CHANGED, "tools.crm.note", "", "allow from tier low"),
        ),
        (
            "ports: [443, 8443]",
            "ports: [443]",
            (Kind.TIGHTER, "outbound.*.example.org: ports", "443, 8443", "443"),
        ),
        (
            "paths: [/v1/]",
            "paths: [/v1/, /v2/]",
            (Kind.LOOSER, "outbound.api.example.com: paths", "/v1/", "/v1/, /v2/"),
        ),
        (
            "        paths: [/private]\n",
            "",
            (Kind.TIGHTER, "outbound.files.example.org: paths", "/private", "any"),
        ),
        (
            "approvers: [ann]",
            "approvers: [ann]\n    envelope: {max_turns: 5}",
            (Kind.TIGHTER, "envelope.max_turns", "no limit", "5"),
        ),
        (
            "approvers: [ann]",
            'approvers: [ann]\n    routing: {models: {low: "@cf/a/small", medium: "@cf/a/large"}}',
            (Kind.CHANGED, "routing.models.low", "", "@cf/a/small"),
        ),
    ],
)
def test_a_change_is_named_with_its_way(
    old: str, new: str, change: tuple[Kind, str, str, str]
) -> None:
    assert old in SUPPORT
    assert change in changes(SUPPORT, SUPPORT.replace(old, new, 1))


OPPOSITE = {
    Kind.ALLOWED: Kind.DENIED,
    Kind.DENIED: Kind.ALLOWED,
    Kind.LOOSER: Kind.TIGHTER,
    Kind.TIGHTER: Kind.LOOSER,
    Kind.CHANGED: Kind.CHANGED,
}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[low, medium]", "[low, medium, high]"),
        ("maximum: 50}", "maximum: 80}"),
        ("approval: above-low", "approval: always"),
        ("paths: [/v1/]", "paths: [/v1/, /v2/]"),
        ("approvers: [ann]", "approvers: [ann]\n    envelope: {max_turns: 5}"),
        ("required: [id]", "required: [id, why]"),
        ("        paths: [/private]\n", ""),
        ("workflows:", "mode: observe\nworkflows:"),
    ],
)
def test_the_way_back_goes_the_other_way(old: str, new: str) -> None:
    other = SUPPORT.replace(old, new, 1)
    there, back = changes(SUPPORT, other), changes(other, SUPPORT)
    assert [(OPPOSITE[kind], what, after, before) for kind, what, before, after in there] == back
    assert there


def test_text_comments_and_the_order_of_sets_are_no_change() -> None:
    other = SUPPORT.replace("[low, medium]", "[medium, low] # both").replace("\n", "\n\n")
    assert changes(SUPPORT, other) == []
    table = changes_table([], [], fails=True)
    assert (table.notes, table.verdict) == (
        ("nothing has changed in what is allowed",),
        Verdict.PASS,
    )


def test_a_workflow_that_comes_or_goes_brings_its_rules() -> None:
    came = changes("version: 1\npolicy: a\npolicy_version: '2026-01-01.1'\n", SUPPORT)
    assert {kind for kind, *_ in came} == {Kind.ALLOWED}
    assert (Kind.ALLOWED, "workflow", "", "governed") in came
    went = changes(SUPPORT, "version: 1\npolicy: a\npolicy_version: '2026-01-01.1'\n")
    assert {kind for kind, *_ in went} == {Kind.DENIED}
    assert len(went) == len(came) == 9


def test_more_being_allowed_is_a_no_where_that_was_asked_for() -> None:
    rows = compare(registry(SUPPORT), registry(SUPPORT.replace("maximum: 50}", "maximum: 80}")))
    assert changes_table(rows, [], fails=True).verdict is Verdict.FAIL
    assert changes_table(rows, [], fails=False).verdict is None
    tighter = compare(registry(SUPPORT), registry(SUPPORT.replace("maximum: 50}", "maximum: 8}")))
    assert changes_table(tighter, [], fails=True).verdict is Verdict.PASS


def test_the_notes_say_what_happened_to_the_versions() -> None:
    changed = SUPPORT.replace("maximum: 50}", "maximum: 80}")
    before = registry(SUPPORT)
    assert version_notes(before, before) == []
    [note] = version_notes(before, registry(changed))
    assert note.endswith("its version is still 2026-11-23.1: raise policy_version")
    [raised] = version_notes(before, registry(changed.replace("23.1", "23.2")))
    assert raised.startswith("policy support: 2026-11-23.1+")
    renamed = registry(SUPPORT.replace("policy: support", "policy: other"))
    assert [note.split(" (")[0].split(":")[0] for note in version_notes(before, renamed)] == [
        "policy other is new",
        "policy support is gone",
    ]
