"""Where a report goes: stdout, or a file that is written whole or not at all."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from wai_ops.cli import diagnostics
from wai_ops.cli.output import Format, emit
from wai_ops.core.errors import DataError, ExitCode, UsageError
from wai_ops.core.plot import Plot
from wai_ops.core.table import Table, Verdict

_ENDINGS = {"txt": Format.TABLE, "htm": Format.HTML, "markdown": Format.MD}
_ENDINGS |= {fmt.value: fmt for fmt in Format if fmt is not Format.TABLE}


def check_output(output: Path | None, fmt: Format | None) -> Format:
    """Return the format: as asked for, else by the file's ending, else a table.

    Raises UsageError where nothing could be written to that path.
    """
    if output is not None:
        if output.is_dir():
            raise UsageError(f"{output} is a folder", hint="give --output a file name")
        if not output.parent.is_dir():
            raise UsageError(f"the folder {output.parent} does not exist", hint="create it first")
    if fmt is not None:
        return fmt
    ending = "" if output is None else output.suffix.removeprefix(".").lower()
    return _ENDINGS.get(ending, Format.TABLE)


def check_plot(fmt: Format, output: Path | None) -> None:
    """Raise UsageError where `--plot` would have nowhere to draw, or nothing to draw with."""
    if fmt is not Format.TABLE or output is not None:
        raise UsageError(
            "--plot draws below a table on the terminal",
            hint="leave out --format and --output; for a page with charts: wai report html",
        )
    from wai_ops.render.plot import require_plotext

    require_plotext()


def deliver(
    table: Table[Any], fmt: Format, output: Path | None, plots: Sequence[Plot] = ()
) -> None:
    """Print or write the report, its notes on stderr; exit 1 when the verdict is FAIL."""
    if output is None:
        emit(table, fmt, plots)
        return
    from wai_ops.render.tables import render

    write_whole(output, render(table, fmt.value, terminal_width=None))
    for text in table.notes:
        diagnostics.note(text)
    diagnostics.message(f"wrote {output}")
    if table.verdict is Verdict.FAIL:
        raise typer.Exit(ExitCode.VERDICT_NO)


def write_whole(output: Path, text: str | bytes) -> None:
    """Replace the file's content in one step. Raises DataError; then the file is as it was."""
    data = text.encode() if isinstance(text, str) else text
    try:
        if output.exists() and not output.is_file():  # a pipe or a device: nothing to replace
            output.write_bytes(data)
            return
        _replace(output.resolve(), data)
    except OSError as error:
        raise DataError(
            f"cannot write {output}: {error.strerror or error}",
            hint="choose another place with --output",
        ) from error


def _replace(path: Path, data: bytes) -> None:
    made = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with made.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            made.chmod(path.stat().st_mode & 0o7777)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
