"""The telemetry query: where an account on the newer log system reads its gateways' rows.

An account on the older one gets well-formed answers without events. Only the view `events` is
emulated. Answers are exact: nothing is sampled.
"""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.core.ids import uuid7
from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import invalid_query
from wai_ops.emulator.gateway.log_lag import Sight
from wai_ops.emulator.gateway.log_row import to_list_item
from wai_ops.emulator.services import Services
from wai_ops.emulator.store import load_sql
from wai_ops.emulator.telemetry_events import DATASET, flatten, to_event, to_millis
from wai_ops.emulator.telemetry_filters import (
    Flat,
    Scalar,
    Test,
    parse_filters,
    parse_needle,
    to_text,
    type_of,
)
from wai_ops.emulator.times import to_millis_text

RETENTION_DAYS = 7.0
"""How long the newer system keeps rows on a paid plan."""
_DEFAULT_LIMIT, _MAX_LIMIT = 100, 2000
_LAST_YEAR = 9999


@dataclass(frozen=True, slots=True)
class _Found:
    """An event, and how it is searched."""

    event: dict[str, Any]
    flat: Flat


async def query_telemetry(services: Services, request: Request) -> Response:
    """`POST /workers/observability/telemetry/query`."""
    body = await _decoded(request)
    match body:
        case {"queryId": str(), "timeframe": {"from": int(), "to": int()}}:
            pass
        case _:
            raise invalid_query("queryId and timeframe {from, to} in milliseconds are required")
    if body.get("view", "events") != "events":
        raise invalid_query("only the view `events` is emulated")
    parameters = body.get("parameters", {})
    if not isinstance(parameters, dict):
        raise invalid_query("parameters must be an object")
    test = _test(parameters, parameters.get("filterCombination", "and"))
    start, end = body["timeframe"]["from"], body["timeframe"]["to"]
    found = await _matching(services, start, end, parameters.get("datasets"), test)
    shown = _page(found, body)
    result = {
        "run": _run(services, request, body, parameters),
        "statistics": _statistics(len(found)),
        "events": {
            "count": len(found),
            "events": [item.event for item in shown],
            "fields": [{"key": key, "type": kind} for key, kind in _keys(shown)],
            "series": [],
        },
    }
    return json_response(envelope(result))


async def list_keys(services: Services, request: Request) -> Response:
    """`POST /workers/observability/telemetry/keys`: what events can be searched by."""
    body = await _decoded(request)
    start, end = body.get("from", 0), body.get("to", to_millis(services.clock.now()))
    found = await _matching(services, start, end, body.get("datasets"), _test(body))
    wanted = parse_needle(body.get("keyNeedle"), "keyNeedle")
    seen: dict[tuple[str, str], int] = {}
    for item in reversed(found):  # the newest one last
        for key, value in item.flat.items():
            seen[key, type_of(value)] = item.event["timestamp"]
    keys = [
        {"key": key, "lastSeenAt": at, "type": kind}
        for (key, kind), at in sorted(seen.items())
        if wanted(key)
    ]
    return json_response(envelope(keys[: _limit(body)]))


async def list_values(services: Services, request: Request) -> Response:
    """`POST /workers/observability/telemetry/values`: what one key has held."""
    body = await _decoded(request)
    match body:
        case {"key": str(key), "type": str(kind), "timeframe": {"from": start, "to": end}}:
            pass
        case _:
            raise invalid_query("key, type and timeframe {from, to} are required")
    found = await _matching(services, start, end, body.get("datasets"), _test(body))
    values: dict[Scalar, None] = {}
    for item in found:
        value = item.flat.get(key)
        if value is not None and type_of(value) == kind:
            values[value] = None
    told = [
        {"dataset": DATASET, "key": key, "type": kind, "value": value}
        for value in sorted(values, key=to_text)
    ]
    return json_response(envelope(told[: _limit(body)]))


