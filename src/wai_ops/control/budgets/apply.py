"""The gateway object as a push sends it.

Pure. A push sends the gateway object as a whole, because the API has nothing smaller; so every
field that was read goes back, whether we know it or not, except those that the API sets itself.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from wai_ops.control.budgets.diff import Change
from wai_ops.control.budgets.native import Kind
from wai_ops.control.budgets.normal import RATE_FIELDS

READ_ONLY = frozenset({"id", "created_at", "modified_at", "internal", "wholesale"})
"""Fields that the API sets itself; every other field is sent back as it was read."""
REQUIRED: Mapping[str, Any] = {
    "cache_invalidate_on_update": False,
    "cache_ttl": 0,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
}
"""Fields without which the API refuses, and what they are where the gateway has none."""


def gateway_body(gateway: Mapping[str, Any], changes: Iterable[Change]) -> dict[str, Any]:
    """The whole object to send back, with our spend rules and rate limit in it."""
    kept = {name: value for name, value in gateway.items() if name not in READ_ONLY}
    body: dict[str, Any] = copy.deepcopy({**REQUIRED, **kept})
    for change in changes:
        if change.ref.kind is Kind.SPEND_RULE:
            body["spend_limits"] = _with_rule(body.get("spend_limits"), change)
        elif change.ref.kind is Kind.RATE_LIMIT:
            body |= _rate(change)
    return body


def touches_gateway(changes: Iterable[Change]) -> bool:
    """Whether the gateway object itself has to be written."""
    return any(change.ref.kind in (Kind.SPEND_RULE, Kind.RATE_LIMIT) for change in changes)


def _with_rule(limits: Any, change: Change) -> dict[str, Any]:
    found = dict(limits) if isinstance(limits, Mapping) else {}
    rules = list(found.get("rules") or [])
    name = change.ref.name
    places = [i for i, rule in enumerate(rules) if _rule_id(rule) == name]
    if change.after is None:
        # Two rules of one id are refused by the API, so this is all of them.
        found["rules"] = [rule for i, rule in enumerate(rules) if i not in places]
        return found
    after = copy.deepcopy(dict(change.after))
    if places:
        rules[places[0]] = after
    else:
        rules.append(after)
    return {**found, "enabled": True, "rules": rules}


def _rule_id(rule: Any) -> Any:
    return rule.get("id") if isinstance(rule, Mapping) else None


def _rate(change: Change) -> dict[str, Any]:
    if change.after is not None:
        return dict(change.after)
    return dict.fromkeys(RATE_FIELDS[:2], 0)
