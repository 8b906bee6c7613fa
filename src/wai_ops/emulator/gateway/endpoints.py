"""Reading gateways and their log rows."""

import sqlite3
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.emulator.answers import envelope, json_response, page_info
from wai_ops.emulator.errors import not_found
from wai_ops.emulator.gateway.log_query import MAX_PER_PAGE, LogQuery, parse_log_query, positive
from wai_ops.emulator.gateway.log_row import to_detail, to_list_item
from wai_ops.emulator.services import Services
from wai_ops.emulator.store import load_sql


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


async def list_logs(services: Services, request: Request) -> Response:
    """`GET /ai-gateway/gateways/{id}/logs`."""
    gateway = await _require_gateway(services, request)
    query = parse_log_query(gateway["id"], request.query_params)
    rows, totals = await services.store.read(lambda connection: _run(connection, query))
    info = page_info(
        page=query.page, per_page=query.per_page, count=len(rows), total_count=totals["total_count"]
    )
    return json_response(envelope(rows, info={**info, **totals}))


async def get_log(services: Services, request: Request) -> Response:
    """`GET /ai-gateway/gateways/{id}/logs/{log_id}`."""
    gateway = await _require_gateway(services, request)
    key = {"gateway_id": gateway["id"], "id": request.path_params["log_id"]}

    def query(connection: sqlite3.Connection) -> dict[str, Any] | None:
        row = connection.execute(load_sql("get_log"), key).fetchone()
        return None if row is None else to_detail(row)

    found = await services.store.read(query)
    if found is None:
        raise not_found("Log")
    return json_response(envelope(found))


async def _require_gateway(services: Services, request: Request) -> dict[str, Any]:
    found = await services.gateways.get(request.path_params["gateway_id"])
    if found is None:
        raise not_found("Gateway")
    return found


def _run(
    connection: sqlite3.Connection, query: LogQuery
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The page and the totals, in one reading of the table."""
    connection.execute("begin")
    try:
        totals = connection.execute(query.count_sql(), query.arguments).fetchone()
        window = (query.per_page, (query.page - 1) * query.per_page)
        rows = connection.execute(query.rows_sql(), (*query.arguments, *window)).fetchall()
    finally:
        connection.execute("rollback")
    return [to_list_item(row) for row in rows], dict(totals)
