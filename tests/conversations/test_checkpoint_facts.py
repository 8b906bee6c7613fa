"""Facts of a checkpoint: read strictly, carried word for word, never lost."""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.runtime.checkpoint_facts import (
    Answer,
    BadAnswerError,
    Memory,
    Replaced,
    carry,
    lost_facts,
    parse_answer,
)

SENTENCES = st.text(string.ascii_letters + " .:é", min_size=1, max_size=20).filter(
    lambda text: bool(text.strip())
)


def answer_text(**changes: Any) -> str:
    value: dict[str, Any] = {"summary": "They talked.", "facts": ["The order is 17."]}
    return json.dumps({**value, "replaced": [], **changes})


def test_a_plain_answer_is_read() -> None:
    found = parse_answer(answer_text(), kept_count=0)
    assert found == Answer(summary="They talked.", facts=("The order is 17.",), replaced=())


def test_a_fence_around_the_json_is_no_offence() -> None:
    assert parse_answer(f"```json\n{answer_text()}\n```", kept_count=0).summary == "They talked."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Sure! Here it is", "not JSON"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "not JSON"),
        (answer_text(summary=""), "summary is missing"),
        (answer_text(summary=7), "summary is missing"),
        (answer_text(facts="one"), "facts is not a list"),
        (answer_text(facts=["ok", 7]), "not a sentence"),
        (answer_text(facts=["  "]), "not a sentence"),
        (answer_text(facts=["x" * 1001]), "more than 1000 characters"),
        (answer_text(facts=["x"] * 501), "more than 500 entries"),
        (answer_text(more=1), "not asked for: 'more'"),
        (answer_text(replaced=[{"facts": [3], "by": "x"}]), "the kept facts are 1 to 2"),
        (answer_text(replaced=[{"facts": [0], "by": "x"}]), "the kept facts are 1 to 2"),
        (answer_text(replaced=[{"facts": [True], "by": "x"}]), "names fact True"),
        (answer_text(replaced=[{"facts": [], "by": "x"}]), "names no fact"),
        (answer_text(replaced=[{"facts": [1]}]), "not {"),
        (answer_text(replaced=[{"facts": [1], "by": ""}]), "not a sentence"),
        (
            answer_text(replaced=[{"facts": [1], "by": "x"}, {"facts": [1, 2], "by": "y"}]),
            "same fact twice",
        ),
    ],
)
def test_what_is_no_usable_answer_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(BadAnswerError) as caught:
        parse_answer(text, kept_count=2)
    assert words in str(caught.value)


def test_nothing_can_be_replaced_before_anything_is_kept() -> None:
    with pytest.raises(BadAnswerError, match="none is kept yet"):
        parse_answer(answer_text(replaced=[{"facts": [1], "by": "x"}]), kept_count=0)


def test_control_characters_of_a_model_reach_neither_summary_nor_facts() -> None:
    found = parse_answer(
        answer_text(summary="a\x1b[31mred", facts=["b\x1b]0;t\x07 \u202ec"]), kept_count=0
    )
    assert "\x1b" not in found.summary + found.facts[0]
    assert "\u202e" not in found.facts[0]


def test_a_replacement_stands_where_the_first_of_its_facts_stood() -> None:
    memory = carry(
        ["one", "two", "three", "four"],
        Answer(summary="s", facts=("five",), replaced=(((2, 4), "two and four"),)),
    )
    assert memory.facts == ("one", "two and four", "three", "five")
    assert memory.replaced == (Replaced(facts=("two", "four"), by="two and four"),)


@st.composite
def kept_and_answers(draw: st.DrawFn) -> tuple[list[str], Answer]:
    kept = draw(st.lists(SENTENCES, max_size=8))
    numbers = list(draw(st.permutations(range(1, len(kept) + 1))))
    groups = []
    while draw(st.booleans()) and numbers:
        size = draw(st.integers(1, len(numbers)))
        groups.append((tuple(sorted(numbers[:size])), draw(SENTENCES)))
        numbers = numbers[size:]
    answer = Answer(
        summary=draw(SENTENCES),
        facts=tuple(draw(st.lists(SENTENCES, max_size=5))),
        replaced=tuple(groups),
    )
    return kept, answer


@given(kept_and_answers())
def test_every_kept_fact_is_there_word_for_word_or_is_said_to_be_replaced(
    made: tuple[list[str], Answer],
) -> None:
    kept, answer = made
    memory = carry(kept, answer)
    named = {number for group, _ in answer.replaced for number in group}
    untouched = [fact for number, fact in enumerate(kept, start=1) if number not in named]
    carried = iter(memory.facts)
    assert all(fact in carried for fact in untouched), "in order, word for word"
    assert set(answer.facts) <= set(memory.facts)
    assert {by for _, by in answer.replaced} <= set(memory.facts)
    assert lost_facts(kept, memory) == []


@given(kept_and_answers())
def test_a_fact_that_was_dropped_would_be_noticed(made: tuple[list[str], Answer]) -> None:
    kept, answer = made
    memory = carry(kept, answer)
    replaced = {fact for item in memory.replaced for fact in item.facts}
    for fact in set(kept) - replaced:
        without = Memory(
            summary="s",
            facts=tuple(each for each in memory.facts if each != fact),
            replaced=memory.replaced,
        )
        assert fact in lost_facts(kept, without)
