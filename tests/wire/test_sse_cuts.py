"""Server-sent events: the same events however the network cut the bytes."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wai_ops.cloudflare.sse import MAX_LINE, SseOverflow, SseParser

ENDS = ("\n", "\r\n", "\r")
PAYLOADS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=12)


def events(*pieces: bytes) -> list[str]:
    """What a parser makes of these pieces, to the end."""
    parser = SseParser()
    found = [data for piece in pieces for data in parser.feed(piece)]
    return found + list(parser.finish())


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The bytes in pieces, cut at these places; every byte alone when there are none."""
    if not places:
        return [data[i : i + 1] for i in range(len(data))]
    marks = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(marks)]


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """A well-formed stream with mixed line ends, comments and foreign fields, and its events."""
    text, expected = "", []
    for _ in range(draw(st.integers(0, 4))):
        end = draw(st.sampled_from(ENDS))
        lines = draw(st.lists(PAYLOADS, min_size=1, max_size=3))
        expected.append("\n".join(lines))
        for line in lines:
            if draw(st.booleans()):
                text += draw(st.sampled_from([": keep-alive", "event: x", "id: 7", "retry: 10"]))
                text += end
            text += f"data: {line}{end}"
        text += end
    return text.encode(), expected


@given(streams(), st.lists(st.integers(0, 10_000), max_size=8))
def test_every_cut_of_the_bytes_gives_the_same_events(
    stream: tuple[bytes, list[str]], places: list[int]
) -> None:
    data, expected = stream
    assert events(data) == expected
    assert events(*cut(data, places)) == expected


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=6),
            st.sampled_from([b"data: ", b"\r", b"\n", b"\r\n", b": c", b"\xf0\x9f", b"\x98\x80"]),
        ),
        max_size=20,
    ),
    st.lists(st.integers(0, 200), max_size=8),
)
@example([b"data: \xf0\x9f", b"\x98", b"\x80\r", b"\n\r", b"\n"], [])
@example([b"data: a\r", b"\rdata: b\r\n"], [])
def test_even_garbage_gives_the_same_events_for_every_cut(
    pieces: list[bytes], places: list[int]
) -> None:
    data = b"".join(pieces)
    assert events(*pieces) == events(data)
    assert events(*cut(data, places)) == events(data)


@pytest.mark.parametrize("place", range(1, len("data: 😀é\r\n\r\n".encode())))
def test_a_character_cut_in_two_is_whole_again(place: int) -> None:
    data = "data: 😀é\r\n\r\n".encode()
    assert events(data[:place], data[place:]) == ["😀é"]


def test_the_second_half_of_a_line_end_that_was_cut_in_two_ends_nothing() -> None:
    parser = SseParser()
    assert list(parser.feed(b"data: a\r")) == []
    assert list(parser.feed(b"\ndata: b\r")) == []
    assert list(parser.feed(b"\n\r")) == ["a\nb"]
    assert list(parser.feed(b"\n")) == []
    assert list(parser.finish()) == []


def test_comments_and_other_fields_are_no_events() -> None:
    assert events(b": ping\n\n: ping\n\nevent: x\nid: 1\n\nretry: 3\n\n") == []
    assert events(b"database: no\n\ndata\n\n") == []


def test_only_one_space_after_the_colon_is_taken_away() -> None:
    assert events(b"data:a\n\ndata: b\n\ndata:  c\n\n") == ["a", "b", " c"]


def test_an_event_that_the_end_of_the_stream_cut_short_is_still_given() -> None:
    assert events(b"data: [DONE]") == ["[DONE]"]
    assert events(b"data: [DONE]\n") == ["[DONE]"]


def test_a_byte_order_mark_at_the_start_is_no_part_of_the_first_line() -> None:
    assert events(b"\xef\xbb\xbfdata: a\n\n") == ["a"]
    assert events(b"\xef", b"\xbb", b"\xbfdata: a\n\n") == ["a"]
    assert events(b"data: \xef\xbb\xbfa\n\n") == ["\ufeffa"]


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert events(b"data: a\xff\xfeb\n\n") == ["a\ufffd\ufffdb"]


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    parser = SseParser()
    piece = b"x" * (1024 * 1024)
    for _ in range(MAX_LINE // len(piece)):
        assert list(parser.feed(piece)) == []
    with pytest.raises(SseOverflow, match=str(MAX_LINE)):
        list(parser.feed(piece))


def test_an_event_of_lines_without_end_is_refused_before_it_fills_the_memory() -> None:
    parser = SseParser()
    lines = b"data: " + b"x" * 1_000_000 + b"\n"
    for _ in range(MAX_LINE // len(lines)):
        assert list(parser.feed(lines)) == []
    with pytest.raises(SseOverflow, match=str(MAX_LINE)):
        list(parser.feed(lines))
