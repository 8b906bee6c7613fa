"""Five flat string keys: encoded, judged and read back by one module."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wai_ops.core.metadata import KEYS, Metadata, decode, encode, problems, to_header

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@/-]{0,40}", fullmatch=True)
VERSIONS = st.one_of(
    st.from_regex(r"sha256:[0-9a-f]{12}", fullmatch=True),
    st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}", fullmatch=True),
)
METADATA = st.builds(
    Metadata,
    tenant=NAMES,
    workflow=NAMES,
    conversation_id=NAMES,
    turn_index=st.integers(0, 10**9),
    attempt=st.integers(1, 10**6),
    prompt_name=NAMES,
    prompt_version=VERSIONS,
    trace=st.uuids().map(str),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@given(METADATA)
def test_what_was_encoded_is_read_back(metadata: Metadata) -> None:
    entries = encode(metadata)
    assert tuple(entries) == KEYS
    assert all(type(value) is str for value in entries.values())
    assert problems(entries) == []
    assert decode(entries) == metadata


@given(METADATA)
def test_the_header_is_ascii_without_line_breaks_and_reads_back(metadata: Metadata) -> None:
    header = to_header(metadata)
    assert header.isascii()
    assert header.isprintable()
    assert decode(header) == metadata


@given(METADATA, st.sampled_from(KEYS))
def test_a_missing_key_is_named(metadata: Metadata, key: str) -> None:
    entries = encode(metadata)
    del entries[key]
    assert problems(entries) == [f"key {key!r} is missing"]


@given(METADATA, st.sampled_from(KEYS), st.sampled_from([None, [], {}, ["x"], {"a": 1}]))
def test_a_null_or_nested_value_is_said_to_lose_everything(
    metadata: Metadata, key: str, value: Any
) -> None:
    found = problems({**encode(metadata), key: value})
    assert found == [f"key {key!r} is null or nested: the gateway drops all metadata"]


@given(METADATA, st.sampled_from(KEYS), st.integers() | st.booleans() | st.floats())
def test_a_number_is_no_string(metadata: Metadata, key: str, value: Any) -> None:
    assert problems({**encode(metadata), key: value}) == [f"key {key!r} is not a string"]


@given(METADATA, st.text(min_size=1).filter(lambda key: key not in KEYS))
def test_a_sixth_key_is_both_foreign_and_too_many(metadata: Metadata, key: str) -> None:
    found = problems({**encode(metadata), key: "x"})
    assert found == [
        "6 entries: the gateway keeps 5 and drops the rest",
        f"key {key!r} is not part of the contract",
    ]


@pytest.mark.parametrize("lineage", ["c", "c.1", "c.1.x", ".1.2", "c.-1.2", ""])
def test_a_conversation_without_turn_and_attempt_is_a_problem(lineage: str) -> None:
    entries = {**dict.fromkeys(KEYS, "x"), "prompt": "p@1", "conversation": lineage}
    assert problems(entries) == ["key 'conversation' is not <conversation>.<turn>.<attempt>"]


def test_a_conversation_id_may_itself_look_like_a_lineage() -> None:
    entries = {**dict.fromkeys(KEYS, "x"), "prompt": "p@1", "conversation": "a.1.2.3.4"}
    found = decode(entries)
    assert (found.conversation_id, found.turn_index, found.attempt) == ("a.1.2", 3, 4)


@given(st.one_of(JSON, st.text(), JSON.map(json.dumps)))
@example("[" * 100_000)
@example(
    json.dumps({**dict.fromkeys(KEYS, "x"), "prompt": "p@1", "conversation": "c.1." + "9" * 5000})
)
def test_anything_else_is_a_value_error_and_nothing_worse(entries: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(entries)
