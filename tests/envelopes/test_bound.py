"""What is set aside is an upper bound: no tokenizer and no template makes more of a request."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.control.envelopes.bound import (
    TEMPLATE_TOKENS,
    TOOL_TEMPLATE_TOKENS,
    Warm,
    input_bound,
    worst_usd,
)
from wai_ops.core.money import Rates, Usage, cost_of
from wai_ops.core.prices import Model, built_in
from wai_ops.emulator.backends.scripted import render
from wai_ops.emulator.inference.parse import decode_body, parse_call
from wai_ops.runtime.request import Ask, Endpoint, body_of, compact_json

TEXT = st.text(max_size=200)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXT}
    ),
    min_size=1,
    max_size=6,
)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=20)
TOOLS = st.lists(
    st.builds(
        lambda name, words, keys: {
            "type": "function",
            "function": {
                "name": name,
                "description": words,
                "parameters": {
                    "type": "object",
                    "properties": {key: {"type": "string", "description": words} for key in keys},
                },
            },
        },
        NAMES,
        st.text(max_size=60),
        st.lists(NAMES, max_size=4, unique=True),
    ),
    min_size=1,
    max_size=3,
)
CALLS = st.builds(
    lambda name, value: {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps({"a": value})},
            }
        ],
    },
    NAMES,
    TEXT,
)


def body(messages: Sequence[Mapping[str, Any]], tools: list[dict[str, Any]] | None = None) -> bytes:
    """The bytes of a request, as a run makes them."""
    ask = Ask(
        text="",
        model="@cf/acme/model",
        tenant="t",
        workflow="w",
        conversation_id="c",
        max_output_tokens=10,
        tools=tools,
    )
    text = ",".join(compact_json(dict(message)) for message in messages)
    return body_of(ask, endpoint=Endpoint.CHAT, model=None, messages=text)


def byte_tokens(
    messages: Sequence[Mapping[str, Any]], tools: list[dict[str, Any]] | None = None
) -> int:
    """The worst tokenizer, one token a byte, behind a template that spends 12 on each message.

    It has a preamble of 400 tokens, another of 600 with tools, and prints tools and their calls
    indented and escaped.
    """
    count = 400 + (600 if tools else 0)
    for tool in tools or []:
        count += len(json.dumps(tool, indent=4, ensure_ascii=True))
    for message in messages:
        count += 12 + len(message["content"].encode())
        for call in message.get("tool_calls", []):
            arguments = json.loads(call["function"]["arguments"])
            count += len(call["function"]["name"]) + len(json.dumps(arguments, ensure_ascii=True))
    return count


@given(MESSAGES)
def test_not_even_one_token_a_byte_passes_the_bound(messages: list[dict[str, Any]]) -> None:
    assert byte_tokens(messages) <= input_bound(body(messages))


@given(MESSAGES, TOOLS, st.lists(CALLS, max_size=2))
def test_nor_does_it_with_tools_that_a_template_indents_and_escapes(
    messages: list[dict[str, Any]], tools: list[dict[str, Any]], calls: list[dict[str, Any]]
) -> None:
    whole = [*messages, *calls]
    assert byte_tokens(whole, tools) <= input_bound(body(whole, tools), tools)


@given(MESSAGES, st.one_of(st.none(), TOOLS))
def test_the_emulators_own_count_stays_below_the_bound(
    messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None
) -> None:
    sent = body(messages, tools)
    call = parse_call(
        decode_body(sent), model=Model(id="@cf/acme/model", schema="openai"), prompt_allowed=False
    )
    assert len(render(call)) <= input_bound(sent, tools)


@given(MESSAGES, MESSAGES)
def test_a_reported_prefix_and_the_bytes_behind_it_are_a_bound_as_well(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    first, whole = body(before), body([*before, *after])
    rest = whole[len(first) - len("]}") :]
    warm = Warm(tokens=byte_tokens(before), rest=rest)
    assert byte_tokens([*before, *after]) <= input_bound(whole, None, warm)


def test_a_reported_prefix_makes_the_bound_of_a_long_conversation_tight() -> None:
    long = [{"role": "user", "content": "word " * 10_000}]
    following = body([*long, {"role": "user", "content": "and now?"}])
    cold = input_bound(following)
    warm = input_bound(following, None, Warm(tokens=10_010, rest=b',{"role":"user","content":"x"}'))
    assert cold > 50_000
    assert warm < 10_010 + TEMPLATE_TOKENS + 50


def test_templates_get_room_of_their_own() -> None:
    assert input_bound(b"x" * 100) == 100 + TEMPLATE_TOKENS
    assert input_bound(b"x" * 100, [{}]) >= 100 + TOOL_TEMPLATE_TOKENS


RATES = st.builds(
    Rates,
    neurons_in_per_m=st.decimals(0, 10**6, places=3),
    neurons_cached_in_per_m=st.one_of(st.none(), st.decimals(0, 10**6, places=3)),
    neurons_out_per_m=st.decimals(0, 10**6, places=3),
    source=st.just("config"),
    as_of=st.just("2026-01-01"),
)


@given(
    RATES,
    st.integers(0, 10**6),
    st.integers(0, 10**5),
    st.data(),
)
def test_no_usage_within_the_bounds_costs_more(
    rates: Rates, most_in: int, most_out: int, data: st.DataObject
) -> None:
    used_in = data.draw(st.integers(0, most_in))
    usage = Usage(
        input_tokens=used_in,
        output_tokens=data.draw(st.integers(0, most_out)),
        cached_input_tokens=data.draw(st.integers(0, used_in)),
    )
    worst = worst_usd(most_in, most_out, rates)
    charged = cost_of(usage, rates).cost_usd
    assert worst is not None
    assert charged is not None
    assert charged <= worst


@pytest.mark.parametrize("model", [m.id for m in built_in().models.values()][:20])
def test_a_model_without_a_price_of_its_output_has_no_worst_case(model: str) -> None:
    rates = built_in().models[model].rates("built-in", "2026-01-01")
    worst = worst_usd(1000, 100, rates)
    assert (worst is None) is (rates is None or rates.neurons_out_per_m is None)
    assert worst is None or worst >= Decimal(0)
