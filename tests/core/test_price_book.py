"""The price book: dated, overridable, honest about who says so."""

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.money import USD_PER_NEURON
from wai_ops.core.prices import (
    BUILT_IN,
    Model,
    PriceBook,
    PriceOverride,
    Snapshot,
    built_in,
    load_snapshot,
    model_from_json,
    model_to_json,
)

AT = datetime(2026, 10, 10, tzinfo=UTC)
KIMI_25, KIMI_26 = "@cf/moonshotai/kimi-k2.5", "@cf/moonshotai/kimi-k2.6"
DATES = st.dates(date(2024, 1, 1), date(2028, 1, 1))
OPTIONAL_PRICE = st.none() | st.decimals(0, 10**6, places=6)
MODELS = st.builds(
    Model,
    id=st.text(min_size=1),
    task=st.none() | st.text(),
    context_window=st.none() | st.integers(1),
    usd_in_per_m=OPTIONAL_PRICE,
    usd_cached_in_per_m=OPTIONAL_PRICE,
    usd_out_per_m=OPTIONAL_PRICE,
    neurons_in_per_m=OPTIONAL_PRICE,
    neurons_cached_in_per_m=OPTIONAL_PRICE,
    neurons_out_per_m=OPTIONAL_PRICE,
    function_calling=st.none() | st.booleans(),
    reasoning=st.none() | st.booleans(),
    prompt_caching=st.none() | st.booleans(),
    workers_paid=st.booleans(),
    schema=st.sampled_from(["legacy", "openai"]),
    retired_on=st.none() | DATES,
    served_as=st.none() | st.text(min_size=1),
)


def snapshot(
    day: date, models: Mapping[str, Decimal | None], source: str = "catalogue"
) -> Snapshot:
    """A snapshot with neuron prices for input and output."""
    return Snapshot(
        source=source,
        as_of=day.isoformat(),
        models={
            name: Model(id=name, neurons_in_per_m=price, neurons_out_per_m=price)
            for name, price in models.items()
        },
    )


@given(MODELS)
def test_any_model_reads_back_from_its_json(model: Model) -> None:
    assert model_from_json(json.loads(json.dumps(model_to_json(model)))) == model


def test_every_built_in_model_reads_back_from_its_json() -> None:
    models = built_in().models
    assert len(models) > 50
    for model in models.values():
        assert model_from_json(json.loads(json.dumps(model_to_json(model)))) == model


def test_no_number_of_the_built_in_book_is_a_float() -> None:
    def refuse(text: str) -> float:
        raise AssertionError(f"a float in the price book: {text}")

    json.loads(BUILT_IN.read_text("utf-8"), parse_float=refuse)


def test_the_two_price_columns_of_the_built_in_book_agree() -> None:
    """Neurons are the truth and dollars are rounded, so they agree within a rounding digit.

    Rows that the provider's own page prints apart (documented: embeddings, a reranker) differ by a
    few per cent; none may differ by more, which is how a slip by 1000 would show.
    """
    for model in built_in().models.values():
        for usd, neurons in (
            (model.usd_in_per_m, model.neurons_in_per_m),
            (model.usd_cached_in_per_m, model.neurons_cached_in_per_m),
            (model.usd_out_per_m, model.neurons_out_per_m),
        ):
            if usd and neurons:
                ratio = Fraction(neurons) * Fraction(USD_PER_NEURON) / Fraction(usd)
                assert Fraction(95, 100) < ratio < Fraction(105, 100), model.id


def test_cached_input_is_never_dearer_than_input() -> None:
    for model in built_in().models.values():
        if model.neurons_cached_in_per_m is not None and model.neurons_in_per_m is not None:
            assert model.neurons_cached_in_per_m <= model.neurons_in_per_m, model.id


@given(st.lists(DATES, min_size=1, max_size=6, unique=True), DATES, st.randoms())
def test_the_newest_snapshot_before_the_call_speaks(
    days: list[date], call: date, rng: random.Random
) -> None:
    snapshots = [snapshot(day, {"m": Decimal(day.toordinal())}) for day in days]
    rng.shuffle(snapshots)
    at = datetime(call.year, call.month, call.day, 23, 59, tzinfo=UTC)
    past = [day for day in days if day <= call]
    expected = max(past) if past else min(days)
    rates = PriceBook(snapshots).rates("m", at)
    assert rates is not None
    assert rates.neurons_in_per_m == expected.toordinal()
    assert rates.as_of == expected.isoformat()


