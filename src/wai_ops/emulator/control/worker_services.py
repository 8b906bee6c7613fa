"""The other two names of a Worker in the API, by which `wrangler` asks about it and deletes it."""

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.control.documents import ACCOUNT, Document, Table
from wai_ops.emulator.control.requests import found
from wai_ops.emulator.control.worker_store import (
    SCRIPT,
    delete_script,
    latest_version,
    require_script,
)
from wai_ops.emulator.control.workers import to_script, to_script_settings
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.services import Services

_ENVIRONMENT = "production"


async def get_service(services: Services, request: Request) -> Response:
    """`GET /workers/services/{name}`."""
    name = request.path_params["name"]

    def query(table: Table) -> tuple[Document, Document | None]:
        return _require(table, name), latest_version(table, name)

    script, version = await services.gateways.documents.read(query)
    times = {"created_on": script.created_at, "modified_on": script.modified_at}
    row = to_script(script, version)
    environment = {"environment": _ENVIRONMENT, **times, "script": row}
    result = {
        "id": name,
        **times,
        "default_environment": environment,
        "environments": [environment],
    }
    return json_response(envelope(result))


async def delete_service(services: Services, request: Request) -> Response:
    """`DELETE /workers/services/{name}`."""
    name = request.path_params["name"]

    def delete(table: Table) -> None:
        _require(table, name)
        delete_script(table, name)

    await services.gateways.documents.change(delete)
    return json_response(envelope(None))


async def get_worker(services: Services, request: Request) -> Response:
    """`GET /workers/workers/{name}`: what does not change with its versions."""
    script = await services.gateways.documents.read(
        lambda table: require_script(table, request.path_params["name"])
    )
    result = {
        "id": script.id,
        "name": script.id,
        "created_on": script.created_at,
        "updated_on": script.modified_at,
        "subdomain": script.body["subdomain"],
        **to_script_settings(script),
    }
    return json_response(envelope(result))


def _require(table: Table, name: str) -> Document:
    script = table.get(SCRIPT, ACCOUNT, name)
    return found(script, ApiError(404, 10090, f"There is no Worker {name!r}"))
