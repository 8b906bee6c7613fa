"""`wai policy explain`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption
from wai_ops.cli.policy_app import app, policy_place


@app.command("explain")
def explain_command(
    ctx: typer.Context,
    *,
    workflow: Annotated[
        str | None,
        typer.Option("--workflow", "-w", metavar="NAME", help="Whose action; else the default."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="ID", help="A call of this model.")
    ] = None,
    tool: Annotated[
        str | None, typer.Option("--tool", metavar="NAME", help="A call of this tool.")
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="NAME=VALUE", help="An argument: JSON, or text; repeatable."),
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="A request to this URL.")
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", metavar="METHOD", help="Of the request; else GET.")
    ] = None,
    change: Annotated[
        str | None, typer.Option("--change", metavar="NAME", help="An operator's change.")
    ] = None,
    risk: Annotated[
        str | None, typer.Option("--risk", metavar="TIER", help="low, medium or high.")
    ] = None,
    role: Annotated[
        str | None, typer.Option("--role", metavar="ROLE", help="runtime or operator.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="CLASS", help="A class of data in it; repeatable."),
    ] = None,
    approved_by: Annotated[
        str | None, typer.Option("--approved-by", metavar="WHO", help="As if WHO had said yes.")
    ] = None,
    action: Annotated[
        Path | None,
        typer.Option("--action", metavar="FILE", help="The action, as JSON or YAML."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the policy says to an action, by which rule, and why the others did not fit.

    Exits 0 when it is allowed, 1 otherwise. Nothing is sent and nothing recorded.

    \b
    Examples:
      wai policy explain --workflow support --model @cf/google/gemma-4-26b-a4b-it
      wai policy explain -w support --tool crm.refund --arg amount=80 --risk low
      wai policy explain -w support --tool crm.x --url https://api.example.com/v1
      wai policy explain --action refund.json --json
    """
    from wai_ops.cli.output import print_json
    from wai_ops.control.policy.action import VerdictWord
    from wai_ops.control.policy.asking import ask, load_action, section_of
    from wai_ops.control.policy.explaining import explain
    from wai_ops.control.policy.files import line_at
    from wai_ops.control.policy.registry import load_registry
    from wai_ops.core.errors import ExitCode, UsageError

    context: AppContext = ctx.obj
    given: dict[str, Any] = {
        "model": model,
        "tool": tool,
        "url": url,
        "method": method,
        "change": change,
        "risk": risk,
        "role": role,
        "data": data or None,
        "approved_by": approved_by,
        "arguments": _arguments(arg) if arg else None,
    }
    flags = {key: value for key, value in given.items() if value is not None}
    if action is not None and flags:
        raise UsageError("--action says all about the action", hint="leave the other flags out")
    section = section_of(flags) if action is None else load_action(context.cwd / action)
    folder, root = policy_place(context)
    registry = load_registry(folder, root)
    asked = ask(
        registry,
        section,
        workflow=workflow or context.settings.defaults.workflow,
        known_hosts=frozenset(context.settings.policy.private_hosts),
    )
    where = asked.verdict.where
    found = explain(registry, asked, line_at(root, where) if where else "")
    if as_json:
        print_json(found)
    else:
        typer.echo(found.to_text(), nl=False)
    if asked.verdict.word is not VerdictWord.ALLOW:
        raise typer.Exit(ExitCode.VERDICT_NO)


def _arguments(pairs: list[str]) -> dict[str, Any]:
    import json

    from wai_ops.core.errors import UsageError
    from wai_ops.core.text import one_line

    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--arg {one_line(pair, 80)!r} is not NAME=VALUE")
        if name in found:
            raise UsageError(f"--arg {one_line(name, 80)} is given twice")
        try:
            found[name] = json.loads(text)
        except (ValueError, RecursionError):
            found[name] = text
    return found
