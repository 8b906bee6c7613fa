"""`wai tools`, and tools in `wai run`: real processes, a real emulator, a real terminal."""

import json
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.cli import Wai
from support.outside import Outside, outside_host
from support.terminal import on_terminal
from support.tool_project import (
    TEXT,
    an_object,
    http_tool,
    outbound_to,
    records_of,
    write_project,
)

MODEL = "@cf/google/gemma-4-26b-a4b-it"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    with outside_host(tmp_path_factory.mktemp("outside")) as host:
        yield host


@pytest.fixture
def tools(wai: Wai, outside: Outside) -> Wai:
    """A project with three tools, one of which needs a person."""
    url = f"http://tools.test:{outside.port}/ok/{wai.folder.parent.name}"
    listed = [
        http_tool("web.get", url, output={"pick": ["times"]}),
        http_tool("web.ask", url),
        {
            "name": "files.count",
            "description": "Counts.",
            "parameters": an_object(text=TEXT),
            "command": {"argv": ["wc", "-c"], "stdin": "arguments"},
        },
    ]
    rules = [{"name": "web.get"}, {"name": "web.ask", "approval": "always"}]
    outbound = [outbound_to(outside.port)]
    write_project(wai.folder, listed, rules, outbound, models={"low": [MODEL]})
    return wai


def outcome(wai: Wai, *arguments: str) -> dict[str, Any]:
    ran = wai("run", "--json", "-w", "support", "-m", MODEL, *arguments)
    assert ran.exit_code == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def test_a_first_file_works_once_a_policy_allows_its_tool(wai: Wai) -> None:
    none = wai("tools", "list")
    assert (none.exit_code, "hint: write a first one: wai tools init" in none.stderr) == (2, True)
    made = wai("tools", "init")
    assert (made.exit_code, made.stdout) == (0, "wrote tools/first.yaml\n")
    assert "next: wai policy init" in made.stderr
    again = wai("tools", "init")
    assert (again.exit_code, again.stdout) == (2, "")
    assert wai("policy", "init", "--workflow", "support").exit_code == 0
    policy = wai.folder / "policies" / "support.yaml"
    policy.write_text(
        policy.read_text().replace("    # tools:\n", "    tools: [{name: clock.*}]\n")
    )
    assert wai("tools", "check").exit_code == 0
    ran = wai("tools", "call", "clock.now", "-w", "support")
    assert (ran.exit_code, json.loads(ran.stdout)["ok"]) == (0, True)


def test_every_example_of_the_first_file_can_be_taken_out_of_its_comment(wai: Wai) -> None:
    wai("tools", "init")
    path = wai.folder / "tools" / "first.yaml"
    lines = path.read_text().splitlines()
    start = lines.index("version: 1")
    bare = (f"  {line[4:]}" if line.startswith("  # ") else line for line in lines[start:])
    path.write_text("\n".join(bare))
    rows = json.loads(wai("tools", "list", "--json").stdout)["rows"]
    assert [row["tool"] for row in rows] == ["clock.now", "crm.lookup", "docs.search"]


def test_list_says_what_tools_reach_and_whose_policies_allow_them(tools: Wai) -> None:
    ran = tools("tools", "list", "--format", "json")
    rows = {row["tool"]: row for row in json.loads(ran.stdout)["rows"]}
    assert rows["web.get"]["reaches"].startswith("GET http://tools.test:")
    assert rows["web.get"]["workflows"] == "support"
    assert rows["files.count"] == {
        "tool": "files.count",
        "family": "files",
        "kind": "command",
        "risk": "low",
        "reaches": "wc",
        "workflows": "-",
        "max_tokens": 2000,
        "where": "tools/all.yaml:1",
    }


def test_check_names_what_keeps_tools_from_working(tools: Wai) -> None:
    ran = tools("tools", "check", "--format", "jsonl")
    assert ran.exit_code == 1
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [
        {
            "tool": "files.count",
            "problem": "no policy lets a workflow call it",
            "where": "tools/all.yaml:1",
        }
    ]
    assert tools("tools", "check", "web.*").exit_code == 0


