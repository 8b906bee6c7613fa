"""`wai logs pull` and `wai logs status`."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from wai_ops.cli.logs_app import app
from wai_ops.cli.options import FormatOption, JsonOption, LocalOption, SinceOption, UntilOption
from wai_ops.cli.output import Format, emit


class LogSystem(StrEnum):
    """Where a gateway's rows are; the values of `observe.ingest.pull_choice.SourceChoice`."""

    AUTO = "auto"
    LOGS_API = "logs-api"
    WORKERS_OBSERVABILITY = "workers-observability"


GatewayOption = Annotated[
    str | None, typer.Option("--gateway", metavar="ID", help="Else the one of wai.yaml.")
]


@app.command()
def pull(
    ctx: typer.Context,
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    gateway: GatewayOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what is new, until Ctrl-C.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Read again what was read before; needs --since.")
    ] = False,
    bodies: Annotated[
        str | None,
        typer.Option(
            "--bodies",
            metavar="failed|all|sample:1%",
            help="Fetch bodies too, two requests a row; redacted before they are stored.",
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option("--rate", metavar="SHARE", help="Of the API's limit: 50% or 0.5."),
    ] = None,
    source: Annotated[
        LogSystem, typer.Option("--source", help="Which of the two log systems to read.")
    ] = LogSystem.AUTO,
    parallel: Annotated[
        int | None, typer.Option("--parallel", min=1, max=16, help="Windows read at once.")
    ] = None,
    local: LocalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a gateway's log into the ledger: what is missing, and what may have changed.

    Without --since it goes on from where the first pull began (seven days back), and fills every
    hole. It can be stopped at any time. Needs WAI_OPERATOR_TOKEN with AI Gateway: Read.

    \b
    Examples:
      wai logs pull
      wai logs pull --since 30d --rate 25%
      wai logs pull --since 24h --bodies failed
      wai logs pull --follow
    """
    from wai_ops.cli.logs_service import PullOptions, run_pull
    from wai_ops.cli.output import print_json

    options = PullOptions(
        since=since,
        until=until,
        gateway=gateway,
        is_following=follow,
        again=again,
        bodies=bodies,
        rate=rate,
        source=source.value,
        parallel=parallel,
        is_local=local,
    )
    result = run_pull(ctx.obj, options)
    if as_json:
        print_json(result)
    else:
        typer.echo(_summary(result))


@app.command()
def status(
    ctx: typer.Context,
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    gateway: Annotated[
        str | None, typer.Option("--gateway", metavar="ID", help="Else all that were pulled.")
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask the gateway for its counts first.")
    ] = False,
    fail_incomplete: Annotated[
        bool, typer.Option("--fail-incomplete", help="Exit 1 unless every day is complete.")
    ] = False,
    local: LocalOption = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Prove, day by day, that the ledger holds what the gateway counts.

    Works offline: every pull asks for the counts at its end. --refresh asks again
    (WAI_OPERATOR_TOKEN with Account Analytics: Read).

    \b
    Examples:
      wai logs status
      wai logs status --refresh --since 7d
      wai logs status --refresh --fail-incomplete
    """
    from wai_ops.cli.logs_service import run_status

    table = run_status(
        ctx.obj,
        since=since,
        until=until,
        gateway=gateway,
        refresh=refresh,
        fail_incomplete=fail_incomplete,
        local=local,
    )
    emit(table, Format.JSON if as_json else fmt)


def _summary(result: Any) -> str:
    from wai_ops.core.text import counted

    if result.until is None:
        return "nothing to pull yet: all of it is too new (logs.hold_back_s)"
    rows, windows = counted(result.row_count, "row"), counted(result.window_count, "window")
    parts = [f"{rows} read in {windows}"]
    parts.append(f"{result.inserted_count:,} new, {result.replaced_count:,} changed")
    for count, words in (
        (result.late_row_count, "came late"),
        (result.late_field_count, "got their late fields"),
        (result.rated_count, "with another rating"),
        (result.pending_count, "still lack cost or usage"),
        (result.quarantined_count, "could not be read"),
    ):
        if count:
            parts.append(f"{count:,} {words}")
    if result.body_count:
        parts.append(counted(result.body_count, "body", "bodies"))
    if result.missing_body_count:
        parts.append(f"{counted(result.missing_body_count, 'body', 'bodies')} not in the log")
    if result.tool_call_count:
        parts.append(counted(result.tool_call_count, "tool call"))
    if result.through is not None:
        parts.append(f"read through {result.through:%Y-%m-%d %H:%M:%S} UTC")
    judged = (
        (result.complete_day_count, "complete"),
        (result.incomplete_day_count, "incomplete"),
        (result.unknown_day_count, "unknown"),
    )
    days = [f"{count} {verdict}" for count, verdict in judged if count]
    if days:
        parts.append(f"days: {', '.join(days)}")
    return "; ".join(parts)
