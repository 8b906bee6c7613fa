"""Which door a model call came through: its path, its gateway, its wire shape. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from wai_ops.emulator.errors import ApiError, invalid_input
from wai_ops.emulator.gateway.refusals import invalid_provider

WORKERS_AI = "workers-ai"
DYNAMIC = "dynamic/"


class Shape(Enum):
    """How a request is written and its answer wrapped."""

    NATIVE = "native"
    """The model's own schema, the answer in the v4 envelope."""
    CHAT = "chat"
    """OpenAI's chat completions, bare."""
    RESPONSES = "responses"
    """OpenAI's responses, bare."""
    EMBEDDINGS = "embeddings"
    """OpenAI's embeddings, bare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One endpoint that runs models."""

    path: str
    """As log rows show it."""
    shape: Shape
    on_gateway_host: bool = False
    """Below `/v1/{account}/{gateway}`: the gateway is in the path, its token in its own header."""


RUN = Surface(path="run", shape=Shape.NATIVE)
UNIFIED = Surface(path="run", shape=Shape.NATIVE)
CHAT = Surface(path="v1/chat/completions", shape=Shape.CHAT)
RESPONSES = Surface(path="v1/responses", shape=Shape.RESPONSES)
EMBEDDINGS = Surface(path="v1/embeddings", shape=Shape.EMBEDDINGS)
PROVIDER_RUN = Surface(path="run", shape=Shape.NATIVE, on_gateway_host=True)
PROVIDER_CHAT = Surface(path="v1/chat/completions", shape=Shape.CHAT, on_gateway_host=True)
PROVIDER_EMBEDDINGS = Surface(path="v1/embeddings", shape=Shape.EMBEDDINGS, on_gateway_host=True)
BINDING = Surface(path="run", shape=Shape.NATIVE)
"""`env.AI.run` of a Worker."""
COMPAT = Surface(path="compat/chat/completions", shape=Shape.CHAT, on_gateway_host=True)
UNIVERSAL = Surface(path="", shape=Shape.NATIVE, on_gateway_host=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """What a request asks for: `model` without any provider prefix, or `dynamic/<name>`."""

    model: str
    body: Mapping[str, Any]
    """In the model's own schema."""

    @property
    def route(self) -> str | None:
        """The dynamic route that is named instead of a model."""
        return self.model.removeprefix(DYNAMIC) if self.model.startswith(DYNAMIC) else None


def read_requested(surface: Surface, path_model: str | None, body: Mapping[str, Any]) -> Requested:
    """Find the model and its input. Raises 8001, 2008 (a foreign provider) or 7003."""
    if path_model is not None:
        return Requested(model=path_model, body=body)
    model = body.get("model")
    if not isinstance(model, str):
        raise invalid_input("model is required")
    if surface is COMPAT:
        return Requested(model=_without_provider(model), body=body)
    if surface is UNIFIED:
        return Requested(model=model, body=_unified_input(body, model))
    return Requested(model=model, body=body)


def log_path(surface: Surface, model: str | None) -> str:
    """The path of a log row: a run's holds its model."""
    if surface.shape is Shape.NATIVE and surface is not UNIFIED and model is not None:
        return f"{surface.path}/{model}"
    return surface.path


def _without_provider(model: str) -> str:
    if model.startswith(DYNAMIC):
        return model
    provider, slash, rest = model.partition("/")
    if not slash or provider != WORKERS_AI:
        raise invalid_provider(provider)
    return rest


def _unified_input(body: Mapping[str, Any], model: str) -> Mapping[str, Any]:
    """The model's own body out of `{model, input, options}`."""
    if not model.startswith("@"):
        raise ApiError(404, 7003, f"Model not found: {model}; only Workers AI models are emulated")
    given, options = body.get("input"), body.get("options", {})
    if isinstance(given, str):
        given = {"prompt": given}
    if not isinstance(given, dict) or not isinstance(options, dict):
        raise ApiError(400, 7003, "input must be an object or text, and options an object")
    if "webhookUrl" in options and options.get("background") is not True:
        raise ApiError(400, 7003, "options.webhookUrl needs options.background")
    if options.get("background") is True:
        raise ApiError(400, 7003, "options.background is not emulated")
    return {**given, "options": options}
