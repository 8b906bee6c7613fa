"""Tool files: read strictly, every problem with its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.cli import Wai
from wai_ops.config.settings import ToolSettings
from wai_ops.core.errors import UsageError
from wai_ops.runtime.tools.load import Toolbox, load_tools

GOOD = """\
version: 1
tools:
  - name: crm.lookup
    description: Looks a customer up.
    parameters:
      type: object
      properties:
        id: {type: string}
        limit: {type: integer}
      required: [id]
    http:
      url: https://api.example.com/v1/customers/{id}/orders
      query: {limit: "{limit}"}
"""


def load(folder: Path, *texts: str, settings: ToolSettings | None = None) -> Toolbox:
    (folder / "tools").mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (folder / "tools" / f"{number}.yaml").write_text(text)
    return load_tools(folder / "tools", folder, settings or ToolSettings())


def problems(folder: Path, *texts: str) -> list[str]:
    with pytest.raises(UsageError) as error:
        load(folder, *texts)
    return error.value.message.splitlines()


def test_a_tool_knows_its_place_family_kind_and_how_often_it_may_be_sent(tmp_path: Path) -> None:
    tool = load(tmp_path, GOOD).tools["crm.lookup"]
    assert (tool.where, tool.family, tool.kind, tool.max_attempts) == (
        "tools/0.yaml:3",
        "crm",
        "http",
        3,
    )
    assert tool.definition == {
        "type": "function",
        "function": {
            "name": "crm__lookup",
            "description": "Looks a customer up.",
            "parameters": dict(tool.entry.parameters),
        },
    }


def test_a_post_is_sent_once_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    post = GOOD.replace("    http:\n", "    http:\n      method: POST\n")
    assert load(tmp_path, post).tools["crm.lookup"].max_attempts == 1
    more = post + "    max_attempts: 4\n"
    assert load(tmp_path, more).tools["crm.lookup"].max_attempts == 4


def test_families_and_the_size_of_results_follow_the_settings(tmp_path: Path) -> None:
    settings = ToolSettings(
        families={"crm.": "customers"}, result_tokens={"customers": 77}, default_result_tokens=5
    )
    tool = load(tmp_path, GOOD, settings=settings).tools["crm.lookup"]
    assert (tool.family, tool.max_tokens) == ("customers", 77)
    own = load(tmp_path, GOOD + "    family: x\n    output: {max_tokens: 9}\n", settings=settings)
    assert (own.tools["crm.lookup"].family, own.tools["crm.lookup"].max_tokens) == ("x", 9)
    other = load(tmp_path, GOOD + "    family: x\n", settings=settings)
    assert other.tools["crm.lookup"].max_tokens == 5


def test_definitions_come_in_one_order_whatever_the_files_are_called(tmp_path: Path) -> None:
    second = GOOD.replace("crm.lookup", "a.tool")
    names = [tool["function"]["name"] for tool in load(tmp_path, GOOD, second).definitions]
    assert names == ["a__tool", "crm__lookup"]


CASES: list[tuple[str, str, str]] = [
    ("name: crm.lookup", "nmae: x", "3:5: unknown key `nmae` in `tools.0`; did you mean `name`?"),
    ("name: crm.lookup", 'name: "crm lookup"', "must be a tool's name"),
    ("version: 1", "version: 2", "1:10: version: must be 1"),
    ("type: object\n", "type: array\n", "6:7: crm.lookup: the parameters must be a JSON Schema"),
    ("id: {type: string}", "id: {type: strng}", "not a valid JSON Schema"),
    ("/{id}/orders", "/{idd}/orders", "12:12: crm.lookup: {idd} is no property of parameters; did"),
    ("required: [id]", "required: []", "id stands in the path: it must be one of `required`"),
    ("id: {type: string}", "id: {type: array}", "its type must be one of boolean, integer"),
    ("api.example.com", "{id}.example.com", "12:12: crm.lookup: url must be http(s)://host/path"),
    ("https://api", "https://ann@api", "no user name"),
    ("https://api", "file://api", "url must be http(s)"),
    ("/orders", "/orders?x={id}", "no ? or #"),
    ("/orders", "/../orders", "must not hold the segments . and .."),
    ("/orders", "/{id", "holds a brace that is no {name}"),
    ('"{limit}"', '"{limt}"', "13:14: crm.lookup: {limt} is no property"),
    ("      query", "      body: {a: 1}\n      query", "a GET request has no body"),
    (
        "      query",
        "      headers: {Host: x}\n      query",
        "the header Host is set by wai itself",
    ),
    ("      query", '      headers: {a: "b\\n"}\n      query', "must be printable ASCII"),
    (
        "      query",
        "      headers: {X-A: b}\n      secrets: {x-a: {env: A}}\n      query",
        "the header x-a is set twice",
    ),
    (
        "      query",
        "      secrets: {x-a: {env: CLOUDFLARE_API_TOKEN}}\n      query",
        "CLOUDFLARE_API_TOKEN belongs to wai and goes to no tool",
    ),
    (
        "      query",
        "      secrets: {x-a: {value: abc}}\n      query",
        "unknown key `value`",
    ),
    ("    http:", "    command: {argv: [ls]}\n    http:", "it has http and command"),
    ("    http:", "    timeout_s: 0\n    http:", "timeout_s: must be between 1 and 600"),
    ("    http:", '    output: {pick: ["a..b"]}\n    http:', "`a..b` is no path"),
]


@pytest.mark.parametrize(("old", "new", "expected"), CASES, ids=[new for _, new, _ in CASES])
def test_what_is_wrong_is_named_with_file_and_line(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    assert any(expected in line for line in found), found
    assert all(line.startswith("tools/0.yaml:") for line in found)


COMMAND = """\
version: 1
tools:
  - name: files.find
    description: Finds files.
    parameters: {type: object, properties: {text: {type: string}}}
    command: {argv: [grep, --, "{text}"]}
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('[grep, --, "{text}"]', '["{text}"]', "the program itself cannot be an argument"),
        ('[grep, --, "{text}"]', "[]", "argv must name a program"),
        ('"{text}"]', '"{text}"], shell: true', "unknown key `shell`"),
        ('"{text}"]', '"{text}"], env: [WAI_OPERATOR_TOKEN]', "belongs to wai"),
        ("{type: string}", "{type: object}", "the type of text must be one of"),
    ],
)
def test_commands_are_lists_and_arguments_single_values(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert expected in "\n".join(problems(tmp_path, COMMAND.replace(old, new)))


def test_two_tools_of_one_name_are_refused_and_so_are_two_that_a_model_could_not_tell_apart(
    tmp_path: Path,
) -> None:
    twice = problems(tmp_path, GOOD, GOOD)
    assert twice == ["tools/1.yaml:3: crm.lookup is declared at tools/0.yaml:3 as well"]
    alike = problems(tmp_path, GOOD, GOOD.replace("crm.lookup", "crm__lookup"))
    assert alike == ["tools/1.yaml:3: crm__lookup is declared at tools/0.yaml:3 as well"]


def test_every_problem_of_every_file_is_listed_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path, GOOD.replace("/{id}/", "/{a}/"), COMMAND.replace("files.find", "files find")
    )
    assert found[0].startswith("tools/0.yaml:")
    assert found[-1].startswith("tools/1.yaml:3:")


