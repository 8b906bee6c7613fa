"""Loading a prompt: its parts are told apart, and what is wrong is named with its place."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.frontmatter import Variable, VariableType
from wai_ops.prompts.includes import MAX_INCLUDES
from wai_ops.prompts.rendering import check_source, render_messages, typed_values
from wai_ops.prompts.source import Source, load_source, parse_source

FULL = """\
---
# A comment.
model: "@cf/google/gemma-4-26b-a4b-it"
description: Sorts tickets
parameters: {temperature: 0.2, max_output_tokens: 200, stop: ["END"]}
variables:
  ticket: string
  plan: {type: string, default: free, description: What they pay for}
  retries: {type: integer, required: false}
tools: tools/search.json
output_schema:
  type: object
  properties: {reason: {type: string}, answer: {type: string}}
envelope: {risk_tier: low}
owners: [ann@example.com]
tags: support
---

{% role system %}

You sort tickets.
{% include "shared/house.part" %}

{% role user %}
{{ plan }}: {{ ticket }}
"""
TOOLS = '[{"type": "function", "function": {"name": "search", "parameters": {}}}]'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`prompts/` with one prompt, a part and a file of tools."""
    root = tmp_path / "prompts"
    (root / "shared").mkdir(parents=True)
    (root / "tools").mkdir()
    (root / "triage.prompt").write_text(FULL)
    (root / "shared" / "house.part").write_text("Be kind.\nBe brief.\n")
    (root / "tools" / "search.json").write_text(TOOLS)
    return root


def parsed(text: str, **files: str) -> Source:
    """A prompt that was never a file; `a__part` is `a.part`."""
    known = {name.replace("__", "."): content for name, content in files.items()}
    known["t.prompt"] = text

    def read(path: str) -> bytes:
        if path not in known:
            raise PromptError("cannot be read", where=f"prompts/{path}")
        return known[path].encode()

    return parse_source("t", read)


def refused(text: str, **files: str) -> tuple[str | None, str]:
    """Place and message of the error that loading comes to."""
    with pytest.raises(PromptError) as caught:
        check_source(parsed(text, **files))
    return caught.value.where, caught.value.message


def test_everything_that_a_prompt_says_is_read(folder: Path) -> None:
    source = load_source(folder, "triage")
    front = source.front
    assert front.model == "@cf/google/gemma-4-26b-a4b-it"
    assert (front.parameters.temperature, front.parameters.max_output_tokens) == (0.2, 200)
    assert front.parameters.stop == ("END",)
    assert front.variables == {
        "plan": Variable(
            name="plan", required=False, default="free", description="What they pay for"
        ),
        "retries": Variable(name="retries", type=VariableType.INTEGER, required=False),
        "ticket": Variable(name="ticket"),
    }
    assert [tool["function"]["name"] for tool in front.tools] == ["search"]
    assert front.output_schema is not None
    assert list(front.output_schema["properties"]) == ["reason", "answer"]
    assert (front.envelope, front.owners, front.tags) == (
        {"risk_tier": "low"},
        ("ann@example.com",),
        ("support",),
    )
    assert [(item.role, item.text, item.line) for item in source.sections] == [
        ("system", "You sort tickets.\nBe kind.\nBe brief.", 21),
        ("user", "{{ plan }}: {{ ticket }}", 25),
    ]
    assert [item.path for item in source.includes] == ["shared/house.part"]
    assert sorted(source.files) == ["shared/house.part", "tools/search.json", "triage.prompt"]
    assert front.lines["tools"] == 10


def test_every_character_knows_the_file_and_line_it_came_from(folder: Path) -> None:
    (section, user) = load_source(folder, "triage").sections
    assert section.place(0) == ("triage.prompt", 21, 1)
    assert section.place(section.text.index("kind")) == ("shared/house.part", 1, 4)
    assert section.place(section.text.index("brief")) == ("shared/house.part", 2, 4)
    assert user.place(user.text.index("{{ ticket")) == ("triage.prompt", 25, 13)


@given(
    before=st.text("ab\n", max_size=8),
    part=st.text("xy\n", max_size=8),
    after=st.text("cd\n", max_size=8),
)
def test_places_are_right_around_any_include(before: str, part: str, after: str) -> None:
    text = f"1{before}{{% include 'p.part' %}}{after}2"
    (section,) = parsed(text, p__part=part).sections
    assert section.text == f"1{before}{part.removesuffix(chr(10))}{after}2"
    files = {"t.prompt": text, "p.part": part}
    for offset, character in enumerate(section.text):
        path, line, column = section.place(offset)
        assert (files[path] + "\n").splitlines(keepends=True)[line - 1][column - 1] == character


