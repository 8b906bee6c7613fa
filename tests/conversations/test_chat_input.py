"""From lines to messages, and from lines to commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.cli.chat_commands import COMMANDS, message_of, parse
from wai_ops.cli.chat_input import MAX_CHARS, Composer
from wai_ops.core.errors import UsageError


def messages(*lines: str) -> list[str]:
    composer = Composer()
    found = [message for line in lines if (message := composer.feed(line)) is not None]
    rest = composer.flush()
    return found if rest is None else [*found, rest]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["one", "two"], ["one", "two"]),
        (["one\\", "two"], ["one\ntwo"]),
        (["one\\", "two\\", "three", "four"], ["one\ntwo\nthree", "four"]),
        (['"""', "one", "", "two", '"""', "three"], ["one\n\ntwo", "three"]),
        (['"""one', 'two"""'], ["one\ntwo"]),
        (['"""one"""', "two"], ["one", "two"]),
        (["```python", "x = 1", "```"], ["```python\nx = 1\n```"]),
        (["```x```"], ["```x```"]),
        (['"""', "ends with a backslash \\", '"""'], ["ends with a backslash \\"]),
        (["```", "never closed"], ["```\nnever closed"]),
        (["one\\"], ["one"]),
        (["look at ```this"], ["look at ```this"]),
    ],
)
def test_lines_become_messages(lines: list[str], expected: list[str]) -> None:
    assert messages(*lines) == expected


@given(st.lists(st.text(st.characters(exclude_characters='\n\r\\`"')), min_size=1, max_size=8))
def test_a_block_holds_exactly_the_lines_between_its_quotes(lines: list[str]) -> None:
    assert messages('"""', *lines, '"""') == ["\n".join(lines)]


def test_what_never_ends_is_refused_and_forgotten() -> None:
    composer = Composer()
    composer.feed('"""')
    with pytest.raises(UsageError, match="longer than"):
        composer.feed("x" * MAX_CHARS)
    assert not composer.is_open
    assert composer.feed("short") == "short"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/cost", ("cost", "")),
        ("/Export  a b.md ", ("export", "a b.md")),
        ("/", ("", "")),
        ("//etc/hosts", None),
        ("what is / for", None),
    ],
)
def test_a_slash_begins_a_command_and_two_a_message(
    line: str, expected: tuple[str, str] | None
) -> None:
    assert parse(line) == expected


def test_two_slashes_become_one() -> None:
    assert message_of("//etc/hosts") == "/etc/hosts"
    assert message_of("plain") == "plain"


def test_every_command_has_a_line_of_help_that_fits_a_terminal() -> None:
    width = max(len(f"/{name} {item.arguments}") for name, item in COMMANDS.items()) + 2
    assert all(item.help and width + len(item.help) <= 80 for item in COMMANDS.values())
