"""Worker scripts: upload, list, read back, settings, delete. They are stored and never run."""

import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.core.ids import uuid7
from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.control.documents import ACCOUNT, Document, Table
from wai_ops.emulator.control.multipart import MultipartError, is_multipart, parse_multipart
from wai_ops.emulator.control.requests import Fields, found, read_bytes, read_fields
from wai_ops.emulator.control.worker_store import (
    SCRIPT,
    delete_script,
    deploy,
    deployed_version,
    latest_version,
    modules_of,
    put_version,
    require_script,
    revise,
    script_not_found,
)
from wai_ops.emulator.control.worker_upload import (
    Module,
    parse_upload,
    public_binding,
    read_bindings,
    read_metadata,
    refused,
)
from wai_ops.emulator.services import Services

UPLOAD_LIMIT = 64 * 1024 * 1024
_HANDLERS = ("fetch",)


async def upload_script(services: Services, request: Request) -> Response:
    """`PUT /workers/scripts/{name}`: a new version, which serves at once."""
    name = request.path_params["name"]
    body = await read_bytes(request, UPLOAD_LIMIT)
    upload = parse_upload(request.headers.get("content-type", ""), body)
    is_strict = request.query_params.get("bindings_inherit") == "strict"
    version_id, deployment_id = new_ids(services)

    source = source_of(request)

    def put(table: Table) -> dict[str, Any]:
        version = put_version(table, name, version_id, upload, is_strict=is_strict, source=source)
        share = {"version_id": version_id, "percentage": 100}
        deploy(table, name, deployment_id, [share], version.body["settings"].get("annotations"))
        return to_script(require_script(table, name), version)

    row = await services.gateways.documents.change(put)
    # The provider's word for it is older than its deployments: it names the version.
    return json_response(envelope({**row, "deployment_id": version_id, "startup_time_ms": 0}))


async def list_scripts(services: Services, _request: Request) -> Response:
    """`GET /workers/scripts`."""

    def query(table: Table) -> list[dict[str, Any]]:
        scripts = table.all(SCRIPT)
        return [to_script(script, latest_version(table, script.id)) for script in scripts]

    return json_response(envelope(await services.gateways.documents.read(query)))


async def get_script(services: Services, request: Request) -> Response:
    """`GET /workers/scripts/{name}`: the code; several modules come as parts."""
    name = request.path_params["name"]

    def query(table: Table) -> tuple[Document, list[Module]]:
        require_script(table, name)
        version = deployed_version(table, name)
        return version, modules_of(table, name, version)

    version, modules = await services.gateways.documents.read(query)
    headers = {"etag": f'"{version.body["etag"]}"', "cf-entrypoint": version.body["main"]}
    if not version.body["has_modules"]:
        return Response(modules[0].content, headers=headers, media_type=modules[0].content_type)
    boundary = secrets.token_hex(16)
    media_type = f"multipart/form-data; boundary={boundary}"
    return Response(_as_parts(modules, boundary), headers=headers, media_type=media_type)


async def remove_script(services: Services, request: Request) -> Response:
    """`DELETE /workers/scripts/{name}`."""
    name = request.path_params["name"]
    await services.gateways.documents.change(lambda table: delete_script(table, name))
    return json_response(envelope({"id": name}))


async def get_settings(services: Services, request: Request) -> Response:
    """`GET /workers/scripts/{name}/settings`: of the version that serves."""
    name = request.path_params["name"]

    def query(table: Table) -> Document:
        require_script(table, name)
        return deployed_version(table, name)

    version = await services.gateways.documents.read(query)
    return json_response(envelope(to_settings(version)))


async def patch_settings(services: Services, request: Request) -> Response:
    """`PATCH /workers/scripts/{name}/settings`: a new version of the same code."""
    name = request.path_params["name"]
    fields = await _settings_part(request)
    ids = new_ids(services)

    def patch(table: Table) -> Document:
        require_script(table, name)
        before = found(latest_version(table, name), script_not_found())
        given = {key: value for key, value in fields.values.items() if key != "bindings"}
        bindings = None
        if "bindings" in fields:
            bindings = read_bindings(fields, before.body["bindings"], is_strict=False)
        return revise(
            table, name, ids, bindings=bindings, settings={**before.body["settings"], **given}
        )

    version = await services.gateways.documents.change(patch)
    return json_response(envelope(to_settings(version)))


