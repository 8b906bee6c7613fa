"""Traffic that is assumed where the ledger has none: `requests=1000,output=200,cached=0.9`."""

import re
from dataclasses import dataclass
from decimal import Decimal

from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line
from wai_ops.observe.reports.prompt_rows import LiveConversations, PromptTraffic, Reach
from wai_ops.prompts.diff import VersionDiff
from wai_ops.prompts.tokens import whole_blocks

MONTH_S = 30 * 86400
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?\Z", re.ASCII)
_KEYS = ("requests", "conversations", "live", "output", "cached")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """Traffic of a month of 30 days."""

    requests: int
    conversations: int
    live: int | None
    """Conversations that go on at any time; None: by how long a session lives."""
    output: int
    """Tokens of an answer."""
    cached: Decimal
    """Of what can be cached, the share that is; 0 to 1."""


def parse_assumed(text: str) -> Assumed:
    """Read `key=number` pairs with commas between. Raises UsageError."""
    found: dict[str, Decimal] = {}
    for pair in text.split(","):
        key, _, value = (part.strip() for part in pair.partition("="))
        if key not in _KEYS or not _NUMBER.match(value) or key in found:
            raise UsageError(
                f"--assume {one_line(pair, 60)!r} is none of its pairs",
                hint=f"keys: {', '.join(_KEYS)}; such as requests=1000,cached=0.9",
            )
        found[key] = Decimal(value)
    if not found.get("requests"):
        raise UsageError("--assume needs requests=NUMBER, of a month")
    cached = found.get("cached", Decimal(0))
    if cached > 1:
        raise UsageError("--assume cached= is a share between 0 and 1")
    requests = int(found["requests"])
    conversations = int(found.get("conversations", requests))
    if not 1 <= conversations <= requests:
        raise UsageError("--assume conversations= is between 1 and requests")
    return Assumed(
        requests=requests,
        conversations=conversations,
        live=int(found["live"]) if "live" in found else None,
        output=int(found.get("output", 0)),
        cached=cached,
    )


def assumed_traffic(
    assumed: Assumed, diff: VersionDiff, model: str, *, output_limit: int | None
) -> list[PromptTraffic]:
    """The rows that the ledger would have of such traffic.

    Each turn of a conversation carries the turns before it: their messages and answers.
    """
    tokens = diff.tokens
    first = assumed.conversations
    later = assumed.requests - first
    # Every conversation has the same number of turns, or one more than others.
    turns, longer = divmod(assumed.requests, first)
    turn_sum = first * turns * (turns - 1) // 2 + longer * turns
    growth = tokens.before_turn_tokens + assumed.output
    first_hits = int(first * assumed.cached) if diff.prefix.before_cacheable_tokens else 0
    later_hits = int(later * assumed.cached)
    prefix = diff.prefix.before_cacheable_tokens
    mean_turn = Decimal(turn_sum) / later if later else Decimal(0)
    history = int(tokens.before_tokens + (mean_turn - 1) * growth) if later else 0
    parts: list[tuple[Reach, int, Decimal, int]] = [
        (Reach.NONE, first - first_hits, Decimal(0), 0),
        (Reach.PREFIX, first_hits, Decimal(0), prefix),
        (Reach.NONE, later - later_hits, mean_turn, 0),
        (Reach.BEYOND, later_hits, mean_turn, whole_blocks(history, diff.prefix.block_tokens)),
    ]
    limit = assumed.output if output_limit is None else min(assumed.output, output_limit)
    return [
        PromptTraffic(
            workflow=None,
            model=model,
            is_basis=True,
            reach=reach,
            call_count=count,
            turn_sum=int(count * turn),
            cached_turn_sum=int(count * turn),
            history_cached_tokens=count * (cached + tokens.opening_delta_tokens)
            + int(count * turn) * tokens.turn_delta_tokens,
            later_count=count if turn else 0,
            possible_history_tokens=count * whole_blocks(history, diff.prefix.block_tokens)
            if turn
            else 0,
            reported_count=count,
            input_tokens=count * tokens.before_tokens + int(count * turn) * growth,
            cached_input_tokens=count * cached,
            output_tokens=count * assumed.output,
            limited_output_tokens=count * limit,
            cut_count=0,
        )
        for reach, count, turn, cached in parts
        if count
    ]


def assumed_live(
    assumed: Assumed, rows: list[PromptTraffic], model: str, *, idle_ttl_s: float
) -> LiveConversations | None:
    """The conversations that go on at any time; None where each has one request."""
    if assumed.requests == assumed.conversations:
        return None
    live = assumed.live
    if live is None:
        live = int(assumed.conversations * idle_ttl_s / MONTH_S)
    mean_input = sum(row.input_tokens for row in rows) // assumed.requests
    return LiveConversations(
        workflow=None, model=model, conversation_count=live, warm_tokens=live * mean_input
    )
