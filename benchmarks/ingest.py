"""What loading log rows costs: `wai logs import` of NDJSON.gz, CPU of the whole command.

Against, taking turns in one run: DuckDB parsing every column of the same file and storing nothing,
a process of its own as well (the floor for anything that reads it); DuckDB storing these columns
and doing nothing else (what is left above that is for secrets, prices, matching and roll-ups); and
`sqlite-utils insert` of fewer of the same rows, where it is there. Every round begins with an empty
state folder.

    python benchmarks/ingest.py [--rows 10000000] [--rounds 1] [--sqlite-utils PATH]
        [--max-rss-mb N]

Exit 1 when a promise is missed: at most 2.5 times the floor, at least 10 times the rows a
CPU-second of sqlite-utils, and at most `--max-rss-mb` (1024) of memory at the peak.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rows import write_log_rows

ROWS = 10_000_000
"""At 1,000,000 the start of a process is a tenth of the work, and says more about Python."""
ROUNDS = 1
SQLITE_UTILS_ROUNDS = 3
MOST_OF_FLOOR = 2.5
LEAST_OF_SQLITE_UTILS = 10
MOST_RSS_MB = 1024
SQLITE_UTILS_ROWS = 50_000
START = datetime(2026, 9, 1, tzinfo=UTC)
SQL = Path(__file__).with_name("sql")
PARSE_ONLY = """
import sys, duckdb
with duckdb.connect() as connection:
    connection.execute("set threads = 2")
    connection.execute("set variable log_file = ?", [sys.argv[2]])
    connection.execute(open(sys.argv[1] + "/log_line.sql").read())
    counts = connection.execute(open(sys.argv[1] + "/parse_only.sql").read()).fetchone()
assert counts[0] == int(sys.argv[3]), counts
"""
STORE_ONLY = """
import sys, duckdb
with duckdb.connect(sys.argv[4]) as connection:
    connection.execute("set threads = 2")
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set variable log_file = ?", [sys.argv[2]])
    connection.execute(open(sys.argv[1] + "/log_line.sql").read())
    connection.execute(open(sys.argv[1] + "/store_only.sql").read())
    counts = connection.execute("select count(*) from log_row").fetchone()
assert counts[0] == int(sys.argv[3]), counts
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """One process from start to end."""

    cpu_s: float
    rss_mb: float


def main() -> int:
    """Measure, print the table, return the exit code."""
    options = parse_options()
    wai = Path(sys.executable).with_name("wai")
    ours, floors, bare, others = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="wai-bench-") as name:
        folder = Path(name)
        file, few = folder / "rows.ndjson.gz", folder / "few.ndjson"
        size = write_log_rows(file, options.rows, start=START)
        write_log_rows(few, SQLITE_UTILS_ROWS, start=START)
        plain = few.stat().st_size / SQLITE_UTILS_ROWS
        print(f"{options.rows:,} rows of {plain:.0f} B ({size / options.rows:.0f} B packed)")
        for _ in range(options.rounds):
            count = str(options.rows)
            inputs = [str(SQL), str(file), count]
            floors.append(run([sys.executable, "-c", PARSE_ONLY, *inputs]))
            bare_file = folder / "bare.duckdb"
            bare.append(run([sys.executable, "-c", STORE_ONLY, *inputs, str(bare_file)]))
            bare_file.unlink()
            state_dir = folder / "state"
            ours.append(run([str(wai), "logs", "import", str(file)], {"WAI_STATE_DIR": state_dir}))
            shutil.rmtree(state_dir)
        for _ in range(SQLITE_UTILS_ROUNDS if options.sqlite_utils else 0):
            database = folder / "rows.db"
            others.append(
                run([options.sqlite_utils, "insert", str(database), "log", str(few), "--nl"])
            )
            database.unlink()
    other = best(others) if others else None
    return report(options, best(ours), best(floors), best(bare), other)


def report(
    options: argparse.Namespace, ours: Cost, floor: Cost, bare: Cost, other: Cost | None
) -> int:
    """Print what was measured; 1 when a promise is missed."""
    print(f"{'what':36} {'CPU s':>8} {'rows/CPU s':>12} {'x floor':>8} {'RSS MB':>7}")
    line("DuckDB parses, stores nothing", floor, options.rows, floor)
    line("DuckDB stores these columns, no more", bare, options.rows, floor)
    line("wai logs import", ours, options.rows, floor)
    verdicts = [(ours.cpu_s / floor.cpu_s, MOST_OF_FLOOR, "x floor, at most")]
    is_met = True
    if other is None:
        print("sqlite-utils: not measured (give --sqlite-utils PATH)")
    else:
        line(f"sqlite-utils ({SQLITE_UTILS_ROWS:,} rows)", other, SQLITE_UTILS_ROWS, floor)
        its_rate = SQLITE_UTILS_ROWS / other.cpu_s
        share = options.rows / ours.cpu_s / its_rate
        possible = options.rows / bare.cpu_s / its_rate
        is_met = share >= LEAST_OF_SQLITE_UTILS
        print(
            f"{share:.2f} times the rows a CPU-second of sqlite-utils, at least "
            f"{LEAST_OF_SQLITE_UTILS}: {'PASS' if is_met else 'FAIL'}"
            f" (DuckDB that only stores them: {possible:.2f})"
        )
    verdicts.append((ours.rss_mb, options.max_rss_mb, "MB of memory, at most"))
    for value, limit, words in verdicts:
        is_met = is_met and value <= limit
        print(f"{value:.2f} {words} {limit}: {'PASS' if value <= limit else 'FAIL'}")
    return 0 if is_met else 1


def line(what: str, cost: Cost, row_count: int, floor: Cost) -> None:
    """One row of the table."""
    rate = row_count / cost.cpu_s
    ratio = cost.cpu_s / floor.cpu_s
    print(f"{what:36} {cost.cpu_s:8.2f} {rate:12,.0f} {ratio:8.2f} {cost.rss_mb:7.0f}")


def best(costs: Sequence[Cost]) -> Cost:
    """The least CPU, and the most memory."""
    return Cost(min(cost.cpu_s for cost in costs), max(cost.rss_mb for cost in costs))


def run(command: list[str], more: Mapping[str, object] | None = None) -> Cost:
    """Run to the end. Raises SystemExit with the command when it fails."""
    environ = os.environ | {key: str(value) for key, value in (more or {}).items()}
    child = os.posix_spawn(command[0], command, environ)
    _, status, usage = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"failed: {' '.join(command)}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--sqlite-utils", default=shutil.which("sqlite-utils"))
    parser.add_argument("--max-rss-mb", type=int, default=MOST_RSS_MB)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
