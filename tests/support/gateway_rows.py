"""Gateway log rows for ledger tests: shaped as the Logs API lists them, loaded by the ingest."""

import gzip
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from support.facts import NOON, ManualClock
from wai_ops.core.clock import to_utc_text
from wai_ops.core.prices import PriceBook, Snapshot, built_in, model_from_json
from wai_ops.observe.ledger.database import open_ledger_file, transaction
from wai_ops.observe.ledger.gateway import Batch, Ingested, ingest_rows
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.redact.engine import Redactor

MODEL = "@cf/zai-org/glm-5.3"
PRICES = PriceBook([built_in()])


def log_row(number: int, **changes: Any) -> dict[str, Any]:
    """One row with its own ids; `changes` say what is special about it."""
    row: dict[str, Any] = {
        "id": f"log-{number}",
        "created_at": to_utc_text(NOON + timedelta(seconds=number)),
        "provider": "workers-ai",
        "model": MODEL,
        "model_type": "text-generation",
        "path": "/v1/chat/completions",
        "duration": 1500,
        "request_type": "chat",
        "request_content_type": "application/json",
        "response_content_type": "application/json",
        "status_code": 200,
        "success": True,
        "cached": False,
        "tokens_in": 1000,
        "tokens_out": 50,
        "cost": 0.00162,
        "custom_cost": False,
        "metadata": metadata(number),
        "step": 0,
        "event_id": f"event-{number}",
        "usage_metadata": {
            "input_tokens": 1000,
            "output_tokens": 50,
            "total_tokens": 1050,
            "output_reasoning_tokens": 0,
            "input_cached_tokens": 0,
        },
        "timings": {"total": 1500, "latency": 300},
        "user_agent": "agent/1",
        "feedback": None,
        "score": None,
        "wholesale": False,
        "byok": None,
        "dlp_action": None,
        "request": "",
        "response": "",
    }
    return row | changes


def metadata(number: int, **changes: str) -> dict[str, str]:
    """The five keys, in step with `support.facts.attempt`."""
    keys = {
        "tenant": "acme",
        "workflow": "triage",
        "conversation": "c1.0.1",
        "prompt": "triage@3",
        "trace": f"run-{number}",
    }
    return keys | changes


def write_rows(path: Path, rows: Iterable[dict[str, Any] | str]) -> Path:
    """Write rows, or lines as they are, as NDJSON; gzipped when the name says so."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    data = "".join(f"{line}\n" for line in lines).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def ingest(
    state_dir: Path,
    *files: Path,
    prices: PriceBook = PRICES,
    redactor: Redactor | None = None,
    clock: ManualClock | None = None,
    gateway_id: str | None = "default",
) -> Ingested:
    """Load files as one batch, in a transaction of its own."""
    clock = clock or ManualClock()
    with (
        ledger_lock(state_dir, clock),
        open_ledger_file(state_dir, clock) as connection,
        transaction(connection),
    ):
        return ingest_rows(
            connection,
            state_dir,
            clock,
            Batch(files=files, gateway_id=gateway_id, ingest_source="logs api"),
            prices=prices,
            redactor=redactor or Redactor.build({}, key=b"k" * 32),
        )


def ingest_some(state_dir: Path, *rows: dict[str, Any] | str, **options: Any) -> Ingested:
    """Load rows as one batch."""
    return ingest(state_dir, write_rows(state_dir / "batch.ndjson", rows), **options)


def book(models: Iterable[dict[str, Any]], as_of: str = "2026-01-01") -> PriceBook:
    """A price book of one snapshot."""
    decoded = [model_from_json(item) for item in models]
    return PriceBook([Snapshot(source="catalogue", as_of=as_of, models={m.id: m for m in decoded})])


def exact(cost: float | Decimal) -> Decimal:
    """Twelve places, as the ledger keeps them."""
    return Decimal(str(cost)).quantize(Decimal("0.000000000001"))


def at(second: int) -> datetime:
    """The end of the request of `log_row(second)`."""
    return NOON + timedelta(seconds=second)
