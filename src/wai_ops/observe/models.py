"""`wai models`: the price book as tables, and what a sync changed in it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from wai_ops.cloudflare.catalogue import Catalogue, read_catalogue
from wai_ops.config.prices import synced_snapshots, write_snapshot
from wai_ops.config.settings import Settings
from wai_ops.core.errors import RemoteError, UsageError
from wai_ops.core.prices import Model, PriceBook
from wai_ops.core.table import Table, Unit, col

_NAMED = 8
_TRACKED = (
    "task",
    "context_window",
    "usd_in_per_m",
    "usd_cached_in_per_m",
    "usd_out_per_m",
    "workers_paid",
    "retired_on",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One model. Dollars and neurons are per million tokens; empty means not published."""

    model: str = col("Model")
    task: str | None = col("Task")
    context_window: int | None = col("Context", Unit.TOKENS)
    usd_in_per_m: Decimal | None = col("In", Unit.USD_PER_M)
    usd_cached_in_per_m: Decimal | None = col("Cached in", Unit.USD_PER_M)
    usd_out_per_m: Decimal | None = col("Out", Unit.USD_PER_M)
    status: str = col("Status")
    """`active`, `retires DATE`, `retired DATE`, and the model that answers instead, if any."""
    price_source: str | None = col("Price from")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDetail:
    """All that is known about one model."""

    model: str
    task: str | None
    context_window: int | None
    status: str
    served_as: str | None
    """The model that answers for this one now; null when it is this one."""
    retired_on: str | None
    """YYYY-MM-DD; in the future for a model that is still served."""
    function_calling: bool | None
    reasoning: bool | None
    prompt_caching: bool | None
    workers_paid: bool
    answer_shape: str
    usd_in_per_m: Decimal | None
    usd_cached_in_per_m: Decimal | None
    usd_out_per_m: Decimal | None
    neurons_in_per_m: Decimal | None
    neurons_cached_in_per_m: Decimal | None
    neurons_out_per_m: Decimal | None
    price_source: str | None
    price_as_of: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyRow:
    """One property of a model, for people."""

    name: str = col("Property")
    value: str | None = col("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One difference between the catalogue and what was known before."""

    model: str = col("Model")
    change: str = col("Change")
    """`new`, `not listed`, or the name of the field that changed."""
    before: str | None = col("Before")
    after: str | None = col("After")


def list_models(
    book: PriceBook,
    at: datetime,
    *,
    search: str | None = None,
    task: str | None = None,
    is_priced: bool = False,
    is_active: bool = False,
) -> Table[ModelRow]:
    """The models known at that time, by id; each filter narrows."""
    rows = [model_row(book, model, at) for model in book.models(at)]
    found = [
        row
        for row in rows
        if (search is None or search.lower() in row.model.lower())
        and (task is None or task.lower() in (row.task or "").lower())
        and (not is_priced or row.usd_in_per_m is not None)
        and (not is_active or not row.status.startswith("retired"))
    ]
    newest = max(book.snapshots, key=lambda snapshot: snapshot.as_of)
    notes = [
        f"{len(found)} of {len(rows)} models; newest price list: {newest.source}, {newest.as_of}"
    ]
    if unpriced := sum(row.usd_in_per_m is None for row in found):
        notes.append(f"{unpriced} have no published token price: their cost is unknown, not zero")
    return Table(row_type=ModelRow, rows=found, notes=tuple(notes))


def model_row(book: PriceBook, model: Model, at: datetime) -> ModelRow:
    """One line of the list; the prices are those that a call at that time is billed at."""
    rates = book.rates(model.id, at)
    known = book.model(book.served_model(model.id, at), at) or model
    return ModelRow(
        model=model.id,
        task=model.task,
        context_window=model.context_window,
        usd_in_per_m=_usd(getattr(rates, "in_usd_per_m", None), known.usd_in_per_m),
        usd_cached_in_per_m=None
        if rates is None or rates.neurons_cached_in_per_m is None
        else _usd(rates.cached_in_usd_per_m, known.usd_cached_in_per_m),
        usd_out_per_m=_usd(getattr(rates, "out_usd_per_m", None), known.usd_out_per_m),
        status=status_of(model, at.date()),
        price_source=None if rates is None else f"{rates.source} {rates.as_of}",
    )


def status_of(model: Model, today: date) -> str:
    """Whether the model is served, until when, and by which other one."""
    if model.retired_on is None:
        return "active"
    if not model.is_retired(today):
        return f"retires {model.retired_on}"
    instead = f", served as {model.served_as}" if model.served_as else ""
    return f"retired {model.retired_on}{instead}"


def _usd(derived: Decimal | None, published: Decimal | None) -> Decimal | None:
    """The published dollar price while it is the derived one rounded, else the derived one.

    Neurons are what is billed and are published in whole numbers, so dollars derived from them
    differ from the price page by less than one part in ten thousand.
    """
    if derived is None or published is None:
        return derived
    return published if abs(derived - published) * 10_000 <= published else derived


def show_model(book: PriceBook, model_id: str, at: datetime) -> ModelDetail:
    """All about one model. Raises UsageError with near names when nobody lists it."""
    model = book.model(model_id, at)
    if model is None:
        raise unknown_model(book, model_id, at)
    served = book.served_model(model_id, at)
    rates = book.rates(model_id, at)
    row = model_row(book, model, at)
    return ModelDetail(
        model=model.id,
        task=model.task,
        context_window=model.context_window,
        status=row.status,
        served_as=None if served == model_id else served,
        retired_on=_text(model.retired_on),
        function_calling=model.function_calling,
        reasoning=model.reasoning,
        prompt_caching=model.prompt_caching,
        workers_paid=model.workers_paid,
        answer_shape=model.schema,
        usd_in_per_m=row.usd_in_per_m,
        usd_cached_in_per_m=row.usd_cached_in_per_m,
        usd_out_per_m=row.usd_out_per_m,
        neurons_in_per_m=getattr(rates, "neurons_in_per_m", None),
        neurons_cached_in_per_m=getattr(rates, "neurons_cached_in_per_m", None),
        neurons_out_per_m=getattr(rates, "neurons_out_per_m", None),
        price_source=getattr(rates, "source", None),
        price_as_of=getattr(rates, "as_of", None),
    )


def property_table(detail: ModelDetail) -> Table[PropertyRow]:
    """A model's detail as name and value, one a row; what nobody says is left empty."""
    rows = [
        PropertyRow(name=name, value=_text(getattr(detail, name))) for name in ModelDetail.__slots__
    ]
    return Table(row_type=PropertyRow, rows=rows, title=detail.model)


def unknown_model(book: PriceBook, model_id: str, at: datetime) -> UsageError:
    """The error for a model that nobody lists, with the nearest names."""
    import difflib

    ids = [model.id for model in book.models(at)]
    near = difflib.get_close_matches(model_id, ids, n=3, cutoff=0.6)
    by_last_part = {item.rpartition("/")[2]: item for item in ids}
    last = difflib.get_close_matches(model_id.rpartition("/")[2], by_last_part, n=3, cutoff=0.6)
    names = list(dict.fromkeys([*near, *(by_last_part[item] for item in last)]))[:3]
    hint = f"did you mean {', '.join(names)}?" if names else "see: wai models list"
    return UsageError(f"no model {model_id} is known", hint=hint)


def sync_models(
    items: list[Any], settings: Settings, book: PriceBook, at: datetime, *, is_local: bool
) -> Table[ChangeRow]:
    """Keep the catalogue's items as today's snapshot and say what changed against the book.

    Raises RemoteError, and writes nothing, when no item can be used.
    """
    known = {model.id: model for model in book.models(at)}
    catalogue = read_catalogue(items, known)
    if not catalogue.models:
        raise RemoteError(
            f"the model catalogue holds no usable model ({len(items)} items)",
            hint="nothing was written; try again later",
        )
    rows = list(changes(known, catalogue.models))
    path = write_snapshot(settings.state_dir, at.date(), catalogue.models, is_local=is_local)
    count = len(synced_snapshots(settings.state_dir, is_local=is_local))
    same = () if rows else ("nothing changed against what was known",)
    return Table(
        row_type=ChangeRow,
        rows=rows,
        notes=(
            f"{len(catalogue.models)} models in {path}; snapshots kept: {count}",
            *same,
            *_complaints(catalogue),
        ),
    )


def changes(before: Mapping[str, Model], after: Mapping[str, Model]) -> Iterator[ChangeRow]:
    """The differences, by model id. A model without a price in `after` keeps its earlier one."""
    for model_id in sorted({*before, *after}):
        old, new = before.get(model_id), after.get(model_id)
        if new is None:
            yield ChangeRow(model=model_id, change="not listed", before="listed", after=None)
        elif old is None:
            price = f"{new.usd_in_per_m} in, {new.usd_out_per_m} out"
            text = None if new.usd_in_per_m is None else price
            yield ChangeRow(model=model_id, change="new", before=None, after=text)
        else:
            for name in _TRACKED:
                was, now = getattr(old, name), getattr(new, name)
                if was != now:
                    yield ChangeRow(
                        model=model_id, change=name, before=_text(was), after=_text(now)
                    )


def _complaints(catalogue: Catalogue) -> Iterator[str]:
    if catalogue.unusable:
        names = [f"{name} ({why})" for name, why in catalogue.unusable]
        yield f"{len(names)} items could not be used: {_some(names)}"
    if catalogue.other_units:
        names = list(catalogue.other_units)
        yield f"{len(names)} models are not priced by the token: {_some(names)}"
    if unpriced := [
        model.id
        for model in catalogue.models.values()
        if model.usd_in_per_m is None and model.id not in catalogue.other_units
    ]:
        yield f"{len(unpriced)} models are listed without a price: {_some(unpriced)}"


def _some(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _text(value: Any) -> str | None:
    if value is None:
        return None
    to_text: Callable[[Any], str] = {
        bool: lambda flag: "yes" if flag else "no",
        Decimal: lambda number: format(number, "f"),
    }.get(type(value), str)
    return to_text(value)
