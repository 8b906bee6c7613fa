"""AI Gateway log rows for import tests: as the Logs API lists them, with known sums."""

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from wai_ops.core.clock import to_utc_text

START = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)
MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


def gateway_row(number: int, **changes: Any) -> dict[str, Any]:
    """One row; `number` decides its id, time and tokens."""
    read, cached, written = 1000 + number, (number % 5) * 100, 40 + number % 7
    row: dict[str, Any] = {
        "id": f"log-{number:08}",
        "created_at": to_utc_text(START + timedelta(seconds=37 * number)),
        "provider": "workers-ai",
        "model": MODEL,
        "model_type": "text-generation",
        "path": "ai/v1/chat/completions",
        "duration": 900 + number % 100,
        "request_type": "chat",
        "status_code": 200,
        "success": True,
        "cached": False,
        "tokens_in": read,
        "tokens_out": written,
        "cost": 0.000321,
        "custom_cost": False,
        "step": 0,
        "event_id": f"event-{number}",
        "metadata": {
            "tenant": ("acme", "globex", "initech")[number % 3],
            "workflow": "triage",
            "conversation": f"c{number // 4}.{number % 4}.1",
            "prompt": "triage@3",
            "trace": f"run-{number}",
        },
        "usage_metadata": {
            "input_tokens": read,
            "output_tokens": written,
            "total_tokens": read + written,
            "output_reasoning_tokens": 0,
            "input_cached_tokens": cached,
        },
        "timings": {"total": 900.0, "latency": 120.0},
        "feedback": None,
        "score": None,
        "request": "",
        "response": "",
    }
    return row | changes


def ndjson(rows: Iterable[dict[str, Any]]) -> bytes:
    """Rows as JSON lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """A file of rows, packed where its name says so."""
    data = ndjson(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
