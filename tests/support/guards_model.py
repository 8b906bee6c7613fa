"""What a gateway is once changes are applied: the model that differences are held against."""

from collections.abc import Mapping, Sequence
from typing import Any

from wai_ops.control.budgets.apply import gateway_body, touches_gateway
from wai_ops.control.budgets.diff import Change, Op
from wai_ops.control.budgets.native import Kind, Remote, RemotePolicy, RemoteRoute


def applied(remote: Remote, changes: Sequence[Change]) -> Remote:
    """The gateway after the changes. New policies and routes have their names for ids."""
    return Remote(
        gateway_id=remote.gateway_id,
        gateway={**remote.gateway, **gateway_body(remote.gateway, changes)}
        if touches_gateway(changes)
        else remote.gateway,
        policies=_policies(remote.policies, changes),
        routes=_routes(remote.routes, changes),
    )


def _policies(
    before: Sequence[RemotePolicy], changes: Sequence[Change]
) -> tuple[RemotePolicy, ...]:
    ours = [change for change in changes if change.ref.kind is Kind.POLICY]
    by_id = {change.remote_id: change for change in ours if change.remote_id is not None}
    kept = []
    for policy in before:
        change = by_id.get(policy.id)
        if change is None:
            kept.append(policy)
        elif change.after is not None:
            kept.append(RemotePolicy(id=policy.id, committed=change.after))
    made = [
        RemotePolicy(id=change.ref.name, committed=change.after)
        for change in ours
        if change.op is Op.CREATE
    ]
    return (*kept, *made)


def _routes(before: Sequence[RemoteRoute], changes: Sequence[Change]) -> tuple[RemoteRoute, ...]:
    ours = [change for change in changes if change.ref.kind is Kind.ROUTE]
    by_id = {change.remote_id: change for change in ours if change.remote_id is not None}
    kept = []
    for route in before:
        change = by_id.get(route.id)
        if change is None:
            kept.append(route)
        elif change.after is not None:
            kept.append(_route(route.id, change.after))
    made = [_route(c.ref.name, c.after or {}) for c in ours if c.op is Op.CREATE]
    return (*kept, *made)


def _route(route_id: str, body: Mapping[str, Any]) -> RemoteRoute:
    elements = body.get("elements")
    return RemoteRoute(
        id=route_id,
        name=str(body.get("name")),
        elements=None if elements is None else tuple(elements),
    )
