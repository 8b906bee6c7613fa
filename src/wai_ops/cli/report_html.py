"""`wai report html`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli.options import SinceOption, UntilOption
from wai_ops.cli.report_app import app
from wai_ops.cli.report_options import WhereOption


@app.command()
def html(
    ctx: typer.Context,
    since: SinceOption = None,
    until: UntilOption = None,
    where: WhereOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write there; without it, to stdout."),
    ] = None,
) -> None:
    """Write one page with the tables and charts of all reports; needs wai-ops[viz].

    The page is one file that runs nothing and fetches nothing, so it can be mailed or archived.
    Without --since it looks at the period slo.window of wai.yaml.

    \b
    Examples:
      wai report html --output report.html
      wai report html --since 7d --where tenant=acme --output acme.html
    """
    from wai_ops.cli import diagnostics
    from wai_ops.cli.output import Format
    from wai_ops.cli.report_output import check_output, write_whole
    from wai_ops.cli.watch import watch
    from wai_ops.core.errors import UsageError
    from wai_ops.core.window import parse_window
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.overview import build_overview
    from wai_ops.observe.reports.slice import Slice, parse_where
    from wai_ops.render.charts import require_charts
    from wai_ops.render.report_page import to_page

    context = ctx.obj
    settings, now = context.settings, context.clock.now()
    start = settings.slo.window if since is None and until is None else since
    part = Slice(parse_window(start, until, now=now), parse_where(tuple(where or ())))
    check_output(output, Format.HTML)
    if output is None and sys.stdout.isatty():
        raise UsageError("a page is not for a terminal", hint="add --output report.html")
    require_charts()
    with open_ledger(settings.state_dir, context.clock, watch) as store:
        overview = build_overview(store, part, settings, now=now)
    page = to_page(overview)
    if output is None:
        sys.stdout.buffer.write(page.encode())  # the page says that it is UTF-8
        sys.stdout.flush()
        return
    write_whole(output, page)
    diagnostics.message(f"wrote {output}")
