"""A gateway's log rows: listing, reading, rating and deleting them."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.emulator.answers import envelope, json_response, page_info
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import invalid_query, not_found
from wai_ops.emulator.gateway.log_bodies import stored_body
from wai_ops.emulator.gateway.log_lag import Sight
from wai_ops.emulator.gateway.log_patch import parse_patch
from wai_ops.emulator.gateway.log_query import LogQuery, parse_delete_query, parse_log_query
from wai_ops.emulator.gateway.log_row import to_detail, to_list_item
from wai_ops.emulator.services import Services
from wai_ops.emulator.store import load_sql

_T = TypeVar("_T")


async def list_logs(services: Services, request: Request) -> Response:
    """`GET /ai-gateway/gateways/{id}/logs`."""
    sight = await _sight(services, request)
    query = parse_log_query(request.query_params.multi_items())
    rows: list[sqlite3.Row] = []
    totals = {"total_count": 0}
    if not is_elsewhere(sight):
        rows, totals = await services.store.read(lambda connection: _run(connection, sight, query))
    info = page_info(
        page=query.page, per_page=query.per_page, count=len(rows), total_count=totals["total_count"]
    )
    items = [to_list_item(row, metadata_as_text=sight.metadata_as_text) for row in rows]
    return json_response(envelope(items, info={**info, **totals}))


async def get_log(services: Services, request: Request) -> Response:
    """`GET /ai-gateway/gateways/{id}/logs/{log_id}`."""
    sight = await _sight(services, request)
    row = await _one(services, sight, request, _seen("select * from seen where id = :id"))
    return json_response(envelope(to_detail(row, metadata_as_text=sight.metadata_as_text)))


async def get_request_body(services: Services, request: Request) -> Response:
    """`GET .../logs/{log_id}/request`: what the client sent, raw."""
    return await _body(services, request, "request")


async def get_response_body(services: Services, request: Request) -> Response:
    """`GET .../logs/{log_id}/response`: what it was answered, raw."""
    return await _body(services, request, "response")


async def patch_log(services: Services, request: Request) -> Response:
    """`PATCH .../logs/{log_id}`: score, feedback and metadata, each where it is sent."""
    sight = await _sight(services, request)
    try:
        changes = parse_patch(decode_json(await request.body()))
    except ValueError:
        raise invalid_query("the body is not valid JSON") from None
    row = await _one(services, sight, request, _seen("select id from seen where id = :id"))
    key = {"gateway_id": sight.gateway_id, "id": row["id"], "now": sight.arguments["now"]}
    services.store.write("patch_log", {**key, **changes})
    return json_response(envelope({}))


async def delete_logs(services: Services, request: Request) -> Response:
    """`DELETE /ai-gateway/gateways/{id}/logs`: those that match; without filters all of them."""
    sight = await _sight(services, request)
    query = parse_delete_query(request.query_params.multi_items())
    if not is_elsewhere(sight):
        statement = f"{_seen()} delete from log where id in ({query.ids_sql()})"  # noqa: S608 - constants
        arguments = {**sight.arguments, **query.arguments}
        await services.store.read(_in_transaction(lambda c: c.execute(statement, arguments)))
    return json_response(envelope(None))


def is_elsewhere(sight: Sight) -> bool:
    """Whether the account's rows are in the newer log system, and none are here."""
    return sight.logs.system == "observability"


def _seen(statement: str = "") -> str:
    """A statement over `seen`, the rows that can be seen."""
    return f"with seen as ({load_sql('seen_logs')}) {statement}"


async def _sight(services: Services, request: Request) -> Sight:
    gateway_id = request.path_params["gateway_id"]
    if await services.gateways.get(gateway_id) is None:
        raise not_found("Gateway")
    logs = services.knobs.current.logs
    return Sight(gateway_id=gateway_id, now=services.clock.now(), logs=logs)


async def _one(
    services: Services, sight: Sight, request: Request, statement: str
) -> Mapping[str, Any]:
    """The row of the path. Raises 404/7002."""
    arguments = {**sight.arguments, "id": request.path_params["log_id"]}

    def query(connection: sqlite3.Connection) -> sqlite3.Row | None:
        found = connection.execute(statement, arguments).fetchone()
        return found if isinstance(found, sqlite3.Row) else None

    row = None if is_elsewhere(sight) else await services.store.read(query)
    if row is None:
        raise not_found("Log")
    return dict(row)


async def _body(services: Services, request: Request, side: str) -> Response:
    sight = await _sight(services, request)
    row = await _one(services, sight, request, load_sql("get_log_body"))
    body, content_type = stored_body(row, side)
    # Exactly that type: Starlette would add a charset to text.
    return Response(body, headers={"content-type": content_type})


def _run(
    connection: sqlite3.Connection, sight: Sight, query: LogQuery
) -> tuple[list[sqlite3.Row], dict[str, Any]]:
    """The page and the totals, in one reading of the table."""
    arguments = {**sight.arguments, **query.arguments}
    connection.execute("begin")
    try:
        totals = connection.execute(_seen(query.count_sql()), arguments).fetchone()
        rows = connection.execute(_seen(query.rows_sql()), arguments).fetchall()
    finally:
        connection.execute("rollback")
    return rows, dict(totals)


def _in_transaction(
    work: Callable[[sqlite3.Connection], _T],
) -> Callable[[sqlite3.Connection], _T]:
    def run(connection: sqlite3.Connection) -> _T:
        connection.execute("begin immediate")
        try:
            result = work(connection)
            connection.execute("commit")
        except BaseException:
            connection.execute("rollback")
            raise
        return result

    return run
