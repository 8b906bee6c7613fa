"""The model catalogue's items as models with prices. Pure: items in, models and complaints out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from wai_ops.core.prices import Model
from wai_ops.core.text import one_line

_UNITS = {
    "per m input tokens": "usd_in_per_m",
    "per m cached input tokens": "usd_cached_in_per_m",
    "per m output tokens": "usd_out_per_m",
}
_NEURONS = {
    "usd_in_per_m": "neurons_in_per_m",
    "usd_cached_in_per_m": "neurons_cached_in_per_m",
    "usd_out_per_m": "neurons_out_per_m",
}
_MAX_USD_PER_M = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What the catalogue says, and what of it could not be used."""

    models: Mapping[str, Model]
    unusable: tuple[tuple[str, str], ...]
    """(name, why) of each item that is left out."""
    other_units: tuple[str, ...]
    """Models that are priced by something else than tokens; they are kept without a price."""


class _UnusableError(Exception):
    """This item cannot become a model."""


def read_catalogue(items: Iterable[Any], known: Mapping[str, Model]) -> Catalogue:
    """Read the items of the catalogue.

    `known` fills in what the catalogue does not say: the answer's shape, the model that serves a
    retired one, and, while the dollar price is unchanged, the published neurons.
    """
    models: dict[str, Model] = {}
    unusable: list[tuple[str, str]] = []
    other_units: list[str] = []
    for number, item in enumerate(items, start=1):
        name = f"item {number}"
        try:
            if not isinstance(item, dict):
                raise _UnusableError("it is no object")  # noqa: TRY301
            name = _name(item)
            if name in models:
                raise _UnusableError("it is listed twice")  # noqa: TRY301
            properties = _properties(item)
            prices, has_other_units = _prices(properties.get("price"))
            models[name] = _model(name, item, properties, prices, known.get(name))
        except _UnusableError as error:
            unusable.append((one_line(name, 120), str(error)))
            continue
        if has_other_units and not prices:
            other_units.append(name)
    return Catalogue(models=models, unusable=tuple(unusable), other_units=tuple(other_units))


def _name(item: Mapping[str, Any]) -> str:
    name = item.get("name")
    if not isinstance(name, str) or not name.startswith("@") or not name.isprintable():
        raise _UnusableError("it has no model name")
    return name


def _properties(item: Mapping[str, Any]) -> dict[str, Any]:
    listed = item.get("properties")
    found: dict[str, Any] = {}
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("property_id"), str):
            found[entry["property_id"]] = entry.get("value")
    return found


def _prices(value: Any) -> tuple[dict[str, Decimal], bool]:
    """Dollars per million tokens by field, and whether other units are named as well."""
    if value is None:
        return {}, False
    if not isinstance(value, list):
        raise _UnusableError("its price is no list")
    found: dict[str, Decimal] = {}
    has_other_units = False
    for entry in value:
        if not isinstance(entry, dict) or not isinstance(entry.get("unit"), str):
            raise _UnusableError("a price has no unit")
        name = _UNITS.get(" ".join(entry["unit"].lower().split()))
        if name is None:
            has_other_units = True
            continue
        if entry.get("currency") != "USD":
            currency = one_line(str(entry.get("currency")), 20)
            raise _UnusableError(f"a price is in {currency}, not in USD")
        if name in found:
            raise _UnusableError(f"two prices {one_line(entry['unit'], 60)}")
        found[name] = _amount(entry.get("price"))
    if found and "usd_in_per_m" not in found:
        raise _UnusableError("it has prices, and none for input tokens")
    return found, has_other_units


def _amount(value: Any) -> Decimal:
    try:
        if not isinstance(value, bool) and isinstance(value, int | str | Decimal):
            amount = Decimal(value)
            if amount.is_finite() and 0 <= amount <= _MAX_USD_PER_M:
                return amount
    except InvalidOperation:
        pass
    raise _UnusableError(f"a price is {one_line(str(value), 40)}")


def _model(
    name: str,
    item: Mapping[str, Any],
    properties: Mapping[str, Any],
    prices: Mapping[str, Decimal],
    known: Model | None,
) -> Model:
    task = item.get("task")
    task_name = task.get("name") if isinstance(task, dict) else None
    base = Model(id=name) if known is None else known
    changes: dict[str, Any] = {}
    for usd, neurons in _NEURONS.items():
        changes[usd] = prices.get(usd)
        is_unchanged = known is not None and prices.get(usd) == getattr(base, usd)
        changes[neurons] = getattr(base, neurons) if is_unchanged else None
    return replace(
        base,
        task=task_name if isinstance(task_name, str) else base.task,
        context_window=_count(properties.get("context_window"), base.context_window),
        function_calling=_flag(properties.get("function_calling"), base.function_calling),
        reasoning=_flag(properties.get("reasoning"), base.reasoning),
        prompt_caching=True if "usd_cached_in_per_m" in prices else base.prompt_caching,
        workers_paid=_flag(properties.get("require_workers_paid"), False) or False,
        retired_on=_date(properties.get("planned_deprecation_date")) or base.retired_on,
        **changes,
    )


def _count(value: Any, default: int | None) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _flag(value: Any, default: bool | None) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value, default) if isinstance(value, str) else default


def _date(value: Any) -> date | None:
    """Read a date, or the date of a time."""
    if value is None or value == "":
        return None
    try:
        return date.fromisoformat(value[:10])
    except (ValueError, TypeError) as error:
        raise _UnusableError(f"its deprecation date is {one_line(str(value), 40)}") from error
