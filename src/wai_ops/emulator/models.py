"""Which model answers: known, retired, aliased, and what it costs."""

import re
from dataclasses import dataclass
from datetime import datetime

from wai_ops.core.money import Cost, Rates, Usage, cost_of
from wai_ops.core.prices import Model, PriceBook
from wai_ops.emulator.errors import invalid_model_id, no_such_model

TEXT_GENERATION = "Text Generation"
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


def resolve_model(book: PriceBook, model_id: str, at: datetime) -> ServedModel:
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
    if model.task != TEXT_GENERATION:
        raise no_such_model(model_id, " for text generation, the only task emulated so far")
    return ServedModel(requested=model_id, model=model, rates=book.rates(model_id, at))
