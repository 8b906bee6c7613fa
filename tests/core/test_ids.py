"""Ids that sort by time, and names that survive everywhere."""

import string
import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.ids import is_name, uuid7

MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2999, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(now=MOMENTS, noise=st.binary(min_size=10, max_size=10))
def test_a_uuid7_is_laid_out_as_rfc_9562_says(now: datetime, noise: bytes) -> None:
    made = uuid.UUID(uuid7(now, lambda size: noise[:size]))
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == int(now.timestamp() * 1000)
    random_bits = (made.int >> 64 & 0xFFF) << 62 | made.int & (1 << 62) - 1
    tail = int.from_bytes(noise, "big")
    assert random_bits == (tail >> 68 & 0xFFF) << 62 | tail & (1 << 62) - 1


@given(now=MOMENTS, noise=st.binary(min_size=10, max_size=10))
def test_a_uuid7_is_spelled_as_the_standard_library_spells_it(now: datetime, noise: bytes) -> None:
    text = uuid7(now, lambda _: noise)
    assert text == str(uuid.UUID(text))


@given(
    now=MOMENTS,
    later_ms=st.integers(min_value=1, max_value=10**10),
    noise=st.tuples(st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10)),
)
def test_ids_of_different_milliseconds_sort_by_time_as_text(
    now: datetime, later_ms: int, noise: tuple[bytes, bytes]
) -> None:
    whole = now.replace(microsecond=now.microsecond // 1000 * 1000)
    first = uuid7(whole, lambda _: noise[0])
    second = uuid7(whole + timedelta(milliseconds=later_ms), lambda _: noise[1])
    assert first < second


def test_ids_made_at_the_same_moment_differ() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert len({uuid7(now) for _ in range(1000)}) == 1000


@given(st.text())
def test_a_name_is_ascii_letters_digits_and_five_marks(text: str) -> None:
    starts = string.ascii_letters + string.digits
    expected = (
        0 < len(text) <= 128
        and text[0] in starts
        and all(character in starts + "._@/-" for character in text)
    )
    assert is_name(text) is expected


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@/-]{0,127}", fullmatch=True))
def test_every_text_of_that_form_is_a_name_and_none_longer(text: str) -> None:
    assert is_name(text)
    assert not is_name(text + "a" * 128)
    assert not is_name(text + "\n")
    assert not is_name(text + ":")
