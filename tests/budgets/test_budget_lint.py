"""`wai budget lint`: each rule finds what it is for; what could not be asked is said."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from policy.policies import registry
from support.cli import Wai
from support.guards import Gateway
from wai_ops.config.alert_settings import AlertSettings
from wai_ops.config.budget_settings import (
    Alignment,
    BudgetScope,
    BudgetSettings,
    BudgetWindow,
    Enforcement,
    GuardSettings,
    LimitAction,
    ScopeKey,
    Unmatched,
)
from wai_ops.control.budgets.compile import compile_budgets
from wai_ops.control.budgets.lint.look import Look
from wai_ops.control.budgets.lint.registry import RULES
from wai_ops.control.budgets.lint.runner import LintReport, lint_budgets
from wai_ops.control.budgets.native import Facts, Remote
from wai_ops.core.errors import UsageError
from wai_ops.core.findings import Level
from wai_ops.core.prices import Model, PriceBook, Snapshot
from wai_ops.observe.reports.budget_traffic import TrafficRow

DEAR, CHEAP = "@cf/a/dear", "@cf/a/cheap"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def budget(**fields: Any) -> BudgetSettings:
    """A budget that no rule has anything against."""
    sound: dict[str, Any] = {
        "limit_usd": Decimal(50),
        "window": BudgetWindow.DAILY,
        "owner": "finops",
    }
    return BudgetSettings(**(sound | fields))


def prices() -> PriceBook:
    models = {
        name: Model(
            id=name,
            context_window=100_000,
            usd_in_per_m=Decimal(cost),
            usd_out_per_m=Decimal(cost),
        )
        for name, cost in ((DEAR, "4"), (CHEAP, "1"))
    }
    snapshot = Snapshot(source="test", as_of="2025-01-01", models=models)
    return PriceBook(snapshots=[snapshot], overrides={})


def row(**fields: Any) -> TrafficRow:
    plain: dict[str, Any] = {
        "tenant": "acme",
        "workflow": "support",
        "prompt": "triage@3",
        "model": DEAR,
        "call_count": 10,
        "cost_usd": Decimal(1),
        "unpriced_count": 0,
        "cached_count": 0,
        "foreign_count": 0,
    }
    return TrafficRow(**(plain | fields))


def look(
    budgets: Mapping[str, BudgetSettings],
    *,
    traffic: Sequence[TrafficRow] | None = (row(),),
    guards: GuardSettings | None = None,
    worst: Mapping[str, Decimal] | None = None,
    **more: Any,
) -> Look:
    worst = dict.fromkeys(budgets, Decimal(1)) if worst is None else worst
    guards = guards or GuardSettings(unmatched=Unmatched.ALLOW)
    return Look(
        budgets=budgets,
        guards=guards,
        compiled=compile_budgets(budgets, guards, Facts(worst_request_usd=worst)),
        prices=prices(),
        now=NOW,
        default_model=DEAR,
        worst_usd=worst,
        places={name: f"wai.yaml:{place}" for place, name in enumerate(budgets, start=3)},
        traffic=traffic,
        **more,
    )


def lint(budgets: Mapping[str, BudgetSettings], **more: Any) -> LintReport:
    return lint_budgets(look(budgets, **more), levels={}, is_strict=False)


def rules_of(budgets: Mapping[str, BudgetSettings], **more: Any) -> set[str]:
    return {item.rule for item in lint(budgets, **more).findings}


def test_a_sound_budget_has_no_findings() -> None:
    report = lint({"all": budget()})
    assert report.findings == ()
    assert (report.verdict.value, report.budget_count, report.call_count) == ("pass", 1, 10)


def test_ids_are_in_order_and_every_rule_says_why_and_what_to_do() -> None:
    assert [rule.id for rule in RULES] == [f"WB{n:03}" for n in range(1, len(RULES) + 1)]
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.why.endswith(".") and rule.fix.endswith(".") for rule in RULES)


def test_the_documentation_names_every_rule() -> None:
    text = (Path(__file__).parents[2] / "docs" / "budgets.md").read_text("utf-8")
    for rule in RULES:
        assert f"{rule.id} {rule.name}" in text


ROUTE: dict[str, Any] = {
    "scope": BudgetScope(model=(DEAR,)),
    "per": (ScopeKey.TENANT,),
    "action": LimitAction.DOWNSHIFT,
    "alignment": Alignment.ROLLING,
}
GATEWAY_ONLY = {"enforce": (Enforcement.POLICY,)}


@pytest.mark.parametrize(
    ("rule", "fields", "words"),
    [
        ("WB001", {"scope": BudgetScope(model=(DEAR, "@cf/a/new"))}, "no price is known for @cf"),
        ("WB001", {**ROUTE, "downshift_to": "@cf/a/new"}, "@cf/a/new"),
        ("WB006", {"enforce": (Enforcement.POLICY, Enforcement.SPEND_LIMIT)}, "both hold it"),
        ("WB009", GATEWAY_ONLY, "held by policy alone"),
        ("WB010", {"limit_usd": Decimal("0.5")}, "one request can cost $1.00"),
        ("WB011", {"owner": None}, "nobody owns it"),
        (
            "WB013",
            {
                "alignment": Alignment.ROLLING,
                "enforce": (Enforcement.POLICY, Enforcement.SPEND_LIMIT),
            },
            "policy: periods of policies are those of the calendar",
        ),
        ("WB014", {"action": LimitAction.ALERT}, "no channel gets its alerts"),
        ("WB015", {"warn_at": (Decimal("0.8"), Decimal("0.5"))}, "not ascending"),
        ("WB015", {"warn_at": (Decimal("0.8"), Decimal(1))}, "holds the limit"),
        (
            "WB016",
            {**ROUTE, "scope": BudgetScope(model=(CHEAP,)), "downshift_to": DEAR},
            f"{DEAR} is no cheaper than {CHEAP}",
        ),
        (
            "WB018",
            {"alignment": Alignment.ROLLING, "enforce": (Enforcement.LOCAL,)},
            "nothing holds it",
        ),
        ("WB019", {"scope": BudgetScope(tenant=("acme", "acmee"))}, "tenant acmee"),
        ("WB019", {"scope": BudgetScope(prompt=("triag",))}, "prompt triag"),
    ],
)
def test_a_rule_finds_what_it_is_for_at_the_line_of_the_budget(
    rule: str, fields: dict[str, Any], words: str
) -> None:
    report = lint({"all": budget(), "odd": budget(**fields)})
    found = [item for item in report.findings if item.rule == rule and item.message[:3] == "odd"]
    assert len(found) == 1, report.findings
    assert words in found[0].message
    assert (found[0].file, found[0].line) == ("wai.yaml", 4)


def test_a_channel_for_the_alerts_is_enough() -> None:
    only = {"odd": budget(action=LimitAction.ALERT)}
    channel = AlertSettings(file=Path("alerts.jsonl"))
    assert "WB014" not in rules_of(only, alerts={"log": channel})
    other = AlertSettings(file=Path("alerts.jsonl"), budgets=("others",))
    assert "WB014" in rules_of(only, alerts={"log": other})


@pytest.mark.parametrize(
    ("outer", "inner", "is_found"),
    [
        ({}, {"limit_usd": Decimal(60)}, True),
        ({}, {"scope": BudgetScope(tenant=("acme",)), "limit_usd": Decimal(40)}, False),
        ({}, {"scope": BudgetScope(tenant=("acme",)), "limit_usd": Decimal(50)}, True),
        ({"scope": BudgetScope(tenant=("acme",))}, {"limit_usd": Decimal(60)}, False),
        ({"window": BudgetWindow.MONTHLY}, {"limit_usd": Decimal(60)}, True),
        ({"window": BudgetWindow.HOURLY}, {"limit_usd": Decimal(60)}, False),
        ({"per": (ScopeKey.TENANT,)}, {"limit_usd": Decimal(60)}, False),
        (
            {"per": (ScopeKey.TENANT,)},
            {"per": (ScopeKey.TENANT, ScopeKey.WORKFLOW), "limit_usd": Decimal(60)},
            True,
        ),
        (
            {"per": (ScopeKey.TENANT,)},
            {"scope": BudgetScope(tenant=("acme",)), "limit_usd": Decimal(60)},
            True,
        ),
        ({"action": LimitAction.ALERT}, {"limit_usd": Decimal(60)}, False),
    ],
)
def test_a_budget_inside_of_one_that_ends_first_is_found(
    outer: dict[str, Any], inner: dict[str, Any], is_found: bool
) -> None:
    report = lint({"outer": budget(**outer), "inner": budget(**inner)})
    found = [item for item in report.findings if item.rule == "WB012"]
    assert [item.message[:5] for item in found] == (["inner"] if is_found else [])


def test_of_two_equal_budgets_one_is_named() -> None:
    report = lint({"a": budget(), "b": budget()})
    assert [item.message[0] for item in report.findings if item.rule == "WB012"] == ["b"]


def test_a_downshift_that_policy_denies_is_found() -> None:
    text = f"""\
