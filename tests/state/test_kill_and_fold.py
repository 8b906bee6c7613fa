"""Processes killed at random moments: a short, repeatable round of `benchmarks/kill.py`."""

import subprocess
import sys
from pathlib import Path

import pytest

KILL = Path(__file__).parents[2] / "benchmarks" / "kill.py"


@pytest.mark.parametrize("seed", [20261010])
def test_no_acknowledged_run_is_lost_or_doubled_by_killing_runs_and_folds(seed: int) -> None:
    done = subprocess.run(
        [sys.executable, str(KILL), "--kills", "12", "--seed", str(seed)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"seed {seed}"
    assert [line for line in lines if line.startswith(("PASS", "FAIL"))] == [
        "PASS  0 acknowledged attempts lost, or at another cost",
        "PASS  0 attempts doubled",
        "PASS  0 session events doubled",
        "PASS  0 announced attempts missing",
        "PASS  0 requests at the other side without an attempt",
        "PASS  0 rows in quarantine",
        "PASS  0 attempts still in flight",
        "PASS  0 other errors",
    ]
