"""One decoder for every shape that an answer has been seen in, and for those nobody has seen."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wai_ops.cloudflare.decode import MAX_COUNT, Answer, AnswerDecoder, Delta, ToolCall, find_error
from wai_ops.core.failures import FailureClass, classify_response
from wai_ops.core.money import Usage

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.just("\ud83d")
    | st.just("9" * 5000)
    | st.just(10**400)
)
KEYS = st.sampled_from(
    [
        "choices", "delta", "message", "content", "response", "result", "usage", "error", "errors",
        "object", "code", "internalCode", "success", "tool_calls", "function", "name", "arguments",
        "index", "id", "finish_reason", "model", "reasoning", "reasoning_content", "text",
        "prompt_tokens", "completion_tokens", "prompt_tokens_details", "cached_tokens",
        "completion_tokens_details", "reasoning_tokens",
    ]
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)


def decode(*events: Any) -> Answer:
    """The answer after these events; texts go in as they are."""
    decoder = AnswerDecoder()
    for event in events:
        decoder.feed_event(event if isinstance(event, str) else json.dumps(event))
    decoder.finish()
    return decoder.answer


def chunk(reason: str | None = None, **delta: Any) -> dict[str, Any]:
    """A chunk of the OpenAI shape."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def usage(prompt: int, completion: int, cached: int | None = None) -> dict[str, Any]:
    """A usage object as the provider writes it."""
    details = {} if cached is None else {"prompt_tokens_details": {"cached_tokens": cached}}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        **details,
    }


@given(JSON)
@example({"choices": [{"delta": {"content": "a"}, "finish_reason": "\ud800"}]})
@example({"errors": [{"code": "9" * 5000, "message": "x"}]})
@example({"response": [{"text": None}]})
def test_no_json_makes_the_decoder_raise(value: Any) -> None:
    answer = decode(value)
    # Whatever came out can be stored, hashed and sent again.
    for text in (answer.text, answer.reasoning, answer.finish_reason or ""):
        assert text.encode("utf-8").decode("utf-8") == text
    for call in answer.tool_calls:
        (call.name + call.arguments + (call.id or "")).encode("utf-8")
    if answer.error is not None and answer.error.code is not None:
        assert abs(answer.error.code) < 2**31
    if isinstance(value, dict):
        find_error(value)


@given(st.text())
@example("[" * 100_000)
@example('{"choices":' * 50_000)
@example("9" * 5000)
@example("NaN")
@example("data\n\n\n")
def test_no_text_makes_the_decoder_raise(text: str) -> None:
    answer = decode(text)
    assert answer.done or answer.malformed or answer.error or answer.text or not text.strip()


def deepest(fits: int, breaks: int) -> int:
    """The deepest nesting that the JSON reader takes from here, by halving."""
    while breaks - fits > 1:
        middle = (fits + breaks) // 2
        try:
            json.loads("[" * middle + "]" * middle)
            fits = middle
        except RecursionError:
            breaks = middle
    return fits


@pytest.mark.parametrize("place", ["content", "bare", "error", "arguments"])
def test_nesting_around_the_limit_is_malformed_or_text_and_never_an_exception(place: str) -> None:
    limit = deepest(1, 200_000)
    for depth in range(limit - 40, limit + 2):
        deep = "[" * depth + "]" * depth
        event = {
            "content": f'{{"choices":[{{"delta":{{"content":{deep}}}}}]}}',
            "bare": deep,
            "error": f'{{"error":{{"message":{deep}}}}}',
            "arguments": f'{{"tool_calls":[{{"name":"f","arguments":{deep}}}]}}',
        }[place]
        answer = decode(event)
        assert answer.malformed or answer.text or answer.error or answer.tool_calls


# Text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (0, "0"),
        (1.5, "1.5"),
        (True, "true"),
        ({"a": "ä"}, '{"a": "ä"}'),
        ([{"type": "text", "text": "x"}, {"type": "text", "text": "y"}], "xy"),
        ([1, 2], "[1, 2]"),
        (None, ""),
        ("", ""),
    ],
)
def test_content_that_is_no_text_is_kept_as_text(value: Any, text: str) -> None:
    assert decode(chunk(content=value)).text == text
    assert decode({"response": value}).text == text


def test_numbers_between_texts_are_joined_in_order() -> None:
    assert decode(chunk(content="1+1="), chunk(content=2), chunk(content=".")).text == "1+1=2."


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_is_kept_apart_under_both_its_names(field: str) -> None:
    decoder = AnswerDecoder()
    deltas = decoder.feed_object(chunk(**{field: "hm"}, content="so"))
    assert deltas == [Delta("reasoning", "hm"), Delta("text", "so")]
    assert (decoder.answer.reasoning, decoder.answer.text) == ("hm", "so")


def test_the_openai_shape_wins_where_both_are_in_one_object() -> None:
    both = {"response": "twice", "choices": [{"message": {"role": "assistant", "content": "once"}}]}
    assert decode(both).text == "once"
    assert decode({"result": both, "success": True, "errors": []}).text == "once"


