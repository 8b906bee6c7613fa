"""Response shape: fields picked, tables cut, size capped, the same bytes for the same data."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.tokens import estimate_tokens
from wai_ops.runtime.tools.canonical import canonical_json
from wai_ops.runtime.tools.model import OutputFormat, OutputShape
from wai_ops.runtime.tools.outcome import Raw, ToolFailed, ToolProblem
from wai_ops.runtime.tools.paths import parse_path, pick
from wai_ops.runtime.tools.shape import failure_text, shaped

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=6)
    | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=30,
)  # fmt: skip


def shape(content: str | bytes, most: int = 2000, **how: Any) -> dict[str, Any]:
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    told: dict[str, Any] = json.loads(shaped(Raw(content=data), OutputShape(**how), most))
    return told


def problem(content: bytes, **how: Any) -> ToolProblem:
    with pytest.raises(ToolFailed) as failed:
        shaped(Raw(content=content), OutputShape(**how), 2000)
    return failed.value.problem


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["name"], {"name": "Ann"}),
        (["orders[].id"], {"orders": [{"id": 1}, {"id": 2}]}),
        (["$.orders[0].total", "name"], {"name": "Ann", "orders": [{"total": 5}]}),
        (['["a.b"].c'], {"a.b": {"c": [1, 2]}}),
        (['["a.b"].c[1]'], {"a.b": {"c": [2]}}),
        (["orders"], {"orders": [{"id": 1, "total": 5}, {"id": 2, "total": 7}]}),
        (["empty[].x"], {"empty": []}),
        (["nothing", "name.first"], None),
    ],
)
def test_picking_keeps_the_shape_of_what_it_keeps(paths: list[str], expected: Any) -> None:
    data = {
        "name": "Ann",
        "orders": [{"id": 1, "total": 5}, {"id": 2, "total": 7}],
        "a.b": {"c": [1, 2]},
        "empty": [],
    }
    assert shape(json.dumps(data), pick=tuple(paths)) == {"ok": True, "data": expected}


@pytest.mark.parametrize("path", ["", "$", "a..b", "a b", "[", "[]x", "a[-1]", ".a", "a.", "a[x]"])
def test_what_is_no_path_is_named(path: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        parse_path(path)


@given(JSON)
def test_picking_never_invents_anything(data: Any) -> None:
    got = pick(data, [parse_path("a.b"), parse_path("[].a"), parse_path("a[0]")])
    if isinstance(got, dict) and got:
        assert set(got) <= set(data)


def test_long_tables_are_cut_and_what_is_left_out_is_counted_by_place() -> None:
    data = {"rows": [{"n": n, "tags": list(range(n))} for n in range(10)]}
    assert shape(json.dumps(data), rows=3) == {
        "ok": True,
        "data": {"rows": [{"n": 0, "tags": []}, {"n": 1, "tags": [0]}, {"n": 2, "tags": [0, 1]}]},
        "left_out": {"rows": {"rows": 7}},
    }
    assert shape("[[1,2,3],[4,5,6],[7]]", rows=2)["left_out"] == {"rows": {"all": 1, "[]": 2}}


def test_a_text_is_cut_by_lines() -> None:
    told = shape("".join(f"line {n}\n" for n in range(9)), rows=2)
    assert told == {"ok": True, "data": "line 0\nline 1\n", "left_out": {"rows": {"all": 7}}}


@given(JSON, st.integers(40, 400))
def test_a_result_never_takes_more_tokens_than_its_family_may(data: Any, most: int) -> None:
    text = shaped(Raw(content=json.dumps(data).encode()), OutputShape(), most)
    assert estimate_tokens(text) <= most
    assert json.loads(text)["ok"] in (True, False)


def test_a_large_result_is_cut_by_rows_first_and_by_characters_then() -> None:
    data = {"rows": [{"text": "x" * 400} for _ in range(1000)]}
    told = shape(json.dumps(data), most=300)
    assert estimate_tokens(canonical_json(told)) <= 300
    assert told["left_out"]["rows"]["rows"] > 900
    one = shape(json.dumps({"text": "x" * 100_000}), most=300)
    assert one["left_out"]["chars"]["text"] + len(one["data"]["text"]) == 100_000
    wide = shape(json.dumps({f"key {n}": n for n in range(5000)}), most=300)
    assert wide["error"]["type"] == "output_too_large"


@given(JSON)
def test_the_same_data_gives_the_same_bytes_however_it_was_spelled(data: Any) -> None:
    spellings = [
        json.dumps(data),
        json.dumps(data, indent=3, ensure_ascii=False),
        json.dumps(data, sort_keys=True),
    ]
    raws = [Raw(content=text.encode("utf-8", "surrogatepass")) for text in spellings]
    assert len({shaped(raw, OutputShape(), 5000) for raw in raws}) == 1


def test_numbers_have_one_spelling() -> None:
    text = '{"b":1.0,"a":1e2,"c":-0.0,"d":0.1,"e":12345678901234567890}'
    assert shaped(Raw(content=text.encode()), OutputShape(), 500) == (
        '{"data":{"a":100,"b":1,"c":0,"d":0.1,"e":12345678901234567890},"ok":true}'
    )


def test_a_shaped_result_shaped_again_is_the_same() -> None:
    data = canonical_json({"b": [1.5, "x"], "a": None})
    assert canonical_json(shape(data)["data"]) == data


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x08\x7fb", "a␈␡b"),
        ("left\u202eright", "left<U+202E>right"),
        ("\x9b2Jx", "x"),
    ],
)
def test_what_steers_terminals_never_gets_through(raw: str, seen: str) -> None:
    assert shape(raw)["data"] == seen
    assert shape(json.dumps({"k": raw}))["data"] == {"k": seen}


def test_output_that_is_no_text_is_a_failure_of_the_call() -> None:
    assert problem(b"\x89PNG\r\n\x1a\n\xff\xfe") is ToolProblem.NOT_TEXT
    assert problem(b"a\0b") is ToolProblem.NOT_TEXT


@pytest.mark.parametrize("text", ["NaN", '{"a": 1e999}', "{", "[1,]", "[" * 100_000, "9" * 5000])
def test_what_is_no_json_is_text_or_a_failure_where_json_was_promised(text: str) -> None:
    assert problem(text.encode(), format=OutputFormat.JSON) is ToolProblem.NOT_JSON
    assert problem(text.encode(), pick=("a",)) is ToolProblem.NOT_JSON
    assert isinstance(shape(text, most=30_000)["data"], str)


def test_text_stays_text_where_text_was_promised() -> None:
    assert shape("123", format=OutputFormat.TEXT)["data"] == "123"
    assert shape("123")["data"] == 123


def test_a_failure_is_short_structured_and_harmless() -> None:
    text = failure_text(ToolProblem.FAILED, "HTTP 500: \x1b[2Joops " + "x" * 2000)
    told = json.loads(text)
    assert (told["ok"], told["error"]["type"]) == (False, "tool_error")
    assert told["error"]["message"].startswith("HTTP 500: oops x")
    assert len(text) < 600
