"""`wai models`: which models there are, what they cost, and a refresh from the catalogue."""

from typing import Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption, LocalOption
from wai_ops.cli.output import Format, emit, print_json

app = new_app("List models and prices; refresh them from the catalogue.")


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    search: Annotated[
        str | None, typer.Option("--search", "-s", metavar="TEXT", help="Part of the model id.")
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="TEXT", help="Part of the task's name.")
    ] = None,
    priced: Annotated[bool, typer.Option("--priced", help="Only with a token price.")] = False,
    active: Annotated[bool, typer.Option("--active", help="Leave out retired models.")] = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """List the models that the price book knows, with dollars per million tokens.

    Prices are those that a call made now is billed at. A retired model shows the prices of the
    one that answers instead.

    \b
    Examples:
      wai models list --search glm
      wai models list --task embed --priced --format csv
    """
    from wai_ops.config.prices import load_price_book
    from wai_ops.observe.models import list_models

    context: AppContext = ctx.obj
    table = list_models(
        load_price_book(context.settings),
        context.clock.now(),
        search=search,
        task=task,
        is_priced=priced,
        is_active=active,
    )
    emit(table, Format.JSON if as_json else fmt)


@app.command()
def show(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="The full model id.", metavar="MODEL")],
    *,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Show all that is known about one model: limits, prices in dollars and neurons, retirement.

    \b
    Examples:
      wai models show @cf/google/gemma-4-26b-a4b-it
      wai models show @cf/moonshotai/kimi-k2.6 --json
    """
    from wai_ops.config.prices import load_price_book
    from wai_ops.observe.models import property_table, show_model

    context: AppContext = ctx.obj
    detail = show_model(load_price_book(context.settings), model, context.clock.now())
    if as_json:
        print_json(detail)
    else:
        emit(property_table(detail), fmt)


@app.command()
def sync(
    ctx: typer.Context,
    *,
    local: LocalOption = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Fetch the model catalogue, keep it as a dated snapshot, and show what changed.

    Later calls are priced from the snapshot; earlier ones keep the rates that they were priced at.

    \b
    Examples:
      wai models sync
      wai models sync --json
    """
    from wai_ops.cli.target import open_connection
    from wai_ops.cloudflare.control import open_control_plane
    from wai_ops.config.credentials import Role
    from wai_ops.config.prices import load_price_book
    from wai_ops.config.settings import Target
    from wai_ops.observe.models import sync_models

    context: AppContext = ctx.obj
    book = load_price_book(context.settings)
    with (
        open_connection(context, role=Role.RUNTIME, local=local) as connection,
        open_control_plane(
            base_url=connection.base_url,
            account_id=connection.account_id,
            token=connection.token.reveal(),
            clock=context.clock,
            is_local=connection.target is Target.LOCAL,
        ) as api,
    ):
        items = api.catalogue()
    is_local = connection.target is Target.LOCAL
    table = sync_models(items, context.settings, book, context.clock.now(), is_local=is_local)
    emit(table, Format.JSON if as_json else fmt)
