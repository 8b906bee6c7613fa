"""Datasets and evaluations of a gateway, as far as they can be kept without a judge.

An evaluation is stored and never processed: the emulator has nobody who would rate its log rows.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.core.ids import uuid7
from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.control.documents import Document, Table, gateway_parent
from wai_ops.emulator.control.gateways_api import require_gateway
from wai_ops.emulator.control.requests import Fields, flag_param, found, paged, read_fields
from wai_ops.emulator.errors import invalid_query, not_found
from wai_ops.emulator.services import Services

_DATASET = "dataset"
_EVALUATION = "evaluation"
MAX_DATASETS = 10
_KEYS = (
    "created_at",
    "request_content_type",
    "response_content_type",
    "success",
    "cached",
    "provider",
    "model",
    "cost",
    "tokens",
    "tokens_in",
    "tokens_out",
    "duration",
    "feedback",
)
_OPERATORS = ("eq", "contains", "lt", "gt")
_TYPES_AT = "2024-09-01T00:00:00.000Z"
EVALUATION_TYPES = tuple(
    {
        "id": name,
        "name": title,
        "type": name,
        "description": description,
        "enable": True,
        "mandatory": False,
        "created_at": _TYPES_AT,
        "modified_at": _TYPES_AT,
    }
    for name, title, description in (
        ("cost", "Cost", "The mean cost of the rows."),
        ("duration", "Speed", "The mean duration of the rows."),
        ("feedback", "Feedback", "The share of rows that people liked."),
    )
)


async def list_types(_services: Services, request: Request) -> Response:
    """`GET /ai-gateway/evaluation-types`; the ids are the emulator's own."""
    is_descending = request.query_params.get("order_by_direction") == "desc"
    return paged(request, EVALUATION_TYPES[::-1] if is_descending else EVALUATION_TYPES)


async def list_datasets(services: Services, request: Request) -> Response:
    """`GET .../datasets`."""
    gateway_id = await require_gateway(services, request)
    enable = flag_param(request, "enable")
    rows = [_row(gateway_id, document) for document in await _all(services, gateway_id, _DATASET)]
    wanted = [row for row in rows if enable is None or row["enable"] is enable]
    return paged(request, _named(request, wanted, ("id", "name", "filters")))


async def create_dataset(services: Services, request: Request) -> Response:
    """`POST .../datasets`."""
    gateway_id = await require_gateway(services, request)
    body = _dataset_body(await read_fields(request))
    dataset_id = uuid7(services.clock.now())

    def create(table: Table) -> Document:
        if table.count(_DATASET, gateway_parent(gateway_id)) >= MAX_DATASETS:
            raise invalid_query(f"a gateway has at most {MAX_DATASETS} datasets")
        return table.put(_DATASET, gateway_parent(gateway_id), dataset_id, body)

    created = await services.gateways.documents.change(create)
    return json_response(envelope(_row(gateway_id, created)))


async def replace_dataset(services: Services, request: Request) -> Response:
    """`PUT .../datasets/{id}`."""
    gateway_id = await require_gateway(services, request)
    body = _dataset_body(await read_fields(request))
    dataset_id = request.path_params["id"]

    def replace(table: Table) -> Document:
        _require(table, gateway_id, _DATASET, dataset_id)
        return table.put(_DATASET, gateway_parent(gateway_id), dataset_id, body)

    replaced = await services.gateways.documents.change(replace)
    return json_response(envelope(_row(gateway_id, replaced)))


async def get_dataset(services: Services, request: Request) -> Response:
    """`GET .../datasets/{id}`."""
    return await _get(services, request, _DATASET)


async def delete_dataset(services: Services, request: Request) -> Response:
    """`DELETE .../datasets/{id}`."""
    return await _delete(services, request, _DATASET)


async def list_evaluations(services: Services, request: Request) -> Response:
    """`GET .../evaluations`."""
    gateway_id = await require_gateway(services, request)
    processed = flag_param(request, "processed")
    documents = await _all(services, gateway_id, _EVALUATION)
    rows = [_row(gateway_id, document) for document in documents]
    wanted = [row for row in rows if processed is None or row["processed"] is processed]
    return paged(request, _named(request, wanted, ("id", "name")))


