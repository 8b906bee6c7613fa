"""What Workers AI lists beside its models: authors, tasks, schemas, fine-tunes, file formats."""

import uuid
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.core.prices import Model
from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.catalogue import author_of
from wai_ops.emulator.errors import invalid_query, no_such_model
from wai_ops.emulator.models import TEXT_GENERATION
from wai_ops.emulator.services import Services

_MARKDOWN_TYPES = (
    (".csv", "text/csv"),
    (".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (".html", "text/html"),
    (".pdf", "application/pdf"),
    (".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (".xml", "application/xml"),
)


async def list_authors(services: Services, _request: Request) -> Response:
    """`GET /ai/authors/search`."""
    names = sorted({author_of(model) for model in _models(services)})
    return json_response(envelope([{"id": _id(f"author:{name}"), "name": name} for name in names]))


async def list_tasks(services: Services, _request: Request) -> Response:
    """`GET /ai/tasks/search`."""
    names = sorted({model.task for model in _models(services) if model.task is not None})
    rows = [
        {"id": _id(name), "name": name, "description": f"Models for {name.lower()}."}
        for name in names
    ]
    return json_response(envelope(rows))


async def get_schema(services: Services, request: Request) -> Response:
    """`GET /ai/models/schema?model=...`: what a model takes and gives."""
    name = request.query_params.get("model")
    if not name:
        raise invalid_query("model is required")
    model = services.book.model(name, services.clock.now())
    if model is None:
        raise no_such_model(name)
    return json_response(envelope(model_schema(model)))


async def list_finetunes(_services: Services, _request: Request) -> Response:
    """`GET /ai/finetunes`, `/ai/finetunes/public`: none; adapters are not emulated."""
    return json_response(envelope([]))


async def list_markdown_types(_services: Services, _request: Request) -> Response:
    """`GET /ai/tomarkdown/supported`: the list alone; conversion is not emulated."""
    rows = [{"extension": name, "mimeType": kind} for name, kind in _MARKDOWN_TYPES]
    return json_response(envelope(rows))


def model_schema(model: Model) -> dict[str, Any]:
    """Input and output as JSON Schemas."""
    if model.task != TEXT_GENERATION:
        plain = {"type": "object", "additionalProperties": True, "properties": {}}
        return {
            side: {**plain, "description": f"{side.capitalize()} of {model.id}."}
            for side in ("input", "output")
        }
    is_legacy = model.schema != "openai"
    return {
        "input": _object(f"Input of {model.id}.", _input(is_legacy=is_legacy)),
        "output": _object(
            f"Output of {model.id}.", _LEGACY_OUTPUT if is_legacy else _OPENAI_OUTPUT
        ),
    }


def _object(description: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": True,
        "properties": dict(properties),
    }


def _input(*, is_legacy: bool) -> dict[str, Any]:
    own = (
        {
            "prompt": {"type": "string", "minLength": 1},
            "raw": {"type": "boolean", "default": False},
            "lora": {"type": "string"},
            "max_tokens": {"type": "integer", "default": 256},
        }
        if is_legacy
        else {
            "max_completion_tokens": {"type": ["integer", "null"]},
            "max_tokens": {"type": ["integer", "null"], "deprecated": True},
            "reasoning_effort": {"type": ["string", "null"], "enum": _EFFORTS},
            "chat_template_kwargs": {"type": "object"},
        }
    )
    return {"messages": _MESSAGES, **own, **_COMMON_INPUT}


_EFFORTS = ["low", "medium", "high", None]
_MESSAGES = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["role", "content"],
        "properties": {"role": {"type": "string"}, "content": {"type": ["string", "array"]}},
    },
}
_COMMON_INPUT: Mapping[str, Any] = {
    "stream": {"type": "boolean", "default": False},
    "temperature": {"type": "number", "minimum": 0, "maximum": 5},
    "top_p": {"type": "number", "minimum": 0, "maximum": 1},
    "seed": {"type": "integer", "minimum": 1, "maximum": 9999999999},
    "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2},
    "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
    "response_format": {"type": "object"},
    "tools": {"type": "array", "items": {"type": "object"}},
}
_USAGE = {
    "type": "object",
    "properties": {
        name: {"type": "integer"} for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    },
}
_LEGACY_OUTPUT: Mapping[str, Any] = {
    "response": {"type": "string"},
    "tool_calls": {"type": "array", "items": {"type": "object"}},
    "usage": _USAGE,
}
_OPENAI_OUTPUT: Mapping[str, Any] = {
    "id": {"type": "string"},
    "object": {"type": "string", "enum": ["chat.completion"]},
    "created": {"type": "integer"},
    "model": {"type": "string"},
    "choices": {"type": "array", "items": {"type": "object"}},
    "usage": _USAGE,
}


def _models(services: Services) -> list[Model]:
    return services.book.models(services.clock.now())


def _id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
