"""Reading gateways."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.emulator.answers import envelope, json_response, page_info
from wai_ops.emulator.errors import not_found
from wai_ops.emulator.gateway.log_query import MAX_PER_PAGE, positive
from wai_ops.emulator.services import Services


async def list_gateways(services: Services, request: Request) -> Response:
    """`GET /ai-gateway/gateways`."""
    params = request.query_params
    page = positive(params, "page", 1)
    per_page = positive(params, "per_page", 20, MAX_PER_PAGE)
    rows, total = await services.gateways.page(
        search=params.get("search", ""), page=page, per_page=per_page
    )
    info = page_info(page=page, per_page=per_page, count=len(rows), total_count=total)
    return json_response(envelope(rows, info=info))


async def get_gateway(services: Services, request: Request) -> Response:
    """`GET /ai-gateway/gateways/{id}`."""
    return json_response(envelope(await _require_gateway(services, request)))


async def _require_gateway(services: Services, request: Request) -> dict[str, Any]:
    found = await services.gateways.get(request.path_params["gateway_id"])
    if found is None:
        raise not_found("Gateway")
    return found
