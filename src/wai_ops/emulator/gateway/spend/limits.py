"""Spend limits as they were observed: checked before a call, counted after it, and never exact.

All rules that apply are checked before the call. What a call cost is counted when it has finished,
in the window of that moment, and is seen only some time later: a burst overshoots, and the call
that overspends always completes.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.gateway.labels import Labels, number_text
from wai_ops.emulator.gateway.spend.rules import SpendRule
from wai_ops.emulator.gateway.windows import WindowCounters

REFUSAL_CODE = 2045
"""Seen since 2026-09-24; 2041 before."""
_SHOWN_PROVIDERS = {"workers-ai": "internal-workers-ai"}
"""The messages name Workers AI by an inner name, the log rows do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendRefusal:
    """A rule whose budget is spent."""

    rule: SpendRule
    labels: Labels
    spent_usd: Decimal

    @property
    def message(self) -> str:
        """The documented pattern; the only place that names the rule."""
        rule, labels = self.rule, self.labels
        provider = _SHOWN_PROVIDERS.get(labels.provider, labels.provider)
        return (
            f"Spend limit exceeded: rule '{rule.id}' (cost limit {number_text(rule.limit_usd)} "
            f"per {rule.window_s}s, {rule.technique}) for {provider} {labels.model}"
        )

    def to_error(self, code: int = REFUSAL_CODE) -> ApiError:
        """The gateway's answer: 429, in its own body shape, without Retry-After."""
        return ApiError(429, code, self.message, gateway=True)


class SpendLimits:
    """The counters of one gateway. They belong to the ids of its rules and outlive edits."""

    def __init__(self) -> None:
        """Nothing is spent."""
        self._counters = WindowCounters()

    def check(
        self, rules: Iterable[SpendRule], labels: Labels, now: datetime
    ) -> SpendRefusal | None:
        """The first rule whose budget is used up for this request, if there is one."""
        for rule in rules:
            bucket = rule.bucket(labels)
            if bucket is None:
                continue
            spent = self._counters.spent(bucket, rule.window_s, rule.technique, now)
            if spent >= rule.limit_usd:
                return SpendRefusal(rule=rule, labels=labels, spent_usd=spent)
        return None

    def settle(
        self,
        rules: Iterable[SpendRule],
        labels: Labels,
        cost_usd: Decimal | None,
        now: datetime,
        *,
        delay_s: float = 0.0,
        lost_ratio: float = 0.0,
        rng: random.Random | None = None,
    ) -> None:
        """Count a finished call; it is seen after `delay_s`. An unknown cost counts nothing.

        `lost_ratio` of the calls, drawn from `rng`, is never counted: one in nine was seen so.
        """
        if cost_usd is None or cost_usd <= 0:
            return
        if rng is not None and lost_ratio > 0 and rng.random() < lost_ratio:
            return
        for rule in rules:
            bucket = rule.bucket(labels)
            if bucket is not None:
                self._counters.add(bucket, rule.window_s, cost_usd, now, delay_s=delay_s)

    def spent(self, rule: SpendRule, labels: Labels, now: datetime) -> Decimal | None:
        """What counts against a rule for such a request; None when it does not apply."""
        bucket = rule.bucket(labels)
        if bucket is None:
            return None
        return self._counters.spent(bucket, rule.window_s, rule.technique, now)

    def snapshot(self) -> list[list[Any]]:
        """All counters as JSON can hold them."""
        return self._counters.snapshot()

    def restore(self, rows: list[list[Any]]) -> None:
        """Take back what `snapshot` gave."""
        self._counters.restore(rows)
