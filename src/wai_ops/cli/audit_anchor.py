"""`wai audit anchor`."""

from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli.audit_app import EndpointOption, KeyOption, app, log_folder, needed_keys
from wai_ops.cli.context import AppContext

_FILE = "file:"
_STAMP = "rfc3161:"
_OBJECTS = ("r2://", "s3://")


@app.command()
def anchor(
    ctx: typer.Context,
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="PLACE", help="file:PATH, r2://bucket/key, s3://… or rfc3161:URL."
        ),
    ],
    key: KeyOption = None,
    endpoint_url: EndpointOption = None,
) -> None:
    """Keep the last checkpoint where whoever writes the log cannot change it unseen.

    What is there is replaced only by a checkpoint that it grew into. A time stamp is kept beside
    the checkpoint; its signature is for `openssl ts -verify`.

    \b
    Examples:
      wai audit anchor --to file:/mnt/worm/wai.checkpoint
      wai audit anchor --to r2://evidence/wai/checkpoint
      wai audit anchor --to rfc3161:https://tsa.example.com/
    """
    from wai_ops.cli import diagnostics
    from wai_ops.control.decisions.anchor import anchor_file
    from wai_ops.control.decisions.audit import needed_checkpoint
    from wai_ops.core.clock import to_utc_text

    context: AppContext = ctx.obj
    folder = log_folder(context)
    keys = needed_keys(context, key)
    newer = needed_checkpoint(folder, keys)
    if to.startswith(_STAMP):
        from wai_ops.control.decisions.anchor_stamp import anchor_stamp

        done = anchor_stamp(to.removeprefix(_STAMP), folder, newer)
    elif to.startswith(_OBJECTS):
        from wai_ops.control.decisions.anchor_object import anchor_object

        done = anchor_object(to, _endpoint(context, to, endpoint_url), folder, newer, keys)
    else:
        done = anchor_file(_file(context, to), folder, newer, keys)
    if done.stamp is not None:
        diagnostics.note(f"time stamp of {to_utc_text(done.stamp.at)}")
    if not done.is_new:
        diagnostics.note("it was there already")
    typer.echo(f"{done.place}: {done.size:,} records")


def read_anchor(context: AppContext, name: str, endpoint_url: str | None) -> bytes:
    """The checkpoint that was kept in a place."""
    from wai_ops.control.decisions.anchor import read_anchor_file

    if name.startswith(_OBJECTS):
        from wai_ops.control.decisions.anchor_object import read_anchor_object

        return read_anchor_object(name, _endpoint(context, name, endpoint_url))
    return read_anchor_file(_file(context, name))


def _file(context: AppContext, name: str) -> Path:
    from wai_ops.config.locations import absolute
    from wai_ops.core.errors import UsageError

    path = name.removeprefix(_FILE)
    if path == name or not path or "\0" in path:
        raise UsageError(
            f"{name} is no place for a checkpoint",
            hint="write file:PATH, r2://bucket/key, s3://bucket/key or rfc3161:URL",
        )
    return absolute(Path(path), context.cwd, context.environ)


def _endpoint(context: AppContext, name: str, endpoint_url: str | None) -> str | None:
    from wai_ops.observe.ingest.objects import endpoint_for

    given = endpoint_url or context.environ.get("AWS_ENDPOINT_URL") or None
    return endpoint_for([name], given, context.settings.account_id)
