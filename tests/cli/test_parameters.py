"""The quick conversion of flag values agrees with Typer's own, or leaves it to Typer."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
import typer.main
from hypothesis import given
from hypothesis import strategies as st
from typer.exceptions import TyperException

from support.cli import Wai
from wai_ops.cli.parameters import quicken


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


SEEN: list[dict[str, Any]] = []


def command() -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command()
    def probe(
        text: Annotated[str | None, typer.Argument()] = None,
        *,
        count: Annotated[int | None, typer.Option(min=1, max=99)] = None,
        share: Annotated[float, typer.Option(min=0)] = 0.5,
        place: Annotated[Path | None, typer.Option()] = None,
        name: Annotated[list[str] | None, typer.Option()] = None,
        colour: Colour = Colour.RED,
        flag: bool = False,
    ) -> None:
        SEEN.append(locals())

    return typer.main.get_command(app)


SLOW, QUICK = command(), quicken(command())


def outcome(probe: Any, arguments: list[str]) -> Any:
    SEEN.clear()
    try:
        probe.main(args=arguments, standalone_mode=False)
    except TyperException as error:
        return type(error).__name__, error.format_message()
    values = SEEN.pop()
    return {key: (type(value), value) for key, value in values.items()}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["hello"],
        ["--count", "7", "--share", "0.25", "--place", "a/b", "--flag"],
        ["--name", "a", "--name", "b", "--colour", "blue"],
        ["--count", "0"],
        ["--count", "100"],
        ["--count", "seven"],
        ["--count", "1.5"],
        ["--share", "-1"],
        ["--colour", "green"],
        ["--unknown"],
        ["a", "b"],
    ],
)
def test_quick_and_thorough_agree(arguments: list[str]) -> None:
    assert outcome(QUICK, arguments) == outcome(SLOW, arguments)


@given(value=st.text(max_size=12).filter(lambda text: not text.startswith("-")))
def test_any_text_for_a_number_is_taken_the_same_way(value: str) -> None:
    for flag in ("--count", "--share"):
        assert outcome(QUICK, [flag, value]) == outcome(SLOW, [flag, value])


def test_a_wrong_choice_is_told_with_the_right_ones(wai: Wai) -> None:
    ran = wai("report", "cost", "--by", "colour")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith(
        "wai: error: Invalid value for '--by': 'colour' is not one of 'workflow', 'tenant'"
    )
