"""Log rows of gateways into the ledger: read once, priced, matched with what clients recorded.

The rows go straight from the files into `stored_call`; what is then found to be there twice, or to
belong to a client's attempt, is put right within the same transaction. Nothing is stored of a line
that may hold a secret until Python has looked at it.

Rebuilding: the rows of a batch that `is_kept` are kept as Parquet before they are matched (raw.py).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from msgspec.structs import asdict

from wai_ops.core.clock import Clock, to_utc_text
from wai_ops.core.failures import TRAITS, Billed
from wai_ops.core.prices import PriceBook
from wai_ops.core.text import one_line
from wai_ops.observe.ledger.database import (
    DamagedError,
    first_line,
    is_unchanged,
    restart,
    run,
    run_count,
    run_long,
)
from wai_ops.observe.ledger.lines import (
    SEPARATOR,
    BadLine,
    LogLine,
    Timings,
    Usage,
    Usual,
    class_of,
    encode,
    judge,
    most_usual,
    open_lines,
    split_lines,
)
from wai_ops.observe.ledger.match import last_row, match, start_matching
from wai_ops.observe.ledger.paths import scratch_dir
from wai_ops.observe.ledger.prices import fill_prices
from wai_ops.observe.ledger.prune import prune
from wai_ops.observe.ledger.raw import keep_raw
from wai_ops.observe.ledger.rollup import refresh_rollups
from wai_ops.observe.ledger.unpacking import readable
from wai_ops.observe.redact.engine import Redactor
from wai_ops.observe.redact.rules import LONG_RUN

__all__ = ["Batch", "Ingested", "UnreadableRowsError", "ingest_rows", "prune", "refresh_rollups"]

_STATUSES = range(1, 1000)
_UNBILLED = [item.value for item, traits in TRAITS.items() if traits.billed is Billed.NO]
_PEEK_BYTES = 65536
_PEEKED = 20
"""Files of a batch whose beginnings are looked at."""
_MODEL = re.compile(rb'"model": ?"(?:workers-ai/)?(@[^"\\]{1,100})"')
_USUAL = 100
"""Lines of each such beginning that are decoded."""
_CHUNK = 2000


class UnreadableRowsError(DamagedError):
    """A line of the batch cannot be read, and nothing of the batch was loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """NDJSON files, gzipped or not, of AI Gateway log rows as the Logs API lists them.

    A row's own `gateway` member goes before `gateway_id`. `origins` says what a file is called in
    the quarantine, where that is not its path.
    """

    files: Sequence[Path]
    gateway_id: str | None
    ingest_source: str
    target: str = "cloudflare"
    is_kept: bool = False
    """Whether the rows are kept as Parquet too: where the source cannot be read again at will."""
    origins: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What a batch brought."""

    row_count: int = 0
    """Lines that could be read."""
    inserted_count: int = 0
    replaced_count: int = 0
    """The ledger held the log_id, with other content."""
    unchanged_count: int = 0
    """The ledger held the same, or more: a row that lacks what is known changes nothing."""
    duplicate_count: int = 0
    """The log_id was in the batch twice."""
    late_field_count: int = 0
    """Rows whose cost or usage was missing before."""
    pending_count: int = 0
    """Rows, of those inserted or replaced, whose cost or usage is still missing."""
    quarantined_count: int = 0
    has_usage_metadata: bool = False
    has_timings: bool = False
    removed: Mapping[str, int] = field(default_factory=dict)
    """Secrets that redaction removed, by kind."""


def ingest_rows(
    connection: duckdb.DuckDBPyConnection,
    state_dir: Path,
    clock: Clock,
    batch: Batch,
    *,
    prices: PriceBook,
    redactor: Redactor,
) -> Ingested:
    """Load a batch. Call under the ledger's lock, in a transaction, before anything else in it.

    A file with lines that cannot be read is read a second time, line by line, and those lines go
    into `ingest_quarantine`. DuckDB gives up a transaction that meets such a line, so it is begun
    anew; where something has been written in it already, UnreadableRowsError is raised instead.
    """
    before = Counter(redactor.counts)
    ingest = _Ingest(
        connection, state_dir, clock, batch, prices, redactor, is_unchanged(connection)
    )
    counts = ingest.run()
    removed = Counter(redactor.counts)
    removed.subtract(before)
    return Ingested(**counts, removed={kind: n for kind, n in removed.items() if n})


@dataclass(frozen=True, slots=True)
class _Counts:
    """The columns of `gateway/counts.sql`."""

    rows: int
    ids: int
    suspects: int
    pending: int
    has_usage_metadata: bool
    has_timings: bool
    since: datetime | None
    until: datetime | None


@dataclass
class _Ingest:
    connection: duckdb.DuckDBPyConnection
    state_dir: Path
    clock: Clock
    batch: Batch
    prices: PriceBook
    redactor: Redactor
    may_restart: bool
    boundary: int = -1
    models: list[str] = field(default_factory=list)
    usual: Usual = field(default_factory=Usual)
    bad: list[BadLine] = field(default_factory=list)

    def run(self) -> dict[str, Any]:
        """Load, put right, match; return the counts of `Ingested`."""
        counts, distinct = self._read_somehow()
        self._quarantine()
        if not counts.rows:
            return {"quarantined_count": len(self.bad)}
        start_matching(self.connection)
        duplicates = 0
        if distinct < counts.rows:
            run(self.connection, "gateway/twins_delete", boundary=self.boundary)
            duplicates = counts.rows - distinct
        replaced, unchanged, late = self._settle_held(counts)
        if self.batch.is_kept:
            keep_raw(self.connection, self.state_dir, self.boundary)
        match(self.connection, self.boundary)
        return {
            "row_count": counts.rows,
            "inserted_count": distinct - replaced - unchanged,
            "replaced_count": replaced,
            "unchanged_count": unchanged,
            "duplicate_count": duplicates,
            "late_field_count": late,
            "pending_count": counts.pending,
            "quarantined_count": len(self.bad),
            "has_usage_metadata": counts.has_usage_metadata,
            "has_timings": counts.has_timings,
        }

    def _read_somehow(self) -> tuple[_Counts, int]:
        heads = [_head_of(file) for file in self.batch.files[:_PEEKED]]
        self.models = list(dict.fromkeys(name for head in heads for name in _models_in(head)))
        self.usual = _usual_of(heads, self.redactor)
        shape = "texts" if any(map(_has_text_metadata, heads)) else "objects"
        failure: Exception
        for attempt in dict.fromkeys((shape, "texts")):
            try:
                with readable(self.connection, self.batch.files) as names:
                    return self._read(names, attempt)
            except _UNREADABLE as error:
                failure = error
                self._begin_anew(error)
        good = scratch_dir(self.state_dir) / "readable.ndjson"
        self.bad = split_lines(self.batch.files, good, self.redactor)
        if not self.bad:
            raise UnreadableRowsError(
                f"cannot read the log rows of {self.batch.ingest_source}: {first_line(failure)}"
            ) from failure
        try:
            return self._read([str(good)], "texts")
        finally:
            good.unlink()

    def _begin_anew(self, error: Exception) -> None:
        if not self.may_restart:
            raise UnreadableRowsError(
                f"cannot read log rows: {first_line(error)}",
                hint="nothing of these files was loaded",
            ) from error
        restart(self.connection)

    def _read(self, files: Sequence[str], shape: str) -> tuple[_Counts, int]:
        connection = self.connection
        run(connection, "gateway/one_thread")
        fill_prices(connection, self.prices, self.models)
        self.boundary = last_row(connection)
        run(
            connection,
            "gateway/set_prefilter",
            whole=f"{self.redactor.prefilter}|{SEPARATOR}",
            brief=f"{self.redactor.brief_prefilter}|{SEPARATOR}",
            long_run=LONG_RUN,
        )
        self._insert(files, shape, is_first_look=True)
        counts = self._counts()
        # Before a second look, which moves rows to the end.
        distinct = run(connection, "gateway/distinct", boundary=self.boundary)[0][0]
        if counts.suspects:
            self._look_again()
            counts = self._counts()
        if counts.ids < counts.rows:
            raise _MissingIdError("a row has no id")
        if distinct is None:
            distinct = run_count(connection, "gateway/distinct_any", boundary=self.boundary)
        return counts, distinct

    def _counts(self) -> _Counts:
        return _Counts(*run(self.connection, "gateway/counts", boundary=self.boundary)[0])

    def _insert(self, files: Sequence[str], shape: str, *, is_first_look: bool) -> None:
        connection, batch = self.connection, self.batch
        run(connection, "gateway/set_files", files=list(files))
        run(connection, "gateway/set_first_look", is_first_look=is_first_look)
        run(connection, "gateway/set_usual", **asdict(self.usual))
        run(
            connection,
            "gateway/set_usual_common",
            target=batch.target,
            ingest_source=batch.ingest_source,
        )
        run(connection, f"gateway/lines_{shape}")
        run(connection, "gateway/judged")
        run_long(
            connection,
            "gateway/insert",
            gateway_id=batch.gateway_id,
            target=batch.target,
            ingest_source=batch.ingest_source,
            at_utc=_naive(self.clock.now()),
            class_of_status=_classes_of_status(),
            unbilled=_UNBILLED,
        )

    def _look_again(self) -> None:
        connection = self.connection
        spool = scratch_dir(self.state_dir) / "suspects.ndjson"
        with spool.open("wb") as file:
            rows = run(connection, "gateway/suspects")
            names = [row[0] for row in run(connection, "gateway/suspect_names")]
            for start in range(0, len(rows), _CHUNK):
                lines = [
                    judge(_line(dict(zip(names, row, strict=True))), self.redactor)
                    for row in rows[start : start + _CHUNK]
                ]
                file.write(encode(lines))
        run(connection, "gateway/suspects_delete", boundary=self.boundary)
        self._insert([str(spool)], "texts", is_first_look=False)
        spool.unlink()

    def _settle_held(self, counts: _Counts) -> tuple[int, int, int]:
        window = {"boundary": self.boundary, "since": counts.since, "until": counts.until}
        connection = self.connection
        if run(connection, "gateway/has_held", **window) != [(True,)]:
            return 0, 0, 0
        run(connection, "gateway/held", **window)
        replaced, unchanged, late = run(connection, "gateway/held_counts")[0]
        if unchanged:
            run(connection, "gateway/held_keep", boundary=self.boundary)
        if replaced:
            run(connection, "gateway/held_dirty")
            run(connection, "gateway/held_stale")
            run(connection, "gateway/held_replace", **window)
            run(connection, "gateway/held_parted")
            if run_count(connection, "calls/parted_count"):
                run(connection, "calls/side_parted")
                run(connection, "calls/client_insert")
                run(connection, "calls/parted_forget")
        return replaced, unchanged, late

    def _quarantine(self) -> None:
        if not self.bad:
            return
        run(
            self.connection,
            "gateway/quarantine",
            origins=[self.batch.origins.get(Path(item.origin), item.origin) for item in self.bad],
            lines=[item.line for item in self.bad],
            reasons=[one_line(item.reason) for item in self.bad],
            contents=[item.content for item in self.bad],
            at_utc=_naive(self.clock.now()),
        )


class _MissingIdError(Exception):
    """A row without an id: no type says so."""


_UNREADABLE = (
    duckdb.InvalidInputException,
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    duckdb.ConstraintException,
    _MissingIdError,
)
"""What DuckDB raises on a line that is no JSON, or no log row."""


def _classes_of_status() -> list[str]:
    return [class_of(status, None, "") for status in _STATUSES]


def _line(values: dict[str, Any]) -> LogLine:
    """One row of `judged_line` as it would have come."""
    metadata = {
        key.removeprefix("meta_"): values.pop(key)
        for key in list(values)
        if key.startswith("meta_")
    }
    usage = Usage(
        input_tokens=values.pop("usage_input_tokens"),
        output_tokens=values.pop("usage_output_tokens"),
        input_cached_tokens=values.pop("usage_cached_input_tokens"),
        output_reasoning_tokens=values.pop("usage_reasoning_tokens"),
    )
    cost, latency = values.pop("cost"), values.pop("latency")
    return LogLine(
        **values
        | {
            "created_at": to_utc_text(values["created_at"].replace(tzinfo=UTC)),
            "cost": None if cost is None else float(cost),
        },
        metadata={key: value for key, value in metadata.items() if value is not None},
        usage_metadata=usage,
        timings=Timings(latency=latency),
    )


def _head_of(file: Path) -> bytes:
    """The first rows, to guess by. A wrong guess only costs time."""
    with open_lines(file) as stream:
        return stream.read(_PEEK_BYTES)


def _has_text_metadata(head: bytes) -> bool:
    return b'"metadata":"' in head or b'"metadata": "' in head


def _usual_of(heads: Sequence[bytes], redactor: Redactor) -> Usual:
    """What most of the first rows have in common; nothing, where a text of it is suspicious."""
    usual = most_usual([line for head in heads for line in head.split(b"\n")[:_USUAL]])
    if usual is None or any(SEPARATOR in text or redactor.may_change(text) for text in usual.texts):
        return Usual()
    return usual


def _models_in(head: bytes) -> list[str]:
    return [name.decode("utf-8", "replace") for name in _MODEL.findall(head)]


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
