"""`policies/simulate`: the answer of policies to a request that nobody sends."""

from datetime import UTC, datetime
from typing import Any

import pytest

from wai_ops.emulator.gateway.policies.policy import Policy, PolicyError, parse_policy
from wai_ops.emulator.gateway.policies.simulate import simulate

NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
CAP = {"type": "limit", "amount": 1000, "period": "monthly", "technique": "named-interval"}
BODY = {
    "identity": {"cf": {"user": {"id": "u", "email": "a@example.com", "groups": ["eng"]}}},
    "model": "openai/gpt-5.5",
    "provider": "openai",
}


def policy(name: str, action: dict[str, Any], **fields: Any) -> Policy:
    base = {"id": name, "name": name, "actor": "all", "resource": "*", "condition": "true"}
    return parse_policy(base | {"action": action} | fields)


def test_a_used_up_budget_is_reported_with_its_figures() -> None:
    body = BODY | {"bucketUsage": {"Everyone": {"spent": 1000}}}
    result = simulate([policy("Everyone", CAP)], body, now=NOW)
    assert result == {
        "evaluation": {
            "decision": "check_limits",
            "buckets": [
                {
                    "bucket": "all|*",
                    "limits": [{"policyName": "Everyone", "limit": 1000.0, "period": "monthly"}],
                }
            ],
        },
        "enforcement": {
            "allowed": False,
            "reason": "limit_exceeded",
            "bucket": "all|*",
            "spent": 1000.0,
            "limit": 1000.0,
            "policyName": "Everyone",
        },
        "policiesEvaluated": 1,
    }


def test_usage_belongs_to_the_budget_that_the_named_policy_draws_on() -> None:
    policies = [policy("low", CAP | {"amount": 5}), policy("high", CAP | {"amount": 10})]
    at_nine = simulate(policies, BODY | {"bucketUsage": {"low": {"spent": 9}}}, now=NOW)
    assert at_nine["enforcement"] == {"allowed": True}
    at_ten = simulate(policies, BODY | {"bucketUsage": {"low": {"spent": 10}}}, now=NOW)
    assert at_ten["enforcement"]["policyName"] == "high"


def test_a_block_is_reported_by_its_name_and_a_default_deny_without() -> None:
    block = policy("stop", {"type": "block"}, condition='"eng" in cf.user.groups')
    blocked = simulate([block, policy("Everyone", CAP)], BODY, now=NOW)
    assert blocked["evaluation"] == {"decision": "block", "buckets": []}
    assert blocked["enforcement"] == {"allowed": False, "reason": "blocked", "policyName": "stop"}
    assert blocked["policiesEvaluated"] == 2
    denied = simulate([policy("other", CAP, resource={"provider": "x"})], BODY, now=NOW)
    assert denied["enforcement"] == {"allowed": False, "reason": "blocked"}


def test_without_caps_nothing_is_checked() -> None:
    for policies in ([], [policy("free", {"type": "no-limit"})]):
        result = simulate(policies, BODY, now=NOW)
        assert result["evaluation"] == {"decision": "no-limit", "buckets": []}
        assert result["enforcement"] == {"allowed": True}


def test_metadata_is_a_part_of_the_identity() -> None:
    mine = policy("mine", CAP, actor="t:{metadata.tenant}", condition='metadata.env == "prod"')
    body = BODY | {"identity": {"metadata": {"tenant": "acme", "env": "prod"}}}
    assert simulate([mine], body, now=NOW)["evaluation"]["buckets"][0]["bucket"] == "t:acme|*"
    assert simulate([mine], BODY, now=NOW)["evaluation"]["decision"] == "block"


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"model": "m"},
        BODY | {"identity": "alice"},
        BODY | {"identity": {"cf": []}},
        BODY | {"bucketUsage": [1]},
        BODY | {"bucketUsage": {"x": 5}},
        BODY | {"bucketUsage": {"x": {"spent": "much"}}},
        BODY | {"bucketUsage": {"x": {"spent": float("nan")}}},
    ],
)
def test_a_body_that_does_not_fit_is_refused(body: Any) -> None:
    with pytest.raises(PolicyError):
        simulate([], body, now=NOW)
