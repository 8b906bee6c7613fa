"""`wai affinity`: the sessions that keep conversations on one replica."""

from typing import Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format

app = new_app("Show, list and rotate affinity sessions.")

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="tenant:workflow:conversation")]


@app.command("list")
def list_command(
    ctx: typer.Context, fmt: FormatOption = Format.TABLE, as_json: JsonOption = False
) -> None:
    """List the sessions, the most recently used first.

    \b
    Examples:
      wai affinity list
      wai affinity list --format json
    """
    from wai_ops.cli.output import emit
    from wai_ops.runtime.affinity_view import list_affinity

    context: AppContext = ctx.obj
    table = list_affinity(context.settings.state_dir, _limits(context), context.clock)
    emit(table, Format.JSON if as_json else fmt)


@app.command()
def show(ctx: typer.Context, key: KeyArgument, as_json: JsonOption = False) -> None:
    """Show one session: its header, its epoch and when it goes stale.

    \b
    Examples:
      wai affinity show acme:support:c1
      wai affinity show acme:support:c1 --json
    """
    from wai_ops.cli.affinity_wire import affinity_wire
    from wai_ops.cli.output import print_json
    from wai_ops.runtime.affinity_view import show_affinity

    context: AppContext = ctx.obj
    detail = show_affinity(
        context.settings.state_dir, key, _limits(context), affinity_wire(context), context.clock
    )
    if as_json:
        print_json(detail)
    else:
        typer.echo(detail.to_text(), nl=False)


@app.command()
def rotate(ctx: typer.Context, key: KeyArgument, as_json: JsonOption = False) -> None:
    """Begin a new epoch: the next request may go to another replica, and starts cold.

    \b
    Examples:
      wai affinity rotate acme:support:c1
    """
    from wai_ops.cli.affinity_wire import affinity_wire
    from wai_ops.cli.output import print_json
    from wai_ops.runtime.affinity_view import rotate_affinity

    context: AppContext = ctx.obj
    detail = rotate_affinity(
        context.settings.state_dir, key, _limits(context), affinity_wire(context), context.clock
    )
    if as_json:
        print_json(detail)
    else:
        typer.echo(detail.to_text(), nl=False)


def _limits(context: AppContext) -> tuple[float, float]:
    affinity = context.settings.affinity
    return affinity.idle_ttl_s, affinity.max_age_s
