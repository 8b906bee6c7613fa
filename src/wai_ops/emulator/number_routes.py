"""The paths of everything that counts: telemetry, analytics, bills and the truth."""

from collections.abc import Callable

from starlette.routing import Route

from wai_ops.emulator import account, truth_endpoint
from wai_ops.emulator.identity import Permission


def number_routes(route: Callable[..., Route], api: str, account_path: str) -> list[Route]:
    """The routes; `route(method, path, handler, permission)` makes one."""
    del api
    telemetry = f"{account_path}/workers/observability/telemetry"
    return [
        route("POST", f"{telemetry}/query", account.query_telemetry, Permission.OBSERVABILITY_READ),
        route("GET", truth_endpoint.PATH, truth_endpoint.get_truth),
    ]
