"""The hash of a prompt: everything that decides behaviour changes it, and nothing else does."""

import json
import random
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wai_ops.core.errors import DataError
from wai_ops.prompts.source import Source, parse_source
from wai_ops.prompts.version import canonical, digest, work_version
from wai_ops.prompts.version_file import behaviour_digest, to_bytes, to_source

NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="{}\x00\ufeff"), min_size=1)
SCALARS = st.one_of(st.text("abc é'\"\\", max_size=6), st.integers(-99, 99), st.booleans())


def _name_of(tool: dict[str, object]) -> str:
    return str(tool["name"])


TOOLS: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {"name": NAMES}, optional={"parameters": st.just({})}
)
TOOL_LISTS: st.SearchStrategy[list[dict[str, object]]] = st.lists(
    TOOLS, max_size=3, unique_by=_name_of
)
FRONTS = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["a/b", "@cf/a/b"]),
        "parameters": st.fixed_dictionaries(
            {}, optional={"temperature": st.integers(0, 5), "seed": st.integers(1, 99)}
        ),
        "variables": st.dictionaries(
            NAMES,
            st.one_of(
                st.just({"type": "string"}),
                st.text("abc", min_size=1).map(lambda text: {"default": text}),
                st.integers(0, 9).map(lambda number: {"type": "integer", "default": number}),
            ),
            max_size=3,
        ),
        "tools": TOOL_LISTS,
        "output_schema": st.dictionaries(NAMES, SCALARS, max_size=3),
        "envelope": st.dictionaries(NAMES, SCALARS, max_size=3),
    },
)


def prompt(front: object, text: str, part: str = "") -> Source:
    """A prompt with this front matter; JSON is YAML, too."""
    files = {
        "t.prompt": f"---\n{json.dumps(front, indent=1)}\n---\n{text}".encode(),
        "p.part": part.encode(),
    }
    return parse_source("t", files.__getitem__)


def written(text: str) -> Source:
    """A prompt of one file."""
    return parse_source("other", lambda _: text.encode())


def shuffled(value: object, rng: random.Random) -> object:
    """The same data with the keys of every mapping in another order, lists as they are."""
    if isinstance(value, dict):
        items = list(value.items())
        rng.shuffle(items)
        return {key: shuffled(item, rng) for key, item in items}
    return value


@given(front=FRONTS, text=TEXTS)
def test_a_frozen_file_gives_back_the_prompt_and_its_hash(
    front: dict[str, object], text: str
) -> None:
    assume(text.strip())
    source = prompt(front, text)
    content = to_bytes(source)
    again = to_source("t", content, "here")
    assert again == source
    assert [item.spans for item in again.sections] == [item.spans for item in source.sections]
    assert digest(again) == digest(source) == behaviour_digest(content)
    assert to_bytes(again) == content
    assert json.loads(content)["behaviour"] == json.loads(canonical(source))


@given(front=FRONTS, seed=st.randoms(use_true_random=False))
def test_the_order_of_keys_that_decides_nothing_changes_nothing(
    front: dict[str, object], seed: random.Random
) -> None:
    ordered = {key: front.pop(key) for key in ("tools", "output_schema") if key in front}
    one = prompt(front | ordered, "x")
    other = prompt(ordered | dict(shuffled(front, seed)), "x")  # type: ignore[call-overload]
    assert digest(one) == digest(other)


@given(front=FRONTS, text=TEXTS, data=st.data())
def test_any_changed_byte_of_what_is_hashed_is_another_version(
    front: dict[str, object], text: str, data: st.DataObject
) -> None:
    """A byte of the hashed JSON is changed, and the prompt with that content is hashed again."""
    assume(text.strip())
    content = canonical(prompt(front, text))
    place = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    changed = content[:place] + bytes([byte]) + content[place + 1 :]
    file = b'{"behaviour":' + changed + b',\n"source":{}}\n'
    assert behaviour_digest(file) != digest(prompt(front, text))


@given(text=TEXTS, data=st.data())
def test_any_changed_character_of_a_template_or_part_is_another_version(
    text: str, data: st.DataObject
) -> None:
    characters = st.characters(codec="utf-8", exclude_characters="{}\r\n\x00\ufeff")
    text = "a" + text.replace("\r", "") + "z"
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(characters.filter(lambda character: character != text[place]))
    changed = text[:place] + other + text[place + 1 :]
    assume(changed.strip(" \t\n") == changed)
    assert digest(prompt({}, text)) != digest(prompt({}, changed))
    include = 'a {% include "p.part" %} z'
    assert digest(prompt({}, include, text)) != digest(prompt({}, include, changed))


