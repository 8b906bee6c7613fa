"""The predicted prefix against what the emulator really had cached, over a socket."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.emulator import Emulator
from support.script_tokens import write_tokenizer
from wai_ops.prompts.diff import Side, VersionDiff, diff_versions, prefix_chat
from wai_ops.prompts.rendering import render_messages, typed_values, variables_of
from wai_ops.prompts.source import Source, parse_source
from wai_ops.prompts.tokenizer_file import ExactCounter, open_tokenizer
from wai_ops.prompts.tokens import whole_blocks

MODEL = "@cf/moonshotai/kimi-k2.6"
BLOCK = 16
# Two conversations whose values have nothing in common, with each other or with any literal text,
# and begin with other kinds of characters: the least that two conversations can share.
FIRST = {
    "name": "Alpha beta",
    "ticket": "Broken router\nsince noon",
    "day": "Monday",
    "flag": "true",
}
SECOND = {"name": "7 of 9", "ticket": "42 is the answer", "day": "97 days", "flag": "false"}

LITERALS = st.text(st.sampled_from("abcdefgh  \n.,;:-01358é的%<>\"'"), min_size=1, max_size=60)
TAGS = st.sampled_from(
    (
        "{{ name }}",
        "{{ ticket }}",
        "{{ day }}",
        "{# not sent #}",
        "{% set x = 3 %}{{ x }}",
        "{% if flag %}Quite so{% else %}9 times no{% endif %}",
        "{% for n in range(3) %}{{ n }}, {% endfor %}",
        "{% if 1 > 0 %}always{% endif %}",
    )
)
PIECES = st.lists(LITERALS | LITERALS | LITERALS | TAGS, min_size=1, max_size=12)
TOOLS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(("search", "close", "assign", "lookup_order")),
            "description": st.text(st.sampled_from('abc é"\\'), max_size=30),
            "parameters": st.sampled_from(({}, {"type": "object", "properties": {"q": {}}})),
        }
    ),
    max_size=2,
    unique_by=lambda tool: str(tool["name"]),
)


@dataclass(frozen=True)
class Draft:
    """A prompt before it is written: tools, and the pieces of its two messages."""

    tools: list[dict[str, Any]]
    system: list[str]
    user: list[str]

    def source(self, salt: str) -> Source:
        """The prompt; `salt` comes first in what is sent, so that examples share no cache."""
        import json

        tools = [dict(tool) for tool in self.tools]
        for tool in tools[:1]:
            tool["name"] = f"{salt}{tool['name']}"
        system = "".join(self.system)
        text = (
            f"---\ntools: {json.dumps(tools)}\n"
            "variables: {name: string, ticket: string, day: string, flag: boolean}\n---\n"
            f"{{% role system %}}\n{salt}{system}|\n{{% role user %}}\n>{''.join(self.user)}<\n"
        )
        return parse_source("drafted", lambda _: text.encode())


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Draft, Draft]:
    """A prompt and what somebody made of it: mostly the same, changed in one place."""
    before = Draft(draw(TOOLS), draw(PIECES), draw(PIECES))
    match draw(st.sampled_from(("same", "tools", "system", "user", "all"))):
        case "same":
            after = before
        case "tools":
            after = Draft(draw(TOOLS), before.system, before.user)
        case "system":
            after = Draft(before.tools, _edited(draw, before.system), before.user)
        case "user":
            after = Draft(before.tools, before.system, _edited(draw, before.user))
        case _:
            after = Draft(draw(TOOLS), draw(PIECES), draw(PIECES))
    return before, after


def _edited(draw: st.DrawFn, pieces: list[str]) -> list[str]:
    at = draw(st.integers(0, len(pieces)))
    return [*pieces[:at], *draw(PIECES), *pieces[at + draw(st.integers(0, 2)) :]]


def new_salt() -> str:
    """Four tokens that no other example begins with."""
    return "".join(random.SystemRandom().choices("klmnopqrstuvwxyz", k=24))


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> ExactCounter:
    return open_tokenizer(write_tokenizer(tmp_path_factory.mktemp("tokenizer")))


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as opened:
        yield opened


def send(
    client: httpx.Client, emulator: Emulator, source: Source, values: dict[str, str], affinity: str
) -> tuple[int, int]:
    """Send a prompt as an agent would; return its input tokens and how many were cached."""
    body: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 1,
        "messages": render_messages(source, typed_values(source, values)),
    }
    if source.front.tools:
        body["tools"] = [dict(tool) for tool in source.front.tools]
    answer = client.post(
        f"{emulator.base_url}/accounts/{emulator.account_id}/ai/v1/chat/completions",
        json=body,
        headers={
            "authorization": f"Bearer {emulator.tokens['runtime']}",
            "x-session-affinity": affinity,
        },
    )
    assert answer.status_code == 200, answer.text
    usage = answer.json()["usage"]
    return usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]


def compared(
    before: Source, after: Source, counter: ExactCounter, values: dict[str, str]
) -> VersionDiff:
    first, second = (
        Side(reference="", version="", source=source, model=MODEL, counter=counter)
        for source in (before, after)
    )
    return diff_versions(first, second, values=values, block_tokens=BLOCK)


@settings(max_examples=120)
@given(pairs())
def test_a_conversation_that_changes_over_keeps_the_prefix_that_was_predicted(
    session_emulator: Emulator,
    client: httpx.Client,
    counter: ExactCounter,
    pair: tuple[Draft, Draft],
) -> None:
    """Same values, another version: the whole blocks that both requests begin with are cached."""
    salt = new_salt()
    before, after = (draft.source(salt) for draft in pair)
    diff = compared(before, after, counter, FIRST)
    first_input, first_cached = send(client, session_emulator, before, FIRST, salt)
    second_input, second_cached = send(client, session_emulator, after, FIRST, salt)
    assert first_cached == 0
    assert (first_input, second_input) == (diff.tokens.before_tokens, diff.tokens.after_tokens)
    assert second_cached == whole_blocks(diff.tokens.same_values_shared_tokens, BLOCK)


@settings(max_examples=80)
@given(pairs())
def test_another_conversation_finds_the_stable_prefix_that_was_predicted(
    session_emulator: Emulator,
    client: httpx.Client,
    counter: ExactCounter,
    pair: tuple[Draft, Draft],
) -> None:
    """Other values: what two versions, and two conversations of one, have in common is cached.

    Of two versions the least counts: a value may or may not change the word that it is put behind.
    """
    found = []
    for mine, others in ((FIRST, SECOND), (SECOND, FIRST)):
        salt = new_salt()
        before, after = (draft.source(salt) for draft in pair)
        send(client, session_emulator, before, mine, salt)
        found.append(send(client, session_emulator, after, others, salt)[1])
    diff = compared(before, after, counter, FIRST)
    assert min(found) == diff.prefix.shared_cacheable_tokens
    other = new_salt()
    alone = pair[1].source(other)
    send(client, session_emulator, alone, FIRST, other)
    _, within_version = send(client, session_emulator, alone, SECOND, other)
    cacheable = compared(alone, alone, counter, FIRST).prefix.after_cacheable_tokens
    assert within_version == cacheable


@settings(max_examples=60)
@given(pairs())
def test_versions_that_are_equal_have_an_empty_diff(
    counter: ExactCounter, pair: tuple[Draft, Draft]
) -> None:
    source = pair[0].source("")
    diff = compared(source, pair[0].source(""), counter, {})
    assert diff.is_same
    assert (diff.texts, diff.changes, diff.divergence) == ((), (), None)
    assert diff.tokens.delta_tokens == diff.tokens.opening_delta_tokens == 0
    prefix = diff.prefix
    assert prefix.before_tokens == prefix.after_tokens
    assert prefix.shared_cacheable_tokens == prefix.before_cacheable_tokens


def test_the_prefix_of_a_prompt_that_leaves_the_user_to_the_user_goes_on_open(
    counter: ExactCounter,
) -> None:
    """Its text is all stable, and the user's words, which nobody knows, come behind it."""
    source = parse_source("s", lambda _: b"{% role system %}\nBe brief and polite.\n")
    assert variables_of(source) == {}
    chat = prefix_chat(source)
    assert chat.is_open
    assert chat.messages[-1] == ("user", "")
    # <|system|>, five words of at most six letters, the full stop, <|user|>
    assert counter.count(chat) == len(["<|system|>", "Be", " brief", " and", " polite", ".", "<>"])


def test_a_tokenizer_that_is_none_is_refused_with_its_path(tmp_path: Path) -> None:
    from wai_ops.core.errors import UsageError

    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UsageError, match="is no tokenizer"):
        open_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match=r"tokenizer\.json"):
        open_tokenizer(tmp_path)
