"""A small command tree with one of everything that the generators must carry."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.main


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


def sample_tree() -> Any:
    root = typer.Typer(rich_markup_mode=None, add_completion=False, help="The root's help.")

    @root.command()
    def run(
        text: Annotated[str, typer.Argument(help="What to say.")] = "-",
        model: Annotated[str, typer.Option("--model", "-m", help="The model's id.")] = "",
        tenant: Annotated[str, typer.Option(help="Who pays: it's named.")] = "",
        workflow: Annotated[str, typer.Option(help="The kind of job.")] = "",
        conversation: Annotated[str, typer.Option(help="The conversation.")] = "",
        prompt: Annotated[str, typer.Option(help="A file or name.")] = "",
        colour: Annotated[Colour, typer.Option(help="The colour.")] = Colour.RED,
        schema: Annotated[Path | None, typer.Option(help="A file of JSON.")] = None,
        folder: Annotated[Path | None, typer.Option(file_okay=False, help="A folder.")] = None,
        state: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder.")] = None,
        endpoint: Annotated[str, typer.Option(metavar="auto|chat|run", help="How.")] = "auto",
        is_streamed: Annotated[bool, typer.Option("--stream/--no-stream", help="Stream.")] = True,
    ) -> None:
        """Send one prompt; `$(touch executed)` is not run."""

    report = typer.Typer(help="Answer questions.")
    root.add_typer(report, name="report")

    @report.command()
    def cost(
        by: Annotated[Colour, typer.Option("--by", help="How to group.")] = Colour.RED,
    ) -> None:
        """Say what it cost."""

    @report.command()
    def show(
        colour: Annotated[Colour, typer.Argument(help="Which.")],
        files: Annotated[list[Path], typer.Argument(help="Files.")],
    ) -> None:
        """Show a colour."""

    return typer.main.get_command(root)
