"""Tool actions under faults and kills: do the two sides' logs agree?

Real `wai run` processes, several at a time, do random tool calls against a host in a process of its
own that resets, breaks off, redirects, fails and hangs; a share of the processes is killed with
SIGKILL at random moments, and the next ones go on in the same conversations. In the end

- every request in the host's own access log has its one decision in ours: 0 missing;
- every request that our log calls answered is in the host's, none that it calls not sent: 0 extra;
- no decision stands for two requests, or for another one than was decided: 0 ambiguous;
- nobody connected to the host that policy does not allow.

And what a call of a command tool costs against a bare interpreter and the program, taking turns.

    python benchmarks/tools.py [--actions 500] [--kill-share 0.4] [--seed N]     exit 1 on any miss
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.outside import outside_host  # noqa: E402 - the tests' own parts
from support.tool_project import an_object, bench_of, records_of, write_project  # noqa: E402
from support.tool_runs import compare, fleet, summary  # noqa: E402

ROUNDS = 40
MOST = 3.0
"""What a call of a command tool may cost against the two processes that it takes in any case: its
supervisor, which is an interpreter, and the program. The rest is records and syncs."""


def main() -> int:
    """Run and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actions", type=int, default=500)
    parser.add_argument("--kill-share", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory() as folder:
        agrees = _logs_agree(Path(folder), options.actions, options.kill_share, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        is_cheap = _cost(Path(folder))
    return 0 if agrees and is_cheap else 1


def _logs_agree(folder: Path, actions: int, kill_share: float, seed: int) -> bool:
    project = folder / "project"
    project.mkdir()
    started = time.perf_counter()
    with outside_host(folder) as outside, fleet(project, outside, seed) as (runs, silent):
        runs.run(actions, kill_share=kill_share)
        found = compare(records_of(project), outside.requests)
        good = (
            found.is_bijection
            and silent.connections == 0
            and outside.connections <= found.started
            and set(runs.exit_codes) == {0}
        )
        took = time.perf_counter() - started
        print(f"{runs.decided} tool calls in {took:.0f} s, {runs.killed} processes killed,")
        print(f"{runs.finished} at their end: {dict(runs.exit_codes)}; {summary(found)}")
        print(f"connections to the host that is not allowed: {silent.connections}")
        for problem in (*found.missing, *found.extra, *found.ambiguous):
            print(f"  {problem}")
    print("PASS" if good else "FAIL")
    return good


def _cost(folder: Path) -> bool:
    tools = [
        {
            "name": "true.run",
            "description": "Does nothing.",
            "parameters": an_object(n={"type": "integer"}),
            "command": {"argv": ["true", "{n}"]},
        }
    ]
    write_project(folder, tools, [{"name": "true.run"}])
    bare: list[float] = []
    gated: list[float] = []
    interpreter = [sys.executable, "-I", "-S", "-c", "import ctypes, json"]
    with bench_of(folder) as bench:
        for number in range(ROUNDS):
            first = time.perf_counter()
            subprocess.run(interpreter, check=True, capture_output=True)
            subprocess.run(["true", str(number)], check=True, capture_output=True)
            second = time.perf_counter()
            called = bench.call("true__run", {"n": number})
            gated.append(time.perf_counter() - second)
            bare.append(second - first)
            if called.problem is not None:
                raise AssertionError(called)
    ratio = statistics.median(gated) / statistics.median(bare)
    print(
        f"command tool: {statistics.median(gated) * 1000:.1f} ms p50; a bare interpreter and the "
        f"program: {statistics.median(bare) * 1000:.1f} ms; {ratio:.2f}x, at most {MOST}x"
    )
    print("PASS" if ratio <= MOST else "FAIL")
    return ratio <= MOST


if __name__ == "__main__":
    sys.exit(main())
