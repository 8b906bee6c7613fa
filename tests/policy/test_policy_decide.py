"""What policies say: denied unless allowed, denials win, the most exact name counts."""

import pytest

from policy.policies import SUPPORT, model_call, registry, request, said, tool_call
from wai_ops.control.policy.action import Action, ActionKind, Mode, RiskTier, VerdictWord
from wai_ops.control.policy.registry import NO_VERSION

R = registry(SUPPORT)
MEDIUM = RiskTier.MEDIUM


@pytest.mark.parametrize(
    ("action", "word", "rule"),
    [
        (model_call("@cf/a/small"), "allow", "support.models.low"),
        (model_call("@cf/a/large"), "deny", "default:support.models.low"),
        (model_call("@cf/a/large", risk_tier=MEDIUM), "allow", "support.models.medium"),
        (model_call("@cf/a/banned"), "deny", "support.deny_models"),
        (model_call(None), "deny", "default:support.models.low"),
        (model_call("@cf/a/small", risk_tier=RiskTier.HIGH), "deny", "default:support.risk"),
        (model_call("@cf/a/small", role="operator"), "deny", "default:support.roles"),
        (model_call("@cf/a/small", workflow="other"), "deny", "default"),
        (
            model_call("@cf/a/small", data_classes=frozenset({"internal"})),
            "allow",
            "support.models.low",
        ),
        (
            model_call("@cf/a/small", data_classes=frozenset({"internal", "secret"})),
            "deny",
            "default:support.data",
        ),
        (tool_call("crm.lookup", {"id": "ab"}), "allow", "support.tools.crm.lookup"),
        (tool_call("crm.lookup", {"id": "a1"}), "deny", "default:support.tools"),
        (tool_call("crm.lookup", {"id": "ab", "x": 1}), "deny", "default:support.tools"),
        (tool_call("crm.lookup", None), "deny", "default:support.tools"),
        (tool_call("crm.lookups", {}), "allow", "support.tools.crm.*"),
        (tool_call("crm.other", {}, risk_tier=MEDIUM), "needs_approval", "support.tools.crm.*"),
        (
            tool_call("crm.other", {}, risk_tier=MEDIUM, approved_by="ann"),
            "allow",
            "support.tools.crm.*",
        ),
        (
            tool_call("crm.other", {}, risk_tier=MEDIUM, approved_by="bob"),
            "needs_approval",
            "support.tools.crm.*",
        ),
        (tool_call("crm", {}), "deny", "default:support.tools"),
        (tool_call("crm.admin.drop", {}), "deny", "support.tools.crm.admin.*"),
        (
            tool_call("crm.admin.drop", {}, approved_by="ann"),
            "deny",
            "support.tools.crm.admin.*",
        ),
        (tool_call("crm.refund", {"amount": 20}), "deny", "default:support.tools"),
        (
            tool_call("crm.refund", {"amount": 20}, risk_tier=MEDIUM),
            "allow",
            "support.tools.crm.refund",
        ),
        (
            tool_call("crm.refund", {"amount": 200}, risk_tier=MEDIUM),
            "needs_approval",
            "support.tools.crm.refund#2",
        ),
        (
            tool_call("crm.refund", {"amount": 2000}, risk_tier=MEDIUM),
            "deny",
            "default:support.tools",
        ),
        (
            tool_call("crm.refund", {"amount": float("nan")}, risk_tier=MEDIUM),
            "deny",
            "default:support.tools",
        ),
        (tool_call(None, {}), "deny", "default:support.tools"),
        (
            request("api.example.com", "/v1/x", tool="crm.lookup"),
            "allow",
            "support.outbound.api.example.com",
        ),
        (request("api.example.com", "/v1/x"), "deny", "default:support.outbound"),
        (
            request("api.example.com", "/v1/x", tool="crm.lookup", method="POST"),
            "deny",
            "default:support.outbound",
        ),
        (request("a.example.org"), "allow", "support.outbound.*.example.org"),
        (request("a.example.org", port=8443), "allow", "support.outbound.*.example.org"),
        (request("a.example.org", port=80), "deny", "default:support.outbound"),
        (request("a.example.org", scheme="http"), "deny", "default:support.outbound"),
        (request("a.b.example.org"), "deny", "default:support.outbound"),
        (request("example.org"), "deny", "default:support.outbound"),
        (request(".example.org"), "deny", "default:support.outbound"),
        (request("a.example.org."), "deny", "default:support.outbound"),
        (request("A.example.org"), "deny", "default:support.outbound"),
        (request("FILES.example.org", "/x"), "deny", "default:support.outbound"),
        (request("127.0.0.1"), "deny", "default:support.outbound"),
        (request("files.example.org", "/x"), "allow", "support.outbound.*.example.org"),
        (request("files.example.org", "/private"), "deny", "support.outbound.files.example.org"),
        (request("files.example.org", "//Private/x"), "deny", "support.outbound.files.example.org"),
        (request("files.example.org", "/%70rivate"), "deny", "support.outbound.files.example.org"),
        (request("files.example.org", "/privateer"), "allow", "support.outbound.*.example.org"),
    ],
)
def test_a_verdict_names_its_word_and_its_rule(action: Action, word: str, rule: str) -> None:
    verdict = R.decide(action)
    assert said(verdict) == (word, rule), verdict.reason
    assert verdict.reason
    assert "\n" not in verdict.reason


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../admin",
        "/v1/./x",
        "/v1/%2e%2e/admin",
        "/v1/%2E/admin",
        "/v1/..;/admin",
        "/v1/.;x=1/admin",
        "/v1%2fadmin",
        "/v1/%5c..%5cadmin",
        "/v1/%252e%252e/admin",
        "/v1/\\admin",
        "/v1/%00",
        "/v1/%0d%0a",
        "/v1/%zz",
        "/v1/%",
        "/v1/x y",
        "/v1/\u2025/admin",
        "v1/x",
        "",
        "/v1/%3b",
    ],
)
def test_a_path_that_could_be_read_in_two_ways_is_refused(path: str) -> None:
    verdict = R.decide(request("api.example.com", path, tool="crm.lookup"))
    assert said(verdict) == ("deny", "default:support.outbound")
    assert "no prefix can be trusted" in verdict.reason


