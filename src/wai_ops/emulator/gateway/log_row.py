"""One gateway log row: what is stored, and what the API shows of it. Pure."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

COLO = "LOC"
"""There is no such data centre: it marks rows and answers that never left the machine."""
HEAD_CHARACTERS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """The columns of `log`, in the words of the API. `created_at` is the end of the request."""

    id: str
    gateway_id: str
    event_id: str
    created_at: str
    model: str
    path: str
    status_code: int
    duration: int
    """Milliseconds from the request's arrival to the end of its answer."""
    latency: int
    """Milliseconds to the first part of the answer."""
    request_size: int
    response_size: int
    request_head: str
    response_head: str
    response_content_type: str
    success: bool
    request_content_type: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cached_tokens_in: int | None = None
    reasoning_tokens_out: int | None = None
    cost: Decimal | None = None
    metadata: dict[str, Any] | None = None
    user_agent: str | None = None
    provider: str = "workers-ai"
    model_type: str | None = "text-generation"
    request_type: str | None = None
    cached: bool = False
    custom_cost: bool = False
    step: int = 0
    authentication: bool = True
    wholesale: bool = False
    feedback: int | None = None
    score: float | None = None

    def to_columns(self) -> dict[str, Any]:
        """The values of `insert_log.sql`."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["cost"] = None if self.cost is None else format(self.cost, "f")
        values["metadata"] = None if self.metadata is None else json.dumps(self.metadata)
        return values


_FLAGS = ("success", "cached", "custom_cost", "authentication", "wholesale")
_PLAIN = (
    "id",
    "created_at",
    "provider",
    "model",
    "model_type",
    "path",
    "duration",
    "request_type",
    "request_content_type",
    "response_content_type",
    "status_code",
    "tokens_in",
    "tokens_out",
    "step",
    "event_id",
    "user_agent",
    "feedback",
    "score",
)


def to_list_item(row: Any) -> dict[str, Any]:
    """A stored row as the list shows it, with the fields that no published schema has."""
    shown = {name: row[name] for name in _PLAIN}
    shown |= {name: bool(row[name]) for name in _FLAGS}
    tokens_in, tokens_out = row["tokens_in"], row["tokens_out"]
    counted = tokens_in is not None and tokens_out is not None
    return shown | {
        "cost": None if row["cost"] is None else float(row["cost"]),
        "metadata": None if row["metadata"] is None else json.loads(row["metadata"]),
        "usage_metadata": {
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
            "output_reasoning_tokens": row["reasoning_tokens_out"] or 0,
            "input_cached_tokens": row["cached_tokens_in"] or 0,
        }
        if counted
        else None,
        "timings": {"total": row["duration"], "latency": row["latency"]},
        "location": {"region": "local", "colo": COLO},
        "byok": None,
        "dlp_action": None,
        "dlp_profiles": None,
        "guardrails": None,
        "prompts": None,
        "request": "",
        "response": "",
    }


def to_detail(row: Any) -> dict[str, Any]:
    """A stored row as a single read shows it: with sizes and the first part of both bodies."""
    return to_list_item(row) | {
        "request_size": row["request_size"],
        "response_size": row["response_size"],
        "request_head": row["request_head"],
        "request_head_complete": row["request_size"] <= HEAD_CHARACTERS,
        "response_head": row["response_head"],
        "response_head_complete": row["response_size"] <= HEAD_CHARACTERS,
    }
