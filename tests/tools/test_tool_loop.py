"""The tool loop: a model on a socket asks for tools, hears of them, and answers."""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.chat_server import Body, ChatServer, Says, chat_server
from support.talking import Talk, talk_with
from support.tool_project import TEXT, Bench, an_object, bench_of, write_project
from wai_ops.core.failures import FailureClass
from wai_ops.runtime.exchange import Exchange, exchange
from wai_ops.runtime.tools.loop import LoopRules, ToolLoop, ToolLoopEnded
from wai_ops.runtime.tools.messages import unanswered
from wai_ops.runtime.tools.outcome import ToolProblem

Answer = Callable[[Body], Says]
NUMBER = {"type": "integer"}


def command(name: str, *argv: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": f"The tool {name}.",
        "parameters": parameters or an_object(n=NUMBER, text=TEXT),
        "command": {"argv": list(argv)},
        **more,
    }


@dataclass
class Scene:
    """A conversation with tools."""

    talk: Talk
    bench: Bench
    loop: ToolLoop
    model: ChatServer

    def say(self, text: str, **changes: Any) -> Exchange:
        talk = self.talk
        return exchange(
            talk.ask(text, **changes),
            talk.service,
            talk.around,
            talk.live,
            talk.sink,
            tools=self.loop,
        )

    @property
    def results(self) -> list[dict[str, Any]]:
        """What the model was told, call by call, in the last request."""
        messages = self.model.bodies[-1]["messages"]
        return [json.loads(m["content"]) for m in messages if m["role"] == "tool"]


@contextmanager
def scene(folder: Path, answer: Answer, **rules: Any) -> Iterator[Scene]:
    tools = [
        command("echo.n", "echo", "{n}"),
        command("echo.text", "printf", "%s", "{text}"),
        command("slow.fail", "false"),
        command("never.allowed", "true"),
    ]
    write_project(folder, tools, [{"name": "echo.*"}, {"name": "slow.fail"}])
    with (
        chat_server(answer) as model,
        bench_of(folder) as bench,
        talk_with(model.base_url, folder / ".wai") as talk,
    ):
        loop = ToolLoop(bench.toolbox, bench.caller, lambda _: LoopRules(**rules))
        yield Scene(talk, bench, loop, model)


def in_turn(*answers: Says) -> Answer:
    """The n-th request gets the n-th answer."""
    left = list(answers)
    return lambda _: left.pop(0)


def calling(*calls: tuple[str, Any], text: str = "") -> Says:
    return Says(text, tool_calls=calls, finish_reason="tool_calls")


def test_results_go_back_until_the_model_answers(tmp_path: Path) -> None:
    answers = in_turn(
        calling(("echo__n", {"n": 1}), text="Let me look."),
        calling(("echo__n", {"n": 2}), ("echo__text", {"text": "x"})),
        Says("three results"),
    )
    with scene(tmp_path, answers) as it:
        done = it.say("go on")
        assert [step.reply.answer.text for step in done.steps] == [
            "Let me look.",
            "",
            "three results",
        ]
        roles = [message["role"] for message in it.model.bodies[-1]["messages"]]
        assert roles == ["system", "user", "assistant", "tool", "assistant", "tool", "tool"]
        assert it.results == [
            {"ok": True, "data": 1},
            {"ok": True, "data": 2},
            {"ok": True, "data": "x"},
        ]
        asked = [m["tool_call_id"] for m in it.model.bodies[-1]["messages"] if m["role"] == "tool"]
        assert asked == ["call_2_0", "call_4_0", "call_4_1"]
        assert it.bench.of_type("decision")[0]["justification"] == "Let me look."
        assert [fact["turn_index"] for fact in it.bench.facts] == [0, 1, 1]


def test_the_prefix_of_every_request_is_the_one_before_byte_for_byte(tmp_path: Path) -> None:
    answers = in_turn(
        *(calling(("echo__n", {"n": n}), text=f"step {n}") for n in range(6)), Says("done")
    )
    with scene(tmp_path, answers) as it:
        it.say("count")
        texts = [raw.partition(b'"messages":[')[2][:-2] for raw in it.model.raw]
        heads = {raw.partition(b'"messages":[')[0] for raw in it.model.raw}
        assert len(heads) == 1
        assert all(b.startswith(a) for a, b in itertools.pairwise(texts))
        assert len(texts) == 7


def test_tools_are_offered_by_the_name_that_models_take(tmp_path: Path) -> None:
    with scene(tmp_path, in_turn(Says("no need"))) as it:
        it.say("hello")
        names = [tool["function"]["name"] for tool in it.model.bodies[0]["tools"]]
        assert names == ["echo__n", "echo__text", "never__allowed", "slow__fail"]


def test_a_refused_call_is_told_and_the_model_goes_on(tmp_path: Path) -> None:
    answers = in_turn(calling(("never__allowed", {})), Says("then without"))
    with scene(tmp_path, answers) as it:
        done = it.say("try")
        assert done.finished.reply.answer.text == "then without"
        assert it.results[0]["error"]["type"] == "refused_by_policy"
        assert it.bench.of_type("action_start") == []


