"""`wai tools`: the tools that are declared in the project."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format

if TYPE_CHECKING:
    from wai_ops.control.policy.registry import Registry
    from wai_ops.runtime.tools.calling import Called

app = new_app("List, check and call tools, under policy.")

FolderOption = Annotated[
    Path | None, typer.Option("--tools-dir", metavar="FOLDER", help="Instead of tools.folder.")
]


@app.command("init")
def init_command(ctx: typer.Context, *, folder: FolderOption = None) -> None:
    """Write a first tool file: one tool that works, and examples of the other kinds.

    \b
    Examples:
      wai tools init
    """
    from wai_ops.cli import diagnostics
    from wai_ops.config.governed import is_governed
    from wai_ops.runtime.tools.load import tools_folder
    from wai_ops.runtime.tools.starter import write_starter

    context: AppContext = ctx.obj
    place = tools_folder(context.settings, context.cwd) if folder is None else context.cwd / folder
    path = write_starter(place)
    shown = path.relative_to(context.cwd) if path.is_relative_to(context.cwd) else path
    typer.echo(f"wrote {shown}")
    if not is_governed(context.settings, context.cwd):
        diagnostics.message("next: wai policy init, because tools are called under policy alone")
    diagnostics.message("next: allow clock.now in a policy, then: wai tools check")


@app.command("list")
def list_command(
    ctx: typer.Context,
    *,
    folder: FolderOption = None,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """List the declared tools: what they reach, and whose policies allow them.

    \b
    Examples:
      wai tools list
      wai tools list --format json
    """
    from wai_ops.cli.output import emit
    from wai_ops.cli.tools_loop import toolbox_of
    from wai_ops.runtime.tools.listing import list_tools

    context: AppContext = ctx.obj
    table = list_tools(toolbox_of(context, (), folder), _registry(context))
    emit(table, Format.JSON if as_json else fmt)


@app.command()
def check(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[TOOL]…", help="Which tools; else all.")
    ] = None,
    *,
    servers: Annotated[
        bool,
        typer.Option("--servers", help="Start MCP servers and compare their tools as well."),
    ] = False,
    folder: FolderOption = None,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Check that declared tools can work: files, variables, programs, policies; exit 1 if not.

    \b
    Examples:
      wai tools check
      wai tools check "crm.*"
      wai tools check --servers
    """
    from wai_ops.cli.output import emit
    from wai_ops.cli.tools_loop import toolbox_of
    from wai_ops.runtime.tools.listing import check_tools
    from wai_ops.runtime.tools.mcp import McpServers

    context: AppContext = ctx.obj
    toolbox = toolbox_of(context, names or (), folder)
    with McpServers(toolbox, context.environ) as started:
        table = check_tools(
            toolbox, _registry(context), context.environ, started if servers else None
        )
    emit(table, Format.JSON if as_json else fmt)


@app.command()
def call(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TOOL", help="Its declared name.")],
    arguments: Annotated[
        str, typer.Argument(metavar="JSON|-", help="The arguments; - reads standard input.")
    ] = "{}",
    *,
    workflow: Annotated[
        str | None, typer.Option("--workflow", "-w", help="Under whose policy; else the default.")
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="Who pays.")] = None,
    risk: Annotated[
        str | None,
        typer.Option("--risk", metavar="low|medium|high", help="Risk tier; else the policy's."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="CLASS", help="A class of data that goes out; repeatable."),
    ] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call one tool as a model would: same checks, same records, same answer.

    Prints what a model would be told. Exit 5 when it is refused, 3 when it fails.

    \b
    Examples:
      wai tools call crm.lookup '{"id": "c-42"}' --workflow support
      wai tools call crm.lookup - --json < arguments.json
    """
    from wai_ops.cli.output import print_json
    from wai_ops.cli.tools_call import call_tool

    context: AppContext = ctx.obj
    text = _stdin() if arguments == "-" else arguments
    called = call_tool(
        context,
        name,
        text,
        workflow=workflow,
        tenant=tenant,
        risk_tier=risk,
        data_classes=frozenset(data or ()),
        folder=folder,
    )
    if as_json:
        from wai_ops.cli.tools_call import result_of

        print_json(result_of(called))
    else:
        from wai_ops.core.text import printable

        sys.stdout.write(printable(called.content) + "\n")
        sys.stdout.flush()
    _exit(called)


def _stdin() -> str:
    from wai_ops.core.errors import UsageError
    from wai_ops.runtime.tools.arguments import MAX_CHARS

    data = sys.stdin.buffer.read(4 * MAX_CHARS + 1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("standard input is not UTF-8, or too long for arguments") from error


def _exit(called: "Called") -> None:
    from wai_ops.cli import diagnostics
    from wai_ops.core.errors import ExitCode
    from wai_ops.runtime.tools.outcome import ToolProblem

    if called.problem is None:
        return
    decision = f" (decision {called.decision_id})" if called.decision_id else ""
    detail = f": {called.detail}" if called.detail else ""
    diagnostics.message(f"{called.name}: {called.problem.value}{detail}{decision}")
    if called.problem in (ToolProblem.REFUSED, ToolProblem.NOT_APPROVED):
        if called.decision_id:
            diagnostics.message(f"hint: wai audit show {called.decision_id}")
        raise typer.Exit(ExitCode.DENIED)
    if called.problem is ToolProblem.INVALID_ARGUMENTS:
        raise typer.Exit(ExitCode.USAGE)
    raise typer.Exit(ExitCode.REMOTE)


def _registry(context: AppContext) -> "Registry | None":
    from wai_ops.config.governed import is_governed, policy_folder, project_root

    if not is_governed(context.settings, context.cwd):
        return None
    from wai_ops.control.policy.registry import load_registry

    folder = policy_folder(context.settings, context.cwd)
    return load_registry(folder, project_root(context.settings, context.cwd))
