"""`wai policy show`."""

from typing import Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format
from wai_ops.cli.policy_app import app, load_policies


@app.command("show")
def show_command(
    ctx: typer.Context,
    workflow: Annotated[
        str | None, typer.Argument(metavar="[WORKFLOW]", help="Only this one; else all.")
    ] = None,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Show what holds: every rule of a workflow in the order of the questions, defaults and all.

    Notes name the policy files with their versions as decision records have them.

    \b
    Examples:
      wai policy show
      wai policy show support
      wai policy show support --json
    """
    from wai_ops.cli.output import emit
    from wai_ops.cli.policy_app import known_workflow
    from wai_ops.control.policy.listing import policy_table

    context: AppContext = ctx.obj
    registry = load_policies(context)
    chosen = list(registry.workflows.values())
    if workflow is not None:
        chosen = [known_workflow(registry, workflow)]
    emit(policy_table(registry, chosen), Format.JSON if as_json else fmt)
