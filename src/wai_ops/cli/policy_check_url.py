"""`wai policy check-url`: what would become of a request, before anything sends it."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format
from wai_ops.cli.policy_app import app, known_workflow, load_policies

if TYPE_CHECKING:
    from wai_ops.control.outbound.checking import Ask


@app.command("check-url")
def check_url(
    ctx: typer.Context,
    urls: Annotated[
        list[str], typer.Argument(metavar="URL…", help="Which; - reads one a line from stdin.")
    ],
    *,
    method: Annotated[
        str, typer.Option("--method", metavar="METHOD", help="Of the request.")
    ] = "GET",
    workflow: Annotated[
        str | None,
        typer.Option("--workflow", "-w", metavar="NAME", help="Whose policy; else the default."),
    ] = None,
    tool: Annotated[
        str | None, typer.Option("--tool", metavar="NAME", help="As a request of this tool.")
    ] = None,
    resolve: Annotated[
        bool,
        typer.Option("--resolve/--no-resolve", help="Resolve the name and judge its addresses."),
    ] = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Say how a URL is parsed, what refuses it, or which rule allows it; exit 1 if not allowed.

    Nothing is sent and nothing recorded. Without a policies folder only the gate's own rules are
    asked: see docs/outbound.md.

    \b
    Examples:
      wai policy check-url https://api.example.com/v1/orders
      wai policy check-url https://api.example.com/v1/ --tool crm.lookup --resolve
      wai policy check-url http://0x7f.1/ --json
      wai policy check-url - --method POST < urls.txt
    """
    from wai_ops.cli.output import emit
    from wai_ops.control.outbound.checking import check_urls
    from wai_ops.control.outbound.resolve import system_resolver
    from wai_ops.core.errors import ExitCode
    from wai_ops.core.table import Verdict

    context: AppContext = ctx.obj
    table = check_urls(
        _lines() if urls == ["-"] else urls,
        method=method.upper(),
        ask=_ask(context, workflow, tool),
        resolver=system_resolver if resolve else None,
        private_hosts=context.settings.policy.private_hosts,
    )
    if as_json or fmt is not Format.TABLE or len(table.rows) != 1:
        emit(table, Format.JSON if as_json else fmt)
        return
    from wai_ops.cli import diagnostics

    typer.echo(table.rows[0].to_text(), nl=False)
    for note in table.notes[1:]:
        diagnostics.note(note)
    if table.verdict is Verdict.FAIL:
        raise typer.Exit(ExitCode.VERDICT_NO)


def _lines() -> Iterator[str]:
    """The lines of stdin as they are: a blank at an end is part of a URL, and refused."""
    for line in sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\n"):
        if url := line.removesuffix("\r"):
            yield url


def _ask(context: AppContext, workflow: str | None, tool: str | None) -> "Ask | None":
    """Ask the policies of this project; None when it has none."""
    from wai_ops.config.governed import is_governed
    from wai_ops.control.outbound.checking import PolicySays
    from wai_ops.control.policy.action import Action, ActionKind, OutboundTarget, RiskTier

    if not is_governed(context.settings, context.cwd):
        if workflow is not None or tool is not None:
            load_policies(context)  # says that there are none
        return None
    registry = load_policies(context)
    name = workflow or context.settings.defaults.workflow
    policy = registry.workflow(name) if workflow is None else known_workflow(registry, name)
    tier = RiskTier.LOW if policy is None else policy.default_risk

    def ask(target: OutboundTarget) -> PolicySays:
        verdict = registry.decide(
            Action(
                kind=ActionKind.OUTBOUND_REQUEST,
                tenant=context.settings.defaults.tenant,
                workflow=name,
                risk_tier=tier,
                tool=tool,
                target=target,
            )
        )
        rule = registry.outbound_rule(verdict.rule)
        return PolicySays(
            verdict.word,
            verdict.rule,
            verdict.where,
            verdict.reason,
            rule is not None and rule.allow_private,
        )

    return ask
