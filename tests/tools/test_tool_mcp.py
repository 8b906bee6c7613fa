"""Tools of MCP servers: real ones over pipes, and some that behave badly."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import support.mcp_server
from support.cli import Wai
from support.tool_project import TEXT, Bench, an_object, bench_of, write_project
from wai_ops.runtime.tools.mcp import schema_difference, schema_sha256

pytest.importorskip("mcp")
NUMBER = {"type": "integer"}
SERVER = support.mcp_server.__file__
ADD = an_object("a", "b", a=NUMBER, b=NUMBER)


def tool(
    name: str, parameters: dict[str, Any], how: str, mark: object = "", **more: Any
) -> dict[str, Any]:
    server = [sys.executable, SERVER, how, str(mark)]
    mcp = {"server": server, "tool": name, **more.pop("mcp", {})}
    return {
        "name": f"m.{name}",
        "description": "d",
        "parameters": parameters,
        "mcp": mcp,
        **more,
    }


@contextmanager
def serving(tmp_path: Path, how: str, **more: Any) -> Iterator[Bench]:
    tools = [
        tool("add", ADD, how, tmp_path, **more),
        tool("environment", an_object(), how, tmp_path),
        tool("fail", an_object("why", why=TEXT), how, tmp_path),
        tool("text", an_object("size", size=NUMBER), how, tmp_path, output={"max_bytes": 100_000}),
        tool("missing", an_object(), how, tmp_path),
    ]
    write_project(tmp_path, tools, [{"name": "m.*"}])
    with bench_of(tmp_path, environ={"CLOUDFLARE_API_TOKEN": "t" * 40}) as bench:
        yield bench


def is_running(mark: Path) -> bool:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if SERVER.encode() in words and str(mark).encode() in words:
                return True
    return False


def test_calls_go_to_one_server_that_ends_with_the_caller(tmp_path: Path) -> None:
    with serving(tmp_path, "honest") as bench:
        assert bench.told("m__add", {"a": 1, "b": 2}) == {"ok": True, "data": {"result": 3}}
        assert bench.told("m__add", {"a": 5, "b": 2})["data"] == {"result": 7}
        assert is_running(tmp_path)
        kinds = [record["kind"] for record in bench.of_type("decision")]
        assert kinds == ["tool_call", "tool_call"]
        assert [end["outcome"] for end in bench.of_type("action_end")] == ["ok", "ok"]
    assert not is_running(tmp_path)


def test_a_server_sees_a_short_environment_and_a_folder_of_its_own(tmp_path: Path) -> None:
    with serving(tmp_path, "honest") as bench:
        seen = bench.told("m__environment")["data"]
        assert "CLOUDFLARE_API_TOKEN" not in seen
        assert seen["HOME"] == seen["cwd"]
    assert not Path(seen["cwd"]).exists()


def test_a_failure_of_the_tool_is_told_in_its_words(tmp_path: Path) -> None:
    with serving(tmp_path, "honest") as bench:
        told = bench.told("m__fail", {"why": "no such file"})
        assert told["error"]["type"] == "tool_error"
        assert "it failed: no such file" in told["error"]["message"]


def test_arguments_are_judged_by_the_declaration_before_the_server_hears_of_them(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, "honest") as bench:
        told = bench.told("m__add", {"a": "1", "b": 2})
        assert told["error"]["type"] == "invalid_arguments"
        assert not is_running(tmp_path)


def test_a_tool_that_changed_is_not_called_and_people_hear_where_it_differs(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, "changed") as bench:
        called = bench.call("m__add", {"a": 1, "b": 2})
        assert json.loads(called.content)["error"] == {
            "type": "declaration_differs",
            "message": "this tool cannot be used now",
        }
        assert called.detail is not None
        assert "m.add (tools/all.yaml:1)" in called.detail
        assert "/properties/sign (only the server has it)" in called.detail
        assert bench.call("m__missing").detail == (
            "m.missing (tools/all.yaml:1): the server has no tool missing"
        )


def test_a_narrower_declaration_names_the_schema_that_was_reviewed(tmp_path: Path) -> None:
    wide = an_object("a", "b", a=NUMBER, b=NUMBER, sign={"type": "string", "default": "+"})
    digest = schema_sha256(wide)
    with serving(tmp_path, "changed", mcp={"schema_sha256": digest}) as bench:
        assert bench.told("m__add", {"a": 1, "b": 2})["data"] == {"result": 3}
    with serving(tmp_path, "honest", mcp={"schema_sha256": digest}) as bench:
        called = bench.call("m__add", {"a": 1, "b": 2})
        assert called.detail is not None
        assert schema_sha256(ADD) in called.detail


@pytest.mark.parametrize(
    ("how", "problem"),
    [("flood", "not_started"), ("dies", "tool_error"), ("late", "timeout")],
)
def test_a_server_that_behaves_badly_is_ended_and_the_next_call_starts_another(
    tmp_path: Path, how: str, problem: str
) -> None:
    more = {"timeout_s": 1, "output": {"max_bytes": 100_000}}
    with serving(tmp_path, how, **more) as bench:
        for number in (1, 2):
            assert bench.told("m__add", {"a": number, "b": 2})["error"]["type"] == problem
        assert not is_running(tmp_path)


def test_a_result_beyond_the_limit_ends_the_session_and_not_the_memory(tmp_path: Path) -> None:
    with serving(tmp_path, "honest", output={"max_bytes": 100_000}) as bench:
        assert bench.told("m__text", {"size": 50_000})["ok"] is True
        for size in (150_000, 5_000_000):  # beyond the tool's limit; beyond every line's
            told = bench.told("m__text", {"size": size})
            assert told["error"]["type"] == "output_too_large"
        assert bench.told("m__add", {"a": 1, "b": 1})["data"] == {"result": 2}


def test_words_of_a_schema_are_no_difference_and_constraints_are() -> None:
    ours = {"type": "object", "properties": {"title": TEXT}, "required": ["title"]}
    same = ours | {"title": "X", "properties": {"title": TEXT | {"description": "d"}}}
    assert schema_difference(ours, same) is None
    assert schema_sha256(ours) == schema_sha256(same)
    narrower = ours | {"properties": {"title": TEXT | {"maxLength": 3}}}
    assert (
        schema_difference(ours, narrower) == "/properties/title/maxLength (only the server has it)"
    )
    assert schema_difference({"title": 1, "properties": {"title": {}}}, {"properties": {}}) == (
        "/properties/title (only the declaration has it)"
    )


def test_check_starts_servers_and_exits_1_where_a_tool_differs(wai: Wai) -> None:
    write_project(wai.folder, [tool("add", ADD, "changed")], [{"name": "m.*"}])
    ran = wai("tools", "check", "--servers", "--format", "jsonl")
    assert ran.exit_code == 1
    assert json.loads(ran.stdout)["problem"].endswith(f"its schema_sha256 is {_changed()}")
    assert wai("tools", "check").exit_code == 0


def _changed() -> str:
    return schema_sha256(
        an_object("a", "b", a=NUMBER, b=NUMBER, sign={"type": "string", "default": "+"})
    )