async def _decoded(request: Request) -> dict[str, Any]:
    try:
        body = decode_json(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise invalid_query("the body must be a JSON object")
    return body


def _test(parameters: dict[str, Any], combination: Any = "and") -> Test:
    """Filters and needle of a query as one test. Raises 400/7001."""
    passes = parse_filters(parameters.get("filters", []), combination)
    needle = parameters.get("needle")
    has_text = parse_needle(needle)
    if needle is None:
        return passes
    return lambda flat: passes(flat) and any(has_text(to_text(value)) for value in flat.values())


async def _matching(
    services: Services, start: Any, end: Any, datasets: Any, test: Test
) -> list[_Found]:
    """The events of a time frame that pass, newest first."""
    logs = services.knobs.current.logs
    frame = (_at(start), _at(end))
    if logs.system != "observability" or (datasets and DATASET not in datasets):
        return []
    days = RETENTION_DAYS if logs.retention_days is None else logs.retention_days
    sight = Sight(gateway_id="", now=services.clock.now(), logs=replace(logs, retention_days=days))
    rows = await services.store.read(lambda connection: _rows(connection, sight, frame))
    account_id = services.store.identity.account_id
    # Beside the event loop: filtering many rows must not hold up the models.
    return await asyncio.to_thread(
        lambda: [
            found for found in _events(rows, account_id, sight.metadata_as_text) if test(found.flat)
        ]
    )


def _rows(
    connection: sqlite3.Connection, sight: Sight, frame: tuple[str, str]
) -> list[tuple[str, sqlite3.Row]]:
    statement = (
        f"with seen as ({load_sql('seen_logs')}) select * from seen "  # noqa: S608 - constants
        "where created_at >= :start and created_at <= :end"
    )
    gateways = connection.execute("select id from gateway").fetchall()
    found = []
    for (gateway_id,) in gateways:
        arguments = {**replace(sight, gateway_id=gateway_id).arguments}
        arguments |= {"start": frame[0], "end": frame[1]}
        found += [(gateway_id, row) for row in connection.execute(statement, arguments)]
    return sorted(found, key=lambda item: (item[1]["created_at"], item[1]["id"]), reverse=True)


def _events(
    rows: Sequence[tuple[str, sqlite3.Row]], account_id: str, metadata_as_text: bool
) -> Iterator[_Found]:
    for gateway_id, row in rows:
        item = to_list_item(row, metadata_as_text=metadata_as_text)
        event = to_event(item, account_id=account_id, gateway_id=gateway_id)
        yield _Found(event, flatten(event))


def _page(found: Sequence[_Found], body: dict[str, Any]) -> Sequence[_Found]:
    """The events after the one that the cursor names, or before it."""
    limit, offset = _limit(body), body.get("offset")
    if offset is None:
        return found[:limit]
    places = (index for index, item in enumerate(found) if item.event["$metadata"]["id"] == offset)
    place = next(places, None)
    if place is None:
        raise invalid_query("offset must be the id of an event that the query finds")
    if body.get("offsetDirection", "next") == "prev":
        return found[max(0, place - limit) : place]
    return found[place + 1 : place + 1 + limit]


def _limit(body: dict[str, Any]) -> int:
    limit = body.get("limit", _DEFAULT_LIMIT)
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit >= 1:
        raise invalid_query("limit must be a number from 1")
    return int(min(limit, _MAX_LIMIT))


def _at(millis: Any) -> str:
    if isinstance(millis, bool) or not isinstance(millis, int | float):
        raise invalid_query("times must be milliseconds since 1970")
    try:
        return to_millis_text(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis))
    except (OverflowError, ValueError):
        raise invalid_query(f"times must lie before the year {_LAST_YEAR + 1}") from None


def _keys(found: Sequence[_Found]) -> list[tuple[str, str]]:
    return sorted({(key, type_of(value)) for item in found for key, value in item.flat.items()})


def _statistics(rows: int) -> dict[str, int]:
    return {"elapsed": 0, "rows_read": rows, "bytes_read": 0}


def _run(
    services: Services, request: Request, body: dict[str, Any], parameters: dict[str, Any]
) -> dict[str, Any]:
    now = to_millis_text(services.clock.now())
    user_id = request.scope["wai.principal"].token_id
    return {
        "id": uuid7(services.clock.now()),
        "query": {
            "id": body["queryId"],
            "adhoc": True,
            "name": body["queryId"],
            "description": None,
            "parameters": parameters,
            "created": now,
            "createdBy": user_id,
            "updated": now,
            "updatedBy": user_id,
        },
        "accountId": services.store.identity.account_id,
        "userId": user_id,
        "timeframe": body["timeframe"],
        "status": "COMPLETED",
        "granularity": 1,
        "dry": body.get("dry") is True,
        "created": now,
        "updated": now,
    }
