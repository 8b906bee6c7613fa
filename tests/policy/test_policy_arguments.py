"""Checks of arguments: compiled keywords agree with jsonschema; what is no JSON fits nothing."""

import subprocess
import sys
from typing import Any
from zlib import crc32

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wai_ops.control.policy.arguments import MAX_DEPTH, MAX_NODES, ArgumentCheck
from wai_ops.control.policy.schema import KEYWORDS, schema_problems

NAMES = st.sampled_from(("a", "b", "c"))
NUMBERS = st.integers(-3, 3) | st.sampled_from((0.5, 1.0, -2.0, 2.5))
TEXTS = st.sampled_from(("", "a", "ab", "abc", "é", "1"))
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(("string", "integer", "number", "boolean", "null", "array", "object"))
COUNTS = st.integers(0, 3)


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas with any of the keywords, those included that go to jsonschema."""
    each: dict[str, st.SearchStrategy[Any]] = {
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "const": VALUES,
        "minimum": NUMBERS,
        "maximum": NUMBERS,
        "exclusiveMinimum": NUMBERS,
        "exclusiveMaximum": NUMBERS,
        "multipleOf": st.sampled_from((1, 2, 0.5)),
        "minLength": COUNTS,
        "maxLength": COUNTS,
        "pattern": st.sampled_from(("^a", "b$", "^[a-c]*$", "1", "^$")),
        "minItems": COUNTS,
        "maxItems": COUNTS,
        "uniqueItems": st.booleans(),
        "minProperties": COUNTS,
        "maxProperties": COUNTS,
        "required": st.lists(NAMES, unique=True),
        "properties": st.dictionaries(NAMES, inner, max_size=3),
        "additionalProperties": inner,
        "propertyNames": inner,
        "items": inner,
        "prefixItems": st.lists(inner, min_size=1, max_size=2),
        "contains": inner,
        "allOf": st.lists(inner, min_size=1, max_size=2),
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "oneOf": st.lists(inner, min_size=1, max_size=2),
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, unique=True), max_size=2),
        "$ref": st.just("#/$defs/x"),
        "title": st.just("t"),
    }
    return st.fixed_dictionaries({}, optional=each).map(_thinned)


def _thinned(schema: dict[str, Any]) -> dict[str, Any]:
    """A few keywords of many, chosen by what they hold: small schemas say more."""
    kept = sorted(schema, key=lambda key: crc32(repr((key, schema[key])).encode()))
    return {key: schema[key] for key in kept[:4]}


SCHEMAS = st.recursive(st.booleans() | keywords(st.booleans()), keywords, max_leaves=4)


@given(SCHEMAS, st.dictionaries(NAMES, VALUES, max_size=3))
@settings(max_examples=150)
def test_compiled_keywords_agree_with_jsonschema(schema: Any, arguments: dict[str, Any]) -> None:
    whole = {"allOf": [schema], "$defs": {"x": {"type": "object"}}}
    assert schema_problems(whole) == []
    expected = jsonschema.Draft202012Validator(whole).is_valid(arguments)
    assert (ArgumentCheck(whole).problem(arguments) is None) is expected


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"a": float("nan")}, "are not JSON"),
        ({"a": float("inf")}, "are not JSON"),
        ({"a": (1, 2)}, "are not JSON"),
        ({"a": object()}, "are not JSON"),
        ({"a": list(range(MAX_NODES))}, "too large"),
        (None, "not known"),
    ],
)
def test_what_is_no_plain_json_fits_no_schema(
    arguments: dict[str, Any] | None, problem: str
) -> None:
    assert problem in (ArgumentCheck({}).problem(arguments) or "")


def test_nesting_is_bounded() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    assert "too large" in (ArgumentCheck({}).problem(deep) or "")
    fine: dict[str, Any] = {}
    for _ in range(MAX_DEPTH - 2):
        fine = {"a": fine}
    assert ArgumentCheck({}).problem(fine) is None


def test_a_misfit_names_the_place_and_the_keyword_and_never_the_value() -> None:
    check = ArgumentCheck(
        {
            "properties": {
                "card": {"type": "string", "pattern": "^4"},
                "items": {"items": {"properties": {"n": {"multipleOf": 2}}}},
            }
        }
    )
    assert check.problem({"card": "5105105105105100"}) == (
        "arguments.card: does not meet `pattern: ^4`"
    )
    assert check.problem({"items": [{"n": 2}, {"n": 31337}]}) == (
        "arguments.items[1].n: does not meet `multipleOf: 2`"
    )


def test_a_pattern_that_would_take_for_ever_elsewhere_takes_no_time() -> None:
    check = ArgumentCheck({"properties": {"a": {"pattern": "^(a+)+$"}}})
    assert check.problem({"a": "a" * 50_000 + "b"}) is not None
    assert check.problem({"a": "a" * 50_000}) is None


LEAVES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.0, 1.5, -0.5, "", "string", "x", [], ["string"], ["x", "x"]),
    *(["string", "null"], ["a", 1], {}, {"a": []}, {"a": ["b"]}, {"a": ["b", "b"]}, {"a": {}}),
    *([{}], [True], {"a": True}, {"a": 1}, [1], {"type": "string"}, {"type": "x"}),
)
TAKEN_APART = {"$ref", "$schema", "pattern"}
"""Keywords that policies take less of than JSON Schema does."""


@pytest.mark.parametrize("keyword", sorted(KEYWORDS - TAKEN_APART))
def test_what_may_stand_behind_a_keyword_is_what_the_meta_schema_says(keyword: str) -> None:
    whole = jsonschema.Draft202012Validator.META_SCHEMA
    meta = jsonschema.Draft202012Validator(whole)
    for value in LEAVES:
        schema = {keyword: value}
        found = [text for _, text in schema_problems(schema)]
        # Names inside of a value that are no keywords are an error to policies alone.
        found = [text for text in found if "unknown keyword" not in text]
        assert (found == []) is meta.is_valid(schema), (schema, found)


def test_loading_rules_with_usual_schemas_does_not_import_jsonschema() -> None:
    code = (
        "import sys\n"
        "from wai_ops.control.policy.arguments import ArgumentCheck\n"
        "from wai_ops.control.policy.schema import KEYWORDS, schema_problems\n"
        "schema = {'type': 'object', 'properties': {'a': {'pattern': 'x', 'maxLength': 3}}}\n"
        "assert schema_problems(schema) == []\n"
        "assert ArgumentCheck(schema).problem({'a': 'y'})\n"
        "print('jsonschema' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
