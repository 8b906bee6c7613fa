"""Sixty turns on the emulator, over its socket: with checkpoints input grows linearly.

Both conversations say the same. What the second one really took is also what the estimate of the
first one, of what it would have taken without checkpoints, is held against.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import linear_regression, mean

import pytest

from support.emulator import Emulator
from support.talking import Talk, talk_with
from wai_ops.runtime.checkpoint_plan import CheckpointPolicy
from wai_ops.runtime.checkpoint_prompt import BuiltIn, Material, Request
from wai_ops.runtime.conversation_detail import cost_of_conversation
from wai_ops.state.conversations import Turn

TURNS = 60
EVERY = 8
SUMMARY_CHARS = 300
"""The script fills up with dots, and each is a token."""
CACHE_TARGET = 0.6
"""The share of input that is to come from the prefix cache."""


class LongSummaries(BuiltIn):
    """The built-in prompt, and a script that fills a schema with as much as it asks for."""

    def fill(self, material: Material) -> Request:
        """Ask for summaries as long as real ones."""
        filled = super().fill(material)
        assert filled.schema is not None
        long = {"type": "string", "minLength": SUMMARY_CHARS}
        filled.schema["properties"]["summary"] = long
        return filled


POLICY = CheckpointPolicy(every_turns=EVERY, prompt=LongSummaries())


@dataclass(frozen=True)
class Held:
    """Two conversations that said the same."""

    with_them: list[Turn]
    without: list[Turn]
    talk: Talk


@pytest.fixture(scope="module")
def held(session_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    folder = tmp_path_factory.mktemp("growth")
    with (
        _talking(session_emulator, folder, POLICY) as checked,
        _talking(session_emulator, folder, None) as whole,
    ):
        for talk in (checked, whole):
            for number in range(TURNS):
                done = talk.say(f"Question {number}: what about item {number * 7919 % 1000}?")
                assert done.finished.reply.failure is None
        yield Held(with_them=checked.turns, without=whole.turns, talk=checked)


def _talking(
    emulator: Emulator, folder: Path, policy: CheckpointPolicy | None
) -> AbstractContextManager[Talk]:
    name = "whole" if policy is None else "checked"
    return talk_with(
        emulator.base_url,
        folder / name,
        account_id=emulator.account_id,
        token=emulator.tokens["runtime"],
        conversation_id=f"growth-{name}",
        policy=policy,
    )


def inputs(turns: Sequence[Turn]) -> list[int]:
    return [turn.input_tokens or 0 for turn in turns]


def cumulated(values: Sequence[int]) -> list[int]:
    return [sum(values[: place + 1]) for place in range(len(values))]


def test_the_total_is_a_line_with_checkpoints_and_bends_without(held: Held) -> None:
    for turns, is_line in ((held.with_them, True), (held.without, False)):
        total = cumulated(inputs(turns))
        slope, start = linear_regression(range(TURNS), total)
        error = max(abs(value - slope * n - start) for n, value in enumerate(total))
        share = error / total[-1]
        assert share < 0.06 if is_line else share > 0.12


def test_a_request_late_in_the_conversation_is_no_larger_than_an_early_one(held: Held) -> None:
    checked, whole = inputs(held.with_them), inputs(held.without)
    rise = linear_regression(range(16, TURNS), checked[16:]).slope * TURNS
    assert rise < 0.15 * mean(checked)
    assert max(checked[2 * EVERY :]) < 1.2 * max(checked[: 2 * EVERY])
    assert whole[-1] > 5 * max(checked)


def test_the_cached_share_stays_above_its_target(held: Held) -> None:
    turns = held.with_them
    cached = sum(turn.cached_input_tokens or 0 for turn in turns)
    assert cached / sum(inputs(turns)) > CACHE_TARGET
    for first in range(0, TURNS - 20, 10):
        some = turns[first : first + 20]
        share = sum(turn.cached_input_tokens or 0 for turn in some) / sum(inputs(some))
        assert share > CACHE_TARGET, f"turns {first} to {first + 19}"


def test_a_checkpoint_came_every_eight_turns_and_each_was_used(held: Held) -> None:
    made = held.talk.checkpoints
    assert [item.reason for item in made] == [None] * len(made)
    assert [item.state for item in made] == ["made"] * ((TURNS - 1) // EVERY)
    assert [item.after_turn_index for item in made] == [
        EVERY * count - 1 for count in range(1, len(made) + 1)
    ]
    assert {turn.checkpoint_id for turn in held.with_them} == {
        None,
        *(item.checkpoint_id for item in made),
    }


def test_what_it_would_have_taken_without_them_is_estimated_well(held: Held) -> None:
    prices = held.talk.around.prices
    told = cost_of_conversation(held.with_them, held.talk.checkpoints, prices)
    real = cost_of_conversation(held.without, [], prices)
    assert told.is_estimated
    assert not real.is_estimated
    assert told.without_input_tokens == pytest.approx(real.input_tokens, rel=0.02)
    assert told.without_usd is not None
    assert float(told.without_usd) == pytest.approx(float(real.turns_usd), rel=0.04)
    assert told.saved_usd is not None
    assert told.checkpoints_usd is not None
    assert told.saved_usd == told.without_usd - told.turns_usd - told.checkpoints_usd
    assert told.saved_usd > Decimal(0)
