"""The settings that a client may give a gateway: checked, and completed with the defaults. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from wai_ops.emulator.control.requests import Fields
from wai_ops.emulator.errors import invalid_query
from wai_ops.emulator.gateway.spend.rules import SpendRuleError, parse_spend_limits

REQUIRED = (
    "cache_invalidate_on_update",
    "cache_ttl",
    "collect_logs",
    "rate_limiting_interval",
    "rate_limiting_limit",
)
DEFAULT_SETTINGS: Mapping[str, Any] = {
    "authentication": True,
    "byok_only": False,
    "cache_invalidate_on_update": False,
    "cache_ttl": 0,
    "collect_logs": True,
    "dlp": None,
    "guardrails": None,
    "log_classification": False,
    "log_management": None,
    "log_management_strategy": None,
    "logpush": False,
    "logpush_public_key": None,
    "otel": None,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
    "rate_limiting_technique": "fixed",
    "retry_backoff": None,
    "retry_delay": None,
    "retry_max_attempts": None,
    "spend_limits": {"enabled": False, "rules": []},
    "store_id": None,
    "stripe": None,
    "workers_ai_billing_mode": "postpaid",
    "zdr": False,
}
"""What the provider gives a gateway that created itself: authenticated, logged, no cache."""
_OMITTED: Mapping[str, Any] = {**DEFAULT_SETTINGS, "authentication": False}
"""What a field that a client leaves out is set to, when it creates and when it replaces."""
_BLOCK_OR_FLAG = ("FLAG", "BLOCK")
_HAZARDS = (*(f"S{number}" for number in range(1, 14)), "P1")


def decode_settings(fields: Fields) -> dict[str, Any]:
    """All settings, of which the client must give five. Raises 400/7001.

    What is read-only or unknown is ignored, so that a client may send back what it has read.
    """
    fields.require(*REQUIRED)
    given = {name: read(fields, name) for name, read in _READERS.items() if name in fields}
    return {**_OMITTED, **given}


def _flag(fields: Fields, name: str) -> bool:
    return fields.flag(name)


def _count_or_null(fields: Fields, name: str) -> int | None:
    return fields.nullable(lambda key: fields.whole(key, high=2**31), name)


def _cache_ttl(fields: Fields, name: str) -> int:
    return _count_or_null(fields, name) or 0


def _between(low: int, high: int) -> Callable[[Fields, str], int | None]:
    def read(fields: Fields, name: str) -> int | None:
        return fields.nullable(lambda key: fields.whole(key, low=low, high=high), name)

    return read


def _choice_or_null(*choices: str) -> Callable[[Fields, str], str | None]:
    def read(fields: Fields, name: str) -> str | None:
        return fields.nullable(lambda key: fields.choice(key, choices), name)

    return read


def _choice(*choices: str) -> Callable[[Fields, str], str]:
    def read(fields: Fields, name: str) -> str:
        return fields.choice(name, choices)

    return read


def _text_or_null(fields: Fields, name: str) -> str | None:
    return fields.nullable(lambda key: fields.text(key, least=0), name)


def _public_key(fields: Fields, name: str) -> str | None:
    return fields.nullable(lambda key: fields.text(key, least=16, most=1024), name)


def _dlp(fields: Fields, name: str) -> dict[str, Any] | None:
    """Either one action with profiles, or a list of policies."""
    if fields.values[name] is None:
        return None
    dlp = fields.inner(name)
    if "policies" not in dlp:
        return {
            "enabled": dlp.flag("enabled"),
            "action": dlp.choice("action", _BLOCK_OR_FLAG),
            "profiles": dlp.texts("profiles"),
        }
    policies = [
        {
            "id": policy.text("id"),
            "enabled": policy.flag("enabled"),
            "action": policy.choice("action", _BLOCK_OR_FLAG),
            "check": _checks(policy),
            "profiles": policy.texts("profiles"),
        }
        for policy in dlp.items("policies")
    ]
    return {"enabled": dlp.flag("enabled"), "policies": policies}


def _checks(policy: Fields) -> list[str]:
    checks = policy.texts("check")
    if not set(checks) <= {"REQUEST", "RESPONSE"}:
        raise policy.refuse(f"{policy.path('check')} may hold REQUEST and RESPONSE")
    return checks


def _guardrails(fields: Fields, name: str) -> dict[str, Any] | None:
    if fields.values[name] is None:
        return None
    sides = fields.inner(name)
    sides.require("prompt", "response")
    return {side: _hazards(sides.inner(side)) for side in ("prompt", "response")}


def _hazards(side: Fields) -> dict[str, str]:
    unknown = sorted(set(side.values) - set(_HAZARDS))
    if unknown:
        raise side.refuse(f"{side.path(unknown[0])} is no hazard category")
    return {
        name: side.choice(name, _BLOCK_OR_FLAG)
        for name, value in side.values.items()
        if value is not None
    }


def _otel(fields: Fields, name: str) -> list[dict[str, Any]] | None:
    if fields.values[name] is None:
        return None
    return [_exporter(exporter) for exporter in fields.items(name)]


def _exporter(exporter: Fields) -> dict[str, Any]:
    headers = exporter.inner("headers")
    found: dict[str, Any] = {
        "url": exporter.text("url"),
        "headers": {key: headers.text(key, least=0) for key in headers.values},
    }
    if exporter.values.get("authorization") is not None:
        found["authorization"] = exporter.text("authorization", least=0)
    if exporter.values.get("content_type") is not None:
        found["content_type"] = exporter.choice("content_type", ("json", "protobuf"))
    return found


def _stripe(fields: Fields, name: str) -> dict[str, Any] | None:
    if fields.values[name] is None:
        return None
    stripe = fields.inner(name)
    events = [{"payload": event.text("payload")} for event in stripe.items("usage_events")]
    return {"authorization": stripe.text("authorization"), "usage_events": events}


def _spend_limits(fields: Fields, name: str) -> dict[str, Any]:
    """Checked by the engine that will enforce them; ids and switches are filled in."""
    value = fields.values[name]
    if value is None:
        return dict(DEFAULT_SETTINGS["spend_limits"])
    limits = fields.inner(name)
    is_enabled = limits.optional(limits.flag, "enabled", default=False)
    try:
        rules = parse_spend_limits({**limits.values, "enabled": True})
    except SpendRuleError as error:
        raise invalid_query(str(error)) from error
    defaults = {"enabled": True, "technique": "sliding"}
    filled = [
        {**defaults, **given, "id": rule.id}
        for given, rule in zip(limits.values.get("rules") or [], rules, strict=True)
    ]
    return {"enabled": is_enabled, "rules": filled}


_READERS: Mapping[str, Callable[[Fields, str], Any]] = {
    "authentication": _flag,
    "byok_only": _flag,
    "cache_invalidate_on_update": _flag,
    "cache_ttl": _cache_ttl,
    "collect_logs": _flag,
    "dlp": _dlp,
    "guardrails": _guardrails,
    "log_classification": _flag,
    "log_management": _between(10_000, 10_000_000),
    "log_management_strategy": _choice_or_null("STOP_INSERTING", "DELETE_OLDEST"),
    "logpush": _flag,
    "logpush_public_key": _public_key,
    "otel": _otel,
    "rate_limiting_interval": _count_or_null,
    "rate_limiting_limit": _count_or_null,
    "rate_limiting_technique": _choice("fixed", "sliding"),
    "retry_backoff": _choice_or_null("constant", "linear", "exponential"),
    "retry_delay": _between(0, 60_000),
    "retry_max_attempts": _between(1, 5),
    "spend_limits": _spend_limits,
    "store_id": _text_or_null,
    "stripe": _stripe,
    "workers_ai_billing_mode": _choice("postpaid", "unified"),
    "zdr": _flag,
}
