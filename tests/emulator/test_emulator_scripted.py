"""The scripted backend's pure parts."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.emulator.backends.schema_instance import instance_of
from wai_ops.emulator.backends.scripted import answer, render, tokenise
from wai_ops.emulator.inference.call import Call, Message, Tool

SCHEMAS: list[dict[str, Any]] = [
    {"type": "object"},
    {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number"}}},
    {
        "type": "object",
        "properties": {
            "when": {"type": "string", "format": "date-time"},
            "mail": {"type": "string", "format": "email"},
            "kind": {"enum": ["red", "green"]},
            "fixed": {"const": 7},
            "maybe": {"type": ["string", "null"]},
            "flag": {"type": "boolean"},
            "nothing": {"type": "null"},
        },
        "required": ["when", "mail", "kind", "fixed", "maybe", "flag", "nothing"],
        "additionalProperties": False,
    },
    {"type": "array", "items": {"type": "integer", "minimum": 5}, "minItems": 3},
    {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}]},
    {"type": "array", "maxItems": 0},
    {"type": "string", "minLength": 20, "maxLength": 22},
    {"type": "string", "maxLength": 2},
    {"type": "integer", "exclusiveMinimum": 3, "multipleOf": 5},
    {"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
    {"type": "integer", "maximum": -4},
    {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    {"oneOf": [{"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}]},
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        ]
    },
    {
        "type": "object",
        "properties": {"node": {"$ref": "#/$defs/node"}},
        "required": ["node"],
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["name", "children"],
            }
        },
    },
    {"type": "string", "default": "as given"},
    {},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
def test_the_instance_is_valid_for_its_schema(schema: dict[str, Any]) -> None:
    jsonschema.validate(instance_of(schema), schema)


KEYWORDS = ["type", "items", "properties", "required", "enum", "allOf", "anyOf", "$ref", "x"]
KEYWORDS += ["minItems", "minLength", "maxLength", "minimum", "multipleOf", "uniqueItems", "format"]
NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "array", "#", "#/x"]),
    lambda inner: st.dictionaries(st.sampled_from(KEYWORDS), inner) | st.lists(inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(KEYWORDS), NONSENSE))
def test_nonsense_for_a_schema_still_gets_an_answer(schema: dict[str, Any]) -> None:
    assert len(json.dumps(instance_of(schema))) < 1_000_000


def test_a_schema_cannot_ask_for_more_than_fits() -> None:
    many = {f"p{n}": {"$ref": "#"} for n in range(50)}
    for greedy in (
        {"type": "array", "minItems": 10**9},
        {"type": "string", "minLength": 10**9},
        {"type": "object", "properties": many, "required": list(many)},
    ):
        assert len(json.dumps(instance_of(greedy))) < 100_000


@given(st.text())
def test_tokens_joined_again_are_the_text(text: str) -> None:
    assert "".join(tokenise(text)) == text


def test_english_runs_at_about_four_bytes_a_token() -> None:
    text = "The quick brown fox jumps over the lazy dog and says something understandable. " * 10
    assert 3 < len(text) / len(tokenise(text)) < 6


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant", "system"]), st.text()), min_size=1))
def test_a_longer_conversation_keeps_its_beginning(turns: list[tuple[str, str]]) -> None:
    """All that comes before the last mark is a prefix of the next turn's prompt."""
    messages = [Message(role=role, content=content) for role, content in turns]
    earlier = render(Call(messages=messages))
    later = render(Call(messages=[*messages, Message(role="user", content="more")]))
    assert later[: len(earlier) - 1] == earlier[:-1]


def test_tools_are_part_of_the_prompt() -> None:
    message = [Message(role="user", content="x")]
    assert render(Call(messages=message)) != render(Call(messages=message, tools=[Tool(name="t")]))


TOLD = '{"type": "object", "properties": {"setup": {"type": "string"}}, "required": ["setup"]}'


@pytest.mark.parametrize(
    "text", [TOLD, f"Answer by this: {TOLD}.", f'Not {{"an": "example"}} or {{broken, but {TOLD}']
)
def test_json_mode_follows_a_schema_that_stands_in_a_message(text: str) -> None:
    messages = [Message(role="system", content=text), Message(role="user", content="A joke")]
    call = Call(messages=messages, json_schema={"type": "object"})
    assert json.loads(answer(call)) == {"setup": "scripted"}


@pytest.mark.parametrize("text", ["A joke", "{" * 100_000, '{"properties": 1}', "[" * 100_000])
def test_json_mode_without_any_schema_answers_an_empty_object(text: str) -> None:
    call = Call(messages=[Message(role="user", content=text)], json_schema={"type": "object"})
    assert json.loads(answer(call)) == {}


def test_a_schema_of_the_request_is_followed_whatever_the_messages_say() -> None:
    own = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    call = Call(messages=[Message(role="user", content=TOLD)], json_schema=own)
    assert set(json.loads(answer(call))) == {"n"}
