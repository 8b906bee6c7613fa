"""What a start costs: `wai --version` and every help page, against `python -c pass`.

Against: the same interpreter doing nothing, in the same run. The programs take turns, so a busy
moment of the machine hits all of them. The ratio of the fastest runs is what the promise is about;
that of the medians shows how quiet the machine was.

    python benchmarks/startup.py [ROUNDS]      exit 1 when a promise is missed

Run it with the Python of an environment where wai is installed normally, not in editable mode:
`make bench` does.
"""

import os
import statistics
import sys
import time
from importlib.metadata import distribution
from pathlib import Path

ROUNDS = 30
BASELINE = "python -c pass"


def main() -> int:
    """Measure, print the table, return the exit code."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    if is_editable():
        print("note: wai-ops is installed in editable mode, which slows every start")
    commands = programs()
    times = measure({name: argv for name, (argv, _) in commands.items()}, rounds)
    base = times[BASELINE]
    width = max(map(len, times))
    print(f"{'program':{width}}  fastest ms  ratio  median ms  ratio  limit")
    missed = 0
    for name, taken in times.items():
        limit = commands[name][1]
        ratio = min(taken) / min(base)
        median_ratio = statistics.median(taken) / statistics.median(base)
        verdict = "" if limit is None else "PASS" if ratio <= limit else "FAIL"
        missed += verdict == "FAIL"
        print(
            f"{name:{width}}  {min(taken):10.1f}  {ratio:5.2f}  {statistics.median(taken):9.1f}"
            f"  {median_ratio:5.2f}  {'' if limit is None else f'{limit:5.1f}'}  {verdict}"
        )
    return 1 if missed else 0


def programs() -> dict[str, tuple[list[str], float | None]]:
    """Name -> argument vector, and the largest ratio that the promise allows."""
    wai = str(Path(sys.executable).with_name("wai"))
    found: dict[str, tuple[list[str], float | None]] = {
        BASELINE: ([sys.executable, "-c", "pass"], None),
        "wai --version": ([wai, "--version"], 1.5),
        "wai --help": ([wai, "--help"], 10),
    }
    from wai_ops.cli.app import GROUPS

    for group in GROUPS:
        found[f"wai {group} --help"] = ([wai, group, "--help"], 10)
    # What the pages save: an option before --help is answered by the parser itself. No promise.
    found["wai run --json --help"] = ([wai, "run", "--json", "--help"], None)
    return found


def measure(programs: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Run all programs in turn, `rounds` times; milliseconds of wall time each."""
    times: dict[str, list[float]] = {name: [] for name in programs}
    for argv in programs.values():
        run(argv)  # bytecode and page cache are warm for everybody
    for _ in range(rounds):
        for name, argv in programs.items():
            times[name].append(run(argv))
    return times


def run(argv: list[str]) -> float:
    """Start the program, wait for its end, return the milliseconds. Its output is thrown away."""
    silence = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    started = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=silence)
    _, status = os.waitpid(pid, 0)
    taken = (time.perf_counter() - started) * 1000
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(argv)} exited with {code}")
    return taken


def is_editable() -> bool:
    """Whether this environment holds a link to the sources instead of a copy."""
    return '"editable": true' in (distribution("wai-ops").read_text("direct_url.json") or "")


if __name__ == "__main__":
    sys.exit(main())
