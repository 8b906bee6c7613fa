"""`wai budget plan` and `drift`: what a push would change, and what others changed."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.budget_app import app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption, LocalOption

if TYPE_CHECKING:
    from wai_ops.control.budgets.plan import Plan


class PlanFormat(StrEnum):
    """How a plan comes out."""

    TABLE = "table"
    JSON = "json"
    GITHUB = "github"


PlanFormatOption = Annotated[
    PlanFormat, typer.Option("--format", "-f", help="How the plan comes out.")
]


@app.command()
def plan(
    ctx: typer.Context,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Save the plan, for wai budget push."),
    ] = None,
    why: Annotated[
        bool, typer.Option("--why", help="Say why each form was chosen, and what passes it.")
    ] = False,
    local: LocalOption = False,
    fmt: PlanFormatOption = PlanFormat.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Show what a push would change on the gateway, and how each budget is held; change nothing.

    Exit 1 when something is in the way. Needs the operator token.

    \b
    Examples:
      wai budget plan
      wai budget plan --why
      wai budget plan -o plan.json
      wai budget plan --format github >> "$GITHUB_STEP_SUMMARY"
    """
    from wai_ops.cli.budget_service import compiled_of, open_guards, plan_of, state_of
    from wai_ops.control.budgets.state_file import read_state
    from wai_ops.core.errors import ExitCode

    context: AppContext = ctx.obj
    compiled = compiled_of(context)
    with open_guards(context, local=local) as guards:
        state = state_of(read_state(context.settings.state_dir), guards)
        made = plan_of(context, guards, compiled, state)
    if output is not None:
        save_plan(made, output)
    show_plan(made, PlanFormat.JSON if as_json else fmt, is_explained=why)
    if made.conflicts:
        raise typer.Exit(ExitCode.VERDICT_NO)


@app.command()
def drift(
    ctx: typer.Context,
    *,
    local: LocalOption = False,
    fmt: PlanFormatOption = PlanFormat.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Say whether the gateway is still as the budgets want it; exit 1 when it is not.

    \b
    Examples:
      wai budget drift
      wai budget drift --format github
    """
    from wai_ops.cli.budget_service import compiled_of, open_guards, plan_of, state_of
    from wai_ops.control.budgets.state_file import read_state
    from wai_ops.core.errors import ExitCode

    context: AppContext = ctx.obj
    compiled = compiled_of(context, needs_budgets=False)
    with open_guards(context, local=local) as guards:
        state = state_of(read_state(context.settings.state_dir), guards)
        made = plan_of(context, guards, compiled, state)
    show_plan(made, PlanFormat.JSON if as_json else fmt)
    if not made.is_empty:
        raise typer.Exit(ExitCode.VERDICT_NO)


def show_plan(made: "Plan", fmt: PlanFormat, *, is_explained: bool = False) -> None:
    """Print a plan on stdout."""
    from wai_ops.cli.output import print_json
    from wai_ops.control.budgets.plan import document_of
    from wai_ops.render.budget_plan import to_markdown, to_text

    if fmt is PlanFormat.JSON:
        print_json(document_of(made))
        return
    if fmt is PlanFormat.GITHUB:
        text = to_markdown(made)
    else:
        text = to_text(made, has_colour=_colour(), is_explained=is_explained)
    sys.stdout.write(text)
    sys.stdout.flush()


def save_plan(made: "Plan", path: Path) -> None:
    """Write the plan file. Raises UsageError."""
    from wai_ops.cli import diagnostics
    from wai_ops.cli.output import to_json_text
    from wai_ops.control.budgets.plan import document_of
    from wai_ops.core.errors import UsageError

    try:
        path.write_text(to_json_text(document_of(made)) + "\n", "utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    diagnostics.note(f"saved; apply it with: wai budget push {path}")


def _colour() -> bool:
    import os

    is_plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "dumb") == "dumb"
    return sys.stdout.isatty() and not is_plain
