"""The stable prefix: every rendering begins with it, and it ends where a value first matters."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.prefix import Prefix, stable_prefix
from wai_ops.prompts.rendering import render_messages, variables_of
from wai_ops.prompts.source import Source, parse_source

PIECES = st.sampled_from(
    [
        "Hello ",
        "\n",
        "{{ 1 + 1 }}",
        "{{ a }}",
        "{{ b }}",
        "{% if a %}yes{% else %}no{% endif %}",
        "{% if 1 %}yes {{ b }}{% endif %}",
        "{% for x in [1, 2] %}{{ x }}{% endfor %}",
        "{% for x in a %}{{ x }}{% endfor %}",
        "{% set c = a ~ '!' %}",
        "{% set c = 'c' %}",
        "{{ c }}",
        "{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('x') }}{{ m(b) }}",
        "{{ a | upper }}",
        "{{ 'x' | upper }}",
        "{{ [a, b] | join }}",
        "{{ a == 'x' }}",
        "{{ a is string }}",
        "{{ 'k' if b else 'l' }}",
        "{# comment #}",
        "{% raw %}{{ a }}{% endraw %}",
        "{{ a.upper() }}",
        "{{ a[0:1] }}",
        "{{ {'k': a} | tojson }}",
        "{% filter upper %}f{{ a }}{% endfilter %}",
        "{% set d %}d{{ a }}{% endset %}",
    ]
)
TEMPLATES = st.lists(PIECES, min_size=1, max_size=6).map(
    lambda pieces: "{% set c = '' %}." + "".join(pieces)
)
VALUES = st.text("xyz", min_size=1, max_size=3)


def prompt(text: str) -> Source:
    """A prompt that was never a file."""
    return parse_source("t", lambda _: text.encode())


def prefix(text: str) -> Prefix:
    """Its stable prefix."""
    return stable_prefix(prompt(text))


@given(system=TEMPLATES, user=TEMPLATES, data=st.data())
def test_every_rendering_begins_with_the_prefix(
    system: str, user: str, data: st.DataObject
) -> None:
    source = prompt(f"{{% role system %}}\n{system}\n{{% role user %}}\n{user}")
    found = stable_prefix(source)
    values = {name: data.draw(VALUES) for name in variables_of(source)}
    messages = render_messages(source, values)
    assert len(found.messages) <= len(messages)
    *whole, last = found.messages
    assert list(whole) == messages[: len(whole)]
    assert last["role"] == messages[len(whole)]["role"]
    assert messages[len(whole)]["content"].startswith(last["content"])
    if found.is_whole:
        assert list(found.messages) == messages
    if not variables_of(source):
        assert found.is_whole


@given(before=st.text("ab \n", max_size=20), after=st.text("cd \n", max_size=20))
def test_the_prefix_of_plain_text_ends_exactly_at_the_first_value(before: str, after: str) -> None:
    text = f"1{before}{{{{ a }}}}{after}"
    assume("\n" not in before or before.strip())
    found = prefix(text)
    assert found.text == f"1{before}"
    line = before.count("\n") + 1
    column = len(f"1{before}".rpartition("\n")[2]) + 1
    assert (found.ends_at, found.variable) == (("t.prompt", line, column), "a")


@pytest.mark.parametrize(
    ("text", "stable", "variable", "column"),
    [
        ("Hello {{ a }}", "Hello ", "a", 7),
        ("Hello {% if a %}x{% endif %}", "Hello ", "a", 7),
        ("Hello {% for x in a %}x{% endfor %}", "Hello ", "a", 7),
        ("{% for x in [1, 2] %}{{ x }}{{ a if x == 2 else 'k' }}{% endfor %}", "1k2", "a", 29),
        ("{% set b = a ~ 'x' %}Hello {{ 'y' }} {{ b }}", "Hello y ", "a", 38),
        ("{% macro m(x) %}Dear {{ x }}{% endmacro %}{{ m('b') }} {{ m(a) }}", "Dear b ", "a", 56),
        ("{{ 'x' | default(a) }}", "", "a", 1),
        ("x{% if a is defined %}y{% endif %}{{ a }}", "xy", "a", 35),
        ("{# {{ a }} #}{% raw %}{{ a }}{% endraw %} {{ a }}", "{{ a }} ", "a", 43),
        ("a {{- ' b' }}{{ [1, a] | length }}{{ [a] | join }}", "a b2", "a", 35),
        ("{{ a.b.c }}", "", "a", 1),
        ("{{ range(a) | list | length }}", "", "a", 1),
        ("x{{ {'k': a} | tojson }}", "x", "a", 2),
        ("x{{ a ** 2 }}", "x", "a", 2),
        ("x{{ -a }}", "x", "a", 2),
        ("x{{ a() }}", "x", "a", 2),
        ("x{{ 'y'.join([a]) }}", "x", "a", 2),
        ("x{{ 1 in a }}", "x", "a", 2),
    ],
)
def test_where_the_prefix_ends_and_why(text: str, stable: str, variable: str, column: int) -> None:
    found = prefix(text)
    assert (found.text, found.variable) == (stable, variable)
    assert found.ends_at == ("t.prompt", 1, column)
    assert found.reason == f"the text depends on {variable} from here on"


def test_a_prompt_without_variables_is_stable_to_its_end() -> None:
    found = prefix("{% role system %}\nOne\n{% role user %}\nTwo {{ 1 + 1 }}")
    assert found.is_whole
    assert [item["content"] for item in found.messages] == ["One", "Two 2"]
    assert (found.ends_at, found.variable, found.section) == (None, None, None)


def test_a_prefix_may_end_in_a_later_section_or_inside_a_part() -> None:
    found = prefix("{% role system %}\nOne\n{% role user %}\n{{ a }}")
    assert [item["content"] for item in found.messages] == ["One", ""]
    assert (found.section, found.ends_at) == (1, ("t.prompt", 4, 1))
    files = {"t.prompt": b"a {% include 'p.part' %}", "p.part": b"b\nc {{ a }}"}
    inside = stable_prefix(parse_source("t", files.__getitem__))
    assert (inside.text, inside.ends_at) == ("a b\nc ", ("p.part", 2, 3))


def test_a_variable_with_a_default_may_differ_all_the_same() -> None:
    found = prefix("---\nvariables: {a: {default: x}}\n---\nHello {{ a }}")
    assert (found.text, found.variable) == ("Hello ", "a")


def test_what_unknown_values_break_ends_the_prefix_and_breaks_nothing() -> None:
    assert prefix("x{{ {a: 1} | length }}").text == "x"
    assert prefix("x{{ [a] | sort | length }}").text in ("x", "x1")


def test_a_prompt_that_never_renders_has_no_prefix() -> None:
    with pytest.raises(PromptError, match="cannot be rendered, whatever the values"):
        prefix("x {{ 1 / 0 }}")