version: 1
policy: a
policy_version: "2026-11-23.1"
workflows:
  support: {{models: {{low: ["{DEAR}"]}}}}
  other: {{models: {{low: ["{DEAR}", "{CHEAP}"]}}}}
"""
    fields = {**ROUTE, "downshift_to": CHEAP}
    report = lint({"odd": budget(**fields)}, registry=registry(text))
    [found] = [item for item in report.findings if item.rule == "WB017"]
    assert "the policy of workflow support (policies/p0.yaml:5) does not allow" in found.message


def test_calls_that_lack_a_key_are_counted_with_their_money_and_examples() -> None:
    rows = [
        row(call_count=60, cost_usd=Decimal(6)),
        row(tenant=None, workflow="legacy", call_count=30, cost_usd=Decimal(3)),
        row(tenant=None, workflow=None, call_count=10, cost_usd=Decimal(1)),
    ]
    report = lint({"each": budget(per=(ScopeKey.TENANT,))}, traffic=rows)
    [found] = [item for item in report.findings if item.rule == "WB003"]
    assert found.message == (
        "each: it splits by tenant, and 40 calls without it (40.0% of all, $4.00, 40.0%) pass it: "
        "workflow legacy of tenant (none), workflow (none) of tenant (none)"
    )
    scoped = budget(scope=BudgetScope(tenant=("acme",), workflow=("legacy",)))
    report = lint({"one": scoped}, traffic=rows)
    messages = [item.message for item in report.findings if item.rule == "WB003"]
    expected = "one: it is for values of tenant, and 30 calls without it (30.0% of all, $3.00, "
    assert messages == [f"{expected}30.0%) pass it: workflow legacy of tenant (none)"]


def test_calls_without_a_price_and_from_the_cache_are_found() -> None:
    rows = [row(), row(model="@cf/a/new", unpriced_count=10), row(workflow="w", cached_count=5)]
    report = lint({"all": budget()}, traffic=rows)
    by_rule = {item.rule: item.message for item in report.findings}
    assert by_rule == {
        "WB002": "all: 10 calls (33.3%) of it had no price: @cf/a/new",
        "WB004": "the gateway's cache answered 5 calls (16.7%): workflow w of tenant acme",
    }


def test_calls_past_wai_matter_where_wai_alone_holds_a_budget() -> None:
    rows = [row(), row(workflow="other", foreign_count=5)]
    alone = budget(enforce=(Enforcement.LOCAL,))
    report = lint({"all": alone}, traffic=rows)
    [found] = report.findings
    assert (found.rule, "5 calls of it (25.0%) did not come from wai" in found.message) == (
        "WB020",
        True,
    )
    assert rules_of({"all": budget()}, traffic=rows) == set()


def test_a_hole_of_the_default_deny_is_an_error_with_what_falls_into_it() -> None:
    acme = {"acme": budget(scope=BudgetScope(tenant=("acme",)))}
    rows = [row(), row(tenant="globex", call_count=30, cost_usd=Decimal(2))]
    report = lint(acme, traffic=rows, guards=GuardSettings())
    [found] = [item for item in report.findings if item.rule == "WB005"]
    assert found.level is Level.ERROR
    assert found.message == (
        "30 recorded calls (75.0%, $2.00) would be refused, since no policy is about them: "
        "workflow support of tenant globex"
    )
    assert "WB005" not in rules_of(acme, traffic=rows)
    assert "WB005" not in rules_of({"all": budget()}, traffic=rows, guards=GuardSettings())
    spend = {
        "acme": budget(scope=BudgetScope(tenant=("acme",)), enforce=(Enforcement.SPEND_LIMIT,))
    }
    assert "WB005" not in rules_of(spend, traffic=rows, guards=GuardSettings())


def remote(**gateway: Any) -> Remote:
    return Remote(gateway_id="default", gateway=gateway)


def test_more_rules_than_a_gateway_holds_are_found_with_those_of_others() -> None:
    many = {
        f"b{n}": budget(scope=BudgetScope(tenant=(f"t{n}",)), enforce=(Enforcement.SPEND_LIMIT,))
        for n in range(20)
    }
    assert "WB007" not in rules_of(many)
    theirs = {"rules": [{"id": "theirs", "enabled": True}, {"id": "wai-b1"}, {"id": "wai-gone"}]}
    assert "WB007" not in rules_of(many, remote=remote(spend_limits={"rules": theirs["rules"][1:]}))
    report = lint(many, remote=remote(spend_limits=theirs))
    [found] = [item for item in report.findings if item.rule == "WB007"]
    assert found.message == (
        "the budgets need 20 spend rules, and 1 of others are there: 20 is the most"
    )


def test_guards_that_look_at_more_keys_than_a_call_carries_are_found() -> None:
    split = {"each": budget(per=(ScopeKey.TENANT,), enforce=(Enforcement.SPEND_LIMIT,))}
    keys = {name: {"mode": "partition"} for name in ("a", "b", "c", "d")}
    theirs = {"rules": [{"id": "theirs", "metadata": keys}]}
    assert "WB008" not in rules_of(split, remote=remote(spend_limits=theirs))
    theirs["rules"].append({"id": "more", "metadata": {"e": {"mode": "partition"}}})
    assert "WB008" in rules_of(split, remote=remote(spend_limits=theirs))


def test_a_gateway_that_caches_answers_is_found() -> None:
    assert "WB004" in rules_of({"all": budget()}, remote=remote(cache_ttl=60))
    assert "WB004" not in rules_of({"all": budget()}, remote=remote(cache_ttl=0))


def test_what_could_not_be_asked_is_no_clean_bill() -> None:
    report = lint({"all": budget()}, traffic=None, worst={})
    assert (report.verdict.value, report.call_count) == ("pass", None)
    assert [item.rules for item in report.not_evaluated] == [
        ("WB002", "WB003", "WB005", "WB019", "WB020"),
        ("WB004", "WB007", "WB008"),
        ("WB017",),
        ("WB010",),
    ]
    whole = lint({"all": budget()}, remote=remote(), registry=registry())
    assert whole.not_evaluated == ()


def test_levels_and_strictness_decide_the_verdict() -> None:
    seen = look({"all": budget(**GATEWAY_ONLY)})
    for levels, is_strict, verdict in (
        ({}, False, "warn"),
        ({}, True, "fail"),
        ({"WB009": Level.ERROR}, False, "fail"),
        ({"WB009": None}, True, "pass"),
    ):
        assert lint_budgets(seen, levels=levels, is_strict=is_strict).verdict.value == verdict
    with pytest.raises(UsageError, match="there is no rule WB999"):
        lint_budgets(seen, levels={"WB999": None}, is_strict=False)


WAI_YAML = """\
version: "1"
target: local
budgets:
  all:
    limit_usd: "5"
    window: daily
    owner: finops
  acme:
    scope: {tenant: [acme]}
    limit_usd: "10"
    window: daily
