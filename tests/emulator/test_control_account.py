"""Logpush jobs, tokens, provider keys, datasets, what Workers AI lists, and the API-wide limit."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import cloudflare
import pytest

from emulator.api import Api
from emulator.manual_time import ManualTime
from emulator.operating import GATEWAYS, Operator, refusal, result
from wai_ops.emulator.control.api_rate import ApiRate
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.identity import GRANTS

JOBS = "/logpush/jobs"
JOB: dict[str, Any] = {
    "name": "bodies",
    "dataset": "ai_gateway_events",
    "destination_conf": "r2://bucket/ai/{DATE}?account-id=a",
    "output_options": {"field_names": ["Model", "StatusCode"], "output_type": "ndjson"},
    "max_upload_interval_seconds": 30,
}


@pytest.fixture
def operator(fresh: Api) -> Operator:
    fresh.chat(headers={"cf-aig-gateway-id": "default"})  # creates the gateway
    return Operator(fresh)


def test_a_logpush_job_is_kept_changed_and_deleted(operator: Operator) -> None:
    made = result(operator.post(JOBS, JOB))
    assert (made["id"], made["enabled"], made["last_complete"]) == (1, False, None)
    one = f"{JOBS}/1"
    changed = result(operator.put(one, {"enabled": True, "max_upload_records": 1000}))
    assert (changed["enabled"], changed["name"], changed["max_upload_records"]) == (
        True,
        "bodies",
        1000,
    )
    assert result(operator.get(one)) == changed
    assert result(operator.get(JOBS)) == [changed]
    assert result(operator.get("/logpush/datasets/ai_gateway_events/jobs")) == [changed]
    assert result(operator.delete(one)) == {"id": 1}
    assert refusal(operator.get(one))[:2] == (404, 7002)
    assert result(operator.post(JOBS, JOB))["id"] == 2


def test_an_account_has_four_jobs(operator: Operator) -> None:
    for _ in range(4):
        result(operator.post(JOBS, JOB))
    assert refusal(operator.post(JOBS, JOB))[:2] == (400, 7001)


@pytest.mark.parametrize(
    "wrong",
    [
        {"destination_conf": "nowhere"},
        {"dataset": "http_requests"},
        {"max_upload_bytes": 1},
        {"max_upload_interval_seconds": 301},
        {"output_options": {"field_names": ["Cost"]}},
        {"enabled": "yes"},
    ],
)
def test_a_job_that_does_not_fit_is_refused(operator: Operator, wrong: dict[str, Any]) -> None:
    assert refusal(operator.post(JOBS, JOB | wrong))[:2] == (400, 7001)


def test_the_fields_of_the_dataset_carry_neither_cost_nor_tokens(operator: Operator) -> None:
    fields = result(operator.get("/logpush/datasets/ai_gateway_events/fields"))
    assert {"Metadata", "RequestBody", "StatusCode"} <= set(fields)
    assert not {"Cost", "TokensIn"} & set(fields)
    assert operator.send("GET", JOBS, role="reader").status_code == 403


@pytest.mark.parametrize("role", list(GRANTS))
def test_a_token_learns_what_it_may_do(operator: Operator, role: str) -> None:
    api = operator.api
    for verify, tokens in (
        (f"{api.endpoint.base_url}/user/tokens/verify", f"{api.endpoint.base_url}/user/tokens"),
        (api.url("/tokens/verify"), api.url("/tokens")),
    ):
        token_id = result(api.http.get(verify, headers=api.auth(role)))["id"]
        token = result(api.http.get(f"{tokens}/{token_id}", headers=api.auth(role)))
        (policy,) = token["policies"]
        names = {group["name"] for group in policy["permission_groups"]}
        assert names == {permission.value for permission in GRANTS[role]}
        assert list(policy["resources"]) == [
            f"com.cloudflare.api.account.{api.endpoint.account_id}"
        ]


def test_only_the_operator_sees_other_tokens(operator: Operator) -> None:
    all_tokens = result(operator.get("/tokens"))
    assert len(all_tokens) == len(GRANTS)
    own = result(operator.send("GET", "/tokens", role="reader"))
    assert [token["name"] for token in own] == ["local reader"]
    others = [token["id"] for token in all_tokens if token["id"] != own[0]["id"]]
    assert operator.send("GET", f"/tokens/{others[0]}", role="reader").status_code == 404
    assert not any(token in str(all_tokens) for token in operator.api.endpoint.tokens.values())


def test_a_token_finds_its_user_and_account(operator: Operator) -> None:
    api = operator.api
    base, account = api.endpoint.base_url, api.endpoint.account_id
    auth = api.auth("reader")
    (only,) = result(api.http.get(f"{base}/accounts", headers=auth))
    (member,) = result(api.http.get(f"{base}/memberships", headers=auth))
    assert only["id"] == member["account"]["id"] == account
    assert result(api.http.get(f"{base}/accounts/{account}", headers=auth)) == only
    assert result(api.http.get(f"{base}/user", headers=auth))["id"]
    assert api.http.get(f"{base}/accounts/{'0' * 32}", headers=auth).status_code == 403


def test_permission_groups_have_stable_ids_and_can_be_searched(operator: Operator) -> None:
    groups = result(operator.get("/tokens/permission_groups"))
    ids = {group["name"]: group["id"] for group in groups}
    assert {"AI Gateway Run", "Workers KV Storage Write", "Logs Write"} <= set(ids)
    (one,) = result(operator.get("/tokens/permission_groups", name="AI Gateway Run"))
    assert one["id"] == ids["AI Gateway Run"]
    endpoint = operator.api.endpoint
    with cloudflare.Cloudflare(
        base_url=endpoint.base_url, api_token=endpoint.tokens["reader"]
    ) as client:
        listed = client.accounts.tokens.permission_groups.list(account_id=endpoint.account_id)
        assert {group.name: group.id for group in listed} == ids


def test_a_provider_key_is_stored_without_being_shown(operator: Operator) -> None:
    path = f"{GATEWAYS}/default/provider_configs"
    body = {"provider_slug": "openai", "alias": "default", "default_config": True}
    made = result(operator.post(path, body | {"secret": "sk-0123456789abcdef"}))
    assert made["secret_preview"] == "...cdef"
    assert made["secret_id"] == "default_openai_default"
    assert "0123456789" not in operator.get(path).text
    assert refusal(operator.post(path, body))[:2] == (400, 7001)


def test_custom_providers_have_unique_slugs(operator: Operator) -> None:
    path = "/ai-gateway/custom-providers"
    body = {"name": "Mine", "slug": "mine", "base_url": "https://x.example"}
    made = result(operator.post(path, body | {"enable": True}))
    assert result(operator.get(f"{path}/{made['id']}")) == made
    assert result(operator.get(path, search="MIN", enable="true")) == [made]
    assert result(operator.get(path, enable="false")) == []
    assert refusal(operator.post(path, body))[:2] == (400, 7001)
    plain = body | {"slug": "b", "base_url": "http://x.example"}
    assert refusal(operator.post(path, plain))[:2] == (400, 7001)
    assert result(operator.delete(f"{path}/{made['id']}"))["slug"] == "mine"
    assert refusal(operator.get(f"{path}/{made['id']}"))[:2] == (404, 7002)


def test_datasets_and_evaluations_are_kept(operator: Operator) -> None:
    path = f"{GATEWAYS}/default"
    filters = [{"key": "model", "operator": "contains", "value": ["glm"]}]
    dataset = result(
        operator.post(f"{path}/datasets", {"name": "d", "enable": True, "filters": filters})
    )
    changed = operator.put(
        f"{path}/datasets/{dataset['id']}", {"name": "e", "enable": False, "filters": []}
    )
    assert result(changed)["name"] == "e"
    assert result(operator.get(f"{path}/datasets", enable="true")) == []
    wrong = {"name": "d", "enable": True, "filters": [{**filters[0], "operator": "neq"}]}
    assert refusal(operator.post(f"{path}/datasets", wrong))[:2] == (400, 7001)
    kinds = [kind["id"] for kind in result(operator.get("/ai-gateway/evaluation-types"))]
    body = {"name": "v", "dataset_ids": [dataset["id"]], "evaluation_type_ids": kinds}
    evaluation = result(operator.post(f"{path}/evaluations", body))
    assert evaluation["processed"] is False
    assert [item["evaluation_type_id"] for item in evaluation["results"]] == kinds
    assert result(operator.get(f"{path}/evaluations", processed="true")) == []
    missing = operator.post(f"{path}/evaluations", body | {"dataset_ids": ["x"]})
    assert refusal(missing)[:2] == (404, 7002)


def test_authors_tasks_and_schemas_agree_with_the_catalogue(operator: Operator) -> None:
    authors = {row["name"] for row in result(operator.get("/ai/authors/search"))}
    tasks = {row["name"] for row in result(operator.get("/ai/tasks/search"))}
    models = result(operator.get("/ai/models/search", per_page=100))
    assert {model["name"].split("/")[1] for model in models} <= authors
    assert {model["task"]["name"] for model in models if model["task"]} == tasks
    kimi = result(operator.get("/ai/models/schema", model="@cf/moonshotai/kimi-k2.6"))
    assert "max_completion_tokens" in kimi["input"]["properties"]
    llama = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
    legacy = result(operator.get("/ai/models/schema", model=llama))
    assert legacy["input"]["properties"]["max_tokens"]["default"] == 256
    assert refusal(operator.get("/ai/models/schema"))[:2] == (400, 7001)
    assert refusal(operator.get("/ai/models/schema", model="@cf/x/y"))[:2] == (400, 5007)


def test_the_catalogue_speaks_the_marketplace_format(operator: Operator) -> None:
    rows = result(operator.get("/ai/models/search", format="openrouter", search="kimi-k2.6"))
    assert rows[0]["id"] == "@cf/moonshotai/kimi-k2.6"
    assert rows[0]["pricing"] == {
        "prompt": "0.00000095",
        "completion": "0.000004",
        "input_cache_read": "0.00000016",
    }
    assert refusal(operator.get("/ai/models/search", format="csv"))[:2] == (400, 7001)
    by_author = result(operator.get("/ai/models/search", author="zai-org", per_page=100))
    assert by_author
    assert all(model["name"].startswith("@cf/zai-org/") for model in by_author)


def test_who_passes_the_limit_is_blocked_for_a_whole_window() -> None:
    time, rate = ManualTime(), ApiRate()

    def refused() -> ApiError:
        with pytest.raises(ApiError) as caught:
            rate.count(3, 300, time)
        return caught.value

    told = [rate.count(3, 300, time)["x-ratelimit-remaining"] for _ in range(3)]
    assert told == ["2", "1", "0"]
    time.at = 100
    error = refused()
    assert (error.status, error.code, error.headers["retry-after"]) == (429, 10100, "300")
    reset = parsedate_to_datetime(error.headers["x-ratelimit-reset"])
    assert reset == datetime.fromtimestamp(400, UTC)
    time.at = 399.5
    assert refused().headers["retry-after"] == "1"
    time.at = 400
    assert rate.count(3, 300, time)["x-ratelimit-remaining"] == "2"


def test_a_new_window_begins_with_a_full_count() -> None:
    time, rate = ManualTime(), ApiRate()
    rate.count(2, 300, time)
    rate.count(2, 300, time)
    time.at = 300
    assert rate.count(2, 300, time)["x-ratelimit-remaining"] == "1"


def test_all_tokens_of_the_user_share_the_limit_and_the_switch_stays_open(
    operator: Operator,
) -> None:
    api = operator.api
    knobs = api.endpoint.base_url.replace("/client/v4", "/__wai/knobs")
    auth = api.auth("operator")
    assert "x-ratelimit-limit" not in operator.get(JOBS).headers
    assert api.http.patch(knobs, json={"limits.api_requests": 3}, headers=auth).status_code == 200
    answers = [
        operator.send("GET", "/ai/models/search", role=role)
        for role in ("reader", "runtime", "operator", "reader")
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["x-ratelimit-remaining"] == "2"
    assert refusal(answers[3])[1] == 10100
    assert int(answers[3].headers["retry-after"]) > 200
    assert api.chat().status_code == 429
    assert api.http.delete(knobs, headers=auth).status_code == 200
    assert operator.get("/ai/models/search").status_code == 200
