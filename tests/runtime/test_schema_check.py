"""An answer against its schema: judged, never repaired, and nothing is ever fetched."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.wire_server import http, wire_server
from wai_ops.cloudflare.decode import Answer
from wai_ops.cloudflare.inference import Reply
from wai_ops.core.errors import UsageError
from wai_ops.core.failures import FailureClass
from wai_ops.runtime.schema_check import SchemaCheck

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


def judged(schema: dict[str, Any], text: str, reason: str | None = "stop") -> tuple[Reply, Any]:
    """The reply after it was judged, and the parsed output."""
    check = SchemaCheck(schema, where="s.json")
    reply = Reply(answer=Answer(text=text, finish_reason=reason))
    check(reply)
    return reply, check.output


def test_an_answer_that_meets_its_schema_is_parsed() -> None:
    reply, output = judged(PERSON, ' {"name": "Ada", "age": 36}\n')
    assert reply.failure is None
    assert output == {"name": "Ada", "age": 36}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"name": "Ada", "age": -1}', "at /age: -1 is less than the minimum of 0"),
        ("{}", "at /: 'name' is a required property"),
        ("[]", "at /: [] is not of type 'object'"),
        ("null", "at /: None is not of type 'object'"),
    ],
)
def test_an_answer_against_its_schema_says_where_and_why(text: str, message: str) -> None:
    reply, output = judged(PERSON, text)
    assert (reply.failure, reply.error_message) == (FailureClass.INVALID_OUTPUT, message)
    assert output is None
    assert reply.answer.text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sure! {}",
        "```json\n{}\n```",
        "{",
        "[" * 100_000,
        "9" * 5000,
        "NaN",
        "[-Infinity]",
        "1e400",
    ],
)
def test_what_is_not_json_is_not_repaired(text: str) -> None:
    reply, output = judged(PERSON, text)
    assert reply.failure is FailureClass.INVALID_OUTPUT
    assert (reply.error_message or "").startswith("not JSON: ")
    assert output is None


@pytest.mark.parametrize("reason", ["length", "model_length"])
def test_an_answer_cut_by_the_limit_is_not_judged_by_its_shape(reason: str) -> None:
    reply, output = judged(PERSON, '{"na', reason)
    assert reply.failure is None
    assert output is None


@given(JSON)
def test_an_empty_schema_takes_every_json(value: Any) -> None:
    reply, output = judged({}, json.dumps(value))
    assert reply.failure is None
    assert output == value


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
def test_a_reference_to_elsewhere_is_never_fetched(keyword: str) -> None:
    with wire_server([http("200 OK", b"{}")]) as server:
        reply, output = judged({keyword: f"{server.base_url}/schema.json"}, "{}")
        assert server.requests == []
    assert reply.failure is FailureClass.INVALID_OUTPUT
    assert "the schema refers to what it does not hold" in (reply.error_message or "")
    assert output is None


def test_a_reference_to_a_file_is_never_read(tmp_path: Any) -> None:
    (tmp_path / "s.json").write_text("{}")
    reply, _ = judged({"$ref": (tmp_path / "s.json").as_uri()}, "{}")
    assert reply.failure is FailureClass.INVALID_OUTPUT


def test_a_reference_within_the_schema_is_followed() -> None:
    schema = {"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}
    assert judged(schema, "[1, 2]")[0].failure is None
    assert judged(schema, '[1, "2"]')[0].failure is FailureClass.INVALID_OUTPUT


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "text"}, "s.json#/type"),
        ({"properties": {"a": {"minimum": "1"}}}, "s.json#/properties/a/minimum"),
        ({"pattern": "("}, "s.json#/pattern"),
        ({"multipleOf": 0}, "s.json#/multipleOf"),
        ({"$ref": 5}, "s.json#/$ref"),
    ],
)
def test_what_is_no_schema_is_refused_before_anything_is_sent(
    schema: dict[str, Any], place: str
) -> None:
    with pytest.raises(UsageError, match="not a valid JSON Schema") as caught:
        SchemaCheck(schema, where="s.json")
    assert caught.value.where == place


SCHEMA_KEYS = st.sampled_from(
    [
        "type", "properties", "items", "$ref", "$id", "$schema", "pattern", "enum", "minimum",
        "multipleOf", "allOf", "not", "required", "$defs", "format", "patternProperties", "$anchor",
    ]
)  # fmt: skip
SCHEMA_VALUES = st.one_of(
    JSON,
    st.sampled_from(["object", "string", "#", "#/x", "http://[x", "http://json-schema.org/x", "("]),
)
SCHEMAS = st.recursive(
    st.dictionaries(SCHEMA_KEYS, SCHEMA_VALUES, max_size=4),
    lambda inner: st.dictionaries(
        SCHEMA_KEYS, inner | st.dictionaries(st.text(max_size=4), inner, max_size=2), max_size=3
    ),
    max_leaves=6,
)


@given(SCHEMAS, JSON)
def test_any_schema_is_refused_or_judges_any_answer(schema: dict[str, Any], value: Any) -> None:
    """A paid answer must never be lost to an exception out of its judgement."""
    try:
        check = SchemaCheck(schema, where="s.json")
    except UsageError:
        return
    reply = Reply(answer=Answer(text=json.dumps(value)))
    check(reply)
    assert reply.failure in {None, FailureClass.INVALID_OUTPUT}
    assert reply.failure is None or check.output is None


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"items": {"$ref": "#"}}, "[" * 300 + "]" * 300),
        ({"$ref": "#"}, "{}"),
        ({"multipleOf": 0.5}, "1" + "0" * 400),
    ],
)
def test_an_answer_that_cannot_be_judged_is_invalid_and_not_an_exception(
    schema: dict[str, Any], text: str
) -> None:
    reply, output = judged(schema, text)
    assert reply.failure is FailureClass.INVALID_OUTPUT
    assert reply.error_message
    assert output is None
