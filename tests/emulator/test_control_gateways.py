"""Gateways are created, replaced and deleted as the provider does it."""

from typing import Any

import cloudflare
import httpx
import pytest

from emulator.api import Api
from emulator.operating import GATEWAYS, SETTINGS, Operator, refusal, result
from wai_ops.emulator.server import embedded

READ_ONLY = ("id", "created_at", "modified_at", "internal", "wholesale", "is_default")
RULE: dict[str, Any] = {
    "id": "tenants",
    "limit": 5.5,
    "limitType": "cost",
    "window": 3600,
    "technique": "fixed",
    "metadata": {"tenant": {"mode": "partition"}, "tier": {"mode": "filter", "values": ["gold"]}},
    "model": {"mode": "filter", "values": ["@cf/zai-org/glm-5.3"]},
}


@pytest.fixture
def operator(fresh: Api) -> Operator:
    return Operator(fresh)


def test_a_gateway_is_created_with_defaults_for_what_is_left_out(operator: Operator) -> None:
    made = operator.new_gateway("team-a")
    assert made["id"] == "team-a"
    assert made["created_at"] == made["modified_at"]
    assert made["spend_limits"] == {"enabled": False, "rules": []}
    assert (made["authentication"], made["is_default"], made["zdr"]) == (False, False, False)
    assert result(operator.get(f"{GATEWAYS}/team-a")) == made


def test_all_settings_survive_creation_and_a_restart(fresh: Api, tmp_path: Any) -> None:
    given = SETTINGS | {
        "authentication": True,
        "byok_only": True,
        "dlp": {"enabled": True, "action": "BLOCK", "profiles": ["cards"]},
        "guardrails": {"prompt": {"S1": "BLOCK", "P1": "FLAG"}, "response": {"S13": "FLAG"}},
        "log_classification": True,
        "log_management": 10_000,
        "log_management_strategy": "DELETE_OLDEST",
        "logpush": True,
        "logpush_public_key": "-----BEGIN PUBLIC KEY-----",
        "otel": [{"url": "https://x.example", "headers": {"a": "b"}, "content_type": "json"}],
        "rate_limiting_technique": "sliding",
        "retry_backoff": "linear",
        "retry_delay": 60_000,
        "retry_max_attempts": 5,
        "spend_limits": {"enabled": True, "rules": [RULE | {"enabled": True}]},
        "store_id": "s",
        "stripe": {"authorization": "k", "usage_events": [{"payload": "p"}]},
        "workers_ai_billing_mode": "unified",
        "zdr": True,
    }
    with embedded(tmp_path) as endpoint:
        Operator(Api(endpoint, fresh.http)).new_gateway("all", **given)
    with embedded(tmp_path) as endpoint:
        kept = result(Operator(Api(endpoint, fresh.http)).get(f"{GATEWAYS}/all"))
    assert {name: kept[name] for name in given} == given


def test_a_null_cache_ttl_is_stored_as_zero(operator: Operator) -> None:
    assert operator.new_gateway("null-ttl", cache_ttl=None)["cache_ttl"] == 0


def test_put_replaces_everything(operator: Operator) -> None:
    operator.new_gateway("full", retry_max_attempts=3, zdr=True, cache_ttl=60)
    replaced = result(operator.put(f"{GATEWAYS}/full", SETTINGS | {"cache_ttl": 90}))
    assert (replaced["retry_max_attempts"], replaced["zdr"]) == (None, False)
    assert replaced["cache_ttl"] == 90


def test_writing_back_what_was_read_changes_modified_at_alone(operator: Operator) -> None:
    rules = {"enabled": True, "rules": [RULE]}
    before = operator.new_gateway("round-trip", spend_limits=rules, retry_delay=100)
    after = result(operator.put(f"{GATEWAYS}/round-trip", before))
    assert after.pop("modified_at") >= before.pop("modified_at")
    assert after == before


def test_put_needs_all_five_required_fields(operator: Operator) -> None:
    operator.new_gateway("five")
    for name in SETTINGS:
        partial = {key: value for key, value in SETTINGS.items() if key != name}
        status, code, message = refusal(operator.put(f"{GATEWAYS}/five", partial))
        assert (status, code, message) == (400, 7001, f"required: {name}")


@pytest.mark.parametrize(
    "wrong",
    [
        {"cache_ttl": -1},
        {"cache_ttl": 1.5},
        {"collect_logs": "yes"},
        {"retry_max_attempts": 6},
        {"retry_delay": 60_001},
        {"retry_backoff": "quadratic"},
        {"log_management": 9_999},
        {"rate_limiting_technique": None},
        {"guardrails": {"prompt": {}}},
        {"guardrails": {"prompt": {"S14": "BLOCK"}, "response": {}}},
        {"dlp": {"enabled": True, "action": "DROP", "profiles": []}},
        {"otel": [{"url": "https://x.example"}]},
        {"spend_limits": {"enabled": True, "rules": [{"limit": 1, "window": 60}]}},
        {"spend_limits": {"enabled": "on"}},
        {"workers_ai_billing_mode": "free"},
    ],
)
def test_settings_that_do_not_fit_are_refused_by_name(
    operator: Operator, wrong: dict[str, Any]
) -> None:
    answer = operator.post(GATEWAYS, {"id": "wrong", **SETTINGS, **wrong})
    status, code, message = refusal(answer)
    assert (status, code) == (400, 7001)
    assert next(iter(wrong)) in message
    assert operator.get(f"{GATEWAYS}/wrong").status_code == 404


