"""`wai prompts lint --fix`: what it corrects is gone, everything else is as it was."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.lint_cases import declared, front
from wai_ops.core.errors import DataError
from wai_ops.core.findings import Level
from wai_ops.prompts.lint import fixing
from wai_ops.prompts.lint.fixing import Fix, fix_prompts, fix_source
from wai_ops.prompts.lint.look import Options
from wai_ops.prompts.lint.runner import find_all
from wai_ops.prompts.rendering import render_messages
from wai_ops.prompts.source import Source, parse_source

FIXABLE = {"WP007", "WP010"}


def source_of(text: str, files: Mapping[str, str] | None = None) -> Source:
    """A prompt of the name `case`."""
    texts = {"case.prompt": text, **(files or {})}
    return parse_source("case", lambda path: texts[path].encode())


def fixed(text: str, files: Mapping[str, str] | None = None) -> dict[str, str]:
    """The files that change, and their new text."""
    return fix_source(source_of(text, files), Options())[0]


TOOLS = """---
parameters: {max_output_tokens: 9}
tools:   # what it may do
  # finds things
  - name: search
    description: >
      Looks.
      # no comment, but text

  - type: function   # wrapped
    function: {name: cancel}
  # by number
  #   or name
  - {name: lookup}

# who may be called
variables: {q: string}
---
{{ q }}
"""
SORTED = """---
parameters: {max_output_tokens: 9}
tools:   # what it may do
  - type: function   # wrapped
    function: {name: cancel}
  # by number
  #   or name
  - {name: lookup}
  # finds things
  - name: search
    description: >
      Looks.
      # no comment, but text


# who may be called
variables: {q: string}
---
{{ q }}
"""


def test_tools_are_sorted_with_their_comments() -> None:
    """Every other byte stays."""
    assert fixed(TOOLS) == {"case.prompt": SORTED}
    assert fixed(SORTED) == {}


def test_line_ends_of_windows_stay() -> None:
    """A checkout there is no reason to rewrite a file."""
    assert fixed(TOOLS.replace("\n", "\r\n")) == {"case.prompt": SORTED.replace("\n", "\r\n")}


def test_a_list_without_indentation_is_sorted_too() -> None:
    """YAML allows it."""
    text = "---\ntools:\n- name: b\n- name: a\nmodel: '@cf/a/b'\n---\nHi\n"
    assert fixed(text)["case.prompt"] == (
        "---\ntools:\n- name: a\n- name: b\nmodel: '@cf/a/b'\n---\nHi\n"
    )


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        (
            "t.json",
            '[\n  {"name": "b", "x": [1]},\n  {"name": "a"}\n]\n',
            '[\n  {"name": "a"},\n  {"name": "b", "x": [1]}\n]\n',
        ),
        (
            "t.json",
            '{"v": {"tools": 1}, "tools":[{"name":"b"} , {"name":"a"}] }',
            '{"v": {"tools": 1}, "tools":[{"name":"a"} , {"name":"b"}] }',
        ),
        ("t.yaml", "tools:\n  - name: b\n  - name: a", "tools:\n  - name: a\n  - name: b"),
    ],
)
def test_tools_are_sorted_in_the_file_that_holds_them(path: str, before: str, after: str) -> None:
    """JSON and YAML, with and without a line's end at the end."""
    text = front("Hi", f"tools: {path}\n")
    assert fixed(text, {path: before}) == {path: after}


def test_tools_that_are_named_by_file_change_places_in_the_list() -> None:
    """Their files stay."""
    files = {"b.json": '{"name": "b"}', "a.json": '{"name": "a"}'}
    text = front("Hi", "tools:\n  - b.json\n  - a.json\n")
    assert fixed(text, files) == {"case.prompt": front("Hi", "tools:\n  - a.json\n  - b.json\n")}


@pytest.mark.parametrize(
    "yaml",
    [
        "tools: [{name: b}, {name: a}]\n",
        "tools:\n  - name: b\n    text: |\n      one\n      # two\n  - name: a\n",
    ],
)
def test_what_cannot_be_sorted_surely_is_left_or_right(yaml: str) -> None:
    """In any case the tools that come out are the same, sorted or not at all."""
    text = front("Hi", yaml)
    new = fixed(text).get("case.prompt", text)
    names = [tool["name"] for tool in source_of(new).front.tools]
    assert names in (["a", "b"], ["b", "a"])
    assert sorted(map(repr, source_of(new).front.tools)) == sorted(
        map(repr, source_of(text).front.tools)
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{% for k, v in m.items() %}", "{% for k, v in m | dictsort(true) %}"),
        ("{%- for p in m.a.items() if p %}", "{%- for p in m.a | dictsort(true) if p %}"),
        ("{% for k, v in (m or {}).items() -%}", "{% for k, v in (m or {}) | dictsort(true) -%}"),
    ],
)
def test_a_loop_over_items_goes_through_them_sorted(before: str, after: str) -> None:
    """In the prompt and in its parts."""
    text = front(f"a {before}x{{% endfor %}} b", declared(m="object"))
    assert fixed(text)["case.prompt"] == text.replace(before, after)
    part = {"x.part": f"é\r\n  {before}x{{% endfor %}}"}
    inside = front('{% include "x.part" %}{% include "x.part" %}', declared(m="object"))
    assert fixed(inside, part) == {"x.part": part["x.part"].replace(before, after)}