def test_a_file_without_roles_is_one_user_message() -> None:
    assert render_messages(parsed("Hello {{ a }}\n"), {"a": "b"}) == [
        {"role": "user", "content": "Hello b"}
    ]


def test_line_ends_of_windows_are_the_same_prompt() -> None:
    unix, windows = parsed(FULL_WITHOUT_FILES), parsed(FULL_WITHOUT_FILES.replace("\n", "\r\n"))
    assert unix.sections == windows.sections
    assert unix.front == windows.front


FULL_WITHOUT_FILES = """\
---
variables: {a: string}
---
{% role system %}
One
two {{ a }}
"""


def test_an_include_keeps_what_its_marks_strip() -> None:
    source = parsed("a  {%- include 'p.part' -%}  b", p__part="X")
    assert render_messages(source, {})[0]["content"] == "aXb"
    source = parsed("a  {% include 'p.part' %}  b", p__part="X\n\n")
    assert render_messages(source, {})[0]["content"] == "a  X\n  b"


def test_what_is_raw_or_a_comment_includes_nothing() -> None:
    source = parsed("{% raw %}{% include 'none.part' %}{% endraw %}{# {% include 'none.part' %} #}")
    assert render_messages(source, {})[0]["content"] == "{% include 'none.part' %}"


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("---\nmodl: x/y\n---\nx", "2:1", "unknown key `modl`; did you mean `model`?"),
        ("---\nmodel: nothing\n---\nx", "2:8", "model: must be a model id"),
        ("---\nmodel: a/b\nroute: c\n---\nx", "3:1", "give model or route, not both"),
        ("---\na: 1\na: 2\n---\nx", "3:1", "duplicate key `a`: the first is on line 2"),
        ("---\n\nparameters: {temprature: 1}\n---\nx", "3:14", "unknown key `temprature` in"),
        ("---\nparameters: {temperature: 9}\n---\nx", "2:27", "parameters.temperature: must be"),
        ("---\nparameters: {seed: 1.5}\n---\nx", "2:20", "parameters.seed: must be a whole"),
        ("---\nvariables: {a: strin}\n---\nx", "2:16", "variables.a: a type is one of"),
        ("---\nvariables: {a: {typ: x}}\n---\nx", "2:17", "unknown key `typ` in `variables.a`"),
        ("---\nvariables: {a: {type: integer, default: x}}\n---\nx", "2:41", "variables.a.default"),
        ("---\nvariables: {a: {required: true, default: x}}\n---\nx", "2:42", "variables.a: a req"),
        ("---\nvariables: {a-b: string}\n---\nx", "2:13", "`a-b` is not a name of a variable"),
        ("---\ntools: [{name: a}, {nam: b}]\n---\nx", "2:20", "tool 2: has no name"),
        ("---\ntools: [{name: a}, {name: a}]\n---\nx", "2:8", "the tool `a` is there twice"),
        ("---\ntools: ../x.json\n---\nx", "2:8", "prompts/../x.json cannot be read"),
        ("---\ntools: x.txt\n---\nx", "2:8", "tools: names a file that ends in"),
        ("---\noutput_schema: [1]\n---\nx", "2:16", "output_schema: must be a JSON Schema"),
        ("---\nowners: {a: b}\n---\nx", "2:9", "owners: must be a list of texts"),
        ("---\nmodel: &a x/y\n---\nx", "2:8", "anchors are not supported"),
        ("---\nmodel: x/y\n", "1:1", "the front matter has no end"),
        ("---\n---\n", "3:1", "the prompt is empty"),
        ("hello\n{% role user %}\nx", "1:1", "there is text before the first role line"),
        ("{% role robot %}\nx", "1:1", "there is no role 'robot'"),
        ("{% role user %}\n\n{% role system %}\nx", "1:1", "the user section is empty"),
        ("{% role user %}\nx {% role system %}\ny", "2:3", "a role line stands alone"),
        ("  {% role user %}\nx", "1:3", "a role line stands alone"),
        ("a\n{% include 'x.txt' %}", "2:1", "an include names one .part file"),
        ("a\n{% include 'none.part' %}", "2:1", "prompts/none.part cannot be read"),
        ("a\n{% include 'loop.part' %}", "", "the includes run in a circle: loop.part -> loop.p"),
        ("a\n{% include 'role.part' %}", "", "a role line stands alone"),
        ("---\nvariables: {ticket: string}\n---\na\n{{ tickt }}", "5:1", "the variable tickt is"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, where: str, message: str) -> None:
    place, said = refused(
        text,
        loop__part="{% include 'loop.part' %}",
        role__part="{% role system %}\nobey",
    )
    assert said.startswith(message)
    if where:
        assert place == f"prompts/t.prompt:{where}"
    else:
        assert (place or "").startswith(("prompts/loop.part:1:1", "prompts/role.part:1:1"))


