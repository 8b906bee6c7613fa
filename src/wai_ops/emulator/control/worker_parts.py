"""What hangs on a Worker: secrets, versions, deployments, subdomain, schedules."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.core.ids import uuid7
from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.control.documents import ACCOUNT, Document, Table
from wai_ops.emulator.control.requests import Fields, read_bytes, read_fields, read_json
from wai_ops.emulator.control.worker_store import (
    DEPLOYMENT,
    SCRIPT,
    VERSION,
    deploy,
    deployed_version,
    latest_version,
    put_version,
    require_script,
    require_version,
    revise,
    script_parent,
    secrets_of,
)
from wai_ops.emulator.control.worker_upload import (
    SECRET_TYPES,
    parse_upload,
    public_binding,
    refused,
)
from wai_ops.emulator.control.workers import UPLOAD_LIMIT, new_ids, source_of
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.services import Services

_WHOLE = 100


async def list_secrets(services: Services, request: Request) -> Response:
    """`GET .../secrets`: names and types."""
    version = await _deployed(services, request)
    return json_response(envelope(secrets_of(version)))


async def get_secret(services: Services, request: Request) -> Response:
    """`GET .../secrets/{secret}`: name and type."""
    wanted = request.path_params["secret"]
    version = await _deployed(services, request)
    for secret in secrets_of(version):
        if secret["name"] == wanted:
            return json_response(envelope(secret))
    raise _no_binding(wanted)


async def put_secret(services: Services, request: Request) -> Response:
    """`PUT .../secrets`: set one."""
    secret = _secret(await read_fields(request, refused))
    await _set_secrets(services, request, {secret["name"]: secret})
    return json_response(envelope(public_binding(secret)))


async def delete_secret(services: Services, request: Request) -> Response:
    """`DELETE .../secrets/{secret}`."""
    name = request.path_params["secret"]
    version = await _deployed(services, request)
    if name not in {secret["name"] for secret in secrets_of(version)}:
        raise _no_binding(name)
    await _set_secrets(services, request, {name: None})
    return json_response(envelope(None))


async def patch_secrets(services: Services, request: Request) -> Response:
    """`PATCH .../secrets-bulk`: set many; null deletes one."""
    given = (await read_fields(request, refused)).inner("secrets")
    changes = {
        name: None if value is None else _secret(Fields({"name": name, **value}, refused, name))
        for name, value in given.values.items()
        if value is None or isinstance(value, dict) or _refuse_entry(name)
    }
    await _set_secrets(services, request, changes)
    version = await _deployed(services, request)
    return json_response(envelope({secret["name"]: secret for secret in secrets_of(version)}))


async def list_versions(services: Services, request: Request) -> Response:
    """`GET .../versions`, the newest first."""
    name = request.path_params["name"]

    def query(table: Table) -> list[Document]:
        require_script(table, name)
        return table.all(VERSION, script_parent(name))

    versions = await services.gateways.documents.read(query)
    rows = [_version(version) for version in reversed(versions)]
    return json_response(envelope({"items": rows}))


async def create_version(services: Services, request: Request) -> Response:
    """`POST .../versions`: an upload that serves nothing until it is deployed."""
    name = request.path_params["name"]
    body = await read_bytes(request, UPLOAD_LIMIT)
    upload = parse_upload(request.headers.get("content-type", ""), body)
    is_strict = request.query_params.get("bindings_inherit") == "strict"
    version_id, _ = new_ids(services)
    source = source_of(request)
    version = await services.gateways.documents.change(
        lambda table: put_version(
            table, name, version_id, upload, is_strict=is_strict, source=source
        )
    )
    return json_response(envelope({**_version(version), "startup_time_ms": 0}))


async def get_version(services: Services, request: Request) -> Response:
    """`GET .../versions/{version_id}`."""
    params = request.path_params
    version = await services.gateways.documents.read(
        lambda table: require_version(table, params["name"], params["version_id"])
    )
    return json_response(envelope(_version(version)))


async def list_deployments(services: Services, request: Request) -> Response:
    """`GET .../deployments`, the one that serves first."""
    name = request.path_params["name"]

    def query(table: Table) -> list[Document]:
        require_script(table, name)
        return table.all(DEPLOYMENT, script_parent(name))

    deployments = await services.gateways.documents.read(query)
    rows = [_deployment(deployment) for deployment in reversed(deployments)]
    return json_response(envelope({"deployments": rows}))


async def create_deployment(services: Services, request: Request) -> Response:
    """`POST .../deployments`: shares of versions, which add up to 100."""
    name = request.path_params["name"]
    fields = await read_fields(request, refused)
    fields.choice("strategy", ("percentage",))
    shares: list[dict[str, Any]] = [
        {
            "version_id": item.text("version_id"),
            "percentage": item.number("percentage", high=_WHOLE),
        }
        for item in fields.items("versions")
    ]
    if sum(share["percentage"] for share in shares) != _WHOLE:
        raise refused("the percentages of a deployment must add up to 100")
    annotations = dict(fields.inner("annotations").values) if "annotations" in fields else {}
    deployment_id = uuid7(services.clock.now())

    def create(table: Table) -> Document:
        for share in shares:
            require_version(table, name, share["version_id"])
        return deploy(table, name, deployment_id, shares, annotations)

    created = await services.gateways.documents.change(create)
    return json_response(envelope(_deployment(created)))


async def get_subdomain(services: Services, request: Request) -> Response:
    """`GET .../subdomain`."""
    return await _get_part(services, request, "subdomain")


async def set_subdomain(services: Services, request: Request) -> Response:
    """`POST .../subdomain`."""
    fields = await read_fields(request, refused)
    enabled = fields.flag("enabled")
    previews = fields.optional(fields.flag, "previews_enabled", default=enabled)
    return await _set_part(
        services, request, "subdomain", {"enabled": enabled, "previews_enabled": previews}
    )


async def unset_subdomain(services: Services, request: Request) -> Response:
    """`DELETE .../subdomain`."""
    off = {"enabled": False, "previews_enabled": False}
    return await _set_part(services, request, "subdomain", off)


async def get_schedules(services: Services, request: Request) -> Response:
    """`GET .../schedules`."""
    script = await services.gateways.documents.read(
        lambda table: require_script(table, request.path_params["name"])
    )
    return json_response(envelope({"schedules": script.body["schedules"]}))


async def set_schedules(services: Services, request: Request) -> Response:
    """`PUT .../schedules`: stored, never run."""
    items = await read_json(request, refused)
    if not isinstance(items, list):
        raise refused("a list of {cron} is needed")
    crons = [Fields(item, refused, f"[{i}]").text("cron") for i, item in enumerate(items)]
    await _set_part(services, request, "schedules", [{"cron": cron} for cron in crons])
    return await get_schedules(services, request)


async def get_account_subdomain(_services: Services, _request: Request) -> Response:
    """`GET /workers/subdomain`: the account's part of the addresses of Workers."""
    return json_response(envelope({"subdomain": "local-emulator"}))


