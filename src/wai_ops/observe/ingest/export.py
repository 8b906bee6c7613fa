"""Model calls as files for other tools: complete, or not there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.core.errors import DataError, UsageError
from wai_ops.observe.ingest.focus import Grain, write_focus
from wai_ops.observe.ingest.otlp_export import write_otlp
from wai_ops.observe.ledger.database import run, sync_file, translated
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.sliced import run_sliced
from wai_ops.observe.ledger.store import Store, open_ledger
from wai_ops.observe.reports.slice import Slice, over_calls


class LogExport(StrEnum):
    """What can be written."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    CSV = "csv"
    FOCUS = "focus"
    OTLP = "otlp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who is billed, for FOCUS."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """What was written."""

    output: str
    row_count: int
    notes: tuple[str, ...]


Write = Callable[[Store, Path], tuple[int, tuple[str, ...]]]


def export_logs(
    state_dir: Path,
    clock: Clock,
    kind: LogExport,
    output: Path,
    part: Slice,
    *,
    account: Account,
    grain: Grain = Grain.DAY,
    overwrite: bool = False,
    progress: Progress = ignore_progress,
) -> ExportResult:
    """Fold, then write the calls of a slice. Raises UsageError, DataError: nothing is there."""
    filled = over_calls(part)
    where = filled.markers["where"]
    values = filled.named_in(where)

    def write(store: Store, made: Path) -> tuple[int, tuple[str, ...]]:
        if kind is LogExport.FOCUS:
            is_parquet = output.suffix == ".parquet"
            return write_focus(
                store.connection,
                made,
                where,
                values,
                account_id=account.id,
                account_name=account.name,
                grain=grain,
                is_parquet=is_parquet,
            )
        if kind is LogExport.OTLP:
            return write_otlp(store.connection, made, where, values), ()
        name = f"export/calls_{kind.value}"
        rows = run_sliced(store.connection, name, where, values, file=str(made))
        return int(rows[0][0]), ()

    with (
        whole_file(output, overwrite=overwrite) as made,
        open_ledger(state_dir, clock, progress) as store,
        translated(output, hint="choose another place with --output"),
    ):
        run(store.connection, "export/macros")
        count, notes = write(store, made)
    return ExportResult(output=str(output), row_count=count, notes=notes)


@contextmanager
def whole_file(output: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a name to write to; what is there at the end becomes `output`, for good.

    Raises UsageError when `output` is a folder or must not be replaced, DataError when there is
    nowhere to write.
    """
    if output.is_dir():
        raise UsageError(f"{output} is a folder", hint="give --output a file name")
    if output.exists() and not output.is_file():
        raise UsageError(f"{output} is no regular file", hint="give --output a file name")
    if output.exists() and not overwrite:
        raise UsageError(f"{output} exists", hint="choose another name, or add --force")
    if not output.parent.is_dir():
        raise DataError(f"the folder {output.parent} does not exist", hint="create it first")
    made = output.with_name(f".{output.name}.part")
    try:
        yield made
        with translated(output):
            sync_file(made)
            made.replace(output)
    finally:
        made.unlink(missing_ok=True)
