"""Dynamic routes: routes, their versions and deployments.

Lists and the answer to a rename have shapes of their own, not the v4 envelope.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.core.ids import uuid7
from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.control.documents import Document, Table, gateway_parent
from wai_ops.emulator.control.gateways_api import require_gateway
from wai_ops.emulator.control.requests import MAX_PER_PAGE, Fields, found, read_fields
from wai_ops.emulator.errors import ApiError, invalid_query, not_found
from wai_ops.emulator.gateway.dynamic_routes.graph import find_problems, is_valid
from wai_ops.emulator.gateway.log_query import positive
from wai_ops.emulator.gateway.route_book import (
    DEPLOYMENT,
    ROUTE,
    VERSION,
    StoredRoute,
    all_routes,
    get_route,
    route_parent,
)
from wai_ops.emulator.services import Services

_NAME_LENGTH = 255


async def list_routes(services: Services, request: Request) -> Response:
    """`GET .../routes`."""
    gateway_id = await require_gateway(services, request)
    stored = await _read(services, lambda table: all_routes(table, gateway_id))
    rows = [{**_account(services), **_whole(gateway_id, item)} for item in stored]
    return _list(request, "routes", rows)


async def create_route(services: Services, request: Request) -> Response:
    """`POST .../routes`: the first version is deployed at once."""
    gateway_id = await require_gateway(services, request)
    fields = await read_fields(request)
    name, elements = fields.text("name", most=_NAME_LENGTH), _elements(fields)
    route_id, version_id, deployment_id = (uuid7(services.clock.now()) for _ in range(3))

    def create(table: Table) -> StoredRoute:
        _refuse_taken(table, gateway_id, name)
        parent = route_parent(gateway_id, route_id)
        return StoredRoute(
            route=table.put(ROUTE, gateway_parent(gateway_id), route_id, {"name": name}),
            version=table.put(VERSION, parent, version_id, {"elements": elements}),
            deployment=table.put(DEPLOYMENT, parent, deployment_id, {"version_id": version_id}),
        )

    created = await _change(services, gateway_id, create)
    return json_response(envelope(_whole(gateway_id, created)))


async def get_one(services: Services, request: Request) -> Response:
    """`GET .../routes/{id}`: the route as it is deployed."""
    gateway_id, route_id = await _ids(services, request)
    stored = await _read(services, lambda table: _stored(table, gateway_id, route_id))
    return json_response(envelope(_whole(gateway_id, stored)))


async def rename_route(services: Services, request: Request) -> Response:
    """`PATCH .../routes/{id}`: the name alone."""
    gateway_id, route_id = await _ids(services, request)
    name = (await read_fields(request)).text("name", most=_NAME_LENGTH)

    def rename(table: Table) -> StoredRoute:
        _stored(table, gateway_id, route_id)
        _refuse_taken(table, gateway_id, name, but=route_id)
        table.put(ROUTE, gateway_parent(gateway_id), route_id, {"name": name})
        return _stored(table, gateway_id, route_id)

    renamed = await _change(services, gateway_id, rename)
    route = {**_account(services), **_whole(gateway_id, renamed)}
    return json_response({"success": True, "route": route})


async def delete_route(services: Services, request: Request) -> Response:
    """`DELETE .../routes/{id}`, with its versions and deployments."""
    gateway_id, route_id = await _ids(services, request)

    def delete(table: Table) -> StoredRoute:
        stored = _stored(table, gateway_id, route_id)
        table.delete(ROUTE, gateway_parent(gateway_id), route_id)
        table.delete_below(route_parent(gateway_id, route_id))
        return stored

    gone = await _change(services, gateway_id, delete)
    return json_response(envelope(_brief(gateway_id, gone, gone.version)))


async def list_versions(services: Services, request: Request) -> Response:
    """`GET .../routes/{id}/versions`, the newest first."""
    gateway_id, route_id = await _ids(services, request)

    def query(table: Table) -> list[dict[str, Any]]:
        stored = _stored(table, gateway_id, route_id)
        versions = table.all(VERSION, route_parent(gateway_id, route_id))
        return [_version(version, stored) for version in reversed(versions)]

    return _list(request, "versions", await _read(services, query))


async def create_version(services: Services, request: Request) -> Response:
    """`POST .../routes/{id}/versions`: it serves nothing until it is deployed."""
    gateway_id, route_id = await _ids(services, request)
    elements = _elements(await read_fields(request))
    version_id = uuid7(services.clock.now())

    def create(table: Table) -> dict[str, Any]:
        stored = _stored(table, gateway_id, route_id)
        parent = route_parent(gateway_id, route_id)
        version = table.put(VERSION, parent, version_id, {"elements": elements})
        return {**_brief(gateway_id, stored, version), **_version(version, stored)}

    return json_response(envelope(await _change(services, gateway_id, create)))


async def get_version(services: Services, request: Request) -> Response:
    """`GET .../routes/{id}/versions/{version_id}`."""
    gateway_id, route_id = await _ids(services, request)
    version_id = request.path_params["version_id"]

    def query(table: Table) -> dict[str, Any]:
        stored = _stored(table, gateway_id, route_id)
        version = table.get(VERSION, route_parent(gateway_id, route_id), version_id)
        if version is None:
            raise not_found("Version")
        return {**_brief(gateway_id, stored, version), **_version(version, stored)}

    return json_response(envelope(await _read(services, query)))


async def list_deployments(services: Services, request: Request) -> Response:
    """`GET .../routes/{id}/deployments`, the newest first."""
    gateway_id, route_id = await _ids(services, request)

    def query(table: Table) -> list[dict[str, Any]]:
        _stored(table, gateway_id, route_id)
        deployments = table.all(DEPLOYMENT, route_parent(gateway_id, route_id))
        return [_deployment(deployment) for deployment in reversed(deployments)]

    return _list(request, "deployments", await _read(services, query))


async def create_deployment(services: Services, request: Request) -> Response:
    """`POST .../routes/{id}/deployments`: that version serves from now on."""
    gateway_id, route_id = await _ids(services, request)
    version_id = (await read_fields(request)).text("version_id")
    deployment_id = uuid7(services.clock.now())

    def deploy(table: Table) -> dict[str, Any]:
        parent = route_parent(gateway_id, route_id)
        version = table.get(VERSION, parent, version_id)
        if version is None:
            raise not_found("Version")
        problems = find_problems(version.body["elements"])
        if problems:
            raise invalid_query(f"the version cannot be deployed: {'; '.join(problems)}")
        table.put(DEPLOYMENT, parent, deployment_id, {"version_id": version_id})
        stored = _stored(table, gateway_id, route_id)
        table.put(ROUTE, gateway_parent(gateway_id), route_id, stored.route.body)
        return _brief(gateway_id, _stored(table, gateway_id, route_id), version)

    return json_response(envelope(await _change(services, gateway_id, deploy)))


async def _read(services: Services, query: Callable[[Table], Any]) -> Any:
    return await services.gateways.documents.read(query)


async def _change(services: Services, gateway_id: str, work: Callable[[Table], Any]) -> Any:
    result = await services.gateways.documents.change(work)
    services.gateways.routes.forget(gateway_id)
    return result


def _account(services: Services) -> dict[str, str]:
    return {"account_tag": services.store.identity.account_id}


async def _ids(services: Services, request: Request) -> tuple[str, str]:
    return await require_gateway(services, request), request.path_params["route_id"]


def _stored(table: Table, gateway_id: str, route_id: str) -> StoredRoute:
    return found(get_route(table, gateway_id, route_id), not_found("Route"))


def _refuse_taken(table: Table, gateway_id: str, name: str, but: str = "") -> None:
    for route in table.all(ROUTE, gateway_parent(gateway_id)):
        if route.body["name"] == name and route.id != but:
            raise invalid_query(f"a route with the name {name!r} already exists")


def _elements(fields: Fields) -> list[dict[str, Any]]:
    """Elements of the API's schema; whether they make a route is said by `is_valid`."""
    elements = []
    for element in fields.items("elements"):
        element.text("id")
        element.text("type")
        element.inner("outputs")
        elements.append(dict(element.values))
    if not elements:
        raise _no_elements()
    return elements


