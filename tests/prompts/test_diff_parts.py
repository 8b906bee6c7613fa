"""Differences of texts and settings: nothing missing, nothing made up, bounded in time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.prompts.diff import Side, VersionDiff, diff_versions
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.source import Source, parse_source
from wai_ops.prompts.text_diff import DiffLine, Hunk, diff_lines
from wai_ops.prompts.tokens import Chat, EstimatingCounter, Method, pieces_of, shared_size

LINES = st.lists(st.sampled_from(("a", "b", "c", "", "  d", "é")), max_size=30)


def source(front: str = "", system: str = "Be brief.", user: str = "{{ ticket }}") -> Source:
    text = f"---\n{front}\n---\n{{% role system %}}\n{system}\n{{% role user %}}\n{user}\n"
    return parse_source("triage", lambda _: text.encode())


def compared(before: Source, after: Source, **options: Any) -> VersionDiff:
    counter = EstimatingCounter()
    first, second = (
        Side(reference="", version="", source=item, model=item.front.model or "m", counter=counter)
        for item in (before, after)
    )
    return diff_versions(first, second, **options)


@given(LINES, LINES)
def test_the_hunks_turn_one_text_into_the_other(before: list[str], after: list[str]) -> None:
    old, new = "\n".join(before), "\n".join(after)
    made = old.split("\n")
    for hunk in reversed(diff_lines(old, new)):
        kept = [line.text for line in hunk.lines if line.sign != "-"]
        gone = [line.text for line in hunk.lines if line.sign != "+"]
        start = hunk.before_line - 1
        assert made[start : start + len(gone)] == gone
        assert new.split("\n")[hunk.after_line - 1 :][: len(kept)] == kept
        made[start : start + len(gone)] = kept
    assert "\n".join(made) == new
    assert (diff_lines(old, new) == ()) == (old == new)


def test_far_apart_changes_are_two_hunks_with_three_lines_around_each() -> None:
    lines = [f"line {number}" for number in range(40)]
    changed = [
        "LINE 2" if n == 2 else "LINE 30" if n == 30 else line for n, line in enumerate(lines)
    ]
    hunks = diff_lines("\n".join(lines), "\n".join(changed))
    assert [(hunk.before_line, len(hunk.lines)) for hunk in hunks] == [(1, 7), (28, 8)]


def test_texts_without_a_line_in_common_are_one_replacement_in_no_time() -> None:
    """A matcher would look at 25,000,000 pairs of lines of these."""
    old = "\n".join(f"a{number}" for number in range(5000))
    new = "\n".join(f"b{number}" for number in range(5000))
    (hunk,) = diff_lines(old, new)
    assert len(hunk.lines) == 10_000
    assert isinstance(hunk, Hunk)
    assert hunk.lines[0] == DiffLine("-", "a0")


def test_every_setting_that_decides_behaviour_is_told() -> None:
    before = source(
        "model: '@cf/a/one'\nparameters: {temperature: 0.2, stop: [END]}\n"
        "variables: {ticket: string, day: {type: string, default: today}}\n"
        "tools: [{name: find, description: x}, {name: close}]\n"
        "output_schema: {type: object}\nenvelope: {workflow: support}"
    )
    after = source(
        "model: '@cf/a/two'\nparameters: {temperature: 0.4, max_output_tokens: 9}\n"
        "variables: {ticket: string, day: {type: string, default: monday}}\n"
        "tools: [{name: close}, {name: find, description: y}]\n"
        "output_schema: {type: object, required: []}\nenvelope: {workflow: triage}"
    )
    told = {item.what: (item.before, item.after) for item in compared(before, after).changes}
    assert told == {
        "model": ("@cf/a/one", "@cf/a/two"),
        "parameters.max_output_tokens": (None, "9"),
        "parameters.stop": ('["END"]', None),
        "parameters.temperature": ("0.2", "0.4"),
        "variable day": ("string default today", "string default monday"),
        "tool find": ("tool 1, 35 characters", "tool 2, 35 characters"),
        "order of tools": ("find, close", "close, find"),
        "output_schema": ("17 characters", "31 characters"),
        "envelope workflow": ("support", "triage"),
    }


@pytest.mark.parametrize(
    ("before", "after", "part", "character", "place"),
    [
        (source("model: '@cf/a/b'"), source("model: '@cf/a/c'"), "model", 1, None),
        (source("tools: [{name: a}]"), source("tools: [{name: b}]"), "tools", 11, None),
        (source(system="Be brief."), source(system="Be kind."), "system", 4, "5:4"),
        (source(user="A {{ a }}"), source(user="A {{ b }}"), "user", 6, "7:6"),
    ],
)
def test_the_first_difference_is_where_the_model_meets_it(
    before: Source, after: Source, part: str, character: int, place: str | None
) -> None:
    """The model first, then tools, then the messages; with the place in the file."""
    found = compared(before, after).divergence
    assert found is not None
    assert (found.part, found.character) == (part, character)
    assert found.after_place == (place and f"prompts/triage.prompt:{place}")


def test_the_first_difference_within_a_part_is_placed_in_the_part() -> None:
    def made(part: str) -> Source:
        files = {
            "triage.prompt": '{% role system %}\nHi.\n{% include "x.part" %}\n{% role user %}\n!',
            "x.part": part,
        }
        return parse_source("triage", lambda path: files[path].encode())

    found = compared(made("one\ntwo\n"), made("one\ntoo\n")).divergence
    assert found is not None
    assert (found.before_place, found.after_place) == ("prompts/x.part:2:2",) * 2


def test_a_setting_that_the_model_does_not_read_leaves_the_prefix_alone() -> None:
    diff = compared(source(), source("parameters: {temperature: 1}"))
    assert not diff.is_same
    assert diff.divergence is None
    assert diff.prefix.shared_cacheable_tokens == diff.prefix.after_cacheable_tokens
    assert not diff.tokens.is_opening_changed


def test_keys_of_a_tool_in_another_order_are_another_text_to_the_model() -> None:
    before = source("tools: [{name: find, description: x}]")
    diff = compared(before, source("tools: [{description: x, name: find}]"))
    assert not diff.is_same
    assert [item.what for item in diff.changes] == ["tool find"]
    assert diff.divergence is not None
    assert diff.divergence.part == "tools"
    assert diff.tokens.is_opening_changed


def test_another_model_shares_nothing() -> None:
    long = "word " * 200
    before, after = (source(f"model: '@cf/a/{name}'", system=long) for name in "bc")
    diff = compared(before, after)
    assert diff.prefix.before_cacheable_tokens == diff.prefix.after_cacheable_tokens > 0
    assert diff.prefix.shared_cacheable_tokens == 0
    assert diff.tokens.same_values_shared_tokens == 0
    assert diff.tokens.is_opening_changed


def test_a_variable_that_is_used_once_more_is_named_unless_its_value_is_given() -> None:
    before, after = source(user="{{ ticket }}"), source(user="{{ ticket }} {{ ticket }}")
    assert compared(before, after).tokens.depends_on == ("ticket",)
    given_value = compared(before, after, values={"ticket": "x" * 400}).tokens
    assert given_value.depends_on == ()
    assert given_value.delta_tokens == 100


def test_a_value_of_a_variable_that_nobody_uses_is_refused() -> None:
    with pytest.raises(PromptError, match="neither version uses the variable 'tocket'"):
        compared(source(), source(), values={"tocket": "x"})


def test_a_template_that_no_placeholder_fits_is_compared_by_its_own_text() -> None:
    """Objects are made up as empty ones: what looks into them cannot be rendered."""
    front = "variables: {ticket: object}"
    before = source(front, user="{{ ticket.lines[0].text }} and so on")
    after = source(front, user="{{ ticket.lines[0].text }} and so on, and more of it")
    tokens = compared(before, after).tokens
    assert tokens.is_literal
    assert tokens.delta_tokens == 4


def test_what_is_said_once_is_told_from_what_every_turn_repeats() -> None:
    tokens = compared(
        source(system="x" * 40, user="y" * 40), source(system="x" * 80, user="y" * 120)
    ).tokens
    assert (tokens.opening_delta_tokens, tokens.turn_delta_tokens) == (10, 20)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_what_two_chats_share_is_the_same_in_both_orders_and_never_too_much(
    same: str, first: str, second: str
) -> None:
    one = Chat(messages=(("system", same), ("user", first)))
    other = Chat(messages=(("system", same), ("user", second)))
    size = shared_size(one, other)
    assert size == shared_size(other, one)
    assert len(same) <= size.characters <= len(same) + min(len(first), len(second))
    assert size.marks == 2
    assert shared_size(one, Chat(messages=(("user", same),))).characters == 0


def test_pieces_are_words_groups_of_digits_signs_and_characters_of_other_scripts() -> None:
    assert pieces_of("") == 0
    assert pieces_of("word") == pytest.approx(1 + 4 / 12)
    assert pieces_of(" 1234567") == 3
    assert pieces_of("{}\n\n  的的") == 5


def test_an_estimate_says_that_it_is_one() -> None:
    basis = EstimatingCounter().basis
    assert basis.method is Method.ESTIMATED
    assert basis.words.startswith("estimated at 4 bytes a token")
