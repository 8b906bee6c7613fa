"""What one attempt of one call truly was: the facts behind analytics, billing and the truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from wai_ops.emulator.decoding import decode_json
from wai_ops.emulator.store import storable

WORKERS_AI = "workers-ai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Whom a call was for, as its sender said, whatever the gateway then made of it."""

    tenant: str = ""
    workflow: str = ""
    prompt: str = ""


NO_LABELS = Labels()


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One attempt, or a request that ended before any: refused, or answered from a cache."""

    at: datetime
    """The end of it, UTC."""
    model: str
    status_code: int
    gateway_id: str | None = None
    """None for a direct call."""
    provider: str = WORKERS_AI
    error_code: int | None = None
    labels: Labels = NO_LABELS
    ends_request: bool = True
    """Whether the client's request ended with it: false for all attempts but the last."""
    attempted: bool = True
    """Whether a model was asked."""
    cached: bool = False
    """Whether the gateway's response cache answered."""
    rate_limited: bool = False
    duration_ms: int = 0
    tokens_in: int = 0
    cached_tokens_in: int = 0
    tokens_out: int = 0
    reasoning_tokens_out: int = 0
    cost_usd: Decimal | None = Decimal(0)
    """None where the price is unknown."""
    neurons: Decimal | None = Decimal(0)
    request_bytes: int = 0
    response_bytes: int = 0
    user_agent: str | None = None
    wholesale: bool = False
    metadata: Mapping[str, Any] | None = None
    """What the gateway kept."""


def sent_labels(header: str | None) -> Labels:
    """The labels in a `cf-aig-metadata` header, also where the gateway's rules lose them."""
    if not header:
        return NO_LABELS
    try:
        sent = decode_json(header)
    except ValueError:
        return NO_LABELS
    return labels_of(sent) if isinstance(sent, dict) else NO_LABELS


def labels_of(metadata: Mapping[str, Any]) -> Labels:
    """The labels among metadata entries."""

    def text(name: str) -> str:
        value = metadata.get(name)
        return storable(value) if isinstance(value, str) else ""

    return Labels(tenant=text("tenant"), workflow=text("workflow"), prompt=text("prompt"))
