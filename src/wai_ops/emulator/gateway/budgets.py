"""What the gateways have let through and what that cost: spend limits, policies, rates of routes.

A request is checked before each provider is asked, and counted when an attempt has ended.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from wai_ops.emulator.gateway.dynamic_routes.rates import RateKey, RouteRates
from wai_ops.emulator.gateway.labels import Labels
from wai_ops.emulator.gateway.policies.engine import (
    Allowed,
    Bucket,
    PolicyRequest,
    decide,
)
from wai_ops.emulator.gateway.policies.policy import Policy
from wai_ops.emulator.gateway.policies.spend import PolicySpend
from wai_ops.emulator.gateway.refusals import PolicyRefusalError
from wai_ops.emulator.gateway.spend.limits import REFUSAL_CODE, SpendLimits
from wai_ops.emulator.gateway.spend.rules import SpendRule, SpendRuleError, parse_spend_limits

LOSS_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What a request that was let through will be counted in."""

    labels: Labels
    rules: Sequence[SpendRule] = ()
    buckets: Sequence[Bucket] = ()
    passed: Sequence[RateKey] = ()


@dataclass(slots=True)
class GatewayBudget:
    """The counters of one gateway."""

    limits: SpendLimits = field(default_factory=SpendLimits)
    policies: PolicySpend = field(default_factory=PolicySpend)
    rates: RouteRates = field(default_factory=RouteRates)
    _rng: random.Random = field(default_factory=lambda: random.Random(LOSS_SEED))  # noqa: S311
    """Draws the calls that are lost; not for secrets."""
    _parsed_from: Any = None
    _rules: Sequence[SpendRule] = ()

    def rules(self, spend_limits: Any) -> Sequence[SpendRule]:
        """The rules in a gateway's settings, read once. Settings that make no sense have none."""
        if spend_limits is not self._parsed_from:
            self._parsed_from = spend_limits
            try:
                self._rules = parse_spend_limits(spend_limits)
            except SpendRuleError:
                self._rules = ()
        return self._rules

    def admit(
        self,
        labels: Labels,
        *,
        rules: Sequence[SpendRule],
        policies: Sequence[Policy],
        passed: Sequence[RateKey],
        now: datetime,
        fail_open: bool,
        refusal_code: int = REFUSAL_CODE,
    ) -> Admission:
        """Hold one request against policies, then spend limits. Raises ApiError.

        `fail_open`: no policy can be evaluated, and so all of them let the request pass.
        """

        def spent(bucket_id: str, period: str) -> Decimal:
            return self.policies.spent(bucket_id, period, now)

        buckets: Sequence[Bucket] = ()
        if policies and not fail_open:
            decision = decide(policies, request=PolicyRequest(labels=labels), spent=spent, now=now)
            if not isinstance(decision, Allowed):
                raise PolicyRefusalError(decision.status, decision.body()["error"])
            buckets = decision.buckets
        refusal = self.limits.check(rules, labels, now) if rules else None
        if refusal is not None:
            raise refusal.to_error(refusal_code)
        return Admission(labels=labels, rules=rules, buckets=buckets, passed=passed)

    def settle(
        self,
        admission: Admission,
        cost_usd: Decimal | None,
        now: datetime,
        *,
        delay_s: float,
        lost_ratio: float = 0.0,
    ) -> None:
        """Count what one attempt cost; it is seen `delay_s` later, by the limits maybe never."""
        if admission.rules:
            self.limits.settle(
                admission.rules,
                admission.labels,
                cost_usd,
                now,
                delay_s=delay_s,
                lost_ratio=lost_ratio,
                rng=self._rng,
            )
        if admission.buckets:
            self.policies.settle(admission.buckets, cost_usd, now, delay_s=delay_s)
        if admission.passed:
            self.rates.settle(admission.passed, cost_usd, now, delay_s=delay_s)

    def snapshot(self) -> dict[str, Any]:
        """All counters as JSON can hold them."""
        return {
            "limits": self.limits.snapshot(),
            "policies": self.policies.snapshot(),
            "rates": self.rates.snapshot(),
        }

    def restore(self, rows: Mapping[str, Any]) -> None:
        """Take back what `snapshot` gave. Raises TypeError, ValueError or KeyError otherwise."""
        self.limits.restore(rows["limits"])
        self.policies.restore(rows["policies"])
        self.rates.restore(rows["rates"])


class Budgets:
    """Every gateway's."""

    def __init__(self) -> None:
        """Nothing is spent."""
        self._by_gateway: dict[str, GatewayBudget] = {}

    def of(self, gateway_id: str) -> GatewayBudget:
        """One gateway's counters; they outlive every change of its settings."""
        found = self._by_gateway.get(gateway_id)
        if found is None:
            found = self._by_gateway[gateway_id] = GatewayBudget()
        return found

    def snapshot(self) -> dict[str, Any]:
        """All counters as JSON can hold them."""
        return {gateway_id: budget.snapshot() for gateway_id, budget in self._by_gateway.items()}

    def restore(self, rows: Mapping[str, Any]) -> None:
        """Take back what `snapshot` gave. Raises TypeError, ValueError or KeyError otherwise."""
        budgets = {}
        for gateway_id, counters in rows.items():
            budgets[gateway_id] = GatewayBudget()
            budgets[gateway_id].restore(counters)
        self._by_gateway = budgets
