"""Catalogue items to models: every price exact, every unusable item named."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.cloudflare.catalogue import read_catalogue
from wai_ops.core.prices import Model, built_in


def item(name: str, *prices: tuple[str, Any], **properties: Any) -> dict[str, Any]:
    listed = [{"property_id": key, "value": value} for key, value in properties.items()]
    if prices:
        value = [{"unit": unit, "price": price, "currency": "USD"} for unit, price in prices]
        listed.append({"property_id": "price", "value": value})
    return {"id": "x", "name": name, "task": {"name": "Text Generation"}, "properties": listed}


IN, CACHED, OUT = "per M input tokens", "per M cached input tokens", "per M output tokens"


def test_an_item_becomes_a_model() -> None:
    found = read_catalogue(
        [
            item(
                "@cf/a/b",
                (IN, Decimal("0.0605")),
                (CACHED, Decimal("0.01")),
                (OUT, Decimal("0.40")),
                context_window="131072",
                function_calling="true",
                require_workers_paid="true",
                planned_deprecation_date="2027-01-31T00:00:00Z",
            )
        ],
        {},
    )
    assert found.unusable == ()
    assert found.models["@cf/a/b"] == Model(
        id="@cf/a/b",
        task="Text Generation",
        context_window=131072,
        usd_in_per_m=Decimal("0.0605"),
        usd_cached_in_per_m=Decimal("0.01"),
        usd_out_per_m=Decimal("0.40"),
        function_calling=True,
        prompt_caching=True,
        workers_paid=True,
        retired_on=date(2027, 1, 31),
    )


def test_published_neurons_are_kept_while_the_dollar_price_is_unchanged() -> None:
    name = "@cf/google/gemma-4-26b-a4b-it"
    known = built_in().models
    assert known[name].neurons_in_per_m == 9091
    found = read_catalogue([item(name, (IN, "0.1"), (OUT, "0.31"))], known).models[name]
    assert found.neurons_in_per_m == 9091
    assert found.neurons_out_per_m is None
    rates = found.rates("catalogue", "2027-01-01")
    assert rates is not None
    assert rates.neurons_out_per_m == Decimal("28181.818182")
    assert found.schema == known[name].schema == "openai"


def test_every_item_that_cannot_be_used_is_named_with_its_reason() -> None:
    euro = item("@cf/a/euro")
    price = {"unit": IN, "price": 1, "currency": "EUR"}
    euro["properties"] = [{"property_id": "price", "value": [price]}]
    found = read_catalogue(
        [
            "text",
            {"id": "x"},
            item("@cf/a/ok", (IN, 1)),
            item("@cf/a/ok", (IN, 2)),
            euro,
            item("@cf/a/negative", (IN, -1)),
            item("@cf/a/nan", (IN, "NaN")),
            item("@cf/a/bool", (IN, True)),
            item("@cf/a/twice", (IN, 1), (IN, 2)),
            item("@cf/a/no-input", (OUT, 1)),
            item("@cf/a/no-list", price="free"),
            item("@cf/a/date", (IN, 1), planned_deprecation_date="soon"),
            {"name": "bad\x1b[31m"},
        ],
        {},
    )
    assert list(found.models) == ["@cf/a/ok"]
    assert found.models["@cf/a/ok"].usd_in_per_m == 1
    assert found.unusable == (
        ("item 1", "it is no object"),
        ("item 2", "it has no model name"),
        ("@cf/a/ok", "it is listed twice"),
        ("@cf/a/euro", "a price is in EUR, not in USD"),
        ("@cf/a/negative", "a price is -1"),
        ("@cf/a/nan", "a price is NaN"),
        ("@cf/a/bool", "a price is True"),
        ("@cf/a/twice", "two prices per M input tokens"),
        ("@cf/a/no-input", "it has prices, and none for input tokens"),
        ("@cf/a/no-list", "its price is no list"),
        ("@cf/a/date", "its deprecation date is soon"),
        ("item 13", "it has no model name"),
    )


def test_a_model_priced_by_something_else_is_kept_without_a_price() -> None:
    found = read_catalogue([item("@cf/a/image", ("per 512 by 512 tile", 0.01))], {})
    assert found.other_units == ("@cf/a/image",)
    assert found.models["@cf/a/image"].rates("catalogue", "2027-01-01") is None


def test_a_retirement_that_only_the_book_knows_is_kept() -> None:
    name = "@cf/moonshotai/kimi-k2.5"
    found = read_catalogue([item(name, (IN, "0.6"))], built_in().models).models[name]
    assert found.retired_on == date(2026, 5, 30)
    assert found.served_as == "@cf/moonshotai/kimi-k2.6"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "task", "properties", "property_id", "value", "unit", "price", "currency"]
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(st.lists(JSON, max_size=4))
def test_any_items_are_models_or_complaints(items: list[Any]) -> None:
    found = read_catalogue(items, {})
    assert len(found.models) + len(found.unusable) == len(items)


@pytest.mark.parametrize("text", ["0.1", "0.0605", "1.32", "0.000123456789"])
def test_prices_keep_every_digit(text: str) -> None:
    for value in (text, Decimal(text)):
        found = read_catalogue([item("@cf/a/b", (IN, value))], {})
        assert found.models["@cf/a/b"].usd_in_per_m == Decimal(text)
