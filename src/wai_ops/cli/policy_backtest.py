"""`wai policy backtest`."""

from typing import Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption, SinceOption, UntilOption
from wai_ops.cli.output import Format
from wai_ops.cli.policy_app import app


@app.command("backtest")
def backtest_command(
    ctx: typer.Context,
    *,
    candidate: Annotated[
        str,
        typer.Option(
            "--candidate", metavar="PATH|REF", help="A folder of policies, or a revision."
        ),
    ],
    since: SinceOption = None,
    until: UntilOption = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", "-w", metavar="NAME", help="Only this workflow.")
    ] = None,
    fail: Annotated[
        bool, typer.Option("--fail", help="Exit 1 when any verdict would change.")
    ] = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Replay recorded decisions and requests under other policies: changed verdicts and their cost.

    Decisions come from the decision log, requests without one from the ledger. Notes say what could
    not be evaluated, and why. Nothing is sent.

    \b
    Examples:
      wai policy backtest --candidate next-policies --since 7d
      wai policy backtest --candidate feature-branch --workflow support --json
      wai policy backtest --candidate next-policies --since 30d --fail
    """
    from wai_ops.cli.output import emit, print_json
    from wai_ops.cli.watch import watch
    from wai_ops.config.governed import policy_folder, project_root
    from wai_ops.control.decisions.log import FOLDER_NAME
    from wai_ops.control.policy.backtesting import Replay, backtest_table
    from wai_ops.control.policy.recorded import from_ledger, from_log, of_request
    from wai_ops.control.policy.sources import load_side
    from wai_ops.core.errors import ExitCode
    from wai_ops.core.window import parse_window
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.policy_decisions import ledger_decisions
    from wai_ops.observe.reports.route_requests import route_requests
    from wai_ops.observe.reports.slice import Condition, Dimension, Slice

    context: AppContext = ctx.obj
    settings = context.settings
    window = parse_window(since, until, now=context.clock.now())
    side = load_side(
        candidate,
        folder=policy_folder(settings, context.cwd),
        root=project_root(settings, context.cwd),
        cwd=context.cwd,
    )
    replay = Replay(side.registry, only=workflow)
    log = settings.state_dir / FOLDER_NAME
    replay.decisions(from_log(log, window))
    where = () if workflow is None else (Condition(Dimension.WORKFLOW, workflow),)
    with open_ledger(settings.state_dir, context.clock, watch) as store:
        requests = route_requests(store, Slice(window, where))
        replay.requests(of_request(request, side.registry) for request in requests)
        replay.decisions(from_ledger(ledger_decisions(store, window), replay.decision_ids))
    found = replay.result(side.label, [window.describe()])
    if as_json or fmt is Format.JSON:
        print_json(found)
        if fail and found.changed_count:
            raise typer.Exit(ExitCode.VERDICT_NO)
        return
    emit(backtest_table(found, fails=fail), fmt)
