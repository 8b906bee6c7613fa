"""The paths of everything that counts: telemetry, analytics, bills and the truth."""

from collections.abc import Callable

from starlette.routing import Route

from wai_ops.emulator import telemetry, truth_endpoint
from wai_ops.emulator.identity import Permission


def number_routes(route: Callable[..., Route], api: str, account_path: str) -> list[Route]:
    """The routes; `route(method, path, handler, permission)` makes one."""
    del api
    observability = f"{account_path}/workers/observability/telemetry"
    reader = Permission.OBSERVABILITY_READ
    return [
        route("POST", f"{observability}/query", telemetry.query_telemetry, reader),
        route("POST", f"{observability}/keys", telemetry.list_keys, reader),
        route("POST", f"{observability}/values", telemetry.list_values, reader),
        route("GET", truth_endpoint.PATH, truth_endpoint.get_truth),
    ]
