"""Budgets to guards, guards to changes: pure, and held by properties."""

import copy
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.guards_model import applied
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
from wai_ops.control.budgets.apply import gateway_body
from wai_ops.control.budgets.compile import compile_budgets
from wai_ops.control.budgets.diff import Op, diff, owned_here
from wai_ops.control.budgets.native import (
    Compiled,
    Facts,
    Guard,
    Kind,
    Ref,
    Remote,
    RemotePolicy,
    RemoteRoute,
)
from wai_ops.control.budgets.normal import normal

MODEL = "@cf/google/gemma-4-26b-a4b-it"
CHEAP = "@cf/meta/llama-3.2-3b-instruct"
GUARDS = GuardSettings()

names = st.sampled_from(["acme", "beta", "support", "billing", "a.b", "x@y"])
scopes = st.builds(
    BudgetScope,
    tenant=st.lists(names, max_size=2, unique=True).map(tuple),
    workflow=st.lists(names, max_size=2, unique=True).map(tuple),
    model=st.lists(st.sampled_from([MODEL, CHEAP]), max_size=2, unique=True).map(tuple),
    prompt=st.lists(st.sampled_from(["triage", "triage@3"]), max_size=2, unique=True).map(tuple),
)
budgets = st.builds(
    BudgetSettings,
    limit_usd=st.decimals("0.01", "5000", places=2),
    window=st.sampled_from(BudgetWindow),
    alignment=st.sampled_from(Alignment),
    scope=scopes,
    per=st.lists(st.sampled_from(ScopeKey), max_size=2, unique=True).map(tuple),
    action=st.sampled_from(LimitAction),
    downshift_to=st.just(CHEAP),
    enforce=st.lists(st.sampled_from(Enforcement), max_size=3, unique=True).map(tuple),
)
projects = st.dictionaries(st.sampled_from(["a", "b", "c", "acme-monthly"]), budgets, max_size=4)
facts = Facts(worst_request_usd={"a": Decimal("0.01"), "b": Decimal("0.5")})


def budget(**changes: Any) -> BudgetSettings:
    """A calendar budget of five dollars a month."""
    given_: dict[str, Any] = {"limit_usd": Decimal(5), "window": BudgetWindow.MONTHLY} | changes
    return BudgetSettings(**given_)


def compiled(**found: BudgetSettings) -> Compiled:
    return compile_budgets({name.replace("_", "-"): b for name, b in found.items()}, GUARDS)


def only(result: Compiled) -> Guard:
    (guard,) = result.guards
    return guard


def remote(**changes: Any) -> Remote:
    gateway = {
        "id": "default",
        "cache_ttl": 60,
        "collect_logs": True,
        "cache_invalidate_on_update": False,
        "rate_limiting_interval": 0,
        "rate_limiting_limit": 0,
        "created_at": "2026-01-01T00:00:00Z",
        "modified_at": "2026-01-01T00:00:00Z",
        "unheard_of": {"kept": [1, None, 0.1]},
    }
    return Remote(gateway_id="default", gateway=gateway | changes)


def test_a_calendar_budget_of_a_tenant_is_a_policy_and_held_locally() -> None:
    """The strongest form, with its reason and what passes it."""
    scope = BudgetScope(tenant=("acme",), model=(MODEL,))
    result = compiled(acme=budget(scope=scope))
    guard = only(result)
    assert guard.body == {
        "name": "wai-acme",
        "actor": "wai-acme",
        "resource": {"model": [MODEL], "provider": "workers-ai"},
        "condition": 'metadata.tenant == "acme"',
        "action": {
            "type": "limit",
            "amount": 5,
            "period": "monthly",
            "technique": "named-interval",
        },
    }
    assert "calendar" in guard.why
    assert any("cache" in gap for gap in guard.gaps)
    assert [item.budget for item in result.local] == ["acme"]
    assert result.unfit == ()


