"""Many real `wai run` processes, released together against a budget that fits only some."""

import array
import fcntl
import subprocess
import termios
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from support.cli import Wai

MODEL = "@cf/meta/llama-3.1-8b-instruct-fp8"
QUESTION = b"write 2000 words"
OUTPUT_TOKENS = 1000
FITS = 10
"""Worst cases that the budget has room for."""
CONFIG = """\
version: "1"
budgets:
  race:
    limit_usd: {limit}
    window: monthly
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """How it ended."""

    limit_usd: Decimal
    meter_usd: Decimal
    """By the emulator."""
    exit_codes: Counter[int]

    @property
    def overshoot_usd(self) -> Decimal:
        """What was spent beyond the limit."""
        return max(Decimal(0), self.meter_usd - self.limit_usd)

    @property
    def utilisation(self) -> Decimal:
        """The share of the limit that was spent."""
        return self.meter_usd / self.limit_usd


def run_race(wai: Wai, meter: Callable[[], Decimal], *, processes: int, wait_s: int = 300) -> Race:
    """Race in a new project folder; `meter` tells what the emulator has billed in all."""
    limit = FITS * worst_case(wai)
    (Path(wai.folder) / "wai.yaml").write_text(CONFIG.format(limit=format(limit, "f")))
    before = meter()
    started = [
        wai.start(
            *("run", "-", "-q", "-m", MODEL, "--max-tokens", str(OUTPUT_TOKENS)),
            *("--budget-wait", str(wait_s)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        for _ in range(processes)
    ]
    for process in started:
        _let_read(process, QUESTION)
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    codes: Counter[int] = Counter()
    for process in started:
        assert process.stderr is not None
        said = process.stderr.read().decode()
        process.stderr.close()
        code = process.wait()
        codes[code] += 1
        if code not in (0, 5):
            raise AssertionError(f"exit code {code}: {said}")
    return Race(limit_usd=limit, meter_usd=meter() - before, exit_codes=codes)


def worst_case(wai: Wai) -> Decimal:
    """What one of the runs sets aside, as a dry run says."""
    import json

    (Path(wai.folder) / "wai.yaml").write_text(CONFIG.format(limit="1"))
    arguments = ("run", "-", "--dry-run", "--json", "-m", MODEL, "--max-tokens", str(OUTPUT_TOKENS))
    ran = wai(*arguments, stdin=QUESTION)
    assert ran.exit_code == 0, ran.stderr
    return Decimal(json.loads(ran.stdout)["governed"]["reserved_usd"])


def _let_read(process: "subprocess.Popen[bytes]", text: bytes) -> None:
    """Hand over the question and come back when the process has read it and waits for its end."""
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.flush()
    left = array.array("i", [1])
    while left[0]:
        fcntl.ioctl(process.stdin.fileno(), termios.FIONREAD, left)
        assert process.poll() is None, "it ended before it was let go"
        time.sleep(0.005)