def _no_elements() -> ApiError:
    return invalid_query("elements must not be empty")


def _whole(gateway_id: str, stored: StoredRoute) -> dict[str, Any]:
    return {
        **_brief(gateway_id, stored, stored.version),
        "version": _version(stored.version, stored),
        "deployment": _deployment(stored.deployment),
    }


def _brief(gateway_id: str, stored: StoredRoute, version: Document) -> dict[str, Any]:
    return {
        "id": stored.route.id,
        "name": stored.route.body["name"],
        "gateway_id": gateway_id,
        "created_at": stored.route.created_at,
        "modified_at": stored.route.modified_at,
        "elements": version.body["elements"],
    }


def _version(version: Document, stored: StoredRoute) -> dict[str, Any]:
    elements = version.body["elements"]
    return {
        "version_id": version.id,
        "active": "true" if version.id == stored.version.id else "false",
        "is_valid": is_valid(elements),
        "data": json.dumps(elements),
        "created_at": version.created_at,
    }


def _deployment(deployment: Document) -> dict[str, Any]:
    return {
        "deployment_id": deployment.id,
        "version_id": deployment.body["version_id"],
        "created_at": deployment.created_at,
    }


def _list(request: Request, name: str, rows: Sequence[Any]) -> Response:
    page = positive(request.query_params, "page", 1)
    per_page = positive(request.query_params, "per_page", 20, MAX_PER_PAGE)
    data = {
        name: list(rows[(page - 1) * per_page : page * per_page]),
        "order_by": "created_at",
        "order_by_direction": "asc" if name == "routes" else "desc",
        "page": page,
        "per_page": per_page,
    }
    return json_response({"success": True, "data": data})
