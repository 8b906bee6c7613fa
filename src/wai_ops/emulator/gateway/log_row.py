"""One gateway log row: what is stored, and what the API shows of it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
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
    response_content_type: str
    success: bool
    request_head: str = ""
    response_head: str = ""
    request_content_type: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cached_tokens_in: int | None = None
    reasoning_tokens_out: int | None = None
    cost: Decimal | None = None
    metadata: Mapping[str, Any] | None = None
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
    compatibility_mode: bool = False
    byok: str | None = None
    dlp_action: str | None = None
    dlp_profiles: list[str] | None = None
    guardrails: Mapping[str, Any] | None = None
    prompts: Mapping[str, Any] | None = None
    visible_at: str = ""
    """From when on it can be seen; empty: always."""
    fields_at: str = ""
    """From when on its cost, usage and response head can be seen."""

    def to_columns(self, *, full_at: int | None = None) -> dict[str, Any]:
        """The values of `insert_log.sql`; `full_at` rows in the gateway and it is not stored."""
        values = dict(zip(self.__slots__, _COLUMNS(self), strict=True))
        values["cost"] = None if self.cost is None else format(self.cost, "f")
        for name in _ENCODED:
            if values[name] is not None:
                values[name] = json.dumps(values[name])
        values["full_at"] = full_at
        return values


_COLUMNS = attrgetter(*LogRow.__slots__)
_ENCODED = ("metadata", "dlp_profiles", "guardrails", "prompts")
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
    "byok",
    "dlp_action",
)


def to_list_item(row: Any, *, metadata_as_text: bool = False) -> dict[str, Any]:
    """A seen row as the list shows it, with the fields that no published schema has."""
    shown = {name: row[name] for name in _PLAIN}
    shown |= {name: bool(row[name]) for name in _FLAGS}
    for name in _ENCODED:
        keep_text = metadata_as_text and name == "metadata"
        shown[name] = row[name] if keep_text or row[name] is None else json.loads(row[name])
    tokens_in, tokens_out = row["usage_in"], row["usage_out"]
    counted = tokens_in is not None and tokens_out is not None
    return shown | {
        "cost": None if row["cost"] is None else float(row["cost"]),
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
        "request": "",
        "response": "",
    }


def to_detail(row: Any, *, metadata_as_text: bool = False) -> dict[str, Any]:
    """A seen row as a single read shows it: with sizes and the first part of both bodies."""
    request, response = row["request_head"], row["response_head"]
    return to_list_item(row, metadata_as_text=metadata_as_text) | {
        "request_size": row["request_size"],
        "response_size": row["response_size"],
        "request_head": request,
        "request_head_complete": _is_whole(request, row["request_size"]),
        "response_head": response,
        "response_head_complete": _is_whole(response, row["response_size"])
        if row["has_response_flag"]
        else None,
    }


def _is_whole(head: str | None, size: int) -> bool:
    """Whether the head is all there is: late or dropped bodies have none."""
    return head is not None and bool(head or not size) and size <= HEAD_CHARACTERS


def head_of(body: bytes) -> str:
    """The first part of a body, as the row carries it."""
    return body[:HEAD_CHARACTERS].decode("utf-8", "replace")
