"""Arguments in addresses, bodies and argument lists: they never become syntax."""

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.control.outbound.url import parse_target
from wai_ops.runtime.tools.canonical import canonical_json
from wai_ops.runtime.tools.template import TemplateError, fill_argv, fill_body, fill_url

URL = "https://api.example.com/v1/customers/{id}/orders/o-{n}.json"
SINGLE = (
    st.text(max_size=40)
    | st.integers()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
)


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)


@given(st.text(max_size=60), st.text(max_size=20))
def test_a_value_in_the_path_is_one_segment_or_refused(first: str, second: str) -> None:
    try:
        url = fill_url(URL, {}, {"id": first, "n": second})
    except TemplateError:
        return
    parsed = parse_target(url, "GET")
    assert parsed.origin == "https://api.example.com"
    segments = parsed.target.path.split("/")
    assert [unquote(segment) for segment in segments] == [
        "", "v1", "customers", first, "orders", f"o-{second}.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "value",
    ["..", ".", "../../admin", "a/b", "a\\b", "%2e%2e", "%2f", "", "a\0", "a\nb", "x;y", "a%"],
)
def test_what_some_server_could_read_as_another_path_is_refused(value: str) -> None:
    with pytest.raises(TemplateError):
        fill_url("https://api.example.com/v1/{id}", {}, {"id": value})


def test_two_values_cannot_make_a_dot_segment_together() -> None:
    with pytest.raises(TemplateError):
        fill_url("https://api.example.com/{a}{b}/x", {}, {"a": ".", "b": "."})


@given(SINGLE, st.lists(SINGLE, max_size=4))
def test_a_value_in_the_query_is_one_value_whatever_it_holds(single: Any, several: Any) -> None:
    query = {"q": "{q}", "tag": "{tag}", "fixed": "a=b&c", "mixed": "<{q}>"}
    try:
        url = fill_url("https://api.example.com/s", query, {"q": single, "tag": several})
    except UnicodeEncodeError:
        raise AssertionError("a character that no address can hold got this far") from None
    parts = urlsplit(url)
    assert (parts.netloc, parts.path, parts.fragment) == ("api.example.com", "/s", "")
    pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True, separator="&")
    assert pairs == [
        ("q", text_of(single)),
        *(("tag", text_of(item)) for item in several),
        ("fixed", "a=b&c"),
        ("mixed", f"<{text_of(single)}>"),
    ]


def test_what_was_not_given_is_left_out() -> None:
    url = fill_url("https://a.example.com/x", {"a": "{a}", "b": "{b}"}, {"b": 1})
    assert url == "https://a.example.com/x?b=1"
    assert fill_body({"a": "{a}", "b": "{b}", "c": ["{a}", "{b}"]}, {"b": [1]}) == {
        "b": [1],
        "c": [[1]],
    }
    assert fill_argv(["x", "--a={a}", "{b}"], {"b": "y"}, root="/r") == ["x", "y"]


@given(st.recursive(SINGLE, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_a_body_holds_the_argument_itself_and_stays_json(value: Any) -> None:
    body = fill_body(
        {"outer": {"inner": "{v}"}, "fixed": "{{}}"[1:3], "list": ["{v}"]}, {"v": value}
    )
    assert body["outer"]["inner"] == value
    assert set(body) == {"outer", "fixed", "list"}
    assert json.loads(json.dumps(body)) == body


def test_values_are_never_read_as_templates_again() -> None:
    arguments = {"a": "{b}", "b": "secret", "c": "{@root}"}
    assert fill_url("https://a.example.com/{a}", {}, arguments).endswith("/%7Bb%7D")
    assert fill_body({"x": "{a} {c}"}, arguments) == {"x": "{b} {@root}"}
    assert fill_argv(["p", "{a}", "{@root}/{c}"], arguments, root="/r{b}") == [
        "p",
        "{b}",
        "/r{b}/{@root}",
    ]


def test_a_nul_character_never_reaches_an_argument_list() -> None:
    with pytest.raises(TemplateError):
        fill_argv(["p", "x{a}"], {"a": "\0"}, root="/")
