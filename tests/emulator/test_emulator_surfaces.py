"""Every door to a model over a real socket: paths, tokens, shapes, reasoning, responses."""

import json
from typing import Any

import httpx
import pytest

from emulator.api import LEGACY_MODEL, OPENAI_MODEL, Api, events_of

THINKER = "@cf/openai/gpt-oss-120b"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
HELLO = [{"role": "user", "content": "Hello"}]
TOOL = {"type": "function", "name": "get_time", "parameters": {"type": "object"}}


def code_of(answer: httpx.Response) -> tuple[int, int]:
    body = answer.json()
    (error,) = body.get("errors") or body["error"]
    return answer.status_code, error["code"]


def host(
    api: Api,
    path: str,
    body: Any,
    *,
    gateway: str = "default",
    tokens: tuple[str | None, str | None] = ("runtime", None),
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """A request to the gateway's own host; `tokens`: the gateway's and the provider's, by role."""
    own, credential = (None if role is None else api.auth(role) for role in tokens)
    sent = dict(headers or {})
    if own is not None:
        sent["cf-aig-authorization"] = own["authorization"]
    if credential is not None:
        sent |= credential
    url = f"{api.endpoint.gateway_base_url}/{api.endpoint.account_id}/{gateway}{path}"
    return api.http.post(url, json=body, headers=sent)


def respond(api: Api, **body: Any) -> httpx.Response:
    whole = {"model": OPENAI_MODEL, "input": "Hello"} | body
    return api.http.post(api.url("/ai/v1/responses"), json=whole, headers=api.auth("runtime"))


# ---- the unified run


@pytest.mark.parametrize("given", [{"prompt": "Unified"}, "Unified"])
def test_the_unified_run_takes_its_model_and_input_from_the_body(api: Api, given: Any) -> None:
    url, headers = api.url("/ai/run"), api.auth("runtime") | {"cf-aig-gateway-id": "default"}
    answer = api.http.post(url, json={"model": LEGACY_MODEL, "input": given}, headers=headers)
    assert "Unified" in answer.json()["result"]["response"]
    row = api.row_of(answer)
    assert (row["path"], row["model"]) == ("run", LEGACY_MODEL)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"model": "openai/gpt-5", "input": {}}, (404, 7003)),
        ({"model": LEGACY_MODEL}, (400, 7003)),
        ({"model": LEGACY_MODEL, "input": {}, "options": []}, (400, 7003)),
        (
            {"model": LEGACY_MODEL, "input": {}, "options": {"webhookUrl": "http://x"}},
            (400, 7003),
        ),
        ({"input": {"prompt": "x"}}, (400, 8001)),
    ],
)
def test_a_unified_run_that_makes_no_sense_is_refused(
    api: Api, body: Any, refusal: tuple[int, int]
) -> None:
    answer = api.http.post(api.url("/ai/run"), json=body, headers=api.auth("runtime"))
    assert code_of(answer) == refusal


# ---- the gateway's own host


@pytest.mark.parametrize("prefix", ["/workers-ai/run/", "/workers-ai/"])
def test_the_provider_path_answers_like_a_native_run(api: Api, prefix: str) -> None:
    answer = host(api, prefix + LEGACY_MODEL, {"prompt": "By the provider path"})
    assert "By the provider path" in answer.json()["result"]["response"]
    row = api.row_of(answer)
    assert (row["path"], row["provider"]) == (f"run/{LEGACY_MODEL}", "workers-ai")


def test_the_provider_path_speaks_openai_too(api: Api) -> None:
    answer = host(
        api, "/workers-ai/v1/chat/completions", {"model": OPENAI_MODEL, "messages": HELLO}
    )
    assert answer.json()["object"] == "chat.completion"
    assert api.row_of(answer)["path"] == "v1/chat/completions"


def test_compat_takes_the_provider_as_a_prefix_of_the_model(api: Api) -> None:
    body = {"model": f"workers-ai/{OPENAI_MODEL}", "messages": HELLO, "stream": True}
    answer = host(api, "/compat/chat/completions", body)
    assert events_of(answer)[-1]["choices"][0]["finish_reason"] == "stop"
    row = api.row_of(answer)
    assert (row["path"], row["model"]) == ("compat/chat/completions", OPENAI_MODEL)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/compat/chat/completions", {"model": "openai/gpt-5", "messages": HELLO}),
        ("/compat/chat/completions", {"model": OPENAI_MODEL, "messages": HELLO}),
        ("/openai/chat/completions", {"model": "gpt-5", "messages": HELLO}),
        ("", [{"provider": "openai", "endpoint": "chat/completions", "query": {}}]),
    ],
)
def test_a_foreign_provider_is_refused(api: Api, path: str, body: Any) -> None:
    assert code_of(host(api, path, body)) == (400, 2008)


