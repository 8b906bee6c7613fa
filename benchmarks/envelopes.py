"""Budgets under pressure: races of real processes, and kills at random points.

A round releases 64 real `wai run` together against a budget that fits 10 worst cases. By the
emulator's own meter the budget is never overspent, and at least 90% of it is used. Then 1,000
runs are cancelled or die at random points of their work, in this process with a real database, a
real decision log and a real socket; after one `reconcile` nothing is set aside any more, and what
the budget counts is no less than what the meter says.

    python benchmarks/envelopes.py [--rounds 50] [--processes 64] [--kills 1000] [--seed N]
    exit 1 on any miss
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.budget_kills import Mayhem, settled  # noqa: E402 - the tests' own harness
from support.budget_race import run_race  # noqa: E402
from support.cli import Wai  # noqa: E402
from wai_ops.emulator.testing import WaiEmulator, wai_emulator  # noqa: E402

LEAST_USED = Decimal("0.9")


def main() -> int:
    """Race, kill, and say what came of it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--processes", type=int, default=64)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with wai_emulator() as emulator:
        is_good = all(
            [
                _races(emulator, given.rounds, given.processes),
                _kills(emulator, given.kills, given.seed),
            ]
        )
    sys.stdout.write(f"{'PASS' if is_good else 'FAIL'}\n")
    return 0 if is_good else 1


def _races(emulator: WaiEmulator, rounds: int, processes: int) -> bool:
    used: list[Decimal] = []
    overshot = 0
    began = time.monotonic()
    for number in range(1, rounds + 1):
        emulator.reset()
        with tempfile.TemporaryDirectory(prefix="wai-race-") as name:
            wai = Wai(Path(name), dict(emulator.environ))
            raced = run_race(wai, lambda: _meter(emulator), processes=processes)
        used.append(raced.utilisation)
        overshot += raced.overshoot_usd > 0
        sys.stdout.write(
            f"round {number}: {raced.exit_codes[0]} sent, {raced.exit_codes[5]} refused, "
            f"{raced.utilisation * 100:.1f}% used\n"
        )
        sys.stdout.flush()
    if not used:
        return True
    sys.stdout.write(
        f"{rounds} rounds of {processes} processes: {overshot} overshot; used at least "
        f"{min(used) * 100:.2f}%, median {statistics.median(used) * 100:.2f}%; "
        f"{(time.monotonic() - began) / rounds:.1f} s a round\n"
    )
    return overshot == 0 and min(used) >= LEAST_USED


def _kills(emulator: WaiEmulator, count: int, seed: int) -> bool:
    if not count:
        return True
    emulator.reset()
    with tempfile.TemporaryDirectory(prefix="wai-kills-") as name:
        mayhem = Mayhem(emulator, Path(name) / ".wai", random.Random(seed), Decimal(10))
        number = 0
        while mayhem.ends["cancelled"] + mayhem.ends["killed"] < count:
            mayhem.run(number)
            number += 1
        rows = mayhem.reconcile()
        outcomes = {row.outcome for row in rows}
        told = ", ".join(
            f"{sum(row.outcome == outcome for row in rows)} {outcome}"
            for outcome in sorted(outcomes)
        )
        spent = mayhem.spent_usd()
        meter = settled(emulator, mayhem.meter_usd)
        again = mayhem.reconcile()
    ends = ", ".join(f"{count} {end}" for end, count in sorted(mayhem.ends.items()))
    sys.stdout.write(
        f"{ends}; reconciled: {told}; counted ${spent.normalize():f} for ${meter.normalize():f} "
        f"by the meter; left after that: {len(again)}\n"
    )
    return spent >= meter and not again


def _meter(emulator: WaiEmulator) -> Decimal:
    return Decimal(emulator.truth()["totals"]["cost_usd"])


if __name__ == "__main__":
    sys.exit(main())
