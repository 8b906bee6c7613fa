"""Kill -9 at random moments: does anything get lost or doubled?

Real `wai run` and `wai ledger fold` processes work on one project against a running emulator,
several at a time, and each is killed at a random moment, from before its first line to after its
last. A run is acknowledged when its exit code 0 and its --json result were seen. In the end one
fold runs undisturbed, and then

- every acknowledged attempt is in the ledger, at the cost that was printed: none lost;
- no attempt is in it twice, nor any session event: none doubled;
- every attempt that was ever seen announced in live state is in it once;
- every request that the emulator logged belongs to an attempt in it: none went out unannounced.

    python benchmarks/kill.py [--kills 200] [--seed N] [--workers 3]      exit 1 on any miss
"""

import argparse
import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.cli import Wai  # noqa: E402 - the tests' own way to start processes
from support.emulator import Emulator, start_emulator  # noqa: E402

LONGEST = 1500
"""Words of an answer."""
FOLD_SHARE = 0.3
"""Of all processes that are started."""
AFTER_THE_END = 1.15
"""Moments are spread over this much of a process's usual life, so some are too late."""
WORK_BEGINS = 0.6
"""Most of a process's life is its start, in which nothing can be lost: half of all moments come
after this share of it."""
ANNOUNCED = """
    select attempt_id from inflight
    union all
    select json_extract(payload, '$.attempt_id') from outbox where kind = 'attempt'
"""


@dataclass(frozen=True)
class Plan:
    """One process to start: what it does, and when it dies, as a share of its usual life."""

    arguments: tuple[str, ...]
    moment: float

    @property
    def kind(self) -> str:
        """`run` or `fold`."""
        return "fold" if "fold" in self.arguments else "run"


