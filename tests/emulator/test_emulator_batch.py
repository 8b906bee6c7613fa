"""Batches: queued, polled, answered with one total usage, and not lost by a restart."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.api import LEGACY_MODEL, OPENAI_MODEL, Api
from wai_ops.emulator.own_api import call
from wai_ops.emulator.server import embedded

QUEUE = {"queueRequest": "true"}


def send(api: Api, body: Any, model: str = LEGACY_MODEL) -> httpx.Response:
    return api.http.post(
        api.url(f"/ai/run/{model}"), params=QUEUE, json=body, headers=api.auth("runtime")
    )


def until(check: Callable[[], Any]) -> Any:
    """Poll, as a client has to; gives up after twenty seconds."""
    pause = threading.Event()
    for _ in range(400):
        if found := check():
            return found
        pause.wait(0.05)
    raise AssertionError("it never came to its end")


def result_of(api: Api, request_id: str, model: str = LEGACY_MODEL) -> Any:
    """The finished batch."""

    def check() -> Any:
        result = send(api, {"request_id": request_id}, model).json()["result"]
        return result if "responses" in result else None

    return until(check)


def test_a_batch_is_queued_and_answers_each_item_with_its_reference(fresh: Api) -> None:
    """In order, with one usage for all, and the truth knows it once."""
    items = [
        {"prompt": "One", "external_reference": "a"},
        {"prompt": 7, "external_reference": "bad"},
        {"messages": [{"role": "user", "content": "Two"}], "stream": True},
    ]
    told = send(fresh, {"requests": items}).json()["result"]
    assert (told["status"], told["model"]) == ("queued", LEGACY_MODEL)
    result = result_of(fresh, told["request_id"])
    responses = result["responses"]
    assert [item["id"] for item in responses] == [0, 1, 2]
    assert [item["success"] for item in responses] == [True, False, True]
    assert [item.get("external_reference") for item in responses] == ["a", "bad", None]
    assert responses[1]["error"]["code"] == 8001
    assert "One" in responses[0]["result"]["response"]
    assert "usage" not in responses[0]["result"]
    alone = [fresh.run({"prompt": text}).json()["result"]["usage"] for text in ("One", "Two")]
    expected = sum(usage["total_tokens"] for usage in alone)
    assert result["usage"]["total_tokens"] == expected

    def counted() -> Any:
        totals = call(fresh.endpoint, "GET", "/__wai/truth")["totals"]
        return totals if totals["requests"] == 3 else None

    totals = until(counted)
    assert totals["tokens_in"] + totals["tokens_out"] == 2 * expected


def test_newer_models_and_embeddings_take_batches_too(fresh: Api) -> None:
    """Each in its own shape."""
    told = send(
        fresh, {"requests": [{"messages": [{"role": "user", "content": "Hi"}]}]}, OPENAI_MODEL
    )
    result = result_of(fresh, told.json()["result"]["request_id"], OPENAI_MODEL)
    assert result["responses"][0]["result"]["choices"][0]["finish_reason"] == "stop"
    model = "@cf/baai/bge-m3"
    told = send(fresh, {"requests": [{"text": "a"}, {"text": "b"}]}, model)
    result = result_of(fresh, told.json()["result"]["request_id"], model)
    assert [item["result"]["shape"] for item in result["responses"]] == [[1, 1024]] * 2


def test_a_batch_waits_for_its_time_and_tells_so(fresh: Api) -> None:
    """Until then it is queued, for as long as the knob says."""
    call(fresh.endpoint, "PATCH", "/__wai/knobs", {"capacity.batch_delay_ms": 3_600_000})
    told = send(fresh, {"requests": [{"prompt": "Hi"}]}).json()["result"]
    asked = send(fresh, {"request_id": told["request_id"]}).json()["result"]
    assert asked == {"status": "queued", "request_id": told["request_id"], "model": LEGACY_MODEL}


def test_a_batch_is_outside_the_rate_limit_of_its_model(fresh: Api) -> None:
    """That is what it is for."""
    call(fresh.endpoint, "PATCH", "/__wai/knobs", {"limits.model_rate": True, "limits.text_rpm": 2})
    told = send(fresh, {"requests": [{"prompt": str(n)} for n in range(6)]}).json()["result"]
    result = result_of(fresh, told["request_id"])
    assert all(item["success"] for item in result["responses"])
    assert [fresh.run({"prompt": "Hi"}).status_code for _ in range(3)] == [200, 200, 429]


def test_a_restart_does_not_lose_a_batch(tmp_path: Path) -> None:
    """Queued before, answered after."""
    with embedded(tmp_path) as endpoint, httpx.Client() as http:
        call(endpoint, "PATCH", "/__wai/knobs", {"capacity.batch_delay_ms": 3_600_000})
        told = send(Api(endpoint, http), {"requests": [{"prompt": "Hi"}]}).json()["result"]
    with embedded(tmp_path) as endpoint, httpx.Client() as http:
        call(endpoint, "DELETE", "/__wai/knobs")
        result = result_of(Api(endpoint, http), told["request_id"])
    assert result["responses"][0]["success"] is True


@pytest.mark.parametrize(
    ("body", "model", "status", "code"),
    [
        ({}, LEGACY_MODEL, 400, 8001),
        ({"requests": []}, LEGACY_MODEL, 400, 8001),
        ({"requests": ["x"]}, LEGACY_MODEL, 400, 8001),
        ({"requests": [{"external_reference": 1}]}, LEGACY_MODEL, 400, 8001),
        ({"requests": [{}]}, "@cf/meta/llama-3.2-1b-instruct", 400, 8001),
        ({"requests": [{}]}, "@cf/no/model", 400, 5007),
        ({"request_id": 7}, LEGACY_MODEL, 400, 8001),
        ({"request_id": "nobody"}, LEGACY_MODEL, 404, 7002),
    ],
)
def test_what_is_no_batch_is_refused(
    api: Api, body: Any, model: str, status: int, code: int
) -> None:
    """And so is a model that takes none."""
    answer = send(api, body, model)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["code"] == code


def test_a_batch_needs_the_permission_of_a_run(api: Api) -> None:
    """The operator cannot run models this way either."""
    answer = api.http.post(
        api.url(f"/ai/run/{LEGACY_MODEL}"),
        params=QUEUE,
        json={"requests": [{"prompt": "x"}]},
        headers=api.auth("operator"),
    )
    assert answer.status_code == 403
