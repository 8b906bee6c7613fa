"""`wai audit keygen` and `wai audit checkpoint`: what the holder of the signing key does."""

from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli.audit_app import app, log_folder
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption


@app.command()
def keygen(
    ctx: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="New file for the signing key.")
    ],
    name: Annotated[
        str,
        typer.Option(
            "--name", "-n", help="Names the key and the log, like example.com/wai: one for each."
        ),
    ],
) -> None:
    """Make the operator's signing key; print the public key that everybody else checks with.

    Keep the file where runs of agents cannot read it: whoever has it can sign another history.

    \b
    Examples:
      wai audit keygen --name example.com/wai --out ~/.config/wai/audit.key
    """
    from wai_ops.cli import diagnostics
    from wai_ops.config.locations import absolute
    from wai_ops.control.decisions.keys import write_new_key

    context: AppContext = ctx.obj
    path = absolute(out, context.cwd, context.environ)
    key = write_new_key(name, path)
    typer.echo(str(key.verifier))
    diagnostics.note(f"the signing key is in {path}: set audit.key_file for the operator alone")
    diagnostics.note("the line above is the verifier key: set audit.verifier_key for everybody")


@app.command()
def checkpoint(
    ctx: typer.Context,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", metavar="FILE", help="The signing key; else audit.key_file."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify the log, and sign its size and root: records up to here can no longer be changed.

    A log that is damaged, or no longer fits an earlier checkpoint, is not signed.

    \b
    Examples:
      wai audit checkpoint
      wai audit checkpoint --key-file /run/secrets/audit.key --json
    """
    from wai_ops.cli.output import print_json
    from wai_ops.config.locations import absolute
    from wai_ops.control.decisions.keys import read_signing_key
    from wai_ops.control.decisions.sign import sign_log
    from wai_ops.core.errors import UsageError

    context: AppContext = ctx.obj
    settings = context.settings
    path, base = key_file, context.cwd
    if path is None and settings.audit.key_file is not None:
        path = settings.audit.key_file
        base = base if settings.config_file is None else settings.config_file.parent
    if path is None:
        raise UsageError(
            "no signing key is named",
            hint="give --key-file, or set audit.key_file; wai audit keygen makes one",
        )
    key = read_signing_key(absolute(path, base, context.environ))
    signed = sign_log(log_folder(context), key, settings.audit.verifier_key)
    if as_json:
        print_json(signed)
    else:
        typer.echo(signed.to_text(), nl=False)
