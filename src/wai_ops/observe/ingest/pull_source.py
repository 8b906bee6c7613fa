"""The interface behind which both of Cloudflare's log systems are read, window by window."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec

from wai_ops.observe.ingest.windows import Span
from wai_ops.observe.ledger.pull_rows import RawRow


class RowKey(msgspec.Struct, gc=False):
    """The members of a row that reading needs; all others pass through as bytes."""

    id: str
    created_at: datetime
    success: bool | None = None
    status_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer: rows as bytes, each without line breaks; their keys beside them."""

    rows: Sequence[RawRow]
    keys: Sequence[RowKey | None]
    """None: the row could not be understood; it goes on as it is."""
    total: int | None
    """How many rows the source says the query finds; None where it does not say."""
    is_sampled: bool = False
    """The source may have left rows out."""


class LogSource(Protocol):
    """One gateway's log."""

    @property
    def name(self) -> str:
        """What rows and windows are marked with, such as `logs api`."""
        ...

    def pages(self, span: Span) -> Iterator[Page]:
        """Read a window once, from its first page to its last; rows at its end may be beyond it.

        Raises ApiError and ApiAccessError.
        """
        ...

    def count(self, span: Span) -> int | None:
        """How many rows there are from `since` to `until`, both included; one request.

        None where the source cannot count.
        """
        ...

    def with_feedback(self, span: Span, feedback: int) -> Iterator[Page]:
        """Rows of a window that were rated so (1 or -1)."""
        ...

    def body(self, log_id: str, kind: str) -> bytes | None:
        """A stored `request` or `response`; None when there is none."""
        ...


_AT = msgspec.json.Decoder(RowKey)


def key_of(row: RawRow) -> RowKey | None:
    """Decode what reading needs of a row; None when it is not there."""
    try:
        return _AT.decode(row)
    except (msgspec.MsgspecError, ValueError):
        return None
