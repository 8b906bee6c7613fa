"""The wire of the Workers AI binding, byte for byte as the client in the runtime speaks it."""

import json
from typing import Any

import httpx
import pytest

from emulator.api import LEGACY_MODEL, OPENAI_MODEL, Api
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.inference.binding_call import read_binding_call

HOST = "workers-binding.ai"


def call(
    api: Api,
    inputs: Any,
    *,
    options: dict[str, Any] | None = None,
    model: str = LEGACY_MODEL,
    role: str = "runtime",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """What `env.AI.run(model, inputs, options)` sends."""
    options = options or {}
    root = api.endpoint.base_url.removesuffix("/client/v4")
    path = "/ai-gateway/run" if "gateway" in options else "/run"
    return api.http.post(
        f"{root}{path}?version=3",
        json={"inputs": inputs, "options": options},
        headers={
            "host": HOST,
            "cf-consn-sdk-version": "2.0.0",
            "cf-consn-model-id": model,
            **api.auth(role),
            **(headers or {}),
        },
    )


def get(api: Api, path: str) -> httpx.Response:
    root = api.endpoint.base_url.removesuffix("/client/v4")
    return api.http.get(root + path, headers={"host": HOST, **api.auth("runtime")})


def test_a_run_gives_the_result_without_an_envelope(api: Api) -> None:
    answer = call(api, {"prompt": "Hello"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"response", "usage"}
    assert answer.headers["cf-ai-req-id"]
    assert "cf-aig-log-id" not in answer.headers
    assert answer.json()["response"] == api.run({"prompt": "Hello"}).json()["result"]["response"]


def test_a_newer_model_gives_the_bare_openai_object(api: Api) -> None:
    answer = call(
        api, {"messages": [{"role": "user", "content": "Hello"}]}, model=OPENAI_MODEL
    ).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"]


def test_a_stream_is_passed_on_as_it_is(api: Api) -> None:
    answer = call(api, {"prompt": "Write 5 words", "stream": True})
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cf-ai-req-id"]
    assert answer.text.endswith("data: [DONE]\n\n")
    assert answer.text.count('data: {"response":') == 7


def test_the_options_of_a_gateway_mean_what_its_headers_mean(api: Api) -> None:
    options = {
        "gateway": {
            "id": "default",
            "metadata": {"tenant": "acmé", "n": 5, "on": True},
            "eventId": "my-event",
            "cacheTtl": 60,
            "cacheKey": "one key",
            "retries": {"maxAttempts": 2, "retryDelayMs": 5, "backoff": "linear"},
        }
    }
    first, second = (call(api, {"prompt": p}, options=options) for p in ("One", "Two"))
    assert first.headers["cf-aig-cache-status"] == "MISS"
    assert second.headers["cf-aig-cache-status"] == "HIT"
    assert second.json() == first.json()
    assert first.headers["cf-aig-event-id"] == "my-event"
    row = api.row_of(first)
    assert row["metadata"] == {"tenant": "acmé", "n": 5, "on": True}
    assert row["path"] == f"run/{LEGACY_MODEL}"


def test_a_null_in_the_metadata_loses_all_of_it(api: Api) -> None:
    gateway = {"id": "default", "metadata": {"tenant": "acme", "user": None}}
    answer = call(api, {"prompt": "Hello"}, options={"gateway": gateway})
    assert api.row_of(answer)["metadata"] is None


def test_a_call_may_go_unlogged_and_skip_the_cache(api: Api) -> None:
    gateway = {"id": "default", "collectLog": False, "cacheTtl": 60, "skipCache": True}
    for _ in range(2):
        answer = call(api, {"prompt": "Quiet"}, options={"gateway": gateway})
        assert answer.headers["cf-aig-cache-status"] == "MISS"
        assert "cf-aig-log-id" not in answer.headers


def test_without_a_gateway_no_header_chooses_one(api: Api) -> None:
    answer = call(api, {"prompt": "Hi"}, headers={"cf-aig-gateway-id": "default"})
    assert answer.status_code == 200
    assert "cf-aig-log-id" not in answer.headers


def test_session_affinity_keeps_a_prefix_warm(fresh: Api) -> None:
    inputs = {"prompt": "The same long text. " * 40}
    headers = {"x-session-affinity": "s1"}
    cold, warm = (call(fresh, inputs, headers=headers).json()["usage"] for _ in range(2))
    assert cold["prompt_tokens_details"]["cached_tokens"] == 0
    assert warm["prompt_tokens_details"]["cached_tokens"] > 100


def test_the_knob_caches_what_asks_for_no_cache(fresh: Api) -> None:
    """Seen on a live account: calls of the binding were cached for about five minutes."""
    knobs = fresh.endpoint.base_url.removesuffix("/client/v4") + "/__wai/knobs"
    changed = fresh.http.patch(
        knobs, json={"cache.binding_ttl_s": 300}, headers=fresh.auth("operator")
    )
    assert changed.status_code == 200, changed.text

    def status(**gateway: Any) -> str:
        options = {"gateway": {"id": "default", **gateway}}
        return call(fresh, {"prompt": "Again"}, options=options).headers["cf-aig-cache-status"]

    assert [status(), status(), status(cacheTtl=0), status(skipCache=True)] == [
        "MISS",
        "HIT",
        "HIT",
        "MISS",
    ]


def test_a_refusal_of_the_model_is_what_the_client_turns_into_its_error(api: Api) -> None:
    answer = call(api, {"prompt": "x"}, model="@cf/none/such")
    assert answer.status_code == 400
    body = answer.json()
    assert body["internalCode"] == 5007
    assert body["name"] == "InferenceUpstreamError"
    assert body["description"].startswith("No such model @cf/none/such")
    assert answer.headers["cf-ai-req-id"]


def test_a_refusal_of_the_gateway_has_the_gateways_name(api: Api) -> None:
    answer = call(api, {"prompt": "x"}, options={"gateway": {"id": "nope"}})
    assert (answer.status_code, answer.json()["internalCode"]) == (400, 2001)
    assert answer.json()["name"] == "AiGatewayError"


def test_a_refused_call_has_its_row_and_its_log_id(api: Api) -> None:
    gateway = {"id": "default", "metadata": {"tenant": "refused"}}
    answer = call(api, {"messages": "no list"}, options={"gateway": gateway})
    assert answer.status_code == 400
    row = api.row_of(answer)
    assert (row["status_code"], row["metadata"]) == (400, {"tenant": "refused"})


def test_logs_are_read_and_rated_through_the_binding(api: Api) -> None:
    sent = call(api, {"prompt": "Rate me"}, options={"gateway": {"id": "default"}})
    path = f"/ai-gateway/gateways/default/logs/{sent.headers['cf-aig-log-id']}"
    root = api.endpoint.base_url.removesuffix("/client/v4")
    patched = api.http.patch(
        root + path,
        json={"feedback": 1, "score": 80, "metadata": {"k": "v"}},
        headers={"host": HOST, **api.auth("runtime")},
    )
    assert patched.status_code == 200
    result = get(api, path).json()["result"]
    assert (result["feedback"], result["score"], result["metadata"]) == (1, 80, {"k": "v"})
    missing = get(api, "/ai-gateway/gateways/default/logs/01234567-0000-7000-8000-000000000000")
    assert (missing.status_code, missing.json()["errors"][0]["message"]) == (404, "Log not found")


def test_get_url_names_a_place_that_answers(api: Api) -> None:
    url = get(api, "/ai-gateway/gateways/default/url/workers-ai").json()["result"]["url"]
    assert url == f"{api.endpoint.gateway_base_url}/{api.endpoint.account_id}/default/workers-ai"
    answer = api.http.post(
        f"{url}/{LEGACY_MODEL}",
        json={"prompt": "Hi"},
        headers={"cf-aig-authorization": api.auth("runtime")["authorization"]},
    )
    assert answer.json()["result"]["response"]
    whole = get(api, "/ai-gateway/gateways/default/url/universal").json()["result"]["url"]
    assert url == f"{whole}/workers-ai"


def test_a_universal_run_goes_through_the_gateway_with_its_options_as_headers(api: Api) -> None:
    root = api.endpoint.base_url.removesuffix("/client/v4")
    entry = {"provider": "workers-ai", "endpoint": LEGACY_MODEL, "query": {"prompt": "Hi"}}
    answer = api.http.post(
        f"{root}/ai-gateway/universal/run/default",
        json=[entry | {"headers": {}}],
        headers={"host": HOST, "cf-aig-metadata": '{"tenant":"uni"}', **api.auth("runtime")},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["cf-aig-step"] == "0"
    assert api.row_of(answer)["metadata"] == {"tenant": "uni"}


def test_models_are_listed(api: Api) -> None:
    result = get(api, "/ai-api/models/search?search=llama-3.3").json()["result"]
    assert LEGACY_MODEL in [model["name"] for model in result]


@pytest.mark.parametrize("role", ["reader", "operator"])
def test_only_who_may_run_models_may_use_the_binding(api: Api, role: str) -> None:
    assert call(api, {"prompt": "x"}, role=role).status_code == 403
    path = "/ai-gateway/gateways/default/url/universal"
    root = api.endpoint.base_url.removesuffix("/client/v4")
    answer = api.http.get(root + path, headers={"host": HOST, **api.auth(role)})
    assert answer.status_code == 403


def test_the_bindings_host_opens_nothing_but_the_binding(api: Api) -> None:
    root = api.endpoint.base_url.removesuffix("/client/v4")
    auth = api.auth("runtime")
    account = f"/client/v4/accounts/{api.endpoint.account_id}/ai/models/search"
    assert api.http.get(root + account, headers={"host": HOST, **auth}).status_code == 403
    no_token = api.http.post(f"{root}/run?version=3", json={}, headers={"host": HOST})
    assert no_token.status_code == 401
    from_page = call(api, {"prompt": "x"}, headers={"origin": f"https://{HOST}"})
    assert from_page.status_code == 403


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {b"cf-consn-model-id": b"@cf/a/b"}),
        (b"[]", {b"cf-consn-model-id": b"@cf/a/b"}),
        (b'{"inputs": "x"}', {b"cf-consn-model-id": b"@cf/a/b"}),
        (b'{"inputs": {}, "options": []}', {b"cf-consn-model-id": b"@cf/a/b"}),
        (b'{"inputs": {}}', {}),
        (b'{"inputs": {}}', {b"cf-consn-model-id": b"gpt-5"}),
    ],
)
def test_a_call_that_is_none_is_refused(body: bytes, headers: dict[bytes, bytes]) -> None:
    with pytest.raises(ApiError):
        read_binding_call(body, headers, with_gateway=False)


def test_a_gateway_call_needs_the_gateways_id() -> None:
    body = b'{"inputs": {}, "options": {"gateway": {"id": 5}}}'
    with pytest.raises(ApiError):
        read_binding_call(body, {b"cf-consn-model-id": b"@cf/a/b"}, with_gateway=True)


def test_reject_if_busy_batch_and_prefix_are_taken_from_the_third_argument() -> None:
    body = {"inputs": {"prompt": "x"}, "options": {"rejectIfBusy": True, "queueRequest": True}}
    read = read_binding_call(
        json.dumps(body).encode(), {b"cf-consn-model-id": b"some:@cf/a/b"}, with_gateway=False
    )
    assert read.model == "@cf/a/b"
    assert read.is_batch
    assert json.loads(read.body) == {"prompt": "x", "options": {"rejectIfBusy": True}}