@given(front=FRONTS, other=FRONTS)
def test_two_front_matters_have_one_version_only_if_they_mean_the_same(
    front: dict[str, object], other: dict[str, object]
) -> None:
    one, two = prompt(front, "x"), prompt(other, "x")
    is_same = replace(one.front, lines={}) == replace(two.front, lines={})
    # Beside equality: keys of tools and schemas in another order are another prompt.
    is_same = is_same and list(one.front.output_schema or ()) == list(two.front.output_schema or ())
    is_same = is_same and [list(tool) for tool in one.front.tools] == [
        list(tool) for tool in two.front.tools
    ]
    assert (digest(one) == digest(two)) == is_same


def test_what_decides_nothing_is_not_hashed() -> None:
    base = prompt({"model": "a/b"}, "{% role user %}\nHello {{ a }}")
    for text in (
        '---\n# why\nmodel:   "a/b"\n\nowners: [a]\ntags: [b]\n---\nHello {{ a }}\n',
        "---\nmodel: a/b\nparameters: {}\ntools: []\nenvelope: {}\n---\n\n\nHello {{ a }}\n\n\n",
        "\ufeff---\r\nmodel: a/b\r\n---\r\nHello {{ a }}\r\n",
    ):
        assert digest(written(text)) == digest(base), text


def test_what_decides_behaviour_is_hashed() -> None:
    """One change each: all versions differ from the first and from each other."""
    variable = {"a": {"type": "string"}}
    tools = [{"name": "a"}, {"name": "b"}]
    prompts = [
        prompt({}, "Hello"),
        prompt({}, "Hello "),
        prompt({}, "{% role system %}\nHello"),
        prompt({}, "{% role user %}\nHello\n{% role user %}\nHello"),
        prompt({}, "Hello{# comments are part of the template #}"),
        prompt({"model": "a/b"}, "Hello"),
        prompt({"route": "a/b"}, "Hello"),
        prompt({"parameters": {"temperature": 1}}, "Hello"),
        prompt({"parameters": {"top_p": 1}}, "Hello"),
        prompt({"parameters": {"stop": ["a", "b"]}}, "Hello"),
        prompt({"parameters": {"stop": ["b", "a"]}}, "Hello"),
        prompt({"variables": {}}, "Hello"),
        prompt({"variables": variable}, "Hello"),
        prompt({"variables": {"a": {"type": "integer"}}}, "Hello"),
        prompt({"variables": {"a": {"required": False}}}, "Hello"),
        prompt({"variables": {"a": {"default": "x"}}}, "Hello"),
        prompt({"tools": tools}, "Hello"),
        prompt({"tools": tools[::-1]}, "Hello"),
        prompt({"tools": [{"name": "a", "x": 1, "y": 2}]}, "Hello"),
        prompt({"tools": [{"name": "a", "y": 2, "x": 1}]}, "Hello"),
        prompt({"output_schema": {"a": 1, "b": 2}}, "Hello"),
        prompt({"output_schema": {"b": 2, "a": 1}}, "Hello"),
        prompt({"output_schema": {}}, "Hello"),
        prompt({"envelope": {"a": 1}}, "Hello"),
        prompt({"envelope": {"a": "1"}}, "Hello"),
    ]
    assert len({digest(item) for item in prompts}) == len(prompts)


def test_one_number_is_one_version_however_it_is_written() -> None:
    digests = {
        digest(written(f"---\nparameters: {{temperature: {number}}}\n---\nx"))
        for number in ("0.2", "0.20", ".2", "2e-1")
    }
    assert len(digests) == 1


def test_an_unfrozen_version_is_named_by_its_hash() -> None:
    source = prompt({}, "Hello")
    assert work_version(source) == f"work-{digest(source)[:12]}"


@given(st.binary(max_size=200))
def test_bytes_that_are_no_version_are_refused_and_never_understood(content: bytes) -> None:
    assert behaviour_digest(content) is None
    with pytest.raises(DataError):
        to_source("t", content, "here")
