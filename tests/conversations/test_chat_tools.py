"""`wai chat` with tools: each step of a loop is a turn, and the policy decides on each call."""

import json

import pytest

from support.chat_server import Body, Says, chat_server, is_summary
from support.cli import Wai
from support.tool_project import TEXT, an_object, write_project

MODEL = "@cf/google/gemma-4-26b-a4b-it"
FLAGS = ("chat", "-c", "c1", "-w", "support", "-m", MODEL, "--tool", "files.count")


@pytest.fixture
def tools(wai: Wai) -> Wai:
    """A project with one tool, which its policy allows."""
    counting = {
        "name": "files.count",
        "description": "Counts.",
        "parameters": an_object(text=TEXT),
        "command": {"argv": ["wc", "-c"], "stdin": "arguments"},
    }
    write_project(wai.folder, [counting], [{"name": "files.count"}], models={"low": [MODEL]})
    return wai


def answer(body: Body) -> Says:
    """Call the tool for a question, and answer once it has; sum up when asked to."""
    if is_summary(body):
        return Says(json.dumps({"summary": "They counted.", "facts": [], "replaced": []}))
    if body["messages"][-1]["role"] == "user" and "tools" in body:
        return Says(tool_calls=((body["tools"][0]["function"]["name"], {"text": "abc"}),))
    return Says("It is counted. " + "word " * 60)


def test_an_exchange_is_the_call_its_result_and_the_answer(tools: Wai) -> None:
    with chat_server(answer) as server:
        tools.environ.update(server.environ)
        done = tools(*FLAGS, stdin="/tools\ncount it\n")
        assert done.exit_code == 0, done.stderr
        roles = [message["role"] for message in server.bodies[-1]["messages"]]
    assert roles == ["user", "assistant", "tool"]
    assert done.stdout.startswith("It is counted.")
    assert "files.count" in done.stderr.splitlines()[0]
    assert "2 requests]" in done.stderr
    shown = json.loads(tools("conversations", "show", "c1", "--json").stdout)
    assert [turn["state"] for turn in shown["turns"]] == ["done", "done"]
    assert len(shown["decision_ids"]) == 3, "two requests and a call"


def test_deleting_takes_what_the_tool_said_where_a_policy_let_it_be_kept(wai: Wai) -> None:
    counting = {
        "name": "files.count",
        "description": "Counts.",
        "parameters": an_object(text=TEXT),
        "command": {"argv": ["wc", "-c"], "stdin": "arguments"},
    }
    rules = [{"name": "files.count", "raw_output": "keep"}]
    write_project(wai.folder, [counting], rules, models={"low": [MODEL]})
    with chat_server(answer) as server:
        wai.environ.update(server.environ)
        assert wai(*FLAGS, stdin="count it\n").exit_code == 0
        assert wai("run", "-c", "c2", "-w", "support", "-m", MODEL, "hi").exit_code == 0
    kept = [
        path for path in (wai.folder / ".wai").rglob("*.json") if '"output"' in path.read_text()
    ]
    assert len(kept) == 1
    done = wai("conversations", "delete", "c1", "--yes", "--json")
    assert json.loads(done.stdout)["tool_output_count"] == 1
    assert not kept[0].exists()
    verified = wai("audit", "verify")
    assert verified.exit_code == 0, "the decision log is untouched"


def test_undo_takes_the_call_and_its_result_back_as_well(tools: Wai) -> None:
    with chat_server(answer) as server:
        tools.environ.update(server.environ)
        done = tools(*FLAGS, stdin="first\nsecond\n/undo\nthird\n")
        assert done.exit_code == 0, done.stderr
        last = server.bodies[-1]["messages"]
    asked = [message["content"] for message in last if message["role"] == "user"]
    assert asked == ["first", "third"]
    assert [message["role"] for message in last].count("tool") == 2


def test_a_checkpoint_never_parts_a_call_from_its_result(tools: Wai) -> None:
    with chat_server(answer) as server:
        tools.environ.update(server.environ)
        lines = "".join(f"question {number} {'word ' * 80}\n" for number in range(6))
        done = tools(*FLAGS, "--checkpoint-every", "4", stdin=lines)
        assert done.exit_code == 0, done.stderr
        bodies = [body for body in server.bodies if not is_summary(body)]
    assert "checkpoint: a summary" in done.stderr
    for body in bodies:
        messages = body["messages"]
        for place, message in enumerate(messages):
            if message["role"] == "tool":
                called = [call["id"] for call in messages[place - 1]["tool_calls"]]
                assert message["tool_call_id"] in called
            elif message.get("tool_calls"):
                assert place + 1 < len(messages)
                assert messages[place + 1]["role"] == "tool"


def test_json_lists_the_calls_of_the_exchange(tools: Wai) -> None:
    with chat_server(answer) as server:
        tools.environ.update(server.environ)
        done = tools(*FLAGS, "--json", stdin="one\ntwo\n")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [[call["tool"] for call in row["exchange"]["tools"]] for row in rows] == [
        ["files.count"],
        ["files.count"],
    ]
    assert [row["exchange"]["turn_indexes"] for row in rows] == [[0, 1], [2, 3]]


def test_without_policies_there_are_no_tools(wai: Wai) -> None:
    with chat_server(answer) as server:
        wai.environ.update(server.environ)
        done = wai("chat", "-c", "c1", "--tool", "files.count", stdin="count it\n")
        assert server.bodies == []
    assert done.exit_code == 5
    assert "tools need policies" in done.stderr
