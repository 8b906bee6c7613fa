"""Runs under a budget that are cancelled, or whose process dies at a random point.

A death in this process: from some statement on nothing works any more, neither live state nor the
decision log, so that no clean-up can run; SQLite rolls back what was not committed, as it does
after a real one. Every run has an owner of its own, and the dead ones are known.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from wai_ops.cloudflare.decode import Delta
from wai_ops.cloudflare.inference import Limits
from wai_ops.cloudflare.retry import RetryPolicy
from wai_ops.control.budgets.unpoliced import Unpoliced
from wai_ops.control.decisions.log import DecisionLog
from wai_ops.control.envelopes.reconcile import Reconciled, reconcile
from wai_ops.control.gate import Gate
from wai_ops.core.clock import SystemClock
from wai_ops.core.errors import DataError, DeniedError
from wai_ops.core.ids import uuid7
from wai_ops.core.prices import PriceBook, built_in
from wai_ops.emulator.testing import WaiEmulator
from wai_ops.runtime.governed import Governance
from wai_ops.runtime.keeping import Keeper
from wai_ops.runtime.plan import Service, Surroundings
from wai_ops.runtime.request import Ask
from wai_ops.runtime.run import execute
from wai_ops.state.live import LiveState
from wai_ops.state.reservations import Budget, balance_of

MODEL = "@cf/meta/llama-3.1-8b-instruct-fp8"
MOST_STEPS = 40
"""More effects than a run has, so that some deaths come too late."""


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Fuse:
    """Burns one step with each effect; then nothing works any more."""

    steps: int
    is_burnt: bool = False

    def burn(self) -> None:
        """Do one more step, or die."""
        if self.steps <= 0:
            self.is_burnt = True
        if self.is_burnt:
            raise Killed
        self.steps -= 1


class DyingState(LiveState):
    """Live state of a process with a fuse."""

    fuse: Fuse

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> Any:
        """Die, or do it."""
        self.fuse.burn()
        return super().execute(sql, parameters)


class DyingLog(DecisionLog):
    """The decision log of a process with a fuse: it dies before a batch, or right after it."""

    fuse: Fuse

    def append(self, *records: Mapping[str, Any]) -> None:
        """Die, do it, and perhaps die then."""
        self.fuse.burn()
        super().append(*records)
        self.fuse.burn()


@dataclass
class BreakingSink:
    """Interrupts the answer at some piece, by Ctrl-C or by death."""

    fuse: Fuse
    cancel_at: int | None
    pieces: int = 0

    def delta(self, delta: Delta) -> None:
        """Take a piece of the answer, or not."""
        del delta
        self.pieces += 1
        if self.cancel_at is not None and self.pieces >= self.cancel_at:
            raise KeyboardInterrupt
        if self.pieces % 8 == 0:
            self.fuse.burn()

    def notice(self, text: str) -> None:
        """Nobody listens."""


@dataclass
class Mayhem:
    """Many runs on one budget, some of which are cancelled and some of which die."""

    emulator: WaiEmulator
    state_dir: Path
    rng: random.Random
    limit_usd: Decimal
    dead: set[str] = field(default_factory=set)
    ends: Counter[str] = field(default_factory=Counter)

    @property
    def budget(self) -> Budget:
        """What all runs draw on."""
        return Budget(key="mayhem", limit_usd=self.limit_usd)

    def finish(self, number: int) -> None:
        """Do one run that nothing interrupts."""
        self.run(number, kind="finished")

    def run(self, number: int, *, kind: str | None = None) -> None:
        """Do one run to its end, whatever that is."""
        kind = kind or self.rng.choice(["finished", "cancelled", "killed", "killed"])
        fuse = Fuse(self.rng.randint(0, MOST_STEPS) if kind == "killed" else 10**9)
        cancel_at = self.rng.randint(1, 20) if kind == "cancelled" else None
        clock = SystemClock()
        live = DyingState.open(self.state_dir, clock=clock)
        live.fuse = Fuse(10**9)
        affinity_secret = live.affinity_secret
        live.fuse = fuse
        live.owner = f"{live.owner.rpartition('/')[0]}/{number}"
        log = DyingLog(self.state_dir / "decisions", clock)
        log.fuse = fuse
        try:
            self._send(live, log, BreakingSink(fuse, cancel_at), affinity_secret)
            self.ends["finished"] += 1
        except Killed:
            self.ends["killed"] += 1
        except KeyboardInterrupt:
            self.ends["cancelled"] += 1
        except DeniedError:
            self.ends["refused"] += 1
        except DataError:
            self.ends["failed"] += 1
        finally:
            self.dead.add(live.owner)
            log.close()
            live.close()

    def _send(self, live: LiveState, log: DecisionLog, sink: BreakingSink, secret: bytes) -> None:
        clock = SystemClock()
        gate = Gate(
            Unpoliced(), log, live, clock=clock, actor="t", credential_id="t", keeper=Keeper()
        )
        governance = Governance(
            registry=Unpoliced(),
            gate=gate,
            justification="mayhem",
            wait_s=0,
            budgets=lambda _ask, _at: (self.budget,),
        )
        ask = Ask(
            text="write 40 words",
            model=MODEL,
            tenant="acme",
            workflow="mayhem",
            conversation_id=uuid7(clock.now()),
            max_output_tokens=60,
        )
        execute(
            ask,
            service_of(self.emulator, secret),
            Surroundings(clock=clock, rng=self.rng, prices=PriceBook([built_in()])),
            live,
            sink,
            governance=governance,
        )

    def reconcile(self) -> list[Reconciled]:
        """Settle what is left; every owner but this process is dead."""
        with LiveState.open(self.state_dir, clock=SystemClock()) as live:
            return reconcile(
                live,
                self.state_dir / "decisions",
                lambda _ids: {},
                keeps_unknown=False,
                now=SystemClock().now(),
                alive=lambda owner: owner not in self.dead,
            )

    def spent_usd(self) -> Decimal:
        """What the budget says; asserts that nothing is left set aside."""
        with LiveState.open(self.state_dir, clock=SystemClock()) as live:
            balance = balance_of(live, self.budget)
        assert balance.reserved_usd == 0, f"a phantom: {balance}"
        return balance.spent_usd

    def meter_usd(self) -> Decimal:
        """What the emulator has billed."""
        return Decimal(self.emulator.truth()["totals"]["cost_usd"])


def service_of(emulator: WaiEmulator, affinity_secret: bytes) -> Service:
    """The emulator as a run sees it."""
    return Service(
        target="local",
        base_url=emulator.base_url,
        account_id=emulator.account_id,
        gateway_id=emulator.gateway_id,
        token=emulator.tokens["runtime"],
        limits=Limits(connect_s=10, first_token_s=30, between_chunks_s=30, total_s=60),
        retry=RetryPolicy(
            max_attempts=1,
            max_elapsed_s=30,
            max_cost_usd=Decimal(1),
            base_delay_s=0.01,
            max_delay_s=0.1,
        ),
        idle_ttl_s=1800,
        max_age_s=43200,
        plain_affinity=False,
        affinity_secret=affinity_secret,
    )


def settled(emulator: WaiEmulator, meter: Callable[[], Decimal]) -> Decimal:
    """The meter once the emulator has noticed who hung up: when two looks agree."""
    import time

    last = Decimal(-1)
    while (now := meter()) != last:
        last = now
        time.sleep(0.2)
    return last
