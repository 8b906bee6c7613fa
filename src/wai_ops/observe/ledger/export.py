"""The attempts as one file, for other tools: Parquet, JSON lines or CSV. Complete, or not there."""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from wai_ops.core.clock import Clock
from wai_ops.core.errors import DataError, UsageError
from wai_ops.core.text import printable
from wai_ops.observe.ledger.database import run, run_count, sync_file, translated
from wai_ops.observe.ledger.paths import scratch_dir
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.store import Store, open_ledger


class ExportFormat(StrEnum):
    """Parquet keeps the ledger's types; the others hold decimals and UTC times as text."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    CSV = "csv"


def choose_format(text: str | None, output: Path | None) -> ExportFormat:
    """The format that was asked for, or the one that the file is named after. Raises UsageError."""
    wanted = text
    if wanted is None:
        wanted = "jsonl" if output is None else output.suffix.removeprefix(".")
    try:
        return ExportFormat(wanted)
    except ValueError:
        what = "--format" if text is not None else "the file name's ending"
        raise UsageError(
            f"{what} {wanted!r} is none of parquet, jsonl, csv", hint="give --format parquet"
        ) from None


def export_to_file(
    state_dir: Path,
    clock: Clock,
    output: Path,
    fmt: ExportFormat,
    *,
    overwrite: bool = False,
    progress: Progress = ignore_progress,
) -> int:
    """Fold, write every attempt to `output` and return how many. Raises UsageError, DataError."""
    if output.is_dir():
        raise UsageError(f"{output} is a folder", hint="give --output a file name")
    if output.exists() and not overwrite:
        raise UsageError(f"{output} exists", hint="choose another name, or add --force")
    made = output.with_name(f".{output.name}.part")
    try:
        with open_ledger(state_dir, clock, progress) as store:
            count = _write(store, made, fmt, about=output)
        with translated(output):
            sync_file(made)
            made.replace(output)
    finally:
        made.unlink(missing_ok=True)
    return count


def export_to_stream(
    state_dir: Path,
    clock: Clock,
    stream: BinaryIO,
    fmt: ExportFormat,
    *,
    for_terminal: bool = False,
    progress: Progress = ignore_progress,
) -> None:
    """Fold and write every attempt to a stream. A slow reader does not hold up the ledger.

    On a terminal control characters are replaced.
    """
    with _unlinked_export(state_dir, clock, fmt, progress) as file:
        if for_terminal:
            lines = io.TextIOWrapper(file, "utf-8", newline="\n")
            stream.writelines(printable(line).encode() for line in lines)
        else:
            shutil.copyfileobj(file, stream, 1024 * 1024)


@contextmanager
def _unlinked_export(
    state_dir: Path, clock: Clock, fmt: ExportFormat, progress: Progress
) -> Iterator[BinaryIO]:
    made = scratch_dir(state_dir) / f"export.{fmt.value}"
    with open_ledger(state_dir, clock, progress) as store:
        _write(store, made, fmt, about=made)
        file = made.open("rb")
        made.unlink()  # the open file lives on; whatever happens, nothing stays behind
    with file:
        yield file


def _write(store: Store, made: Path, fmt: ExportFormat, *, about: Path) -> int:
    if not made.parent.is_dir():
        raise DataError(f"the folder {made.parent} does not exist", hint="create it first")
    hint = "choose another place with --output"
    with translated(about, hint=hint):
        run(store.connection, "export/macros")
        return run_count(store.connection, f"export/{fmt.value}", file=str(made))
