"""The observed traffic of one prompt: what a change of it is priced at."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store
from wai_ops.observe.reports.prompt_rows import (
    LiveConversations,
    ModelWarmth,
    PromptCounts,
    PromptTraffic,
    Reach,
    VersionUsage,
)

MOST_VERSIONS = 200
"""Versions whose usage is read for learning how long a token is."""
USAGE_DAYS = 90
"""How far back usage is read: a tokenizer does not change, but ledgers grow."""
_EVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def read_usage(
    store: Store, name: str, models: Sequence[str], until: datetime
) -> list[VersionUsage]:
    """What models counted for this prompt, and for others on the same models. Raises DataError."""
    return store.query(
        VersionUsage,
        "prompt_usage",
        prompt=name,
        models=list(models),
        since=until - timedelta(days=USAGE_DAYS),
        until=until,
        most=MOST_VERSIONS,
    )


def read_traffic(
    store: Store,
    name: str,
    window: Window,
    *,
    version: str | None,
    prefix_tokens: int,
    block_tokens: int,
    opening_delta: int,
    turn_delta: int,
    output_limit: int | None,
) -> list[PromptTraffic]:
    """The requests of a prompt. `prefix_tokens`: no more cached than this is the stable prefix.

    `opening_delta` and `turn_delta` are how many tokens longer another version is, once a
    conversation and with every turn. Raises DataError.
    """
    rows = store.query(
        PromptTraffic,
        "prompt_traffic",
        prompt=name,
        version=version,
        prefix_tokens=prefix_tokens,
        block_tokens=block_tokens,
        opening_delta=opening_delta,
        turn_delta=turn_delta,
        output_limit=output_limit,
        **_ends(window),
    )
    return [replace(row, reach=Reach(row.reach)) for row in rows]


def read_counts(
    store: Store, name: str, window: Window, *, version: str | None, live_since: datetime
) -> list[PromptCounts]:
    """How much there was, by workflow. Raises DataError."""
    return store.query(
        PromptCounts,
        "prompt_counts",
        prompt=name,
        version=version,
        live_since=live_since,
        **_ends(window),
    )


def read_live(
    store: Store,
    name: str,
    window: Window,
    *,
    live_since: datetime,
    block_tokens: int,
    kept_tokens: int,
) -> list[LiveConversations]:
    """Conversations with a request since `live_since`, and their warm tokens. Raises DataError."""
    return store.query(
        LiveConversations,
        "prompt_live",
        prompt=name,
        live_since=live_since,
        block_tokens=block_tokens,
        kept_tokens=kept_tokens,
        **_ends(window),
    )


def read_warmth(store: Store, name: str, window: Window, *, block_tokens: int) -> list[ModelWarmth]:
    """How often conversations of other prompts find their history, by model. Raises DataError."""
    return store.query(
        ModelWarmth, "prompt_warmth", prompt=name, block_tokens=block_tokens, **_ends(window)
    )


def _ends(window: Window) -> dict[str, datetime]:
    assert window.until is not None
    return {"since": window.since or _EVER, "until": window.until}