def test_check_tries_the_request_against_the_outbound_rules(wai: Wai) -> None:
    named = an_object("id", id=TEXT)
    listed = [
        http_tool("a.fine", "https://api.example.com/v1/{id}", parameters=named),
        http_tool("b.path", "https://api.example.com/v2/{id}", parameters=named),
        http_tool("c.host", "https://other.example.com/v1/x"),
        http_tool("d.method", "https://api.example.com/v1/x", http={"method": "POST"}),
        http_tool("e.port", "https://api.example.com:8443/v1/x"),
        http_tool("f.risk", "https://api.example.com/v1/x", risk="high"),
    ]
    outbound = [{"host": "api.example.com", "methods": ["GET"], "paths": ["/v1/"]}]
    write_project(wai.folder, listed, [{"name": f"{c}.*"} for c in "abcdef"], outbound)
    ran = wai("tools", "check", "--format", "jsonl")
    found = {row["tool"]: row["problem"] for row in map(json.loads, ran.stdout.splitlines())}
    assert ran.exit_code == 1
    assert list(found) == ["b.path", "c.host", "d.method", "e.port", "f.risk"]
    assert "path /v2/x is below none of /v1/" in found["b.path"]
    assert "no rule allows host other.example.com (policies/support.yaml:1)" in found["c.host"]
    assert "method POST is not allowed" in found["d.method"]
    assert "port 8443 is not allowed" in found["e.port"]
    assert found["f.risk"] == (
        "workflow support allows turns up to tier low, and it is for tier high and above"
    )


def test_call_prints_what_a_model_would_be_told(tools: Wai) -> None:
    ran = tools("tools", "call", "web.get", "-w", "support")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (
        0,
        '{"data":{"times":1},"ok":true}\n',
        "",
    )


def test_arguments_come_from_standard_input_as_well(tools: Wai) -> None:
    assert tools("tools", "call", "web.get", "-", "-w", "support", stdin="{}").exit_code == 0
    ran = tools("tools", "call", "web.get", "-", "-w", "support", stdin=b"\xff\xfe")
    assert (ran.exit_code, ran.stdout) == (2, "")


def test_a_refused_call_exits_5_and_names_the_decision(tools: Wai) -> None:
    ran = tools("tools", "call", "files.count", "-w", "support", "--json")
    result = json.loads(ran.stdout)
    assert (ran.exit_code, result["problem"]) == (5, "refused_by_policy")
    assert records_of(tools.folder)[-1]["decision_id"] == result["decision_id"]
    assert f"hint: wai audit show {result['decision_id']}" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "word"),
    [
        (("web.get", "{"), 2, "invalid_arguments"),
        (("web.get", '{"x":1}'), 2, "invalid_arguments"),
        (("web.gte",), 2, "did you mean web.get?"),
        (("web.get", "--risk", "huge"), 2, "low, medium and high"),
    ],
)
def test_mistakes_of_the_caller_exit_2(
    tools: Wai, arguments: tuple[str, ...], exit_code: int, word: str
) -> None:
    ran = tools("tools", "call", *arguments, "-w", "support")
    assert ran.exit_code == exit_code
    assert word in ran.stdout + ran.stderr


def test_without_a_terminal_and_in_ci_an_approval_is_a_no(tools: Wai) -> None:
    ran = tools("tools", "call", "web.ask", "-w", "support")
    assert ran.exit_code == 5
    assert "not_approved" in ran.stdout


def test_on_a_terminal_a_person_sees_the_call_and_says_yes_or_no(tools: Wai) -> None:
    command = tools.command("tools", "call", "web.ask", "-w", "support")
    for typed, code in (
        ("y\n", 0),
        ("\n", 5),
        ("yess\n", 5),
        ("\x04", 5),
        ("\x03", 130),
    ):
        with on_terminal(command, cwd=tools.folder, env=tools.environment()) as terminal:
            asked = terminal.read_until("allow it? [y/N] ")
            assert "wai: tool web.ask needs approval" in asked
            assert "wai: rule: support.tools.web.ask (policies/support.yaml:1)" in asked
            terminal.type(typed)
            assert terminal.wait() == code, terminal.shown
            assert ('"ok":true' in terminal.shown) == (code == 0)
    approved = [record for record in records_of(tools.folder) if record.get("approved_by")]
    assert len(approved) == 1
    assert all(record["approved_by"].startswith("os:") for record in approved)


def test_what_was_typed_before_the_question_is_no_answer(tools: Wai) -> None:
    """The keys were pressed before the question was there: a `y` among them is not meant."""
    command = tools.command("tools", "call", "web.ask", "-", "-w", "support")
    with on_terminal(command, cwd=tools.folder, env=tools.environment()) as terminal:
        terminal.type("{}\n\x04y\n")  # the arguments, their end, and a yes too early
        terminal.read_until("allow it? [y/N] ")
        terminal.type("n\n")
        assert terminal.wait() == 5


def test_in_ci_nobody_is_asked(tools: Wai) -> None:
    command = tools.command("tools", "call", "web.ask", "-w", "support")
    environ = tools.environment() | {"CI": "true"}
    with on_terminal(command, cwd=tools.folder, env=environ) as terminal:
        assert terminal.wait() == 5
        assert "allow it?" not in terminal.shown


