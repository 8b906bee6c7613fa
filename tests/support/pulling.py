"""Pulls by hand: a clock that is moved, a folder of their own, and what the ledger holds then."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from support import shifted_wai
from support.facts import ManualClock, in_ledger
from support.gateway_log import GatewayLog
from wai_ops.cloudflare.logs_api import ReadingApi, open_reading_api
from wai_ops.core.clock import SystemClock
from wai_ops.core.prices import PriceBook, built_in
from wai_ops.observe.ingest.legacy_logs import LegacyLogs
from wai_ops.observe.ingest.pull import pull
from wai_ops.observe.ingest.pull_plan import PullLimits
from wai_ops.observe.ingest.pull_result import PullRequest, PullResult
from wai_ops.observe.ingest.pull_source import LogSource
from wai_ops.observe.ingest.rate import Halt, RateGate
from wai_ops.observe.ledger.pulls import PullLedger
from wai_ops.observe.redact.engine import Redactor

LIMITS = PullLimits(hold_back_s=120, settle_s=1800, pending_s=86400)
TO_NOON = shifted_wai.to_noon()
NOON = (SystemClock().now() + TO_NOON).replace(microsecond=0)
"""Some time of late, with no midnight within hours: a window is cut there."""
SECRET = "0123456789abcdef0123456789abcdefcafe"


class QuickHalt(Halt):
    """Waits on a clock of its own: nothing in a test sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.time = ManualClock()

    @property
    def waited_s(self) -> float:
        return self.time.elapsed

    def rest(self, seconds: float) -> None:
        self.time.sleep(seconds)
        super().rest(0)


@dataclass
class SetClock:
    """The day is set and moved by tests; time itself passes as it does: locks are waited for."""

    at: datetime
    real: SystemClock = field(default_factory=SystemClock)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.real.monotonic()

    def sleep(self, seconds: float) -> None:
        self.real.sleep(seconds)


@dataclass
class Heard:
    """Everything that a pull said."""

    lines: list[str] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)

    def progress(self, progress: Any) -> None:
        self.seen.append(progress)

    def say(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class Puller:
    """A state folder, and a clock that the tests move."""

    log: GatewayLog
    state_dir: Path
    clock: SetClock
    token: str = "operator"
    heard: Heard = field(default_factory=Heard)
    halt: QuickHalt = field(default_factory=QuickHalt)

    def __call__(self, *, source: LogSource | None = None, **asked: Any) -> PullResult:
        """Pull once."""
        with self.api() as api:
            request = PullRequest(**({"target_rows": 100} | asked))
            return pull(
                request,
                source=source or LegacyLogs(api, "default"),
                ledger=self.ledger(),
                limits=LIMITS,
                clock=self.clock,
                halt=self.halt,
                watcher=self.heard,
            )

    @contextmanager
    def api(self) -> Iterator[ReadingApi]:
        """A client of the emulator."""
        emulator = self.log.emulator
        with open_reading_api(
            base_url=emulator.base_url,
            account_id=emulator.account_id,
            token=emulator.tokens[self.token],
            gate=RateGate(self.halt.time, None, rest=self.halt.rest),
            clock=self.clock,
            rng=random.Random(5),
            is_local=True,
            parallel=4,
        ) as api:
            yield api

    def ledger(self) -> PullLedger:
        """The ledger as a pull sees it."""
        return PullLedger(
            state_dir=self.state_dir,
            clock=self.clock,
            gateway_id="default",
            source="logs api",
            target="local",
            prices=prices(),
            redactor=Redactor.build({"token": SECRET}, key=b"k" * 32),
        )

    def later(self, **delta: float) -> None:
        """Move the clock."""
        self.clock.at += timedelta(**delta)

    def sql(self, sql: str) -> list[tuple[Any, ...]]:
        """What the ledger says."""
        return in_ledger(self.state_dir, sql)

    def log_ids(self) -> list[str]:
        """Every gateway row, once for each time it is there."""
        rows = self.sql("select log_id from model_call where log_id is not null order by 1")
        return [each[0] for each in rows]


def prices() -> PriceBook:
    """The built-in price book."""
    return PriceBook([built_in()])


def puller(log: GatewayLog, folder: Path, now: datetime, **more: Any) -> Puller:
    """A puller whose clock begins at `now`."""
    return Puller(log, folder, SetClock(now), **more)
