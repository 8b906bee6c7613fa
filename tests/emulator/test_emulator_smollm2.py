"""The real small model behind the emulator. Needs the weights: `wai emulator fetch-model`."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from emulator.api import Api, events_of
from wai_ops.emulator.model_file import find_model
from wai_ops.emulator.server import embedded

# Looked up before the tests' own HOME hides the user's cache.
WEIGHTS = find_model()
SYSTEM = "You are a terse assistant. You answer in one short sentence and never explain more. " * 4


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An emulator with the real model."""
    if WEIGHTS is None:
        pytest.fail("the smollm2 weights are missing; run: wai emulator fetch-model")
    state = tmp_path_factory.mktemp("smollm2")
    with embedded(state, backend=str(WEIGHTS)) as endpoint, httpx.Client(timeout=300) as http:
        yield Api(endpoint, http)


def test_a_real_model_answers_streams_and_reuses_its_prefix(real: Api) -> None:
    def ask(question: str, **body: Any) -> httpx.Response:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
        return real.chat(
            messages=messages,
            max_tokens=8,
            temperature=0,
            headers={"x-session-affinity": "real", "cf-aig-gateway-id": "default"},
            **body,
        )

    first = ask("Name a colour.").json()
    assert first["choices"][0]["message"]["content"].strip()
    assert first["usage"]["completion_tokens"] <= 8
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0

    chunks = events_of(ask("Name a city.", stream=True, stream_options={"include_usage": True}))
    usage = chunks[-1]["usage"]
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks[:-1])
    assert text.strip()
    # Almost all of the prompt is the system message, which the slot still holds.
    assert usage["prompt_tokens"] * 3 / 4 < usage["prompt_tokens_details"]["cached_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"]

    row = real.row_of(ask("Name a fruit."))
    assert row["usage_metadata"]["input_cached_tokens"] > usage["prompt_tokens"] / 2


def test_a_schema_binds_the_real_model(real: Api) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 12}},
        "required": ["city"],
    }
    body = real.chat(
        "Answer with a city.",
        response_format={"type": "json_schema", "json_schema": schema},
        max_tokens=60,
        temperature=0,
    ).json()
    assert set(json.loads(body["choices"][0]["message"]["content"])) == {"city"}


def test_a_prompt_beyond_the_engines_own_context_is_refused(real: Api) -> None:
    answer = real.chat("word " * 5000)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 5021)


def test_a_client_that_leaves_stops_the_engine(real: Api) -> None:
    """The slot is free for the next request long before 3,000 tokens could have been made."""
    headers = {"x-session-affinity": "leaver", "cf-aig-gateway-id": "default"}
    body = {
        "model": "@cf/moonshotai/kimi-k2.6",
        "messages": [{"role": "user", "content": "Tell a very long story about a ship."}],
        "stream": True,
        "max_tokens": 3000,
    }
    with real.http.stream(
        "POST",
        real.url("/ai/v1/chat/completions"),
        json=body,
        headers=real.auth("runtime") | headers,
    ) as answer:
        next(answer.iter_raw())
    # Queued behind the abandoned one on the same replica, so its end has passed by now.
    assert real.chat("Hello", max_tokens=1, headers=headers).status_code == 200
    row = real.row_of(answer)
    assert (row["status_code"], row["success"]) == (499, False)
    assert 0 < row["tokens_out"] < 3000