@pytest.mark.parametrize(
    ("tokens", "status"),
    [
        (("runtime", None), 200),
        (("runtime", "runtime"), 200),
        ((None, "runtime"), 401),  # the default gateway wants a token of its own
        ((None, None), 401),
        (("reader", None), 401),  # it may not run gateways
        (("runtime", "reader"), 401),  # the provider does not take the credential
    ],
)
def test_the_gateways_host_wants_its_own_token_and_a_good_credential(
    api: Api, tokens: tuple[str | None, str | None], status: int
) -> None:
    answer = host(
        api, "/compat/chat/completions", {"model": f"workers-ai/{OPENAI_MODEL}", "messages": HELLO},
        tokens=tokens,
    )  # fmt: skip
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["internalCode"] == 2009


def test_the_gateways_host_knows_its_gateways_and_its_account(api: Api) -> None:
    unknown = host(api, f"/workers-ai/{LEGACY_MODEL}", {"prompt": "x"}, gateway="missing")
    assert code_of(unknown) == (400, 2001)
    url = f"{api.endpoint.gateway_base_url}/{'0' * 32}/default/workers-ai/{LEGACY_MODEL}"
    token = api.auth("runtime")["authorization"]
    foreign = api.http.post(url, json={"prompt": "x"}, headers={"cf-aig-authorization": token})
    assert code_of(foreign) == (401, 2009)


# ---- the universal endpoint


def entry(model: str, **more: Any) -> dict[str, Any]:
    return {"provider": "workers-ai", "endpoint": model, "query": {"prompt": "Hi"}} | more


def test_the_universal_endpoint_falls_back_in_order_and_says_which_step_answered(api: Api) -> None:
    answer = host(api, "", [entry("@cf/nobody/nothing"), entry(LEGACY_MODEL)])
    assert answer.json()["success"] is True
    assert answer.headers["cf-aig-step"] == "1"
    assert answer.headers["cf-aig-model"] == LEGACY_MODEL
    wanted = [{"key": "event_id", "operator": "eq", "value": [answer.headers["cf-aig-event-id"]]}]
    rows = api.logs(filters=json.dumps(wanted), order_by_direction="asc", order_by="created_at")
    found = sorted((row["step"], row["status_code"], row["model"]) for row in rows)
    assert found == [(0, 400, "@cf/nobody/nothing"), (1, 200, LEGACY_MODEL)]
    assert answer.headers["cf-aig-log-id"] == next(r["id"] for r in rows if r["step"] == 1)


def test_the_universal_endpoint_ends_with_the_last_refusal(api: Api) -> None:
    answer = host(api, "", [entry("@cf/nobody/nothing"), entry("@cf/nobody/else")])
    assert code_of(answer) == (400, 5007)
    assert answer.headers["cf-aig-step"] == "1"


@pytest.mark.parametrize("body", [{}, [], [{}], [{"provider": "workers-ai"}]])
def test_a_universal_request_that_is_no_list_of_entries_is_refused(api: Api, body: Any) -> None:
    assert code_of(host(api, "", body)) == (400, 7003)


# ---- reasoning


