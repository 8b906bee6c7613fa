"""`POST .../policies/simulate`: what live policies and drafts would say to a request."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from wai_ops.emulator.gateway.labels import Labels
from wai_ops.emulator.gateway.policies.cel import EvaluationError
from wai_ops.emulator.gateway.policies.engine import (
    Allowed,
    Bucket,
    Decision,
    Denied,
    OverLimit,
    PolicyRequest,
    decide,
    match_policies,
)
from wai_ops.emulator.gateway.policies.policy import Policy, PolicyError


def simulate(policies: Sequence[Policy], body: Any, *, now: datetime) -> dict[str, Any]:
    """The `result` of the call. Raises PolicyError when the body does not fit.

    Spend that was really recorded plays no part: only what `bucketUsage` says, by policy name.
    """
    request, usage = _parse(body)
    by_bucket = _usage_by_bucket(policies, request, usage)
    decision = decide(
        policies,
        request=request,
        spent=lambda bucket_id, _period: by_bucket.get(bucket_id, Decimal(0)),
        now=now,
    )
    return {
        "evaluation": _evaluation(decision),
        "enforcement": _enforcement(decision),
        "policiesEvaluated": len(policies),
    }


def _parse(body: Any) -> tuple[PolicyRequest, dict[str, Decimal]]:
    if not isinstance(body, Mapping):
        raise PolicyError("the body must be an object")
    model, provider = body.get("model"), body.get("provider")
    if not isinstance(model, str) or not isinstance(provider, str):
        raise PolicyError("model and provider must be text")
    identity = body.get("identity", {})
    if not isinstance(identity, Mapping):
        raise PolicyError("identity must be an object")
    cf, metadata = identity.get("cf", {}), identity.get("metadata", {})
    if not isinstance(cf, Mapping) or not isinstance(metadata, Mapping):
        raise PolicyError("identity.cf and identity.metadata must be objects")
    labels = Labels(provider=provider, model=model, metadata=metadata)
    return PolicyRequest(labels=labels, cf=cf), _parse_usage(body.get("bucketUsage") or {})


def _parse_usage(value: Any) -> dict[str, Decimal]:
    usage: dict[str, Decimal] = {}
    if not isinstance(value, Mapping):
        raise PolicyError("bucketUsage must be an object")
    for name, entry in value.items():
        try:
            usage[name] = Decimal(str(entry["spent"]))
        except (TypeError, KeyError, InvalidOperation):
            raise PolicyError(f"bucketUsage.{name}.spent must be a number") from None
        if not usage[name].is_finite():
            raise PolicyError(f"bucketUsage.{name}.spent must be a number")
    return usage


def _usage_by_bucket(
    policies: Sequence[Policy], request: PolicyRequest, usage: Mapping[str, Decimal]
) -> dict[str, Decimal]:
    """Usage is named by policy and belongs to the budget; the highest figure counts."""
    try:
        matched = match_policies(policies, request)
    except EvaluationError:
        return {}  # `decide` meets the same error and lets the request through
    if isinstance(matched, Denied):
        return {}
    return {
        bucket.id: max(usage.get(policy.name, Decimal(0)) for policy in bucket.policies)
        for bucket in matched
    }


def _evaluation(decision: Decision) -> dict[str, Any]:
    if isinstance(decision, Denied):
        return {"decision": "block", "buckets": []}
    limited = [bucket for bucket in decision.buckets if bucket.limits]
    return {
        "decision": "check_limits" if limited else "no-limit",
        "buckets": [_bucket_json(bucket) for bucket in limited],
    }


def _bucket_json(bucket: Bucket) -> dict[str, Any]:
    """The provider's page shows no element of this list; the names are ours."""
    return {
        "bucket": bucket.id,
        "limits": [
            {
                "policyName": limit.policy.name,
                "limit": float(limit.amount_usd),
                "period": limit.period.value,
            }
            for limit in bucket.limits
        ],
    }


def _enforcement(decision: Decision) -> dict[str, Any]:
    match decision:
        case Allowed():
            return {"allowed": True}
        case Denied(policy=policy):
            named = {} if policy is None else {"policyName": policy.name}
            return {"allowed": False, "reason": "blocked", **named}
        case OverLimit(bucket=bucket, limit=limit, spent_usd=spent):
            return {
                "allowed": False,
                "reason": "limit_exceeded",
                "bucket": bucket.id,
                "spent": float(spent),
                "limit": float(limit.amount_usd),
                "policyName": limit.policy.name,
            }
