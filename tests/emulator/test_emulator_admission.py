"""Policies, dynamic routes and the gateway's knobs, as model calls meet them."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from emulator.api import OPENAI_MODEL
from emulator.lab import Lab, lab

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
