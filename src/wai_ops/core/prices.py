"""The price book: which model costs what, since when, and who says so.

Snapshots are dated. A lookup asks, in this order: the overrides of `wai.yaml`, the newest snapshot
of the model catalogue taken before the call, the built-in book. What is found says its source, so
that a cost row can keep it. A model in none of them has no price, which is not a price of zero.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from wai_ops.core.money import Rates, neurons_from_usd

BUILT_IN = Path(__file__).with_name("data") / "models.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model as the catalogue describes it. None means that the source does not say."""

    id: str
    task: str | None = None
    context_window: int | None = None
    usd_in_per_m: Decimal | None = None
    usd_cached_in_per_m: Decimal | None = None
    usd_out_per_m: Decimal | None = None
    neurons_in_per_m: Decimal | None = None
    neurons_cached_in_per_m: Decimal | None = None
    neurons_out_per_m: Decimal | None = None
    function_calling: bool | None = None
    reasoning: bool | None = None
    prompt_caching: bool | None = None
    workers_paid: bool = False
    schema: str = "legacy"
    """`openai` where the model answers in the OpenAI shape on every endpoint, else `legacy`."""
    retired_on: date | None = None
    served_as: str | None = None
    """The model that answers, and is billed, for this one once it has been retired."""

    def is_retired(self, on: date) -> bool:
        """Say whether the model's retirement date has come."""
        return self.retired_on is not None and on >= self.retired_on

    def rates(self, source: str, as_of: str) -> Rates | None:
        """The model's rates: neurons where published, else derived from dollars; None: unpriced."""
        neurons_in = _neurons(self.neurons_in_per_m, self.usd_in_per_m)
        if neurons_in is None:
            return None
        return Rates(
            neurons_in_per_m=neurons_in,
            neurons_cached_in_per_m=_neurons(
                self.neurons_cached_in_per_m, self.usd_cached_in_per_m
            ),
            neurons_out_per_m=_neurons(self.neurons_out_per_m, self.usd_out_per_m),
            source=source,
            as_of=as_of,
        )


def _neurons(published: Decimal | None, usd: Decimal | None) -> Decimal | None:
    if published is not None or usd is None:
        return published
    return neurons_from_usd(usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All models as one source listed them on one date (YYYY-MM-DD)."""

    source: str
    as_of: str
    models: Mapping[str, Model]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOverride:
    """Dollars per million tokens from `wai.yaml`: a contract price, or a model nobody lists."""

    input: Decimal
    output: Decimal | None = None
    cached_input: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Snapshots in any order, and overrides that beat them all."""

    snapshots: Sequence[Snapshot]
    overrides: Mapping[str, PriceOverride] = field(default_factory=dict)

    def model(self, model_id: str, at: datetime) -> Model | None:
        """The model as known at that time; one that only a later snapshot lists counts too."""
        found = self._find(model_id, at)
        return None if found is None else found[1]

    def models(self, at: datetime) -> list[Model]:
        """Every model known at that time, by id; the newest snapshot speaks for each."""
        ids = {model_id for snapshot in self.snapshots for model_id in snapshot.models}
        found = (self.model(model_id, at) for model_id in sorted(ids))
        return [model for model in found if model is not None]

    def served_model(self, model_id: str, at: datetime) -> str:
        """The model that answers for `model_id` at that time: itself unless retired and aliased."""
        model = self.model(model_id, at)
        if model is not None and model.served_as is not None and model.is_retired(at.date()):
            return model.served_as
        return model_id

    def rates(self, model_id: str, at: datetime) -> Rates | None:
        """The rates that a call at that time is billed at; None where nobody publishes any."""
        served = self.served_model(model_id, at)
        override = self.overrides.get(model_id) or self.overrides.get(served)
        if override is not None:
            cached = override.cached_input
            return Rates(
                neurons_in_per_m=neurons_from_usd(override.input),
                neurons_cached_in_per_m=None if cached is None else neurons_from_usd(cached),
                neurons_out_per_m=_neurons(None, override.output),
                source="config",
                as_of=at.date().isoformat(),
            )
        # The newest snapshot may list a model without its price; then the next one speaks.
        for snapshot in self._by_age(at):
            model = snapshot.models.get(served)
            if model is not None and (rates := model.rates(snapshot.source, snapshot.as_of)):
                return rates
        return None

    def _find(self, model_id: str, at: datetime) -> tuple[Snapshot, Model] | None:
        for snapshot in self._by_age(at):
            if (model := snapshot.models.get(model_id)) is not None:
                return snapshot, model
        return None

    def _by_age(self, at: datetime) -> list[Snapshot]:
        """Newest first; those taken after `at` last, oldest first: better than nothing."""
        day = at.date().isoformat()
        past = sorted((s for s in self.snapshots if s.as_of <= day), key=lambda s: s.as_of)
        return past[::-1] + sorted(
            (s for s in self.snapshots if s.as_of > day), key=lambda s: s.as_of
        )


@cache
def built_in() -> Snapshot:
    """The snapshot that ships with the package."""
    return load_snapshot(json.loads(BUILT_IN.read_text("utf-8")), source="built-in")


def load_snapshot(data: Mapping[str, Any], *, source: str) -> Snapshot:
    """Decode `{"as_of": "YYYY-MM-DD", "models": [...]}`. Raises KeyError, TypeError, ValueError."""
    models = [model_from_json(item) for item in data["models"]]
    return Snapshot(source=source, as_of=data["as_of"], models={m.id: m for m in models})


_DECIMALS = (
    "usd_in_per_m",
    "usd_cached_in_per_m",
    "usd_out_per_m",
    "neurons_in_per_m",
    "neurons_cached_in_per_m",
    "neurons_out_per_m",
)


def model_from_json(item: Mapping[str, Any]) -> Model:
    """Decode one model; numbers are strings so that no float ever touches a price."""
    values = dict(item)
    for name in _DECIMALS:
        if values.get(name) is not None:
            values[name] = Decimal(values[name])
    if values.get("retired_on") is not None:
        values["retired_on"] = date.fromisoformat(values["retired_on"])
    return Model(**values)


def model_to_json(model: Model) -> dict[str, Any]:
    """Encode one model the way `model_from_json` reads it."""
    values: dict[str, Any] = {name: getattr(model, name) for name in Model.__slots__}
    for name in _DECIMALS:
        if values[name] is not None:
            values[name] = format(values[name], "f")
    if model.retired_on is not None:
        values["retired_on"] = model.retired_on.isoformat()
    return values
