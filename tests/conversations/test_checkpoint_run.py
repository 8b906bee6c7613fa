"""Making checkpoints in a running conversation, over a socket: what is sent, kept and recorded."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.chat_server import Body, ChatServer, Says, chat_server, is_summary
from support.talking import MODEL, Notes, Talk, talk_with
from wai_ops.core.records import AttemptRecord, from_json
from wai_ops.runtime.caller import Caller
from wai_ops.runtime.checkpoint import CheckpointOutcome, make_checkpoint
from wai_ops.runtime.checkpoint_plan import CheckpointPolicy, NotDue
from wai_ops.runtime.checkpoint_prompt import NAME, BuiltIn
from wai_ops.runtime.keeping import Keeper
from wai_ops.runtime.plan import Surroundings

POLICY = CheckpointPolicy(every_turns=4, keep_turns=1, max_tokens=400)
LONG = "tell me more about it " * 30
Answering = Callable[[Body], Says]


def summary(text: str = "They talked.", facts: list[str] | None = None, **more: Any) -> str:
    return json.dumps({"summary": text, "facts": facts or [], "replaced": [], **more})


def answering(*summaries: str | Says) -> Answering:
    """Answer questions at length, and requests for summaries one after the other."""
    told = list(summaries)

    def answer(body: Body) -> Says:
        if not is_summary(body):
            return Says(f"answer {len(body['messages'])} " + "word " * 100)
        said = told.pop(0) if len(told) > 1 else told[0]
        return said if isinstance(said, Says) else Says(said)

    return answer


@contextmanager
def talking(
    tmp_path: Path, answer: Answering, policy: CheckpointPolicy | None = POLICY
) -> Iterator[tuple[Talk, ChatServer]]:
    with (
        chat_server(answer) as server,
        talk_with(server.base_url, tmp_path / "state", policy=policy) as talk,
    ):
        yield talk, server


def attempts(talk: Talk) -> list[AttemptRecord]:
    rows = [row for row in talk.live.sealed(after=0) if row.kind == "attempt"]
    return [from_json(json.loads(row.payload)) for row in rows]


def questions(server: ChatServer) -> list[Body]:
    return [body for body in server.bodies if not is_summary(body)]


def test_after_it_a_request_is_opening_summary_and_the_turns_that_are_kept(tmp_path: Path) -> None:
    said = summary("They talked about ships.", ["The order is 17."])
    with talking(tmp_path, answering(said)) as (talk, server):
        for number in range(5):
            done = talk.say(f"question {number} {LONG}")
        assert done.checkpoint is not None
        assert done.checkpoint.is_made
        sent = questions(server)[-1]["messages"]
        assert [message["role"] for message in sent] == [
            *("system", "user", "assistant"),  # the opening, and the summary
            *("user", "assistant", "user"),  # the turn that was kept, and the new one
        ]
        assert sent[0]["content"] == "Be brief."
        assert "They talked about ships." in sent[1]["content"]
        assert "- The order is 17." in sent[1]["content"]
        assert sent[3]["content"].startswith("question 3 ")
        (made,) = talk.checkpoints
        assert (made.state, made.covers_turn_index, made.after_turn_index) == ("made", 2, 3)
        assert made.tokens_before is not None
        assert made.tokens_after is not None
        assert made.tokens_after < made.tokens_before
        assert [turn.checkpoint_id for turn in talk.turns] == [None] * 4 + [made.checkpoint_id]


def test_the_call_is_recorded_and_priced_in_a_conversation_of_its_own(tmp_path: Path) -> None:
    with talking(tmp_path, answering(summary())) as (talk, server):
        for number in range(5):
            talk.say(f"question {number} {LONG}")
        (made,) = talk.checkpoints
        (record,) = [each for each in attempts(talk) if each.prompt_name == NAME]
        assert record.conversation_id == made.conversation_id
        assert record.conversation_id.startswith("c1/checkpoint/3-")
        assert (record.tenant, record.workflow) == ("acme", "support")
        assert record.prompt_version == BuiltIn().version
        assert made.prompt_sha256 == BuiltIn().sha256
        assert record.requested_model == made.model != MODEL
        assert record.cost_usd == made.cost_usd
        assert made.cost_usd is not None
        assert made.cost_usd > 0
        body = next(body for body in server.bodies if is_summary(body))
        assert len(body["messages"]) == 2, "no history of any other conversation"
        assert body["temperature"] == 0
        assert "response_format" in body


def test_the_lost_prefix_is_put_down_to_the_checkpoint(tmp_path: Path) -> None:
    with talking(tmp_path, answering(summary())) as (talk, _):
        expected = [
            talk.say(f"question {number} {LONG}").finished.prepared.expected.cause
            for number in range(7)
        ]
        assert expected == ["cold", None, None, None, "checkpoint", None, None]


def test_facts_go_from_one_checkpoint_to_the_next_word_for_word(tmp_path: Path) -> None:
    replaced = [{"facts": [2], "by": "Bob pays since May."}]
    told = (
        summary("First.", ["The order is 17.", "Ann pays."]),
        summary("Second.", ["It is late."], replaced=replaced),
    )
    with talking(tmp_path, answering(*told)) as (talk, server):
        for number in range(9):
            talk.say(f"question {number} {LONG}")
        first, second = talk.checkpoints
        assert json.loads(first.facts_json or "") == ["The order is 17.", "Ann pays."]
        kept = ["The order is 17.", "Bob pays since May.", "It is late."]
        assert json.loads(second.facts_json or "") == kept
        assert json.loads(second.replaced_json or "") == [
            {"facts": ["Ann pays."], "by": "Bob pays since May."}
        ]
        body = [body for body in server.bodies if is_summary(body)][-1]
        asked = body["messages"][-1]["content"]
        assert "1. The order is 17.\n2. Ann pays." in asked
        assert "Summary so far:\nFirst." in asked
        assert "question 3" in asked
        assert "question 0" not in asked, "what was summed up before is not sent again"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (summary("word " * 2000), "are allowed"),
        ("I cannot do that.", "not JSON"),
        (Says(summary("cut"), finish_reason="length"), "cut by its limit"),
    ],
    ids=["too long", "no json", "cut"],
)
def test_an_unusable_answer_is_asked_for_once_more_and_then_used(
    tmp_path: Path, bad: str | Says, words: str
) -> None:
    with talking(tmp_path, answering(bad, summary("Short."))) as (talk, server):
        for number in range(5):
            done = talk.say(f"question {number} {LONG}")
        assert done.checkpoint is not None
        assert done.checkpoint.is_made
        asked = [body for body in server.bodies if is_summary(body)]
        assert len(asked) == 2
        assert words in asked[1]["messages"][-1]["content"]
        assert any(words in note for note in talk.sink.said)
        spent = sum(
            (each.cost_usd or Decimal(0) for each in attempts(talk) if each.prompt_name == NAME),
            Decimal(0),
        )
        assert done.checkpoint.cost_usd == spent


@pytest.mark.parametrize(
    ("bad", "words", "calls"),
    [
        (summary("word " * 2000), "are allowed", 2),
        ("no", "not JSON", 2),
        (Says(status=500), "the call failed: server_error", 1),
        (summary("word " * 272), "the turns", 1),
    ],
    ids=["too long", "no json", "failed", "no smaller"],
)
def test_what_cannot_be_made_is_skipped_said_and_the_conversation_goes_on(
    tmp_path: Path, bad: str | Says, words: str, calls: int
) -> None:
    policy = CheckpointPolicy(every_turns=4, keep_turns=1, max_tokens=400)
    text = "hi " if words == "the turns" else LONG

    def answer(body: Body) -> Says:
        if is_summary(body):
            return bad if isinstance(bad, Says) else Says(bad)
        return Says("word " * (80 if words == "the turns" else 100))

    with talking(tmp_path, answer, policy) as (talk, server):
        for number in range(6):
            done = talk.say(f"question {number} {text}")
            if number == 4:
                assert done.checkpoint is not None
                assert not done.checkpoint.is_made
                assert words in done.checkpoint.reason
        (skipped,) = talk.checkpoints
        assert skipped.state == "skipped"
        assert words in (skipped.reason or "")
        assert any("no checkpoint" in note and words in note for note in talk.sink.said)
        assert len([body for body in server.bodies if is_summary(body)]) == calls
        sent = questions(server)[-1]["messages"]
        assert len(sent) == 1 + 2 * 5 + 1, "the whole history"
        assert [turn.state for turn in talk.turns] == ["done"] * 6


def test_a_credential_in_a_summary_is_masked_before_it_is_kept(tmp_path: Path) -> None:
    secret = "sk-test-4242424242424242"
    said = summary(f"The key is {secret}.", [f"Key: {secret}"])
    with talking(tmp_path, answering(said)) as (talk, server):
        talk.around = Surroundings(
            clock=talk.around.clock,
            rng=talk.around.rng,
            prices=talk.around.prices,
            keeper=Keeper(secrets={"api_key": secret}),
        )
        for number in range(5):
            talk.say(f"question {number} {LONG}")
        (made,) = talk.checkpoints
        assert made.state == "made"
        kept = f"{made.messages_json}{made.summary}{made.facts_json}"
        assert secret not in kept
        assert secret not in json.dumps(questions(server)[-1])


def test_ctrl_c_while_it_is_made_is_recorded_and_the_next_turn_tries_again(tmp_path: Path) -> None:
    state: dict[str, bool] = {"interrupt": True}

    with talking(tmp_path, answering(summary())) as (talk, _):
        for number in range(4):
            talk.say(f"question {number} {LONG}")
        caller = Caller(service=talk.service, around=talk.around, live=talk.live, sink=Notes())

        class Interrupted(Caller):
            def send(self, *arguments: Any, **changes: Any) -> Any:
                if state["interrupt"]:
                    raise KeyboardInterrupt
                return super().send(*arguments, **changes)

        impatient = Interrupted(
            service=caller.service, around=caller.around, live=caller.live, sink=caller.sink
        )
        with pytest.raises(KeyboardInterrupt):
            make_checkpoint(talk.ask("?"), impatient, POLICY)
        assert [item.state for item in talk.checkpoints] == ["lost"]
        done = talk.say(f"question 4 {LONG}")
        assert done.checkpoint is not None
        assert done.checkpoint.is_made
        assert [item.state for item in talk.checkpoints] == ["lost", "made"]


def test_turns_that_were_taken_back_meanwhile_are_not_summed_up(tmp_path: Path) -> None:
    from wai_ops.runtime.conversation_change import undo_exchange
    from wai_ops.state.live import LiveState

    with talking(tmp_path, lambda body: Says("x")) as (talk, server):

        def undo_all() -> None:
            with LiveState.open(talk.live.path.parent, clock=talk.around.clock) as other:
                for _ in range(3):
                    undo_exchange(other, talk.key)

        def answer(body: Body) -> Says:
            if is_summary(body):
                return Says(summary(), before=undo_all)
            return Says("word " * 200)

        server.answer = answer
        for number in range(5):
            done = talk.say(f"question {number} {LONG}")
        assert done.checkpoint is not None
        assert done.checkpoint.reason == "the turns changed meanwhile"
        sent = questions(server)[-1]["messages"]
        assert [message["role"] for message in sent] == ["system", "user", "assistant", "user"]


def test_somebody_may_ask_for_one_now(tmp_path: Path) -> None:
    with talking(tmp_path, answering(summary()), policy=None) as (talk, _):
        talk.say(f"question 0 {LONG}")
        talk.say(f"question 1 {LONG}")
        caller = Caller(service=talk.service, around=talk.around, live=talk.live, sink=talk.sink)
        made = make_checkpoint(talk.ask("?"), caller, POLICY, is_forced=True)
        assert isinstance(made, CheckpointOutcome)
        assert made.is_made
        again = make_checkpoint(talk.ask("?"), caller, POLICY, is_forced=True)
        assert isinstance(again, NotDue)


def test_a_name_too_long_for_a_suffix_still_gets_a_conversation_of_its_own(tmp_path: Path) -> None:
    with talking(tmp_path, answering(summary())) as (talk, _):
        talk.conversation_id = "c" * 128
        for number in range(5):
            talk.say(f"question {number} {LONG}")
        (made,) = talk.checkpoints
        assert made.state == "made"
        assert made.conversation_id.startswith("checkpoint/")


TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def test_a_call_that_nobody_answered_is_answered_before_the_next_message(tmp_path: Path) -> None:
    with talking(tmp_path, lambda body: Says(tool_calls=(("look", {}),))) as (talk, server):
        talk.say("look there", tools=[TOOL], streamed=False)
        server.answer = lambda body: Says("fine")
        done = talk.say("and now?")
        assert done.finished.reply.failure is None
        sent = server.bodies[-1]["messages"]
        assert [message["role"] for message in sent] == [
            *("system", "user", "assistant", "tool", "user"),
        ]
        assert sent[3]["tool_call_id"] == sent[2]["tool_calls"][0]["id"]
        assert sent[4]["content"] == "and now?"
        talk.say("go on")
        again = server.bodies[-1]["messages"]
        assert again[:5] == sent, "and it stays so"
