"""The model catalogue as `GET /ai/models/search` shows it."""

import uuid
from datetime import date
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.core.prices import Model
from wai_ops.emulator.answers import envelope, json_response, page_info
from wai_ops.emulator.errors import invalid_query
from wai_ops.emulator.gateway.log_query import positive
from wai_ops.emulator.models import QUEUE_MODELS
from wai_ops.emulator.services import Services

_PER_PAGE = 50
_MAX_PER_PAGE = 100
_SOURCE = "1"
"""Of models that the provider hosts itself."""
_MILLION = 1_000_000


async def search_models(services: Services, request: Request) -> Response:
    """`GET /ai/models/search`: retired models only with `include_deprecated=true`."""
    # The official client's own tests send page=0 and per_page=0: as good as none.
    params = {name: value for name, value in request.query_params.items() if value != "0"}
    now = services.clock.now()
    page = positive(params, "page", 1)
    per_page = positive(params, "per_page", _PER_PAGE, _MAX_PER_PAGE)
    show = {None: to_catalogue_item, "openrouter": to_marketplace_item}.get(params.get("format"))
    if show is None:
        raise invalid_query("format must be openrouter")
    found = select_models(
        services.book.models(now),
        today=now.date(),
        search=params.get("search", ""),
        task=params.get("task", ""),
        author=params.get("author", ""),
        include_deprecated=params.get("include_deprecated") == "true",
    )
    if params.get("source", _SOURCE) != _SOURCE:
        found = []
    start = (page - 1) * per_page
    items = [show(model) for model in found[start : start + per_page]]
    info = page_info(page=page, per_page=per_page, count=len(items), total_count=len(found))
    return json_response(envelope(items, info=info))


def select_models(
    models: list[Model],
    *,
    today: date,
    search: str,
    task: str,
    include_deprecated: bool,
    author: str = "",
) -> list[Model]:
    """The models that a search finds; empty texts find all."""
    return [
        model
        for model in models
        if search.lower() in model.id.lower()
        and (not task or task.lower() == (model.task or "").lower())
        and (not author or author.lower() == author_of(model).lower())
        and (include_deprecated or not model.is_retired(today))
    ]


def to_catalogue_item(model: Model) -> dict[str, Any]:
    """One model in the catalogue's shape: flags are the text `true`, prices a list."""
    task = model.task
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, model.id)),
        "source": int(_SOURCE),
        "name": model.id,
        "description": f"{model.id}, as the built-in price book knows it.",
        "task": None
        if task is None
        else {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, task)),
            "name": task,
            "description": f"Models for {task.lower()}.",
        },
        "tags": [],
        "properties": _properties(model),
    }


def to_marketplace_item(model: Model) -> dict[str, Any]:
    """One model in the shape of `format=openrouter`: prices a token, as text."""
    features = {"tools": model.function_calling, "reasoning": model.reasoning}
    prices = {
        "prompt": model.usd_in_per_m,
        "completion": model.usd_out_per_m,
        "input_cache_read": model.usd_cached_in_per_m,
    }
    return {
        "id": model.id,
        "name": model.id.rsplit("/", 1)[-1],
        "created": 0,
        "hugging_face_id": "",
        "context_length": model.context_window,
        "max_output_length": model.context_window,
        "input_modalities": ["text"],
        "output_modalities": ["text"],
        "pricing": {
            name: f"{amount / _MILLION:f}" for name, amount in prices.items() if amount is not None
        },
        "supported_features": [name for name, holds in features.items() if holds],
        "supported_sampling_parameters": ["temperature", "top_p", "seed", "max_tokens"],
    }


def author_of(model: Model) -> str:
    """Whose model it is: the middle of `@cf/author/name`."""
    return model.id.split("/")[1]


def _properties(model: Model) -> list[dict[str, Any]]:
    values: dict[str, Any] = {}
    if model.context_window is not None:
        values["context_window"] = str(model.context_window)
    prices = (
        ("per M input tokens", model.usd_in_per_m),
        ("per M cached input tokens", model.usd_cached_in_per_m),
        ("per M output tokens", model.usd_out_per_m),
    )
    if price := [_price(unit, amount) for unit, amount in prices if amount is not None]:
        values["price"] = price
    for name, holds in (
        ("function_calling", model.function_calling),
        ("reasoning", model.reasoning),
        ("require_workers_paid", model.workers_paid),
        ("async_queue", model.id in QUEUE_MODELS),
    ):
        if holds:
            values[name] = "true"
    if model.retired_on is not None:
        values["planned_deprecation_date"] = model.retired_on.isoformat()
    return [{"property_id": name, "value": value} for name, value in values.items()]


def _price(unit: str, amount: Decimal) -> dict[str, Any]:
    return {"unit": unit, "price": float(amount), "currency": "USD"}
