"""When a log row and its late fields can be seen. Pure."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from wai_ops.emulator.knobs import Logs
from wai_ops.emulator.times import to_millis_text

ALWAYS = ""
"""Sorts before every time: a row without lag is there whatever the clock does."""
_HIDEABLE = ("cost", "tokens_in", "tokens_out", "usage_metadata", "response_head", "metadata")


def visible_times(logs: Logs, ended_at: datetime, rng: random.Random) -> tuple[str, str]:
    """From when on the row, and from when on its late fields can be seen."""
    row_ms = logs.lag_ms
    if logs.lag_jitter_ms > 0:
        row_ms += rng.uniform(0, logs.lag_jitter_ms)
    return _at(ended_at, row_ms), _at(ended_at, row_ms + logs.late_fields_ms)


def _at(ended_at: datetime, lag_ms: float) -> str:
    return ALWAYS if lag_ms <= 0 else to_millis_text(ended_at + timedelta(milliseconds=lag_ms))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What of one gateway's rows can be seen at one moment."""

    gateway_id: str
    now: datetime
    logs: Logs

    @property
    def arguments(self) -> dict[str, Any]:
        """The values of `seen_logs.sql`."""
        days = self.logs.retention_days
        oldest = "" if days is None else to_millis_text(self.now - timedelta(days=days))
        late = {f"late_{name}": name in self.logs.late_fields for name in _HIDEABLE}
        return {
            "gateway_id": self.gateway_id,
            "now": to_millis_text(self.now),
            "oldest": oldest,
            **late,
            # The flag says that the head is whole, so it is as late as the head at least.
            "late_complete": not {"response_head", "response_head_complete"}.isdisjoint(
                self.logs.late_fields
            ),
        }

    @property
    def metadata_as_text(self) -> bool:
        """Whether metadata is told as JSON text."""
        return self.logs.metadata_encoding == "string"