async def get_script_settings(services: Services, request: Request) -> Response:
    """`GET /workers/scripts/{name}/script-settings`: what all versions share."""
    name = request.path_params["name"]
    script = await services.gateways.documents.read(lambda table: require_script(table, name))
    return json_response(envelope(to_script_settings(script)))


async def patch_script_settings(services: Services, request: Request) -> Response:
    """`PATCH /workers/scripts/{name}/script-settings`."""
    name = request.path_params["name"]
    fields = await read_fields(request, refused)

    def patch(table: Table) -> Document:
        script = require_script(table, name)
        settings = {**script.body["script_settings"], **fields.values}
        return table.put(SCRIPT, ACCOUNT, name, {**script.body, "script_settings": settings})

    return json_response(
        envelope(to_script_settings(await services.gateways.documents.change(patch)))
    )


async def list_objects(services: Services, _request: Request) -> Response:
    """`GET /workers/durable_objects/namespaces`: the classes that migrations have made."""

    def query(table: Table) -> list[dict[str, Any]]:
        return [
            {
                "id": f"{script.id}_{name}",
                "name": f"{script.id}_{name}",
                "script": script.id,
                "class": name,
                "use_sqlite": True,
            }
            for script in table.all(SCRIPT)
            for name in script.body["classes"]
        ]

    return json_response(envelope(await services.gateways.documents.read(query)))


def new_ids(services: Services) -> tuple[str, str]:
    """For a version and its deployment."""
    now = services.clock.now()
    return uuid7(now), uuid7(now)


def source_of(request: Request) -> str:
    """What the request was sent by, in the API's words."""
    return "wrangler" if request.headers.get("user-agent", "").startswith("wrangler/") else "api"


def to_script(script: Document, version: Document | None) -> dict[str, Any]:
    """A Worker as lists show it."""
    row: dict[str, Any] = {
        "id": script.id,
        "created_on": script.created_at,
        "modified_on": script.modified_at,
        "migration_tag": script.body["migration_tag"],
        "has_assets": False,
    }
    if version is not None:
        settings = version.body["settings"]
        row |= {
            "etag": version.body["etag"],
            "has_modules": version.body["has_modules"],
            "handlers": list(_HANDLERS),
            "compatibility_date": settings.get("compatibility_date"),
            "compatibility_flags": settings.get("compatibility_flags", []),
            "usage_model": settings.get("usage_model", "standard"),
            "logpush": settings.get("logpush", False),
            "tags": settings.get("tags", []),
            "last_deployed_from": version.body["source"],
        }
        if "observability" in settings:
            row["observability"] = settings["observability"]
    return row


def to_settings(version: Document) -> dict[str, Any]:
    """The settings of a version, without what its secrets hold."""
    bindings = [public_binding(binding) for binding in version.body["bindings"]]
    common = {"usage_model": "standard", "tags": [], "logpush": False, "compatibility_flags": []}
    return {**common, **version.body["settings"], "bindings": bindings}


async def _settings_part(request: Request) -> Fields:
    body = await read_bytes(request, UPLOAD_LIMIT)
    content_type = request.headers.get("content-type", "")
    if not is_multipart(content_type):
        raise refused("settings come in the part `settings` of a multipart body")
    try:
        return read_metadata(parse_multipart(content_type, body), "settings")
    except MultipartError as error:
        raise refused(str(error)) from error


def to_script_settings(script: Document) -> dict[str, Any]:
    """The settings that all versions of a Worker share."""
    return {"logpush": False, "tags": [], "tail_consumers": [], **script.body["script_settings"]}


def _as_parts(modules: list[Module], boundary: str) -> bytes:
    pieces = []
    for module in modules:
        name = module.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        pieces += [
            f"--{boundary}\r\n".encode(),
            f'Content-Disposition: form-data; name="{name}"; filename="{name}"\r\n'.encode(),
            f"Content-Type: {module.content_type}\r\n\r\n".encode(),
            module.content,
            b"\r\n",
        ]
    return b"".join([*pieces, f"--{boundary}--\r\n".encode()])