def test_a_budget_for_each_tenant_names_the_field_in_its_actor() -> None:
    guard = only(compiled(each=budget(per=(ScopeKey.TENANT, ScopeKey.WORKFLOW))))
    assert guard.body["actor"] == "wai-each-{metadata.tenant}-{metadata.workflow}"
    assert "calls without the key tenant pass it" in guard.gaps


def test_a_rolling_budget_is_a_spend_rule_with_partitions_and_filters() -> None:
    found = budget(
        alignment=Alignment.ROLLING,
        window=BudgetWindow.DAILY,
        scope=BudgetScope(workflow=("support",), model=(MODEL,)),
        per=(ScopeKey.TENANT,),
        limit_usd=Decimal("0.25"),
    )
    guard = only(compiled(day=found))
    assert guard.body == {
        "id": "wai-day",
        "enabled": True,
        "limit": 0.25,
        "limitType": "cost",
        "window": 86400,
        "technique": "sliding",
        "metadata": {
            "tenant": {"mode": "partition"},
            "workflow": {"mode": "filter", "values": ["support"]},
        },
        "model": {"mode": "filter", "values": [MODEL]},
    }


def test_a_budget_for_each_model_is_one_object_a_model() -> None:
    """Neither form can split by model itself."""
    found = budget(per=(ScopeKey.MODEL,), scope=BudgetScope(model=(MODEL, CHEAP)))
    result = compiled(m=found)
    assert {guard.ref.name for guard in result.guards} == {
        "wai-m-google-gemma-4-26b-a4b-it",
        "wai-m-meta-llama-3-2-3b-instruct",
    }
    without = compiled(m=budget(per=(ScopeKey.MODEL,)))
    assert without.guards == ()
    assert without.unfit[0].why.startswith("a policy cannot split by model")
    assert [item.budget for item in without.local] == ["m"]


def test_the_prompt_of_a_scope_covers_all_versions_in_a_policy_and_none_in_a_spend_rule() -> None:
    found = budget(scope=BudgetScope(prompt=("triage", "triage@3")))
    guard = only(compiled(p=found))
    assert guard.body["condition"] == (
        '(metadata.prompt.startsWith("triage@") || metadata.prompt == "triage@3")'
    )
    wanted = budget(scope=BudgetScope(prompt=("triage",)), enforce=(Enforcement.SPEND_LIMIT,))
    result = compiled(p=wanted)
    assert result.guards == ()
    assert result.unfit[0].is_wanted


def test_a_downshift_is_a_route_that_counts_cost_and_goes_on_with_the_cheaper_model() -> None:
    found = budget(
        action=LimitAction.DOWNSHIFT,
        downshift_to=CHEAP,
        window=BudgetWindow.HOURLY,
        scope=BudgetScope(model=(MODEL,), workflow=("support",)),
    )
    guard = only(compiled(shift=found))
    kinds = [element["type"] for element in guard.body["elements"]]
    assert kinds == ["start", "conditional", "rate", "model", "model", "end"]
    rate = guard.body["elements"][2]
    assert rate["properties"]["key"] == "metadata.workflow"
    assert rate["outputs"]["fallback"] == {"elementId": "cheaper"}


def test_a_rate_limit_needs_to_know_the_dearest_call() -> None:
    found = budget(enforce=(Enforcement.RATE_LIMIT,), window=BudgetWindow.HOURLY)
    assert "not known" in compiled(r=found).unfit[0].why
    known = Facts(worst_request_usd={"r": Decimal("0.02")})
    guard = only(compile_budgets({"r": found}, GUARDS, known))
    assert guard.body["rate_limiting_limit"] == 250


