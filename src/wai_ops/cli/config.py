"""`wai config`: what holds here, and whether a file is right."""

from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli import diagnostics
from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format, emit

app = new_app("Show and validate the configuration.")

FileArgument = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="Default: the nearest wai.yaml.")
]


@app.command()
def show(
    ctx: typer.Context, *, fmt: FormatOption = Format.TABLE, as_json: JsonOption = False
) -> None:
    """Show every setting with its value and where it comes from.

    Credentials appear as set or not set.

    \b
    Examples:
      wai config show
      wai config show --format csv
    """
    from wai_ops.config.show import settings_table

    context: AppContext = ctx.obj
    emit(settings_table(context.settings, context.environ), Format.JSON if as_json else fmt)


@app.command()
def validate(ctx: typer.Context, file: FileArgument = None) -> None:
    """Check a config file: every problem at once, each with its line and column.

    Without FILE the environment is checked as well. Exits 2 when there are problems.

    \b
    Examples:
      wai config validate
      wai config validate staging/wai.yaml
    """
    context: AppContext = ctx.obj
    if file is not None:
        from wai_ops.config.load import validate_file

        validate_file(context.cwd / file, context.environ, label=str(file))
        diagnostics.message(f"{file}: ok")
        return
    found = context.settings.config_file
    where = str(found) if found else "no wai.yaml found; defaults and environment"
    diagnostics.message(f"{where}: ok")
