"""From archive files into the ledger's tables, and the marks with them, in one transaction.

A payload that DuckDB does not read as the recorder writes it gets a second look in Python, which
takes every spelling that means the same. What still cannot be read goes into `quarantine`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from wai_ops.core.clock import Clock, parse_utc, to_utc_text
from wai_ops.core.records import FIELD_NAMES, from_json, to_json
from wai_ops.observe.ledger.archive import DAMAGED_HINT, ArchiveFile, all_files, live_files
from wai_ops.observe.ledger.database import run, run_count, transaction, translated
from wai_ops.observe.ledger.paths import ledger_path, scratch_dir
from wai_ops.observe.ledger.progress import Progress, Step

ATTEMPT = "attempt"
SESSION = "session"
_UNREADABLE = (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """How many facts went into which table."""

    attempt_count: int = 0
    session_event_count: int = 0
    other_event_count: int = 0
    quarantined_count: int = 0

    def __add__(self, other: "Loaded") -> "Loaded":
        """Add up, table by table."""
        return Loaded(
            attempt_count=self.attempt_count + other.attempt_count,
            session_event_count=self.session_event_count + other.session_event_count,
            other_event_count=self.other_event_count + other.other_event_count,
            quarantined_count=self.quarantined_count + other.quarantined_count,
        )

    @property
    def row_count(self) -> int:
        """All of them."""
        return (
            self.attempt_count
            + self.session_event_count
            + self.other_event_count
            + self.quarantined_count
        )


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
        for name in ("macros", "staged", "attempt_checked", "session_checked"):
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
    attempts, sessions = run(connection, "load/staged_counts")[0]
    others = run_count(connection, "load/other_insert", outbox_id=file.outbox_id)
    counts = {ATTEMPT: attempts, SESSION: sessions}
    read = {kind: run_count(connection, f"load/{kind}_insert") for kind in counts}
    # Collect both before the second look stages other rows.
    rejected = {
        kind: run(connection, f"load/{kind}_rejected")
        for kind, count in counts.items()
        if read[kind] < count
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
        attempt_count=read[ATTEMPT],
        session_event_count=read[SESSION],
        other_event_count=others,
        quarantined_count=quarantined,
    )


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
            payloads.append(_RESPELL[kind](payload))
        except _UNREADABLE as error:
            reasons[seq] = f"{type(error).__name__}: {error}"
        else:
            seqs.append(seq)
    made = scratch_dir(state_dir) / "respelled.parquet"
    run(connection, "load/respelled", kind=kind, seqs=seqs, payloads=payloads, file=str(made))
    _stage(connection, made, mark=0)
    run(connection, f"load/{kind}_insert")
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


def respell_attempt(payload: str) -> str:
    """Write an attempt's JSON the way the recorder does. Raises what `from_json` raises."""
    values = _object(payload)
    known = {name: values[name] for name in FIELD_NAMES if name in values}
    return _dump(to_json(from_json(known)))


def respell_session(payload: str) -> str:
    """Write a session event's JSON the way live state does. Raises KeyError or ValueError."""
    values = _object(payload)
    return _dump(values | {"at": to_utc_text(parse_utc(values["at"]))})


_RESPELL: dict[str, Callable[[str], str]] = {ATTEMPT: respell_attempt, SESSION: respell_session}


def _object(payload: str) -> dict[str, Any]:
    values = json.loads(payload)
    if not isinstance(values, dict):
        raise TypeError("the payload is not a JSON object")
    return values


def _dump(values: Mapping[str, Any]) -> str:
    # A lone surrogate is legal in JSON's escapes and nowhere else; U+FFFD stands for it.
    text = json.dumps(values, ensure_ascii=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
