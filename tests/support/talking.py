"""Conversations held in this process: the real run path, over a real socket."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from wai_ops.cloudflare.decode import Delta
from wai_ops.cloudflare.inference import Limits
from wai_ops.cloudflare.retry import RetryPolicy
from wai_ops.core.clock import SystemClock
from wai_ops.core.prices import PriceBook, built_in
from wai_ops.runtime.affinity import affinity_key
from wai_ops.runtime.checkpoint_plan import CheckpointPolicy
from wai_ops.runtime.exchange import Exchange, exchange
from wai_ops.runtime.history import sent_text
from wai_ops.runtime.plan import Service, Surroundings
from wai_ops.runtime.request import Ask
from wai_ops.state.checkpoints import Checkpoint, list_checkpoints
from wai_ops.state.conversations import Turn, list_turns
from wai_ops.state.live import LiveState

MODEL = "@cf/zai-org/glm-5.3-flash"
"""A model with a price for cached tokens."""


@dataclass
class Notes:
    """A screen that remembers."""

    said: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def delta(self, delta: Delta) -> None:
        """Take a piece of the answer."""
        self.shown.append(delta.text)

    def notice(self, text: str) -> None:
        """Take a message about the run."""
        self.said.append(text)


@dataclass
class Talk:
    """One conversation, turn by turn."""

    service: Service
    around: Surroundings
    live: LiveState
    policy: CheckpointPolicy | None = None
    conversation_id: str = "c1"
    sink: Notes = field(default_factory=Notes)
    system: str | None = "Be brief."

    @property
    def key(self) -> str:
        """The affinity key."""
        return affinity_key("acme", "support", self.conversation_id)

    def ask(self, text: str, **changes: Any) -> Ask:
        """The question as it would be asked."""
        asked = Ask(
            text=text,
            system=self.system,
            model=MODEL,
            tenant="acme",
            workflow="support",
            conversation_id=self.conversation_id,
            max_output_tokens=400,
        )
        return replace(asked, **changes)

    def say(self, text: str, **changes: Any) -> Exchange:
        """One exchange."""
        return exchange(
            self.ask(text, **changes),
            self.service,
            self.around,
            self.live,
            self.sink,
            checkpoints=self.policy,
        )

    @property
    def turns(self) -> list[Turn]:
        """Every turn so far."""
        return list_turns(self.live, self.key)

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """Every checkpoint so far, whatever became of it."""
        return list_checkpoints(self.live, self.key)

    def sent(self, index: int) -> str:
        """The message text that a turn sent, by what is stored."""
        return sent_text(self.turns, index, self.checkpoints)


@contextmanager
def talk_with(
    base_url: str,
    state_dir: Path,
    *,
    account_id: str = "0" * 32,
    token: str = "test-runtime-token-0123456789",
    clock: Any = None,
    conversation_id: str = "c1",
    policy: CheckpointPolicy | None = None,
    secret: bytes | None = b"tests",
) -> Iterator[Talk]:
    """A conversation with whoever answers at `base_url`."""
    clock = clock or SystemClock()
    service = Service(
        target="local",
        base_url=base_url.rstrip("/"),
        account_id=account_id,
        gateway_id="default",
        token=token,
        limits=Limits(connect_s=5, first_token_s=20, between_chunks_s=20, total_s=60),
        retry=RetryPolicy(
            max_attempts=1,
            max_elapsed_s=5,
            max_cost_usd=Decimal(1),
            base_delay_s=0.01,
            max_delay_s=0.02,
        ),
        idle_ttl_s=3600,
        max_age_s=7200,
        plain_affinity=False,
        affinity_secret=secret,
    )
    around = Surroundings(
        clock=clock, rng=random.Random(1), prices=PriceBook(snapshots=[built_in()])
    )
    with LiveState.open(state_dir, clock=clock) as live:
        yield Talk(service, around, live, policy, conversation_id)
