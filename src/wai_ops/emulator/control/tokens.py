"""What a token may do: the permission groups, the policies of each token, and whose it is."""

import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.emulator.answers import envelope, json_response, page_info
from wai_ops.emulator.control.requests import paged
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.identity import GRANTS, Identity, Permission, Principal
from wai_ops.emulator.services import Services

_SCOPE = "com.cloudflare.api.account"
_EMAIL = "nobody@localhost"
_ISSUED = "2026-01-01T00:00:00Z"


async def list_groups(_services: Services, request: Request) -> Response:
    """`GET /accounts/{id}/tokens/permission_groups`, and the user's: those that are emulated."""
    name, scope = request.query_params.get("name"), request.query_params.get("scope", _SCOPE)
    groups = [
        {"id": group_id(permission), "name": permission.value, "scopes": [_SCOPE]}
        for permission in Permission
        if name in (None, permission.value) and scope == _SCOPE
    ]
    return json_response(envelope(groups))


async def list_tokens(services: Services, request: Request) -> Response:
    """`GET /user/tokens`, `/accounts/{id}/tokens`: the caller's own, and all for an operator."""
    principal: Principal = request.scope["wai.principal"]
    identity = services.store.identity
    return paged(request, [_token(identity, role) for role in _visible(principal)], most=1000)


async def get_token(services: Services, request: Request) -> Response:
    """`GET /user/tokens/{id}`, `/accounts/{id}/tokens/{id}`: with what it may do."""
    principal: Principal = request.scope["wai.principal"]
    identity = services.store.identity
    wanted = request.path_params["token_id"]
    for role in _visible(principal):
        if identity.token_ids[role] == wanted:
            return json_response(envelope(_token(identity, role)))
    raise ApiError(404, 1001, "Token not found, or not one that this token may see")


async def get_user(services: Services, _request: Request) -> Response:
    """`GET /user`: nobody, with the account's id."""
    return json_response(envelope({"id": services.store.identity.account_id, "email": _EMAIL}))


async def list_accounts(services: Services, _request: Request) -> Response:
    """`GET /accounts`: the one there is."""
    info = page_info(page=1, per_page=20, count=1, total_count=1)
    return json_response(envelope([_account(services.store.identity)], info=info))


async def get_account(services: Services, _request: Request) -> Response:
    """`GET /accounts/{id}`."""
    return json_response(envelope(_account(services.store.identity)))


async def list_memberships(services: Services, _request: Request) -> Response:
    """`GET /memberships`: in the one account."""
    account = _account(services.store.identity)
    row = {"id": account["id"], "status": "accepted", "account": account, "roles": []}
    info = page_info(page=1, per_page=20, count=1, total_count=1)
    return json_response(envelope([row], info=info))


def group_id(permission: Permission) -> str:
    """The same in every emulator: 32 hexadecimal digits from the group's name."""
    return uuid.uuid5(uuid.NAMESPACE_URL, permission.value).hex


def _account(identity: Identity) -> dict[str, Any]:
    return {"id": identity.account_id, "name": "Local emulator", "type": "standard"}


def _visible(principal: Principal) -> list[str]:
    return list(GRANTS) if principal.role == "operator" else [principal.role]


def _token(identity: Identity, role: str) -> dict[str, Any]:
    groups = [
        {"id": group_id(permission), "name": permission.value}
        for permission in sorted(GRANTS[role])
    ]
    policy = {
        "id": uuid.uuid5(uuid.NAMESPACE_URL, identity.token_ids[role]).hex,
        "effect": "allow",
        "resources": {f"{_SCOPE}.{identity.account_id}": "*"},
        "permission_groups": groups,
    }
    return {
        "id": identity.token_ids[role],
        "name": f"local {role}",
        "status": "active",
        "issued_on": _ISSUED,
        "modified_on": _ISSUED,
        "policies": [policy],
    }
