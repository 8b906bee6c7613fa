"""How a conversation's input grows with checkpoints, and without them.

Baseline: the same 60 turns without checkpoints, on the same emulator, over its socket. Summaries
are as long as real ones: the emulator's script fills a schema with as much as it asks for.

    python benchmarks/conversations.py --turns 60 --every 8

Promises: with checkpoints the total input is a line (no point is further than 6 % of the total
from the best one; without them it is a parabola); the cached share of every 20 turns in a row stays
above 60 %; the estimate of what it would have taken without them is off by at most 5 %. Prints both
conversations; exits 1 when a promise is missed.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import linear_regression

from wai_ops.cloudflare.inference import Limits
from wai_ops.cloudflare.retry import RetryPolicy
from wai_ops.core.clock import SystemClock
from wai_ops.core.prices import PriceBook, built_in
from wai_ops.emulator.server import Endpoint, embedded
from wai_ops.runtime.affinity import affinity_key
from wai_ops.runtime.checkpoint_plan import CheckpointPolicy
from wai_ops.runtime.checkpoint_prompt import BuiltIn, Material, Request
from wai_ops.runtime.conversation_cost import ConversationCost
from wai_ops.runtime.conversation_detail import cost_of_conversation
from wai_ops.runtime.exchange import exchange
from wai_ops.runtime.plan import Service, Surroundings
from wai_ops.runtime.request import Ask
from wai_ops.state.checkpoints import list_checkpoints
from wai_ops.state.conversations import Turn, list_turns
from wai_ops.state.live import LiveState

MODEL = "@cf/zai-org/glm-5.3-flash"
SUMMARY_TOKENS = 300
LINE_ERROR = 0.06
CACHE_TARGET = 0.6
WINDOW = 20
ESTIMATE_ERROR = 0.05


class LongSummaries(BuiltIn):
    """The built-in prompt, with a schema that asks for summaries as long as real ones."""

    def fill(self, material: Material) -> Request:
        """Fill in what is to be summed up."""
        filled = super().fill(material)
        if filled.schema is not None:
            long = {"type": "string", "minLength": SUMMARY_TOKENS}
            filled.schema["properties"]["summary"] = long
        return filled


class Silent:
    """Shows nothing."""

    def delta(self, delta: object) -> None:
        """Take a piece of the answer."""

    def notice(self, text: str) -> None:
        """Take a message about the run."""


@dataclass(frozen=True)
class Held:
    """One conversation and what it took."""

    turns: list[Turn]
    cost: ConversationCost

    @property
    def inputs(self) -> list[int]:
        """Input tokens of each turn."""
        return [turn.input_tokens or 0 for turn in self.turns]


def hold(endpoint: Endpoint, folder: Path, turns: int, policy: CheckpointPolicy | None) -> Held:
    """Hold one conversation to its end."""
    name = "whole" if policy is None else "checked"
    service = Service(
        target="local",
        base_url=endpoint.base_url.rstrip("/"),
        account_id=endpoint.account_id,
        gateway_id=endpoint.gateway_id,
        token=endpoint.tokens["runtime"],
        limits=Limits(connect_s=5, first_token_s=30, between_chunks_s=30, total_s=60),
        retry=RetryPolicy(
            max_attempts=1,
            max_elapsed_s=5,
            max_cost_usd=Decimal(1),
            base_delay_s=0.1,
            max_delay_s=1,
        ),
        idle_ttl_s=3600,
        max_age_s=7200,
        plain_affinity=False,
    )
    around = Surroundings(
        clock=SystemClock(), rng=random.Random(1), prices=PriceBook(snapshots=[built_in()])
    )
    key = affinity_key("bench", "conversations", name)
    with LiveState.open(folder / name, clock=around.clock) as live:
        for number in range(turns):
            ask = Ask(
                text=f"Question {number}: what about item {number * 7919 % 1000} of the list?",
                system="Be brief.",
                model=MODEL,
                tenant="bench",
                workflow="conversations",
                conversation_id=name,
                max_output_tokens=400,
            )
            done = exchange(ask, service, around, live, Silent(), checkpoints=policy)
            if done.finished.reply.failure is not None:
                sys.exit(f"turn {number} failed: {done.finished.reply.failure}")
        found = list_turns(live, key)
        cost = cost_of_conversation(found, list_checkpoints(live, key), around.prices)
    return Held(found, cost)


def line_error(inputs: Sequence[int]) -> float:
    """How far the running total is from its best line at most, as a share of the whole."""
    total = [sum(inputs[: place + 1]) for place in range(len(inputs))]
    slope, start = linear_regression(range(len(total)), total)
    return max(abs(value - slope * n - start) for n, value in enumerate(total)) / total[-1]


def least_cached(turns: Sequence[Turn]) -> float:
    """The smallest cached share of so many turns in a row."""
    shares = []
    for first in range(max(1, len(turns) - WINDOW + 1)):
        some = turns[first : first + WINDOW]
        cached = sum(turn.cached_input_tokens or 0 for turn in some)
        shares.append(cached / sum(turn.input_tokens or 1 for turn in some))
    return min(shares)


def show(name: str, held: Held) -> None:
    """Print one conversation."""
    cost = held.cost
    share = cost.cached_input_tokens / cost.input_tokens
    print(
        f"{name:<20} {cost.input_tokens:>8,} tokens in, {share:6.1%} cached "
        f"(at least {least_cached(held.turns):.1%} of {WINDOW} turns), "
        f"{line_error(held.inputs):5.1%} off a line, last turn {held.inputs[-1]:>6,}, "
        f"${cost.turns_usd + (cost.checkpoints_usd or 0):.6f}"
    )


def main() -> None:
    """Hold both and compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--every", type=int, default=8)
    arguments = parser.parse_args()
    policy = CheckpointPolicy(every_turns=arguments.every, prompt=LongSummaries())
    with tempfile.TemporaryDirectory() as name, embedded(Path(name) / "emulator") as endpoint:
        checked = hold(endpoint, Path(name), arguments.turns, policy)
        whole = hold(endpoint, Path(name), arguments.turns, None)
    show(f"every {arguments.every} turns", checked)
    show("without checkpoints", whole)
    cost = checked.cost
    off = abs(cost.without_input_tokens / whole.cost.input_tokens - 1)
    print(
        f"{'estimate without':<20} {cost.without_input_tokens:>8,} tokens in, {off:.1%} off; "
        f"{cost.made_count} summaries for ${cost.checkpoints_usd:.6f}, "
        f"net saved ${cost.saved_usd or 0:.6f}"
    )
    verdicts = {
        "the total is a line": line_error(checked.inputs) <= LINE_ERROR,
        "the baseline is none": line_error(whole.inputs) > 2 * LINE_ERROR,
        "cached share": least_cached(checked.turns) >= CACHE_TARGET,
        "estimate": off <= ESTIMATE_ERROR,
    }
    for name, is_kept in verdicts.items():
        print(f"{'PASS' if is_kept else 'FAIL'} {name}")
    if not all(verdicts.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
