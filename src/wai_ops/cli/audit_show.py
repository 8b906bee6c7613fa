"""`wai audit show`."""

from enum import StrEnum
from typing import Annotated

import typer

from wai_ops.cli.audit_app import app, log_folder
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption, SinceOption, UntilOption
from wai_ops.cli.output import Format


class VerdictName(StrEnum):
    """`control.policy.action.VerdictWord`, without importing it."""

    ALLOW = "allow"
    DENY = "deny"
    NEEDS_APPROVAL = "needs_approval"


class KindName(StrEnum):
    """`control.policy.action.ActionKind`, without importing it."""

    MODEL_CALL = "model_call"
    TOOL_CALL = "tool_call"
    OUTBOUND_REQUEST = "outbound_request"
    OPERATOR_CHANGE = "operator_change"


@app.command()
def show(
    ctx: typer.Context,
    decision: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="One decision, or the number of a record."),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="Of this tenant.")] = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", "-w", help="Of this workflow.")
    ] = None,
    conversation: Annotated[
        str | None, typer.Option("--conversation", "-c", help="Of this conversation.")
    ] = None,
    verdict: Annotated[
        VerdictName | None, typer.Option("--verdict", help="With this verdict.")
    ] = None,
    kind: Annotated[KindName | None, typer.Option("--kind", help="About this.")] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1_000_000, help="The newest so many.")
    ] = 50,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """List recorded decisions, or show one action whole: decision, start and end.

    \b
    Examples:
      wai audit show
      wai audit show --since 24h --verdict deny
      wai audit show --conversation c1 --format jsonl
      wai audit show 0190b2c4-7e1a-7c3d-9a52-3f6e1d2c4b5a
    """
    from wai_ops.cli.output import emit, print_json
    from wai_ops.control.decisions.listing import Wanted, list_decisions, show_action
    from wai_ops.core.window import parse_window

    context: AppContext = ctx.obj
    folder = log_folder(context)
    if decision is not None:
        detail = show_action(folder, decision)
        if as_json or fmt is Format.JSON:
            print_json(detail)
        else:
            typer.echo(detail.to_text(), nl=False)
        return
    wanted = Wanted(
        window=parse_window(since, until, now=context.clock.now()),
        tenant=tenant,
        workflow=workflow,
        conversation_id=conversation,
        verdict=verdict and verdict.value,
        kind=kind and kind.value,
    )
    emit(list_decisions(folder, wanted, limit), Format.JSON if as_json else fmt)
