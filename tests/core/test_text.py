"""Whatever a model writes, a terminal stays as it was."""

import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.text import one_line, printable

# Lone surrogates are legal in Python text and in JSON escapes; hypothesis leaves them out unasked.
ANY_CHARACTER = st.one_of(
    st.characters(),
    st.integers(0, 0x9F).map(chr),
    st.integers(0xD800, 0xDFFF).map(chr),
    st.sampled_from("\u202e\u2066\u200f\u061c\u2028\ufeff\U000e0041\x1b\x9b\u200d"),
)
ANY_TEXT = st.text(ANY_CHARACTER, max_size=60)
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
JOINERS = {"\u200c", "\u200d"}


def is_dangerous(character: str) -> bool:
    """Say whether a character steers, hides or reorders; joiners are needed to write."""
    return (
        unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(character) in BIDI
    ) and character not in JOINERS


def test_no_character_of_all_of_unicode_gets_through_if_it_could_steer_a_terminal() -> None:
    for code in range(sys.maxunicode + 1):
        shown = printable(chr(code))
        left = [c for c in shown if is_dangerous(c) and c not in "\n\t"]
        assert not left, f"U+{code:04X} is shown as {shown!r}"
        left = [c for c in one_line(f"a{chr(code)}b") if is_dangerous(c)]
        assert not left, f"U+{code:04X} gets through one_line"


def test_every_harmless_character_is_shown_as_it_is() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if not is_dangerous(character) and unicodedata.category(character) != "Cn":
            assert printable(character) == character


@given(st.lists(ANY_TEXT, max_size=5))
def test_a_stream_cut_anywhere_is_shown_the_same(pieces: list[str]) -> None:
    assert "".join(map(printable, pieces)) == printable("".join(pieces))


@given(ANY_TEXT)
def test_what_was_made_printable_stays_as_it_is_and_can_be_encoded(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    assert shown.encode("utf-8").decode("utf-8") == shown


@given(ANY_TEXT, st.integers(1, 50))
def test_one_line_is_one_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert "\t" not in line


@given(st.text(st.characters(categories=["L", "N", "P"]), max_size=300))
def test_a_short_harmless_line_is_left_alone(text: str) -> None:
    assert one_line(text) == text


def test_an_escape_sequence_is_shown_not_obeyed() -> None:
    assert printable("\x1b[2J\x1b]0;owned\x07") == "␛[2J␛]0;owned␇"
    assert printable("\x9b31m") == "<U+009B>31m"
    assert printable("a\r\nb\tc") == "a␍\nb\tc"
