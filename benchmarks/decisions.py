"""How long decisions take: a write beside a bare append and sync, and verifying a million records.

- adding a decision with the start of its action (one batch, as the gate does) beside a bare loop
  that appends as many bytes and syncs, in turns (promise: <= 1.5 x the median of the bare loop);
- `Gate.decide`, which also asks the policy, masks and tells live state, for comparison;
- `wai audit verify` of a log of 1 M records with ten signed checkpoints, in a process of its own
  (promise: <= 30 s, <= 200 MB), and the same for its export as tiles.

    python benchmarks/decisions.py [--records 1000000] [--writes 400] [--rounds 9] [--folder kept]

Prints medians and ratios; exits 1 when a promise is missed. The folder must be on a real disk.
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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wai_ops.control.decisions.checkpoint import sign_checkpoint, store_checkpoint
from wai_ops.control.decisions.log import FILE_NAME, DecisionLog
from wai_ops.control.decisions.merkle import Frontier, leaf_hash
from wai_ops.control.decisions.note import SigningKey
from wai_ops.control.decisions.record import encode
from wai_ops.control.gate import Around, Gate
from wai_ops.control.policy.action import Action, ActionKind, Verdict, VerdictWord
from wai_ops.core.clock import SystemClock
from wai_ops.runtime.keeping import Keeper
from wai_ops.state.live import LiveState

WRITE_RATIO = 1.5
VERIFY_S = 30.0
VERIFY_MB = 200.0
KEY = SigningKey("example.com/bench", bytes(32))
ACTION = Action(
    kind=ActionKind.TOOL_CALL,
    tenant="acme",
    workflow="support",
    tool="crm.lookup",
    arguments={"customer": 4711},
)
AROUND: Around = {
    "justification": "The user asks for the state of an order that the CRM knows.",
    "request_sha256": "ab" * 32,
    "run_id": "0190b2c4-7e1a-7c3d-9a52-3f6e1d2c4b5a",
    "conversation_id": "c1",
    "turn_index": 3,
}


class Allowing:
    """A policy that says yes."""

    def decide(self, _: Action) -> Verdict:
        """Say yes."""
        return Verdict(
            word=VerdictWord.ALLOW,
            rule="support.tools.crm_lookup",
            where="policies/support.yaml:12",
            reason="support.tools.crm_lookup allows it",
            policy_version="2026-11-23.1+0123456789ab",
            policy_sha256="01" * 32,
        )


class Catching:
    """Keeps the batch that a gate writes, so that it can be written again."""

    batch: tuple[Mapping[str, Any], ...] = ()

    def append(self, *records: Mapping[str, Any]) -> None:
        """Keep it."""
        self.batch = records


def timed(work: Callable[[], object], count: int) -> float:
    """Median of one call, in microseconds."""
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6


def writes(folder: Path, count: int, rounds: int) -> bool:
    """Compare the three loops; say whether the promise holds."""
    clock = SystemClock()
    catching = Catching()
    live = LiveState.open(folder, clock=clock)

    def gate(log: Any, told: LiveState | None) -> Gate:
        return Gate(
            Allowing(), log, told, clock=clock, actor="os:bench", credential_id=None,
            keeper=Keeper(),
        )  # fmt: skip

    gate(catching, None).decide(ACTION, **AROUND)
    log = DecisionLog(folder / "decisions", clock)
    log.append(*catching.batch)
    size = log.path.stat().st_size
    bare = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    content = b"x" * size

    def append_bare() -> None:
        os.write(bare, content)
        os.fsync(bare)

    whole = gate(log, live)
    seen: dict[str, list[float]] = {"bare": [], "log": [], "gate": []}
    ratios = []
    for _ in range(rounds):
        seen["bare"].append(timed(append_bare, count))
        seen["log"].append(timed(lambda: log.append(*catching.batch), count))
        seen["gate"].append(timed(lambda: whole.decide(ACTION, **AROUND), count))
        ratios.append(seen["log"][-1] / seen["bare"][-1])
    os.close(bare)
    live.close()
    medians = {name: statistics.median(values) for name, values in seen.items()}
    ratio = statistics.median(ratios)
    print(f"bare append + fsync of {size:,} bytes: {medians['bare']:.0f} us")
    print(f"decision + start in the log:        {medians['log']:.0f} us, {ratio:.2f} x bare")
    print(f"Gate.decide, live state told:       {medians['gate']:.0f} us")
    return ratio <= WRITE_RATIO


def make_log(folder: Path, count: int) -> None:
    """A log of `count` records as a gate writes them, without its syncs, and ten checkpoints."""
    catching = Catching()
    gate = Gate(
        Allowing(), catching, None, clock=SystemClock(),  # type: ignore[arg-type]
        actor="os:bench", credential_id="runtime:0011223344556677", keeper=Keeper(),
    )  # fmt: skip
    folder.mkdir(parents=True)
    tree, prev, seq = Frontier(), "0" * 64, 0
    with (folder / FILE_NAME).open("wb") as file:
        while seq < count:
            permitted = gate.decide(ACTION, **AROUND)
            begun = catching.batch
            permitted.end("ok", duration_ms=12.5, result_sha256="cd" * 32)
            for record in (*begun, *catching.batch):
                line = encode({"v": 1, "seq": seq, "prev": prev, **record})
                file.write(line + b"\n")
                leaf = leaf_hash(line)
                tree.add(leaf)
                prev, seq = leaf.hex(), seq + 1
                if seq % max(1, count // 10) == 0:
                    store_checkpoint(folder, seq, sign_checkpoint(seq, tree.root(), KEY))
                if seq == count:
                    break


def verify(folder: Path, project: Path, what: str) -> bool:
    """Run `wai audit verify`; say whether the promises hold."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "wai_ops", "audit", "verify", str(folder), "--json"],
        cwd=project,
        env=os.environ | {"WAI_AUDIT_VERIFIER_KEY": str(KEY.verifier)},
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - started
    used_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    alarms = sum(row["is_alarm"] for row in rows)
    print(f"verify {what}: {wall:.1f} s, {used_mb:.0f} MB, {alarms} alarms")
    return wall <= VERIFY_S and used_mb <= VERIFY_MB and not alarms


def main() -> int:
    """Run all of it; 1 when a promise is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--writes", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        kept = [writes(folder / "writes", given.writes, given.rounds)]
        (folder / "wai.yaml").write_text('version: "1"\n')
        log = folder / ".wai" / "decisions"
        make_log(log, given.records)
        size = (log / FILE_NAME).stat().st_size
        print(f"{given.records:,} records, {size / 1e6:.0f} MB")
        kept.append(verify(log, folder, "the log"))
        subprocess.run(
            [sys.executable, "-m", "wai_ops", "audit", "export-tiles", "tiles"],
            cwd=folder,
            env=os.environ | {"WAI_AUDIT_VERIFIER_KEY": str(KEY.verifier)},
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        kept.append(verify(folder / "tiles", folder, "its tiles"))
    print("PASS" if all(kept) else "FAIL")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