def test_a_run_calls_a_tool_through_the_gate_and_every_log_tells_of_it(
    tools: Wai, online: Wai, outside: Outside
) -> None:
    before = len(outside.requests)
    result = outcome(online, "--tool", "web.get", "-c", "talk", "please use web__get now")
    assert "The tool answered" in result["text"]
    (tool,) = result["exchange"]["tools"]
    assert (tool["tool"], tool["ok"]) == ("web.get", True)
    (request,) = outside.requests[before:]
    decisions = {r["decision_id"]: r for r in records_of(tools.folder) if r["type"] == "decision"}
    assert decisions[request["decision"]]["parent_id"] == tool["decision_id"]
    assert decisions[tool["decision_id"]]["conversation_id"] == "talk"
    rows = json.loads(online("report", "tools", "--by", "tool", "--json").stdout)["rows"]
    assert [(row["tool"], row["call_count"], row["failed_count"]) for row in rows] == [
        ("web.get", 1, 0)
    ]
    timeline = json.loads(online("report", "timeline", "talk", "--json").stdout)["rows"]
    assert "web.get" in [row["what"] for row in timeline if row["event"] == "tool"]
    told = online("audit", "reconstruct", "talk", "--json")
    assert '"tool_call"' in told.stdout


def test_a_dry_run_shows_the_tools_that_would_be_offered_and_calls_none(tools: Wai) -> None:
    ran = tools("run", "--dry-run", "--json", "--tool", "web.*", "-w", "support", "-m", MODEL, "hi")
    assert ran.exit_code == 0, ran.stderr
    body = json.loads(json.loads(ran.stdout)["body"])
    assert [tool["function"]["name"] for tool in body["tools"]] == ["web__ask", "web__get"]
    assert records_of(tools.folder) == []


def test_tools_are_refused_where_no_policy_is_and_nothing_is_sent(online: Wai, tools: Wai) -> None:
    (tools.folder / "policies" / "support.yaml").unlink()
    (tools.folder / "policies").rmdir()
    ran = online("run", "--tool", "web.get", "-m", MODEL, "use web__get")
    assert (ran.exit_code, ran.stdout) == (5, "")
    assert "hint: write a first one: wai policy init" in ran.stderr


def test_definitions_from_a_file_are_still_only_printed(online: Wai, tools: Wai) -> None:
    file = tools.folder / "bare.json"
    definition = {"name": "web__get", "description": "d", "parameters": an_object()}
    file.write_text(json.dumps([{"type": "function", "function": definition}]))
    ran = online("run", "-q", "--tools", str(file), "-w", "support", "-m", MODEL, "use web__get")
    assert ran.exit_code == 0, ran.stderr
    assert json.loads(ran.stdout)["name"] == "web__get"
    both = online("run", "--tools", str(file), "--tool", "web.get", "-w", "support", "x")
    assert both.exit_code == 2


def test_ctrl_c_ends_the_tool_and_its_outcome_is_unknown(wai: Wai, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    tool = {
        "name": "slow.tool",
        "description": "Never ends.",
        "parameters": an_object(),
        "command": {"argv": ["sh", "-c", f"exec > {fifo}; echo ready; exec sleep 7399"]},
    }
    write_project(wai.folder, [tool], [{"name": "slow.tool"}])
    process = wai.start("tools", "call", "slow.tool", "-w", "support")
    with fifo.open() as said:
        assert said.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert said.read() == ""
    process.communicate()
    assert process.returncode == 130
    end = records_of(wai.folder)[-1]
    assert (end["type"], end["outcome"], end["error_type"]) == (
        "action_end",
        "unknown",
        "cancelled",
    )
    rows = json.loads(wai("report", "tools", "--by", "tool", "--json").stdout)["rows"]
    assert [(row["tool"], row["failed_count"]) for row in rows] == [("slow.tool", 1)]


def process_with(mark: str) -> int:
    """The process that carries a mark in its arguments."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in words:
                return int(folder.name)
    raise AssertionError(f"no process carries {mark}")


def test_killing_wai_ends_the_program_of_a_tool_and_removes_its_folder(
    wai: Wai, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"pwd > {fifo}; exec > {fifo}; setsid sleep 7398 & exec sleep 7398"
    tool = {
        "name": "slow.tool",
        "description": "Never ends.",
        "parameters": an_object(),
        "command": {"argv": ["sh", "-c", script]},
    }
    write_project(wai.folder, [tool], [{"name": "slow.tool"}])
    process = wai.start("tools", "call", "slow.tool", "-w", "support")
    with fifo.open() as said:
        scratch = Path(said.readline().strip())
    assert scratch.is_dir()
    supervisor = os.pidfd_open(process_with(str(scratch)))
    with fifo.open() as said:
        process.kill()
        process.communicate()
        assert said.read() == ""  # everybody who held the other end is gone
    assert select.select([supervisor], [], [], 30)[0]
    os.close(supervisor)
    assert not scratch.exists()
    types = [record["type"] for record in records_of(wai.folder)]
    assert types == ["decision", "action_start"]
    again = wai("tools", "list")  # whatever happened, the project works
    assert again.exit_code == 0