def test_a_model_that_the_newest_snapshot_lists_without_price_falls_to_the_next() -> None:
    book = PriceBook(
        [
            snapshot(date(2026, 1, 1), {"m": Decimal(7)}, "built-in"),
            snapshot(date(2026, 9, 1), {"m": None}),
        ]
    )
    rates = book.rates("m", AT)
    assert rates is not None
    assert (rates.neurons_in_per_m, rates.source, rates.as_of) == (
        Decimal(7),
        "built-in",
        "2026-01-01",
    )


def test_a_model_priced_nowhere_has_no_rates() -> None:
    book = PriceBook([snapshot(date(2026, 9, 1), {"m": None})])
    assert book.rates("m", AT) is None
    assert book.rates("other", AT) is None
    assert book.model("other", AT) is None


@given(OPTIONAL_PRICE, OPTIONAL_PRICE)
def test_an_override_beats_every_snapshot_and_says_so(
    out: Decimal | None, cached: Decimal | None
) -> None:
    book = PriceBook(
        [snapshot(date(2026, 1, 1), {"m": Decimal(7)})],
        {"m": PriceOverride(input=Decimal("0.011"), output=out, cached_input=cached)},
    )
    rates = book.rates("m", AT)
    assert rates is not None
    assert (rates.source, rates.as_of) == ("config", "2026-10-10")
    assert rates.neurons_in_per_m == 1000
    assert (rates.neurons_out_per_m is None) is (out is None)
    assert (rates.neurons_cached_in_per_m is None) is (cached is None)


def test_a_retired_alias_is_served_and_priced_as_its_successor_from_that_day_on() -> None:
    book = PriceBook([built_in()])
    retired_on = built_in().models[KIMI_25].retired_on
    assert retired_on == date(2026, 5, 30)
    day = datetime(2026, 5, 30, tzinfo=UTC)
    before = day - timedelta(microseconds=1)
    assert book.served_model(KIMI_25, before) == KIMI_25
    assert book.served_model(KIMI_25, day) == KIMI_26
    assert book.rates(KIMI_25, day) == book.rates(KIMI_26, day)
    old, new = book.rates(KIMI_25, before), book.rates(KIMI_25, day)
    assert old is not None
    assert new is not None
    assert old.neurons_in_per_m == 54545
    assert new.neurons_in_per_m == 86364


def test_an_override_of_the_successor_counts_for_the_alias_and_its_own_counts_more() -> None:
    successor = PriceOverride(input=Decimal("0.022"))
    book = PriceBook([built_in()], {KIMI_26: successor})
    rates = book.rates(KIMI_25, AT)
    assert rates is not None
    assert rates.neurons_in_per_m == 2000
    own = PriceBook([built_in()], {KIMI_26: successor, KIMI_25: PriceOverride(input=Decimal(0))})
    rates = own.rates(KIMI_25, AT)
    assert rates is not None
    assert rates.neurons_in_per_m == 0


def test_a_retired_model_without_successor_is_known_as_retired() -> None:
    model = replace(Model(id="m"), retired_on=date(2026, 10, 10))
    assert not model.is_retired(date(2026, 10, 9))
    assert model.is_retired(date(2026, 10, 10))
    book = PriceBook([Snapshot(source="s", as_of="2026-01-01", models={"m": model})])
    assert book.served_model("m", AT) == "m"


def test_every_model_is_listed_once_by_id_as_the_newest_snapshot_has_it() -> None:
    book = PriceBook(
        [
            snapshot(date(2026, 1, 1), {"b": Decimal(1), "a": Decimal(1)}),
            snapshot(date(2026, 2, 1), {"b": Decimal(2), "c": Decimal(2)}),
        ]
    )
    found = [(model.id, model.neurons_in_per_m) for model in book.models(AT)]
    assert found == [("a", Decimal(1)), ("b", Decimal(2)), ("c", Decimal(2))]


@given(st.integers(10**15, 10**18))
def test_prices_that_only_dollars_name_are_turned_into_neurons(millionths: int) -> None:
    usd = Decimal(millionths) / 10**12
    rates = Model(id="m", usd_in_per_m=usd).rates("catalogue", "2026-01-01")
    assert rates is not None
    assert abs(rates.in_usd_per_m - usd) < Decimal("0.0000000001")
    assert rates.neurons_out_per_m is None


@pytest.mark.parametrize(
    "data", [{}, {"as_of": "2026-01-01"}, {"as_of": "2026-01-01", "models": [{"id": "m", "x": 1}]}]
)
def test_what_is_no_snapshot_is_refused(data: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        load_snapshot(data, source="catalogue")
