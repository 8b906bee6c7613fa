"""The gateway's side of a call: its headers, its metadata rule, its log rows."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from emulator.api import LEGACY_MODEL, OPENAI_MODEL, Api
from wai_ops.core.money import CostState, Usage, cost_of
from wai_ops.core.prices import built_in

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
DEFAULT = {"cf-aig-gateway-id": "default"}
PUBLISHED = {
    *("id", "created_at", "provider", "model", "model_type", "path", "duration", "request_type"),
    *("request_content_type", "response_content_type", "status_code", "success", "cached"),
    *("tokens_in", "tokens_out", "cost", "custom_cost", "metadata", "step"),
}
UNPUBLISHED = {
    *("event_id", "usage_metadata", "timings", "location", "feedback", "score", "prompts"),
    *("guardrails", "authentication", "wholesale", "byok", "user_agent", "dlp_action"),
    *("dlp_profiles", "request", "response"),
}


def ids(rows: Any) -> list[str]:
    return [row["id"] for row in rows]


def test_a_call_through_the_gateway_says_so_in_its_headers(api: Api) -> None:
    headers = api.chat(headers=DEFAULT).headers
    assert UUID7.match(headers["cf-aig-log-id"])
    assert headers["cf-aig-request-id"] == headers["cf-aig-log-id"]
    assert headers["cf-aig-cache-status"] == "MISS"
    assert headers["cf-aig-event-id"]
    assert re.match(r"[0-9a-f]{16}-[A-Z]{3}\Z", headers["cf-ray"])
    assert "date" in headers


def test_the_caller_may_choose_the_event_id(api: Api) -> None:
    answer = api.chat(headers=DEFAULT | {"cf-aig-event-id": "mine-1"})
    assert answer.headers["cf-aig-event-id"] == "mine-1"
    assert api.row_of(answer)["event_id"] == "mine-1"


def test_a_direct_call_has_no_gateway_headers_and_no_row(fresh: Api) -> None:
    fresh.chat(headers=DEFAULT)
    answer = fresh.chat()
    assert not [name for name in answer.headers if name.startswith("cf-aig")]
    assert len(fresh.logs()) == 1


def test_a_row_agrees_with_its_answer(api: Api) -> None:
    text = "The same long beginning, again and again. " * 10
    api.chat(text, headers=DEFAULT | {"x-session-affinity": "row"})
    answer = api.chat(text, headers=DEFAULT | {"x-session-affinity": "row"})
    row, usage = api.row_of(answer), answer.json()["usage"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    assert cached > 0
    assert set(row) == PUBLISHED | UNPUBLISHED
    assert (row["provider"], row["model"]) == ("workers-ai", OPENAI_MODEL)
    assert (row["status_code"], row["success"], row["cached"]) == (200, True, False)
    assert (row["tokens_in"], row["tokens_out"]) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )
    assert row["usage_metadata"] == {
        "input_tokens": usage["prompt_tokens"],
        "output_tokens": usage["completion_tokens"],
        "total_tokens": usage["total_tokens"],
        "output_reasoning_tokens": 0,
        "input_cached_tokens": cached,
    }
    assert row["duration"] == row["timings"]["total"] >= row["timings"]["latency"] >= 0


def test_the_cost_of_a_row_is_the_list_price(api: Api) -> None:
    answer = api.chat("Price me", headers=DEFAULT)
    usage = answer.json()["usage"]
    snapshot = built_in()
    rates = snapshot.models[OPENAI_MODEL].rates(snapshot.source, snapshot.as_of)
    expected = cost_of(
        Usage(
            input_tokens=usage["prompt_tokens"],
            output_tokens=usage["completion_tokens"],
            cached_input_tokens=usage["prompt_tokens_details"]["cached_tokens"],
        ),
        rates,
    )
    assert expected.state is CostState.METERED
    assert Decimal(str(api.row_of(answer)["cost"])) == expected.cost_usd


def test_a_model_without_a_price_has_no_cost(api: Api) -> None:
    answer = api.chat(model="@cf/swiss-ai/apertus-v1.5-8b", headers=DEFAULT)
    row = api.row_of(answer)
    assert row["cost"] is None
    assert row["tokens_in"] > 0


def test_a_stream_is_logged_like_any_answer(api: Api) -> None:
    answer = api.chat("Stream me", stream=True, headers=DEFAULT)
    row = api.row_of(answer)
    assert row["tokens_out"] > 0
    assert row["response_content_type"] == "text/event-stream"


def test_a_failed_call_is_a_row_without_tokens_and_cost(api: Api) -> None:
    for answer in (
        api.chat(model="@cf/nobody/nothing", headers=DEFAULT),
        api.chat(max_tokens=-1, headers=DEFAULT),
        api.run({"prompt": "x", "max_tokens": 10**6}, headers=DEFAULT),
    ):
        row = api.row_of(answer)
        assert (row["status_code"], row["success"]) == (answer.status_code, False)
        assert (row["tokens_in"], row["tokens_out"], row["cost"]) == (None, None, 0)


def test_a_client_that_leaves_a_stream_is_recorded(fresh: Api) -> None:
    """What was made until then is counted; the row says that the client closed the connection."""
    body = {
        "model": OPENAI_MODEL,
        "messages": [{"role": "user", "content": "Write 900000 words."}],
        "stream": True,
    }
    with fresh.http.stream(
        "POST",
        fresh.url("/ai/v1/chat/completions"),
        json=body,
        headers=fresh.auth("runtime") | DEFAULT,
    ) as answer:
        next(answer.iter_raw())
    # Every look is a request of its own: they pass until the server has noticed.
    looks = (fresh.logs() for _ in range(5000))
    (row,) = next(rows for rows in looks if rows)
    assert row["id"] == answer.headers["cf-aig-log-id"]
    assert (row["status_code"], row["success"]) == (499, False)
    assert 0 < row["tokens_out"] < 900_000
    assert row["cost"] > 0


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"a": "x", "b": 1, "c": True, "d": 0.5}, {"a": "x", "b": 1, "c": True, "d": 0.5}),
        ({k: k for k in "abcdefg"}, {k: k for k in "abcde"}),
        ({"cf.user_id": "u", **{k: k for k in "abcde"}}, {k: k for k in "abcde"}),
        ({"a": "x", "b": None}, None),
        ({**{k: k for k in "abcdef"}, "late": {"nested": 1}}, None),
        ({"a": ["x"]}, None),
        ({"long": "x" * 600}, {"long": "x" * 600}),
        ({}, None),
        ("just text", None),
    ],
)
def test_metadata_follows_the_gateways_five_key_rule(api: Api, sent: Any, kept: Any) -> None:
    answer = api.chat(headers=DEFAULT | {"cf-aig-metadata": json.dumps(sent)})
    assert answer.status_code == 200
    assert api.row_of(answer)["metadata"] == kept


def test_metadata_that_is_no_json_is_lost_without_a_word(api: Api) -> None:
    answer = api.chat(headers=DEFAULT | {"cf-aig-metadata": "{oops"})
    assert (answer.status_code, api.row_of(answer)["metadata"]) == (200, None)


def test_metadata_never_touches_the_prompt(api: Api) -> None:
    def prompt_tokens(value: str) -> int:
        headers = DEFAULT | {"cf-aig-metadata": json.dumps({"trace": value})}
        return int(api.chat("Same", headers=headers).json()["usage"]["prompt_tokens"])

    assert prompt_tokens("a") == prompt_tokens("b" * 500)


def test_the_default_gateway_exists_from_its_first_use_on(fresh: Api) -> None:
    path = "/ai-gateway/gateways/default"
    before = fresh.get(path)
    assert (before.status_code, before.json()["errors"][0]["code"]) == (404, 7002)
    assert fresh.get("/ai-gateway/gateways").json()["result"] == []
    fresh.chat(headers=DEFAULT)
    gateway = fresh.get(path).json()["result"]
    assert (gateway["id"], gateway["is_default"], gateway["authentication"]) == (
        "default",
        True,
        True,
    )
    listed = fresh.get("/ai-gateway/gateways").json()
    assert listed["result"] == [gateway]
    assert listed["result_info"] == {"count": 1, "page": 1, "per_page": 20, "total_count": 1}


def test_a_gateway_that_does_not_exist_is_refused_in_the_gateways_own_shape(api: Api) -> None:
    answer = api.chat(headers={"cf-aig-gateway-id": "missing"})
    body = answer.json()
    assert answer.status_code == 400
    assert (body["name"], body["internalCode"], body["httpCode"]) == ("AiGatewayError", 2001, 400)
    assert body["error"][0]["code"] == 2001


def test_one_row_can_be_read_with_its_sizes_and_heads(api: Api) -> None:
    answer = api.chat("Read me alone", headers=DEFAULT)
    row = api.get(f"/ai-gateway/gateways/default/logs/{answer.headers['cf-aig-log-id']}").json()
    result = row["result"]
    assert result["request_size"] == len(answer.request.content)
    assert result["response_size"] == len(answer.content)
    assert "Read me alone" in result["request_head"]
    assert result["response_head"] == answer.text
    assert result["request_head_complete"] is True
    missing = api.get("/ai-gateway/gateways/default/logs/none")
    assert (missing.status_code, missing.json()["errors"][0]["code"]) == (404, 7002)


def test_pages_hold_every_row_once_newest_first(fresh: Api) -> None:
    made = [fresh.chat(headers=DEFAULT).headers["cf-aig-log-id"] for _ in range(7)]
    path = "/ai-gateway/gateways/default/logs"
    pages = [fresh.get(path, page=str(n), per_page="3").json() for n in (1, 2, 3, 4)]
    assert [row for page in pages for row in ids(page["result"])] == made[::-1]
    assert [page["result_info"]["count"] for page in pages] == [3, 3, 1, 0]
    assert {page["result_info"]["total_count"] for page in pages} == {7}
    ascending = fresh.logs(order_by="created_at", order_by_direction="asc")
    assert ids(ascending) == made


@pytest.mark.parametrize(
    "params",
    [
        {"per_page": "51"},
        {"per_page": "0"},
        {"page": "-1"},
        {"page": "x"},
        {"order_by": "mood"},
        {"order_by_direction": "up"},
        {"start_date": "yesterday"},
        {"success": "maybe"},
        {"min_cost": "nan"},
        {"filters": "{"},
        {"filters": '{"key":"id"}'},
        {"filters": '[{"key":"metadata.user","operator":"eq","value":["x"]}]'},
        {"filters": '[{"key":"id","operator":"like","value":["x"]}]'},
        {"filters": '[{"key":"id","operator":"eq","value":[]}]'},
        {"filters": '[{"key":"id","operator":"eq","value":"x"}]'},
    ],
)
def test_a_wrong_parameter_is_refused_with_7001(api: Api, params: dict[str, str]) -> None:
    api.chat(headers=DEFAULT)
    answer = api.get("/ai-gateway/gateways/default/logs", **params)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 7001)


@pytest.fixture(scope="module")
def mixed(api: Api) -> dict[str, Any]:
    """Three calls that differ, found again by their own event id."""

    def call(name: str, **body: Any) -> Any:
        metadata = json.dumps({"agent": name, "user": f"u-{name}"})
        return api.row_of(
            api.chat(
                f"Call {name} " * (9 if name == "long" else 1),
                headers=DEFAULT | {"cf-aig-event-id": "mixed", "cf-aig-metadata": metadata},
                **body,
            )
        )

    return {
        "short": call("short", max_tokens=3),
        "long": call("long"),
        "failed": call("failed", model="@cf/nobody/nothing"),
    }


def found(api: Api, mixed: dict[str, Any], *conditions: tuple[str, str, list[Any]]) -> set[str]:
    """Which of the three calls a set of filters finds."""
    own = {"key": "event_id", "operator": "eq", "value": ["mixed"]}
    others = [{"key": k, "operator": o, "value": v} for k, o, v in conditions]
    rows = ids(api.logs(filters=json.dumps([own, *others])))
    return {name for name, row in mixed.items() if row["id"] in rows}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (("success", "eq", [True]), {"short", "long"}),
        (("success", "neq", ["true"]), {"failed"}),
        (("model", "contains", ["KIMI"]), {"short", "long"}),
        (("model", "eq", [OPENAI_MODEL, "@cf/nobody/nothing"]), {"short", "long", "failed"}),
        (("tokens_out", "gt", [3]), {"long"}),
        (("tokens_out", "lt", [4]), {"short"}),
        (("cost", "gt", [0]), {"short", "long"}),
        (("cost", "eq", [0]), {"failed"}),
        (("metadata.key", "eq", ["agent"]), {"short", "long", "failed"}),
        (("metadata.value", "eq", ["u-long"]), {"long"}),
        (("metadata.value", "contains", ["-s"]), {"short"}),
        (("metadata.value", "neq", ["short"]), {"long", "failed"}),
        (("created_at", "gt", ["2020-01-01T00:00:00Z"]), {"short", "long", "failed"}),
        (("created_at", "lt", ["2020-01-01"]), set()),
        (("feedback", "eq", [None]), {"short", "long", "failed"}),
        (("wholesale", "eq", [False]), {"short", "long", "failed"}),
    ],
)
def test_filters_find_what_they_say(
    api: Api, mixed: dict[str, Any], condition: tuple[str, str, list[Any]], expected: set[str]
) -> None:
    assert found(api, mixed, condition) == expected


def test_filters_add_up_and_metadata_keys_and_values_match_apart(
    api: Api, mixed: dict[str, Any]
) -> None:
    """As observed on the real service: a key of one entry and the value of another still match."""
    both = (("metadata.key", "eq", ["agent"]), ("metadata.value", "eq", ["u-long"]))
    assert found(api, mixed, *both) == {"long"}
    assert found(api, mixed, ("success", "eq", [False]), ("tokens_out", "gt", [0])) == set()


def test_the_older_parameters_still_work(api: Api, mixed: dict[str, Any]) -> None:
    row = mixed["long"]
    window = {"start_date": row["created_at"], "end_date": row["created_at"]}
    assert row["id"] in ids(api.logs(**window))
    assert mixed["failed"]["id"] in ids(api.logs(success="false", model="@cf/nobody/nothing"))
    assert {r["success"] for r in api.logs(success="true")} == {True}
    assert api.logs(min_tokens_out=str(row["tokens_out"] + 10_000)) == []
    assert api.logs(search="u-long")[0]["metadata"]["agent"] == "long"


def test_meta_info_adds_the_bounds(fresh: Api) -> None:
    for words in (5, 50):
        fresh.chat(f"Write {words} words", headers=DEFAULT)
    path = "/ai-gateway/gateways/default/logs"
    info = fresh.get(path, meta_info="true").json()["result_info"]
    rows = fresh.logs()
    assert info["max_tokens_out"] == max(row["tokens_out"] for row in rows)
    assert info["min_tokens_out"] == min(row["tokens_out"] for row in rows)
    assert info["min_total_tokens"] == min(row["usage_metadata"]["total_tokens"] for row in rows)


def test_a_run_is_logged_under_its_own_path(api: Api) -> None:
    answer = api.run({"prompt": "x"}, headers=DEFAULT)
    assert api.row_of(answer)["path"] == f"run/{LEGACY_MODEL}"
