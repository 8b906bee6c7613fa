"""`wai report baseline`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption, SinceOption, UntilOption
from wai_ops.cli.output import Format
from wai_ops.cli.report_app import app
from wai_ops.cli.report_options import OutputOption, ReportFormatOption, WhereOption


@app.command()
def baseline(
    ctx: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(metavar="NAME|list|show NAME", help="What to freeze, or what to look at."),
    ],
    since: SinceOption = None,
    until: UntilOption = None,
    where: WhereOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a baseline of that name.")
    ] = False,
    fmt: ReportFormatOption = None,
    as_json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Freeze latency, cache, spend and failures of a period; list and show what was frozen.

    The file is baselines/NAME.json beside wai.yaml. Later reports take --compare NAME.

    \b
    Examples:
      wai report baseline before-launch --since 2026-01-01 --until 2026-02-01
      wai report baseline list
      wai report baseline show before-launch --format csv
      wai report slo --since 7d --compare before-launch
    """
    from wai_ops.cli.report_output import check_output, deliver
    from wai_ops.core.errors import UsageError
    from wai_ops.observe.reports.baseline import (
        baseline_path,
        list_baselines,
        load_baseline,
        show_baseline,
    )

    context: AppContext = ctx.obj
    folder = baseline_folder(context)
    match words:
        case ["list"]:
            chosen = check_output(output, Format.JSON if as_json else fmt)
            deliver(list_baselines(folder), chosen, output)
        case ["show", name]:
            chosen = check_output(output, Format.JSON if as_json else fmt)
            deliver(show_baseline(load_baseline(baseline_path(folder, name))), chosen, output)
        case [name] if name != "show":
            _freeze(context, name, since, until, where or [], force=force)
        case _:
            raise UsageError(
                "give one NAME, or list, or show NAME", hint="see: wai report baseline --help"
            )


def baseline_folder(context: AppContext) -> Path:
    """The folder of wai.yaml, else the current one."""
    file = context.settings.config_file
    return context.cwd if file is None else file.parent


def _freeze(
    context: AppContext,
    name: str,
    since: str | None,
    until: str | None,
    where: list[str],
    *,
    force: bool,
) -> None:
    from wai_ops.cli.diagnostics import message
    from wai_ops.cli.report_output import write_whole
    from wai_ops.cli.watch import watch
    from wai_ops.core.errors import UsageError
    from wai_ops.core.window import parse_window
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.baseline import baseline_path, freeze, to_file_text
    from wai_ops.observe.reports.slice import Slice, parse_where

    settings, now = context.settings, context.clock.now()
    path = baseline_path(baseline_folder(context), name)
    if path.exists() and not force:
        raise UsageError(
            f"there is a baseline {name} already", where=str(path), hint="replace it with --force"
        )
    part = Slice(parse_window(since, until, now=now), parse_where(where))
    with open_ledger(settings.state_dir, context.clock, watch) as store:
        frozen = freeze(store, part, name, settings, now=now)
    path.parent.mkdir(exist_ok=True)
    write_whole(path, to_file_text(frozen))
    message(f"wrote {path}: {frozen.describe()}")


def compare_with(context: AppContext, name: str, command: str, by: str | None) -> Any:
    """For `--compare NAME`: from a report's table to the baseline's rows. Raises WaiError."""
    from wai_ops.observe.reports.baseline import baseline_path, load_baseline, to_earlier

    found = load_baseline(baseline_path(baseline_folder(context), name))
    return to_earlier(found, command, by)
