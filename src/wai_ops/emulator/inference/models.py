"""Whoever answers for a model, by the model's task."""

from collections.abc import Mapping

from wai_ops.emulator.gateway.exchange import Attempt
from wai_ops.emulator.gateway.steps import Step
from wai_ops.emulator.inference.answer import Answer
from wai_ops.emulator.inference.disconnect import Client
from wai_ops.emulator.inference.embeddings import EmbeddingModels
from wai_ops.emulator.inference.surfaces import Shape
from wai_ops.emulator.inference.text import TextModels
from wai_ops.emulator.models import EMBEDDINGS
from wai_ops.emulator.services import Services


class AllModels:
    """Text generation and embeddings; other tasks are refused by name."""

    def __init__(self, services: Services) -> None:
        """Nothing runs yet."""
        self._services = services
        self._text = TextModels(services)
        self._embeddings = EmbeddingModels(services)

    async def open(
        self, step: Step, attempt: Attempt, headers: Mapping[bytes, bytes], client: Client
    ) -> Answer:
        """Begin to answer; see `Models`."""
        model = self._services.book.model(step.model, self._services.clock.now())
        is_vectors = model is not None and model.task == EMBEDDINGS
        if step.shape is Shape.EMBEDDINGS or (is_vectors and step.shape is Shape.NATIVE):
            return await self._embeddings.open(step, attempt, headers, client)
        return await self._text.open(step, attempt, headers, client)
