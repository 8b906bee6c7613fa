"""`wai prompts list`, `show`, `render` and `log`: looking at prompts."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format
from wai_ops.cli.prompts_app import app, prompts_folder

if TYPE_CHECKING:
    from wai_ops.prompts.lockfile import Lock
    from wai_ops.prompts.reference import Resolved

ReferenceArgument = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]", help="NAME, NAME@3, @LABEL, @sha256:…, @work.")
]


@app.command("list")
def list_command(
    ctx: typer.Context, fmt: FormatOption = Format.TABLE, as_json: JsonOption = False
) -> None:
    """List the prompts: newest version, labels, and whether the working tree is frozen.

    \b
    Examples:
      wai prompts list
      wai prompts list --format json
    """
    from wai_ops.cli.output import emit
    from wai_ops.prompts.listing import list_prompts

    context: AppContext = ctx.obj
    table = list_prompts(prompts_folder(context.settings, context.cwd))
    emit(table, Format.JSON if as_json else fmt)


@app.command()
def show(ctx: typer.Context, reference: ReferenceArgument, as_json: JsonOption = False) -> None:
    """Show one prompt as it is written: settings, variables, tools, sections.

    Without a version: the one labelled production, or else the working tree.

    \b
    Examples:
      wai prompts show triage
      wai prompts show triage@3
      wai prompts show triage@production --json
    """
    from wai_ops.cli.output import print_json
    from wai_ops.prompts.detail import show_prompt

    lock, resolved = _resolve(ctx.obj, reference)
    detail = show_prompt(resolved, lock.get(resolved.source.name))
    if as_json:
        print_json(detail)
    else:
        typer.echo(detail.to_text(), nl=False)


@app.command()
def render(
    ctx: typer.Context,
    reference: ReferenceArgument,
    *,
    var: Annotated[
        list[str] | None,
        typer.Option("--var", metavar="NAME=VALUE", help="A variable of the prompt; repeatable."),
    ] = None,
    values: Annotated[
        Path | None, typer.Option("--values", metavar="FILE", help="A JSON object with variables.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the exact messages, and where the prefix ends that every conversation shares.

    \b
    Examples:
      wai prompts render triage --var ticket="It is down"
      wai prompts render triage@3 --values case.json --json
    """
    from wai_ops.cli.output import print_json
    from wai_ops.prompts.detail import render_prompt

    _, resolved = _resolve(ctx.obj, reference)
    rendering = render_prompt(resolved, _values(resolved, var or [], values))
    if as_json:
        print_json(rendering)
    else:
        sys.stdout.write(rendering.to_text())


@app.command()
def log(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which prompt.")],
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Show what happened to a prompt: frozen, approved, released. The newest comes first.

    \b
    Examples:
      wai prompts log triage
      wai prompts log triage --format csv
    """
    from wai_ops.cli.output import emit
    from wai_ops.prompts.listing import log_prompt

    context: AppContext = ctx.obj
    table = log_prompt(prompts_folder(context.settings, context.cwd), name)
    emit(table, Format.JSON if as_json else fmt)


def _resolve(context: AppContext, reference: str) -> "tuple[Lock, Resolved]":
    """Looking at a prompt uses none: no policy is asked."""
    from wai_ops.prompts.lockfile import lock_path, read_lock
    from wai_ops.prompts.reference import parse_reference, resolve
    from wai_ops.prompts.store import list_names, no_such_prompt

    folder = prompts_folder(context.settings, context.cwd)
    lock = read_lock(lock_path(folder))
    parsed = parse_reference(reference)
    names = {*lock.prompts, *list_names(folder)}
    if parsed.name not in names:
        raise no_such_prompt(folder, parsed.name, names)
    return lock, resolve(lock, folder, parsed)


def _values(resolved: "Resolved", pairs: list[str], file: Path | None) -> dict[str, Any]:
    import json

    from wai_ops.core.errors import UsageError
    from wai_ops.prompts.input_file import read_input
    from wai_ops.prompts.rendering import typed_values
    from wai_ops.prompts.values import parse_pairs

    values: dict[str, Any] = {}
    if file is not None:
        try:
            values = json.loads(read_input(file, "values file"))
        except (ValueError, RecursionError) as error:
            raise UsageError("not JSON, or nested too deeply", where=str(file)) from error
        if not isinstance(values, dict):
            raise UsageError("a values file is a JSON object", where=str(file))
    texts = parse_pairs(pairs)
    if twice := sorted(texts.keys() & values.keys()):
        raise UsageError(f"--var {twice[0]} is in the values file, too", where=str(file))
    return values | typed_values(resolved.source, texts)