@dataclass
class Seen:
    """What was observed from outside, guarded by `lock`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    kills: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[str, Decimal | None] = field(default_factory=dict)
    """The cost that was printed, by attempt id."""
    announced: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)


def main() -> int:
    """Kill, fold, compare; return the exit code."""
    options = _options()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="wai-kill-") as name:
        project = Path(name) / "project"
        project.mkdir()
        (project / "wai.yaml").write_text('version: "1"\n')
        with start_emulator(Path(name) / "emulator") as emulator:
            wai = Wai(project, dict(emulator.environ))
            seen = Seen()
            alone_s = _usual_life(wai, seen)
            # Several at a time share the machine, so that each lives longer than one alone.
            usual_s = {kind: life * max(1, options.workers / 2) for kind, life in alone_s.items()}
            plans = _plans(random.Random(options.seed))
            _kill_many(wai, seen, plans, usual_s, kills=options.kills, workers=options.workers)
            _announced(wai, seen)
            return _verdict(wai, seen, _logged_traces(emulator))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--workers", type=int, default=3)
    return parser.parse_args()


def _plans(rng: random.Random) -> Iterator[Plan]:
    """Processes and moments without end, the same for the same seed."""
    while True:
        begin = rng.choice((0.0, WORK_BEGINS))
        moment = begin + rng.random() * (AFTER_THE_END - begin)
        if rng.random() < FOLD_SHARE:
            yield Plan(("ledger", "fold", "--json"), moment)
            continue
        shared = ("--conversation", f"c{rng.randrange(6)}") if rng.random() < 0.5 else ()
        # Long and short answers, so that the moment often falls into the answer.
        question = f"{rng.randrange(2, LONGEST)} words, number {rng.random()}"
        yield Plan(("run", question, "--json", "--max-tokens", "4000", *shared), moment)


def _usual_life(wai: Wai, seen: Seen) -> dict[str, float]:
    """How long an undisturbed process lives, by kind. Its run is acknowledged like any other."""
    found = {}
    run = ("run", f"{LONGEST // 2} words", "--json", "--max-tokens", "4000")
    for kind, arguments in (("run", run), ("fold", ("ledger", "fold"))):
        started = time.monotonic()
        done = wai(*arguments)
        found[kind] = time.monotonic() - started
        if done.exit_code != 0:
            raise SystemExit(f"wai {' '.join(arguments)}: {done.exit_code}: {done.stderr}")
        if kind == "run":
            _acknowledge(seen, done.stdout)
    return found


def _kill_many(
    wai: Wai,
    seen: Seen,
    plans: Iterator[Plan],
    usual_s: dict[str, float],
    *,
    kills: int,
    workers: int,
) -> None:
    """Start processes, several at a time, until that many were killed."""

    def work() -> None:
        while True:
            with seen.lock:
                if seen.kills.total() >= kills or seen.errors:
                    return
                plan = next(plans)
                after_s = plan.moment * usual_s[plan.kind]
            was_killed = _start_and_kill(wai, seen, plan, after_s)
            with seen.lock:
                # The machine gets busier and idler: keep about one in four alive to its end.
                usual_s[plan.kind] *= 1.05 if was_killed else 0.88
            _announced(wai, seen)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _start_and_kill(wai: Wai, seen: Seen, plan: Plan, after_s: float) -> bool:
    """Start one process and kill it after a while; say whether it was still alive then."""
    with wai.start(*plan.arguments) as process:
        try:
            stdout, stderr = process.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            stdout, stderr = process.communicate()
        code = process.returncode
    with seen.lock:
        if code == -signal.SIGKILL:
            seen.kills[plan.kind] += 1
            return True
        seen.finished[plan.kind] += 1
        if code != 0:
            seen.errors.append(f"wai {' '.join(plan.arguments)}: {code}: {stderr.decode()}")
        elif plan.kind == "run":
            _acknowledge(seen, stdout.decode())
    return False


def _acknowledge(seen: Seen, stdout: str) -> None:
    for attempt in json.loads(stdout)["attempts"]:
        cost = attempt["cost_usd"]
        seen.acknowledged[attempt["attempt_id"]] = None if cost is None else Decimal(cost)


def _announced(wai: Wai, seen: Seen) -> None:
    """Note the attempts that live state knows of at this moment."""
    path = wai.folder / ".wai" / "state.sqlite"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)
    try:
        found = {attempt_id for (attempt_id,) in connection.execute(ANNOUNCED)}
    finally:
        connection.close()
    with seen.lock:
        seen.announced |= found


def _logged_traces(emulator: Emulator) -> set[tuple[str, int]]:
    """The run id and attempt number of every request that the other side logged."""
    found: set[tuple[str, int]] = set()
    page = 1
    while True:
        url = (
            f"{emulator.base_url}/accounts/{emulator.account_id}/ai-gateway/gateways/"
            f"{emulator.gateway_id}/logs?per_page=50&page={page}"
        )
        headers = {"Authorization": f"Bearer {emulator.tokens['reader']}"}
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            rows = json.load(answer)["result"]
        if not rows:
            return found
        for row in rows:
            metadata = row["metadata"]
            entries = json.loads(metadata) if isinstance(metadata, str) else metadata
            found.add((entries["trace"], int(entries["conversation"].rpartition(".")[2])))
        page += 1


def _rows(wai: Wai, sql: str) -> list[dict[str, Any]]:
    done = wai("ledger", "sql", sql, "--format", "jsonl")
    if done.exit_code != 0:
        raise SystemExit(f"wai ledger sql: {done.exit_code}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _verdict(wai: Wai, seen: Seen, logged: set[tuple[str, int]]) -> int:
    fold = wai("ledger", "fold", "--json")
    if fold.exit_code != 0:
        seen.errors.append(f"the last fold: {fold.exit_code}: {fold.stderr}")
        folded = {"in_flight_count": 0}
    else:
        folded = json.loads(fold.stdout)
    rows = _rows(wai, "select attempt_id, run_id, attempt, error_type, cost_usd from attempt")
    copies = Counter(row["attempt_id"] for row in rows)
    costs = {row["attempt_id"]: row["cost_usd"] for row in rows}
    lost = {
        attempt_id
        for attempt_id, cost in seen.acknowledged.items()
        if copies[attempt_id] == 0
        or (None if costs[attempt_id] is None else Decimal(costs[attempt_id])) != cost
    }
    doubled = [attempt_id for attempt_id, count in copies.items() if count > 1]
    places = Counter((row["run_id"], row["attempt"]) for row in rows)
    events = _rows(
        wai,
        "select affinity_key, epoch from session_event group by all having count(*) > 1",
    )
    quarantined = _rows(wai, "select seq from quarantine")
    kills = seen.kills.total()
    in_flight = len(copies) - len(seen.acknowledged)
    if len(seen.acknowledged) < kills // 20 or in_flight < kills // 50:
        seen.errors.append("too few runs were acknowledged, or killed in flight, to prove anything")
    checks = {
        "acknowledged attempts lost, or at another cost": len(lost),
        "attempts doubled": len(doubled) + sum(count > 1 for count in places.values()),
        "session events doubled": len(events),
        "announced attempts missing": len(seen.announced - copies.keys()),
        "requests at the other side without an attempt": len(logged - places.keys()),
        "rows in quarantine": len(quarantined),
        "attempts still in flight": folded["in_flight_count"],
        "other errors": len(seen.errors),
    }
    unknown = sum(row["error_type"] == "unknown" for row in rows)
    print(f"killed: {seen.kills['run']} runs, {seen.kills['fold']} folds")
    print(f"finished first: {seen.finished['run']} runs, {seen.finished['fold']} folds")
    print(
        f"acknowledged {len(seen.acknowledged)}, announced {len(seen.announced)}, "
        f"logged by the other side {len(logged)}"
    )
    print(f"in the ledger: {len(rows)} attempts, {unknown} of them with an unknown outcome")
    for what, count in checks.items():
        print(f"{'PASS' if count == 0 else 'FAIL'}  {count} {what}")
    for error in seen.errors:
        print(error)
    return 1 if any(checks.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
