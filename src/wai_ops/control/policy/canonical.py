"""The content of a policy as one sequence of bytes, and the version that is made of it.

Two files with the same content have the same bytes: comments, layout, the order of keys, the
order of lists that are sets, and how a number is spelled do not matter. `policy_version` itself is
left out, so that it can be seen whether the content changed under an old version.
"""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_WORKFLOW_SETS = frozenset({"risk", "roles", "data", "deny_models", "approvers", "changes"})
_RULE_SETS = frozenset({"data", "schemes", "ports", "methods", "paths", "tools"})


def content_digest(data: Mapping[str, Any]) -> str:
    """SHA-256 in hex of a policy file's content, as `yaml_strict` read it."""
    content = _stated({**data, "policy_version": None, "version": str(data.get("version"))})
    workflows = content.get("workflows") or {}
    content["workflows"] = {name: _workflow(value or {}) for name, value in workflows.items()}
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def full_version(declared: str, sha256: str) -> str:
    """How records name a policy: the declared version, `+`, and 12 hex digits of its content."""
    return f"{declared}+{sha256[:12]}"


def _workflow(section: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: _as_set(key, value, _WORKFLOW_SETS) for key, value in _stated(section).items()}
    for key in ("tools", "outbound"):
        if key in found:
            found[key] = [
                {name: _as_set(name, value, _RULE_SETS) for name, value in _stated(rule).items()}
                for rule in found[key]
            ]
    return found


def _stated(section: Mapping[str, Any]) -> dict[str, Any]:
    """Without keys that have no value: such a key says what a missing one says."""
    return {key: value for key, value in section.items() if value is not None}


def _as_set(key: str, value: Any, sets: frozenset[str]) -> Any:
    if key in sets and isinstance(value, list):
        return [one for _, one in sorted({canonical(one): one for one in value}.items())]
    return value


def canonical(value: Any) -> str:
    """JSON without spaces: keys sorted by code points, numbers in plain digits, text unescaped."""
    if isinstance(value, Mapping):
        items = sorted(value.items())
        return "{" + ",".join(f"{canonical(key)}:{canonical(item)}" for key, item in items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, Decimal):
        digits = f"{value:f}"
        digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
        return "0" if digits in ("-0", "") else digits
    return json.dumps(value, ensure_ascii=False)
