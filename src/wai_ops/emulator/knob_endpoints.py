"""The emulator's own endpoints for its knobs and replicas; the real service has none of them."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.core.errors import UsageError
from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import invalid_query, not_found
from wai_ops.emulator.knobs import differences, flat, is_at_start
from wai_ops.emulator.services import Services

KNOBS_PATH = "/__wai/knobs"
REPLICAS_PATH = "/__wai/replicas"
RESTART_PATH = "/__wai/replicas/{replica}/restart"


async def get_knobs(services: Services, _request: Request) -> Response:
    """`GET /__wai/knobs`: every knob, and which were changed at run time."""
    return json_response(envelope(_told(services)))


async def change_knobs(services: Services, request: Request) -> Response:
    """`PATCH /__wai/knobs` with `{"section.name": value}`: all of them change, or none."""
    try:
        changes = decode_json(await request.body())
    except ValueError:
        raise invalid_query("the body is not valid JSON") from None
    if not isinstance(changes, dict):
        raise invalid_query('an object is required: {"section.name": value}')
    before = services.knobs.current
    try:
        services.knobs.change_all(changes.items())
    except UsageError as error:
        raise invalid_query(error.message) from error
    moved = differences(before, services.knobs.current)
    waiting = [name for name in moved if is_at_start(name)]
    return json_response(envelope({**_told(services), "needs_restart": waiting}))


async def reset_knobs(services: Services, _request: Request) -> Response:
    """`DELETE /__wai/knobs`: back to the file and the defaults."""
    services.knobs.reset()
    return json_response(envelope(_told(services)))


async def get_replicas(services: Services, _request: Request) -> Response:
    """`GET /__wai/replicas`: what each holds, who runs and who waits."""
    loads = sorted(services.models.desk.loads().items())
    told = [
        {
            "replica": replica,
            "cached_blocks": blocks,
            "models": [
                {"model": model, "running": load.running, "waiting": load.waiting}
                for (model, number), load in loads
                if number == replica
            ],
        }
        for replica, blocks in enumerate(services.replicas.held_blocks())
    ]
    return json_response(envelope(told))


async def restart_replica(services: Services, request: Request) -> Response:
    """`POST /__wai/replicas/{replica}/restart`: its prefix cache is empty again."""
    text = request.path_params["replica"]
    if not text.isascii() or not text.isdigit():
        raise not_found(f"replica {text}")
    services.models.restart_replica(int(text))
    return json_response(envelope({"replica": int(text)}))


def _told(services: Services) -> dict[str, Any]:
    return {"knobs": flat(services.knobs.current), "changed": services.knobs.changes}


ROUTES = (
    ("GET", KNOBS_PATH, get_knobs),
    ("PATCH", KNOBS_PATH, change_knobs),
    ("DELETE", KNOBS_PATH, reset_knobs),
    ("GET", REPLICAS_PATH, get_replicas),
    ("POST", RESTART_PATH, restart_replica),
)
"""For the operator's token alone."""
