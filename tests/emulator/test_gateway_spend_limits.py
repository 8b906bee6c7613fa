"""Spend limits: what is known of the real ones, rule by rule."""

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.emulator.gateway.labels import Labels
from wai_ops.emulator.gateway.spend.limits import SpendLimits
from wai_ops.emulator.gateway.spend.rules import SpendRule, SpendRuleError, parse_spend_limits

NOW = datetime(2026, 11, 23, 10, 0, 30, tzinfo=UTC)
MODEL = "@cf/meta/llama-3.2-3b-instruct"


def rules_of(*rules: dict[str, Any]) -> tuple[SpendRule, ...]:
    base = {"id": "r", "limit": 1, "limitType": "cost", "window": 60, "technique": "fixed"}
    return parse_spend_limits({"enabled": True, "rules": [base | rule for rule in rules]})


def labels(provider: str = "workers-ai", model: str = MODEL, **metadata: Any) -> Labels:
    return Labels(provider=provider, model=model, metadata=metadata)


def test_the_call_that_overspends_completes_and_the_next_one_is_refused() -> None:
    limits, rules = SpendLimits(), rules_of({})
    limits.settle(rules, labels(), Decimal("0.99"), NOW)
    assert limits.check(rules, labels(), NOW) is None
    limits.settle(rules, labels(), Decimal(5), NOW)
    refusal = limits.check(rules, labels(), NOW)
    assert refusal is not None
    assert refusal.spent_usd == Decimal("5.99")


def test_spend_that_equals_the_limit_is_used_up() -> None:
    limits, rules = SpendLimits(), rules_of({})
    limits.settle(rules, labels(), Decimal(1), NOW)
    assert limits.check(rules, labels(), NOW) is not None


@pytest.mark.parametrize(("code", "sent"), [(2045, {}), (2041, {"code": 2041})])
def test_a_refusal_has_the_observed_body(code: int, sent: dict[str, int]) -> None:
    limits = SpendLimits()
    rules = rules_of({"id": "per-user", "limit": 0.002, "window": 3600})
    limits.settle(rules, labels(), Decimal(1), NOW)
    refusal = limits.check(rules, labels(), NOW)
    assert refusal is not None
    error = refusal.to_error(**sent)
    message = (
        "Spend limit exceeded: rule 'per-user' (cost limit 0.002 per 3600s, fixed) "
        "for internal-workers-ai @cf/meta/llama-3.2-3b-instruct"
    )
    assert error.status == 429
    body = error.body()
    assert body["error"] == [{"code": code, "message": message}]
    assert (body["internalCode"], body["httpCode"], body["name"]) == (code, 429, "AiGatewayError")
    assert "retry-after" not in error.headers


@pytest.mark.parametrize(("limit", "shown"), [(100, "100"), (100.0, "100"), (1e-7, "0.0000001")])
def test_the_message_shows_the_limit_without_trailing_zeros(limit: float, shown: str) -> None:
    limits, rules = SpendLimits(), rules_of({"limit": limit})
    limits.settle(rules, labels("openai", "gpt-5.5"), Decimal(500), NOW)
    refusal = limits.check(rules, labels("openai", "gpt-5.5"), NOW)
    assert refusal is not None
    assert refusal.message.endswith(f"(cost limit {shown} per 60s, fixed) for openai gpt-5.5")


def test_a_partition_gives_every_value_its_own_budget() -> None:
    limits, rules = SpendLimits(), rules_of({"metadata": {"user": {"mode": "partition"}}})
    limits.settle(rules, labels(user="ann"), Decimal(2), NOW)
    assert limits.check(rules, labels(user="ann"), NOW) is not None
    assert limits.check(rules, labels(user="bob"), NOW) is None


def test_a_request_without_the_partition_key_is_neither_limited_nor_counted() -> None:
    limits, rules = SpendLimits(), rules_of({"metadata": {"user": {"mode": "partition"}}})
    for _ in range(5):
        limits.settle(rules, labels(team="x"), Decimal(2), NOW)
        assert limits.check(rules, labels(team="x"), NOW) is None
    assert limits.snapshot() == []


def test_two_partitions_make_a_budget_of_each_pair_that_no_other_pair_can_spell() -> None:
    rule = {"metadata": {"a": {"mode": "partition"}, "b": {"mode": "partition"}}}
    limits, rules = SpendLimits(), rules_of(rule)
    limits.settle(rules, labels(a="x|y", b="z"), Decimal(2), NOW)
    assert limits.check(rules, labels(b="z", a="x|y"), NOW) is not None
    assert limits.check(rules, labels(a="x", b="y|z"), NOW) is None


