"""The rows of the queries about one prompt's traffic: what is known without opening a ledger."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Reach(StrEnum):
    """How much of a request's input was cached."""

    NONE = "none"
    """Nothing, or the model does not say."""
    PREFIX = "prefix"
    """Up to the prompt's stable prefix: what other conversations left warm."""
    BEYOND = "beyond"
    """More than that: the conversation's own earlier requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTraffic:
    """A row of `prompt_traffic.sql`: requests that a model answered and counted."""

    workflow: str | None
    model: str
    is_basis: bool
    """Of the version that the change is held against."""
    reach: Reach
    call_count: int
    turn_sum: int
    """The turn indexes added up: how many turns came before these requests."""
    cached_turn_sum: int
    """How many turns came before the ends of what was cached: a request that repeats another to
    the last word counts one."""
    history_cached_tokens: int
    """What would be cached after the change, of requests that found more than the prefix."""
    later_count: int
    """Those with a request before them in their conversation."""
    possible_history_tokens: int
    """What these could find of it after the change."""
    reported_count: int
    """Those whose model reports cached tokens."""
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    limited_output_tokens: int
    cut_count: int
    """Answers that ended at the limit of output tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCounts:
    """A row of `prompt_counts.sql`: everything that a workflow sent with the prompt."""

    workflow: str | None
    call_count: int
    request_count: int
    conversation_count: int
    live_conversation_count: int
    gateway_cache_hit_count: int
    uncounted_count: int
    """Failed, or without usage."""
    basis_count: int
    local_count: int
    has_turns: bool
    first_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConversations:
    """A row of `prompt_live.sql`: conversations that may go on, and what of them is warm."""

    workflow: str | None
    model: str
    conversation_count: int
    warm_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionUsage:
    """A row of `prompt_usage.sql`: what a model counted for requests that began conversations."""

    prompt_name: str
    prompt_version: str
    model: str
    call_count: int
    least_input_tokens: int
    most_input_tokens: int
    median_cached_tokens: int | None
    """Of the requests with any."""
    cached_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWarmth:
    """A row of `prompt_warmth.sql`: how often other prompts' conversations find their history."""

    model: str
    later_count: int
    warm_count: int
