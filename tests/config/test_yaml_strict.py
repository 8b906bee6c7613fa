"""The strict YAML layer: what it accepts round-trips; whatever else comes in is a problem."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wai_ops.config.problems import lines
from wai_ops.config.yaml_strict import Document, parse

# What JSON text in a YAML file can hold: no surrogates, no control characters, no odd breaks.
TEXTS = st.text(
    st.characters(
        exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029\ufeff\ufffe\uffff"
    )
)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
MAPPINGS = st.dictionaries(TEXTS, VALUES, max_size=6)


def problems_of(text: str) -> list[str]:
    document = parse(text.encode(), "f")
    return lines("f", document.problems)


def as_block(value: Any, indent: int = 0) -> str:
    """Write data in YAML's block style, scalars as JSON."""
    pad = " " * indent
    if isinstance(value, dict) and value:
        return "".join(
            f"{pad}? {json.dumps(key, ensure_ascii=False)}\n{pad}:\n{as_block(item, indent + 2)}"
            for key, item in value.items()
        )
    if isinstance(value, list) and value:
        return "".join(f"{pad}-\n{as_block(item, indent + 2)}" for item in value)
    return f"{pad}{json.dumps(value, ensure_ascii=False)}\n"


@given(MAPPINGS)
def test_json_text_round_trips(value: dict[str, Any]) -> None:
    document = parse(json.dumps(value, ensure_ascii=False).encode(), "f")
    assert (document.data, document.problems) == (value, [])


@given(MAPPINGS)
def test_block_style_round_trips_and_every_value_has_a_place(value: dict[str, Any]) -> None:
    document = parse(as_block(value).encode(), "f")
    assert (document.data, document.problems) == (value, [])
    for path in document.marks:
        found: Any = value
        for part in path:
            found = found[part]
    assert {path for path in document.marks if len(path) == 1} == {(key,) for key in value}


@settings(max_examples=300)
@given(st.text(st.sampled_from("ab:-?,[]{}#&*!|>'\"%@` \n\t0.1~<=\\\ud7ff\x85\0é\u2028")))
def test_no_text_crashes_the_parser(text: str) -> None:
    document = parse(text.encode("utf-8", "surrogatepass"), "f")
    assert document.problems or isinstance(document.data, dict | None)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_no_bytes_crash_the_parser(content: bytes) -> None:
    assert isinstance(parse(content, "f"), Document)


def test_an_empty_file_and_one_of_comments_hold_nothing() -> None:
    for text in ("", "\n", "# nothing\n", "---\n", "\ufeff# with a byte order mark\n"):
        document = parse(text.encode(), "f")
        assert (document.data, document.problems) == (None, [])


def test_every_problem_is_listed_at_once_with_its_place() -> None:
    text = """\
a: &x 1
b: *x
c: !!int "3"
a: 2
1: one
? [k]
: v
d: .nan
e: {f: 1, f: 2}
g: "\\ud800"
"""
    assert problems_of(text) == [
        "f:1:4: anchors are not supported: remove &x",
        "f:2:4: aliases are not supported: write out *x",
        "f:3:4: tags are not supported: remove !!int",
        "f:4:1: duplicate key `a`: the first is on line 1",
        "f:5:1: a key must be text: put `1` in quotes",
        "f:6:3: a key must be text: lists and mappings cannot be",
        "f:8:4: .nan is not a finite number; put it in quotes if it is text",
        "f:9:11: duplicate key `f`: the first is on line 9",
        "f:10:4: the text holds half of a surrogate pair",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n", "f:1:1: the file must be a mapping (`key: value` lines)"),
        ("just text\n", "f:1:1: the file must be a mapping (`key: value` lines)"),
        ("a: 1\n---\nb: 2\n", "f:2:1: only one document is allowed: remove the second `---`"),
        (
            "%YAML 1.1\n---\na: 1\n",
            "f:1:1: directives are not supported: remove the line that starts with %",
        ),
        ("a: b\n  c: d\n", "f:2:4: mapping values are not allowed here"),
        ("a: \u2028b\n", "f:1:4: the line break U+2028 is not allowed; escape it in double quotes"),
        ("a: b\x07\n", "f:1:5: the character U+0007 is not allowed; escape it in double quotes"),
    ],
)
def test_what_is_refused_is_named(text: str, problem: str) -> None:
    assert problems_of(text) == [problem]


def test_a_tab_for_indentation_is_a_problem_of_its_own_line() -> None:
    (problem,) = problems_of("a:\n\t- b\n")
    assert problem.startswith("f:2:1: ")
    assert "cannot start any token" in problem


def test_bytes_that_are_not_utf8_are_located() -> None:
    document = parse(b"a: 1\nb: \xff\n", "f")
    assert lines("f", document.problems) == ["f:2:4: this byte is not UTF-8"]


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_deep_nesting_is_refused_and_not_followed(opening: str) -> None:
    document = parse(b"a: " + opening.encode() * 20_000, "f")
    assert [p.message for p in document.problems] == ["nested deeper than 32 levels"]


def test_a_large_file_is_refused_unread() -> None:
    document = parse(b"a: " + b"x" * 300_000, "f")
    assert [p.message for p in document.problems] == ["the file is larger than 256 KiB"]


def test_fractions_are_decimals_of_the_source_text() -> None:
    document = parse(b"a: 0.10\nb: 0.12345678901234567890123\n", "f")
    assert document.data == {"a": Decimal("0.10"), "b": Decimal("0.12345678901234567890123")}
