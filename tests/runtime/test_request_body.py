"""Request bodies: earlier turns byte for byte, parameters by the model's own names."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.errors import UsageError
from wai_ops.core.money import CostState, Rates
from wai_ops.core.prices import Model
from wai_ops.core.tokens import TOKENS_PER_MESSAGE, estimate_tokens
from wai_ops.runtime.request import (
    Ask,
    Endpoint,
    body_of,
    compact_json,
    endpoint_for,
    estimate_input_tokens,
    message_text,
    new_messages,
    reply_message,
    worst_case,
)
from wai_ops.state.conversations import Turn

CONTENT = st.text(max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(max_size=5), JSON, max_size=4)
OPENAI = Model(id="m", task="Text Generation", schema="openai")
LEGACY = Model(id="m", task="Text Generation")


def ask(text: str = "hello", **changes: Any) -> Ask:
    """A question with nothing special about it."""
    values: dict[str, Any] = {
        "text": text,
        "model": "@cf/x/m",
        "tenant": "t",
        "workflow": "w",
        "conversation_id": "c",
        "max_output_tokens": 1024,
        **changes,
    }
    return Ask(**values)


def turn(index: int, messages: str, reply: str | None, **changes: Any) -> Turn:
    """A finished turn with exactly this text."""
    values: dict[str, Any] = {
        "turn_index": index,
        "run_id": "r",
        "owner": "o",
        "state": "done",
        "model": "m",
        "epoch": 1,
        "tools_json": None,
        "messages_json": messages,
        "reply_json": reply,
        "input_tokens": None,
        "output_tokens": None,
        **changes,
    }
    return Turn(**values)


def spelled_otherwise(content: str) -> str:
    """The same message as another program might have spelled it: spaces, escapes, key order."""
    return json.dumps({"content": content, "role": "user"}, indent=1)


@given(st.lists(st.tuples(CONTENT, CONTENT), max_size=4), CONTENT)
def test_earlier_turns_are_copied_byte_for_byte_however_they_were_spelled(
    exchanges: list[tuple[str, str]], question: str
) -> None:
    turns = [
        turn(i, spelled_otherwise(q), reply_message(a, "hm", []))
        for i, (q, a) in enumerate(exchanges)
    ]
    asked = ask(question)
    body = body_of(
        asked,
        endpoint=Endpoint.CHAT,
        model=None,
        messages=message_text(turns, new_messages(asked, turns)),
    )
    position = 0
    for past in turns:
        assert past.reply_json is not None
        for part in (past.messages_json, past.reply_json):
            found = body.index(part.encode(), position)
            position = found + len(part.encode())
    contents = [message["content"] for message in json.loads(body)["messages"]]
    assert contents == [text for pair in exchanges for text in pair] + [question]


@given(st.lists(CONTENT, min_size=1, max_size=5))
def test_each_request_begins_with_the_whole_one_before_it(questions: list[str]) -> None:
    """What keeps the provider's cache warm: nothing before the new message ever changes."""
    turns: list[Turn] = []
    previous = b""
    for index, question in enumerate(questions):
        asked = ask(question, system="be brief" if index == 0 else None)
        messages_json = new_messages(asked, turns)
        body = body_of(
            asked,
            endpoint=Endpoint.CHAT,
            model=None,
            messages=message_text(turns, messages_json),
        )
        assert body.startswith(previous)
        previous = body.removesuffix(b"]}")
        turns.append(turn(index, messages_json, reply_message(f"answer {index}", "", [])))


ASKS = st.builds(
    ask,
    text=CONTENT,
    max_output_tokens=st.integers(1, 10**6),
    temperature=st.none() | st.decimals(0, 5, places=2),
    seed=st.none() | st.integers(1, 9_999_999_999),
    schema=st.none() | OBJECTS,
    tools=st.none() | st.lists(OBJECTS, min_size=1, max_size=3),
    streamed=st.booleans(),
)


@given(
    ASKS, st.sampled_from([Endpoint.CHAT, Endpoint.RUN]), st.sampled_from([None, OPENAI, LEGACY])
)
def test_the_body_is_json_with_exactly_what_was_asked(
    asked: Ask, endpoint: Endpoint, model: Model | None
) -> None:
    raw = body_of(asked, endpoint=endpoint, model=model, messages=new_messages(asked, []))
    body = json.loads(raw)
    limit = "max_completion_tokens" if model is OPENAI else "max_tokens"
    expected: dict[str, Any] = {
        limit: asked.max_output_tokens,
        "stream": asked.streamed,
        "messages": [{"role": "user", "content": asked.text}],
    }
    if endpoint is Endpoint.CHAT:
        expected["model"] = asked.model
        if asked.streamed:
            expected["stream_options"] = {"include_usage": True}
    if asked.temperature is not None:
        expected["temperature"] = float(asked.temperature)
    if asked.seed is not None:
        expected["seed"] = asked.seed
    if asked.schema is not None:
        expected["response_format"] = {"type": "json_schema", "json_schema": asked.schema}
    if asked.tools is not None:
        expected["tools"] = list(asked.tools)
    assert body == expected


