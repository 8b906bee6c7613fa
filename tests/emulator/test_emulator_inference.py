"""Both inference endpoints over a real socket: shapes, streams, limits, refusals."""

import json
from typing import Any

import pytest

from emulator.api import LEGACY_MODEL, OPENAI_MODEL, Api, events_of
from wai_ops.emulator.backends.scripted import tokenise
from wai_ops.emulator.inference.endpoint import MAX_BODY_BYTES

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
            "required": ["city", "days"],
        },
    },
}
EMPTY_USAGE_KEYS = {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details"}


def code_of(body: Any) -> int:
    assert body["success"] is False
    return int(body["errors"][0]["code"])


def test_a_chat_completion_is_a_bare_openai_object(api: Api) -> None:
    answer = api.chat("Why is the sky blue?")
    body = answer.json()
    assert answer.status_code == 200
    assert body["object"] == "chat.completion"
    assert body["model"] == OPENAI_MODEL
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["role"] == "assistant"
    assert "Why is the sky blue?" in choice["message"]["content"]
    usage = body["usage"]
    assert set(usage) == EMPTY_USAGE_KEYS
    assert usage["completion_tokens"] == len(tokenise(choice["message"]["content"]))
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_the_same_request_gets_the_same_answer(api: Api) -> None:
    answers = [api.chat("Twice").json()["choices"] for _ in range(2)]
    assert answers[0] == answers[1]


def test_a_stream_carries_the_same_text_piece_by_piece(api: Api) -> None:
    whole = api.chat("Piece by piece").json()
    chunks = events_of(api.chat("Piece by piece", stream=True))
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text == whole["choices"][0]["message"]["content"]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all("usage" not in chunk for chunk in chunks)


def test_usage_is_in_the_last_chunk_when_it_is_asked_for(api: Api) -> None:
    chunks = events_of(api.chat(stream=True, stream_options={"include_usage": True}))
    assert chunks[-1]["choices"] == []
    assert set(chunks[-1]["usage"]) == EMPTY_USAGE_KEYS
    assert all("usage" not in chunk for chunk in chunks[:-1])


def test_an_older_model_answers_run_in_the_native_shape(api: Api) -> None:
    body = api.run({"prompt": "Hello there"}).json()
    assert (body["success"], body["errors"], body["messages"]) == (True, [], [])
    assert set(body["result"]) == {"response", "usage"}
    assert "Hello there" in body["result"]["response"]


def test_a_newer_model_answers_run_in_the_openai_shape_inside_the_envelope(api: Api) -> None:
    body = api.run({"messages": [{"role": "user", "content": "Hi"}]}, model=OPENAI_MODEL).json()
    assert body["success"] is True
    assert body["result"]["choices"][0]["message"]["content"]


def test_the_slashes_of_a_model_may_be_escaped(api: Api) -> None:
    escaped = LEGACY_MODEL.replace("/", "%2F")
    assert api.run({"prompt": "Hi"}, model=escaped).json()["success"] is True


def test_an_older_model_streams_native_chunks_and_closes_with_usage(api: Api) -> None:
    whole = api.run({"prompt": "Stream"}).json()["result"]
    chunks = events_of(api.run({"prompt": "Stream", "stream": True}))
    assert "".join(chunk["response"] for chunk in chunks) == whole["response"]
    assert chunks[-1]["response"] == ""
    assert set(chunks[-1]["usage"]) == EMPTY_USAGE_KEYS
    assert all(set(chunk) == {"response"} for chunk in chunks[:-1])


def test_a_newer_model_streams_openai_chunks_on_run_with_usage(api: Api) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
    chunks = events_of(api.run(body, model=OPENAI_MODEL))
    assert chunks[0]["object"] == "chat.completion.chunk"
    assert chunks[-1]["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_max_tokens_cuts_the_answer_and_says_so(api: Api, name: str) -> None:
    limit: dict[str, Any] = {name: 5}
    body = api.chat(**limit).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 5


def test_older_models_stop_at_256_tokens_when_nothing_is_said(api: Api) -> None:
    """The trap that real users fall into."""
    legacy = api.run({"prompt": "Write 1000 words."}).json()["result"]
    assert legacy["usage"]["completion_tokens"] == 256
    newer = api.chat("Write 1000 words.").json()
    assert newer["usage"]["completion_tokens"] > 1000


def test_a_seed_changes_the_answer_and_repeats_it(api: Api) -> None:
    def text(seed: int) -> str:
        return str(api.chat("Seeded", seed=seed).json()["choices"][0]["message"]["content"])

    assert text(3) == text(3)
    assert len({text(seed) for seed in range(1, 20)}) > 1


def test_json_mode_answers_with_an_instance_of_the_schema(api: Api) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"type": "json_schema", "json_schema": schema}
    legacy = api.run({"prompt": "x", "response_format": form}).json()["result"]["response"]
    assert legacy == {"n": 1}
    wrapped = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    for accepted in (form, wrapped):
        body = api.chat(response_format=accepted).json()
        assert json.loads(body["choices"][0]["message"]["content"]) == {"n": 1}


def test_a_tool_that_the_message_names_is_called(api: Api) -> None:
    body = api.chat("Use get_weather for Lisbon", tools=[WEATHER]).json()
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert call["type"] == "function"
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "scripted", "days": 3}


