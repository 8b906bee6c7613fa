"""`wai ledger`: fold, look at, query, export and rebuild the ledger."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format, emit

app = new_app("Fold, inspect, query and export the ledger.")

ForceOption = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


@app.command()
def fold(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Bring the ledger up to date with what `wai run` recorded.

    Every report does this by itself; nothing is loaded twice and nothing is lost.

    \b
    Examples:
      wai ledger fold
      wai ledger fold --json
    """
    from wai_ops.cli.diagnostics import warn
    from wai_ops.cli.output import print_json
    from wai_ops.cli.watch import watch
    from wai_ops.observe.ledger.fold import fold as fold_now

    context = ctx.obj
    result = fold_now(context.settings.state_dir, context.clock, watch)
    if as_json:
        print_json(result)
    else:
        loaded = result.loaded
        typer.echo(
            f"folded {loaded.attempt_count} attempts, {loaded.session_event_count} session events"
            f", {loaded.other_event_count} other facts; {loaded.quarantined_count} quarantined"
        )
    for text in result.warnings:
        warn(text)


@app.command()
def status(
    ctx: typer.Context, fmt: FormatOption = Format.TABLE, as_json: JsonOption = False
) -> None:
    """Show what the ledger holds and what waits for it. Changes nothing.

    \b
    Examples:
      wai ledger status
      wai ledger status --format json
    """
    from wai_ops.cli.watch import watch
    from wai_ops.observe.ledger.status import read_status

    context = ctx.obj
    table = read_status(context.settings.state_dir, context.clock, watch)
    emit(table, Format.JSON if as_json else fmt)


@app.command()
def path(ctx: typer.Context) -> None:
    """Print where the ledger is, whether it exists yet or not.

    \b
    Examples:
      wai ledger path
      duckdb -readonly "$(wai ledger path)"
    """
    from wai_ops.observe.ledger.paths import ledger_path

    typer.echo(ledger_path(ctx.obj.settings.state_dir))


@app.command()
def sql(
    ctx: typer.Context,
    statement: Annotated[str, typer.Argument(metavar="SQL|-", help="One SELECT; - reads stdin.")],
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Query the ledger with DuckDB SQL. Read-only: no files, no network, no settings.

    \b
    Examples:
      wai ledger sql "describe attempt"
      wai ledger sql "select tenant, count(*) from attempt group by all" -f csv
      wai ledger sql - < query.sql
    """
    from wai_ops.cli.watch import watch
    from wai_ops.observe.ledger.sandbox import query_sql

    context = ctx.obj
    text = sys.stdin.read() if statement == "-" else statement
    table = query_sql(context.settings.state_dir, context.clock, text, watch)
    emit(table, Format.JSON if as_json else fmt)


@app.command()
def export(
    ctx: typer.Context,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; else stdout.")
    ] = None,
    fmt: Annotated[
        str | None,
        typer.Option(
            "--format", "-f", metavar="parquet|jsonl|csv", help="Else by the file's name."
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write every attempt to a file, complete or not at all, or to stdout.

    \b
    Examples:
      wai ledger export --output attempts.parquet
      wai ledger export --format jsonl | gzip > attempts.jsonl.gz
    """
    from wai_ops.cli.diagnostics import message
    from wai_ops.cli.watch import watch
    from wai_ops.core.errors import UsageError
    from wai_ops.observe.ledger.export import (
        ExportFormat,
        choose_format,
        export_to_file,
        export_to_stream,
    )

    context = ctx.obj
    chosen = choose_format(fmt, output)
    state_dir = context.settings.state_dir
    if output is not None:
        count = export_to_file(
            state_dir, context.clock, output, chosen, overwrite=force, progress=watch
        )
        message(f"wrote {count} attempts to {output}")
        return
    if chosen is ExportFormat.PARQUET:
        raise UsageError("parquet goes to a file only", hint="add --output attempts.parquet")
    export_to_stream(
        state_dir,
        context.clock,
        sys.stdout.buffer,
        chosen,
        for_terminal=sys.stdout.isatty(),
        progress=watch,
    )


@app.command()
def rebuild(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Make the ledger anew from the archive. The old one stays until the new one stands.

    \b
    Examples:
      wai ledger rebuild
    """
    from wai_ops.cli.diagnostics import warn
    from wai_ops.cli.output import print_json
    from wai_ops.cli.watch import watch
    from wai_ops.observe.ledger.rebuild import rebuild as rebuild_now

    context = ctx.obj
    result = rebuild_now(context.settings.state_dir, context.clock, watch)
    if as_json:
        print_json(result)
        return
    loaded = result.folded.loaded
    typer.echo(
        f"rebuilt: {loaded.attempt_count} attempts, {loaded.row_count} facts in all"
        + (f", {result.log_row_count} log rows of gateways" if result.log_row_count else "")
    )
    for text in result.notes:
        warn(text)
    if result.kept is not None:
        typer.echo(f"the damaged ledger is kept as {result.kept}")
