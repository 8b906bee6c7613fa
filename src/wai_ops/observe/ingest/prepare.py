"""One file on its way into the ledger: hashed, its format told, translated where it must be.

Log rows as the gateway writes them go to the ledger as they lie, which is what makes them fast.
"""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wai_ops.core.errors import DataError
from wai_ops.core.text import one_line
from wai_ops.observe.ingest.csv_rows import translate_csv
from wai_ops.observe.ingest.formats import LogFormat, Shape, detect, is_blank
from wai_ops.observe.ingest.import_spool import BadLine, Spool
from wai_ops.observe.ingest.jsonl import translate_gateway, translate_own
from wai_ops.observe.ingest.lines import fingerprint, is_gzip, read_head
from wai_ops.observe.ingest.otlp import translate_otlp
from wai_ops.observe.ingest.sources import Source
from wai_ops.observe.redact.engine import Redactor

if TYPE_CHECKING:
    from wai_ops.observe.ingest.importing import ImportOptions

INGEST_SOURCES: Mapping[LogFormat, str] = {
    LogFormat.GATEWAY: "gateway file",
    LogFormat.LOGPUSH: "logpush",
    LogFormat.OTLP: "otlp",
    LogFormat.CSV: "csv",
    LogFormat.JSONL: "jsonl",
}
_ZSTD = b"\x28\xb5\x2f\xfd"


class UnknownFormatError(Exception):
    """Nothing that can be imported; the text names the file and says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the ledger is to load of one file. A path is None where there is nothing of its kind."""

    source: Source
    folder: Path
    """Where all that was made of it is; to be removed when it is loaded."""
    sha256: str
    format: LogFormat
    is_direct: bool
    rows: Path | None
    tools: Path | None = None
    bodies: Path | None = None
    lines: Sequence[int] = ()
    """For each spooled row its line in the file; empty where the numbers are the file's own."""
    row_count: int = 0
    tool_call_count: int = 0
    body_count: int = 0
    ignored_count: int = 0
    bad: Sequence[BadLine] = ()
    bad_count: int = 0
    notes: frozenset[str] = frozenset()
    removed: Mapping[str, int]


class Preparer:
    """Makes files ready, each with a folder of its own."""

    def __init__(self, options: "ImportOptions", redactor: Redactor) -> None:
        """Read by these options, redact with this redactor."""
        self._options = options
        self._redactor = redactor

    def prepare(self, source: Source, folder: Path, seen: dict[str, str]) -> Prepared | None:
        """Make one file ready; None when its content is in `seen`, which then holds it.

        Raises UnknownFormatError, UsageError and DataError.
        """
        try:
            sha256 = fingerprint(source.path, source.name)
            head = read_head(source.path)
        except OSError as error:
            raise DataError(f"cannot read {source.name}: {error.strerror or error}") from error
        if sha256 in seen:
            return None
        fmt, shape = self._format_of(head, source.name)
        seen[sha256] = source.name
        if is_blank(head):
            return Prepared(
                source=source,
                folder=folder,
                sha256=sha256,
                format=fmt,
                is_direct=False,
                rows=None,
                removed={},
            )
        if fmt is LogFormat.GATEWAY and shape is Shape.LINES and not self._options.is_dry_run:
            return Prepared(
                source=source,
                folder=folder,
                sha256=sha256,
                format=fmt,
                is_direct=True,
                rows=_link(source, folder),
                removed={},
            )
        return self._translate(source, folder, sha256, fmt)

    def respool(self, item: Prepared) -> Prepared:
        """Read a file line by line after all: DuckDB could not make sense of it."""
        return self._translate(item.source, item.folder, item.sha256, item.format)

    def _format_of(self, head: bytes, name: str) -> tuple[LogFormat, Shape]:
        if head.startswith(_ZSTD):
            raise UnknownFormatError(f"{one_line(name)} is compressed with zstd: unpack it first")
        found = detect(head)
        if self._options.fmt is not None:
            is_same = found is not None and found[0] is self._options.fmt
            return found if is_same and found else (self._options.fmt, Shape.OTHER)
        if found is None and is_blank(head):
            return LogFormat.GATEWAY, Shape.OTHER
        if found is None:
            known = ", ".join(fmt.value for fmt in LogFormat)
            raise UnknownFormatError(f"{one_line(name)} is in none of the formats {known}")
        return found

    def _translate(self, source: Source, folder: Path, sha256: str, fmt: LogFormat) -> Prepared:
        spool = Spool(folder, self._redactor)
        before = Counter(self._redactor.counts)
        with spool:
            match fmt:
                case LogFormat.GATEWAY:
                    translate_gateway(source.path, spool)
                case LogFormat.LOGPUSH:
                    # Its cryptography takes as long to load as everything else here.
                    from wai_ops.observe.ingest.logpush import translate_logpush

                    translate_logpush(
                        source.path,
                        spool,
                        name=source.name,
                        sha256=sha256,
                        private_key=self._options.private_key,
                        keep_bodies=self._options.keep_bodies,
                    )
                case LogFormat.OTLP:
                    translate_otlp(source.path, spool)
                case LogFormat.CSV:
                    translate_csv(source.path, spool, sha256)
                case LogFormat.JSONL:
                    translate_own(source.path, spool, sha256)
        return Prepared(
            source=source,
            folder=folder,
            sha256=sha256,
            format=fmt,
            is_direct=False,
            rows=spool.path_of("rows") if spool.row_count else None,
            tools=spool.path_of("tools") if spool.tool_call_count else None,
            bodies=spool.path_of("bodies") if spool.body_count else None,
            lines=spool.lines if spool.row_count else array("q"),
            row_count=spool.row_count,
            tool_call_count=spool.tool_call_count,
            body_count=spool.body_count,
            ignored_count=spool.ignored_count,
            bad=spool.bad,
            bad_count=spool.bad_count,
            notes=frozenset(spool.notes),
            removed=Counter(self._redactor.counts) - before,
        )


def _link(source: Source, folder: Path) -> Path:
    """A plain name for the file: DuckDB takes some characters for patterns."""
    link = folder / ("rows.ndjson.gz" if is_gzip(source.path) else "rows.ndjson")
    link.symlink_to(source.path.resolve() if source.held is None else source.path)
    return link
