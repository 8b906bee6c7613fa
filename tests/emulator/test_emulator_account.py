"""Catalogue, telemetry, and what is not there."""

import re
from datetime import date
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from emulator.api import OPENAI_MODEL, Api
from wai_ops.core.prices import built_in
from wai_ops.emulator.catalogue import select_models, to_catalogue_item


def properties(item: Any) -> dict[str, Any]:
    return {entry["property_id"]: entry["value"] for entry in item["properties"]}


def test_the_catalogue_pages_end_with_an_empty_one(api: Api) -> None:
    """The official Python package reads on until a page is empty."""
    names: list[str] = []
    for page in range(1, 20):
        body = api.get("/ai/models/search", page=str(page), per_page="20").json()
        if not body["result"]:
            break
        names += [item["name"] for item in body["result"]]
    assert len(names) == len(set(names)) == body["result_info"]["total_count"]
    assert OPENAI_MODEL in names


def test_a_model_carries_prices_and_flags_in_the_catalogues_way(api: Api) -> None:
    (item,) = api.get("/ai/models/search", search="kimi-k2.6").json()["result"]
    known = properties(item)
    assert (item["name"], item["task"]["name"]) == (OPENAI_MODEL, "Text Generation")
    assert known["context_window"] == "262144"
    assert known["function_calling"] == "true"
    assert known["require_workers_paid"] == "true"
    assert known["price"] == [
        {"unit": "per M input tokens", "price": 0.95, "currency": "USD"},
        {"unit": "per M cached input tokens", "price": 0.16, "currency": "USD"},
        {"unit": "per M output tokens", "price": 4.0, "currency": "USD"},
    ]


def test_search_and_task_narrow_the_catalogue(api: Api) -> None:
    items = api.get("/ai/models/search", task="text embeddings", search="BGE").json()["result"]
    assert items
    assert {item["task"]["name"] for item in items} == {"Text Embeddings"}


def test_retired_models_are_listed_only_on_demand(api: Api) -> None:
    assert api.get("/ai/models/search", search="kimi-k2.5").json()["result"] == []
    (item,) = api.get("/ai/models/search", search="kimi-k2.5", include_deprecated="true").json()[
        "result"
    ]
    assert properties(item)["planned_deprecation_date"] == "2026-05-30"


def test_a_model_about_to_retire_is_listed_with_its_date() -> None:
    models = list(built_in().models.values())
    (model,) = select_models(
        models, today=date(2026, 5, 1), search="kimi-k2.5", task="", include_deprecated=False
    )
    item = to_catalogue_item(model)
    assert properties(item)["planned_deprecation_date"] == "2026-05-30"


def test_telemetry_is_empty_like_that_of_an_account_on_the_older_logs(api: Api) -> None:
    url = api.url("/workers/observability/telemetry/query")
    query = {"queryId": "q", "timeframe": {"from": 0, "to": 1}, "view": "events"}
    body = api.http.post(url, json=query, headers=api.auth("reader")).json()
    assert body["success"] is True
    assert body["result"]["events"]["events"] == []
    for bad in ({"queryId": "q"}, {"queryId": 1, "timeframe": {"from": 0, "to": 1}}):
        answer = api.http.post(url, json=bad, headers=api.auth("reader"))
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 7001)


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("DELETE", "/ai/models/search")])
def test_what_is_not_served_is_a_404_in_the_envelope(api: Api, method: str, path: str) -> None:
    answer = api.http.request(method, api.url(path), headers=api.auth("operator"))
    body = answer.json()
    assert (answer.status_code, body["errors"][0]["code"], body["success"]) == (404, 7003, False)
    assert re.match(r"[0-9a-f]{16}-LOC", answer.headers["cf-ray"])


def test_every_answer_tells_the_time(api: Api) -> None:
    """Clock skew is measured against this header."""
    for answer in (api.get("/nothing"), api.chat(), api.http.get(api.url("/x"))):
        assert parsedate_to_datetime(answer.headers["date"]).tzinfo is not None
