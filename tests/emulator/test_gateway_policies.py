"""Policies: who may call what, and how much it may cost."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.emulator.gateway.labels import Labels
from wai_ops.emulator.gateway.policies.engine import (
    Allowed,
    Decision,
    Denied,
    OverLimit,
    PolicyRequest,
    SpendUnreadableError,
    decide,
)
from wai_ops.emulator.gateway.policies.periods import Period, period_key, period_start
from wai_ops.emulator.gateway.policies.policy import (
    Policy,
    PolicyError,
    Resource,
    parse_policy,
)
from wai_ops.emulator.gateway.policies.propagation import Propagation
from wai_ops.emulator.gateway.policies.spend import PolicySpend

NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)  # a Wednesday
ALICE = {"user": {"id": "u1", "email": "alice@example.com", "groups": ["eng", "research"]}}


def policy(**fields: Any) -> Policy:
    base = {
        "id": "p",
        "name": "P",
        "actor": "company:all",
        "resource": "*",
        "condition": "true",
        "action": {"type": "no-limit"},
    }
    return parse_policy(base | fields)


def cap(amount: float, period: str = "monthly") -> dict[str, Any]:
    return {"type": "limit", "amount": amount, "period": period, "technique": "named-interval"}


def request(
    model: str = "openai/gpt-5.5",
    provider: str = "openai",
    cf: dict[str, Any] | None = None,
    **metadata: Any,
) -> PolicyRequest:
    labels = Labels(provider=provider, model=model, metadata=metadata)
    return PolicyRequest(labels=labels, cf=ALICE if cf is None else cf)


def nothing_spent(_bucket: str, _period: str) -> Decimal:
    return Decimal(0)


def ask(
    *policies: Policy,
    of: PolicyRequest | None = None,
    spent: Callable[[str, str], Decimal] = nothing_spent,
) -> Decision:
    return decide(policies, request=of or request(), spent=spent, now=NOW)


BLOCK = {"type": "block"}


def test_without_policies_everything_is_allowed() -> None:
    assert ask() == Allowed()


def test_the_first_policy_denies_whatever_it_does_not_match() -> None:
    only = policy(resource={"provider": "anthropic"})
    decision = ask(only)
    assert decision == Denied()
    assert isinstance(decision, Denied)
    assert decision.status == 403
    assert decision.body() == {"success": False, "error": {"message": "Access denied by policy"}}
    assert isinstance(ask(only, of=request("claude-x", "anthropic")), Allowed)


def test_a_block_beats_every_other_policy_whatever_the_order() -> None:
    block = policy(name="stop", action=BLOCK, condition='"eng" in cf.user.groups')
    allow = policy()
    assert ask(allow, block) == ask(block, allow) == Denied(policy=block)


def test_an_except_block_refuses_all_but_its_resource_and_allows_nothing_by_itself() -> None:
    only = policy(
        resource={"model": ["openai/gpt-*-mini"]}, action={"type": "block", "except": True}
    )
    everything = policy()
    mini = request("openai/gpt-5.5-mini")
    assert ask(only, everything) == Denied(policy=only)
    assert isinstance(ask(only, everything, of=mini), Allowed)
    assert ask(only, of=mini) == Denied()


def test_an_except_block_whose_condition_is_false_blocks_nobody() -> None:
    only = policy(
        resource={"model": "x"},
        action={"type": "block", "except": True},
        condition='"interns" in cf.user.groups',
    )
    assert isinstance(ask(only, policy()), Allowed)


@pytest.mark.parametrize(
    ("pattern", "model", "is_covered"),
    [
        ("openai/gpt-*", "openai/gpt-5.5", True),
        ("openai/gpt-*", "openai/gpt-5.5-mini", True),
        ("openai/gpt-*", "openai/gpt-5/nested", False),
        ("*", "openai/gpt-5.5", True),  # by its bare name
        ("openai/*", "anthropic/claude", False),
        ("openai/gpt-5.5", "openai/gpt-5x5", False),
        ("openai/gpt-5.5", "openai/gpt-5.5-mini", False),
        ("*/gpt-5.5", "openai/gpt-5.5", True),
        ("openai/g*t-**5", "openai/gpt-5.5", True),
        ("OPENAI/gpt-5.5", "openai/gpt-5.5", False),
    ],
)
def test_a_star_in_a_model_does_not_cross_a_slash(
    pattern: str, model: str, is_covered: bool
) -> None:
    provider = model.partition("/")[0]
    names = Labels(provider=provider, model=model).model_names
    assert Resource(models=(pattern,)).covers(names, provider) == is_covered


@pytest.mark.parametrize(
    ("pattern", "is_covered"),
    [("@cf/meta/*", True), ("workers-ai/@cf/meta/*", True), ("@cf/*", False), ("*", False)],
)
def test_a_workers_ai_model_has_two_names(pattern: str, is_covered: bool) -> None:
    names = Labels(provider="workers-ai", model="@cf/meta/llama").model_names
    assert Resource(models=(pattern,)).covers(names, "workers-ai") == is_covered


def test_a_provider_has_no_wildcard() -> None:
    assert ask(policy(resource={"provider": "open*"})) == Denied()
    assert isinstance(ask(policy(resource={"provider": ["x", "openai"]})), Allowed)


def test_model_and_provider_must_both_fit() -> None:
    both = policy(resource={"model": "openai/gpt-*", "provider": "azure"})
    assert ask(both) == Denied()
    assert isinstance(ask(both, of=request("openai/gpt-5.5", "azure")), Allowed)


@given(st.text("ab*/.", max_size=12), st.text("ab/.", max_size=12))
def test_globs_agree_with_matching_by_hand(pattern: str, name: str) -> None:
    def fits(rest: str, text: str) -> bool:
        if not rest:
            return not text
        if rest[0] == "*":
            return fits(rest[1:], text) or (text != "" and text[0] != "/" and fits(rest, text[1:]))
        return text != "" and text[0] == rest[0] and fits(rest[1:], text[1:])

    assert Resource(models=(pattern,)).covers((name,), "p") == fits(pattern, name)


def test_an_actor_is_resolved_for_each_request() -> None:
    capped = policy(actor="user:{metadata.user}:{cf.user.email}", action=cap(10))
    decision = ask(capped, of=request(user=7))
    assert isinstance(decision, Allowed)
    assert decision.buckets[0].id == "user:7:alice@example.com|*"


@pytest.mark.parametrize("actor", ["u:{metadata.user}", "u:{cf.user.groups}", "{cf.custom.x}"])
def test_an_actor_that_cannot_be_resolved_makes_a_policy_not_apply(actor: str) -> None:
    assert ask(policy(actor=actor)) == Denied()
    assert isinstance(ask(policy(actor=actor), policy()), Allowed)


def test_a_block_that_refers_to_a_missing_field_blocks() -> None:
    by_condition = policy(action=BLOCK, condition='metadata.env == "test"')
    by_actor = policy(action=BLOCK, actor="u:{metadata.user}")
    assert ask(by_condition, policy()) == Denied(policy=by_condition)
    assert ask(by_actor, policy()) == Denied(policy=by_actor)
    elsewhere = policy(action=BLOCK, resource={"provider": "x"}, condition='metadata.env == "test"')
    assert isinstance(ask(elsewhere, policy()), Allowed)


def test_another_policy_that_refers_to_a_missing_field_does_not_apply() -> None:
    assert ask(policy(condition='metadata.env == "test"')) == Denied()
    assert ask(policy(condition='cf.user.email == "x"'), of=request(cf={})) == Denied()


def test_a_missing_field_that_decides_nothing_does_no_harm() -> None:
    assert isinstance(ask(policy(condition='metadata.env == "test" || true')), Allowed)
    assert isinstance(ask(policy(condition="!has(metadata.env)")), Allowed)


@pytest.mark.parametrize(
    "condition",
    ["metadata.n + 'x' == 'y'", "metadata.n", "1", "metadata.n.matches('(')", "1 / 0 == 1"],
)
def test_what_cannot_be_evaluated_lets_the_request_through(condition: str) -> None:
    broken = policy(condition=condition)
    decision = ask(broken, policy(action=BLOCK), of=request(n=1))
    assert isinstance(decision, Allowed)
    assert decision.failure


def test_a_condition_is_not_evaluated_where_the_resource_does_not_fit() -> None:
    broken = policy(condition="1 / 0 == 1", resource={"provider": "other"})
    assert ask(broken) == Denied()


def test_spend_that_cannot_be_read_lets_the_request_through() -> None:
    def unreadable(_bucket: str, _period: str) -> Decimal:
        raise SpendUnreadableError("counter store is away")

    decision = ask(policy(action=cap(1)), spent=unreadable)
    assert isinstance(decision, Allowed)
    assert decision.failure == "counter store is away"
    assert [bucket.id for bucket in decision.buckets] == ["company:all|*"]


def test_a_spent_budget_answers_429_with_its_figures() -> None:
    decision = ask(policy(action=cap(1000)), spent=lambda _b, _p: Decimal("1000.42"))
    assert isinstance(decision, OverLimit)
    assert decision.status == 429
    assert decision.body() == {
        "success": False,
        "error": {
            "message": "Spending limit exceeded",
            "bucket": "company:all|*",
            "spent": 1000.42,
            "limit": 1000.0,
        },
    }


def test_the_same_actor_and_resource_share_a_budget_and_the_highest_amount_wins() -> None:
    group = policy(name="group", actor="user:{cf.user.email}", action=cap(400))
    alice = policy(name="alice", actor="user:{cf.user.email}", action=cap(600))
    assert isinstance(ask(group, alice, spent=lambda _b, _p: Decimal("599.99")), Allowed)
    decision = ask(group, alice, spent=lambda _b, _p: Decimal(600))
    assert isinstance(decision, OverLimit)
    assert decision.limit.policy is alice
    assert len(decision.buckets) == 1


def test_the_order_of_names_in_a_resource_makes_no_other_budget() -> None:
    first = policy(resource={"model": ["openai/a", "openai/gpt-5.5"]}, action=cap(1))
    second = policy(resource={"model": ["openai/gpt-5.5", "openai/a"]}, action=cap(2))
    decision = ask(first, second)
    assert isinstance(decision, Allowed)
    assert len(decision.buckets) == 1


def test_a_request_must_pass_every_budget() -> None:
    company = policy(actor="company", action=cap(1000))
    team = policy(actor="team", action=cap(10))
    spent = {"company|*": Decimal(50), "team|*": Decimal(9)}
    assert isinstance(ask(company, team, spent=lambda b, _p: spent[b]), Allowed)
    spent["team|*"] = Decimal(10)
    decision = ask(company, team, spent=lambda b, _p: spent[b])
    assert isinstance(decision, OverLimit)
    assert decision.bucket.id == "team|*"


def test_a_no_limit_policy_frees_its_own_budget_alone() -> None:
    free, capped = policy(), policy(action=cap(1))
    other = policy(actor="other", action=cap(1))
    assert isinstance(ask(free, capped, spent=lambda _b, _p: Decimal(5)), Allowed)
    decision = ask(free, capped, other, spent=lambda _b, _p: Decimal(5))
    assert isinstance(decision, OverLimit)
    assert decision.bucket.id == "other|*"


def test_caps_of_different_periods_hold_side_by_side() -> None:
    hourly, monthly = policy(action=cap(1, "hourly")), policy(action=cap(100))
    asked: list[str] = []

    def spent(_bucket: str, period: str) -> Decimal:
        asked.append(period)
        return Decimal(5) if period.startswith("hourly") else Decimal(50)

    decision = ask(monthly, hourly, spent=spent)
    assert isinstance(decision, OverLimit)
    assert decision.limit.period is Period.HOURLY
    assert asked == ["hourly/2026-11-25T10:00:00Z"]


@pytest.mark.parametrize(
    ("at", "period", "start"),
    [
        ("2026-11-25T10:59:59.999999Z", "hourly", "2026-11-25T10:00:00Z"),
        ("2026-11-25T00:00:00Z", "daily", "2026-11-25T00:00:00Z"),
        ("2026-11-22T23:59:59Z", "weekly", "2026-11-16T00:00:00Z"),  # a Sunday
        ("2026-11-23T00:00:00Z", "weekly", "2026-11-23T00:00:00Z"),  # a Monday
        ("2027-01-02T12:00:00Z", "weekly", "2026-12-28T00:00:00Z"),
        ("2028-02-29T23:59:59Z", "monthly", "2028-02-01T00:00:00Z"),
        ("2026-11-01T01:00:00+02:00", "monthly", "2026-10-01T00:00:00Z"),  # UTC decides
    ],
)
def test_calendar_windows_begin_in_utc(at: str, period: str, start: str) -> None:
    moment = datetime.fromisoformat(at)
    assert period_start(Period(period), moment) == datetime.fromisoformat(start)
    assert period_key(Period(period), moment) == f"{period}/{start}"


@given(
    st.integers(0, 15 * 365 * 86_400 * 1000),
    st.sampled_from(Period),
)
def test_a_period_starts_once_and_holds_its_moment(milliseconds: int, period: Period) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    start = period_start(period, at)
    assert start <= at
    assert period_start(period, start) == start
    before = period_start(period, start - timedelta(microseconds=1))
    assert before < start
    lengths = {"hourly": 1 / 24, "daily": 1, "weekly": 7}
    if period in lengths:
        assert start - before == timedelta(days=lengths[period])
    else:
        assert start.day == before.day == 1


def test_spend_is_counted_in_every_budget_and_period_of_the_request() -> None:
    team = policy(actor="team", action=cap(100, "daily"))
    company = policy(actor="company", action=cap(100))
    decision = ask(team, company)
    assert isinstance(decision, Allowed)
    spend = PolicySpend()
    spend.settle(decision.buckets, Decimal("1.5"), NOW)
    spend.settle(decision.buckets, Decimal("2.5"), NOW)
    for bucket in ("team|*", "company|*"):
        for period in Period:
            assert spend.spent(bucket, period_key(period, NOW), NOW) == 4
    assert spend.spent("other|*", period_key(Period.DAILY, NOW), NOW) == 0


def test_a_new_period_starts_from_zero_and_ended_ones_are_forgotten() -> None:
    decision = ask(policy(action=cap(1)))
    assert isinstance(decision, Allowed)
    spend, later = PolicySpend(), NOW + timedelta(hours=1)
    spend.settle(decision.buckets, Decimal(1), NOW)
    assert spend.spent("company:all|*", period_key(Period.HOURLY, later), later) == 0
    spend.settle(decision.buckets, Decimal(1), later)
    assert spend.spent("company:all|*", period_key(Period.DAILY, later), later) == 2
    assert len(spend.snapshot()) == 4  # one a period: the hour that ended is gone


def test_policy_spend_is_seen_late_survives_a_restart_and_skips_unpriced_calls() -> None:
    decision = ask(policy(action=cap(1)))
    assert isinstance(decision, Allowed)
    spend, key = PolicySpend(), period_key(Period.DAILY, NOW)
    spend.settle(decision.buckets, None, NOW)
    assert spend.snapshot() == []
    spend.settle(decision.buckets, Decimal("0.3"), NOW, delay_s=5)
    assert spend.spent("company:all|*", key, NOW + timedelta(seconds=4)) == 0
    restored = PolicySpend()
    restored.restore(spend.snapshot())
    assert restored.spent("company:all|*", key, NOW) == Decimal("0.3")
    assert spend.spent("company:all|*", key, NOW + timedelta(seconds=5)) == Decimal("0.3")


def test_a_committed_policy_is_seen_after_its_delay() -> None:
    old, new = policy(name="old"), policy(name="new")
    seen = Propagation((old,))
    seen.commit((old, new), NOW, delay_s=900)
    assert seen.seen(NOW + timedelta(seconds=899)) == (old,)
    assert seen.seen(NOW + timedelta(seconds=900)) == (old, new)
    seen.commit((), NOW + timedelta(seconds=1000))
    assert seen.seen(NOW + timedelta(seconds=1000)) == ()


def test_a_quicker_change_takes_the_place_of_a_slower_one() -> None:
    old, new = policy(name="old"), policy(name="new")
    seen: Propagation[Policy] = Propagation()
    seen.commit((old,), NOW, delay_s=900)
    seen.commit((new,), NOW + timedelta(seconds=1))
    assert seen.seen(NOW + timedelta(seconds=2)) == (new,)
    assert seen.seen(NOW + timedelta(seconds=2000)) == (new,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "name must be text"),
        ({"actor": None}, "actor must be text"),
        ({"actor": "u:{cf.user.id"}, "brace without its partner"),
        ({"actor": "u:}"}, "brace without its partner"),
        ({"actor": "u:{}"}, "actor 'u:{}'"),
        ({"actor": "u:{cf.user.}"}, "actor 'u:{cf.user.}'"),
        ({"actor": "u:{tenant}"}, "undeclared reference"),
        ({"condition": "cf.user.id =="}, "condition: "),
        ({"condition": "tenant == 'x'"}, "undeclared reference"),
        ({"condition": "("}, "condition: "),
        ({"condition": "(" * 20_000 + ")" * 20_000}, "condition: "),
        ({"condition": "metadata" + ".a" * 30_000}, "condition: "),
        ({"condition": "\ud800"}, "condition: "),
        ({"resource": None}, "resource must be"),
        ({"resource": "openai"}, "resource must be"),
        ({"resource": {}}, "resource must be"),
        ({"resource": {"models": "x"}}, "resource must be"),
        ({"resource": {"model": []}}, "resource.model must be text or a list"),
        ({"resource": {"provider": [1]}}, "resource.provider must be text or a list"),
        ({"action": None}, "action must be an object"),
        ({"action": {"type": "allow"}}, "action.type must be"),
        ({"action": {"type": "block", "except": 1}}, "action.except must be"),
        ({"action": cap(0)}, "action.amount must be more than 0"),
        ({"action": cap(math.inf)}, "action.amount must be more than 0"),
        ({"action": cap(1, "yearly")}, "action.period must be one of"),
        ({"action": cap(1) | {"technique": "sliding"}}, "action.technique must be"),
        ({"action": {"type": "limit", "amount": "1", "period": "daily"}}, "must be a number"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy(**change)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("condition", "metadata"),
    [
        ('metadata.tenant == "acme"', {"tenant": "acme"}),
        ("metadata.n > 2 && metadata.n < 4.5", {"n": 3}),
        ("metadata.n == 3", {"n": 3.0}),
        ("metadata.big > 1.0", {"big": 10**40}),
        ("metadata.big < 1.0", {"big": -(10**400)}),
        ("metadata.on", {"on": True}),
        ('metadata["a-b"].matches("^x+$")', {"a-b": "xxx"}),
        ('metadata.odd.startsWith("?")', {"odd": "\ud800"}),
        ('"eng" in cf.user.groups && cf.user.email.endsWith("@example.com")', {}),
        ('cf.user.groups.exists(g, g == "research")', {}),
    ],
)
def test_conditions_see_identity_and_metadata(condition: str, metadata: dict[str, Any]) -> None:
    decision = ask(policy(condition=condition), of=request(**metadata))
    assert decision == Allowed(buckets=decision.buckets if isinstance(decision, Allowed) else ())


def test_a_pattern_made_to_run_forever_does_not() -> None:
    evil = policy(condition='metadata.text.matches("^(a+)+$")')
    assert ask(evil, of=request(text="a" * 5000 + "!")) == Denied()


def test_a_loop_made_to_run_forever_is_given_up_and_lets_the_request_through() -> None:
    names = "abcdefgh"
    loop = "".join(f"[1,2,3,4,5,6,7,8,9,10].all({name}, " for name in names)
    decision = ask(policy(condition=loop + "true" + ")" * len(names)))
    assert isinstance(decision, Allowed)
    assert decision.failure


actions = st.sampled_from([{"type": "no-limit"}, cap(5), cap(10, "daily"), cap(10)])
plain_policies = st.builds(
    policy,
    actor=st.sampled_from(["a", "b", "{metadata.tenant}", "{metadata.missing}"]),
    resource=st.sampled_from(
        ["*", {"provider": "openai"}, {"model": "openai/gpt-*"}, {"model": "x/*"}]
    ),
    condition=st.sampled_from(["true", "false", 'metadata.tenant == "t1"', "metadata.missing"]),
    action=actions,
)
blocks = st.builds(
    policy,
    resource=st.sampled_from(["*", {"provider": "other"}, {"model": "openai/gpt-*"}]),
    condition=st.sampled_from(["true", "false", "metadata.missing"]),
    action=st.sampled_from([BLOCK, {"type": "block", "except": True}]),
)
tenants = st.sampled_from(["t1", "t2"])
amounts = st.integers(0, 12).map(Decimal)


def outcome(decision: Decision) -> str:
    return type(decision).__name__


@given(st.lists(plain_policies, max_size=6), tenants, amounts, st.randoms())
def test_the_order_of_policies_makes_no_difference(
    policies: list[Policy], tenant: str, spent: Decimal, rng: Any
) -> None:
    shuffled = rng.sample(policies, len(policies))
    of = request(tenant=tenant)
    decided = [ask(*each, of=of, spent=lambda _b, _p: spent) for each in (policies, shuffled)]
    assert outcome(decided[0]) == outcome(decided[1])


@given(st.lists(plain_policies, max_size=5), st.lists(blocks, min_size=1, max_size=3), tenants)
def test_blocks_only_ever_take_away(
    policies: list[Policy], more: list[Policy], tenant: str
) -> None:
    of = request(tenant=tenant)
    without, with_blocks = ask(*policies, of=of), ask(*policies, *more, of=of)
    if isinstance(with_blocks, Allowed):
        assert isinstance(without, Allowed)
    if not policies:
        assert isinstance(with_blocks, Denied)


@given(st.lists(plain_policies, min_size=1, max_size=6), tenants, amounts, amounts)
def test_more_spend_never_allows_more(
    policies: list[Policy], tenant: str, first: Decimal, second: Decimal
) -> None:
    low, high = sorted((first, second))
    of = request(tenant=tenant)
    if isinstance(ask(*policies, of=of, spent=lambda _b, _p: high), Allowed):
        assert isinstance(ask(*policies, of=of, spent=lambda _b, _p: low), Allowed)


CONDITIONS = {"true": True, "false": False, "metadata.missing": None}
RESOURCES = {'"*"': True, '{"provider": "openai"}': True, '{"model": "x/*"}': False}
ACTORS = {"a": "a", "b": "b", "{metadata.tenant}": "t1", "{metadata.missing}": None}
ACTIONS = {
    "free": {"type": "no-limit"},
    "block": BLOCK,
    "except": {"type": "block", "except": True},
    "five": cap(5),
    "ten": cap(10),
    "ten a day": cap(10, "daily"),
}
specs = st.lists(
    st.tuples(
        st.sampled_from(list(CONDITIONS)),
        st.sampled_from(list(RESOURCES)),
        st.sampled_from(list(ACTORS)),
        st.sampled_from([*ACTIONS, "free", "five", "ten", "ten a day"]),
    ),
    min_size=1,
    max_size=6,
)


def expected(chosen: list[tuple[str, str, str, str]], spent: int) -> str:
    """The rules once more, from the tables above and without any of the engine's code."""
    budgets: dict[tuple[str, str], list[str]] = {}
    for condition, resource, actor, action in chosen:
        is_missing = CONDITIONS[condition] is None or ACTORS[actor] is None
        if action in {"block", "except"}:
            is_meant = RESOURCES[resource] == (action == "block")
            if is_meant and (is_missing or CONDITIONS[condition]):
                return "Denied"
        elif RESOURCES[resource] and CONDITIONS[condition] and not is_missing:
            budgets.setdefault((str(ACTORS[actor]), resource), []).append(action)
    for actions in budgets.values():
        monthly = max(({"five": 5, "ten": 10}.get(action, 0) for action in actions), default=0)
        is_over = (monthly and spent >= monthly) or ("ten a day" in actions and spent >= 10)
        if is_over and "free" not in actions:
            return "OverLimit"
    return "Allowed" if budgets else "Denied"


@given(specs, st.integers(0, 12))
def test_the_engine_agrees_with_the_rules_written_down_a_second_time(
    chosen: list[tuple[str, str, str, str]], spent: int
) -> None:
    policies = [
        policy(
            condition=condition,
            resource=json.loads(resource),
            actor=actor,
            action=ACTIONS[action],
        )
        for condition, resource, actor, action in chosen
    ]
    decision = ask(*policies, of=request(tenant="t1"), spent=lambda _b, _p: Decimal(spent))
    assert outcome(decision) == expected(chosen, spent)
