"""The paths of a gateway's log rows."""

from collections.abc import Callable

from starlette.routing import Route

from wai_ops.emulator.gateway import log_endpoints as logs
from wai_ops.emulator.identity import Permission


def log_routes(route: Callable[..., Route], gateways: str) -> list[Route]:
    """Routes below `gateways`; `route(method, path, handler, permission)` makes one.

    Metadata may be read without the right to read bodies.
    """
    path = f"{gateways}/{{gateway_id}}/logs"
    one = f"{path}/{{log_id}}"
    metadata, bodies = Permission.GATEWAY_METADATA_READ, Permission.GATEWAY_READ
    return [
        route("GET", path, logs.list_logs, metadata),
        route("DELETE", path, logs.delete_logs, Permission.GATEWAY_WRITE),
        route("GET", one, logs.get_log, metadata),
        route("PATCH", one, logs.patch_log, Permission.GATEWAY_WRITE),
        route("GET", f"{one}/request", logs.get_request_body, bodies),
        route("GET", f"{one}/response", logs.get_response_body, bodies),
    ]
