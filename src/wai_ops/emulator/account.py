"""Token verification, and the telemetry query of an account on the older log system."""

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import invalid_query
from wai_ops.emulator.services import Services


async def verify_token(_services: Services, request: Request) -> Response:
    """`GET /user/tokens/verify` and `/accounts/{id}/tokens/verify`: both know all tokens."""
    token_id = request.scope["wai.principal"].token_id
    return json_response(envelope({"id": token_id, "status": "active"}))


async def query_telemetry(services: Services, request: Request) -> Response:
    """`POST /workers/observability/telemetry/query`: well formed, and always without events.

    That is how an account looks whose gateway rows are in the older log system. The events of the
    newer one are not documented, so the emulator does not invent any.
    """
    try:
        query = decode_json(await request.body())
    except ValueError:
        raise invalid_query("the body is not valid JSON") from None
    match query:
        case {"queryId": str(query_id), "timeframe": {"from": int(start), "to": int(end)}}:
            pass
        case _:
            raise invalid_query("queryId and timeframe {from, to} in milliseconds are required")
    result = {
        "run": {
            "id": query_id,
            "query": {"id": query_id, "parameters": query.get("parameters", {})},
            "accountId": services.store.identity.account_id,
            "timeframe": {"from": start, "to": end},
            "status": "COMPLETED",
            "dry": query.get("dry") is True,
        },
        "statistics": {"elapsed": 0, "rows_read": 0, "bytes_read": 0},
        "events": {"count": 0, "events": [], "fields": [], "series": []},
    }
    return json_response(envelope(result))
