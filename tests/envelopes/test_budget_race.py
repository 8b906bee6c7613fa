"""Processes released together against a budget never overspend it, and use most of it."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from support.budget_kills import Mayhem
from support.budget_race import FITS, run_race
from support.cli import Wai
from wai_ops.core.clock import SystemClock
from wai_ops.emulator.testing import WaiEmulator
from wai_ops.state.live import LiveState

PROCESSES = 18


def test_real_processes_never_overspend_and_use_most_of_the_budget(
    wai: Wai, emulator: WaiEmulator
) -> None:
    """One race of 18; `benchmarks/envelopes.py` runs fifty, with 64 processes each."""
    emulator.reset()
    wai.environ.update(emulator.environ)
    raced = run_race(
        wai, lambda: Decimal(emulator.truth()["totals"]["cost_usd"]), processes=PROCESSES
    )
    assert raced.overshoot_usd == 0
    assert raced.utilisation >= Decimal("0.9")
    assert raced.exit_codes[0] >= FITS
    assert raced.exit_codes[5] == PROCESSES - raced.exit_codes[0] > 0
    shown = json.loads(wai("envelope", "show", "--json").stdout)
    [budget] = shown["budgets"]
    assert Decimal(budget["spent_usd"]) == raced.meter_usd, "the state and the meter agree"
    assert shown["reservations"] == []


def test_two_hundred_runs_at_once_never_overspend(emulator: WaiEmulator, tmp_path: Path) -> None:
    """200 threads of one process, each with its own connection to live state."""
    emulator.reset()
    burst = Mayhem(emulator, tmp_path / ".wai", random.Random(1), Decimal("0.005"))
    LiveState.open(tmp_path / ".wai", clock=SystemClock()).close()
    with ThreadPoolExecutor(200) as pool:
        list(pool.map(burst.finish, range(200)))
    spent = burst.spent_usd()
    assert burst.ends["refused"] > 0
    assert burst.ends["failed"] == 0
    assert spent == burst.meter_usd() <= burst.limit_usd