async def _deployed(services: Services, request: Request) -> Document:
    name = request.path_params["name"]

    def query(table: Table) -> Document:
        require_script(table, name)
        return deployed_version(table, name)

    return await services.gateways.documents.read(query)


async def _set_secrets(
    services: Services, request: Request, changes: dict[str, dict[str, Any] | None]
) -> None:
    """As the provider does it: a new version of the same code, deployed."""
    name = request.path_params["name"]
    ids = new_ids(services)

    def change(table: Table) -> None:
        require_script(table, name)
        latest = latest_version(table, name)
        before = latest.body["bindings"] if latest else []
        bindings = {str(binding["name"]): binding for binding in before}
        for secret_name, secret in changes.items():
            if secret is None:
                bindings.pop(secret_name, None)
            else:
                bindings[secret_name] = secret
        revise(table, name, ids, bindings=list(bindings.values()))

    await services.gateways.documents.change(change)


def _secret(fields: Fields) -> dict[str, Any]:
    fields.text("name")
    if fields.choice("type", SECRET_TYPES) == "secret_text":
        fields.text("text", least=0, most=5 * 1024)
    return dict(fields.values)


def _refuse_entry(name: str) -> bool:
    raise refused(f"secrets.{name} must be an object or null")


def _no_binding(name: str) -> ApiError:
    return ApiError(404, 10056, f"there is no secret {name!r}")


async def _get_part(services: Services, request: Request, part: str) -> Response:
    script = await services.gateways.documents.read(
        lambda table: require_script(table, request.path_params["name"])
    )
    return json_response(envelope(script.body[part]))


async def _set_part(services: Services, request: Request, part: str, value: Any) -> Response:
    name = request.path_params["name"]

    def change(table: Table) -> None:
        script = require_script(table, name)
        table.put(SCRIPT, ACCOUNT, name, {**script.body, part: value})

    await services.gateways.documents.change(change)
    return json_response(envelope(value))


def _version(version: Document) -> dict[str, Any]:
    body = version.body
    settings = body["settings"]
    return {
        "id": version.id,
        "number": body["number"],
        "metadata": {
            "created_on": version.created_at,
            "modified_on": version.modified_at,
            "source": body["source"],
            "author_email": "",
            "hasPreview": False,
        },
        "annotations": settings.get("annotations", {}),
        "resources": {
            "bindings": [public_binding(binding) for binding in body["bindings"]],
            "script": {
                "etag": body["etag"],
                "handlers": ["fetch"],
                "last_deployed_from": body["source"],
            },
            "script_runtime": {
                "compatibility_date": settings.get("compatibility_date"),
                "compatibility_flags": settings.get("compatibility_flags", []),
                "migration_tag": body["migration_tag"],
                "usage_model": settings.get("usage_model", "standard"),
            },
        },
    }


def _deployment(deployment: Document) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "created_on": deployment.created_at,
        "source": "api",
        "strategy": "percentage",
        "versions": deployment.body["versions"],
        "annotations": deployment.body["annotations"],
        "author_email": "",
    }
