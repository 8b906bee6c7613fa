"""`wai init`."""

from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli import diagnostics
from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext

app = new_app()


@app.command()
def init(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="The folder; made if it is missing.")
    ] = Path(),
    *,
    local: Annotated[
        bool, typer.Option("--local", help="Set target: local, which needs no account.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace wai.yaml (only that).")] = False,
) -> None:
    """Write a commented wai.yaml and a first prompt.

    Adds .wai/ to .gitignore. Nothing that exists is overwritten.

    \b
    Examples:
      wai init
      wai init --local demo
    """
    from wai_ops.config.scaffold import PROMPT, write_scaffold
    from wai_ops.config.settings import Target

    context: AppContext = ctx.obj
    target = Target.LOCAL if local else Target.CLOUDFLARE
    done = write_scaffold(context.cwd / folder, target=target, is_forced=force)
    for name in done.written:
        diagnostics.message(f"wrote {folder / name}")
    if str(folder) != ".":
        diagnostics.message(f"next: cd {folder}")
    if not local:
        diagnostics.message("next: export CLOUDFLARE_ACCOUNT_ID=... CLOUDFLARE_API_TOKEN=...")
    diagnostics.message("next: wai doctor")
    diagnostics.message(f'next: wai run --prompt {PROMPT} --var ticket="I was charged twice"')
