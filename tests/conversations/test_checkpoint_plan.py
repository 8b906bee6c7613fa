"""When a checkpoint is due, which turns it covers, and who sums up."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from wai_ops.core.prices import Model, PriceBook, Snapshot, built_in
from wai_ops.runtime.checkpoint_plan import CheckpointPolicy, NotDue, Span, model_for, span_due
from wai_ops.state.checkpoints import Checkpoint
from wai_ops.state.conversations import Turn

NOW = datetime(2026, 11, 23, tzinfo=UTC)
LONG = "word " * 200
POLICY = CheckpointPolicy(every_turns=4, keep_turns=2)


def turn(index: int, *, role: str = "user", text: str = LONG) -> Turn:
    return Turn(
        turn_index=index,
        run_id=f"r{index}",
        owner="me",
        state="done",
        model="m",
        epoch=1,
        tools_json=None,
        messages_json=json.dumps({"role": role, "content": text}),
        reply_json=json.dumps({"role": "assistant", "content": text}),
        input_tokens=100,
        output_tokens=50,
        opening_chars=0,
    )


def checkpoint(covers: int, after: int, state: str = "made") -> Checkpoint:
    return Checkpoint(
        affinity_key="k",
        checkpoint_id=f"id-{after}",
        state=state,  # type: ignore[arg-type]  # one of its words
        owner="me",
        covers_turn_index=covers,
        after_turn_index=after,
        conversation_id="c/checkpoint/1",
        model="m",
        prompt_name="p",
        prompt_version="1",
        prompt_sha256="",
        messages_json='{"role":"user","content":"so far"}',
        created_at=NOW,
    )


def due(
    turns: list[Turn],
    checkpoints: list[Checkpoint] | None = None,
    policy: CheckpointPolicy = POLICY,
    *,
    is_forced: bool = False,
) -> Span | NotDue:
    return span_due(
        turns, checkpoints or [], policy, is_forced=is_forced, alive=lambda owner: owner == "me"
    )


def covered(found: Span | NotDue) -> list[int]:
    assert isinstance(found, Span), found
    return [each.turn_index for each in found.turns]


def test_the_first_is_due_after_so_many_turns_and_keeps_the_newest() -> None:
    assert isinstance(due([turn(i) for i in range(3)]), NotDue)
    assert covered(due([turn(i) for i in range(4)])) == [0, 1]


def test_the_next_is_due_so_many_turns_later_and_goes_on_from_the_last() -> None:
    turns = [turn(i) for i in range(8)]
    first = checkpoint(covers=1, after=3)
    assert isinstance(due(turns[:7], [first]), NotDue)
    found = due(turns, [first])
    assert covered(found) == [2, 3, 4, 5]
    assert isinstance(found, Span)
    assert found.before == first


def test_one_that_was_skipped_is_not_tried_again_at_every_turn() -> None:
    turns = [turn(i) for i in range(8)]
    skipped = checkpoint(covers=1, after=3, state="skipped")
    assert isinstance(due(turns[:7], [skipped]), NotDue)
    assert covered(due(turns, [skipped])) == [0, 1, 2, 3, 4, 5]


def test_one_that_was_lost_is_tried_again_at_once() -> None:
    lost = checkpoint(covers=1, after=3, state="lost")
    assert covered(due([turn(i) for i in range(4)], [lost])) == [0, 1]


def test_nobody_makes_the_same_one_twice_while_its_process_lives() -> None:
    turns = [turn(i) for i in range(4)]
    making = checkpoint(covers=1, after=3, state="making")
    assert isinstance(due(turns, [making]), NotDue)
    assert covered(due(turns, [replace(making, owner="dead")])) == [0, 1]


def test_off_means_never_unless_somebody_asks() -> None:
    off = replace(POLICY, every_turns=0)
    turns = [turn(i) for i in range(50)]
    assert isinstance(due(turns, policy=off), NotDue)
    assert covered(due(turns, policy=off, is_forced=True)) == list(range(48))


def test_failed_and_undone_turns_neither_count_nor_are_covered() -> None:
    turns = [turn(i) for i in range(6)]
    turns[1] = replace(turns[1], state="failed", reply_json=None)
    turns[2] = replace(turns[2], undone_from=3)
    assert covered(due(turns)) == [0, 3]


def test_a_call_of_a_tool_is_never_parted_from_its_result() -> None:
    turns = [turn(0), turn(1), turn(2, role="tool"), turn(3, role="tool")]
    assert covered(due(turns)) == [0]


def test_a_turn_that_still_runs_is_never_passed() -> None:
    turns = [turn(i) for i in range(8)]
    turns[2] = replace(turns[2], state="open", reply_json=None)
    assert covered(due(turns)) == [0, 1]
    turns[2] = replace(turns[2], owner="dead")
    assert covered(due(turns)) == [0, 1, 3, 4, 5]


def test_turns_of_a_few_words_are_left_as_they_are() -> None:
    found = due([turn(i, text="hi") for i in range(8)])
    assert isinstance(found, NotDue)
    assert "would save nothing" in found.reason


def test_the_cheapest_model_with_room_for_it_sums_up() -> None:
    book = PriceBook(snapshots=[built_in()])
    chosen = model_for(
        CheckpointPolicy(), book, own="own", said_by_prompt=None, input_tokens=4000, now=NOW
    )
    assert chosen == "@cf/ibm-granite/granite-4.0-h-micro"
    larger = model_for(
        CheckpointPolicy(), book, own="own", said_by_prompt=None, input_tokens=200_000, now=NOW
    )
    model = book.model(larger, NOW)
    assert model is not None
    assert (model.context_window or 0) >= 200_000
    assert not model.workers_paid


@pytest.mark.parametrize(
    ("policy", "said", "expected"),
    [
        (CheckpointPolicy(model="@cf/set"), "@cf/said", "@cf/set"),
        (CheckpointPolicy(), "@cf/said", "@cf/said"),
        (CheckpointPolicy(uses_own_model=True), None, "own"),
        (CheckpointPolicy(uses_own_model=True), "@cf/said", "@cf/said"),
    ],
)
def test_what_is_set_or_said_goes_before_what_is_cheap(
    policy: CheckpointPolicy, said: str | None, expected: str
) -> None:
    book = PriceBook(snapshots=[built_in()])
    found = model_for(policy, book, own="own", said_by_prompt=said, input_tokens=1, now=NOW)
    assert found == expected


def test_without_a_priced_model_that_fits_the_own_one_sums_up() -> None:
    models = {
        "@cf/unpriced": Model(id="@cf/unpriced", task="Text Generation", context_window=10**6),
        "@cf/small": Model(
            id="@cf/small",
            task="Text Generation",
            context_window=100,
            usd_in_per_m=Decimal(1),
            usd_out_per_m=Decimal(1),
        ),
    }
    book = PriceBook(snapshots=[Snapshot(source="test", as_of="2026-01-01", models=models)])
    found = model_for(
        CheckpointPolicy(), book, own="own", said_by_prompt=None, input_tokens=1000, now=NOW
    )
    assert found == "own"