def test_a_result_in_its_envelope_is_the_result() -> None:
    assert decode(
        {"result": {"response": "hi"}, "success": True, "errors": [], "messages": []}
    ) == (Answer(text="hi"))


def test_a_pair_of_surrogates_cut_in_two_chunks_is_one_character_again() -> None:
    """A server that cuts its text in UTF-16 sends halves; each half alone is no text."""
    decoder = AnswerDecoder()
    deltas = decoder.feed_event('{"response": "a\\ud83d"}')
    deltas += decoder.feed_event('{"response": "\\ude00b"}')
    assert decoder.answer.text == "a😀b"
    assert "".join(delta.text for delta in deltas) == "a😀b"


def test_half_a_pair_that_stays_alone_is_a_replacement_character() -> None:
    assert decode('{"response": "a\\ud83d"}', '{"response": "b"}').text == "a\ufffdb"
    assert decode('{"response": "\\ude00b"}').text == "\ufffdb"
    assert decode('{"response": "a\\ud83d"}', "[DONE]").text == "a\ufffd"


# The end


def test_the_last_usage_counts_and_none_is_summed() -> None:
    answer = decode(
        {**chunk(content="a"), "usage": usage(100, 1)},
        {**chunk(content="b"), "usage": usage(100, 2)},
        {**chunk("stop"), "usage": usage(100, 3, cached=64)},
        "[DONE]",
    )
    assert answer.usage == Usage(input_tokens=100, output_tokens=3, cached_input_tokens=64)


def test_several_stop_frames_with_growing_usage_end_with_the_last() -> None:
    answer = decode(
        {**chunk("stop", content="x"), "usage": usage(10, 5)},
        {**chunk("stop"), "usage": usage(10, 7)},
        {**chunk("length"), "usage": usage(10, 9)},
    )
    assert answer.usage == Usage(input_tokens=10, output_tokens=9)
    assert answer.finish_reason == "length"


def test_content_after_a_stop_frame_and_after_the_end_mark_still_counts() -> None:
    answer = decode(chunk(content="a"), chunk("stop"), chunk(content="b"), "[DONE]", "[DONE]")
    assert (answer.text, answer.done, answer.finish_reason) == ("ab", True, "stop")
    assert answer.malformed is None


def test_a_usage_chunk_with_empty_choices_says_nothing_but_its_usage() -> None:
    answer = decode(chunk("stop", content="a"), {"choices": [], "usage": usage(1, 1)}, " [DONE] ")
    assert answer == Answer(
        text="a",
        usage=Usage(input_tokens=1, output_tokens=1),
        finish_reason="stop",
        done=True,
    )


