"""Logpush jobs: kept and shown, never run."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.control.documents import ACCOUNT, Document, Table
from wai_ops.emulator.control.requests import Fields, found, read_fields
from wai_ops.emulator.errors import ApiError, invalid_query, not_found
from wai_ops.emulator.services import Services

_JOB = "logpush_job"
_COUNTER = "logpush_counter"
MAX_JOBS = 4
AI_GATEWAY = "ai_gateway_events"
FIELDS: Mapping[str, Mapping[str, str]] = {
    AI_GATEWAY: {
        "Cached": "bool; whether the gateway's cache answered",
        "Endpoint": "string; the path that was called",
        "Gateway": "string; the gateway's id",
        "Metadata": "object; the request's metadata, encrypted",
        "Model": "string; the model's name",
        "Provider": "string; the provider's name",
        "RateLimited": "bool; whether the gateway refused the call for its rate",
        "RequestBody": "object; the request, encrypted",
        "ResponseBody": "object; the answer, encrypted",
        "StatusCode": "int; the HTTP status of the answer",
    }
}
"""Datasets and their fields, as users of the AI Gateway one have reported them."""
_UPLOAD_BOUNDS = {
    "max_upload_bytes": (5_000_000, 1_000_000_000),
    "max_upload_interval_seconds": (30, 300),
    "max_upload_records": (1_000, 1_000_000),
}
_OUTPUT_TYPES = ("ndjson", "csv")


async def list_jobs(services: Services, _request: Request) -> Response:
    """`GET /logpush/jobs`."""
    jobs = await services.gateways.documents.read(lambda table: table.all(_JOB))
    return json_response(envelope([_to_json(job) for job in jobs]))


async def list_dataset_jobs(services: Services, request: Request) -> Response:
    """`GET /logpush/datasets/{dataset}/jobs`."""
    dataset = _dataset(request.path_params["dataset"])
    jobs = await services.gateways.documents.read(lambda table: table.all(_JOB))
    wanted = [_to_json(job) for job in jobs if job.body["dataset"] == dataset]
    return json_response(envelope(wanted))


async def list_fields(_services: Services, request: Request) -> Response:
    """`GET /logpush/datasets/{dataset}/fields`."""
    return json_response(envelope(dict(FIELDS[_dataset(request.path_params["dataset"])])))


async def create_job(services: Services, request: Request) -> Response:
    """`POST /logpush/jobs`."""
    fields = await read_fields(request)
    fields.require("destination_conf")
    body = {
        "dataset": _dataset(fields.optional(fields.text, "dataset", default=AI_GATEWAY)),
        "name": fields.nullable(lambda key: fields.text(key, least=0, most=512), "name"),
        **_changeable(fields),
    }
    body.setdefault("enabled", False)

    def create(table: Table) -> Document:
        if table.count(_JOB) >= MAX_JOBS:
            raise invalid_query(f"an account has at most {MAX_JOBS} Logpush jobs")
        counter = table.get(_COUNTER, ACCOUNT, "last")
        number = 1 + (counter.body["number"] if counter else 0)
        table.put(_COUNTER, ACCOUNT, "last", {"number": number})
        return table.put(_JOB, ACCOUNT, str(number), body)

    return json_response(envelope(_to_json(await services.gateways.documents.change(create))))


async def get_job(services: Services, request: Request) -> Response:
    """`GET /logpush/jobs/{id}`."""
    job = await services.gateways.documents.read(lambda table: _require(table, request))
    return json_response(envelope(_to_json(job)))


async def update_job(services: Services, request: Request) -> Response:
    """`PUT /logpush/jobs/{id}`: what is given changes; a job's dataset and name stay."""
    changes = _changeable(await read_fields(request))

    def update(table: Table) -> Document:
        job = _require(table, request)
        return table.put(_JOB, ACCOUNT, job.id, {**job.body, **changes})

    return json_response(envelope(_to_json(await services.gateways.documents.change(update))))


async def delete_job(services: Services, request: Request) -> Response:
    """`DELETE /logpush/jobs/{id}`."""

    def delete(table: Table) -> int:
        job = _require(table, request)
        table.delete(_JOB, ACCOUNT, job.id)
        return int(job.id)

    return json_response(envelope({"id": await services.gateways.documents.change(delete)}))


def _changeable(fields: Fields) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if "destination_conf" in fields:
        body["destination_conf"] = _destination(fields)
    if "enabled" in fields:
        body["enabled"] = fields.flag("enabled")
    for name in ("filter", "logpull_options", "kind", "frequency"):
        if name in fields:
            body[name] = fields.nullable(lambda key: fields.text(key, least=0), name)
    for name, (low, high) in _UPLOAD_BOUNDS.items():
        if name in fields:
            body[name] = fields.nullable(fields.whole, name)
            if body[name] not in (None, 0) and not low <= body[name] <= high:
                raise invalid_query(f"{name} must be 0 or from {low} to {high}")
    if "output_options" in fields:
        body["output_options"] = fields.nullable(
            lambda _: _output_options(fields), "output_options"
        )
    return body


def _destination(fields: Fields) -> str:
    destination = fields.text("destination_conf", most=4096)
    if "://" not in destination:
        raise invalid_query("destination_conf must be an address such as r2://bucket/path")
    return destination


def _output_options(fields: Fields) -> dict[str, Any]:
    options = fields.inner("output_options")
    if "output_type" in options:
        options.choice("output_type", _OUTPUT_TYPES)
    if options.values.get("sample_rate") is not None:
        options.number("sample_rate", high=1)
    if "field_names" in options:
        unknown = set(options.texts("field_names")) - set(FIELDS[AI_GATEWAY])
        if unknown:
            raise invalid_query(f"the dataset has no field {min(unknown)!r}")
    return dict(options.values)


def _dataset(name: str) -> str:
    if name not in FIELDS:
        raise invalid_query(f"dataset {name!r} is not emulated, only {', '.join(FIELDS)}")
    return name


def _require(table: Table, request: Request) -> Document:
    return found(table.get(_JOB, ACCOUNT, request.path_params["job_id"]), _no_job())


def _no_job() -> ApiError:
    return not_found("Logpush job")


def _to_json(job: Document) -> dict[str, Any]:
    nothing_yet = {"last_complete": None, "last_error": None, "error_message": None}
    return {"id": int(job.id), **job.body, **nothing_yet}
