"""`POST /client/v4/graphql`."""

import asyncio
import importlib

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.emulator.answers import json_response
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.services import Services

_ENGINE = "wai_ops.emulator.graphql_api.execute"


async def query_graphql(services: Services, request: Request) -> Response:
    """Answer a query. What is wrong with it is said in a 200's `errors`, as GraphQL has it."""
    try:
        body = decode_json(await request.body())
    except ValueError:
        body = None
    match body:
        case {"query": str(query)}:
            pass
        case _:
            raise ApiError(400, 10000, "the body must be a JSON object with a query")
    variables, operation = body.get("variables"), body.get("operationName")
    if not isinstance(variables, dict | None) or not isinstance(operation, str | None):
        raise ApiError(400, 10000, "variables must be an object, operationName a string")
    # Most emulators are never asked for analytics, so the engine is loaded with the first query.
    engine = await asyncio.to_thread(importlib.import_module, _ENGINE)
    told = await engine.answer(
        services,
        request.scope["wai.principal"],
        query=query,
        variables=variables,
        operation=operation,
    )
    return json_response(told)