guards:
  unmatched: allow
"""


def test_the_command_speaks_every_format_and_reads_recorded_calls(wai: Wai) -> None:
    (wai.folder / "wai.yaml").write_text(WAI_YAML)
    first = wai("budget", "lint", "--strict")
    assert first.exit_code == 1
    assert "wai.yaml:9: warning WB012 never-reached" in first.stdout
    assert "not evaluated: WB002, WB003, WB005, WB019, WB020: there are no recorded" in first.stderr
    assert wai("run", "hello").exit_code == 0
    data = json.loads(wai("budget", "lint", "--json").stdout)
    assert (data["verdict"], data["budget_count"], data["call_count"]) == ("warn", 2, 1)
    assert "WB019" in {item["rule"] for item in data["findings"]}
    sarif = json.loads(wai("budget", "lint", "--format", "sarif").stdout)["runs"][0]
    assert len(sarif["tool"]["driver"]["rules"]) == len(RULES)
    github = wai("budget", "lint", "--format", "github").stdout
    assert "::warning file=wai.yaml,line=9,title=WB012::acme: all ($5.00 daily)" in github
    rules = wai("budget", "lint", "--rules")
    assert (rules.exit_code, rules.stdout.count("\nWB")) == (0, len(RULES) - 1)
    (wai.folder / "wai.yaml").write_text(WAI_YAML + "  lint: {levels: {WB012: ignore}}\n")
    quiet = wai("budget", "lint", "--strict")
    assert quiet.exit_code == 0, quiet.stdout
    (wai.folder / "wai.yaml").write_text('version: "1"\n')
    none = wai("budget", "lint")
    assert (none.exit_code, none.stdout) == (2, "")


def test_the_gateway_is_read_where_that_is_asked_for(wai: Wai, gateway: Gateway) -> None:
    (wai.folder / "wai.yaml").write_text(WAI_YAML.replace("target: local\n", ""))
    wai.environ |= gateway.environ
    gateway.put({"cache_ttl": 300})
    data = json.loads(wai("budget", "lint", "--remote", "--json").stdout)
    assert {item["rule"]: item["message"] for item in data["findings"]}["WB004"] == (
        f"gateway {gateway.gateway_id} keeps answers for 300 seconds"
    )
    assert ["WB004", "WB007", "WB008"] not in [item["rules"] for item in data["not_evaluated"]]
