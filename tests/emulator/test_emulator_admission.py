"""Policies, dynamic routes and the gateway's knobs, as model calls meet them."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from emulator.api import LEGACY_MODEL, OPENAI_MODEL
from emulator.lab import BROKEN, BUSY, OK, Lab, lab

SMALL = "@cf/meta/llama-3.2-1b-instruct"
GATEWAYS: dict[str, dict[str, Any]] = {
    name: {}
    for name in ("blocks", "caps", "denies", "routed", "cached-policy", "quiet-scanner", "open")
}
GATEWAYS["prepaid"] = {"workers_ai_billing_mode": "unified"}
GATEWAYS["byok"] = {"workers_ai_billing_mode": "unified", "byok_only": True}
GATEWAYS["guarded"] = {"guardrails": {"prompt": {"S1": "BLOCK"}, "response": {}}}
GATEWAYS["flags"] = {"guardrails": {"prompt": {"S1": "FLAG"}, "response": {}}}
GATEWAYS["dlp"] = {"dlp": {"enabled": True, "action": "BLOCK", "profiles": ["cards"]}}


@pytest.fixture(scope="module")
def all_gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab"), GATEWAYS) as running:
        yield running


@pytest.fixture
def it(all_gateways: Lab) -> Iterator[Lab]:
    all_gateways.be()
    yield all_gateways
    all_gateways.services.knobs.reset()


def via(gateway: str, **metadata: Any) -> dict[str, str]:
    return {"cf-aig-gateway-id": gateway, "cf-aig-metadata": json.dumps(metadata)}


def post(it: Lab, gateway: str, path: str, body: Any) -> Any:
    answer = it.api.http.post(
        it.api.url(f"/ai-gateway/gateways/{gateway}/{path}"),
        json=body,
        headers=it.api.auth("operator"),
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def policy(it: Lab, gateway: str, **values: Any) -> None:
    whole = {"name": "p", "actor": "everybody", "resource": "*", "condition": "true"} | values
    post(it, gateway, "policies?commit=true", whole)


def knob(it: Lab, dotted: str, value: object) -> None:
    it.services.knobs.change(dotted, value)


def code_of(answer: httpx.Response) -> tuple[int, int]:
    body = answer.json()
    (error,) = body.get("errors") or body["error"]
    return answer.status_code, error["code"]


# ---- policies


def test_the_first_policy_turns_the_gateway_to_deny_by_default(it: Lab) -> None:
    assert it.api.chat(headers=via("denies")).status_code == 200
    policy(it, "denies", condition='metadata.tenant == "a"', action={"type": "no-limit"})
    assert it.api.chat(headers=via("denies", tenant="a")).status_code == 200
    refused = it.api.chat(headers=via("denies", tenant="b"))
    assert refused.status_code == 403
    assert refused.json()["success"] is False
    assert refused.json()["error"]["message"]
    (row,) = it.rows_of(refused)
    assert (row["status_code"], row["cost"], row["tokens_in"]) == (403, 0, None)


def test_a_block_names_its_models_and_wins(it: Lab) -> None:
    policy(it, "blocks", action={"type": "no-limit"})
    kimi = {"model": "@cf/moonshotai/*"}
    policy(it, "blocks", name="no-kimi", resource=kimi, action={"type": "block"})
    assert it.api.chat(headers=via("blocks")).status_code == 403
    assert it.api.run({"prompt": "x"}, headers=via("blocks")).status_code == 200


def test_a_cap_lets_the_call_that_overspends_through_and_refuses_the_next(it: Lab) -> None:
    cap = {"type": "limit", "amount": 1e-9, "period": "monthly", "technique": "named-interval"}
    policy(it, "caps", actor="{metadata.tenant}", action=cap)
    assert it.api.chat(headers=via("caps", tenant="a")).status_code == 200
    refused = it.api.chat(headers=via("caps", tenant="a"))
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert error["spent"] > error["limit"] == 1e-9
    assert it.api.chat(headers=via("caps", tenant="b")).status_code == 200


def test_an_evaluation_that_fails_lets_everybody_through(it: Lab) -> None:
    policy(it, "open", action={"type": "block"})
    assert it.api.chat(headers=via("open")).status_code == 403
    knob(it, "policies.fail_open", value=True)
    assert it.api.chat(headers=via("open")).status_code == 200


def test_a_cached_answer_passes_every_policy(it: Lab) -> None:
    headers = via("cached-policy") | {"cf-aig-cache-ttl": "60"}
    assert it.api.chat("cached", headers=headers).status_code == 200
    policy(it, "cached-policy", action={"type": "block"})
    assert it.api.chat("cached", headers=headers).headers["cf-aig-cache-status"] == "HIT"
    assert it.api.chat("not cached", headers=headers).status_code == 403


# ---- dynamic routes


def model(element: str, name: str, success: str, fallback: str, **more: Any) -> dict[str, Any]:
    properties = {"provider": "workers-ai", "model": name, "timeout": 60_000, "retries": 0} | more
    outputs = {"success": {"elementId": success}, "fallback": {"elementId": fallback}}
    return {"id": element, "type": "model", "properties": properties, "outputs": outputs}


def route(it: Lab, name: str, *elements: dict[str, Any], gateway: str = "routed") -> None:
    start = {"id": "start", "type": "start", "outputs": {"next": {"elementId": elements[0]["id"]}}}
    end = {"id": "end", "type": "end", "outputs": {}}
    post(it, gateway, "routes", {"name": name, "elements": [start, *elements, end]})


def ask(it: Lab, name: str, *, stream: bool = False, **metadata: Any) -> httpx.Response:
    api = it.api
    url = f"{api.endpoint.gateway_base_url}/{api.endpoint.account_id}/routed/compat"
    headers = {
        "cf-aig-authorization": api.auth("runtime")["authorization"],
        "cf-aig-metadata": json.dumps(metadata),
    }
    body = {"model": name, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    return api.http.post(f"{url}/chat/completions", json=body, headers=headers)


def rows(it: Lab, answer: httpx.Response) -> list[tuple[int, str, int]]:
    wanted = [{"key": "event_id", "operator": "eq", "value": [answer.headers["cf-aig-event-id"]]}]
    path = "/ai-gateway/gateways/routed/logs"
    found = it.api.get(path, filters=json.dumps(wanted), order_by_direction="asc").json()
    return [(row["step"], row["model"], row["status_code"]) for row in found["result"]]


def test_a_dynamic_route_takes_its_fallback_and_says_what_answered(it: Lab) -> None:
    route(
        it,
        "support",
        model("first", OPENAI_MODEL, "end", "second", retries=1),
        model("second", SMALL, "end", "end"),
    )
    answer = ask(it, "dynamic/support")
    assert answer.status_code == 200
    assert answer.headers["cf-aig-model"] == answer.json()["model"] == OPENAI_MODEL
    assert answer.headers["cf-aig-provider"] == "workers-ai"
    it.be(BUSY, BROKEN, OK)
    fallen = ask(it, "dynamic/support", stream=True)
    assert fallen.headers["cf-aig-model"] == SMALL
    assert fallen.headers["cf-aig-step"] == "1"
    assert rows(it, fallen) == [(0, OPENAI_MODEL, 429), (0, OPENAI_MODEL, 500), (1, SMALL, 200)]


def test_a_route_decides_by_metadata(it: Lab) -> None:
    chooses = {
        "id": "plan",
        "type": "conditional",
        "properties": {"conditions": {"metadata.plan": {"$eq": "paid"}}},
        "outputs": {"true": {"elementId": "big"}, "false": {"elementId": "small"}},
    }
    route(
        it, "by-plan", chooses,
        model("big", OPENAI_MODEL, "end", "end"), model("small", LEGACY_MODEL, "end", "end"),
    )  # fmt: skip
    assert ask(it, "dynamic/by-plan", plan="paid").headers["cf-aig-model"] == OPENAI_MODEL
    assert ask(it, "dynamic/by-plan", plan="free").headers["cf-aig-model"] == LEGACY_MODEL


def test_a_rate_node_counts_and_sends_the_rest_elsewhere(it: Lab) -> None:
    rate = {
        "id": "rate",
        "type": "rate",
        "properties": {
            "limitType": "count",
            "key": "metadata.tenant",
            "limit": 1,
            "window": 86_400 * 30,
        },
        "outputs": {"success": {"elementId": "big"}, "fallback": {"elementId": "small"}},
    }
    route(
        it, "rated", rate,
        model("big", OPENAI_MODEL, "end", "end"), model("small", SMALL, "end", "end"),
    )  # fmt: skip
    asked = [ask(it, "dynamic/rated", tenant="a").headers["cf-aig-model"] for _ in range(2)]
    assert asked == [OPENAI_MODEL, SMALL]
    assert ask(it, "dynamic/rated", tenant="b").headers["cf-aig-model"] == OPENAI_MODEL


def test_a_route_ends_with_its_last_refusal(it: Lab) -> None:
    route(it, "fails", model("only", OPENAI_MODEL, "end", "end"))
    it.be(BROKEN)
    answer = ask(it, "dynamic/fails")
    assert code_of(answer) == (500, 5001)
    assert rows(it, answer) == [(0, OPENAI_MODEL, 500)]


def test_another_provider_in_a_route_fails_over(it: Lab) -> None:
    foreign = model("first", "gpt-5", "end", "second", provider="openai")
    route(it, "mixed", foreign, model("second", SMALL, "end", "end"))
    answer = ask(it, "dynamic/mixed")
    assert (answer.status_code, answer.headers["cf-aig-step"]) == (200, "1")
    assert rows(it, answer) == [(0, "gpt-5", 400), (1, SMALL, 200)]


def test_a_route_that_nobody_deployed_is_refused_and_the_rest_api_knows_none(it: Lab) -> None:
    assert code_of(ask(it, "dynamic/missing")) == (400, 7003)
    assert code_of(it.api.chat(model="dynamic/support", headers=via("routed"))) == (404, 3042)


# ---- stored keys


def test_a_stored_key_is_picked_by_its_alias(it: Lab) -> None:
    api = it.api
    url = f"{api.endpoint.gateway_base_url}/{api.endpoint.account_id}/byok/workers-ai"

    def run(alias: str) -> httpx.Response:
        token = api.auth("runtime")["authorization"]
        headers = {"cf-aig-authorization": token, "cf-aig-byok-alias": alias}
        return api.http.post(f"{url}/{SMALL}", json={"prompt": "Hi"}, headers=headers)

    config = {
        "provider_slug": "workers-ai",
        "alias": "mine",
        "default_config": False,
        "secret": "secret-of-the-provider",
    }
    post(it, "byok", "provider_configs", config)
    assert run("mine").status_code == 200
    assert code_of(run("yours")) == (400, 2040)


# ---- knobs


def test_without_credit_what_credits_pay_is_refused_and_the_rest_is_not(it: Lab) -> None:
    assert it.api.chat(headers=via("prepaid")).status_code == 200
    knob(it, "gateway.has_credit", value=False)
    refused = it.api.chat(headers=via("prepaid"))
    assert code_of(refused) == (402, 2021)
    (row,) = it.rows_of(refused)
    assert (row["status_code"], row["cost"], row["wholesale"]) == (402, 0, True)
    assert it.api.chat(headers=via("guarded")).status_code == 200


def test_credits_that_may_not_pay_are_not_touched(it: Lab) -> None:
    assert code_of(it.api.chat(headers=via("byok"))) == (400, 2040)
    headers = via("prepaid") | {"cf-aig-no-wholesale": "true"}
    assert code_of(it.api.chat(headers=headers)) == (400, 2040)


@pytest.mark.parametrize(("state", "refusal"), [("down", (503, 7013)), ("no_credit", (402, 2021))])
def test_a_scanner_that_cannot_work_stops_what_it_might_have_blocked(
    it: Lab, state: str, refusal: tuple[int, int]
) -> None:
    knob(it, "gateway.scanner", value=state)
    assert code_of(it.api.chat(headers=via("guarded"))) == refusal


def test_a_scanner_that_is_down_is_missed_where_it_could_only_flag(it: Lab) -> None:
    knob(it, "gateway.scanner", value="down")
    answer = it.api.chat("WAI-GUARDRAIL", headers=via("flags"))
    assert answer.status_code == 200
    (row,) = it.rows_of(answer)
    assert row["guardrails"] is None


def test_what_guardrails_and_dlp_find_is_in_the_row(it: Lab) -> None:
    flagged = it.api.chat("WAI-GUARDRAIL", headers=via("flags"))
    row = next(r for r in it.rows_of(flagged) if r["model"] == OPENAI_MODEL)
    assert row["guardrails"] == {"prompt": {"S1": "FLAG"}}
    blocked = it.api.chat("WAI-DLP", headers=via("dlp"))
    (row,) = it.rows_of(blocked)
    assert (row["dlp_action"], row["dlp_profiles"]) == ("BLOCK", ["cards"])


def test_markers_and_the_status_of_dlp_can_be_set(it: Lab) -> None:
    knob(it, "gateway.guardrail_marker", value="secret word")
    knob(it, "gateway.dlp_marker", value="4111")
    knob(it, "gateway.dlp_status", value=424)
    assert code_of(it.api.chat("the secret word", headers=via("guarded"))) == (424, 2016)
    assert it.api.chat("WAI-GUARDRAIL", headers=via("guarded")).status_code == 200
    assert code_of(it.api.chat("card 4111", headers=via("dlp"))) == (424, 2029)
