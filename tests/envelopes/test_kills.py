"""Cancelled or killed at any point, a run leaves nothing set aside that cannot be settled."""

import json
import random
from decimal import Decimal
from pathlib import Path

import pytest

from support.budget_kills import MODEL, Mayhem, settled
from support.cli import Wai
from wai_ops.emulator.testing import WaiEmulator

RUNS = 120
SEED = 20261123


@pytest.fixture
def mayhem(emulator: WaiEmulator, tmp_path: Path) -> Mayhem:
    """A budget that fits everything, so that every run gets as far as its fuse lets it."""
    emulator.reset()
    return Mayhem(emulator, tmp_path / ".wai", random.Random(SEED), Decimal(1))


def test_after_many_cancels_and_kills_nothing_is_left_and_nothing_is_uncounted(
    mayhem: Mayhem, emulator: WaiEmulator
) -> None:
    for number in range(RUNS):
        mayhem.run(number)
    left = mayhem.reconcile()
    assert min(mayhem.ends[end] for end in ("finished", "cancelled", "killed")) > RUNS / 20
    outcomes = {row.outcome for row in left}
    assert {"released", "charged in full", "charged"} <= outcomes, "each kind of evidence occurs"
    assert mayhem.spent_usd() >= settled(emulator, mayhem.meter_usd)
    assert mayhem.reconcile() == [], "a second time there is nothing left to do"


def test_with_kills_in_between_a_tight_budget_is_still_never_overspent(
    emulator: WaiEmulator, tmp_path: Path
) -> None:
    emulator.reset()
    limit = Decimal("0.002")
    mayhem = Mayhem(emulator, tmp_path / ".wai", random.Random(SEED + 1), limit)
    for number in range(RUNS // 2):
        mayhem.run(number)
        if number % 10 == 0:
            mayhem.reconcile()
    mayhem.reconcile()
    assert mayhem.ends["refused"] > 0, "the budget was reached"
    assert settled(emulator, mayhem.meter_usd) <= mayhem.spent_usd() <= limit


def test_real_processes_that_are_killed_leave_nothing_after_reconcile(
    wai: Wai, emulator: WaiEmulator, project: Path
) -> None:
    """kill -9 at random pieces of the answer and before it."""
    emulator.reset()
    wai.environ.update(emulator.environ)
    (project / "wai.yaml").write_text(
        'version: "1"\nbudgets: {mayhem: {limit_usd: 1, window: monthly}}\n'
    )
    rng = random.Random(SEED)
    with emulator.knobs.changed({"latency.decode_tokens_per_s": 400}):
        for _ in range(8):
            process = wai.start("run", "-q", "-m", MODEL, "write 200 words")
            assert process.stdout is not None
            process.stdout.read(rng.randint(0, 800))
            process.kill()
            process.communicate()
    shown = json.loads(wai("envelope", "show", "--json").stdout)
    assert shown["reservations"], "somebody was killed in the middle"
    assert not any(held["is_running"] for held in shown["reservations"])
    ran = wai("envelope", "reconcile", "--json")
    assert ran.exit_code == 0, ran.stderr
    rows = json.loads(ran.stdout)["rows"]
    assert len(rows) == len(shown["reservations"])
    shown = json.loads(wai("envelope", "show", "--json").stdout)
    assert shown["reservations"] == []
    [budget] = shown["budgets"]
    meter = settled(emulator, lambda: Decimal(emulator.truth()["totals"]["cost_usd"]))
    assert Decimal(budget["spent_usd"]) >= meter > 0
