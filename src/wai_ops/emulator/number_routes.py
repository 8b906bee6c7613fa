"""The paths of everything that counts: telemetry, analytics, bills and the truth."""

from collections.abc import Callable

from starlette.routing import Route

from wai_ops.emulator import billing, telemetry, truth_endpoint
from wai_ops.emulator.graphql_api.endpoint import query_graphql
from wai_ops.emulator.identity import Permission


def number_routes(route: Callable[..., Route], api: str, account_path: str) -> list[Route]:
    """The routes; `route(method, path, handler, permission)` makes one.

    GraphQL asks for its permission itself, because it refuses in its own way.
    """
    observability = f"{account_path}/workers/observability/telemetry"
    reader = Permission.OBSERVABILITY_READ
    return [
        route("POST", f"{observability}/query", telemetry.query_telemetry, reader),
        route("POST", f"{observability}/keys", telemetry.list_keys, reader),
        route("POST", f"{observability}/values", telemetry.list_values, reader),
        route("POST", f"{api}/graphql", query_graphql),
        route("GET", truth_endpoint.PATH, truth_endpoint.get_truth),
        *_billing_routes(route, account_path),
    ]


def _billing_routes(route: Callable[..., Route], account_path: str) -> list[Route]:
    """Which permission these want is not published: `Billing Read`, and a gateway's to write."""
    reader, writer = Permission.BILLING_READ, Permission.GATEWAY_WRITE
    gateways = f"{account_path}/ai-gateway/billing"
    limit = f"{gateways}/spending-limit"
    return [
        route("GET", f"{account_path}/billable/usage", billing.list_usage, reader),
        route("GET", f"{account_path}/billable-usage", billing.list_paid_usage, reader),
        route("GET", f"{account_path}/billable-usage/info", billing.get_usage_info, reader),
        route("GET", f"{gateways}/credit-balance", billing.get_credit_balance, reader),
        route("GET", f"{gateways}/usage-history", billing.get_usage_history, reader),
        route("GET", f"{gateways}/invoice-preview", billing.get_invoice_preview, reader),
        route("GET", f"{gateways}/invoice-history", billing.get_invoice_history, reader),
        route("GET", limit, billing.get_spending_limit, reader),
        route("POST", limit, billing.set_spending_limit, writer),
        route("DELETE", limit, billing.delete_spending_limit, writer),
    ]
