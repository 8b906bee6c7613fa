"""The spend rules of a gateway: read from its settings, and refused when they do not fit."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from wai_ops.emulator.gateway.labels import Labels, to_text
from wai_ops.emulator.gateway.windows import Technique

MAX_RULES = 20
MAX_WINDOW_S = 10 * 365 * 86_400
"""Nobody says how long a window may be; this keeps the arithmetic of dates in bounds."""


class SpendRuleError(ValueError):
    """A rule is not of the documented form. The message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendRule:
    """One budget in dollars over a length of time."""

    id: str
    limit_usd: Decimal
    window_s: int
    technique: Technique = "sliding"
    is_enabled: bool = True
    partition_keys: tuple[str, ...] = ()
    """Metadata keys by whose values the budget is split, in the order of their names."""
    metadata_filters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    models: frozenset[str] | None = None
    providers: frozenset[str] | None = None

    def bucket(self, labels: Labels) -> tuple[str, ...] | None:
        """The budget that a request draws on; None when the rule does not apply to it.

        A request that lacks a key by which the budget is split is not limited by the rule.
        """
        if not self.is_enabled:
            return None
        if self.providers is not None and labels.provider not in self.providers:
            return None
        if self.models is not None and self.models.isdisjoint(labels.model_names):
            return None
        for key, allowed in self.metadata_filters.items():
            value = labels.metadata.get(key)
            if value is None or to_text(value) not in allowed:
                return None
        values = [labels.metadata.get(key) for key in self.partition_keys]
        if any(value is None for value in values):
            return None
        return (self.id, *(to_text(value) for value in values if value is not None))


def parse_spend_limits(value: Any) -> tuple[SpendRule, ...]:
    """The rules in force of a gateway's `spend_limits`. Raises SpendRuleError.

    None, or `enabled` false, means none; the rules are checked all the same.
    """
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise SpendRuleError("spend_limits must be an object")
    rules = value.get("rules") or []
    if not isinstance(rules, Sequence) or isinstance(rules, str):
        raise SpendRuleError("spend_limits.rules must be a list")
    if len(rules) > MAX_RULES:
        raise SpendRuleError(f"spend_limits.rules: at most {MAX_RULES} rules, not {len(rules)}")
    parsed = tuple(_parse_rule(rule, f"spend_limits.rules[{i}]") for i, rule in enumerate(rules))
    ids = [rule.id for rule in parsed]
    if len(set(ids)) < len(ids):
        raise SpendRuleError("spend_limits.rules: two rules have the same id")
    return parsed if value.get("enabled", False) is True else ()


def _parse_rule(rule: Any, where: str) -> SpendRule:
    if not isinstance(rule, Mapping):
        raise SpendRuleError(f"{where} must be an object")
    if rule.get("limitType") != "cost":
        raise SpendRuleError(f'{where}.limitType must be "cost"')
    technique = rule.get("technique", "sliding")
    if technique not in ("fixed", "sliding"):
        raise SpendRuleError(f'{where}.technique must be "fixed" or "sliding"')
    is_enabled = rule.get("enabled", True)
    if not isinstance(is_enabled, bool):
        raise SpendRuleError(f"{where}.enabled must be true or false")
    rule_id = rule.get("id", _derived_id(rule))
    if not isinstance(rule_id, str) or not rule_id:
        raise SpendRuleError(f"{where}.id must be text")
    partition_keys, filters = _parse_metadata(rule.get("metadata"), f"{where}.metadata")
    return SpendRule(
        id=rule_id,
        limit_usd=_positive(rule.get("limit"), f"{where}.limit"),
        window_s=_window(rule.get("window"), f"{where}.window"),
        technique=technique,
        is_enabled=is_enabled,
        partition_keys=partition_keys,
        metadata_filters=filters,
        models=_parse_filter(rule.get("model"), f"{where}.model"),
        providers=_parse_filter(rule.get("provider"), f"{where}.provider"),
    )


def _derived_id(rule: Mapping[str, Any]) -> str:
    """An id for a rule without one: the same rule sent again keeps its counters."""
    text = json.dumps(rule, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _positive(value: Any, where: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise SpendRuleError(f"{where} must be a number")
    amount = Decimal(str(value))
    if not amount.is_finite() or amount <= 0:
        raise SpendRuleError(f"{where} must be more than 0")
    return amount


def _window(value: Any, where: str) -> int:
    seconds = _positive(value, where)
    if seconds != int(seconds) or seconds > MAX_WINDOW_S:
        raise SpendRuleError(f"{where} must be whole seconds, at most {MAX_WINDOW_S}")
    return int(seconds)


def _parse_metadata(value: Any, where: str) -> tuple[tuple[str, ...], Mapping[str, frozenset[str]]]:
    if value is None:
        return (), {}
    if not isinstance(value, Mapping):
        raise SpendRuleError(f"{where} must be an object")
    partition_keys: list[str] = []
    filters: dict[str, frozenset[str]] = {}
    for key, dimension in value.items():
        if isinstance(dimension, Mapping) and dimension.get("mode") == "partition":
            partition_keys.append(key)
            continue
        allowed = _parse_filter(dimension, f"{where}.{key}", modes='"partition" or "filter"')
        if allowed is not None:
            filters[key] = allowed
    return tuple(sorted(partition_keys)), filters


def _parse_filter(value: Any, where: str, *, modes: str = '"filter"') -> frozenset[str] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or value.get("mode") != "filter":
        raise SpendRuleError(f"{where}.mode must be {modes}")
    values = value.get("values")
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise SpendRuleError(f"{where}.values must be a list of text")
    return frozenset(values)