def test_choosing_knows_exact_names_beginnings_and_the_nearest_one(tmp_path: Path) -> None:
    box = load(tmp_path, GOOD, COMMAND)
    assert list(box.choose(["crm.*"]).tools) == ["crm.lookup"]
    assert list(box.choose(["files.find", "crm__lookup"]).tools) == ["crm.lookup", "files.find"]
    with pytest.raises(UsageError) as error:
        box.choose(["crm.lokup"])
    assert error.value.hint == "did you mean crm.lookup?"


def test_a_folder_without_tools_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        load_tools(tmp_path / "tools", tmp_path, ToolSettings())
    assert error.value.where == str(tmp_path / "tools")


def test_arguments_that_the_schema_does_not_name_are_refused(tmp_path: Path) -> None:
    tool = load(tmp_path, GOOD).tools["crm.lookup"]
    assert tool.check.parsed('{"id": "c1"}') == {"id": "c1"}
    bad: list[Any] = [
        {"id": "c1", "admin": True},
        {},
        {"id": 1},
        [],
        "c1",
        {"id": "\ud800"},
        {"id": "x" * 70_000},
    ]
    for value in bad:
        with pytest.raises(ValueError, match=r"."):
            tool.check.parsed(json.dumps(value))
    for text in ("{", '{"id": NaN}', "not json", "{'id': 'c1'}"):
        with pytest.raises(ValueError, match=r"."):
            tool.check.parsed(text)


def test_no_arguments_at_all_are_an_empty_object(tmp_path: Path) -> None:
    text = COMMAND.replace('[grep, --, "{text}"]', '[ls, "{text}"]')
    assert load(tmp_path, text).tools["files.find"].check.parsed("") == {}


def test_tools_are_refused_in_a_project_without_policies(wai: Wai) -> None:
    (wai.folder / "tools").mkdir()
    (wai.folder / "tools" / "a.yaml").write_text(COMMAND)
    ran = wai("tools", "call", "files.find", '{"text": "x"}')
    assert (ran.exit_code, ran.stdout) == (5, "")
    assert "hint: write a first one: wai policy init" in ran.stderr