async def create_evaluation(services: Services, request: Request) -> Response:
    """`POST .../evaluations` of datasets that exist; types may be the provider's own."""
    gateway_id = await require_gateway(services, request)
    fields = await read_fields(request)
    name = fields.text("name", most=255)
    dataset_ids, type_ids = fields.texts("dataset_ids"), fields.texts("evaluation_type_ids")
    account = services.store.identity.account_id
    evaluation_id = uuid7(services.clock.now())

    def create(table: Table) -> Document:
        datasets = [
            {
                **_row(gateway_id, _require(table, gateway_id, _DATASET, dataset_id)),
                "account_id": account,
                "account_tag": account,
            }
            for dataset_id in dataset_ids
        ]
        results = [_result(evaluation_id, type_id, table.at) for type_id in type_ids]
        body = {
            "name": name,
            "datasets": datasets,
            "results": results,
            "processed": False,
            "total_logs": 0,
        }
        return table.put(_EVALUATION, gateway_parent(gateway_id), evaluation_id, body)

    created = await services.gateways.documents.change(create)
    return json_response(envelope(_row(gateway_id, created)))


async def get_evaluation(services: Services, request: Request) -> Response:
    """`GET .../evaluations/{id}`."""
    return await _get(services, request, _EVALUATION)


async def delete_evaluation(services: Services, request: Request) -> Response:
    """`DELETE .../evaluations/{id}`."""
    return await _delete(services, request, _EVALUATION)


def _result(evaluation_id: str, type_id: str, at: str) -> dict[str, Any]:
    return {
        "id": f"{evaluation_id}-{type_id}",
        "evaluation_id": evaluation_id,
        "evaluation_type_id": type_id,
        "result": "",
        "status": 0,
        "status_description": "pending",
        "total_logs": 0,
        "created_at": at,
        "modified_at": at,
    }


def _dataset_body(fields: Fields) -> dict[str, Any]:
    filters = [
        {
            "key": item.choice("key", _KEYS),
            "operator": item.choice("operator", _OPERATORS),
            "value": _values(item),
        }
        for item in fields.items("filters")
    ]
    name = fields.text("name", most=255)
    return {"name": name, "enable": fields.flag("enable"), "filters": filters}


def _values(item: Fields) -> list[Any]:
    values = item.values.get("value")
    if not isinstance(values, list) or any(isinstance(v, dict | list | None) for v in values):
        raise invalid_query(f"{item.path('value')} must be a list of plain values")
    return values


async def _all(services: Services, gateway_id: str, kind: str) -> list[Document]:
    return await services.gateways.documents.read(
        lambda table: table.all(kind, gateway_parent(gateway_id))
    )


def _require(table: Table, gateway_id: str, kind: str, document_id: str) -> Document:
    document = table.get(kind, gateway_parent(gateway_id), document_id)
    return found(document, not_found(kind.capitalize()))


async def _get(services: Services, request: Request, kind: str) -> Response:
    gateway_id = await require_gateway(services, request)
    document = await services.gateways.documents.read(
        lambda table: _require(table, gateway_id, kind, request.path_params["id"])
    )
    return json_response(envelope(_row(gateway_id, document)))


async def _delete(services: Services, request: Request, kind: str) -> Response:
    gateway_id = await require_gateway(services, request)

    def delete(table: Table) -> Document:
        document = _require(table, gateway_id, kind, request.path_params["id"])
        table.delete(kind, gateway_parent(gateway_id), document.id)
        return document

    gone = await services.gateways.documents.change(delete)
    return json_response(envelope(_row(gateway_id, gone)))


def _row(gateway_id: str, document: Document) -> dict[str, Any]:
    return {"gateway_id": gateway_id, **document.to_json()}


def _named(request: Request, rows: list[Any], searched: tuple[str, ...]) -> list[Any]:
    name, search = request.query_params.get("name"), request.query_params.get("search", "")
    return [
        row
        for row in rows
        if name in (None, row["name"])
        and any(search.lower() in str(row[key]).lower() for key in searched)
    ]
