"""`wai policy init`."""

from typing import Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption
from wai_ops.cli.policy_app import app


@app.command("init")
def init_command(
    ctx: typer.Context,
    *,
    workflow: Annotated[
        str | None,
        typer.Option("--workflow", "-w", metavar="NAME", help="For this one; else the default."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="ID", help="Its model; else the default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a first policy with tests, for the workflow and model of wai.yaml.

    From then on every run of the project is governed: what the policy does not allow is denied.
    Nothing that is there is overwritten.

    \b
    Examples:
      wai policy init
      wai policy init --workflow support
    """
    from wai_ops.cli import diagnostics
    from wai_ops.cli.output import print_json
    from wai_ops.config.governed import policy_folder
    from wai_ops.config.rules import model_problem
    from wai_ops.control.policy.starter import write_starter
    from wai_ops.core.errors import UsageError
    from wai_ops.core.ids import is_name

    context: AppContext = ctx.obj
    defaults = context.settings.defaults
    name, chosen = workflow or defaults.workflow, model or defaults.model
    if not is_name(name):
        raise UsageError(f"--workflow {name!r} is no name", hint="letters, digits and . _ @ / -")
    if problem := model_problem(chosen):
        raise UsageError(f"--model {problem}")
    written = write_starter(
        policy_folder(context.settings, context.cwd),
        workflow=name,
        model=chosen,
        today=context.clock.now().date(),
    )
    if as_json:
        print_json(written)
    else:
        for file in written.files:
            typer.echo(f"wrote {file}")
        diagnostics.message(f"every run is governed now: only workflow {name} is allowed")
        diagnostics.message("next: wai policy show, wai policy test, wai policy lint")
