"""Many at once: 64 `wai run` on a new project while `wai report cost` runs in a loop.

All runs are started before any is waited for, and the reports begin before the first one, on a
project whose state folder does not exist yet; half of the runs are turns of one conversation. Then
every run has exited 0, no message speaks of a lock, no report counted fewer requests than the one
before it or more than there were, and the last one counts every run once, with the cost that the
runs printed.

    python benchmarks/parallel.py [--runs 64]      exit 1 on any miss
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.cli import Ran, Wai  # noqa: E402 - the tests' own way to start processes
from support.emulator import start_emulator  # noqa: E402


def main() -> int:
    """Start them all, read along, compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=64)
    run_count = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="wai-parallel-") as name:
        project = Path(name) / "project"
        project.mkdir()
        (project / "wai.yaml").write_text('version: "1"\n')
        with start_emulator(Path(name) / "emulator") as emulator:
            wai = Wai(project, dict(emulator.environ))
            reports: list[Ran] = []
            over = threading.Event()
            reader = threading.Thread(target=_read_along, args=(wai, reports, over))
            reader.start()
            started = time.monotonic()
            processes = [_start(wai, number) for number in range(run_count)]
            runs = [_finished(process) for process in processes]
            took_s = time.monotonic() - started
            over.set()
            reader.join()
            reports.append(wai("report", "cost", "--json"))
    print(f"{run_count} runs and {len(reports)} reports in {took_s:.1f} s")
    return _verdict(runs, reports)


def _read_along(wai: Wai, reports: list[Ran], over: threading.Event) -> None:
    """Report again and again, from before the first run until after the last."""
    while not over.is_set():
        reports.append(wai("report", "cost", "--json"))


def _start(wai: Wai, number: int) -> "subprocess.Popen[bytes]":
    shared = ("--conversation", "shared") if number % 2 else ()
    return wai.start("run", f"message {number}", "--json", *shared)


def _finished(process: "subprocess.Popen[bytes]") -> Ran:
    stdout, stderr = process.communicate()
    return Ran(process.returncode, stdout.decode(), stderr.decode())


def _verdict(runs: list[Ran], reports: list[Ran]) -> int:
    failed = [ran for ran in (*runs, *reports) if ran.exit_code != 0]
    results = [json.loads(ran.stdout) for ran in runs if ran.exit_code == 0]
    tables = [json.loads(ran.stdout) for ran in reports if ran.exit_code == 0]
    counts = [_total(table)["request_count"] for table in tables]
    printed = sum((Decimal(result["cost"]["cost_usd"]) for result in results), Decimal(0))
    last = _total(tables[-1]) if tables else {"request_count": 0, "cost_usd": None}
    turns = [result["turn_index"] for result in results if result["conversation_id"] == "shared"]
    checks = {
        "every run and report exited 0": not failed,
        "nothing was locked": not any("locked" in ran.stderr for ran in (*runs, *reports)),
        f"the ledger counts {len(runs)} runs": last["request_count"] == len(runs),
        "the ledger's cost is the sum of what the runs printed": last["cost_usd"] is not None
        and Decimal(last["cost_usd"]) == printed,
        "no report went back or ahead": counts == sorted(counts) and counts[-1:] <= [len(runs)],
        "the shared conversation has every turn once": sorted(turns) == list(range(len(turns))),
    }
    print(f"requests as the reports counted them: {', '.join(map(str, counts))}")
    for what, held in checks.items():
        print(f"{'PASS' if held else 'FAIL'}  {what}")
    for ran in failed[:5]:
        print(f"exit {ran.exit_code}: {ran.stderr.strip()}")
    return 0 if all(checks.values()) else 1


def _total(table: dict[str, Any]) -> dict[str, Any]:
    """The report's total; a report of nothing has none."""
    return table["total"] or {"request_count": 0, "cost_usd": None}


if __name__ == "__main__":
    raise SystemExit(main())
