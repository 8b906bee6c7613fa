"""`wai report timeline`."""

from typing import Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption
from wai_ops.cli.output import Format
from wai_ops.cli.report_app import app
from wai_ops.cli.report_options import FailOnOption, OutputOption, ReportFormatOption


@app.command()
def timeline(
    ctx: typer.Context,
    conversation: Annotated[
        str,
        typer.Argument(
            metavar="CONVERSATION", help="tenant:workflow:conversation, or an id that is unique."
        ),
    ],
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="Its tenant.")] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", "-w", help="Its workflow.")] = None,
    fmt: ReportFormatOption = None,
    as_json: JsonOption = False,
    output: OutputOption = None,
    fail_on: FailOnOption = None,
) -> None:
    """Show one conversation in order: turns, attempts, tool calls, decisions, sessions, outcome.

    The notes say what is missing: turns and attempts without a trace, and which side knows what.
    There is no --by, because a row is one event: for sums of one conversation by model or by day,
    give its name to wai report cost --where conversation=... --by model.

    \b
    Examples:
      wai report timeline acme:support:c1
      wai report timeline c1 --json
      wai report timeline c1 --tenant acme --workflow support --output c1.md
    """
    from wai_ops.cli.report_output import check_output, deliver
    from wai_ops.cli.watch import watch
    from wai_ops.core.window import Window
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.conversation import find_conversations, parse_wanted, resolve
    from wai_ops.observe.reports.fail_on import judge, parse_rule
    from wai_ops.observe.reports.slice import Slice
    from wai_ops.observe.reports.timeline import timeline_report
    from wai_ops.observe.reports.timeline_facts import read_facts

    context: AppContext = ctx.obj
    settings = context.settings
    wanted = parse_wanted(conversation, tenant, workflow)
    rule = None if fail_on is None else parse_rule(fail_on)
    chosen = check_output(output, Format.JSON if as_json else fmt)
    with open_ledger(settings.state_dir, context.clock, watch) as store:
        key = wanted.key
        if key is None:
            key = resolve(
                wanted,
                find_conversations(store, [wanted.conversation_id]),
                default_tenant=settings.defaults.tenant,
                default_workflow=settings.defaults.workflow,
            ).key
        facts = read_facts(store, key, settings.state_dir, context.clock)
        table = timeline_report(store, facts, Slice(Window(None, None)))
    deliver(table if rule is None else judge(table, rule), chosen, output)