@pytest.mark.parametrize(
    ("path", "is_allowed"),
    [
        ("/v1/", True),
        ("/v1/x/y", True),
        ("/v1/caf%C3%A9", True),
        ("/%76%31/x", True),
        ("/v1/a..b", True),
        ("/v1/%FF", True),
        ("/v1//x", True),
        ("/v1", False),
        ("/v10/x", False),
        ("//v1/x", False),
        ("/V1/x", False),
    ],
)
def test_a_prefix_ends_at_the_border_of_a_segment(path: str, is_allowed: bool) -> None:
    verdict = R.decide(request("api.example.com", path, tool="crm.lookup"))
    assert (verdict.word is VerdictWord.ALLOW) is is_allowed, verdict.reason


def test_a_verdict_names_the_file_and_the_line_of_its_rule() -> None:
    lines = SUPPORT.splitlines()
    for action, text in (
        (tool_call("crm.lookup", {"id": "ab"}), "- name: crm.lookup"),
        (tool_call("crm.lookup", {"id": "1"}), "- name: crm.lookup"),
        (tool_call("x.y", {}), "tools:"),
        (model_call("@cf/a/small"), 'low: ["@cf/a/small"]'),
        (model_call("@cf/a/small", risk_tier=RiskTier.HIGH), "risk: [low, medium]"),
        (model_call("@cf/a/small", role="operator"), "support:"),
        (request("files.example.org", "/private"), "- host: files.example.org"),
    ):
        file, _, line = R.decide(action).where.partition(":")
        assert file == "policies/p0.yaml"
        assert lines[int(line) - 1].strip() == text


def test_a_denial_and_a_missing_permission_are_told_apart() -> None:
    denied = R.decide(tool_call("crm.admin.drop", {}))
    missing = R.decide(tool_call("mail.send", {}))
    assert denied.word is missing.word is VerdictWord.DENY
    assert (denied.is_missing, missing.is_missing) == (False, True)
    assert "is denied" in denied.reason
    assert "no rule allows" in missing.reason


