"""`wai policy check-url`: as a user calls it."""

import json
from pathlib import Path

import pytest

from support.cli import Wai

POLICY = """\
version: 1
policy: support
policy_version: "2026-11-23.1"
workflows:
  support:
    tools:
      - name: crm.lookup
    outbound:
      - host: api.example.com
        methods: [GET]
        paths: [/v1/]
      - host: localhost
        schemes: [http]
        ports: [8080]
        methods: [POST]
        paths: [/]
        tools: [crm.lookup]
        allow_private: true
      - host: localhost
        schemes: [http]
        ports: [9090]
        methods: [GET]
        paths: [/]
"""
SETTINGS = """\
version: "1"
defaults: {workflow: support}
policy:
  private_hosts:
    localhost: [127.0.0.0/8, "::1"]
"""


@pytest.fixture
def governed(wai: Wai, project: Path) -> Wai:
    """A project with a policy."""
    (project / "wai.yaml").write_text(SETTINGS)
    (project / "policies").mkdir()
    (project / "policies" / "support.yaml").write_text(POLICY)
    return wai


def test_a_url_that_a_rule_allows_is_shown_in_its_parts(governed: Wai) -> None:
    ran = governed("policy", "check-url", "https://API.example.com:443/v1/a/../orders?id=ü")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout == (
        "https://API.example.com:443/v1/a/../orders?id=ü\n"
        "  verdict   allow by support.outbound.api.example.com (policies/support.yaml:9)\n"
        "  because   GET to api.example.com is allowed\n"
        "  method    GET\n"
        "  scheme    https\n"
        "  host      api.example.com\n"
        "  port      443\n"
        "  sends     /v1/orders?id=%C3%BC\n"
    )


def test_a_url_that_the_gate_refuses_exits_1_and_names_the_rule(governed: Wai) -> None:
    ran = governed("policy", "check-url", "http://0x7f.1/")
    assert (ran.exit_code, ran.stderr) == (1, "")
    assert ran.stdout == (
        "http://0x7f.1/\n"
        "  verdict   deny by outbound.url.ip_literal\n"
        "  because   the host is an address: name the host\n"
        "  method    GET\n"
    )


def test_what_no_rule_allows_exits_1(governed: Wai) -> None:
    ran = governed("policy", "check-url", "https://api.example.com/v2/x")
    assert ran.exit_code == 1
    assert "deny by default:support.outbound" in ran.stdout
    ran = governed("policy", "check-url", "--method", "post", "https://api.example.com/v1/x")
    assert ran.exit_code == 1
    assert "method POST is not allowed" in ran.stdout


def test_resolve_says_where_a_name_leads_and_what_that_is(governed: Wai) -> None:
    ran = governed(
        *("policy", "check-url", "http://localhost:8080/", "--method", "POST"),
        *("--tool", "crm.lookup", "--resolve"),
    )
    assert ran.exit_code == 0, ran.stdout
    assert "leads to  127.0.0.1 loopback" in ran.stdout or "::1 loopback" in ran.stdout


def test_a_private_address_is_refused_where_the_rule_does_not_allow_it(
    governed: Wai, project: Path
) -> None:
    """The host is a known one, but its rule has no allow_private: then it is a public host."""
    ran = governed("policy", "check-url", "http://localhost:9090/", "--resolve")
    assert ran.exit_code == 1
    assert "deny by outbound.address.refused" in ran.stdout
    assert "loopback" in ran.stdout


def test_without_resolve_no_name_is_looked_up(governed: Wai) -> None:
    ran = governed("policy", "check-url", "http://localhost:9090/")
    assert ran.exit_code == 0
    assert "leads to" not in ran.stdout


def test_urls_come_from_stdin_one_a_line(governed: Wai) -> None:
    lines = b"https://api.example.com/v1/x\r\n\n http://api.example.com/v1/x\nhttp://\xff\x1b/\n"
    ran = governed("policy", "check-url", "-", "--format", "jsonl", stdin=lines)
    assert ran.exit_code == 1
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(row["verdict"], row["rule"]) for row in rows] == [
        ("allow", "support.outbound.api.example.com"),
        ("deny", "outbound.url.blank"),
        ("deny", "outbound.url.control"),
    ]
    assert "3 URLs, 2 of them not allowed" in ran.stderr
    assert "\x1b" not in governed("policy", "check-url", "-", stdin=lines).stdout


def test_json_has_every_part(governed: Wai) -> None:
    ran = governed("policy", "check-url", "https://api.example.com/v1/x?y", "--json")
    assert ran.exit_code == 0
    found = json.loads(ran.stdout)
    assert found["verdict"] == "pass"
    assert found["rows"] == [
        {
            "url": "https://api.example.com/v1/x?y",
            "verdict": "allow",
            "rule": "support.outbound.api.example.com",
            "where": "policies/support.yaml:9",
            "reason": "GET to api.example.com is allowed",
            "method": "GET",
            "scheme": "https",
            "host": "api.example.com",
            "port": 443,
            "path_and_query": "/v1/x?y",
            "addresses": None,
        }
    ]


def test_without_policies_the_gate_s_own_rules_are_asked(wai: Wai) -> None:
    ran = wai("policy", "check-url", "https://api.example.com/")
    assert ran.exit_code == 0
    assert "verdict   allow\n" in ran.stdout
    assert "there are no policies here" in ran.stderr
    assert wai("policy", "check-url", "http://[::1]/").exit_code == 1
    ran = wai("policy", "check-url", "https://api.example.com/", "--tool", "x")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "no policies" in ran.stderr


def test_a_workflow_that_no_policy_names_is_a_usage_error(governed: Wai) -> None:
    ran = governed("policy", "check-url", "https://api.example.com/", "--workflow", "suport")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "did you mean support?" in ran.stderr
