"""`wai redact`: mask credentials in a stream or in files, in constant memory."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from wai_ops.cli import diagnostics
from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext
from wai_ops.core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from wai_ops.observe.redact.engine import Redactor

app = new_app()

_CHUNK = 256 * 1024


@app.command()
def redact(
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="Files; - is stdin.")
    ] = None,
    *,
    check: Annotated[
        bool,
        typer.Option("--check", help="Print no text; exit 1 when something would be masked."),
    ] = False,
    pii: Annotated[
        bool | None,
        typer.Option(
            "--pii/--no-pii", help="Personal data, too; else redaction.pii.", show_default=False
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No counts on stderr.")] = False,
) -> None:
    """Mask credentials in text on stdin, or in files; the rest comes out byte for byte.

    A mask is [redacted:kind:tag]; equal secrets have equal tags within one state folder.
    What was masked is counted on stderr.

    \b
    Examples:
      wai redact < app.log > safe.log
      wai redact --check prompts/*.prompt
      kubectl logs pod | wai redact --pii
    """
    from wai_ops.observe.redact.known import redactor_for

    context: AppContext = ctx.obj
    redactor = redactor_for(context.settings, context.environ, pii=pii, keeps_key=False)
    dirty = 0
    for name in [str(file) for file in files or []] or ["-"]:
        before = redactor.counts.total()
        if name == "-":
            _copy(sys.stdin.buffer, redactor, writes=not check)
        else:
            _copy_file(Path(name), redactor, writes=not check)
        dirty += redactor.counts.total() > before
        if check and redactor.counts.total() > before:
            where = "stdin" if name == "-" else name
            diagnostics.message(f"{where}: {redactor.counts.total() - before} to mask")
    if not quiet:
        diagnostics.note(_summary(redactor, check=check))
    if check and dirty:
        raise typer.Exit(ExitCode.VERDICT_NO)


def _copy_file(path: Path, redactor: "Redactor", *, writes: bool) -> None:
    try:
        with path.open("rb") as file:
            _copy(file, redactor, writes=writes)
    except OSError as error:
        if error.filename is None:  # it was the output that failed
            raise
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _copy(source: BinaryIO, redactor: "Redactor", *, writes: bool) -> None:
    stream = redactor.stream()
    while chunk := source.read(_CHUNK):
        masked = stream.feed(chunk)
        if writes:
            sys.stdout.buffer.write(masked)
    masked = stream.finish()
    if writes:
        sys.stdout.buffer.write(masked)
        sys.stdout.buffer.flush()


def _summary(redactor: "Redactor", *, check: bool) -> str:
    counts = sorted(redactor.counts.items(), key=lambda item: (-item[1], item[0]))
    done = "would be masked" if check else "masked"
    if not counts:
        return f"nothing {done}"
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts)
    return f"{redactor.counts.total()} {done}: {kinds}"