def test_a_tool_call_is_streamed_with_its_name_first(api: Api) -> None:
    chunks = events_of(api.chat("x", tools=[WEATHER], tool_choice="required", stream=True))
    calls = [
        call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", [])
    ]
    assert calls[0]["function"]["name"] == "get_weather"
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert json.loads(arguments) == {"city": "scripted", "days": 3}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_an_older_model_calls_tools_flat(api: Api) -> None:
    forced = {"type": "function", "function": {"name": "get_weather"}}
    result = api.run({"prompt": "x", "tools": [WEATHER], "tool_choice": forced}).json()["result"]
    assert result["tool_calls"] == [
        {"name": "get_weather", "arguments": {"city": "scripted", "days": 3}}
    ]


def test_a_tool_is_not_called_when_nothing_asks_for_it(api: Api) -> None:
    for body in (
        api.chat("Good morning", tools=[WEATHER]).json(),
        api.chat("get_weather", tools=[WEATHER], tool_choice="none").json(),
    ):
        assert body["choices"][0]["finish_reason"] == "stop"


def test_a_tool_result_ends_the_loop(api: Api) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "get_weather please"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "22 degrees"},
    ]
    body = api.chat(messages=messages, tools=[WEATHER]).json()
    assert "22 degrees" in body["choices"][0]["message"]["content"]


def test_affinity_gives_the_block_rounded_shared_prefix_as_cached_tokens(api: Api) -> None:
    def ask(text: str, session: str) -> tuple[int, int]:
        usage = api.chat(text, headers={"x-session-affinity": session}).json()["usage"]
        return usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]

    prefix = "The instructions stay the same. " * 20
    assert ask(prefix + "First question?", "ses_1")[1] == 0
    # The prompt begins with one mark for the role.
    common = 1 + len(tokenise(prefix))
    assert ask(prefix + "Another one?", "ses_1")[1] == common // 16 * 16
    total, again = ask(prefix + "Another one?", "ses_1")
    assert again == total // 16 * 16


def test_a_retired_model_is_answered_by_its_alias(api: Api) -> None:
    assert api.chat(model="@cf/moonshotai/kimi-k2.5").json()["model"] == OPENAI_MODEL


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("@cf/nobody/nothing", 400, 5007),
        ("@cf/meta/llama-3-8b-instruct", 400, 5007),  # withdrawn, with no alias
        ("@cf/huggingface/distilbert-sst-2-int8", 400, 5007),  # another task
        ("gpt-5", 404, 3042),
        ("@cf/meta", 404, 3042),
    ],
)
def test_a_model_that_does_not_answer_is_refused_on_both_endpoints(
    api: Api, model: str, status: int, code: int
) -> None:
    for answer in (api.chat(model=model), api.run({"prompt": "x"}, model=model)):
        assert (answer.status_code, code_of(answer.json())) == (status, code)


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": "hello"},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": [{"type": "smell"}]}]},
        {"max_tokens": 0},
        {"max_tokens": "5"},
        {"temperature": 9},
        {"temperature": "warm"},
        {"stream": "yes"},
        {"stream_options": "usage"},
        {"n": 2},
        {"tools": [{"type": "function"}]},
        {"tools": [{"name": "x", "description": False}]},
        {"tool_choice": "any"},
        {"tool_choice": {"type": "function", "function": {"name": "missing"}}},
        {"response_format": {"type": "xml"}},
        {"model": None},
    ],
)
def test_an_invalid_body_is_refused_with_its_code(api: Api, body: dict[str, Any]) -> None:
    answer = api.chat(**body)
    assert (answer.status_code, code_of(answer.json())) == (400, 8001)


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b'{"seed": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_incomplete(api: Api, raw: bytes) -> None:
    answer = api.http.post(
        api.url("/ai/v1/chat/completions"), content=raw, headers=api.auth("runtime")
    )
    assert (answer.status_code, code_of(answer.json())) == (400, 3003)


def test_older_models_check_their_documented_ranges(api: Api) -> None:
    for body in ({"top_k": 51}, {"seed": 0}, {"temperature": 5.1}):
        answer = api.run({"prompt": "x"} | body)
        assert (answer.status_code, code_of(answer.json())) == (400, 8001)
    assert api.run({"prompt": "x", "temperature": 5}).status_code == 200


def test_input_and_reserved_output_must_fit_the_context(api: Api) -> None:
    """The error names both numbers; the reservation alone can break the limit."""
    answer = api.run({"prompt": "Hi", "max_tokens": 24_000})
    assert (answer.status_code, code_of(answer.json())) == (400, 5021)
    message = answer.json()["errors"][0]["message"]
    assert "(24000)" in message
    assert api.run({"prompt": "Hi", "max_tokens": 23_000}).status_code == 200


def test_text_of_any_kind_survives(api: Api) -> None:
    odd = "naïve 日本語 \U0001f980 \x1b[31m \x00 \ud800"
    whole = api.http.post(
        api.url("/ai/v1/chat/completions"),
        content=json.dumps({"model": OPENAI_MODEL, "messages": [{"role": "user", "content": odd}]}),
        headers=api.auth("runtime"),
    )
    assert whole.status_code == 200
    assert odd in whole.json()["choices"][0]["message"]["content"]


def test_a_body_beyond_the_limit_is_refused(api: Api) -> None:
    answer = api.http.post(
        api.url("/ai/v1/chat/completions"),
        content=b" " * (MAX_BODY_BYTES + 1),
        headers=api.auth("runtime"),
    )
    assert (answer.status_code, code_of(answer.json())) == (413, 3006)
