"""How long budgets take: a plan of 200, and a million recorded calls through guards.

- `wai budget plan` of 200 budgets against an emulator on loopback, beside `wai budget plan` of one:
  what the number of budgets costs (promise: <= 1.5 s in all, round trips aside);
- `wai budget backtest` over 1 M calls, cold, beside a bare Python + duckdb script that fetches the
  same rows and does nothing with them (promise: <= 5 s).

    python benchmarks/budgets.py [--rows 1000000] [--runs 3] [--folder kept/here]

Prints medians of wall and CPU time and ratios; exits 1 when a promise is missed.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rows import fill_ledger

from wai_ops.emulator.testing import wai_emulator

START = datetime(2026, 2, 1, tzinfo=UTC)
PLAN_S = 1.5
BACKTEST_S = 5.0
BUDGETS = {
    f"tenant-{number}": {
        "scope": {"tenant": [f"tenant-{number}"]},
        "limit_usd": 1 + number,
        "window": "daily",
        "owner": "bench",
    }
    for number in range(200)
}
GUARDS = {
    "everything": {"limit_usd": 20, "window": "daily"},
    "each-tenant": {"per": ["tenant"], "limit_usd": "0.5", "window": "monthly"},
    "each-workflow": {
        "per": ["workflow"],
        "limit_usd": "0.5",
        "window": "daily",
        "alignment": "rolling",
    },
}
BARE = """
import sys
import duckdb

with duckdb.connect(sys.argv[1], read_only=True) as connection:
    rows = connection.execute(
        "select epoch_us(started_at), epoch_us(created_at), tenant, workflow, "
        "(1e12 * cost_usd)::bigint, conversation_id from model_call order by started_at"
    ).fetchall()
print(len(rows))
"""


def main() -> int:
    """Measure and print. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        is_fast = plans(folder / "plan", options.runs)
        is_fast &= backtests(folder / "backtest", options.rows, options.runs)
    return 0 if is_fast else 1


def plans(folder: Path, runs: int) -> bool:
    """200 budgets beside one."""
    with wai_emulator() as emulator:
        body = {
            "id": emulator.gateway_id,
            "cache_invalidate_on_update": False,
            "cache_ttl": 0,
            "collect_logs": True,
            "rate_limiting_interval": 0,
            "rate_limiting_limit": 0,
        }
        emulator.api("POST", "/ai-gateway/gateways", body)
        command = [sys.executable, "-m", "wai_ops", "budget", "plan", "--json"]
        times: dict[int, list[tuple[float, float]]] = {1: [], 200: []}
        for count in times:
            project(folder / str(count), dict(list(BUDGETS.items())[:count]))
        for _ in range(runs + 1):
            for count, found in times.items():
                found.append(timed(command, folder / str(count), emulator.environ))
    one, many = (median(found[1:]) for found in times.values())
    print(f"plan of 1 budget:    {one[0]:.2f} s, CPU {one[1]:.2f} s")
    print(f"plan of 200 budgets: {many[0]:.2f} s, CPU {many[1]:.2f} s ({many[1] / one[1]:.2f}x)")
    return told(many[1] <= PLAN_S, f"plan of 200 budgets <= {PLAN_S} s")


def backtests(folder: Path, rows: int, runs: int) -> bool:
    """A backtest beside fetching the rows."""
    state_dir = folder / ".wai"
    if not state_dir.exists():
        fill_ledger(state_dir, rows, start=START)
    project(folder, GUARDS)
    backtest = [sys.executable, "-m", "wai_ops", "budget", "backtest", "--since", "2026-01-01"]
    bare = [sys.executable, "-c", BARE, str(state_dir / "ledger.duckdb")]
    times: dict[str, list[tuple[float, float]]] = {"backtest": [], "bare": []}
    for _ in range(runs):
        times["backtest"].append(timed([*backtest, "--json"], folder, {}))
        times["bare"].append(timed(bare, folder, {}))
    ours, floor = median(times["backtest"]), median(times["bare"])
    print(f"bare fetch of {rows:,} rows: {floor[0]:.2f} s, CPU {floor[1]:.2f} s")
    print(
        f"backtest of {rows:,} calls: {ours[0]:.2f} s, CPU {ours[1]:.2f} s "
        f"({ours[1] / floor[1]:.2f}x)"
    )
    return told(ours[0] <= BACKTEST_S, f"backtest of {rows:,} calls <= {BACKTEST_S} s")


def project(folder: Path, budgets: Mapping[str, Any]) -> None:
    """A folder with a wai.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wai.yaml").write_text(json.dumps({"version": "1", "budgets": dict(budgets)}))


def timed(command: list[str], folder: Path, environ: Mapping[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds of a whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def median(times: list[tuple[float, float]]) -> tuple[float, float]:
    """Of wall and of CPU time."""
    walls, cpus = zip(*times, strict=True)
    return statistics.median(walls), statistics.median(cpus)


def told(is_kept: bool, promise: str) -> bool:
    """Print whether a promise is kept."""
    print(f"{'PASS' if is_kept else 'FAIL'}: {promise}")
    return is_kept


if __name__ == "__main__":
    raise SystemExit(main())
