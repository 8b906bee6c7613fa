"""Embeddings: OpenAI's endpoint, and the native shapes on the run endpoint."""

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wai_ops.emulator.answers import ClientGoneError, envelope, to_json_bytes
from wai_ops.emulator.backends.base import Meter
from wai_ops.emulator.backends.scripted import tokenise
from wai_ops.emulator.backends.vectors import cosine, dimensions_of, embed
from wai_ops.emulator.errors import context_too_long, invalid_input
from wai_ops.emulator.gateway.exchange import Attempt
from wai_ops.emulator.gateway.steps import Step
from wai_ops.emulator.inference.answer import Answer
from wai_ops.emulator.inference.disconnect import Client
from wai_ops.emulator.inference.parse import rejects_if_busy
from wai_ops.emulator.inference.surfaces import Shape
from wai_ops.emulator.models import EMBEDDINGS, resolve_model
from wai_ops.emulator.services import Services

MAX_TEXTS = 100
_MAX_QWEN = 32
_QWEN = "@cf/qwen/qwen3-embedding"
_POOLINGS = ("mean", "cls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be embedded, and how the answer is to look."""

    texts: Sequence[str]
    query: str | None = None
    """Score every text against this, instead of showing vectors."""
    pooling: str | None = None
    is_base64: bool = False
    truncates: bool = False


class EmbeddingModels:
    """Everything that answers with vectors."""

    def __init__(self, services: Services) -> None:
        """Nothing runs yet."""
        self._services = services

    async def open(
        self, step: Step, attempt: Attempt, headers: Mapping[bytes, bytes], client: Client
    ) -> Answer:
        """Answer; see `Models`."""
        services = self._services
        served = resolve_model(services.book, step.model, services.clock.now(), task=EMBEDDINGS)
        attempt.served, attempt.model = served, served.model.id
        model_id = served.model.id
        if step.shape is Shape.EMBEDDINGS:
            wanted = read_openai(step.body, model_id)
        elif step.shape is Shape.NATIVE:
            wanted = read_native(step.body, model_id)
        else:
            raise invalid_input(f"{model_id} makes embeddings, it does not chat")
        tokens = self._count(wanted, served.model.context_window)
        affinity = headers.get(b"x-session-affinity")
        cancel = client.begin()
        services.models.check_rate(served, unified_billing=attempt.is_wholesale)
        leave = await services.models.hold_place(
            served,
            affinity=None if not affinity else affinity.decode("latin-1"),
            reject_if_busy=rejects_if_busy(step.body),
            cancel=cancel,
        )
        try:
            await services.models.spend_time(tokens, cancel)
            if cancel.requested:
                raise ClientGoneError
            body = _answer(step.shape, wanted, model_id, tokens)
        finally:
            leave()
        attempt.meter = Meter(input_tokens=tokens)
        return Answer(text=lambda: "", body=to_json_bytes(body))

    def _count(self, wanted: Wanted, window: int | None) -> int:
        """All tokens. Raises 5021 for a text that does not fit and may not be cut."""
        is_checked = self._services.knobs.current.limits.context_check and window is not None
        total = 0
        for text in (*wanted.texts, *(() if wanted.query is None else (wanted.query,))):
            size = len(tokenise(text))
            if is_checked and window is not None and size > window:
                if not wanted.truncates:
                    raise context_too_long(input_tokens=size, reserved=0, window=window)
                size = window
            total += size
        return total


def read_openai(body: Mapping[str, Any], model_id: str) -> Wanted:
    """OpenAI's request. Raises 8001."""
    encoding = body.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        raise invalid_input("encoding_format must be float or base64")
    size = body.get("dimensions")
    if size is not None and size != dimensions_of(model_id):
        raise invalid_input(f"dimensions: {model_id} has {dimensions_of(model_id)}")
    texts = _texts(body.get("input"), "input")
    return Wanted(texts=texts, is_base64=encoding == "base64")


def read_native(body: Mapping[str, Any], model_id: str) -> Wanted:
    """The model's own request. Raises 8001."""
    if model_id.startswith(_QWEN):
        return _read_qwen(body)
    truncates = body.get("truncate_inputs", False)
    if not isinstance(truncates, bool):
        raise invalid_input("truncate_inputs must be true or false")
    pooling = body.get("pooling")
    if pooling is not None and pooling not in _POOLINGS:
        raise invalid_input("pooling must be mean or cls")
    is_m3 = model_id.endswith("/bge-m3")
    if "text" not in body and is_m3 and "contexts" in body:
        query = body.get("query")
        if query is not None and (not isinstance(query, str) or not query):
            raise invalid_input("query must be text, and not empty")
        texts = _texts([_context(item) for item in _listed(body["contexts"])], "contexts")
        return Wanted(texts=texts, query=query, pooling="cls", truncates=truncates)
    default = "cls" if is_m3 else "mean"
    texts = _texts(body.get("text"), "text")
    return Wanted(texts=texts, pooling=pooling or default, truncates=truncates)


def _read_qwen(body: Mapping[str, Any]) -> Wanted:
    """`queries`, `documents` or `text`; queries are read with their instruction before them."""
    for name in ("queries", "documents", "text"):
        if body.get(name) is None:
            continue
        texts = _texts(body[name], name, most=_MAX_QWEN)
        instruction = body.get("instruction")
        if name == "queries" and isinstance(instruction, str):
            texts = [f"Instruct: {instruction}\nQuery:{text}" for text in texts]
        return Wanted(texts=texts)
    raise invalid_input("queries, documents or text is required")


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise invalid_input("contexts must be a list")
    return value


def _context(item: Any) -> Any:
    return item.get("text") if isinstance(item, dict) else item


def _texts(value: Any, name: str, *, most: int = MAX_TEXTS) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts:
        raise invalid_input(f"{name} must be text or a list of texts")
    if len(texts) > most:
        raise invalid_input(f"{name} has more than {most} items")
    if not all(isinstance(text, str) and text for text in texts):
        raise invalid_input(f"every item of {name} must be text, and not empty")
    return texts


def _answer(shape: Shape, wanted: Wanted, model_id: str, tokens: int) -> Any:
    vectors = [embed(text, model_id) for text in wanted.texts]
    if shape is Shape.EMBEDDINGS:
        return {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": _encoded(vector) if wanted.is_base64 else vector,
                }
                for index, vector in enumerate(vectors)
            ],
            "model": model_id,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    if wanted.query is not None:
        asked = embed(wanted.query, model_id)
        scores = [
            {"id": index, "score": round(cosine(asked, vector), 6)}
            for index, vector in enumerate(vectors)
        ]
        return envelope({"response": scores})
    result: dict[str, Any] = {"shape": [len(vectors), dimensions_of(model_id)], "data": vectors}
    if wanted.pooling is not None:
        result["pooling"] = wanted.pooling
    return envelope(result)


def _encoded(vector: Sequence[float]) -> str:
    """As OpenAI's clients ask for it: little-endian floats in base64."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
