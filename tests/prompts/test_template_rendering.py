"""Prompt files: filled in once, in a sandbox, and refused with a reason when that fails."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.errors import UsageError
from wai_ops.prompts.template import MAX_BYTES, Template, load_template, read_input, render


def template(text: str) -> Template:
    """A template that was never a file."""
    return Template(name="t", version="sha256:0", text=text, path=Path("t.prompt"))


def refused(text: str, **values: str) -> UsageError:
    """The error that rendering comes to."""
    with pytest.raises(UsageError) as caught:
        render(template(text), values)
    assert "\n" not in caught.value.message
    assert (caught.value.where or "").startswith("t.prompt")
    return caught.value


@given(st.text())
def test_a_value_is_filled_in_as_it_is_and_never_rendered_again(value: str) -> None:
    assert render(template("[{{ x }}]"), {"x": value}) == f"[{value}]"


@pytest.mark.parametrize(
    "value", ["{{ y }}", "{% for a in b %}", "{# c #}", "<b>&amp;</b>", "{{ ''.__class__ }}", "%s"]
)
def test_a_value_that_looks_like_a_template_is_text(value: str) -> None:
    assert render(template("{{ x }}"), {"x": value}) == value


@given(st.text(st.characters(codec="utf-8", exclude_characters="{}\r\n#%")))
def test_text_without_marks_is_the_prompt(text: str) -> None:
    assert render(template(text), {}) == text


def test_a_missing_variable_is_named_with_the_flag_that_gives_it() -> None:
    error = refused("{{ b }} {{ a }} {{ c }}", c="1")
    assert error.message == "the prompt needs a, b"
    assert error.hint == "--var a=… --var b=…"


def test_an_unused_variable_is_named_with_those_that_are_used() -> None:
    error = refused("{{ a }}", a="1", typo="2")
    assert error.message == "the prompt does not use typo"
    assert error.hint == "it uses: a"
    assert refused("plain", x="1").hint == "it uses: no variables"


def test_a_variable_that_only_one_branch_needs_is_needed() -> None:
    assert refused("{% if a %}{{ b }}{% endif %}", a="").message == "the prompt needs b"


def test_a_syntax_error_names_its_line() -> None:
    error = refused("fine\n{{ broken\n")
    assert error.where == "t.prompt:2"


@pytest.mark.parametrize(
    "text",
    [
        "{{ x.__class__ }}",
        "{{ x.__class__.__mro__[1].__subclasses__() }}",
        "{{ (x ~ '').__class__.__base__ }}",
        "{{ x['__class__'] }}",
        "{{ x|attr('__class__') }}",
        "{{ self.__init__.__globals__ }}{{ x }}",
        "{{ cycler.__init__.__globals__.os.system('id') }}{{ x }}",
        "{{ lipsum.__globals__['os'].popen('id').read() }}{{ x }}",
        "{{ '{0.__class__}'.format(x) }}",
        "{{ ('%s'.__mod__)(x) }}",
        "{{ x.format_map({'a': 1}).__class__ }}",
    ],
)
def test_there_is_no_way_out_of_the_sandbox(text: str) -> None:
    error = refused(text, x="v")
    assert "unsafe" in error.message or "cannot be rendered" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "{% include 'other' %}{{ x }}",
        "{% import 'other' as o %}{{ x }}",
        "{% extends 'other' %}{{ x }}",
        "{{ range(10**9)|list }}{{ x }}",
        "{{ 1 / 0 }}{{ x }}",
        "{{ x + 1 }}",
        "{{ '{nothing}'.format() }}{{ x }}",
        "{{ '{0}'.format() }}{{ x }}",
        "{{ x|dictsort }}",
        "{{ x|xmlattr }}",
        "{{ x|nofilter }}",
        "{{ x.nothing() }}",
        "{% set l = [] %}{{ l.append(1) }}{{ x }}",
        "{% for a in 5 %}{% endfor %}{{ x }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}{{ x }}",
        "".join(f"{{% for a{i} in x %}}" for i in range(25)) + "{% endfor %}" * 25,
        "{% if x %}" * 120 + "{% endif %}" * 120,
        "{{ " + "(" * 5000 + "x" + ")" * 5000 + " }}",
        "{{ " + "-" * 5000 + "x }}",
    ],
)
def test_a_template_that_fails_is_one_usage_error(text: str) -> None:
    refused(text, x="v")


def test_a_prompt_file_is_named_by_its_file_and_versioned_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "triage.v2.prompt"
    path.write_text("Sort {{ x }}", encoding="utf-8")
    first = load_template(path)
    assert (first.name, first.text) == ("triage.v2", "Sort {{ x }}")
    assert first.version.startswith("sha256:")
    assert len(first.version) == len("sha256:") + 12
    assert load_template(path).version == first.version
    path.write_text("Sort {{ x }} ", encoding="utf-8")
    assert load_template(path).version != first.version


@pytest.mark.parametrize(
    ("file_name", "name"),
    [("a.prompt", "a"), ("a.j2", "a"), ("a.md", "a"), ("a.md.j2", "a"), ("a", "a")],
)
def test_only_the_known_suffixes_are_left_out_of_the_name(
    tmp_path: Path, file_name: str, name: str
) -> None:
    (tmp_path / file_name).write_text("x")
    assert load_template(tmp_path / file_name).name == name


@pytest.mark.parametrize("file_name", ["a@1.prompt", "-a.prompt", "ä.prompt", "a b.prompt"])
def test_a_file_whose_name_is_no_name_is_refused(tmp_path: Path, file_name: str) -> None:
    (tmp_path / file_name).write_text("x")
    with pytest.raises(UsageError, match="gives no usable prompt name"):
        load_template(tmp_path / file_name)


def said(path: Path) -> str:
    """Why a file is refused."""
    with pytest.raises(UsageError) as caught:
        read_input(path, "prompt file")
    return caught.value.message


def test_what_is_no_regular_readable_text_is_refused_with_its_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.prompt")
    (tmp_path / "folder.prompt").mkdir()
    (tmp_path / "huge.prompt").write_bytes(b"x" * (MAX_BYTES + 1))
    (tmp_path / "bytes.prompt").write_bytes(b"abc\xff")
    (tmp_path / "loop.prompt").symlink_to("loop.prompt")
    assert {
        path.name: said(path).replace(f"{path} ", "") for path in tmp_path.glob("*.prompt")
    } == {
        "fifo.prompt": "prompt file is not a regular file",
        "folder.prompt": "prompt file is not a regular file",
        "huge.prompt": f"prompt file is larger than {MAX_BYTES} bytes",
        "bytes.prompt": "prompt file is not UTF-8 (byte 3)",
        "loop.prompt": f"cannot read prompt file {tmp_path}/loop.prompt: "
        "Too many levels of symbolic links",
    }
    assert said(tmp_path / "none") == (
        f"cannot read prompt file {tmp_path}/none: No such file or directory"
    )
    assert said(Path("/dev/null")) == "prompt file /dev/null is not a regular file"


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "full").write_bytes(b"x" * MAX_BYTES)
    assert len(read_input(tmp_path / "full", "prompt file")) == MAX_BYTES