def test_failures_of_tools_are_told_and_the_model_goes_on(tmp_path: Path) -> None:
    answers = in_turn(
        calling(("slow__fail", {}), ("nobody__knows", {}), ("echo__n", "{not json")), Says("sorry")
    )
    with scene(tmp_path, answers) as it:
        it.say("try")
        kinds = [result["error"]["type"] for result in it.results]
        assert kinds == ["tool_error", "unknown_tool", "invalid_arguments"]
        errors = [fact["error_type"] for fact in it.bench.facts]
        assert errors == ["tool_error"] * 3


def test_a_model_that_repeats_itself_is_told_once_and_then_stopped(tmp_path: Path) -> None:
    with scene(tmp_path, lambda _: calling(("echo__n", {"n": 1}))) as it:
        with pytest.raises(ToolLoopEnded) as ended:
            it.say("again and again")
        assert ended.value.failure is FailureClass.TOOL_LOOP
        assert ended.value.to_error().exit_code == 3
        assert [called.problem for called in ended.value.calls] == [
            None,
            None,
            ToolProblem.REPEATED,
            ToolProblem.REPEATED,
        ]
        assert len(it.model.bodies) == 4
        assert len(it.bench.of_type("action_start")) == 2


@pytest.mark.parametrize("call", [("never__allowed", {}), ("nobody__knows", {}), ("echo__n", "{")])
def test_a_model_that_insists_on_what_is_refused_is_stopped_as_well(
    tmp_path: Path, call: tuple[str, Any]
) -> None:
    with scene(tmp_path, lambda _: calling(call)) as it:
        with pytest.raises(ToolLoopEnded) as ended:
            it.say("do it anyway")
        assert ended.value.failure is FailureClass.TOOL_LOOP
        assert len(it.model.bodies) == 4
        assert it.bench.of_type("action_start") == []


def test_a_model_that_goes_in_circles_is_stopped(tmp_path: Path) -> None:
    def answer(body: Body) -> Says:
        return calling(("echo__n", {"n": len(body["messages"]) // 2 % 2}))

    with scene(tmp_path, answer) as it:
        with pytest.raises(ToolLoopEnded) as ended:
            it.say("round and round")
        assert ended.value.failure is FailureClass.TOOL_LOOP
        assert len(it.bench.of_type("action_start")) == 3


def test_the_envelope_limits_the_calls_and_the_model_is_told_to_answer(tmp_path: Path) -> None:
    answers = in_turn(calling(*(("echo__n", {"n": n}) for n in range(5))), Says("with what I have"))
    with scene(tmp_path, answers, max_calls=3) as it:
        assert it.say("all of them").finished.reply.answer.text == "with what I have"
        assert [result["ok"] for result in it.results] == [True, True, True, False, False]
        assert it.results[-1]["error"]["type"] == "call_limit"
        assert len(it.bench.of_type("action_start")) == 3
        refusals = [r for r in it.bench.of_type("decision") if r["verdict"] == "deny"]
        assert {r["rule"] for r in refusals} == {"support.envelope.max_tool_calls"}
        assert [fact["error_type"] for fact in it.bench.facts][3:] == ["local_budget"] * 2


def test_a_model_that_will_not_stop_at_the_limit_is_stopped(tmp_path: Path) -> None:
    def answer(body: Body) -> Says:
        return calling(("echo__n", {"n": len(body["messages"])}))

    with scene(tmp_path, answer, max_calls=2) as it:
        with pytest.raises(ToolLoopEnded) as ended:
            it.say("on and on")
        assert ended.value.failure is FailureClass.LOCAL_BUDGET
        assert ended.value.to_error().exit_code == 5
        assert [called.problem for called in ended.value.calls] == [None, None, ToolProblem.LIMIT]
        assert len(it.bench.of_type("action_start")) == 2


def test_every_message_of_the_user_starts_the_counts_anew(tmp_path: Path) -> None:
    answers = in_turn(*[calling(("echo__n", {"n": 1})), Says("done")] * 4)
    with scene(tmp_path, answers, max_calls=1) as it:
        for number in range(4):
            assert it.say(f"message {number}").finished.reply.answer.text == "done"


def test_a_cut_reply_calls_nothing(tmp_path: Path) -> None:
    cut = Says("", tool_calls=[("echo__n", '{"n":')], finish_reason="length")
    with scene(tmp_path, in_turn(cut)) as it:
        done = it.say("long")
        assert done.finished.reply.failure is FailureClass.OUTPUT_TRUNCATED
        assert it.bench.records == []


def test_calls_that_nobody_answered_are_answered_before_the_next_message(tmp_path: Path) -> None:
    """A provider refuses a history with open calls: an interrupted loop must not end a talk."""
    answers = in_turn(calling(("echo__n", {"n": 1})), Says("welcome back"))
    with scene(tmp_path, answers) as it:
        talk = it.talk
        exchange(talk.ask("begin"), talk.service, talk.around, talk.live, talk.sink)
        (left,) = unanswered(talk.turns[-1].reply_json)
        assert left["tool_call_id"] == "call_2_0"
        assert json.loads(left["content"])["error"]["type"] == "not_run"
        user = {"role": "user", "content": "go on"}
        it.say("go on", results=(left, user))
        roles = [message["role"] for message in it.model.bodies[-1]["messages"]]
        assert roles == ["system", "user", "assistant", "tool", "user"]
    assert unanswered('{"role":"assistant","content":"tool_calls"}') == ()
    assert unanswered(None) == ()
