"""Two spellings of one object are the same object: what the API leaves out, adds or reorders."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from wai_ops.control.budgets.native import Kind

RATE_FIELDS = ("rate_limiting_interval", "rate_limiting_limit", "rate_limiting_technique")
POLICY_FIELDS = ("name", "actor", "resource", "condition", "action")
_DEFAULTS: Mapping[Kind, Mapping[str, Any]] = {
    Kind.SPEND_RULE: {"enabled": True, "technique": "sliding"},
    Kind.RATE_LIMIT: {"rate_limiting_technique": "sliding"},
}


def normal(kind: Kind, body: Mapping[str, Any]) -> Any:
    """A form in which two objects that mean the same are equal."""
    if kind is Kind.POLICY:
        body = {name: body.get(name) for name in POLICY_FIELDS}
    plain = _plain({**_DEFAULTS.get(kind, {}), **body})
    if kind is Kind.POLICY:
        _policy(plain)
    elif kind is Kind.SPEND_RULE:
        _spend_rule(plain)
    elif kind is Kind.ROUTE:
        plain["elements"] = {str(item.get("id")): item for item in plain.get("elements") or []}
    return plain


def _policy(plain: dict[str, Any]) -> None:
    action, resource = plain.get("action"), plain.setdefault("resource", "*")
    if isinstance(action, dict):
        if action.get("type") == "limit":
            action.setdefault("technique", "named-interval")
        if action.get("except") is False:
            del action["except"]
    if isinstance(resource, dict):
        plain["resource"] = {name: _names(value) for name, value in resource.items()}


def _spend_rule(plain: dict[str, Any]) -> None:
    metadata = plain.get("metadata")
    if metadata == {}:
        del plain["metadata"]
    inner = metadata.values() if isinstance(metadata, dict) else ()
    for item in (plain.get("model"), plain.get("provider"), *inner):
        if isinstance(item, dict) and isinstance(item.get("values"), list):
            item["values"] = sorted(item["values"], key=str)


def _plain(value: Any) -> Any:
    """Numbers as decimals, so that 5 equals 5.0; nothing for null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(item) for k, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    return Decimal(str(value)).normalize()


def _names(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, list) else [value]
