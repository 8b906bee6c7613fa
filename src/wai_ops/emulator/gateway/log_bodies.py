"""The bodies of a logged call, stored beside its row and answered as they were.

A row whose call asked for no payload (`cf-aig-collect-log-payload: false`) has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wai_ops.emulator.store import Statement


@dataclass(frozen=True, slots=True)
class Bodies:
    """What the client sent, and what it was answered, byte for byte."""

    request: bytes
    response: bytes

    def to_statement(self, log_id: str) -> Statement:
        """What stores them."""
        return (
            "insert_log_body",
            {"id": log_id, "request": self.request, "response": self.response},
        )


def stored_body(row: Mapping[str, Any], side: str) -> tuple[bytes, str]:
    """One body and its content type, from `get_log_body.sql`; `side` is request or response."""
    return row[side], row[f"{side}_content_type"] or "application/json"
