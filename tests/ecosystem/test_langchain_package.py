"""LangChain's Cloudflare package."""

from typing import Any

import pytest
from langchain_cloudflare import ChatCloudflareWorkersAI, CloudflareWorkersAIEmbeddings
from langchain_core.tools import tool
from pydantic import BaseModel

from wai_ops.emulator.testing import WaiEmulator

LEGACY = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
NEWER = "@cf/moonshotai/kimi-k2.6"


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Rain in {city}."


WEATHER: Any = tool(get_weather)


@pytest.fixture(params=["workers_ai", "openai_compatible"])
def endpoint_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[LEGACY, NEWER], ids=["legacy", "newer"])
def chat(request: pytest.FixtureRequest, endpoint_format: str, wai_emulator: WaiEmulator) -> Any:
    return ChatCloudflareWorkersAI(
        model=request.param,
        account_id=wai_emulator.account_id,
        api_token=wai_emulator.tokens["runtime"],
        base_url=wai_emulator.base_url,
        endpoint_format=endpoint_format,
        ai_gateway="default",
        session_id="session-1",
    )


def test_a_chat_and_its_usage(chat: Any) -> None:
    answer = chat.invoke("Hello")
    assert "Hello" in answer.content
    usage = answer.usage_metadata
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0


def test_a_stream(chat: Any) -> None:
    parts = [chunk.content for chunk in chat.stream("Write 20 words")]
    assert len("".join(parts).split()) == 20
    assert len([part for part in parts if part]) > 5


def test_a_tool_call(chat: Any) -> None:
    answer = chat.bind_tools([WEATHER], tool_choice="get_weather").invoke("Bern?")
    (call,) = answer.tool_calls
    assert call["name"] == "get_weather"
    assert WEATHER.invoke(call["args"]).startswith("Rain in ")


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(chat: Any, method: str) -> None:
    """The package leaves it to the model whether to call; the scripted one is asked by name."""
    structured = chat.with_structured_output(Joke, method=method)
    assert isinstance(structured.invoke("Tell me a Joke"), Joke)


def test_the_gateway_logs_the_call(chat: Any, wai_emulator: WaiEmulator) -> None:
    before = len(wai_emulator.logs())
    chat.invoke("Log me")
    rows = wai_emulator.logs()
    assert len(rows) == before + 1
    assert rows[-1]["model"] == chat.model


def test_a_refusal_is_an_error(wai_emulator: WaiEmulator) -> None:
    chat = ChatCloudflareWorkersAI(
        model="@cf/none/such",
        account_id=wai_emulator.account_id,
        api_token=wai_emulator.tokens["runtime"],
        base_url=wai_emulator.base_url,
    )
    with pytest.raises(Exception, match="400"):
        chat.invoke("Hello")


def test_embeddings(wai_emulator: WaiEmulator) -> None:
    embeddings = CloudflareWorkersAIEmbeddings(
        account_id=wai_emulator.account_id,
        api_token=wai_emulator.tokens["runtime"],
        api_base_url=f"{wai_emulator.base_url}/accounts",
        model_name="@cf/baai/bge-m3",
        ai_gateway="default",
    )
    vectors = embeddings.embed_documents(["sky", "sea", "sky"])
    assert [len(vector) for vector in vectors] == [1024, 1024, 1024]
    assert vectors[0] == vectors[2] != vectors[1]
    assert embeddings.embed_query("sky") == vectors[0]
