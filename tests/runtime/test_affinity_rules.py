"""Affinity: who keeps a session, when it rotates, and what a count of cached tokens proves."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wai_ops.runtime.affinity import (
    TOLERANCE_TOKENS,
    TOO_SHORT_TOKENS,
    Cause,
    Evidence,
    Expectation,
    Reason,
    Result,
    affinity_key,
    classify,
    expect,
    header_value,
    rotate,
    touch,
)
from wai_ops.runtime.history import history_parts, sent_text
from wai_ops.runtime.request import compact_json, message_text, reply_message
from wai_ops.state.conversations import Turn, TurnState
from wai_ops.state.sessions import Session

NOW = datetime(2026, 10, 10, 12, tzinfo=UTC)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@/-]{0,30}", fullmatch=True)
SECRETS = st.binary(min_size=16, max_size=64)
CONTENT = st.text(max_size=60)
IDLE_S, AGE_S = 600.0, 3600.0


def session(**changes: Any) -> Session:
    """A session in its first epoch."""
    values: dict[str, Any] = {
        "affinity_key": "t:w:c",
        "tenant": "t",
        "workflow": "w",
        "conversation_id": "c",
        "epoch": 1,
        "reason": Reason.NEW.value,
        "created_at": NOW,
        "last_used_at": NOW,
        "request_count": 1,
        **changes,
    }
    return Session(**values)


def turn(index: int, question: str, answer: str | None, **changes: Any) -> Turn:
    """A turn of a conversation, done unless said otherwise."""
    messages = compact_json({"role": "user", "content": question})
    values: dict[str, Any] = {
        "turn_index": index,
        "run_id": f"run-{index}",
        "owner": "o",
        "state": "done",
        "model": "m",
        "epoch": 1,
        "tools_json": None,
        "messages_json": messages,
        "reply_json": None if answer is None else reply_message(answer, "", []),
        "input_tokens": 1000,
        "output_tokens": 10,
        **changes,
    }
    return Turn(**values)


def touched(known: Session | None, now: datetime) -> tuple[Session, bool]:
    """Use a session at this time."""
    return touch(
        known, key="t:w:c", names=("t", "w", "c"), now=now, idle_ttl_s=IDLE_S, max_age_s=AGE_S
    )


# Key and header


@given(NAMES, NAMES, NAMES)
def test_the_key_can_be_taken_apart_again(tenant: str, workflow: str, conversation: str) -> None:
    assert affinity_key(tenant, workflow, conversation).split(":") == [
        tenant,
        workflow,
        conversation,
    ]


@given(NAMES, NAMES, NAMES, st.integers(1, 10**6), SECRETS)
def test_the_header_hides_the_names_and_names_the_epoch(
    tenant: str, workflow: str, conversation: str, epoch: int, secret: bytes
) -> None:
    key = affinity_key(tenant, workflow, conversation)
    value = header_value(key, epoch, secret=secret, plain=False)
    assert re.fullmatch(rf"wai-{epoch}-[0-9a-f]{{32}}", value)
    assert value == header_value(key, epoch, secret=secret, plain=False)
    assert key not in value


@given(NAMES, st.integers(1, 10**6), SECRETS, SECRETS)
def test_the_header_changes_with_key_epoch_and_secret(
    name: str, epoch: int, secret: bytes, other: bytes
) -> None:
    assume(secret.rstrip(b"\0") != other.rstrip(b"\0"))  # HMAC pads short keys with zeros
    key = affinity_key(name, "w", "c")
    values = {
        header_value(key, epoch, secret=secret, plain=False),
        header_value(key, epoch + 1, secret=secret, plain=False),
        header_value(key, epoch, secret=other, plain=False),
        header_value(key + "x", epoch, secret=secret, plain=False),
    }
    assert len(values) == 4


def test_names_leave_the_machine_only_when_that_was_asked_for() -> None:
    assert header_value("acme:triage:c1", 3, secret=b"", plain=True) == "wai-3-acme:triage:c1"


# Rotation


@given(st.lists(st.floats(0, IDLE_S), max_size=12))
def test_a_session_in_use_stays_the_same_until_it_is_too_old(pauses: list[float]) -> None:
    current, begins = touched(None, NOW)
    assert (begins, current.epoch, current.reason, current.request_count) == (True, 1, "new", 1)
    now = NOW
    for pause in pauses:
        now += timedelta(seconds=pause)
        before = current
        current, begins = touched(before, now)
        age = (now - before.created_at).total_seconds()
        assert current.last_used_at == now
        if age > AGE_S:
            assert begins
            assert (current.epoch, current.reason) == (before.epoch + 1, "expired_age")
            assert (current.created_at, current.request_count) == (now, 1)
        else:
            assert not begins
            assert (current.epoch, current.created_at) == (before.epoch, before.created_at)
            assert current.request_count == before.request_count + 1


@given(st.floats(0.001, 10**7))
def test_a_session_left_idle_begins_its_next_epoch_and_says_why(over: float) -> None:
    known = session(epoch=7, request_count=5)
    current, begins = touched(known, NOW + timedelta(seconds=IDLE_S + over))
    assert begins
    assert (current.epoch, current.reason, current.request_count) == (8, "expired_idle", 1)
    kept, begins = touched(known, NOW + timedelta(seconds=IDLE_S))
    assert not begins
    assert kept.epoch == 7


def test_a_clock_that_went_back_does_not_rotate() -> None:
    current, begins = touched(session(), NOW - timedelta(days=1))
    assert not begins
    assert current.epoch == 1


def test_a_rotation_by_hand_has_no_request_yet_and_keeps_its_names() -> None:
    rotated = rotate(session(epoch=2), Reason.ROTATED, NOW + timedelta(hours=1))
    assert (rotated.epoch, rotated.reason, rotated.request_count) == (3, "rotated", 0)
    assert (rotated.tenant, rotated.workflow, rotated.conversation_id) == ("t", "w", "c")


# What can be expected

CONVERSATIONS = st.lists(st.tuples(CONTENT, CONTENT), min_size=1, max_size=5)


@given(CONVERSATIONS, CONTENT, st.integers(1, 10**6))
def test_a_conversation_that_goes_on_shares_its_whole_previous_request(
    exchanges: list[tuple[str, str]], question: str, tokens: int
) -> None:
    turns = [turn(i, q, a, input_tokens=tokens) for i, (q, a) in enumerate(exchanges)]
    text = message_text(turns, compact_json({"role": "user", "content": question}))
    assert text.startswith(sent_text(turns, len(turns) - 1) + ",")
    assert expect(turns, text=text, tools_json=None, model="m", session=session()) == Expectation(
        cacheable_tokens=tokens, cause=None
    )


@given(CONVERSATIONS, st.integers(0, 10**6), st.integers(1, 10**6))
def test_text_that_changed_at_a_place_is_cacheable_up_to_there(
    exchanges: list[tuple[str, str]], place: int, tokens: int
) -> None:
    turns = [turn(i, q, a, input_tokens=tokens) for i, (q, a) in enumerate(exchanges)]
    before = sent_text(turns, len(turns) - 1)
    place %= len(before)
    changed = before[:place] + ("\0" if before[place] != "\0" else "\1") + before[place + 1 :]
    found = expect(turns, text=changed, tools_json=None, model="m", session=session())
    cacheable = tokens * place // len(before)
    assert found == Expectation(cacheable_tokens=cacheable, cause=f"prefix_changed@{cacheable}")


@given(CONVERSATIONS)
def test_a_request_that_is_shorter_than_the_previous_one_has_changed(
    exchanges: list[tuple[str, str]],
) -> None:
    turns = [turn(i, q, a) for i, (q, a) in enumerate(exchanges)]
    before = sent_text(turns, len(turns) - 1)
    found = expect(turns, text=before[:-1], tools_json=None, model="m", session=session())
    assert found.cause is not None
    assert found.cause.startswith("prefix_changed@")


TOOLS = '[{"name":"f"}]'


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model": "other"}, Expectation(cacheable_tokens=None, cause="model_changed")),
        ({"tools_json": TOOLS}, Expectation(cacheable_tokens=0, cause="prefix_changed@0")),
        (
            {"session": session(epoch=2, reason="rotated")},
            Expectation(cacheable_tokens=None, cause="rotated"),
        ),
        (
            {"session": session(epoch=2, reason="expired_idle")},
            Expectation(cacheable_tokens=None, cause="expired"),
        ),
        (
            {"session": session(epoch=2, reason="expired_age")},
            Expectation(cacheable_tokens=None, cause="expired"),
        ),
    ],
)
def test_each_reason_for_a_cold_request_is_named(
    changes: dict[str, Any], expected: Expectation
) -> None:
    turns = [turn(0, "a", "b")]
    values: dict[str, Any] = {"tools_json": None, "model": "m", "session": session(), **changes}
    assert expect(turns, text=message_text(turns, "{}"), **values) == expected


def test_the_first_request_is_cold() -> None:
    cold = Expectation(cacheable_tokens=None, cause="cold")
    assert expect([], text="{}", tools_json=None, model="m", session=session()) == cold
    unknown = [turn(0, "a", None, state="lost", input_tokens=None)]
    assert expect(unknown, text="{}", tools_json=None, model="m", session=session()) == cold


def test_what_is_compared_is_the_last_request_that_is_known_to_have_been_read() -> None:
    turns = [
        turn(0, "a", "b", input_tokens=500),
        turn(1, "c", None, state="failed", input_tokens=None),
    ]
    text = message_text(turns, compact_json({"role": "user", "content": "d"}))
    found = expect(turns, text=text, tools_json=None, model="m", session=session())
    assert found == Expectation(cacheable_tokens=500, cause=None)


@pytest.mark.parametrize("state", ["open", "partial", "failed", "lost"])
def test_only_finished_turns_are_history(state: TurnState) -> None:
    unfinished = turn(0, "a", "half", state=state)
    assert history_parts(unfinished) == []
    after = turn(1, "b", "c")
    assert message_text([unfinished, after], "X") == f"{after.messages_json},{after.reply_json},X"


@given(st.lists(CONVERSATIONS.map(lambda pairs: pairs[0]), min_size=1, max_size=4), st.data())
def test_what_a_turn_sent_is_all_before_it_and_its_own_messages(
    exchanges: list[tuple[str, str]], data: st.DataObject
) -> None:
    turns = [turn(i, q, a) for i, (q, a) in enumerate(exchanges)]
    index = data.draw(st.integers(0, len(turns) - 1))
    sent = json.loads(f"[{sent_text(turns, index)}]")
    contents = [text for pair in exchanges[:index] for text in pair] + [exchanges[index][0]]
    assert [message["content"] for message in sent] == contents


# What the count proves

CAUSES = st.sampled_from([cause.value for cause in Cause])
EXPECTATIONS = st.one_of(
    st.builds(Expectation, cacheable_tokens=st.integers(0, 10**6), cause=st.none() | CAUSES),
    st.builds(Expectation, cacheable_tokens=st.none(), cause=CAUSES),
)


@given(EXPECTATIONS, st.none() | st.integers(0, 10**6))
def test_every_count_is_classed_and_only_a_hit_needs_no_cause(
    expected: Expectation, cached: int | None
) -> None:
    found = classify(expected, cached)
    assert found.cacheable_tokens == expected.cacheable_tokens
    assert (found.cause is None) is (found.result is Result.HIT)
    if cached is None:
        assert found.result is Result.UNKNOWN
        assert found.cause == "not_reported"
    elif cached == 0:
        assert found.result is Result.MISS
    else:
        assert found.result in {Result.HIT, Result.PARTIAL}
    if found.result is Result.HIT:
        assert expected.cacheable_tokens is not None
        assert cached is not None
        slack = max(TOLERANCE_TOKENS, int(expected.cacheable_tokens * 0.05))
        assert cached >= expected.cacheable_tokens - slack


@given(st.integers(TOO_SHORT_TOKENS, 10**6), st.integers(0, TOLERANCE_TOKENS))
def test_all_that_could_be_cached_less_a_block_is_a_hit(cacheable: int, missing: int) -> None:
    cached = cacheable - missing
    assume(cached > 0)
    expected = Expectation(cacheable_tokens=cacheable, cause=None)
    assert classify(expected, cached) == Evidence(
        result=Result.HIT, cause=None, cacheable_tokens=cacheable
    )


@pytest.mark.parametrize(
    ("cacheable", "cause", "cached", "result", "found"),
    [
        (10_000, None, 4_000, "partial", "rerouted_or_evicted"),
        (10_000, None, 0, "miss", "rerouted_or_evicted"),
        (TOO_SHORT_TOKENS - 1, None, 0, "miss", "too_short"),
        (5_000, "prefix_changed@5000", 5_000, "partial", "prefix_changed@5000"),
        (5_000, "prefix_changed@5000", 0, "miss", "prefix_changed@5000"),
        (None, "cold", 0, "miss", "cold"),
        (None, "cold", 640, "partial", "shared_with_others"),
        (None, "expired", 0, "miss", "expired"),
        (None, "rotated", 128, "partial", "rotated"),
        (None, "model_changed", 0, "miss", "model_changed"),
        (10_000, None, None, "unknown", "not_reported"),
    ],
)
def test_each_outcome_says_its_cause(
    cacheable: int | None, cause: str | None, cached: int | None, result: str, found: str
) -> None:
    expected = Expectation(cacheable_tokens=cacheable, cause=cause)
    assert classify(expected, cached) == Evidence(
        result=Result(result), cause=found, cacheable_tokens=cacheable
    )