def test_in_observe_mode_the_verdict_stays_and_the_action_goes_on() -> None:
    observing = registry(SUPPORT.replace("workflows:", "mode: observe\nworkflows:", 1))
    for action in (tool_call("mail.send", {}), tool_call("crm.admin.drop", {})):
        verdict = observing.decide(action)
        assert (verdict.word, verdict.mode) == (VerdictWord.DENY, Mode.OBSERVE)
        assert verdict.permits
        assert not R.decide(action).permits
    assert not observing.decide(tool_call("crm.lookup", {}, workflow="other")).permits


def test_a_workflow_without_policy_is_denied_under_the_digest_of_all_policies() -> None:
    verdict = R.decide(model_call("@cf/a/small", workflow="other"))
    assert (verdict.rule, verdict.where, verdict.policy_version) == ("default", "", NO_VERSION)
    assert verdict.policy_sha256 == R.sha256 != registry().sha256


OPERATOR = """\
version: 1
policy: ops
policy_version: "2026-11-23.1"
workflows:
  ops:
    roles: [operator, runtime]
    changes: [guard.*, budgets.push]
"""


@pytest.mark.parametrize(
    ("role", "name", "word", "rule"),
    [
        ("operator", "guard.deploy", "allow", "ops.changes"),
        ("operator", "budgets.push", "allow", "ops.changes"),
        ("operator", "budgets.pull", "deny", "default:ops.changes"),
        ("operator", None, "deny", "default:ops.changes"),
        ("runtime", "guard.deploy", "deny", "default:ops.roles"),
    ],
)
def test_a_change_is_an_operators_and_has_a_name_that_is_allowed(
    role: str, name: str | None, word: str, rule: str
) -> None:
    action = Action(
        kind=ActionKind.OPERATOR_CHANGE, tenant="t", workflow="ops", role=role, tool=name
    )
    assert said(registry(OPERATOR).decide(action)) == (word, rule)


def test_the_longest_beginning_of_a_name_counts_among_permissions() -> None:
    found = registry("""\
version: 1
policy: a
policy_version: "2026-11-23.1"
workflows:
  support:
    tools:
      - {name: crm.*, approval: never}
      - {name: crm.write.*, approval: always}
      - {name: crm.write.note, approval: never}
""")
    assert said(found.decide(tool_call("crm.read", {}))) == ("allow", "support.tools.crm.*")
    write = found.decide(tool_call("crm.write.all", {}))
    assert said(write) == ("needs_approval", "support.tools.crm.write.*")
    note = found.decide(tool_call("crm.write.note", {}))
    assert said(note) == ("allow", "support.tools.crm.write.note")


def test_a_denial_with_arguments_holds_for_those_and_for_unknown_ones() -> None:
    found = registry("""\
version: 1
policy: a
policy_version: "2026-11-23.1"
workflows:
  support:
    tools:
      - {name: mail.send}
      - name: mail.*
        effect: deny
        arguments: {required: [to], properties: {to: {pattern: "@rival[.]example$"}}}
""")
    assert said(found.decide(tool_call("mail.send", {"to": "x@ok.example"})))[0] == "allow"
    for arguments in ({"to": "x@rival.example"}, None):
        assert said(found.decide(tool_call("mail.send", arguments))) == (
            "deny",
            "support.tools.mail.*",
        )
    half = found.decide(tool_call("mail.send", {"to": "\ud800@rival.example"}))
    assert said(half) == ("deny", "default:support.error")


def test_rules_are_found_again_by_the_name_in_the_verdict() -> None:
    verdict = R.decide(request("a.example.org"))
    rule = R.outbound_rule(verdict.rule)
    assert rule is not None
    assert (rule.host, rule.allow_private) == ("*.example.org", False)
    assert R.tool_rule(verdict.rule) is None
    tool = R.tool_rule(R.decide(tool_call("crm.lookup", {"id": "ab"})).rule)
    assert tool is not None
    assert tool.name == "crm.lookup"
