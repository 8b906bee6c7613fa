"""What `env.AI` of a Worker sends, put into the terms of the REST API. Pure.

The client inside the Workers runtime packs the model's input and the options of `env.AI.run` into
one body and names the model in a header; what it means to say about its gateway are headers here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wai_ops.emulator.answers import to_json_bytes
from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.errors import ApiError, incomplete, invalid_input, invalid_model_id

MODEL_HEADER = b"cf-consn-model-id"

_OPTIONS = {
    "id": b"cf-aig-gateway-id",
    "cacheKey": b"cf-aig-cache-key",
    "cacheTtl": b"cf-aig-cache-ttl",
    "skipCache": b"cf-aig-skip-cache",
    "metadata": b"cf-aig-metadata",
    "collectLog": b"cf-aig-collect-log",
    "eventId": b"cf-aig-event-id",
    "requestTimeoutMs": b"cf-aig-request-timeout",
}
_RETRIES = {
    "maxAttempts": b"cf-aig-max-attempts",
    "retryDelayMs": b"cf-aig-retry-delay",
    "backoff": b"cf-aig-backoff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingCall:
    """One `env.AI.run`, as a native run that the REST API would take."""

    model: str
    body: bytes
    headers: Mapping[bytes, bytes]
    """Those that came and those that stand for options."""
    is_batch: bool


def read_binding_call(
    raw: bytes, headers: Mapping[bytes, bytes], *, with_gateway: bool, default_ttl_s: int = 0
) -> BindingCall:
    """Translate one call; without a gateway, its options are ignored. Raises ApiError.

    `default_ttl_s`: the response cache of a call that names no time of its own.
    """
    try:
        body = decode_json(raw)
    except ValueError:
        raise incomplete("the body is not valid JSON") from None
    inputs = body.get("inputs") if isinstance(body, dict) else None
    options = body.get("options", {}) if isinstance(body, dict) else None
    if not isinstance(inputs, dict) or not isinstance(options, dict):
        raise incomplete("inputs and options are required")
    sent = dict(headers)
    if with_gateway:
        sent |= _gateway_headers(options.get("gateway"), default_ttl_s)
    else:
        sent.pop(b"cf-aig-gateway-id", None)
    if options.get("rejectIfBusy") is True:
        inputs = {**inputs, "options": {"rejectIfBusy": True}}
    return BindingCall(
        model=_model(headers),
        body=to_json_bytes(inputs),
        headers=sent,
        is_batch=options.get("queueRequest") is True,
    )


def default_cache_headers(headers: Mapping[bytes, bytes], default_ttl_s: int) -> dict[bytes, bytes]:
    """The headers, with a time in the response cache where none, or none at all, is asked for."""
    sent = dict(headers)
    if default_ttl_s and sent.get(b"cf-aig-cache-ttl", b"0") == b"0":
        sent[b"cf-aig-cache-ttl"] = str(default_ttl_s).encode()
    return sent


def _model(headers: Mapping[bytes, bytes]) -> str:
    """The model; a `prefix:` that the options put before it says nothing here."""
    model = headers.get(MODEL_HEADER, b"").decode("utf-8", "replace")
    start = model.find("@")
    if start < 0:
        raise invalid_model_id(model)
    return model[start:]


def _gateway_headers(options: Any, default_ttl_s: int) -> dict[bytes, bytes]:
    if not isinstance(options, dict) or not isinstance(options.get("id"), str):
        raise invalid_input("options.gateway.id is required")
    retries = options.get("retries")
    sent = _as_headers(options, _OPTIONS)
    if isinstance(retries, dict):
        sent |= _as_headers(retries, _RETRIES)
    return default_cache_headers(sent, default_ttl_s)


def _as_headers(values: Mapping[str, Any], names: Mapping[str, bytes]) -> dict[bytes, bytes]:
    """Text as it is, all else as JSON writes it: 60, true, {"tenant":"acme"}."""
    return {
        header: (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "replace")
        for name, header in names.items()
        if (value := values.get(name)) is not None
    }


def error_body(error: ApiError) -> dict[str, Any]:
    """A refusal as the client in the runtime reads it: it throws `<code>: <description>`."""
    if error.gateway:
        return error.body()
    description = error.message.removeprefix("AiError: ")
    return {
        "internalCode": error.code,
        "httpCode": error.status,
        "name": "InferenceUpstreamError",
        "message": error.message,
        "description": description,
    }