@pytest.mark.parametrize(
    ("value", "text"), [(7, "7"), (7.0, "7"), (True, "true"), (0.5, "0.5"), ("7", "7")]
)
def test_a_filter_compares_metadata_as_text(value: Any, text: str) -> None:
    limits = SpendLimits()
    rules = rules_of({"metadata": {"tier": {"mode": "filter", "values": [text]}}})
    limits.settle(rules, labels(tier=value), Decimal(2), NOW)
    assert limits.check(rules, labels(tier=value), NOW) is not None
    assert limits.check(rules, labels(tier="other"), NOW) is None
    assert limits.check(rules, labels(), NOW) is None


@pytest.mark.parametrize("name", [MODEL, f"workers-ai/{MODEL}"])
def test_a_model_filter_knows_the_model_by_both_of_its_names(name: str) -> None:
    rules = rules_of({"model": {"mode": "filter", "values": [name]}})
    assert rules[0].bucket(labels()) is not None
    assert rules[0].bucket(labels(model="@cf/other/model")) is None


def test_a_provider_filter_leaves_other_providers_alone() -> None:
    rules = rules_of({"provider": {"mode": "filter", "values": ["openai"]}})
    assert rules[0].bucket(labels()) is None
    assert rules[0].bucket(labels("openai", "gpt-5.5")) is not None


def test_any_rule_over_its_budget_refuses_and_names_itself() -> None:
    limits = SpendLimits()
    rules = rules_of({"id": "wide", "limit": 100}, {"id": "narrow", "limit": 1})
    limits.settle(rules, labels(), Decimal(2), NOW)
    refusal = limits.check(rules, labels(), NOW)
    assert refusal is not None
    assert refusal.rule.id == "narrow"


def test_a_fixed_minute_ends_with_the_minute_of_the_clock() -> None:
    limits, rules = SpendLimits(), rules_of({})
    limits.settle(rules, labels(), Decimal(2), NOW)
    assert limits.check(rules, labels(), NOW + timedelta(seconds=29.999)) is not None
    assert limits.check(rules, labels(), NOW + timedelta(seconds=30)) is None


def test_a_cost_belongs_to_the_minute_in_which_the_call_finished() -> None:
    """A call that began in the minute before does not count against that one."""
    limits, rules = SpendLimits(), rules_of({})
    finished = NOW + timedelta(seconds=45)
    limits.settle(rules, labels(), Decimal(2), finished)
    assert limits.check(rules, labels(), finished) is not None


def test_a_settle_delay_lets_a_burst_overshoot() -> None:
    limits, rules = SpendLimits(), rules_of({})
    limits.settle(rules, labels(), Decimal(2), NOW, delay_s=1.5)
    assert limits.check(rules, labels(), NOW + timedelta(seconds=1.4)) is None
    assert limits.check(rules, labels(), NOW + timedelta(seconds=1.5)) is not None


def test_an_unpriced_or_free_call_counts_nothing() -> None:
    limits, rules = SpendLimits(), rules_of({})
    limits.settle(rules, labels(), None, NOW)
    limits.settle(rules, labels(), Decimal(0), NOW)
    assert limits.snapshot() == []


def test_counters_survive_a_new_put_of_the_rule_and_of_its_limit() -> None:
    limits, rules = SpendLimits(), rules_of({"limit": 1})
    limits.settle(rules, labels(), Decimal(2), NOW)
    assert limits.check(rules_of({"limit": 1}), labels(), NOW) is not None
    assert limits.check(rules_of({"limit": 3}), labels(), NOW) is None
    assert limits.check(rules_of({"limit": 2, "technique": "sliding"}), labels(), NOW) is not None
    assert limits.check(rules_of({"id": "new"}), labels(), NOW) is None


def test_a_rule_without_an_id_keeps_its_counters_when_it_is_sent_again() -> None:
    rule = {"limit": 1, "limitType": "cost", "window": 60}
    first, second = (parse_spend_limits({"enabled": True, "rules": [dict(rule)]}) for _ in range(2))
    limits = SpendLimits()
    limits.settle(first, labels(), Decimal(2), NOW)
    assert limits.check(second, labels(), NOW) is not None


