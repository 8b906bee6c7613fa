"""Which model answers: known, retired, aliased, and what it costs."""

import re
from dataclasses import dataclass
from datetime import datetime

from wai_ops.core.money import Cost, Rates, Usage, cost_of
from wai_ops.core.prices import Model, PriceBook
from wai_ops.emulator.errors import invalid_model_id, no_such_model

TEXT_GENERATION = "Text Generation"
EMBEDDINGS = "Text Embeddings"
QUEUE_MODELS = frozenset(
    {
        "@cf/moonshotai/kimi-k2.6",
        "@cf/qwen/qwen3.8-27b",
        "@cf/deepseek-ai/deepseek-v4-flash-0731",
        "@cf/openai/gpt-oss-120b",
        "@cf/google/gemma-4-26b-a4b-it",
        "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
        "@cf/baai/bge-m3",
    }
)
"""Those that take batches: flagged so in the catalogue, or used so in the provider's own sample."""
_MODEL_ID = re.compile(r"@(?:cf|hf)/[A-Za-z0-9._-]+/[A-Za-z0-9._-]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """The model that answers a request, which is not always the one asked for."""

    requested: str
    model: Model
    rates: Rates | None
    """None: no published price, so that a call's cost is unknown."""

    @property
    def is_legacy(self) -> bool:
        """Whether it takes and gives the older native shapes on the run endpoint."""
        return self.model.schema != "openai"

    def cost(self, usage: Usage) -> Cost:
        """The list price of a call."""
        return cost_of(usage, self.rates)


def resolve_model(
    book: PriceBook, model_id: str, at: datetime, *, task: str = TEXT_GENERATION
) -> ServedModel:
    """The model that answers for `model_id` at that time. Raises 3042 or 5007."""
    if not _MODEL_ID.match(model_id):
        raise invalid_model_id(model_id)
    model = book.model(model_id, at)
    if model is None:
        raise no_such_model(model_id)
    if model.is_retired(at.date()):
        served = None if model.served_as is None else book.model(model.served_as, at)
        if served is None:
            raise no_such_model(model_id, f": it was deprecated on {model.retired_on}")
        model = served
    if model.task != task:
        raise no_such_model(model_id, f" for {task.lower()}: it does {_task_text(model)}")
    return ServedModel(requested=model_id, model=model, rates=book.rates(model_id, at))


def _task_text(model: Model) -> str:
    is_emulated = model.task in (TEXT_GENERATION, EMBEDDINGS)
    name = "another task" if model.task is None else model.task.lower()
    return name if is_emulated else f"{name}, which is not emulated"
