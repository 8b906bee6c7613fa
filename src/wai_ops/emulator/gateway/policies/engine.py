"""What the policies of a gateway say to one request. Pure: time and spend come in.

The order in which policies were made does not matter:

1. A policy matches when its resource covers the request and its condition is true.
2. A matching block wins over everything.
3. The other matching policies are grouped by resolved actor and resource: one budget each.
4. A budget with a no-limit policy is not checked; of several caps for the same period, the
   highest counts.
5. The request must be below the limit in every budget.
6. Nothing matches: denied, as soon as there is any policy at all.

A policy that refers to a field which the request lacks does not apply, but for a block, which
then blocks. What cannot be evaluated otherwise, or when the spend cannot be read, is let through.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from wai_ops.emulator.gateway.labels import Labels
from wai_ops.emulator.gateway.policies.cel import (
    EvaluationError,
    MissingFieldError,
    identity_data,
)
from wai_ops.emulator.gateway.policies.periods import Period, period_key
from wai_ops.emulator.gateway.policies.policy import Block, Cap, NoLimit, Policy

Spent = Callable[[str, str], Decimal]
"""(bucket id, period key) -> dollars."""


class SpendUnreadableError(Exception):
    """What a `Spent` raises when it cannot say how much was spent; the request is let through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRequest:
    """What policies are evaluated against. `cf` is {user: {id, email, groups}, custom, country}."""

    labels: Labels
    cf: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The highest cap of one budget for one period, and the policy that set it."""

    policy: Policy
    amount_usd: Decimal
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One budget that the request draws on. Without `limits` nothing is checked."""

    id: str
    policies: tuple[Policy, ...]
    limits: tuple[Limit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Let through. `failure` says what could not be evaluated, when that is why."""

    buckets: tuple[Bucket, ...] = ()
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Refused by a block, or (`policy` is None) because no policy matched."""

    policy: Policy | None = None
    status: int = 403

    def body(self) -> dict[str, Any]:
        """The answer, whose `error` is an object."""
        return {"success": False, "error": {"message": "Access denied by policy"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class OverLimit:
    """Refused because one budget is used up."""

    bucket: Bucket
    limit: Limit
    spent_usd: Decimal
    buckets: tuple[Bucket, ...]
    status: int = 429

    def body(self) -> dict[str, Any]:
        """The answer, whose `error` is an object."""
        return {
            "success": False,
            "error": {
                "message": "Spending limit exceeded",
                "bucket": self.bucket.id,
                "spent": float(self.spent_usd),
                "limit": float(self.limit.amount_usd),
            },
        }


Decision = Allowed | Denied | OverLimit


def decide(
    policies: Sequence[Policy], *, request: PolicyRequest, spent: Spent, now: datetime
) -> Decision:
    """Allow, deny, or refuse for a spent budget."""
    if not policies:
        return Allowed()
    try:
        matched = match_policies(policies, request)
    except EvaluationError as error:
        return Allowed(failure=str(error))
    if isinstance(matched, Denied):
        return matched
    for bucket in matched:
        for limit in bucket.limits:
            try:
                amount = spent(bucket.id, period_key(limit.period, now))
            except SpendUnreadableError as error:
                return Allowed(failure=str(error), buckets=matched)
            if amount >= limit.amount_usd:
                return OverLimit(bucket=bucket, limit=limit, spent_usd=amount, buckets=matched)
    return Allowed(buckets=matched)


def match_policies(
    policies: Sequence[Policy], request: PolicyRequest
) -> tuple[Bucket, ...] | Denied:
    """The budgets that the request draws on, or its refusal. Raises EvaluationError."""
    identity = identity_data(request.cf, request.labels.metadata)
    blocking: Policy | None = None
    groups: dict[str, list[Policy]] = {}
    for policy in policies:
        actor = _matched_actor(policy, request.labels, identity)
        if actor is None:
            continue
        if isinstance(policy.action, Block):
            blocking = blocking or policy
        else:
            groups.setdefault(f"{actor}|{policy.resource.to_text()}", []).append(policy)
    if blocking is not None or not groups:
        return Denied(policy=blocking)
    return tuple(_bucket(bucket_id, members) for bucket_id, members in groups.items())


def _matched_actor(policy: Policy, labels: Labels, identity: Mapping[str, Any]) -> str | None:
    """The resolved actor of a policy that matches, else None. Raises EvaluationError."""
    action = policy.action
    is_covered = policy.resource.covers(labels.model_names, labels.provider)
    if is_covered == (isinstance(action, Block) and action.is_except):
        return None
    try:
        actor = policy.actor.resolve(identity)
        is_true = policy.condition.evaluate(identity)
    except MissingFieldError:
        return "" if isinstance(action, Block) else None
    if not isinstance(is_true, bool):
        raise EvaluationError(f"policy {policy.name!r}: the condition gives no boolean")
    return actor if is_true else None


def _bucket(bucket_id: str, policies: list[Policy]) -> Bucket:
    highest: dict[Period, Limit] = {}
    for policy in policies:
        if isinstance(policy.action, Cap):
            cap = policy.action
            known = highest.get(cap.period)
            if known is None or cap.amount_usd > known.amount_usd:
                highest[cap.period] = Limit(
                    policy=policy, amount_usd=cap.amount_usd, period=cap.period
                )
    is_free = any(isinstance(policy.action, NoLimit) for policy in policies)
    limits = () if is_free else tuple(highest[period] for period in Period if period in highest)
    return Bucket(id=bucket_id, policies=tuple(policies), limits=limits)