@given(JSON)
def test_one_value_has_one_spelling(value: Any) -> None:
    text = compact_json(value)
    assert json.loads(text) == value
    assert compact_json(json.loads(text)) == text


# Messages


def test_a_system_text_stands_first_and_only_once() -> None:
    first = new_messages(ask("q", system="s"), [])
    assert json.loads(f"[{first}]") == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "q"},
    ]
    turns = [turn(0, first, reply_message("a", "", []))]
    again = new_messages(ask("q2", system="s"), turns)
    assert json.loads(f"[{again}]") == [{"role": "user", "content": "q2"}]


@pytest.mark.parametrize("system", ["other", "s2", ""])
def test_another_system_text_would_change_the_start_and_is_refused(system: str) -> None:
    turns = [turn(0, new_messages(ask("q", system="s"), []), reply_message("a", "", []))]
    with pytest.raises(UsageError, match="began with another system text") as caught:
        new_messages(ask("q2", system=system), turns)
    assert caught.value.hint
    plain = [turn(0, new_messages(ask("q"), []), reply_message("a", "", []))]
    with pytest.raises(UsageError):
        new_messages(ask("q2", system="s"), plain)


def test_a_conversation_whose_first_turn_failed_may_begin_again_with_any_system_text() -> None:
    failed = [turn(0, new_messages(ask("q", system="s"), []), None, state="failed")]
    assert "other" in new_messages(ask("q2", system="other"), failed)


def test_reasoning_and_tool_calls_have_their_own_fields_and_content_is_never_null() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert json.loads(reply_message("", "hm", [call])) == {
        "role": "assistant",
        "content": "",
        "reasoning": "hm",
        "tool_calls": [call],
    }
    assert json.loads(reply_message("a", "", [])) == {"role": "assistant", "content": "a"}


# Endpoint and estimates


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (None, Endpoint.CHAT),
        (LEGACY, Endpoint.CHAT),
        (OPENAI, Endpoint.CHAT),
        (Model(id="m"), Endpoint.RUN),
    ],
)
def test_a_model_is_called_where_it_answers(model: Model | None, expected: Endpoint) -> None:
    assert endpoint_for(ask(), model) is expected
    assert endpoint_for(ask(endpoint=Endpoint.RUN), model) is Endpoint.RUN
    assert endpoint_for(ask(endpoint=Endpoint.CHAT), model) is Endpoint.CHAT


def test_a_model_that_takes_no_prompt_is_refused_with_the_way_to_find_one() -> None:
    with pytest.raises(
        UsageError, match="is a Text Embeddings model: it takes no prompt"
    ) as caught:
        endpoint_for(ask(), Model(id="m", task="Text Embeddings"))
    assert caught.value.hint


@given(st.text())
def test_tokens_are_estimated_from_the_length_in_bytes_rounded_up(text: str) -> None:
    size = len(text.encode())
    assert size <= 4 * estimate_tokens(text) < size + 4


def test_a_continued_conversation_is_estimated_from_what_the_last_request_really_took() -> None:
    asked = ask("x" * 400)
    turns = [
        turn(0, "{}", "{}", input_tokens=5_000, output_tokens=70),
    ]
    new = new_messages(asked, turns)
    found = estimate_input_tokens(turns, message_text(turns, new), new)
    assert found == 5_000 + 70 + estimate_tokens(new) + TOKENS_PER_MESSAGE


@pytest.mark.parametrize("changes", [{"state": "failed"}, {"input_tokens": None}])
def test_without_a_count_to_go_by_the_whole_text_is_estimated(changes: dict[str, Any]) -> None:
    turns = [turn(0, "{}", "{}", **{"input_tokens": 5_000, **changes})]
    text = message_text(turns, "{}")
    assert estimate_input_tokens(turns, text, "{}") == estimate_tokens(text) + TOKENS_PER_MESSAGE
    assert estimate_input_tokens([], "{}", "{}") == estimate_tokens("{}") + TOKENS_PER_MESSAGE


def test_the_worst_case_is_nothing_cached_and_all_output_used() -> None:
    rates = Rates(
        neurons_in_per_m=Decimal(1_000_000),
        neurons_cached_in_per_m=Decimal(1),
        neurons_out_per_m=Decimal(2_000_000),
        source="built-in",
        as_of="2026-08-28",
    )
    cost = worst_case(100, 50, rates)
    assert (cost.state, cost.neurons) == (CostState.ESTIMATED, Decimal(200))
    assert worst_case(100, 50, None).cost_usd is None
