"""`wai budget alerts`."""

from typing import Annotated, Any

import typer

from wai_ops.cli.budget_app import app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format


@app.command()
def alerts(
    ctx: typer.Context,
    *,
    test: Annotated[
        bool, typer.Option("--test", help="Send each channel a test; note nothing.")
    ] = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Tell, once, that budgets reached a share of warn_at or their limit: here and by `alerts:`.

    Each budget, value, share and window is told once to each channel; run it as often as you like.
    What a channel did not take is sent again the next time, with the same id; then the exit code
    is 3.

    \b
    Examples:
      wai budget alerts
      wai budget alerts --test
      wai budget alerts --format jsonl >> alerts.jsonl
    """
    from wai_ops.cli.budget_status import chosen_budgets, standing
    from wai_ops.cli.output import emit
    from wai_ops.config.governed import project_root
    from wai_ops.control.budgets.alert_channels import open_channels
    from wai_ops.control.budgets.alerting import send_alerts, try_channels
    from wai_ops.core.errors import RemoteError

    context: AppContext = ctx.obj
    settings = context.settings
    budgets = chosen_budgets(context, None)
    root = project_root(settings, context.cwd)
    channels = open_channels(settings.alerts, context.environ, root)
    now = context.clock.now()
    table: Any
    if test:
        table, is_whole = try_channels(channels, now)
    else:
        with standing(context, None) as (_, status):
            rows = status.rows
        table, is_whole = send_alerts(
            rows, budgets, settings.alerts, channels, state_dir=settings.state_dir, now=now
        )
    emit(table, Format.JSON if as_json else fmt)
    if not is_whole:
        raise RemoteError(
            "not every channel took what was sent",
            hint="it is sent again the next time; try the channels with: wai budget alerts --test",
        )
