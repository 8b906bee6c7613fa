"""Workers in the store: the script, its versions with their modules, its deployments."""

from collections.abc import Mapping, Sequence
from typing import Any

from wai_ops.emulator.control.documents import ACCOUNT, Document, Table
from wai_ops.emulator.control.kv_namespaces import NAMESPACE
from wai_ops.emulator.control.requests import found
from wai_ops.emulator.control.worker_upload import (
    SECRET_TYPES,
    Module,
    Upload,
    migrated_classes,
    new_migration_tag,
    public_binding,
    read_bindings,
    refused,
)
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.store import load_sql

SCRIPT = "worker"
VERSION = "worker_version"
DEPLOYMENT = "worker_deployment"
_NEW_SCRIPT: Mapping[str, Any] = {
    "migration_tag": None,
    "classes": [],
    "subdomain": {"enabled": False, "previews_enabled": False},
    "schedules": [],
    "script_settings": {},
}


def script_not_found() -> ApiError:
    """No Worker of that name."""
    return ApiError(404, 10007, "This Worker does not exist on your account.")


def script_parent(name: str) -> str:
    """The parent of a Worker's versions and deployments."""
    return f"worker/{name}"


def require_script(table: Table, name: str) -> Document:
    """The Worker. Raises 404/10007."""
    return found(table.get(SCRIPT, ACCOUNT, name), script_not_found())


def require_version(table: Table, name: str, version_id: str) -> Document:
    """A version of it. Raises 404."""
    version = table.get(VERSION, script_parent(name), version_id)
    return found(version, ApiError(404, 10007, "This version does not exist"))


def latest_version(table: Table, name: str) -> Document | None:
    """The version uploaded last; None for a Worker that has none yet."""
    versions = table.all(VERSION, script_parent(name))
    return versions[-1] if versions else None


def deployed_version(table: Table, name: str) -> Document:
    """The version that serves, or most of the requests go to. Raises 404/10007."""
    deployments = table.all(DEPLOYMENT, script_parent(name))
    if not deployments:
        return found(latest_version(table, name), script_not_found())
    shares = deployments[-1].body["versions"]
    biggest = max(shares, key=lambda share: float(share["percentage"]))
    return require_version(table, name, biggest["version_id"])


def put_version(
    table: Table, name: str, version_id: str, upload: Upload, *, is_strict: bool, source: str
) -> Document:
    """Store an upload as the newest version of a Worker, which is made when it is new."""
    script = table.get(SCRIPT, ACCOUNT, name)
    state = {**_NEW_SCRIPT, **(script.body if script else {})}
    before = latest_version(table, name)
    bindings = read_bindings(
        upload.metadata, before.body["bindings"] if before else [], is_strict=is_strict
    )
    check_bindings(table, bindings)
    state["migration_tag"] = new_migration_tag(upload.metadata, state["migration_tag"])
    state["classes"] = migrated_classes(upload.metadata, state["classes"])
    table.put(SCRIPT, ACCOUNT, name, state)
    body = {
        "number": table.count(VERSION, script_parent(name)) + 1,
        "etag": upload.etag,
        "main": upload.main,
        "has_modules": upload.has_modules,
        "bindings": bindings,
        "settings": upload.settings(),
        "migration_tag": state["migration_tag"],
        "modules_of": version_id,
        "source": source,
    }
    for position, module in enumerate(upload.modules):
        values = {
            "script": name,
            "version_id": version_id,
            "position": position,
            "name": module.name,
            "content_type": module.content_type,
            "content": module.content,
        }
        table.connection.execute(load_sql("control/insert_module"), values)
    return table.put(VERSION, script_parent(name), version_id, body)


def revise(
    table: Table,
    name: str,
    ids: tuple[str, str],
    *,
    bindings: Sequence[Mapping[str, Any]] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Document:
    """A deployed version with the code of the newest one. `ids`: version and deployment."""
    before = latest_version(table, name)
    if before is None:
        raise script_not_found()
    version_id, deployment_id = ids
    body = {**before.body, "number": table.count(VERSION, script_parent(name)) + 1}
    if bindings is not None:
        check_bindings(table, bindings)
        body["bindings"] = list(bindings)
    if settings is not None:
        body["settings"] = dict(settings)
    version = table.put(VERSION, script_parent(name), version_id, body)
    deploy(table, name, deployment_id, [{"version_id": version_id, "percentage": 100}])
    return version


def deploy(
    table: Table,
    name: str,
    deployment_id: str,
    versions: Sequence[Mapping[str, Any]],
    annotations: Mapping[str, Any] | None = None,
) -> Document:
    """Let versions of a Worker serve."""
    body = {"versions": list(versions), "annotations": dict(annotations or {})}
    table.put(SCRIPT, ACCOUNT, name, require_script(table, name).body)  # it has been modified
    return table.put(DEPLOYMENT, script_parent(name), deployment_id, body)


def modules_of(table: Table, name: str, version: Document) -> list[Module]:
    """The files of a version, the uploaded ones whatever was set on it since."""
    values = {"script": name, "version_id": version.body["modules_of"]}
    rows = table.connection.execute(load_sql("control/list_modules"), values)
    return [Module(row["name"], row["content_type"], bytes(row["content"])) for row in rows]


def delete_script(table: Table, name: str) -> None:
    """The Worker with everything of it. Raises 404/10007."""
    require_script(table, name)
    table.delete(SCRIPT, ACCOUNT, name)
    table.delete_below(script_parent(name))
    table.connection.execute(load_sql("control/delete_modules"), {"script": name})


def check_bindings(table: Table, bindings: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what is bound to nothing. Raises 400."""
    for binding in bindings:
        kind, name = binding["type"], binding["name"]
        if kind == "kv_namespace":
            namespace_id = binding.get("namespace_id")
            known = isinstance(namespace_id, str) and table.get(NAMESPACE, ACCOUNT, namespace_id)
            if not known:
                raise ApiError(400, 10041, f"KV namespace {namespace_id!r} not found.")
        elif kind == "secret_text" and not isinstance(binding.get("text"), str):
            raise refused(f"secret {name!r} has no text")


def secrets_of(version: Document) -> list[dict[str, Any]]:
    """The secrets of a version, without what they hold."""
    return [
        public_binding(binding)
        for binding in version.body["bindings"]
        if binding["type"] in SECRET_TYPES
    ]