def test_a_model_that_always_thinks_shows_and_counts_it(api: Api) -> None:
    body = api.chat(model=THINKER, max_tokens=1000).json()
    assert body["choices"][0]["message"]["reasoning"]
    thought = body["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert 0 < thought < body["usage"]["completion_tokens"]


def test_effort_makes_a_model_think_more_and_none_makes_it_stop(api: Api) -> None:
    def thought(**body: Any) -> int:
        usage = api.chat(**body).json()["usage"]
        return int(usage.get("completion_tokens_details", {}).get("reasoning_tokens", 0))

    assert thought() == thought(reasoning_effort="none") == 0
    assert thought(reasoning_effort="high") > 0
    assert thought(chat_template_kwargs={"thinking": True}) > 0
    # Where the model knows only one effort, every other is taken for that one.
    assert thought(reasoning_effort="low") == thought(reasoning_effort="high")
    model = "@cf/deepseek-ai/deepseek-v4-flash-0731"
    efforts = [thought(model=model, reasoning_effort=e) for e in ("none", "low", "high", "max")]
    assert efforts == sorted(set(efforts))


def test_thinking_uses_the_output_budget_first(api: Api) -> None:
    """The trap: a small budget is spent before the first word of the answer."""
    body = api.chat(model=THINKER, max_tokens=8).json()
    (choice,) = body["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("length", "")
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 8


def test_older_models_call_the_field_reasoning_content(api: Api) -> None:
    glm = "@cf/zai-org/glm-4.7-flash"
    chunks = events_of(api.chat(model=glm, reasoning_effort="low", stream=True))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    thought = [index for index, delta in enumerate(deltas) if delta.get("reasoning_content")]
    spoken = [index for index, delta in enumerate(deltas) if delta.get("content")]
    assert thought
    assert max(thought) < min(spoken)


def test_a_model_that_cannot_think_ignores_the_effort_and_nonsense_is_refused(api: Api) -> None:
    result = api.run({"prompt": "x", "reasoning_effort": "high"}).json()["result"]
    assert "completion_tokens_details" not in result["usage"]
    assert code_of(api.chat(reasoning_effort="very")) == (400, 8001)


def test_reasoning_that_is_sent_back_is_part_of_the_prompt(api: Api) -> None:
    def prompt_tokens(**more: Any) -> int:
        messages = [*HELLO, {"role": "assistant", "content": "Hi", **more}, *HELLO]
        return int(api.chat(messages=messages).json()["usage"]["prompt_tokens"])

    assert prompt_tokens(reasoning="I thought about it") > prompt_tokens()


# ---- JSON mode


def test_a_native_model_refuses_the_openai_wrapper_of_a_schema(api: Api) -> None:
    wrapped = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    answer = api.run({"prompt": "x", "response_format": wrapped})
    assert code_of(answer) == (400, 8001)
    assert "JSON Mode couldn't be met" in answer.json()["errors"][0]["message"]


# ---- responses


def test_a_response_has_the_openai_shape(api: Api) -> None:
    body = respond(api, instructions="Be brief.", max_output_tokens=500).json()
    assert (body["object"], body["status"], body["model"]) == (
        "response",
        "completed",
        OPENAI_MODEL,
    )
    (message,) = body["output"]
    assert (message["type"], message["role"]) == ("message", "assistant")
    assert "Hello" in message["content"][0]["text"]
    usage = body["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert (body["instructions"], body["max_output_tokens"]) == ("Be brief.", 500)


def test_a_response_that_is_cut_says_that_it_is_incomplete(api: Api) -> None:
    body = respond(api, max_output_tokens=3).json()
    assert body["status"] == "incomplete"
    assert body["incomplete_details"] == {"reason": "max_output_tokens"}


def response_events(answer: httpx.Response) -> list[Any]:
    frames = [frame.split("\n") for frame in answer.text.split("\n\n") if frame]
    events = [json.loads(frame[1].removeprefix("data: ")) for frame in frames]
    assert [f[0] for f in frames] == [f"event: {event['type']}" for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def test_a_streamed_response_ends_with_the_whole_of_what_it_streamed(api: Api) -> None:
    events = response_events(respond(api, stream=True, reasoning={"effort": "high"}))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    text = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    thought = "".join(e["delta"] for e in events if e["type"] == "response.reasoning_text.delta")
    assert events[-1]["type"] == "response.completed"
    reasoning, message = events[-1]["response"]["output"]
    assert reasoning["content"][0]["text"] == thought
    assert message["content"][0]["text"] == text
    assert text
    assert thought
    added = [e["item"]["id"] for e in events if e["type"] == "response.output_item.added"]
    assert added == [reasoning["id"], message["id"]]
    tokens = events[-1]["response"]["usage"]["output_tokens_details"]["reasoning_tokens"]
    assert tokens > 0


def test_a_response_calls_functions_and_takes_their_output(api: Api) -> None:
    events = response_events(respond(api, input="get_time now", tools=[TOOL], stream=True))
    (call,) = events[-1]["response"]["output"]
    assert (call["type"], call["name"]) == ("function_call", "get_time")
    done = next(e for e in events if e["type"] == "response.function_call_arguments.done")
    assert done["arguments"] == call["arguments"] == "{}"
    turn = [
        {"role": "user", "content": [{"type": "input_text", "text": "get_time now"}]},
        call,
        {"type": "function_call_output", "call_id": call["call_id"], "output": "noon"},
    ]
    body = respond(api, input=turn, tools=[TOOL]).json()
    assert "noon" in body["output"][0]["content"][0]["text"]


def test_a_response_in_json_follows_its_schema_on_every_model(api: Api) -> None:
    text = {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}
    for model in (OPENAI_MODEL, LEGACY_MODEL):
        body = respond(api, model=model, text=text).json()
        assert json.loads(body["output"][0]["content"][0]["text"]) == {"n": 1}


@pytest.mark.parametrize(
    "body",
    [
        {"input": []},
        {"input": None},
        {"input": [{"type": "audio"}]},
        {"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
        {"instructions": 3},
        {"previous_response_id": "resp_1"},
        {"tools": [{"type": "web_search"}]},
        {"text": {"format": {"type": "xml"}}},
        {"max_output_tokens": 0},
    ],
)
def test_a_response_that_makes_no_sense_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert code_of(respond(api, **body)) == (400, 8001)
