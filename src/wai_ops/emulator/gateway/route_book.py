"""The dynamic routes of each gateway: routes, versions and deployments in the store.

A version serves only when it is deployed; the deployed ones are kept in memory for model calls.
"""

from dataclasses import dataclass

from wai_ops.emulator.control.documents import Document, Documents, Table, gateway_parent
from wai_ops.emulator.gateway.dynamic_routes.graph import Route, is_valid, parse_route

ROUTE = "route"
VERSION = "route_version"
DEPLOYMENT = "route_deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRoute:
    """A route with the version that serves, and the deployment that made it serve."""

    route: Document
    version: Document
    deployment: Document


class RouteBook:
    """Only for the server's own thread."""

    def __init__(self, documents: Documents) -> None:
        """Nothing is read yet."""
        self._documents = documents
        self._served: dict[str, dict[str, Route]] = {}

    async def served(self, gateway_id: str, name: str) -> Route | None:
        """The route that calls by that name take; None when there is none that can be walked."""
        routes = self._served.get(gateway_id)
        if routes is None:
            stored = await self._documents.read(lambda table: all_routes(table, gateway_id))
            routes = self._served[gateway_id] = _walkable(stored)
        return routes.get(name)

    def forget(self, gateway_id: str) -> None:
        """Read the gateway's routes anew when they are next needed."""
        self._served.pop(gateway_id, None)


def route_parent(gateway_id: str, route_id: str) -> str:
    """The parent of a route's versions and deployments."""
    return f"{gateway_parent(gateway_id)}/{route_id}"


def all_routes(table: Table, gateway_id: str) -> list[StoredRoute]:
    """In the order in which they were made."""
    return [
        _with_version(table, gateway_id, route)
        for route in table.all(ROUTE, gateway_parent(gateway_id))
    ]


def get_route(table: Table, gateway_id: str, route_id: str) -> StoredRoute | None:
    """One of them."""
    route = table.get(ROUTE, gateway_parent(gateway_id), route_id)
    return None if route is None else _with_version(table, gateway_id, route)


def _with_version(table: Table, gateway_id: str, route: Document) -> StoredRoute:
    parent = route_parent(gateway_id, route.id)
    deployment = table.all(DEPLOYMENT, parent)[-1]
    version = table.get(VERSION, parent, deployment.body["version_id"])
    assert version is not None
    return StoredRoute(route=route, version=version, deployment=deployment)


def _walkable(stored: list[StoredRoute]) -> dict[str, Route]:
    """By name; a version that makes no route serves nothing."""
    return {
        item.route.body["name"]: parse_route(item.version.body["elements"])
        for item in stored
        if is_valid(item.version.body["elements"])
    }