def test_every_mistake_of_a_front_matter_is_said_at_once() -> None:
    _, message = refused("---\nmodl: x\nowner: y\n---\nx")
    assert message.splitlines() == [
        "prompts/t.prompt:2:1: unknown key `modl`; did you mean `model`?",
        "prompts/t.prompt:3:1: unknown key `owner`; did you mean `owners`?",
    ]


def test_includes_are_bounded_in_depth_number_and_size() -> None:
    chain = {f"p{n}__part": f"{{% include 'p{n + 1}.part' %}}" for n in range(20)}
    assert "deeper than 8" in refused("{% include 'p0.part' %}", **chain)[1]
    many = "{% include 'e.part' %}\n" * (MAX_INCLUDES + 1)
    assert f"more than {MAX_INCLUDES}" in refused(many, e__part="")[1]
    # Each of six parts includes the next one thirty times: 30 to the sixth.
    bomb = {f"p{n}__part": f"{{% include 'p{n + 1}.part' %}}" * 30 for n in range(6)}
    assert "more than" in refused("{% include 'p0.part' %}", **bomb, p6__part="x" * 1000)[1]
    tools = ", ".join(f"p{n}.part.json" for n in range(50))
    known = {f"p{n}__part__json": '{"name": "' + "x" * 100_000 + '"}' for n in range(50)}
    assert "files that it names are longer" in refused(f"---\ntools: [{tools}]\n---\nx", **known)[1]
    large = "{% include 'l.part' %}" * 20
    assert "longer than" in refused(large, l__part="x" * 100_000)[1]


@pytest.mark.parametrize(
    "name",
    [
        "../triage",
        "/etc/passwd",
        "a/../b",
        ".hidden",
        "a//b",
        "a/.b",
        "",
        "a@1",
        "a b",
        "ä",
        "a\0b",
    ],
)
def test_a_name_that_leads_anywhere_else_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(PromptError, match="is not a name of a prompt"):
        load_source(folder, name)


@pytest.mark.parametrize("part", ["../secret.part", "/etc/x.part", "a/../../x.part", "a\\x.part"])
def test_an_include_that_leads_out_is_refused(folder: Path, part: str) -> None:
    (folder.parent / "secret.part").write_text("secret")
    (folder / "triage.prompt").write_text(f'{{% include "{part}" %}}')
    with pytest.raises(PromptError) as caught:
        load_source(folder, "triage")
    assert "leads out of prompts/" in caught.value.message
    assert caught.value.where == "prompts/triage.prompt:1:1"


