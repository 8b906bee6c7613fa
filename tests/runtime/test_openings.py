"""Conversations whose prompt changes, against a model of what should be sent."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.errors import UsageError
from wai_ops.runtime.history import opening_of, sent_text
from wai_ops.runtime.request import Ask, message_text, new_messages, new_opening, reply_message
from wai_ops.state.conversations import Turn

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXT}
)
OPENINGS = st.lists(MESSAGE, max_size=3)
STATES = st.sampled_from(["done", "done", "done", "failed", "partial"])


def ask(text: str, opening: list[dict[str, str]], **changes: Any) -> Ask:
    return Ask(
        text=text,
        opening=tuple(opening),
        model="m",
        tenant="t",
        workflow="w",
        conversation_id="c",
        max_output_tokens=1,
        **changes,
    )


def turn_of(index: int, asked: Ask, turns: list[Turn], state: str, reply: str) -> Turn:
    """What `wai run` stores of a turn."""
    return Turn(
        turn_index=index,
        run_id="r",
        owner="o",
        state=state,  # type: ignore[arg-type]
        model="m",
        epoch=1,
        tools_json=None,
        messages_json=new_messages(asked, turns),
        reply_json=reply_message(reply, "", []) if state != "failed" else None,
        input_tokens=None,
        output_tokens=None,
        opening_chars=len(new_opening(asked, turns)),
    )


@given(st.lists(st.tuples(TEXT, OPENINGS, STATES, TEXT), min_size=1, max_size=7))
def test_each_request_is_its_opening_the_finished_exchanges_and_the_question(
    plan: list[tuple[str, list[dict[str, str]], str, str]],
) -> None:
    turns: list[Turn] = []
    in_effect: list[dict[str, str]] = []
    exchanges: list[dict[str, str]] = []
    for index, (text, opening, state, reply) in enumerate(plan):
        asked = ask(text, opening)
        added = len(new_opening(asked, turns))
        sent = json.loads(f"[{message_text(turns, new_messages(asked, turns), added)}]")
        question = {"role": "user", "content": text}
        assert sent == [*(opening or in_effect), *exchanges, question]
        turns.append(turn_of(index, asked, turns, state, reply))
        assert json.loads(f"[{sent_text(turns, index)}]") == sent
        if state == "done":
            in_effect = opening or in_effect
            exchanges += [question, {"role": "assistant", "content": reply}]


@given(
    st.lists(MESSAGE, min_size=1, max_size=3),
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5),
)
def test_the_same_opening_is_stored_once_and_every_request_begins_with_the_one_before(
    opening: list[dict[str, str]], exchanges: list[tuple[str, str]]
) -> None:
    turns: list[Turn] = []
    previous = ""
    for index, (text, reply) in enumerate(exchanges):
        asked = ask(text, opening)
        assert (new_opening(asked, turns) == "") is (index > 0)
        sent = message_text(turns, new_messages(asked, turns), len(new_opening(asked, turns)))
        assert sent.startswith(previous)
        turns.append(turn_of(index, asked, turns, "done", reply))
        previous = f"{sent},"
    assert opening_of(turns) == turns[0].messages_json[: turns[0].opening_chars]


def test_a_conversation_from_before_openings_were_told_apart_keeps_its_beginning() -> None:
    opening = [{"role": "system", "content": "be brief"}]
    first = turn_of(0, ask("q", opening), [], "done", "a")
    old = [replace(first, opening_chars=None)]
    assert new_opening(ask("q2", opening), old) == ""
    with pytest.raises(UsageError, match="began with another"):
        new_opening(ask("q2", [{"role": "system", "content": "be long"}]), old)


def test_a_system_flag_never_changes_what_a_conversation_began_with() -> None:
    first = turn_of(0, ask("q", [{"role": "system", "content": "be brief"}]), [], "done", "a")
    assert new_opening(ask("q2", [], system="be brief"), [first]) == ""
    with pytest.raises(UsageError, match="another system text"):
        new_opening(ask("q2", [], system="be long"), [first])