def test_two_budgets_never_share_one_object() -> None:
    """A gateway has one rate limit, and a name stands for one object."""
    rate = budget(enforce=(Enforcement.RATE_LIMIT,), window=BudgetWindow.HOURLY)
    known = Facts(worst_request_usd={"r": Decimal("0.02"), "s": Decimal("0.02")})
    result = compile_budgets({"r": rate, "s": rate}, GUARDS, known)
    assert [guard.budget for guard in result.guards] == ["r"]
    assert [(item.budget, item.why) for item in result.unfit] == [
        ("s", "the rate_limit gateway holds the budget r already")
    ]


def test_unmatched_calls_are_let_through_only_where_the_settings_say_so() -> None:
    allowing = GuardSettings(unmatched=Unmatched.ALLOW)
    result = compile_budgets({"a": budget()}, allowing)
    assert [guard.ref.name for guard in result.guards] == ["wai-a", "wai-everything-else"]
    assert compile_budgets({}, allowing).guards == ()


def test_two_spellings_of_one_object_make_no_change() -> None:
    """Defaults that the API fills in, other orders, 5.0 for 5."""
    mine = compiled(a=budget(scope=BudgetScope(model=(MODEL, CHEAP))))
    body = copy.deepcopy(dict(only(mine).body))
    body["action"] = {"period": "monthly", "amount": 5.0, "type": "limit"}
    body["resource"]["model"].reverse()
    theirs = RemotePolicy(id="1", committed={**body, "created_at": 3, "id": "1"})
    found = diff(
        mine, Remote(gateway_id="g", gateway={}, policies=(theirs,)), frozenset(mine.desired)
    )
    assert found.changes == ()


def test_an_object_with_a_name_of_ours_is_in_the_way_and_left_alone() -> None:
    mine = compiled(a=budget())
    theirs = RemotePolicy(id="1", committed={"name": "wai-a", "actor": "other"})
    found = diff(mine, Remote(gateway_id="g", gateway={}, policies=(theirs,)), frozenset())
    assert found.changes == ()
    assert [conflict.ref.name for conflict in found.conflicts] == ["wai-a"]


def test_switching_spend_limits_on_never_wakes_rules_of_others() -> None:
    mine = compiled(a=budget(alignment=Alignment.ROLLING))
    sleeping = {"enabled": False, "rules": [{"id": "theirs", "limit": 1, "window": 60}]}
    found = diff(mine, remote(spend_limits=sleeping), frozenset())
    assert "into force" in found.conflicts[0].why


def test_more_than_twenty_spend_rules_are_a_conflict() -> None:
    rules = [{"id": f"t{i}", "limit": 1, "window": 60} for i in range(20)]
    mine = compiled(a=budget(alignment=Alignment.ROLLING))
    found = diff(mine, remote(spend_limits={"enabled": True, "rules": rules}), frozenset())
    assert "21" in found.conflicts[0].why


def test_drafts_of_others_stop_a_commit() -> None:
    """A commit takes every draft there is."""
    theirs = RemotePolicy(id="9", committed=None, draft={"name": "theirs"})
    found = diff(
        compiled(a=budget()),
        Remote(gateway_id="g", gateway={}, policies=(theirs,)),
        frozenset(),
    )
    assert "drafts" in found.conflicts[0].why


def test_a_draft_left_behind_is_finished_and_a_second_object_of_a_name_removed() -> None:
    """A create whose answer was lost may have made another."""
    mine = compiled(a=budget())
    body = only(mine).body
    left = RemotePolicy(id="1", committed=None, draft=body)
    again = RemotePolicy(id="2", committed=body)
    there = Remote(gateway_id="g", gateway={}, policies=(left, again))
    found = diff(mine, there, frozenset(mine.desired))
    assert [(c.op, c.remote_id, c.has_draft) for c in found.changes] == [
        (Op.UPDATE, "1", True),
        (Op.DELETE, "2", False),
    ]


