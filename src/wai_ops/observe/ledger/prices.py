"""The price book as the table `price`, so that calls are priced where they are loaded."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import duckdb

from wai_ops.core.money import Rates
from wai_ops.core.prices import PriceBook
from wai_ops.observe.ledger.database import run

_EVER = date(1970, 1, 1)
_CONFIG = "config"


def fill_prices(
    connection: duckdb.DuckDBPyConnection, prices: PriceBook, likely: Sequence[str] = ()
) -> None:
    """Make `price` say what the book says, if it does not yet. Inside a transaction.

    The models that are likely to be met come first in the lists, where they are found sooner.
    """
    rows = sorted(price_rows(prices))
    if rows != sorted(run(connection, "gateway/price_all")):
        run(connection, "gateway/price_empty")
        if rows:
            columns = dict(zip(_COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
            run(connection, "gateway/price_insert", **columns)
    known = _known_models(prices)
    first = [name for name in likely if name in known]
    run(connection, "gateway/price_names", names=[*first, *sorted(known - set(first))])
    run(connection, "gateway/price_grid")
    run(connection, "gateway/price_lists")


_COLUMNS = (
    "model",
    "since",
    "neurons_in_per_m",
    "neurons_cached_in_per_m",
    "neurons_out_per_m",
    "in_usd_per_m",
    "cached_in_usd_per_m",
    "out_usd_per_m",
    "price_source",
    "price_as_of",
)


def price_rows(prices: PriceBook) -> Iterator[tuple[Any, ...]]:
    """Each model's rates from each day on which they change; the columns of `price` in order.

    An override of `wai.yaml` is dated by the call itself: its `price_as_of` is empty here.
    """
    days = _days_of_change(prices)
    for name in sorted(_known_models(prices)):
        before: Rates | None = None
        for day in days:
            rates = prices.rates(name, datetime.combine(day, time(), UTC))
            if rates is None or (before is not None and _same(rates, before)):
                continue
            before = rates
            yield (name, day, *_columns(rates))


def _known_models(prices: PriceBook) -> set[str]:
    names = {model_id for snapshot in prices.snapshots for model_id in snapshot.models}
    return names | set(prices.overrides)


def _days_of_change(prices: PriceBook) -> list[date]:
    days = {_EVER}
    for snapshot in prices.snapshots:
        days.add(date.fromisoformat(snapshot.as_of))
        retired = (model.retired_on for model in snapshot.models.values())
        days.update(day for day in retired if day is not None)
    return sorted(days)


def _same(one: Rates, other: Rates) -> bool:
    return _columns(one) == _columns(other)


def _columns(rates: Rates) -> tuple[Any, ...]:
    return (
        rates.neurons_in_per_m,
        rates.neurons_cached_in_per_m,
        rates.neurons_out_per_m,
        rates.in_usd_per_m,
        rates.cached_in_usd_per_m,
        rates.out_usd_per_m,
        rates.source,
        "" if rates.source == _CONFIG else rates.as_of,
    )