def test_counters_survive_a_restart_as_json() -> None:
    before, after, rules = SpendLimits(), SpendLimits(), rules_of({"technique": "sliding"})
    before.settle(rules, labels(), Decimal("1.25"), NOW)
    after.restore(json.loads(json.dumps(before.snapshot())))
    assert after.spent(rules[0], labels(), NOW) == Decimal("1.25")
    assert after.check(rules, labels(), NOW) is not None


def test_a_share_of_settlements_is_lost_by_the_seed() -> None:
    limits, rules = SpendLimits(), rules_of({"limit": 1_000_000})
    rng = random.Random(7)
    for _ in range(1000):
        limits.settle(rules, labels(), Decimal(1), NOW, lost_ratio=0.1, rng=rng)
    expected = random.Random(7)
    assert limits.spent(rules[0], labels(), NOW) == sum(
        expected.random() >= 0.1 for _ in range(1000)
    )


def test_a_disabled_rule_and_disabled_limits_do_nothing() -> None:
    assert rules_of({"enabled": False})[0].bucket(labels()) is None
    body = {"enabled": False, "rules": [{"limit": 1, "limitType": "cost", "window": 60}]}
    assert parse_spend_limits(body) == ()
    assert parse_spend_limits(None) == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limit": 0}, "limit must be more than 0"),
        ({"limit": "5"}, "limit must be a number"),
        ({"limit": True}, "limit must be a number"),
        ({"limit": float("nan")}, "limit must be more than 0"),
        ({"limit": None}, "limit must be a number"),
        ({"window": 1.5}, "window must be whole seconds"),
        ({"window": 10**12}, "window must be whole seconds"),
        ({"limitType": "count"}, 'limitType must be "cost"'),
        ({"technique": ["fixed"]}, "technique must be"),
        ({"enabled": "yes"}, "enabled must be true or false"),
        ({"id": ""}, "id must be text"),
        ({"metadata": {"u": {"mode": "split"}}}, 'metadata.u.mode must be "partition" or "filter"'),
        ({"metadata": {"u": {"mode": "filter"}}}, "metadata.u.values must be a list of text"),
        ({"metadata": ["u"]}, "metadata must be an object"),
        ({"model": {"mode": "partition"}}, 'model.mode must be "filter"'),
        ({"provider": {"mode": "filter", "values": [1]}}, "provider.values must be"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused_with_its_place(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpendRuleError) as caught:
        rules_of({}, {"id": "second"} | change)
    assert str(caught.value).startswith("spend_limits.rules[1]")
    assert message in str(caught.value)


def test_at_most_twenty_rules_and_no_id_twice() -> None:
    assert len(rules_of(*({"id": f"r{i}"} for i in range(20)))) == 20
    with pytest.raises(SpendRuleError, match="at most 20 rules, not 21"):
        rules_of(*({"id": f"r{i}"} for i in range(21)))
    with pytest.raises(SpendRuleError, match="same id"):
        rules_of({}, {})


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["enabled", "rules", "limit", "metadata", "mode", "model", "window"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(junk)
def test_junk_is_refused_or_read_and_never_breaks_the_reader(value: Any) -> None:
    try:
        rules = parse_spend_limits(value)
    except SpendRuleError:
        rules = ()
    assert all(rule.window_s > 0 and rule.limit_usd > 0 for rule in rules)


users = st.sampled_from(["ann", "bob", None])
calls = st.lists(st.tuples(users, st.integers(1, 40), st.integers(0, 45)), min_size=1, max_size=40)


@given(calls)
def test_no_budget_passes_its_limit_by_more_than_its_last_call(
    sequence: list[tuple[str | None, int, int]],
) -> None:
    """One call after the other, without delay: a window holds less than limit + one call."""
    limits = SpendLimits()
    rules = rules_of({"limit": 0.5, "metadata": {"user": {"mode": "partition"}}})
    now = NOW
    spent: dict[tuple[str, datetime], Decimal] = {}
    for user, cents, seconds in sequence:
        now += timedelta(seconds=seconds)
        who = labels() if user is None else labels(user=user)
        cost = Decimal(cents) / 100
        key = (user or "", now.replace(second=0))
        refusal = limits.check(rules, who, now)
        if user is None:
            assert refusal is None
            continue
        assert (refusal is not None) == (spent.get(key, Decimal(0)) >= Decimal("0.5"))
        if refusal is None:
            limits.settle(rules, who, cost, now)
            spent[key] = spent.get(key, Decimal(0)) + cost
    assert all(total < Decimal("0.5") + Decimal("0.4") for total in spent.values())