def test_a_gateway_goes_back_with_every_field_that_was_read() -> None:
    """The API knows no smaller write; unknown fields are somebody's."""
    mine = compiled(a=budget(alignment=Alignment.ROLLING))
    there = remote(spend_limits={"enabled": True, "rules": [{"id": "theirs", "limit": 0.1}]})
    body = gateway_body(there.gateway, diff(mine, there, frozenset()).changes)
    assert body["unheard_of"] == {"kept": [1, None, 0.1]}
    assert body["spend_limits"]["rules"][0] == {"id": "theirs", "limit": 0.1}
    assert not {"id", "created_at", "modified_at"} & body.keys()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
foreign_rules = st.lists(
    st.fixed_dictionaries({"id": st.text(min_size=1, max_size=5), "limit": st.integers(1, 9)}),
    max_size=3,
    unique_by=lambda rule: rule["id"],
)


@settings(max_examples=500, deadline=None)
@given(
    before=projects,
    after=projects,
    rules=foreign_rules,
    extra=st.dictionaries(st.text("xyz", min_size=3, max_size=5), json_values, max_size=2),
)
def test_applying_a_difference_gives_what_was_desired_and_leaves_the_rest(
    before: Mapping[str, BudgetSettings],
    after: Mapping[str, BudgetSettings],
    rules: list[dict[str, Any]],
    extra: dict[str, Any],
) -> None:
    """apply(diff(a, b), a) = b; a second diff is empty; foreign objects keep every byte."""
    foreign = Remote(
        gateway_id="g",
        gateway=remote(spend_limits={"enabled": True, "rules": rules}, **extra).gateway,
        policies=(RemotePolicy(id="f", committed={"name": "theirs", "x": extra}),),
        routes=(RemoteRoute(id="r", name="theirs", elements=None),),
    )
    a, b = (compile_budgets(project, GUARDS, facts) for project in (before, after))
    first = diff(a, foreign, frozenset())
    assert first.conflicts == ()
    there = applied(foreign, first.changes)
    owned = frozenset(a.desired)
    assert owned_here(there, owned) == owned
    second = diff(b, there, owned)
    assert second.conflicts == ()
    result = applied(there, second.changes)
    assert diff(b, result, frozenset(b.desired)).changes == ()
    assert {ref: normal(ref.kind, body) for ref, body in b.desired.items()} == _ours(result, b)
    assert owned_here(result, owned - b.desired.keys()) == frozenset()
    assert _foreign(result, rules) == _foreign(foreign, rules)


def _ours(result: Remote, of: Compiled) -> dict[Ref, Any]:
    found: dict[Ref, Any] = {}
    for policy in result.policies:
        if policy.name != "theirs":
            found[Ref(Kind.POLICY, policy.name)] = normal(Kind.POLICY, policy.committed or {})
    for rule in result.spend_rules:
        if Ref(Kind.SPEND_RULE, rule["id"]) in of.desired:
            found[Ref(Kind.SPEND_RULE, rule["id"])] = normal(Kind.SPEND_RULE, rule)
    for route in result.routes:
        if route.name != "theirs":
            body = {"name": route.name, "elements": list(route.elements or ())}
            found[Ref(Kind.ROUTE, route.name)] = normal(Kind.ROUTE, body)
    rate = Ref(Kind.RATE_LIMIT, "gateway")
    if rate in of.desired:
        fields = {k: v for k, v in result.gateway.items() if k.startswith("rate_limiting")}
        found[rate] = normal(Kind.RATE_LIMIT, fields)
    return found


def _foreign(there: Remote, rules: list[dict[str, Any]]) -> str:
    known = {rule["id"] for rule in rules}
    gateway = {
        name: value
        for name, value in there.gateway.items()
        if name != "spend_limits" and not name.startswith("rate_limiting")
    }
    return json.dumps(
        {
            "gateway": gateway,
            "rules": [rule for rule in there.spend_rules if rule["id"] in known],
            "policies": [p.committed for p in there.policies if p.name == "theirs"],
            "routes": [r.id for r in there.routes if r.name == "theirs"],
        },
        sort_keys=True,
    )
