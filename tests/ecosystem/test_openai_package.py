"""The OpenAI package."""

import array
import asyncio
import base64
import json
from collections.abc import Iterator

import openai
import pytest
from pydantic import BaseModel

from wai_ops.emulator.testing import WaiEmulator

MODEL = "@cf/moonshotai/kimi-k2.6"
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


@pytest.fixture
def client(wai_emulator: WaiEmulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=wai_emulator.openai_base_url,
        api_key=wai_emulator.tokens["runtime"],
        max_retries=0,
        default_headers={"cf-aig-gateway-id": "default"},
    ) as opened:
        yield opened


def test_a_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_with_its_usage(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Write 20 words"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert len(text.split()) == 20
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


def test_an_asynchronous_stream(wai_emulator: WaiEmulator) -> None:
    async def read() -> str:
        async with openai.AsyncOpenAI(
            base_url=wai_emulator.openai_base_url, api_key=wai_emulator.tokens["runtime"]
        ) as client:
            stream = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
            parts = [c.choices[0].delta.content or "" async for c in stream if c.choices]
        return "".join(parts)

    assert "Hello" in asyncio.run(read())


def test_a_parsed_answer_follows_its_class(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Joke)
    assert isinstance(answer.choices[0].message.parsed, Joke)


def test_a_tool_is_called_and_its_result_is_read(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "The weather in Bern?"}]
    called = client.chat.completions.create(
        model=MODEL, messages=messages, tools=[WEATHER], tool_choice="required"
    )
    message = called.choices[0].message
    (call,) = message.tool_calls or []
    assert call.type == "function"
    assert set(json.loads(call.function.arguments)) == {"city"}
    assert called.choices[0].finish_reason == "tool_calls"
    answered = client.chat.completions.create(
        model=MODEL,
        messages=[
            *messages,
            message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "Rain."},
        ],
        tools=[WEATHER],
    )
    assert "Rain." in (answered.choices[0].message.content or "")


@pytest.mark.parametrize("encoding", ["float", "base64", None])
def test_embeddings_in_either_encoding(client: openai.OpenAI, encoding: str | None) -> None:
    extra = {} if encoding is None else {"encoding_format": encoding}
    one = client.embeddings.create(model="@cf/baai/bge-m3", input="sky", **extra)
    many = client.embeddings.create(model="@cf/baai/bge-m3", input=["sky", "sea"], **extra)
    vectors = [floats(item.embedding) for item in many.data]
    assert [len(vector) for vector in vectors] == [1024, 1024]
    assert [item.index for item in many.data] == [0, 1]
    assert floats(one.data[0].embedding) == vectors[0] != vectors[1]
    assert many.usage.total_tokens > 0


def floats(embedding: list[float] | str) -> list[float]:
    """The package decodes base64 only where it has asked for it by itself."""
    if not isinstance(embedding, str):
        return embedding
    return array.array("f", base64.b64decode(embedding)).tolist()


def test_responses(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="@cf/openai/gpt-oss-120b", input="Hello")
    assert "Hello" in answer.output_text
    with client.responses.stream(model="@cf/openai/gpt-oss-120b", input="Hello") as stream:
        assert stream.get_final_response().output_text


def test_headers_reach_the_gateway_and_its_answer_names_the_row(
    client: openai.OpenAI, wai_emulator: WaiEmulator
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL,
        messages=HELLO,
        extra_headers={"cf-aig-metadata": json.dumps({"tenant": "eco"})},
    )
    (row,) = (row for row in wai_emulator.logs() if row["id"] == raw.headers["cf-aig-log-id"])
    assert row["metadata"] == {"tenant": "eco"}
    assert raw.parse().choices


def test_refusals_are_the_packages_own_errors(
    client: openai.OpenAI, wai_emulator: WaiEmulator
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="@cf/none/such", messages=HELLO)
    assert caught.value.response.json()["errors"][0]["code"] == 5007
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").chat.completions.create(model=MODEL, messages=HELLO)
    reader = client.with_options(api_key=wai_emulator.tokens["reader"])
    with pytest.raises(openai.PermissionDeniedError):
        reader.chat.completions.create(model=MODEL, messages=HELLO)
    rule = {"kind": "status", "status": 429, "code": 3040, "path": "*/chat/completions"}
    with wai_emulator.knobs.changed({"faults": [rule]}), pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model=MODEL, messages=HELLO)


def test_a_retry_of_the_package_gets_through_a_passing_fault(
    client: openai.OpenAI, wai_emulator: WaiEmulator
) -> None:
    rule = {"kind": "status", "status": 503, "path": "*/chat/completions", "count": 1}
    with wai_emulator.knobs.changed({"faults": [rule]}):
        answer = client.with_options(max_retries=1).chat.completions.create(
            model=MODEL, messages=HELLO
        )
    assert answer.choices


def test_a_dynamic_or_plain_model_through_compat(wai_emulator: WaiEmulator) -> None:
    base = f"{wai_emulator.gateway_base_url}/{wai_emulator.account_id}/default/compat"
    token = wai_emulator.tokens["runtime"]
    with openai.OpenAI(
        base_url=base,
        api_key=token,
        default_headers={"cf-aig-authorization": f"Bearer {token}"},
    ) as client:
        answer = client.chat.completions.create(model=f"workers-ai/{MODEL}", messages=HELLO)
    assert answer.choices[0].message.content
