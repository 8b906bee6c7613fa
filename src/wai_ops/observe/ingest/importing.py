"""Importing files into the ledger: exactly once by content, in groups, each in one transaction.

A group is prepared outside the ledger (fetched, hashed, translated into spools) and loaded inside
it: rows, bad lines and the mark that a file is known are committed together. So a kill at any time
loses at most the work on one group, and running the same import again goes on where it stopped.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock, Timeout

from wai_ops.core.clock import Clock
from wai_ops.core.errors import DataError, UsageError
from wai_ops.core.prices import PriceBook
from wai_ops.core.text import one_line
from wai_ops.observe.ingest.formats import LogFormat
from wai_ops.observe.ingest.prepare import INGEST_SOURCES, Prepared, Preparer, UnknownFormatError
from wai_ops.observe.ingest.sources import Source
from wai_ops.observe.ingest.spool import most_held
from wai_ops.observe.ledger.database import (
    DamagedError,
    open_ledger_file,
    transaction,
    translated,
)
from wai_ops.observe.ledger.gateway import Batch, Ingested, ingest_rows, refresh_rollups
from wai_ops.observe.ledger.imports import (
    FileCounts,
    FileRecord,
    KnownFiles,
    append_bodies,
    append_file,
    append_quarantine,
    append_removed,
    append_tool_calls,
    count_files,
    read_known,
    rename_quarantine,
)
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.paths import ledger_path
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.redact.engine import Redactor

if TYPE_CHECKING:
    import duckdb

    from wai_ops.observe.ingest.logpush import PrivateKey

GROUP_BYTES = 64 * 1024 * 1024
GROUP_FILES = 500
_SHOWN = 5
_INGESTED = (
    "row_count",
    "inserted_count",
    "replaced_count",
    "unchanged_count",
    "duplicate_count",
    "pending_count",
    "quarantined_count",
)
SHOW_QUARANTINE = 'wai ledger sql "select origin, line, reason from ingest_quarantine"'


class Told(Protocol):
    """Anything that wants to know how far the import is."""

    def __call__(self, *, done: int, total: int, rows: int) -> None:
        """Files done of all, and rows so far."""
        ...


class Fetch(Protocol):
    """Brings a source onto this machine; for local files there is nothing to do."""

    def __call__(self, source: Source, folder: Path, /) -> Source:
        """The source as a file that can be read, in `folder` if it had to be fetched."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How to read. Without `fmt` each file's format is told from its content."""

    fmt: LogFormat | None = None
    gateway_id: str | None = None
    private_key: "PrivateKey | None" = None
    keep_bodies: bool = False
    is_dry_run: bool = False
    again: bool = False
    """Also what was imported before, by content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What an import did. In a dry run: what it would read, and nothing was kept."""

    file_count: int
    """Files that were read."""
    known_file_count: int
    """Files whose content was imported before, under this or another name."""
    refused_file_count: int
    row_count: int
    """Model calls in the files that were read."""
    inserted_count: int
    replaced_count: int
    unchanged_count: int
    duplicate_count: int
    pending_count: int
    """Rows whose cost or usage is missing."""
    quarantined_count: int
    tool_call_count: int
    body_count: int
    ignored_count: int
    """Spans that are neither a model call nor a tool call."""
    removed_count: int
    """Secrets that redaction removed."""
    formats: dict[str, int]
    """Files by format."""
    is_dry_run: bool
    notes: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every line of every file could be read."""
        return not self.quarantined_count and not self.refused_file_count


@dataclass
class _Totals:
    counts: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    notes: dict[str, None] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def _nobody(*, done: int, total: int, rows: int) -> None:
    """Tell nobody."""


def _is_here(source: Source, _folder: Path) -> Source:
    return source


def import_files(
    state_dir: Path,
    clock: Clock,
    sources: Sequence[Source],
    options: ImportOptions,
    *,
    prices: PriceBook,
    redactor: Redactor,
    fetch: Fetch = _is_here,
    told: Told = _nobody,
    progress: Progress = ignore_progress,
) -> ImportResult:
    """Import what is new. Raises UsageError, DataError; groups that were committed stay."""
    totals = _Totals()
    with _import_folder(state_dir) as folder:
        known = KnownFiles({}, frozenset())
        if not options.again and ledger_path(state_dir).exists():
            known = _read_known(state_dir, clock, progress)
        preparer = Preparer(options, redactor)
        load = _Loader(state_dir, clock, options, totals, prices, redactor, progress, preparer)
        prepare = _Prepare(preparer, known, dict(known.hashes), totals, fetch)
        group: list[Prepared] = []
        for number, source in enumerate(sources):
            item = prepare(source, folder / f"{number:08}")
            if item is not None:
                if group and not _fits(group, item):
                    load(group)
                    told(done=number, total=len(sources), rows=totals.counts["row_count"])
                    group = []
                group.append(item)
        if totals.refused and not totals.formats and not totals.known:
            raise UsageError(totals.refused[0], hint="give --format, if it is one of them")
        if group:
            load(group)
            told(done=len(sources), total=len(sources), rows=totals.counts["row_count"])
        load.finish()
    return _result(totals, options)


@contextmanager
def _import_folder(state_dir: Path) -> Iterator[Path]:
    """A folder of this import's own; what a killed one left there is removed first."""
    folder = state_dir / "import.tmp"
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(state_dir / "import.lock", mode=0o600)
        lock.acquire(blocking=False)
    except Timeout:
        raise DataError(
            "another import is running", hint="wait for it to finish; nothing was changed"
        ) from None
    except OSError as error:
        raise DataError(f"cannot write to {state_dir}: {error.strerror or error}") from error
    try:
        with translated(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _read_known(state_dir: Path, clock: Clock, progress: Progress) -> KnownFiles:
    with (
        ledger_lock(state_dir, clock, progress=progress),
        open_ledger_file(state_dir, clock) as connection,
    ):
        return read_known(connection)


def _fits(group: Sequence[Prepared], item: Prepared) -> bool:
    """Whether a file may share a transaction with others: small ones of the same format may."""
    size = sum(other.source.size_bytes for other in group) + item.source.size_bytes
    most = GROUP_FILES if item.source.held is None else min(GROUP_FILES, most_held())
    return item.format is group[0].format and len(group) < most and size <= GROUP_BYTES


@dataclass(frozen=True, slots=True)
class _Prepare:
    preparer: Preparer
    known: KnownFiles
    seen: dict[str, str]
    totals: _Totals
    fetch: Fetch

    def __call__(self, source: Source, folder: Path) -> Prepared | None:
        """Fetch, hash and translate one file; None when there is nothing to load of it."""
        if source.etag is not None and (source.name, source.etag) in self.known.etags:
            self.totals.known.append(source.name)
            return None
        folder.mkdir()
        fetched = self.fetch(source, folder)
        try:
            prepared = self.preparer.prepare(fetched, folder, self.seen)
        except UnknownFormatError as error:
            fetched.close()
            self.totals.refused.append(str(error))
            return None
        if prepared is None:
            fetched.close()
            shutil.rmtree(folder)
            self.totals.known.append(source.name)
        else:
            self.totals.formats[prepared.format.value] += 1
        return prepared


@dataclass(frozen=True, slots=True)
class _Loader:
    """Loads groups of files of one format, each in one transaction."""

    state_dir: Path
    clock: Clock
    options: ImportOptions
    totals: _Totals
    prices: PriceBook
    redactor: Redactor
    progress: Progress
    preparer: Preparer

    def __call__(self, group: Sequence[Prepared]) -> None:
        """Load a group, or count it in a dry run; what was made of its files goes."""
        if self.options.is_dry_run:
            for item in group:
                _count_dry(item, self.totals)
        else:
            try:
                self._load(group)
            except DamagedError:
                if not any(item.is_direct for item in group):
                    raise
                slow = [self.preparer.respool(i) if i.is_direct else i for i in group]
                self._load(slow)
        for item in group:
            item.source.close()
            shutil.rmtree(item.folder)

    def finish(self) -> None:
        """Make the roll-ups of the days that changed."""
        if self.totals.counts["row_count"] and not self.options.is_dry_run:
            with self._open() as connection:
                refresh_rollups(connection, self.clock)

    @contextmanager
    def _open(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        with (
            ledger_lock(self.state_dir, self.clock, progress=self.progress),
            open_ledger_file(self.state_dir, self.clock) as connection,
            translated(ledger_path(self.state_dir)),
        ):
            yield connection

    def _load(self, group: Sequence[Prepared]) -> None:
        counts: Counter[str] = Counter()
        with self._open() as connection, transaction(connection):
            files = [item.rows for item in group if item.rows is not None]
            by_file: dict[Path, FileCounts] = {}
            if files:
                if len(files) > 1:
                    by_file = count_files(connection, files)
                ingested = self._ingest(connection, files, group[0].format)
                counts.update({key: getattr(ingested, key) for key in _INGESTED})
                counts["removed_count"] += sum(ingested.removed.values())
                if len(files) == 1:
                    by_file[files[0]] = FileCounts(
                        ingested.row_count, ingested.inserted_count, ingested.duplicate_count
                    )
            for item in group:
                found, refused = FileCounts(), 0
                if item.rows is not None:
                    found = by_file.get(item.rows, found)
                    name = self.redactor.text(item.source.name)
                    refused = rename_quarantine(connection, item.rows, name, item.lines)
                own = self._load_rest(connection, item)
                counts += own
                name = self.redactor.text(item.source.name)
                append_file(connection, _record(item, name, own, found, refused), self.clock)
        self.totals.counts += counts
        self.totals.counts["file_count"] += len(group)
        for item in group:
            self.totals.notes |= dict.fromkeys(sorted(item.notes))

    def _ingest(
        self, connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], fmt: LogFormat
    ) -> Ingested:
        batch = Batch(
            files=files,
            gateway_id=self.options.gateway_id,
            ingest_source=INGEST_SOURCES[fmt],
        )
        return ingest_rows(
            connection,
            self.state_dir,
            self.clock,
            batch,
            prices=self.prices,
            redactor=self.redactor,
        )

    def _load_rest(self, connection: "duckdb.DuckDBPyConnection", item: Prepared) -> Counter[str]:
        """Bad lines, tool calls and bodies of one file, and what redaction took from them."""
        clock, name = self.clock, self.redactor.text(item.source.name)
        bad = [(line.line, line.reason, line.content) for line in item.bad]
        append_quarantine(connection, name, bad, clock)
        append_removed(connection, name, item.removed, clock)
        own = Counter(
            quarantined_count=item.bad_count,
            ignored_count=item.ignored_count,
            removed_count=sum(item.removed.values()),
        )
        if item.tools is not None:
            own["tool_call_count"] = append_tool_calls(connection, item.tools)
        if item.bodies is not None:
            own["body_count"] = append_bodies(connection, item.bodies, clock)
        return own


def _record(
    item: Prepared, name: str, own: Counter[str], found: FileCounts, refused: int
) -> FileRecord:
    """`name` is that of the file, masked where it holds a credential."""
    return FileRecord(
        sha256=item.sha256,
        path=name,
        format=item.format.value,
        size_bytes=item.source.size_bytes,
        row_count=found.row_count + own["tool_call_count"],
        inserted_count=found.inserted_count,
        duplicate_count=found.duplicate_count,
        quarantined_count=own["quarantined_count"] + refused,
        etag=item.source.etag,
    )


def _count_dry(item: Prepared, totals: _Totals) -> None:
    totals.counts.update(
        file_count=1,
        row_count=item.row_count,
        quarantined_count=item.bad_count,
        tool_call_count=item.tool_call_count,
        body_count=item.body_count,
        ignored_count=item.ignored_count,
        removed_count=sum(item.removed.values()),
    )
    totals.notes |= dict.fromkeys(sorted(item.notes))


def _result(totals: _Totals, options: ImportOptions) -> ImportResult:
    notes = list(totals.notes)
    if totals.known:
        notes.append(f"{_some(totals.known)}: imported before, by content; left out")
    if totals.refused:
        notes.append(f"not imported: {_some(totals.refused)}")
    if totals.counts["quarantined_count"] and not options.is_dry_run:
        notes.append(f"lines that could not be read: {SHOW_QUARANTINE}")
    names = [name for name in ImportResult.__slots__ if name.endswith("_count")]
    counts = {name: totals.counts[name] for name in names} | {
        "known_file_count": len(totals.known),
        "refused_file_count": len(totals.refused),
    }
    return ImportResult(
        **counts,
        formats=dict(totals.formats),
        is_dry_run=options.is_dry_run,
        notes=tuple(notes),
    )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(one_line(name) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