@pytest.mark.parametrize("gateway_id", ["", "x" * 65, "with space", "sla/sh", "ü"])
def test_an_id_is_at_most_64_plain_characters(operator: Operator, gateway_id: str) -> None:
    assert refusal(operator.post(GATEWAYS, {"id": gateway_id, **SETTINGS}))[:2] == (400, 7001)
    operator.new_gateway("y" * 64)


def test_an_account_has_20_gateways_and_each_id_once(operator: Operator) -> None:
    for number in range(20):
        operator.new_gateway(f"g{number}")
    body = {"id": "one-more", **SETTINGS}
    assert refusal(operator.post(GATEWAYS, body))[:2] == (400, 7001)
    assert refusal(operator.post(GATEWAYS, body | {"id": "g3"}))[2].endswith("already exists")
    assert operator.delete(f"{GATEWAYS}/g3").status_code == 200
    operator.new_gateway("one-more")


def test_lists_are_searched_and_paged(operator: Operator) -> None:
    for name in ("red-1", "red-2", "red-3", "blue"):
        operator.new_gateway(name)
    page = operator.get(GATEWAYS, search="red", page=2, per_page=2).json()
    first = operator.get(GATEWAYS, search="red", page=1, per_page=2).json()
    shown = [row["id"] for row in [*first["result"], *page["result"]]]
    assert sorted(shown) == ["red-1", "red-2", "red-3"]
    assert page["result_info"] == {"page": 2, "per_page": 2, "count": 1, "total_count": 3}


def test_a_deleted_gateway_takes_its_rows_and_routes_along(operator: Operator) -> None:
    operator.new_gateway("gone")
    operator.api.chat(headers={"cf-aig-gateway-id": "gone"})
    assert len(result(operator.get(f"{GATEWAYS}/gone/logs"))) == 1
    elements = [{"id": "s", "type": "start", "outputs": {"next": {"elementId": "e"}}}]
    operator.post(f"{GATEWAYS}/gone/routes", {"name": "r", "elements": elements})
    assert result(operator.delete(f"{GATEWAYS}/gone"))["id"] == "gone"
    assert refusal(operator.get(f"{GATEWAYS}/gone"))[:2] == (404, 7002)
    refused = operator.api.chat(headers={"cf-aig-gateway-id": "gone"})
    assert (refused.status_code, refused.json()["error"][0]["code"]) == (400, 2001)
    operator.new_gateway("gone")
    assert result(operator.get(f"{GATEWAYS}/gone/logs")) == []
    assert operator.get(f"{GATEWAYS}/gone/routes").json()["data"]["routes"] == []


def test_new_settings_hold_for_the_next_call(operator: Operator) -> None:
    operator.new_gateway("quick")
    headers = {"cf-aig-gateway-id": "quick"}
    assert "cf-aig-log-id" in operator.api.chat(headers=headers).headers
    limited = {"rate_limiting_interval": 60, "rate_limiting_limit": 1}
    operator.put(f"{GATEWAYS}/quick", SETTINGS | limited)
    answers = [operator.api.chat(headers=headers).status_code for _ in range(3)]
    assert answers[-1] == 429


@pytest.mark.parametrize("method", ["PUT", "DELETE", "GET"])
def test_an_unknown_gateway_is_7002(operator: Operator, method: str) -> None:
    answer = operator.send(method, f"{GATEWAYS}/nobody", json=SETTINGS)
    assert refusal(answer)[:2] == (404, 7002)


@pytest.mark.parametrize("role", ["reader", "runtime"])
def test_only_the_operator_writes(operator: Operator, role: str) -> None:
    for method, path in (("POST", GATEWAYS), ("PUT", f"{GATEWAYS}/default")):
        answer = operator.send(method, path, role=role, json={"id": "x", **SETTINGS})
        assert refusal(answer)[:2] == (403, 10000)


def test_the_url_of_a_provider_leads_to_the_gateway(operator: Operator) -> None:
    operator.new_gateway("addressed")
    url = result(operator.get(f"{GATEWAYS}/addressed/url/workers-ai"))
    endpoint = operator.api.endpoint
    assert url == f"{endpoint.gateway_base_url}/{endpoint.account_id}/addressed/workers-ai"
    body = {"messages": [{"role": "user", "content": "hi"}], "model": "@cf/zai-org/glm-5.3"}
    answer = httpx.post(
        f"{url}/v1/chat/completions", json=body, headers=operator.api.auth("runtime")
    )
    assert answer.status_code == 200, answer.text
    assert refusal(operator.get(f"{GATEWAYS}/addressed/url/nobody"))[:2] == (400, 7001)


def test_the_official_client_creates_changes_and_deletes(operator: Operator) -> None:
    endpoint = operator.api.endpoint
    with cloudflare.Cloudflare(
        base_url=endpoint.base_url,
        api_token=endpoint.tokens["operator"],
        _strict_response_validation=True,
    ) as client:
        account = endpoint.account_id
        made = client.ai_gateway.create(
            account_id=account,
            id="by-sdk",
            **SETTINGS,
            spend_limits={
                "enabled": True,
                "rules": [{"limit": 1, "limit_type": "cost", "window": 1}],
            },
        )
        assert made.spend_limits is not None
        assert made.spend_limits.rules is not None
        assert made.spend_limits.rules[0].technique == "sliding"
        changed = client.ai_gateway.update(
            "by-sdk", account_id=account, **SETTINGS | {"cache_ttl": 7}
        )
        assert changed.cache_ttl == 7
        assert [row.id for row in client.ai_gateway.list(account_id=account)] == ["by-sdk"]
        assert client.ai_gateway.delete("by-sdk", account_id=account).id == "by-sdk"