@pytest.mark.parametrize(
    "loop",
    [
        "{% for k, v in m.items() | list %}",
        "{% for k, v in {'a': 1}.items() %}",
        "{% for k in m.keys() %}",
        "{# {% for k, v in m.items() %} #}{% for k in m | sort %}",
        "{% for k, v in m | dictsort %}",
    ],
)
def test_other_loops_are_left_alone(loop: str) -> None:
    """What would need a second thought."""
    assert fixed(front(f"{loop}x{{% endfor %}}{{{{ m | tojson }}}}", declared(m="object"))) == {}


@pytest.mark.parametrize(
    "yaml", ["lint: {ignore: [WP007, WP010]}\n", "lint: {ignore: [WP010, WP007]}\n"]
)
def test_what_is_ignored_is_not_corrected(yaml: str) -> None:
    """Somebody wants it that way."""
    tools = "tools:\n  - name: b\n  - name: a\n"
    body = "{% for k, v in m.items() %}{{ k }}{% endfor %}"
    text = front(body, tools + yaml + declared(m="object"))
    assert fixed(text) == {}
    unset = Options(levels={"WP007": None, "WP010": Level.NOTE})
    changed, fixes = fix_source(source_of(front(body, tools + declared(m="object"))), unset)
    assert [item.rule for item in fixes] == ["WP010"]
    assert ".items()" in changed["case.prompt"]


NAMES = st.sampled_from("abcdefgh")
TOOL_TEXT = st.sampled_from(
    [
        "- name: {}\n  description: x\n",
        "-   name: {}\n",
        "- {{name: {}}}\n",
        "- type: function\n  function:\n    name: {}\n    parameters: {{type: object}}\n",
        "# remark\n- name: {}\n",
        "- name: {}\n  text: |\n    a\n\n    # b\n",
        "- \"name\": '{}' # end\n\n",
    ]
)
LOOPS = st.sampled_from(
    [
        "{% for k, v in m.items() %}{{ k }}={{ v }};{% endfor %}",
        "{%- for pair in m.items() -%}\n {{ pair[0] }}{{ loop.index }}\n{%- endfor %}",
        "{% for k, v in m.items() if k != 'a' %}{{ k }}{% else %}none{% endfor %}",
        "{{ m | tojson }}",
        "plain text\n",
        "{% for k in m | sort(case_sensitive=true) %}{{ k }}{% endfor %}",
    ]
)


@settings(max_examples=60)
@given(
    names=st.lists(NAMES, unique=True, max_size=5),
    texts=st.lists(TOOL_TEXT, min_size=5, max_size=5),
    loops=st.lists(LOOPS, min_size=1, max_size=4),
    values=st.dictionaries(st.text("abcAB", max_size=2), st.integers(0, 9), max_size=4),
)
def test_fixing_once_is_enough_and_changes_nothing_else(
    names: list[str], texts: list[str], loops: list[str], values: dict[str, int]
) -> None:
    """The findings are gone, twice is once, and sorted values render as they did."""
    listed = "".join(text.format(name) for name, text in zip(names, texts, strict=False))
    indented = "".join(f"  {line}" for line in listed.splitlines(keepends=True))
    tools = f"tools:\n{indented}" if names else ""
    text = front("".join(["x", *loops, "y"]), tools + declared(m="object"))
    source = source_of(text)
    changed, _ = fix_source(source, Options())
    new = source_of(changed.get("case.prompt", text))
    assert not FIXABLE & {item.rule for item in find_all(new, Options())}
    assert fix_source(new, Options()) == ({}, [])
    ordered = dict(sorted(values.items()))
    assert render_messages(new, {"m": ordered}) == render_messages(source, {"m": ordered})
    assert render_messages(new, {"m": values}) == render_messages(new, {"m": ordered})
    assert sorted(map(json.dumps, new.front.tools)) == sorted(map(json.dumps, source.front.tools))
    lines = changed.get("case.prompt", text).replace(" | dictsort(true)", ".items()")
    assert sorted(lines.splitlines()) == sorted(text.splitlines())


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Put files below a folder."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def test_files_on_disk_keep_their_mode_and_others_their_content(tmp_path: Path) -> None:
    """Only what is corrected is written."""
    folder = tmp_path / "prompts"
    write(folder, {"case.prompt": TOOLS, "other.prompt": "Hi\n", "broken.prompt": "{{#if}}"})
    (folder / "case.prompt").chmod(0o640)
    before = (folder / "other.prompt").stat()
    assert fix_prompts(folder, ["broken", "case", "other"], Options()) == [
        Fix(rule="WP010", file="prompts/case.prompt", what="tools sorted by name")
    ]
    assert (folder / "case.prompt").read_text() == SORTED
    assert (folder / "case.prompt").stat().st_mode & 0o777 == 0o640
    assert (folder / "other.prompt").stat().st_mtime_ns == before.st_mtime_ns
    assert sorted(path.name for path in folder.iterdir()) == [
        "broken.prompt",
        "case.prompt",
        "other.prompt",
    ]


def test_a_file_that_changed_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor may save at that moment."""
    folder = tmp_path / "prompts"
    write(folder, {"case.prompt": TOOLS})
    real = fixing.fix_source

    def saved_meanwhile(source: Source, options: Options) -> Any:
        made = real(source, options)
        (folder / "case.prompt").write_text("mine")
        return made

    monkeypatch.setattr(fixing, "fix_source", saved_meanwhile)
    with pytest.raises(DataError, match="has changed"):
        fix_prompts(folder, ["case"], Options())
    assert (folder / "case.prompt").read_text() == "mine"