COUNTS = st.one_of(
    st.integers(-5, 2**60),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_what_is_no_count_is_no_usage(a: Any, b: Any, c: Any, d: Any) -> None:
    found = decode(
        {
            "usage": {
                "prompt_tokens": a,
                "completion_tokens": b,
                "prompt_tokens_details": {"cached_tokens": c},
                "completion_tokens_details": {"reasoning_tokens": d},
            }
        }
    ).usage

    def count(value: Any) -> int | None:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        return int(value) if good and 0 <= value <= MAX_COUNT else None

    if count(a) is None or count(b) is None:
        assert found is None
    else:
        assert found is not None
        assert (found.input_tokens, found.output_tokens) == (count(a), count(b))
        assert (found.cached_input_tokens, found.reasoning_tokens) == (count(c), count(d))


def test_the_dearest_count_that_is_believed_still_has_a_price_the_ledger_can_hold() -> None:
    """The ledger's DECIMAL(18,12) ends at a million dollars; the dearest rate is $6.67 per M."""
    assert 2 * MAX_COUNT * Decimal("6.667") / 1_000_000 < 1_000_000


def test_a_finish_reason_without_bounds_is_cut_and_made_harmless() -> None:
    reason = decode(chunk("stop\x1b[2J" + "x" * 10_000, content="a")).finish_reason
    assert reason is not None
    assert len(reason) <= 64
    assert reason.isprintable()


# Tool calls


def test_tool_call_pieces_are_joined_and_the_closing_null_chunk_is_ignored() -> None:
    def piece(
        arguments: str | None, call_id: str | None = None, name: str | None = None
    ) -> dict[str, Any]:
        kind = None if call_id is None else "function"
        function = {"name": name, "arguments": arguments}
        call = {"id": call_id, "type": kind, "index": 0, "function": function}
        return chunk(tool_calls=[call])

    decoder = AnswerDecoder()
    deltas: list[Delta] = []
    for event in (
        piece("", "call_1", "weather"),
        piece('{"city"'),
        piece(':"Oslo"}'),
        piece(None),
        chunk("tool_calls"),
    ):
        deltas += decoder.feed_object(event)
    assert decoder.answer.tool_calls == [ToolCall("call_1", "weather", '{"city":"Oslo"}')]
    assert [delta.kind for delta in deltas] == ["tool"] * 3
    assert decoder.answer.finish_reason == "tool_calls"
    assert decoder.answer.malformed is None


def test_two_tool_calls_that_arrive_interleaved_stay_apart() -> None:
    def piece(index: int, arguments: str, **named: str) -> dict[str, Any]:
        function = {"arguments": arguments, **named}
        return chunk(tool_calls=[{"index": index, "id": f"c{index}", "function": function}])

    answer = decode(
        piece(0, '{"a"', name="first"),
        piece(1, '{"b"', name="second"),
        piece(0, ":1}"),
        piece(1, ":2}"),
    )
    assert answer.tool_calls == [
        ToolCall("c0", "first", '{"a":1}'),
        ToolCall("c1", "second", '{"b":2}'),
    ]


@pytest.mark.parametrize(
    "call",
    [
        {"name": "f", "arguments": {"x": 1}},
        {"id": None, "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
    ],
)
@pytest.mark.parametrize("shape", ["native", "message", "envelope"])
def test_flat_and_nested_tool_calls_are_the_same_call(call: dict[str, Any], shape: str) -> None:
    whole: dict[str, Any] = {"response": None, "tool_calls": [call]}
    if shape == "message":
        whole = {"choices": [{"message": {"content": "", "tool_calls": [call]}}]}
    if shape == "envelope":
        whole = {"result": whole, "success": True}
    assert decode(whole).tool_calls == [ToolCall(None, "f", '{"x": 1}')]


def test_several_whole_calls_without_an_index_are_several_calls() -> None:
    calls = [{"name": "f", "arguments": {}}, {"name": "g", "arguments": {"y": [1]}}]
    assert decode({"tool_calls": calls}).tool_calls == [
        ToolCall(None, "f", "{}"),
        ToolCall(None, "g", '{"y": [1]}'),
    ]


# Errors


@pytest.mark.parametrize(
    "body",
    [
        {"result": None, "success": False, "errors": [{"code": 3040, "message": "busy"}]},
        {"error": [{"code": 3040, "message": "busy"}]},
        {"error": {"code": 3040, "message": "busy"}},
        {"object": "error", "code": 3040, "message": "busy"},
        {"errors": [{"code": "3040", "message": "busy"}], "success": False},
        {"internalCode": 3040, "error": "busy"},
        {"internalCode": 3040, "message": "busy", "success": False},
    ],
)
def test_an_error_is_found_in_every_shape(body: dict[str, Any]) -> None:
    error = decode(body).error
    assert error is not None
    assert (error.code, error.message) == (3040, "busy")
    assert decode(chunk(content="a"), body).text == "a"


@pytest.mark.parametrize(
    "body",
    [
        {"errors": [], "error": None, "success": True, "result": {"response": "x"}},
        {"choices": [{"message": {"content": "x"}}], "object": "chat.completion", "error": None},
        {"response": "x", "error": ""},
    ],
)
def test_an_empty_error_field_is_no_error(body: dict[str, Any]) -> None:
    answer = decode(body)
    assert answer.error is None
    assert answer.text == "x"


def test_the_cap_of_a_policy_is_told_by_its_fields() -> None:
    """Its words are documented nowhere, and 429 alone means five things."""
    cap = {"message": "No.", "bucket": "acme|*", "spent": 5, "limit": 5}
    found = find_error({"success": False, "error": cap})
    assert found is not None
    assert classify_response(429, found.code, found.message) is FailureClass.SPEND_LIMIT


def test_a_failure_that_says_nothing_is_still_an_error() -> None:
    error = decode({"success": False, "errors": [], "result": None}).error
    assert error is not None
    assert (error.code, error.message) == (None, "")


@pytest.mark.parametrize("code", [True, "x", 1.5, None, [], 10**12, "9" * 30, -(10**12)])
def test_what_is_no_code_is_none(code: Any) -> None:
    error = decode({"error": {"code": code, "message": "m"}}).error
    assert error is not None
    assert error.code is None


def test_what_is_not_json_is_malformed_and_the_rest_is_kept() -> None:
    answer = decode(chunk(content="a"), "<html>", chunk(content="b"), "[DONE]")
    assert (answer.text, answer.done) == ("ab", True)
    assert answer.malformed == "not JSON: '<html>'"


def test_two_documents_in_one_event_are_two_documents() -> None:
    lines = json.dumps(chunk(content="a")) + "\n" + json.dumps(chunk(content="b")) + "\n[DONE]"
    answer = decode(lines)
    assert (answer.text, answer.done, answer.malformed) == ("ab", True, None)


def test_the_model_that_answered_is_kept() -> None:
    assert decode({**chunk(content="a"), "model": "@cf/x/y"}).served_model == "@cf/x/y"
    assert decode({**chunk(content="a"), "model": 7}).served_model is None
