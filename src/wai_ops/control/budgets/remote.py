"""Reading a gateway: everything that guards are made of, and a fingerprint of it."""

import hashlib
import json
from typing import Any

from wai_ops.cloudflare.guards_api import GuardsApi
from wai_ops.control.budgets.native import Remote, RemotePolicy, RemoteRoute

_MOVING = frozenset({"modified_at", "created_at", "updated_at"})


def read_remote(api: GuardsApi, gateway_id: str) -> Remote:
    """Read the gateway, its policies with their drafts, and its routes. Raises ApiError."""
    return Remote(
        gateway_id=gateway_id,
        gateway=api.gateway(),
        policies=read_policies(api),
        routes=tuple(_route(row) for row in api.routes()),
    )


def fingerprint(remote: Remote) -> str:
    """The same for the same state: SHA-256 of all that was read, but for times and ids of ours.

    The API has no ETag: who applies a plan reads again and compares.
    """
    policies = [(p.id, _still(p.committed), _still(p.draft)) for p in remote.policies]
    routes = [(r.id, r.name, r.elements, r.version_id) for r in remote.routes]
    whole = [_still(remote.gateway), sorted(policies, key=str), sorted(routes, key=str)]
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_policies(api: GuardsApi) -> tuple[RemotePolicy, ...]:
    """The policies with their drafts. Raises ApiError."""
    committed = {str(row.get("id")): row for row in api.policies(with_drafts=False)}
    drafts = {
        str(row.get("id")): row
        for row in api.policies(with_drafts=True)
        if row.get("uncommitted") is True or str(row.get("id")) not in committed
    }
    return tuple(
        RemotePolicy(id=key, committed=committed.get(key), draft=drafts.get(key))
        for key in [*committed, *(key for key in drafts if key not in committed)]
    )


def _route(row: dict[str, Any]) -> RemoteRoute:
    elements, version = row.get("elements"), row.get("version")
    return RemoteRoute(
        id=str(row.get("id")),
        name=str(row.get("name")),
        elements=tuple(elements) if isinstance(elements, list) else None,
        version_id=str(version.get("version_id")) if isinstance(version, dict) else None,
    )


def _still(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key not in _MOVING}
    return value
