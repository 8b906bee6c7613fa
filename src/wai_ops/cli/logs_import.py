"""`wai logs import`, `wai logs export` and `wai logs prune`."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.logs_app import app
from wai_ops.cli.options import JsonOption, SinceOption, UntilOption
from wai_ops.cli.report_options import WhereOption

if TYPE_CHECKING:
    from wai_ops.observe.ingest.importing import Fetch, ImportResult
    from wai_ops.observe.ingest.pruning import PruneResult
    from wai_ops.observe.ingest.sources import Source


class ImportFormat(StrEnum):
    """The values of `observe.ingest.formats.LogFormat`, and `auto`."""

    AUTO = "auto"
    GATEWAY = "gateway"
    LOGPUSH = "logpush"
    OTLP = "otlp"
    CSV = "csv"
    JSONL = "jsonl"


class ExportKind(StrEnum):
    """The values of `observe.ingest.export.LogExport`, without importing it."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    CSV = "csv"
    FOCUS = "focus"
    OTLP = "otlp"


class GrainChoice(StrEnum):
    """The values of `observe.ingest.focus.Grain`."""

    HOUR = "hour"
    DAY = "day"


@app.command("import")
def import_(
    ctx: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files, folders, globs, s3://... addresses."),
    ],
    fmt: Annotated[
        ImportFormat, typer.Option("--format", help="Else told from the content of each file.")
    ] = ImportFormat.AUTO,
    gateway: Annotated[
        str | None, typer.Option("--gateway", metavar="NAME", help="Whose log this is.")
    ] = None,
    private_key: Annotated[
        Path | None,
        typer.Option("--private-key", metavar="FILE", help="PEM key that opens Logpush fields."),
    ] = None,
    bodies: Annotated[
        bool, typer.Option("--bodies", help="Keep Logpush bodies too, redacted.")
    ] = False,
    endpoint_url: Annotated[
        str | None,
        typer.Option("--endpoint-url", metavar="URL", help="Of the object store."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also files whose content was imported before.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read everything, keep nothing.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 when a line or a file could not be read.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import gateway logs, Logpush files, OTLP traces, CSV or exports of wai, each content once.

    \b
    Examples:
      wai logs import logs.ndjson.gz
      wai logs import 'logpush/2026*/*.log.gz' --private-key logpush.pem
      wai logs import r2://bucket/ai-gateway/ --gateway prod
      wai logs import traces.json --dry-run --strict
    """
    from wai_ops.cli.diagnostics import message, note, warn
    from wai_ops.cli.output import print_json
    from wai_ops.cli.watch import watch
    from wai_ops.config.prices import load_price_book
    from wai_ops.core.errors import ExitCode
    from wai_ops.observe.ingest.formats import LogFormat
    from wai_ops.observe.ingest.importing import ImportOptions, import_files
    from wai_ops.observe.redact.known import redactor_for

    context = ctx.obj
    key = None
    if private_key is not None:
        from wai_ops.observe.ingest.logpush import load_private_key

        key, warnings = load_private_key(private_key)
        for text in warnings:
            warn(text)
    sources, fetch, left = _find(
        paths,
        context.cwd,
        endpoint_url or context.environ.get("AWS_ENDPOINT_URL"),
        context.settings.account_id,
    )

    def tell(*, done: int, total: int, rows: int) -> None:
        if done < total or total > 1:
            message(f"{done:,} of {total:,} files, {rows:,} rows")

    result = import_files(
        context.settings.state_dir,
        context.clock,
        sources,
        ImportOptions(
            fmt=None if fmt is ImportFormat.AUTO else LogFormat(fmt.value),
            gateway_id=gateway,
            private_key=key,
            keep_bodies=bodies,
            is_dry_run=dry_run,
            again=again,
        ),
        prices=load_price_book(context.settings),
        redactor=redactor_for(context.settings, context.environ),
        fetch=fetch,
        told=tell,
        progress=watch,
    )
    if as_json:
        print_json(result)
    else:
        typer.echo(_in_words(result))
    for text in [*left, *result.notes]:
        note(text)
    if strict and not result.is_clean:
        raise typer.Exit(ExitCode.VERDICT_NO)


def _find(
    paths: list[str], cwd: Path, endpoint_url: str | None, account_id: str | None
) -> "tuple[list[Source], Fetch, list[str]]":
    """Resolve what was named; objects are fetched later, files lie here already."""
    from wai_ops.core.errors import UsageError
    from wai_ops.observe.ingest.objects import endpoint_for, is_object_url, open_store
    from wai_ops.observe.ingest.sources import find_sources

    remote = [path for path in paths if is_object_url(path)]
    found = find_sources([path for path in paths if path not in remote], cwd)
    sources, left = list(found.sources), [f"left alone: {text}" for text in found.left]
    if not sources and not remote:
        raise UsageError("there is no file to import", hint="; ".join(left) or None)
    if not remote:
        return sources, lambda source, _: source, left
    store = open_store(endpoint_for(remote, endpoint_url, account_id))
    objects = {source.name: source for url in remote for source in store.find(url)}

    def fetch(source: "Source", folder: Path) -> "Source":
        return store.fetch(source, folder) if source.name in objects else source

    return [*sources, *objects.values()], fetch, left


def _in_words(result: "ImportResult") -> str:
    verb = "would read" if result.is_dry_run else "imported"
    formats = ", ".join(f"{count} {name}" for name, count in sorted(result.formats.items()))
    words = [f"{verb} {result.file_count} files ({formats or 'none new'}): {result.row_count} rows"]
    if not result.is_dry_run:
        words.append(
            f"{result.inserted_count} new, {result.replaced_count} replaced, "
            f"{result.unchanged_count} unchanged, {result.duplicate_count} twice"
        )
    if result.tool_call_count:
        words.append(f"{result.tool_call_count} tool calls")
    if result.body_count:
        words.append(f"{result.body_count} bodies")
    words.append(f"{result.quarantined_count} quarantined")
    return "; ".join(words)


@app.command()
def export(
    ctx: typer.Context,
    kind: Annotated[ExportKind, typer.Argument(help="What to write.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to, whole or not at all.")
    ],
    since: SinceOption = None,
    until: UntilOption = None,
    where: WhereOption = None,
    grain: Annotated[
        GrainChoice, typer.Option("--grain", help="FOCUS: how long one charge period is.")
    ] = GrainChoice.DAY,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write model calls for other tools: Parquet, JSON lines, CSV, FOCUS 1.2 or OTLP spans.

    FOCUS is CSV, or Parquet where the file's name ends so.

    \b
    Examples:
      wai logs export parquet --output calls.parquet --since 7d
      wai logs export focus --output focus.csv --since 2026-01-01
      wai logs export otlp --output spans.jsonl --where tenant=acme
    """
    from wai_ops.cli.diagnostics import message, note
    from wai_ops.cli.output import print_json
    from wai_ops.cli.watch import watch
    from wai_ops.core.window import parse_window
    from wai_ops.observe.ingest.export import Account, LogExport, export_logs
    from wai_ops.observe.ingest.focus import Grain
    from wai_ops.observe.reports.slice import Slice, parse_where

    context = ctx.obj
    account_id = context.settings.account_id or "unknown"
    result = export_logs(
        context.settings.state_dir,
        context.clock,
        LogExport(kind.value),
        output,
        Slice(parse_window(since, until, now=context.clock.now()), parse_where(where or [])),
        account=Account(id=account_id, name=account_id),
        grain=Grain(grain.value),
        overwrite=force,
        progress=watch,
    )
    if as_json:
        print_json(result)
    else:
        message(f"wrote {result.row_count} rows to {result.output}")
    for text in result.notes:
        note(text)


@app.command()
def prune(
    ctx: typer.Context,
    before: Annotated[
        str, typer.Option("--before", metavar="TIME", help="Up to, exclusive: 90d, 2026-01-31.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and keep it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Drop gateway rows and bodies that are older. What a client recorded stays.

    \b
    Examples:
      wai logs prune --before 90d --dry-run
      wai logs prune --before 2026-01-01 --yes
    """
    from functools import partial

    from wai_ops.cli.diagnostics import message
    from wai_ops.cli.output import print_json
    from wai_ops.cli.watch import watch
    from wai_ops.core.errors import ExitCode, UsageError
    from wai_ops.core.window import parse_instant
    from wai_ops.observe.ingest.pruning import prune_logs

    context = ctx.obj
    until = parse_instant(before, now=context.clock.now(), flag="--before")
    is_asked = not yes and not dry_run
    if is_asked and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "this cannot be undone", hint="look with --dry-run, then add --yes; nothing was changed"
        )
    go = partial(prune_logs, context.settings.state_dir, context.clock, until, progress=watch)
    result = go(is_dry_run=dry_run or is_asked)
    if is_asked and not result.is_nothing:
        if not typer.confirm(_gone_in_words(result), err=True):
            message("nothing was changed")
            raise typer.Exit(ExitCode.VERDICT_NO)
        result = go(is_dry_run=False)
    if as_json:
        print_json(result)
    else:
        typer.echo(_gone_in_words(result).removesuffix("?"))


def _gone_in_words(result: "PruneResult") -> str:
    verb = "drop" if result.is_dry_run else "dropped"
    return (
        f"{verb} {result.gateway_only_count} calls of gateways alone, the gateway's side of "
        f"{result.parted_count} calls and {result.body_count} bodies "
        f"before {result.before:%Y-%m-%d %H:%M} UTC" + ("?" if result.is_dry_run else "")
    )
