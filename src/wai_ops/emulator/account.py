"""Token verification."""

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.services import Services


async def verify_token(_services: Services, request: Request) -> Response:
    """`GET /user/tokens/verify` and `/accounts/{id}/tokens/verify`: both know all tokens."""
    token_id = request.scope["wai.principal"].token_id
    return json_response(envelope({"id": token_id, "status": "active"}))
