"""Log rows survive kills, a full disk, a damaged ledger and migration; and they can be pruned."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from support.facts import NOON, ManualClock, attempt, in_ledger, record_attempts
from support.gateway_rows import PRICES, at, ingest_some, log_row, metadata, write_rows
from wai_ops.core.errors import DataError
from wai_ops.observe.ingest.pruning import prune_logs
from wai_ops.observe.ledger.database import MIGRATIONS, open_ledger_file, statement, transaction
from wai_ops.observe.ledger.fold import fold
from wai_ops.observe.ledger.gateway import Batch, Ingested, ingest_rows
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.raw import MOST_PARTS, raw_parts, tidy_raw
from wai_ops.observe.ledger.rebuild import rebuild
from wai_ops.observe.ledger.store import open_ledger
from wai_ops.observe.redact.engine import Redactor

TESTS = Path(__file__).parents[1]
CALLS = "select * exclude (ingested_at) from model_call order by attempt_id nulls last, log_id"
DAYS = "from rollup_day order by all"
CHILD = """
import os, resource, signal, sys
from pathlib import Path
from support.gateway_rows import PRICES
from wai_ops.core.clock import SystemClock
from wai_ops.core.errors import WaiError
from wai_ops.observe.ledger import database, gateway
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.redact.engine import Redactor
state_dir, file, limit = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
real, count = database.connected, 0
def step():
    global count
    count += 1
    if count == limit: os.kill(os.getpid(), signal.SIGKILL)
class Counting:
    def __init__(self, inner): self.inner = inner
    def __getattr__(self, name):
        value = getattr(self.inner, name)
        if name not in ("execute", "commit", "begin"): return value
        def call(*args, **options):
            step()
            result = value(*args, **options)
            step()
            return result
        return call
clock = SystemClock()
with ledger_lock(state_dir, clock), database.open_ledger_file(state_dir, clock) as inner:
    connection = Counting(inner)
    with database.transaction(connection):
        gateway.ingest_rows(
            connection, state_dir, clock,
            gateway.Batch(files=[file], gateway_id="g", ingest_source="logs api", is_kept=True),
            prices=PRICES, redactor=Redactor.build({}, key=b"k" * 32),
        )
    gateway.refresh_rollups(connection, clock)
