"""From archive files into the ledger's tables, and the marks with them, in one transaction.

A payload that DuckDB does not read as the recorder writes it gets a second look in Python, which
takes every spelling that means the same. What still cannot be read goes into `quarantine`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from wai_ops.core.clock import Clock
from wai_ops.observe.ledger.archive import DAMAGED_HINT, ArchiveFile, all_files, live_files
from wai_ops.observe.ledger.database import run, run_count, transaction, translated
from wai_ops.observe.ledger.match import place_arrived
from wai_ops.observe.ledger.paths import ledger_path, scratch_dir
from wai_ops.observe.ledger.progress import Progress, Step
from wai_ops.observe.ledger.respell import ATTEMPT, RESPELL, UNREADABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """How many facts went into which table."""

    attempt_count: int = 0
    session_event_count: int = 0
    outcome_count: int = 0
    tool_call_count: int = 0
    decision_count: int = 0
    other_event_count: int = 0
    quarantined_count: int = 0

    def __add__(self, other: "Loaded") -> "Loaded":
        """Add up, table by table."""
        names = [item.name for item in fields(self)]
        return Loaded(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def row_count(self) -> int:
        """All of them."""
        return sum(getattr(self, item.name) for item in fields(self))


_COUNTERS = {
    "attempt": "attempt_count",
    "session": "session_event_count",
    "outcome": "outcome_count",
    "tool_call": "tool_call_count",
    "decision": "decision_count",
}
"""The kinds that this version knows, and the field of `Loaded` that counts each."""


def load_archive(
    connection: duckdb.DuckDBPyConnection, state_dir: Path, clock: Clock, progress: Progress
) -> Loaded:
    """Load whatever the archive holds beyond the marks, in one transaction. Raises DataError."""
    path = ledger_path(state_dir)
    loaded = Loaded()
    with translated(path):
        marks: dict[str, int] = dict(run(connection, "load/marks"))
    beyond = [
        file
        for file in live_files(all_files(state_dir))
        if file.last > marks.get(file.outbox_id, 0)
    ]
    if not beyond:
        return loaded
    with translated(path), transaction(connection):
        _stage(connection, beyond[0].path, mark=0)  # the views look at the file when they are made
        for name in ("macros", "staged", *(f"{kind}_checked" for kind in _COUNTERS)):
            with translated(beyond[0].path, hint=DAMAGED_HINT):
                run(connection, f"load/{name}")
        for file in beyond:
            _stage(connection, file.path, marks.get(file.outbox_id, 0))
            with translated(file.path, hint=DAMAGED_HINT):
                part = _load_staged(connection, state_dir, file, clock)
            _move_mark(connection, file, clock)
            marks[file.outbox_id] = file.last
            loaded += part
            progress(Step.INSERTED, rows=part.row_count)
    progress(Step.LOADED, rows=loaded.row_count)
    return loaded


def _stage(connection: duckdb.DuckDBPyConnection, path: Path, mark: int) -> None:
    run(connection, "load/stage", files=[str(path)])
    run(connection, "load/stage_from", mark=mark)


def _move_mark(connection: duckdb.DuckDBPyConnection, file: ArchiveFile, clock: Clock) -> None:
    at_utc = _naive(clock.now())
    run(connection, "load/mark_move", outbox_id=file.outbox_id, through=file.last, at_utc=at_utc)


def _load_staged(
    connection: duckdb.DuckDBPyConnection, state_dir: Path, file: ArchiveFile, clock: Clock
) -> Loaded:
    counts = dict(run(connection, "load/staged_counts"))
    known = [kind for kind in _COUNTERS if kind in counts]
    others = run_count(connection, "load/other_insert", outbox_id=file.outbox_id)
    read = {kind: _insert(connection, kind) for kind in known}
    # Collect all before the second look stages other rows.
    rejected = {
        kind: run(connection, f"load/{kind}_rejected")
        for kind in known
        if read[kind] < counts[kind]
    }
    quarantined = 0
    for kind, rows in rejected.items():
        reasons = _second_look(connection, state_dir, kind, rows)
        read[kind] += len(rows) - len(reasons)
        quarantined += len(reasons)
        _quarantine(
            connection,
            outbox_id=file.outbox_id,
            kind=kind,
            rows=rows,
            reasons=reasons,
            at_utc=_naive(clock.now()),
        )
    return Loaded(
        **{_COUNTERS[kind]: count for kind, count in read.items()},
        other_event_count=others,
        quarantined_count=quarantined,
    )


def _insert(connection: duckdb.DuckDBPyConnection, kind: str) -> int:
    """Load the staged facts of a kind that can be read; return how many."""
    if kind == "outcome":
        run(connection, "load/outcome_dirty")
    if kind != ATTEMPT:
        return run_count(connection, f"load/{kind}_insert")
    run(connection, "calls/arrived")
    count = run_count(connection, "load/attempt_insert")
    if count:
        place_arrived(connection)
    return count


def _second_look(
    connection: duckdb.DuckDBPyConnection,
    state_dir: Path,
    kind: str,
    rows: list[tuple[Any, ...]],
) -> dict[int, str]:
    """Load what can be read after all; return why the others cannot, by sequence number."""
    reasons: dict[int, str] = {}
    seqs, payloads = [], []
    for seq, payload, _ in rows:
        try:
            payloads.append(RESPELL[kind](payload))
        except UNREADABLE as error:
            reasons[seq] = f"{type(error).__name__}: {error}"
        else:
            seqs.append(seq)
    made = scratch_dir(state_dir) / "respelled.parquet"
    run(connection, "load/respelled", kind=kind, seqs=seqs, payloads=payloads, file=str(made))
    _stage(connection, made, mark=0)
    _insert(connection, kind)
    return reasons | {seq: why for seq, _, why in run(connection, f"load/{kind}_rejected")}


def _quarantine(
    connection: duckdb.DuckDBPyConnection,
    *,
    outbox_id: str,
    kind: str,
    rows: list[tuple[Any, ...]],
    reasons: Mapping[int, str],
    at_utc: datetime,
) -> None:
    held = [(seq, payload) for seq, payload, _ in rows if seq in reasons]
    run(
        connection,
        "load/quarantine_insert",
        outbox_id=outbox_id,
        kind=kind,
        seqs=[seq for seq, _ in held],
        payloads=[payload for _, payload in held],
        reasons=[reasons[seq] for seq, _ in held],
        at_utc=at_utc,
    )


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
