"""`wai audit verify`."""

from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli.audit_app import EndpointOption, KeyOption, app, log_folder, verifier_keys
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format


@app.command()
def verify(
    ctx: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="A decision log or an export of tiles."),
    ] = None,
    key: KeyOption = None,
    anchors: Annotated[
        list[str] | None,
        typer.Option("--anchor", metavar="PLACE", help="file:PATH or r2://bucket/key; repeatable."),
    ] = None,
    anchored: Annotated[
        bool, typer.Option("--anchored", help="Fail for records after the last checkpoint, too.")
    ] = False,
    endpoint_url: EndpointOption = None,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Check that every recorded decision is the one that was written, and none is gone.

    Works offline, with the public key alone. Tells apart what is tampered, incomplete, unanchored
    and unreadable, and names the records. Exit codes: 0 as written, 1 tampered or incomplete,
    6 only unreadable.

    \b
    Examples:
      wai audit verify
      wai audit verify --key audit.pub --anchored
      wai audit verify /mnt/evidence/tiles --key audit.pub
      wai audit verify --anchor file:/mnt/worm/wai.checkpoint
    """
    from dataclasses import replace

    from wai_ops.cli.audit_anchor import read_anchor
    from wai_ops.cli.output import emit
    from wai_ops.control.decisions.audit import audit_folder
    from wai_ops.control.decisions.report import is_unreadable_only, to_table
    from wai_ops.core.errors import ExitCode, UsageError
    from wai_ops.core.table import Verdict

    context: AppContext = ctx.obj
    place = log_folder(context, folder)
    keys = verifier_keys(context, key)
    if anchors and not keys:
        raise UsageError("--anchor needs a verifier key", hint="give --key")
    kept = [(name, read_anchor(context, name, endpoint_url)) for name in anchors or ()]
    found = audit_folder(place, keys, kept)
    table = to_table(found, must_be_anchored=anchored)
    is_unreadable = is_unreadable_only(found)
    if is_unreadable:
        table = replace(table, verdict=Verdict.WARN)
    emit(table, Format.JSON if as_json else fmt)
    if is_unreadable:
        raise typer.Exit(ExitCode.DATA)
