"""What an uploaded Worker consists of: its metadata, its modules, its bindings. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wai_ops.emulator.control.multipart import (
    MultipartError,
    Part,
    is_multipart,
    parse_multipart,
    single,
)
from wai_ops.emulator.control.requests import Fields
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import ApiError

MODULE_TYPES = (
    "application/javascript+module",
    "text/javascript+module",
    "application/javascript",
    "text/javascript",
    "text/x-python",
    "text/x-python-requirement",
    "application/wasm",
    "text/plain",
    "application/octet-stream",
    "application/source-map",
    "application/json",
)
SECRET_TYPES = ("secret_text", "secret_key")
_SECRET_FIELDS = ("text", "key_base64", "key_jwk")
_KEPT_SETTINGS = (
    "compatibility_date",
    "compatibility_flags",
    "usage_model",
    "logpush",
    "observability",
    "placement",
    "limits",
    "tags",
    "tail_consumers",
    "annotations",
    "exports",
)
_MAIN = "worker.js"


def refused(message: str) -> ApiError:
    """The upload is not one that can run."""
    return ApiError(400, 10021, message)


@dataclass(frozen=True, slots=True)
class Module:
    """One file of a Worker."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One upload, before its bindings are resolved against those of the version before."""

    metadata: Fields
    modules: tuple[Module, ...]
    main: str
    has_modules: bool
    """Whether it is a Worker of modules, not one in the older service-worker form."""

    @property
    def etag(self) -> str:
        """The same for the same code."""
        digest = hashlib.sha256()
        for module in self.modules:
            digest.update(module.name.encode() + b"\0" + module.content + b"\0")
        return digest.hexdigest()

    def settings(self) -> dict[str, Any]:
        """What is kept of the metadata beside bindings and migrations."""
        values = self.metadata.values
        if values.get("annotations") is not None:
            self.metadata.inner("annotations")
        return {name: values[name] for name in _KEPT_SETTINGS if values.get(name) is not None}


def parse_upload(content_type: str, body: bytes) -> Upload:
    """Read an upload: parts with metadata, or one bare script. Raises 400/10021."""
    if not is_multipart(content_type):
        module = Module(_MAIN, "application/javascript", body)
        metadata = Fields({"body_part": _MAIN}, refused, "metadata")
        return Upload(metadata=metadata, modules=(module,), main=_MAIN, has_modules=False)
    try:
        parts = parse_multipart(content_type, body)
    except MultipartError as error:
        raise refused(str(error)) from error
    metadata = read_metadata(parts, "metadata")
    modules = tuple(_module(part) for part in parts if part.name != "metadata")
    main = metadata.values.get("main_module") or metadata.values.get("body_part")
    if not isinstance(main, str):
        raise refused("metadata.main_module or metadata.body_part is required")
    if main not in {module.name for module in modules}:
        raise refused(f"there is no part for the main module {main!r}")
    return Upload(
        metadata=metadata,
        modules=modules,
        main=main,
        has_modules="main_module" in metadata,
    )


def read_metadata(parts: Sequence[Part], name: str) -> Fields:
    """The JSON part of that name. Raises 400/10021."""
    part = single(parts, name)
    if part is None:
        raise refused(f"the part `{name}` is missing")
    try:
        return Fields(decode_json(part.content), refused, name)
    except ValueError:
        raise refused(f"the part `{name}` is not valid JSON") from None


def _module(part: Part) -> Module:
    name = part.file_name or part.name
    content_type = part.content_type or "application/octet-stream"
    if content_type not in MODULE_TYPES:
        raise refused(f"module {name!r} has an unknown content type {content_type!r}")
    return Module(name, content_type, part.content)


def read_bindings(
    metadata: Fields, before: Sequence[Mapping[str, Any]], *, is_strict: bool
) -> list[dict[str, Any]]:
    """The bindings of a new version, given those of the one before.

    Kept are those of the types in `keep_bindings`, and those that an `inherit` names; one that
    cannot be inherited is dropped, or refused when `is_strict`.
    """
    old = {str(binding["name"]): dict(binding) for binding in before}
    kept_types = _texts(metadata, "keep_bindings")
    bindings = {name: binding for name, binding in old.items() if binding["type"] in kept_types}
    for item in metadata.items("bindings") if "bindings" in metadata else []:
        name, kind = item.text("name"), item.text("type")
        if kind != "inherit":
            bindings[name] = dict(item.values)
            continue
        source = old.get(item.optional(item.text, "old_name", default=name))
        if source is not None:
            bindings[name] = {**source, "name": name}
        elif is_strict:
            raise ApiError(400, 10056, f"binding {name!r} cannot be inherited: there is none")
    return list(bindings.values())


def public_binding(binding: Mapping[str, Any]) -> dict[str, Any]:
    """A binding as the API shows it: never what a secret holds."""
    if binding["type"] not in SECRET_TYPES:
        return dict(binding)
    return {name: value for name, value in binding.items() if name not in _SECRET_FIELDS}


def new_migration_tag(metadata: Fields, current: str | None) -> str | None:
    """The tag after the upload's migrations. Raises 400 when they start from another one."""
    if metadata.values.get("migrations") is None:
        return current
    migrations = metadata.inner("migrations")
    old = migrations.values.get("old_tag")
    if old is not None and old != current:
        raise refused(f"migrations start from {old!r}, but the Worker is at {current!r}")
    new = migrations.values.get("new_tag")
    return new if isinstance(new, str) else current


def migrated_classes(metadata: Fields, before: Sequence[str]) -> list[str]:
    """The Durable Object classes after the upload's migrations."""
    classes = list(before)
    if metadata.values.get("migrations") is None:
        return classes
    migrations = metadata.inner("migrations")
    steps = migrations.items("steps") if "steps" in migrations else [migrations]
    for step in steps:
        for name in ("new_classes", "new_sqlite_classes"):
            classes += _texts(step, name)
        for rename in step.items("renamed_classes") if "renamed_classes" in step else []:
            old, new = rename.text("from"), rename.text("to")
            classes = [new if name == old else name for name in classes]
        gone = _texts(step, "deleted_classes")
        classes = [name for name in classes if name not in gone]
    return list(dict.fromkeys(classes))


def _texts(fields: Fields, name: str) -> list[str]:
    """A list of text that may be missing."""
    return fields.texts(name) if name in fields else []