print(count)
"""


def keep(
    state_dir: Path, *rows: dict[str, Any] | str, clock: ManualClock | None = None
) -> Ingested:
    """Load rows as a pull does: kept as Parquet too."""
    clock = clock or ManualClock()
    file = write_rows(state_dir / "pulled.ndjson", rows)
    with (
        ledger_lock(state_dir, clock),
        open_ledger_file(state_dir, clock) as connection,
        transaction(connection),
    ):
        return ingest_rows(
            connection,
            state_dir,
            clock,
            Batch(files=[file], gateway_id="g", ingest_source="logs api", is_kept=True),
            prices=PRICES,
            redactor=Redactor.build({}, key=b"k" * 32),
        )


def look(state_dir: Path) -> list[list[tuple[Any, ...]]]:
    """Fold, bring roll-ups up to date; what the ledger then holds."""
    with open_ledger(state_dir, ManualClock()):
        pass
    return [in_ledger(state_dir, CALLS), in_ledger(state_dir, DAYS)]


def fill(state_dir: Path) -> list[list[tuple[Any, ...]]]:
    """Attempts, a pull, an import: matched by id, by metadata and not at all."""
    record_attempts(
        state_dir,
        [attempt(1, log_id="log-1"), attempt(2, log_id=None), attempt(3, log_id="never-seen")],
    )
    fold(state_dir, ManualClock())
    keep(state_dir, log_row(1), log_row(2), log_row(4))
    ingest_some(state_dir, log_row(5), log_row(6, metadata=metadata(6, tenant="b")), "{broken")
    return look(state_dir)


def child(state_dir: Path, file: Path, limit: int, more: str = "") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", more + CHILD, str(state_dir), str(file), str(limit)],
        cwd=TESTS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_kill_at_any_step_of_a_load_neither_loses_nor_doubles(tmp_path: Path) -> None:
    """The child counts its statements, and dies before or after one of them."""
    fresh, straight = tmp_path / "fresh", tmp_path / "straight"
    record_attempts(fresh, [attempt(1, log_id="log-1"), attempt(2, log_id=None)])
    before = look(fresh)
    masked = log_row(3, user_agent="cfut_" + "Ab1" * 16)
    file = write_rows(tmp_path / "rows.ndjson", [log_row(1), log_row(2), log_row(2), masked])
    shutil.copytree(fresh, straight)
    whole = child(straight, file, 0)
    out, err = whole.communicate()
    assert whole.returncode == 0, err
    steps = int(out)
    assert steps > 80
    expected = look(straight)
    seen = set()
    for limit in {*range(1, steps, steps // 20), steps - 1, steps}:
        state_dir = tmp_path / f"killed-{limit}"
        shutil.copytree(fresh, state_dir)
        killed = child(state_dir, file, limit)
        _, err = killed.communicate()
        assert killed.returncode == -signal.SIGKILL, err
        found = look(state_dir)
        assert found in (before, expected)
        seen.add(found == expected)
        again = child(state_dir, file, 0)
        assert again.communicate()[1] == ""
        assert look(state_dir) == expected
        (state_dir / "ledger.duckdb").unlink()
        assert look(state_dir) == expected
    assert seen == {True, False}


def test_a_full_disk_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    before = fill(state_dir)
    size = (state_dir / "ledger.duckdb").stat().st_size
    rows = [log_row(n, id=os.urandom(40).hex(), event_id=os.urandom(40).hex()) for n in range(9000)]
    file = write_rows(tmp_path / "rows.ndjson", rows)
    limited = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
    )
    full = child(state_dir, file, 0, limited)
    _, err = full.communicate()
    assert full.returncode == 1
    assert "DataError: cannot write" in err
    assert look(state_dir) == before
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    again = child(state_dir, file, 0)
    assert again.communicate()[1] == ""
    assert in_ledger(state_dir, "select count(*) from model_call") == [(len(before[0]) + 9000,)]


def test_a_rebuild_brings_pulled_and_imported_rows_back(state_dir: Path) -> None:
    before = fill(state_dir)
    others = "from ingest_quarantine"
    quarantined = in_ledger(state_dir, others)
    result = rebuild(state_dir, ManualClock())
    assert (result.log_row_count, result.folded.restored_count, result.kept) == (5, 3, None)
    assert look(state_dir) == before
    assert in_ledger(state_dir, others) == quarantined
    assert rebuild(state_dir, ManualClock()).log_row_count == 5
    assert look(state_dir) == before


def test_a_deleted_ledger_comes_back_with_what_was_pulled(state_dir: Path) -> None:
    fill(state_dir)
    (state_dir / "ledger.duckdb").unlink()
    assert fold(state_dir, ManualClock()).restored_count == 3
    assert fold(state_dir, ManualClock()).restored_count == 0
    assert in_ledger(
        state_dir, "select attempt_id, log_id, sources from model_call order by 1, 2"
    ) == [
        ("attempt-1", "log-1", "client+gateway"),
        ("attempt-2", "log-2", "client+gateway"),
        ("attempt-3", "never-seen", "client only"),
        (None, "log-4", "gateway only"),
    ]


def test_a_damaged_ledger_says_what_cannot_come_back(state_dir: Path) -> None:
    fill(state_dir)
    path = state_dir / "ledger.duckdb"
    whole = bytearray(path.read_bytes())
    whole[4096:] = b"\xff" * (len(whole) - 4096)
    path.write_bytes(whole)
    result = rebuild(state_dir, ManualClock())
    assert result.log_row_count == 3
    assert result.kept is not None
    [note] = result.notes
    assert "imported again" in note


def test_a_rebuild_that_would_lose_log_rows_leaves_the_ledger_alone(state_dir: Path) -> None:
    before = fill(state_dir)
    for part in raw_parts(state_dir):
        part.path.write_bytes(part.path.read_bytes()[:100])
    with pytest.raises(DataError, match="raw"):
        rebuild(state_dir, ManualClock())
    assert in_ledger(state_dir, CALLS) == before[0]


def test_parts_that_were_written_twice_or_are_late_load_once(state_dir: Path) -> None:
    early = log_row(1, cost=None, usage_metadata=None, tokens_in=None, tokens_out=None)
    keep(state_dir, early, log_row(2))
    keep(state_dir, log_row(1), log_row(2))
    expected = look(state_dir)
    for part in raw_parts(state_dir):
        name = part.path.name.replace(part.path.stem[-32:], os.urandom(16).hex())
        (part.path.parent / name).write_bytes(part.path.read_bytes())
    (state_dir / "ledger.duckdb").unlink()
    assert look(state_dir) == expected


def test_an_unchanged_row_is_not_kept_again(state_dir: Path) -> None:
    keep(state_dir, log_row(1))
    keep(state_dir, log_row(1))
    assert len(raw_parts(state_dir)) == 1


@pytest.mark.parametrize(
    "changes", [{}, {"usage_metadata": None, "tokens_in": None, "tokens_out": None, "cost": None}]
)
def test_many_small_parts_become_one(state_dir: Path, changes: dict[str, Any]) -> None:
    """Also where no row of any part has a value in a column that says which of two counts."""
    for number in range(MOST_PARTS + 1):
        keep(state_dir, log_row(number, **changes))
    clock = ManualClock()
    expected = look(state_dir)
    with ledger_lock(state_dir, clock), open_ledger_file(state_dir, clock) as connection:
        assert tidy_raw(connection, state_dir) == MOST_PARTS + 1
        assert tidy_raw(connection, state_dir) == 0
    assert len(raw_parts(state_dir)) == 1
    (state_dir / "ledger.duckdb").unlink()
    assert look(state_dir) == expected


def test_pruning_forgets_the_gateway_and_keeps_the_client(state_dir: Path) -> None:
    record_attempts(state_dir, [attempt(1, log_id="log-1", run_id="run"), attempt(2, log_id=None)])
    fold(state_dir, ManualClock())
    alone = look(state_dir)
    keep(state_dir, log_row(1), log_row(2), log_row(3))
    later = log_row(9, created_at=(NOON + timedelta(days=3)).isoformat())
    keep(state_dir, log_row(4), later)
    before = NOON + timedelta(days=1)
    dry = prune_logs(state_dir, ManualClock(), before, is_dry_run=True)
    assert (dry.gateway_only_count, dry.parted_count) == (2, 2)
    assert in_ledger(state_dir, "select count(*) from model_call") == [(5,)]
    done = prune_logs(state_dir, ManualClock(), before, is_dry_run=False)
    assert (done.gateway_only_count, done.parted_count) == (2, 2)
    calls, _ = look(state_dir)
    assert calls[:2] == alone[0]
    assert in_ledger(state_dir, "select log_id from model_call where sources <> 'client only'") == [
        ("log-9",)
    ]
    assert in_ledger(state_dir, "select sum(call_count) from rollup_day where grain = 'model'") == [
        (3,)
    ]
    (state_dir / "ledger.duckdb").unlink()
    assert look(state_dir)[0] == calls


def test_pruning_one_attempt_of_a_run_leaves_the_other_the_first(state_dir: Path) -> None:
    ingest_some(
        state_dir,
        log_row(1, metadata=metadata(1)),
        log_row(90, metadata=metadata(1, conversation="c1.0.2")),
    )
    prune_logs(state_dir, ManualClock(), at(60), is_dry_run=False)
    assert in_ledger(state_dir, "select log_id, is_first, is_last from model_call") == [
        ("log-90", True, True)
    ]


def test_a_ledger_of_the_first_version_is_migrated_with_its_attempts(
    state_dir: Path, clock: ManualClock
) -> None:
    records = [
        attempt(1, run_id="run", started_at=NOON),
        attempt(2, run_id="run", attempt=2, started_at=NOON + timedelta(days=1)),
        attempt(3),
    ]
    record_attempts(state_dir, records)
    expected = look(state_dir)
    attempts = in_ledger(state_dir, "select * from attempt")
    path = state_dir / "ledger.duckdb"
    marks = in_ledger(state_dir, "from fold_mark")
    path.unlink()
    with duckdb.connect(path) as connection:
        connection.execute(statement(f"schema/{MIGRATIONS[0]}"))
        for table, rows in (("attempt", attempts), ("fold_mark", marks)):
            holes = ", ".join("?" * len(rows[0]))
            connection.executemany(f"insert into {table} values ({holes})", rows)
        connection.execute(
            "insert into wai_meta values ('application', 'wai-ops ledger'), ('schema_version', '1')"
        )
    assert fold(state_dir, clock).loaded.row_count == 0
    assert look(state_dir) == expected
    assert in_ledger(state_dir, "select count(*) from attempt") == [(3,)]
