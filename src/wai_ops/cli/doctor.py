"""`wai doctor`."""

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption, LocalOption
from wai_ops.cli.output import Format, emit

app = new_app()


@app.command()
def doctor(
    ctx: typer.Context,
    *,
    local: LocalOption = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Check configuration, credentials, gateway and local data.

    Every line says ok, warning, failed or skipped, and the next step. Exits 1 when something
    failed; warnings do not count. Nothing is changed and no model is run.

    \b
    Examples:
      wai doctor
      wai doctor --local
      wai doctor --json
    """
    from wai_ops.cli.target import open_connection
    from wai_ops.observe.doctor.run import run_doctor

    app_context: AppContext = ctx.obj
    table = run_doctor(
        load=lambda: app_context.settings,
        environ=app_context.environ,
        clock=app_context.clock,
        connect=lambda role: open_connection(app_context, role=role, local=local),
        is_local=local,
    )
    emit(table, Format.JSON if as_json else fmt)
