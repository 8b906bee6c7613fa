"""A request's way through its gateway: cache, limits, retries, fallbacks, checks; row by row."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.api import LEGACY_MODEL, OPENAI_MODEL, events_of
from emulator.lab import BREAKS, BROKEN, BUSY, OK, SILENT, Lab, lab
from wai_ops.emulator.gateway.guardrails import SCANNER_MODEL

GATEWAYS: dict[str, dict[str, Any]] = {
    "cached": {"cache_ttl": 60},
    "quiet": {"collect_logs": False},
    "fixed": {"rate_limiting_limit": 2, "rate_limiting_interval": 3600},
    "sliding": {
        "rate_limiting_limit": 2,
        "rate_limiting_interval": 3600,
        "rate_limiting_technique": "sliding",
    },
    "stubborn": {"retry_max_attempts": 3, "retry_delay": 1, "retry_backoff": "linear"},
    "guarded": {
        "guardrails": {"prompt": {"S1": "BLOCK", "S2": "FLAG"}, "response": {"S3": "BLOCK"}}
    },
    "broke": {
        "spend_limits": {
            "enabled": True,
            "rules": [
                {
                    "id": "per-tenant",
                    "limit": 0.0000001,
                    "limitType": "cost",
                    "window": 86_400 * 30,
                    "technique": "fixed",
                    "metadata": {"tenant": {"mode": "partition"}},
                }
            ],
        }
    },
    "dlp": {"dlp": {"enabled": True, "action": "BLOCK", "profiles": ["cards", "names"]}},
    "dlp-flags": {
        "dlp": {
            "enabled": True,
            "policies": [
                {"id": "p1", "action": "FLAG", "check": ["REQUEST"], "profiles": ["a"]},
                {"id": "p2", "action": "BLOCK", "profiles": ["a"], "enabled": False},
                {"id": "p3", "action": "BLOCK", "check": ["RESPONSE"], "profiles": ["b"]},
            ],
        }
    },
}


@pytest.fixture(scope="module")
def all_gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab"), GATEWAYS) as running:
        yield running


@pytest.fixture
def it(all_gateways: Lab) -> Lab:
    all_gateways.be()
    return all_gateways


def via(gateway: str = "default", **options: str) -> dict[str, str]:
    named = {f"cf-aig-{name.replace('_', '-')}": value for name, value in options.items()}
    return {"cf-aig-gateway-id": gateway, **named}


def code_of(answer: httpx.Response) -> tuple[int, int]:
    body = answer.json()
    (error,) = body.get("errors") or body["error"]
    return answer.status_code, error["code"]


def status_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers["cf-aig-cache-status"]


# ---- the response cache


def test_nothing_is_cached_unless_somebody_asks(it: Lab) -> None:
    for _ in range(2):
        assert status_of(it.api.chat("uncached", headers=via())) == (200, "MISS")


def test_a_cached_answer_costs_nothing_and_asks_no_model(it: Lab) -> None:
    first, again = (it.api.chat("cache me", headers=via("cached")) for _ in range(2))
    assert (status_of(first), status_of(again)) == ((200, "MISS"), (200, "HIT"))
    assert again.content == first.content
    assert it.models.calls
    (row,) = it.rows_of(again)
    assert (row["cached"], row["cost"], row["tokens_in"]) == (True, 0, 0)
    assert (row["model"], row["success"]) == (OPENAI_MODEL, True)
    assert row["id"] == again.headers["cf-aig-log-id"] != first.headers["cf-aig-log-id"]


def test_a_cached_stream_is_a_stream(it: Lab) -> None:
    first, again = (it.api.chat("stream", stream=True, headers=via("cached")) for _ in range(2))
    assert events_of(again) == events_of(first)
    assert status_of(again) == (200, "HIT")


def test_the_cache_asks_for_the_whole_body_and_the_model_but_not_for_metadata(it: Lab) -> None:
    def ask(text: str, **more: Any) -> str:
        headers = via("cached", metadata=json.dumps({"turn": more.pop("turn", 1)}))
        return status_of(it.api.chat(text, headers=headers, **more))[1]

    assert ask("key") == "MISS"
    assert ask("key", turn=2) == "HIT"
    assert ask("key", temperature=0.5) == "MISS"
    assert ask("key", model="@cf/zai-org/glm-5.2") == "MISS"
    assert ask("another key") == "MISS"


def test_a_key_of_its_own_brings_five_minutes_where_caching_is_off(it: Lab) -> None:
    """The trap: nobody asked for caching, and another body gets the same answer."""
    first = it.api.chat("one", headers=via(cache_key="mine"))
    again = it.api.chat("two", headers=via(cache_key="mine"))
    assert (status_of(first), status_of(again)) == ((200, "MISS"), (200, "HIT"))
    assert again.content == first.content
    assert status_of(it.api.chat("one", headers=via("quiet", cache_key="mine")))[1] == "MISS"


@pytest.mark.parametrize("name", ["cf-aig-skip-cache", "cf-skip-cache"])
def test_skip_cache_neither_looks_nor_keeps(it: Lab, name: str) -> None:
    text = f"skip {name}"
    skipping = via("cached") | {name: "true"}
    assert status_of(it.api.chat(text, headers=skipping))[1] == "MISS"
    assert status_of(it.api.chat(text, headers=via("cached")))[1] == "MISS"
    assert status_of(it.api.chat(text, headers=skipping))[1] == "MISS"
    assert status_of(it.api.chat(text, headers=via("cached")))[1] == "HIT"


def test_a_ttl_on_the_request_beats_the_gateway(it: Lab) -> None:
    for _ in range(2):
        off = it.api.chat("ttl off", headers=via("cached", cache_ttl="0"))
        assert status_of(off)[1] == "MISS"
    it.api.chat("ttl on", headers=via() | {"cf-cache-ttl": "600"})
    assert status_of(it.api.chat("ttl on", headers=via(cache_ttl="600")))[1] == "HIT"


def test_a_failure_is_never_cached(it: Lab) -> None:
    it.be(BUSY, BREAKS)
    assert code_of(it.api.chat("fails", headers=via("cached"))) == (429, 3040)
    broken = it.api.chat("breaks", stream=True, headers=via("cached"))
    assert "asked to break off" in broken.text
    for text, stream in (("fails", False), ("breaks", True)):
        answer = it.api.chat(text, headers=via("cached"), **({"stream": True} if stream else {}))
        assert status_of(answer)[1] == "MISS"


# ---- logging


@pytest.mark.parametrize(
    ("gateway", "header", "is_logged"),
    [
        ("default", None, True),
        ("default", "false", False),
        ("quiet", None, False),
        ("quiet", "true", True),
    ],
)
def test_the_request_decides_whether_it_is_logged_before_the_gateway_does(
    it: Lab, gateway: str, header: str | None, is_logged: bool
) -> None:
    options = {} if header is None else {"collect_log": header}
    answer = it.api.chat(headers=via(gateway, **options))
    assert ("cf-aig-log-id" in answer.headers) is is_logged
    assert bool(it.rows_of(answer)) is is_logged


def test_a_row_without_payload_keeps_its_numbers(it: Lab) -> None:
    answer = it.api.chat("secret", headers=via(collect_log_payload="false"))
    log_id = answer.headers["cf-aig-log-id"]
    row = it.api.get(f"/ai-gateway/gateways/default/logs/{log_id}").json()["result"]
    assert (row["request_head"] or "", row["response_head"] or "") == ("", "")
    assert row["tokens_out"] > 0
    assert row["cost"] > 0


# ---- custom costs


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ({"per_token_in": 0.001, "per_token_out": 0.002}, "in * 0.001 + out * 0.002"),
        (
            {"per_token_in": 0.001, "per_token_out": 0, "per_cache_read_token": 0.0001},
            "(in - cached) * 0.001 + cached * 0.0001",
        ),
        ({"per_token_in": 0.001, "per_token_out": 0, "per_cache_write_token": 1}, "in * 0.001"),
        ({"total_cost": 1.5}, "1.5"),
    ],
)
def test_a_custom_cost_is_counted_by_the_callers_prices(
    it: Lab, prices: dict[str, float], expected: str
) -> None:
    text = "A long beginning that is the same for all, again and again. " * 5
    headers = via(custom_cost=json.dumps(prices)) | {"x-session-affinity": "custom"}
    it.api.chat(text, headers=headers)
    answer = it.api.chat(text, headers=headers)
    usage = answer.json()["usage"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    assert cached > 0
    formula = (
        expected.replace("in", str(usage["prompt_tokens"]))
        .replace("out", str(usage["completion_tokens"]))
        .replace("cached", str(cached))
    )
    (row,) = it.rows_of(answer)
    assert row["custom_cost"] is True
    assert row["cost"] == pytest.approx(eval(formula))


@pytest.mark.parametrize(
    "header", ["", "{", "[]", '{"per_token_in": "NaN"}', '{"per_token_in": -1}']
)
def test_a_custom_cost_that_makes_no_sense_is_passed_over(it: Lab, header: str) -> None:
    (row,) = it.rows_of(it.api.chat(headers=via(custom_cost=header)))
    assert row["custom_cost"] is False
    assert row["cost"] > 0


def test_a_cached_answer_costs_nothing_whatever_the_caller_says(it: Lab) -> None:
    headers = via("cached", custom_cost='{"total_cost": 9}')
    it.api.chat("custom and cached", headers=headers)
    (row,) = it.rows_of(it.api.chat("custom and cached", headers=headers))
    assert (row["cached"], row["cost"], row["custom_cost"]) == (True, 0, False)


# ---- the rate limit


@pytest.mark.parametrize("gateway", ["fixed", "sliding"])
def test_a_gateway_lets_so_many_requests_through_and_logs_the_rest(it: Lab, gateway: str) -> None:
    answers = [it.api.chat(headers=via(gateway)) for _ in range(4)]
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    for refused in answers[2:]:
        assert code_of(refused) == (429, 2003)
        assert refused.json()["name"] == "AiGatewayError"
        assert "retry-after" not in refused.headers
        (row,) = it.rows_of(refused)
        assert (row["status_code"], row["cost"], row["tokens_in"]) == (429, 0, None)


# ---- retries, timeouts, fallbacks


def test_a_gateway_retries_and_every_attempt_is_a_row(it: Lab) -> None:
    it.be(BUSY, BROKEN, OK)
    answer = it.api.chat(headers=via(max_attempts="3"))
    rows = it.rows_of(answer)
    assert answer.status_code == 200
    assert [row["status_code"] for row in rows] == [429, 500, 200]
    assert {row["step"] for row in rows} == {0}
    assert answer.headers["cf-aig-log-id"] == rows[2]["id"]
    assert [row["cost"] for row in rows[:2]] == [0, 0]


def test_the_gateways_own_retries_hold_without_a_header(it: Lab) -> None:
    it.be(BUSY, BUSY, BUSY, OK)
    answer = it.api.chat(headers=via("stubborn"))
    assert code_of(answer) == (429, 3040)
    assert len(it.rows_of(answer)) == 3
    it.be(BUSY, OK)
    assert it.api.chat(headers=via("stubborn", max_attempts="1")).status_code == 429


def test_there_are_five_attempts_at_most(it: Lab) -> None:
    it.be(*[BUSY] * 9)
    answer = it.api.chat(headers=via(max_attempts="9"))
    assert [row["status_code"] for row in it.rows_of(answer)] == [429] * 5


def test_what_cannot_succeed_is_not_tried_again(it: Lab) -> None:
    answer = it.api.chat(max_tokens=-1, headers=via(max_attempts="5"))
    assert len(it.rows_of(answer)) == 1


def test_a_stream_is_retried_until_its_first_byte_and_never_after(it: Lab) -> None:
    it.be(BROKEN, BREAKS, OK)
    answer = it.api.chat("stream", stream=True, headers=via(max_attempts="3"))
    assert [row["status_code"] for row in it.rows_of(answer)] == [500, 500]
    assert "asked to break off" in answer.text


def test_a_provider_that_stays_silent_is_given_up(it: Lab) -> None:
    it.be(SILENT)
    answer = it.api.chat(headers=via(request_timeout="20"))
    assert code_of(answer) == (408, 2005)
    (row,) = it.rows_of(answer)
    assert (row["status_code"], row["tokens_in"], row["cost"]) == (408, None, 0)


@pytest.mark.parametrize("stream", [False, True])
def test_a_silent_provider_is_asked_again(it: Lab, stream: bool) -> None:
    it.be(SILENT, OK)
    answer = it.api.chat(stream=stream, headers=via(request_timeout="20", max_attempts="2"))
    assert answer.status_code == 200
    assert [row["status_code"] for row in it.rows_of(answer)] == [408, 200]


def universal(it: Lab, *entries: dict[str, Any], gateway: str = "default") -> httpx.Response:
    api = it.api
    url = f"{api.endpoint.gateway_base_url}/{api.endpoint.account_id}/{gateway}"
    headers = {"cf-aig-authorization": api.auth("runtime")["authorization"]}
    whole = [{"provider": "workers-ai", "query": {"prompt": "Hi"}} | entry for entry in entries]
    return api.http.post(url, json=whole, headers=headers)


def test_a_fallback_is_a_step_and_each_step_has_its_own_retries_and_timeout(it: Lab) -> None:
    it.be(BUSY, BUSY, SILENT, OK)
    answer = universal(
        it,
        {"endpoint": LEGACY_MODEL, "config": {"maxAttempts": 2}},
        {"endpoint": "@cf/meta/llama-3.2-3b-instruct", "config": {"requestTimeout": 20}},
        {"endpoint": "@cf/meta/llama-3.2-1b-instruct"},
    )
    rows = it.rows_of(answer)
    assert [(row["step"], row["status_code"]) for row in rows] == [
        (0, 429),
        (0, 429),
        (1, 408),
        (2, 200),
    ]
    assert answer.headers["cf-aig-step"] == "2"
    assert answer.headers["cf-aig-model"] == rows[3]["model"] == "@cf/meta/llama-3.2-1b-instruct"
    assert answer.headers["cf-aig-log-id"] == rows[3]["id"]


# ---- spend limits


def for_tenant(name: str) -> dict[str, str]:
    return via("broke", metadata=json.dumps({"tenant": name}))


def test_the_call_that_overspends_completes_and_the_next_one_is_refused(it: Lab) -> None:
    assert it.api.chat(headers=for_tenant("a")).status_code == 200
    refused = it.api.chat(headers=for_tenant("a"))
    assert code_of(refused) == (429, 2045)
    assert "rule 'per-tenant'" in refused.json()["message"]
    assert "retry-after" not in refused.headers
    (row,) = it.rows_of(refused)
    assert (row["status_code"], row["cost"], row["tokens_in"]) == (429, 0, None)
    assert it.api.chat(headers=for_tenant("b")).status_code == 200
    # Who does not say the key is not limited.
    assert [it.api.chat(headers=via("broke")).status_code for _ in range(3)] == [200] * 3


def test_what_is_cached_is_served_to_those_who_may_spend_no_more(it: Lab) -> None:
    headers = for_tenant("c") | {"cf-aig-cache-ttl": "60"}
    first = it.api.chat("cached while broke", headers=headers)
    again = it.api.chat("cached while broke", headers=headers)
    assert (status_of(first), status_of(again)) == ((200, "MISS"), (200, "HIT"))
    assert it.api.chat("not cached", headers=headers).status_code == 429


def test_a_custom_cost_counts_towards_the_limit_and_a_failure_does_not(it: Lab) -> None:
    it.be(BROKEN, BUSY)
    for _ in range(2):
        it.api.chat(headers=for_tenant("d"))
    free = for_tenant("d") | {"cf-aig-custom-cost": '{"total_cost": 0}'}
    assert [it.api.chat(headers=free).status_code for _ in range(3)] == [200] * 3
    assert it.api.chat(headers=for_tenant("d")).status_code == 200
    assert it.api.chat(headers=for_tenant("d")).status_code == 429


# ---- guardrails and DLP


def test_a_blocked_prompt_reaches_no_model(it: Lab) -> None:
    before = it.models.calls
    chat = it.api.chat("please WAI-GUARDRAIL:S1 now", headers=via("guarded"))
    run = it.api.run({"prompt": "WAI-GUARDRAIL"}, headers=via("guarded"))
    assert (code_of(chat), code_of(run)) == ((424, 2016), (422, 2017))
    assert it.models.calls == before
    row = next(r for r in it.rows_of(chat) if r["model"] == OPENAI_MODEL)
    assert (row["status_code"], row["cost"], row["tokens_in"]) == (424, 0, None)


def test_a_guardrails_evaluation_is_a_row_and_has_its_price(it: Lab) -> None:
    answer = it.api.chat("harmless", headers=via("guarded"))
    assert answer.status_code == 200
    rows = it.rows_of(answer)
    scans = [row for row in rows if row["model"] == SCANNER_MODEL]
    assert {row["path"] for row in scans} == {"guardrails/prompt", "guardrails/response"}
    assert all(row["cost"] > 0 and row["tokens_in"] > 0 for row in scans)
    assert len(rows) == 3


def test_what_is_only_flagged_goes_through(it: Lab) -> None:
    assert it.api.chat("WAI-GUARDRAIL:S2", headers=via("guarded")).status_code == 200
    assert it.api.chat("WAI-GUARDRAIL:S13", headers=via("guarded")).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_response_never_leaves_and_is_paid(it: Lab, stream: bool) -> None:
    answer = it.api.chat("say WAI-GUARDRAIL:S3", stream=stream, headers=via("guarded"))
    assert code_of(answer) == (424, 2017)
    row = next(r for r in it.rows_of(answer) if r["model"] == OPENAI_MODEL)
    assert (row["status_code"], row["success"]) == (424, False)
    assert row["tokens_out"] > 0


def test_dlp_blocks_and_says_what_it_found(it: Lab) -> None:
    answer = it.api.chat("my WAI-DLP:cards", headers=via("dlp"))
    assert code_of(answer) == (400, 2029)
    found = json.loads(answer.headers["cf-aig-dlp"])
    assert found["action"] == "BLOCK"
    (finding,) = found["findings"]
    assert (finding["profile"]["profile_id"], finding["check"]) == ("cards", "REQUEST")
    assert it.api.chat("WAI-DLP:other", headers=via("dlp")).status_code == 200


def test_a_flag_of_dlp_is_told_in_the_header_and_a_disabled_policy_is_not(it: Lab) -> None:
    answer = it.api.chat("WAI-DLP:a", headers=via("dlp-flags"))
    assert answer.status_code == 200
    found = json.loads(answer.headers["cf-aig-dlp"])
    assert (found["action"], found["findings"][0]["policy_ids"]) == ("FLAG", ["p1"])
    assert code_of(it.api.chat("WAI-DLP:b", headers=via("dlp-flags"))) == (400, 2030)


def test_a_blocked_prompt_is_blocked_for_every_fallback(it: Lab) -> None:
    entry = {"endpoint": LEGACY_MODEL, "query": {"prompt": "WAI-DLP"}}
    answer = universal(it, entry, entry, gateway="dlp")
    assert code_of(answer) == (400, 2029)
    assert answer.headers["cf-aig-step"] == "0"


# ---- whatever is asked

OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "max_attempts": st.sampled_from(["1", "2", "5", "0", "x"]),
        "backoff": st.sampled_from(["constant", "exponential", "never"]),
        "cache_ttl": st.sampled_from(["0", "60", "-1"]),
        "cache_key": st.sampled_from(["", "property"]),
        "skip_cache": st.sampled_from(["true", "false", "?"]),
        "collect_log_payload": st.sampled_from(["true", "false"]),
        "custom_cost": st.sampled_from(['{"per_token_in": 0.01, "per_token_out": 0.02}', "{"]),
        "metadata": st.sampled_from(['{"tenant": "t"}', '{"tenant": null}', "["]),
        "event_id": st.none(),
        "request_timeout": st.sampled_from(["", "60000"]),
        "otel_trace_id": st.sampled_from(["0" * 32, "zz"]),
        "zdr": st.sampled_from(["true", "maybe"]),
        "no_wholesale": st.just("true"),
    },
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    options=OPTIONS,
    moods=st.lists(st.sampled_from([OK, BUSY, BROKEN]), max_size=5),
    stream=st.booleans(),
    words=st.integers(1, 9),
)
def test_whatever_is_asked_there_is_a_row_an_attempt_and_rows_sum_to_what_was_answered(
    it: Lab, options: dict[str, str | None], moods: list[str], stream: bool, words: int
) -> None:
    it.be(*moods)
    before = it.models.calls
    sent = {name: value for name, value in options.items() if value is not None}
    answer = it.api.chat(
        f"Write {words} words", headers=via(**sent), stream=stream,
        stream_options={"include_usage": True},
    )  # fmt: skip
    rows = it.rows_of(answer)
    attempts = it.models.calls - before
    is_hit = answer.headers["cf-aig-cache-status"] == "HIT"
    assert attempts == (0 if is_hit else len(rows))
    assert len(rows) == (1 if is_hit else attempts)
    assert [row["success"] for row in rows[:-1]] == [False] * (len(rows) - 1)
    assert rows[-1]["id"] == answer.headers["cf-aig-log-id"]
    assert rows[-1]["status_code"] == answer.status_code
    usage = {"prompt_tokens": 0, "completion_tokens": 0}
    if answer.status_code == 200 and not is_hit:
        is_stream = answer.headers["content-type"].startswith("text/event-stream")
        usage = events_of(answer)[-1]["usage"] if is_stream else answer.json()["usage"]
    for column, name in (("tokens_in", "prompt_tokens"), ("tokens_out", "completion_tokens")):
        assert sum(row[column] or 0 for row in rows) == usage[name]
    cost = sum(Decimal(str(row["cost"])) for row in rows)
    assert (cost > 0) is (usage["completion_tokens"] > 0)
    if options.get("custom_cost", "{") != "{" and usage["completion_tokens"]:
        spent = usage["prompt_tokens"] * Decimal("0.01")
        assert cost == spent + usage["completion_tokens"] * Decimal("0.02")
