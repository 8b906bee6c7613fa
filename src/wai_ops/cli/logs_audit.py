"""`wai logs audit`: is there a credential in anything that is stored?"""

from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli import diagnostics
from wai_ops.cli.logs_app import app
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format, emit


@app.command()
def audit(
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Files and folders to look at as well."),
    ] = None,
    *,
    pii: Annotated[
        bool | None,
        typer.Option(
            "--pii/--no-pii", help="Personal data, too; else redaction.pii.", show_default=False
        ),
    ] = None,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Look for credentials in everything that is stored; exit 1 when there are any.

    Live state, ledger with its log, archive, raw pages, spools, caches and wai.yaml are read, and
    the given paths (prompts, exports). What is found is shown as a mask, never as it stands.

    \b
    Examples:
      wai logs audit
      wai logs audit prompts exports/2026-10.parquet
      wai logs audit --json
    """
    from wai_ops.observe.redact.audit import audit as look
    from wai_ops.observe.redact.known import redactor_for

    context = ctx.obj
    settings = context.settings
    redactor = redactor_for(settings, context.environ, pii=pii, keeps_key=False)
    given = [settings.config_file] if settings.config_file else []
    table = look(
        settings.state_dir,
        [*given, *(paths or [])],
        redactor,
        context.clock,
        diagnostics.message,
    )
    emit(table, Format.JSON if as_json else fmt)
