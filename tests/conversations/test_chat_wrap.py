"""Lines of a streamed answer are broken between words, and nothing else about them changes."""

import string
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.cli.chat_wrap import Wrapper, columns_of

TEXTS = st.text(string.ascii_letters + "   \n\n.`é", max_size=200)


def wrapped(pieces: Iterable[str], width: int = 20) -> str:
    wrapper = Wrapper(width)
    return "".join(wrapper.feed(piece) for piece in pieces) + wrapper.flush()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short", "short"),
        ("twenty columns fit it", "twenty columns fit\nit"),
        ("a " * 12, "a a a a a a a a a a\na a "),
        ("one\n\ntwo\n", "one\n\ntwo\n"),
        ("x" * 50 + " y", "x" * 50 + "\ny"),
        ("see " + "x" * 50, "see\n" + "x" * 50),
        ("  indented", "  indented"),
        (
            "```\n" + "code " * 8 + "\n```\n" + "word " * 5,
            "```\n" + "code " * 8 + "\n```\n" + "word word word word\nword ",
        ),
        ("日本" * 4 + " " + "日本" * 4, "日本" * 4 + "\n" + "日本" * 4),
    ],
)
def test_lines_are_broken_between_words(text: str, expected: str) -> None:
    assert wrapped([text]) == expected


@given(TEXTS, st.data())
def test_however_a_stream_is_cut_the_same_comes_out(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    places = [0, *cuts, len(text)]
    pieces = [text[a:b] for a, b in pairwise(places)]
    assert wrapped(pieces) == wrapped([text])


@given(TEXTS)
def test_every_word_and_every_break_of_the_text_is_still_there(text: str) -> None:
    shown = wrapped([text])
    assert shown.split() == text.split()
    assert shown.count("\n") >= text.count("\n")


@given(st.lists(st.text(string.ascii_letters + "日", min_size=1, max_size=8), max_size=60))
def test_no_line_is_wider_than_the_terminal(words: list[str]) -> None:
    shown = wrapped([" ".join(words)])
    assert all(columns_of(line) <= 20 for line in shown.split("\n"))