def test_links_fifos_devices_and_folders_are_refused(folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.mkdir()
    (secret / "s.part").write_text("secret")
    (folder / "link.part").symlink_to(secret / "s.part")
    (folder / "linked").symlink_to(secret)
    (folder / "null.part").symlink_to("/dev/null")
    os.mkfifo(folder / "fifo.part")
    (folder / "folder.part").mkdir()
    reasons = {}
    for part in ("link", "linked/s", "null", "fifo", "folder"):
        (folder / "triage.prompt").write_text(f'{{% include "{part}.part" %}}')
        with pytest.raises(PromptError) as caught:
            load_source(folder, "triage")
        reasons[part] = caught.value.message.removeprefix(f"prompts/{part}.part ")
    assert reasons == {
        "link": "is a link: links are not followed",
        "linked/s": "cannot be read: a part of the path is a link or no folder",
        "null": "is a link: links are not followed",
        "fifo": "is not a regular file",
        "folder": "is not a regular file",
    }


def test_a_prompt_that_is_a_link_or_a_fifo_is_refused(folder: Path) -> None:
    (folder / "a.prompt").symlink_to(folder / "triage.prompt")
    os.mkfifo(folder / "b.prompt")
    for name in ("a", "b"):
        with pytest.raises(PromptError, match=r"is a link|is not a regular file"):
            load_source(folder, name)


def test_what_is_too_large_or_no_text_is_refused(folder: Path) -> None:
    (folder / "a.prompt").write_bytes(b"x" * (1024 * 1024 + 1))
    (folder / "b.prompt").write_bytes(b"x\xff")
    with pytest.raises(PromptError, match="larger than"):
        load_source(folder, "a")
    with pytest.raises(PromptError, match=r"is not UTF-8 \(byte 1\)"):
        load_source(folder, "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1", "not JSON"),
        ('[{"name": "a", "name": "b"}]', "the key 'name' is there twice"),
        ('[{"name": "a", "x": NaN}]', "NaN is no JSON"),
        ('[{"name": "a", "x": 1e999}]', "a number is out of range"),
        ('[{"name": "\\ud800"}]', "half of a surrogate pair"),
        ("[" * 9000, "nested too deeply"),
        ("[" * 100 + "]" * 100, "nested deeper than"),
        ('{"a": 1}', "tools: must be a list"),
        ('["x"]', "tools: names a file that ends in"),
        ("[1]", "tool 1: must be a mapping"),
    ],
)
def test_a_file_of_tools_is_read_strictly(folder: Path, text: str, message: str) -> None:
    (folder / "tools" / "search.json").write_text(text)
    with pytest.raises(PromptError, match=message.replace("(", r"\(")):
        load_source(folder, "triage")


def test_tools_and_schemas_may_be_yaml(folder: Path) -> None:
    (folder / "tools" / "t.yaml").write_text("tools:\n- name: a\n  parameters: {b: 0.5}\n")
    (folder / "s.yaml").write_text("type: object\n")
    (folder / "y.prompt").write_text(
        "---\ntools: tools/t.yaml\noutput_schema: s.yaml\n---\nHello\n"
    )
    front = load_source(folder, "y").front
    assert front.tools == ({"name": "a", "parameters": {"b": 0.5}},)
    assert front.output_schema == {"type": "object"}


def test_values_are_checked_against_their_types(folder: Path) -> None:
    source = load_source(folder, "triage")
    for values, message in (
        ({}, "the prompt needs ticket"),
        ({"ticket": "a", "tickets": "b"}, "the prompt does not use tickets"),
        ({"ticket": 1}, "the variable ticket must be text"),
        ({"ticket": "a", "retries": "3"}, "the variable retries must be a whole number"),
        ({"ticket": "a", "retries": True}, "the variable retries must be a whole number"),
        ({"ticket": object()}, "the variable ticket is no plain data"),
        ({"ticket": None}, "the variable ticket must be text"),
    ):
        with pytest.raises(PromptError) as caught:
            render_messages(source, values)
        assert caught.value.message == message
    assert render_messages(source, {"ticket": "a", "retries": None})[1]["content"] == "free: a"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "1", "1"),
        ("integer", "-12", -12),
        ("number", "2.50", 2.5),
        ("number", "3", 3),
        ("boolean", "true", True),
        ("list", '["a", 1]', ["a", 1]),
        ("object", '{"a": null}', {"a": None}),
        ("integer", "1.5", None),
        ("integer", "9" * 30, None),
        ("number", "nan", None),
        ("number", "1e999", None),
        ("number", "٣", None),
        ("boolean", "yes", None),
        ("list", "{}", None),
        ("list", "[" * 5000, None),
        ("object", "x", None),
    ],
)
def test_a_value_from_the_command_line_gets_the_declared_type(
    kind: str, text: str, value: object
) -> None:
    source = parsed(f"---\nvariables: {{v: {kind}}}\n---\nx")
    if value is None:
        with pytest.raises(PromptError, match="the variable v must be"):
            typed_values(source, {"v": text})
    else:
        found = typed_values(source, {"v": text})["v"]
        assert (found, type(found)) == (value, type(value))


def test_a_section_that_comes_out_blank_is_not_sent() -> None:
    source = parsed("{% role system %}\n{% if a %}x{% endif %}\n{% role user %}\nHello")
    assert [item["role"] for item in render_messages(source, {"a": ""})] == ["user"]
    with pytest.raises(PromptError, match="every section is blank"):
        render_messages(parsed("{{ a }}"), {"a": " \n"})
