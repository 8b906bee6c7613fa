"""How long reports take on large ledgers: cold processes, against the same query in bare DuckDB.

Ledgers of made-up calls (`rows.py`) with their day roll-ups; of a conversation in three an outcome
was recorded, so that every report counts the resolved ones. Measured, taking turns:

- `wai report cost` from roll-ups against the same report made from the table (promise: <= 0.5x);
- slices that only the table can answer against a minimal Python + duckdb script that runs the same
  query and prints its rows (promise: <= 1.4x);
- the report from roll-ups on the largest ledger against 1 M calls (promise: <= 1.5x).

    python benchmarks/reports.py --rows 10000000 --largest 50000000 --runs 5 [--folder kept/here]

Prints medians and ratios; exits 1 when a promise is missed.
"""

import argparse
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rows import fill_ledger

from wai_ops.core.window import parse_window
from wai_ops.observe.reports.affinity import low_ranks
from wai_ops.observe.reports.query import filled_text
from wai_ops.observe.reports.slice import Dimension, Slice, parse_where

SMALL = 1_000_000
START = datetime(2026, 2, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 15, tzinfo=UTC)
FROM_TABLE = """
import sys
from pathlib import Path
from wai_ops.core.clock import SystemClock
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import open_ledger
from wai_ops.observe.reports.cost import cost_report
from wai_ops.observe.reports.slice import Slice
from wai_ops.render.tables import render

with open_ledger(Path(sys.argv[1]), SystemClock()) as store:
    table = cost_report(store, Slice(Window(None, None)), is_rolled=False)
print(render(table, "json", terminal_width=None))
"""
BARE = """
import pickle
import sys
import duckdb

with open(sys.argv[2], "rb") as file:
    queries = pickle.load(file)
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    connection.execute("set TimeZone = 'UTC'")
    for text, values in queries:
        for row in connection.execute(text, values).fetchall():
            print(*row)
"""
SLICES: dict[str, tuple[list[str], list[str]]] = {
    "cost of one provider by tenant": (
        ["cost", "--by", "tenant", "--where", "provider=workers-ai"],
        ["cost", "cost_resolved"],
    ),
    "cost of a workflow by model, 10 days": (
        ["cost", "--by", "model", "--where", "workflow=workflow-3", "--since", "2026-02-05T07:30",
         "--until", "2026-02-15T19:00"],
        ["cost", "cost_resolved"],
    ),
    "affinity by model": (["affinity", "--by", "model"], ["affinity", "affinity_pairs"]),
}  # fmt: skip
"""Arguments of `wai report`, and the queries that it needs at least."""


def main() -> int:
    """Fill, measure, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--largest", type=int, default=0, help="0: leave that promise out")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keep the ledgers there for the next time")
    asked = parser.parse_args()
    with _folder(asked.folder) as folder:
        verdicts = [_roll_ups(_ledger(folder, asked.rows), asked.runs)]
        verdicts += _slices(_ledger(folder, asked.rows), asked.runs, folder)
        if asked.largest:
            small, large = _ledger(folder, SMALL), _ledger(folder, asked.largest)
            verdicts.append(_growth(small, large, asked.runs))
    return 0 if all(verdicts) else 1


def _roll_ups(project: Path, runs: int) -> bool:
    wai = [sys.executable, "-m", "wai_ops", "report", "cost", "--json"]
    table = [sys.executable, "-c", FROM_TABLE, str(project / ".wai")]
    mine, base = measure([wai, table], project, runs)
    return judge("cost from roll-ups, against the table", mine, base, 0.5)


def _slices(project: Path, runs: int, folder: Path) -> Iterator[bool]:
    for name, (arguments, queries) in SLICES.items():
        prepared = folder / "queries.pickle"
        _prepare(prepared, arguments, queries)
        wai = [sys.executable, "-m", "wai_ops", "report", *arguments, "--json"]
        ledger = str(project / ".wai" / "ledger.duckdb")
        bare = [sys.executable, "-c", BARE, ledger, str(prepared)]
        mine, base = measure([wai, bare], project, runs)
        yield judge(f"{name}, against bare DuckDB", mine, base, 1.4)


def _growth(small: Path, large: Path, runs: int) -> bool:
    wai = [sys.executable, "-m", "wai_ops", "report", "cost", "--json"]
    base = measure([wai], small, runs)[0]
    mine = measure([wai], large, runs)[0]
    return judge("cost from roll-ups, largest against 1 M calls", mine, base, 1.5)


def _prepare(path: Path, arguments: list[str], queries: list[str]) -> None:
    """The texts and values that the report would run, for the bare script."""
    options = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    where = parse_where([options["--where"]] if "--where" in options else [])
    window = parse_window(options.get("--since"), options.get("--until"), now=NOW)
    by = Dimension(options["--by"])
    values = {"ranks": list(low_ranks()), "is_parted": by is Dimension.TENANT}
    prepared = [filled_text(name, Slice(window, where), by, **values) for name in queries]
    path.write_bytes(pickle.dumps(prepared))


def measure(commands: list[list[str]], folder: Path, runs: int) -> list[float]:
    """Median milliseconds of each command, taking turns, after one run that nobody counts."""
    times: list[list[float]] = [[] for _ in commands]
    for turn in range(runs + 1):
        for number, command in enumerate(commands):
            started = time.perf_counter()
            done = subprocess.run(
                command, check=False, cwd=folder, env=os.environ, capture_output=True
            )
            elapsed = (time.perf_counter() - started) * 1000
            if done.returncode != 0:
                sys.exit(f"{command}: {done.stderr.decode()}")
            if turn:
                times[number].append(elapsed)
    return [statistics.median(each) for each in times]


def judge(name: str, mine_ms: float, base_ms: float, promise: float) -> bool:
    """Print one line; return whether the promise is kept."""
    ratio = mine_ms / base_ms
    verdict = "PASS" if ratio <= promise else "FAIL"
    print(
        f"{verdict}  {name}: {mine_ms:,.0f} ms / {base_ms:,.0f} ms = {ratio:.2f} (<= {promise})",
        flush=True,
    )
    return ratio <= promise


def _ledger(folder: Path, row_count: int) -> Path:
    """A project with a ledger of so many calls, made when it is not there yet."""
    project = folder / f"rows-{row_count}"
    if not (project / "wai.yaml").exists():
        project.mkdir(parents=True)
        outcomes = row_count // 10
        fill_ledger(project / ".wai", row_count, start=START, outcomes=outcomes)
        (project / "wai.yaml").write_text('version: "1"\n')
    return project


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


if __name__ == "__main__":
    sys.exit(main())
