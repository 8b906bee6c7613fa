"""What a pull is asked, and what it answers."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from wai_ops.observe.ingest.bodies import BodyChoice
from wai_ops.observe.ledger.pulls import Committed

TARGET_ROWS = 1000
"""Of one window: twenty pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """What to pull."""

    since: datetime | None = None
    until: datetime | None = None
    again: bool = False
    """Also what was read before."""
    bodies: BodyChoice = field(default_factory=BodyChoice)
    parallel: int = 4
    target_rows: int = TARGET_ROWS


@dataclass(slots=True, kw_only=True)
class PullResult:
    """What a pull did. Counts are of this pull alone."""

    gateway_id: str
    source: str
    since: datetime | None = None
    until: datetime | None = None
    """The stretch that it was about; null when all of it is too new to be read."""
    through: datetime | None = None
    """So far the log has been read without a hole."""
    row_count: int = 0
    inserted_count: int = 0
    replaced_count: int = 0
    """Known rows with new content, such as late fields."""
    unchanged_count: int = 0
    duplicate_count: int = 0
    """Rows that pages repeated."""
    late_row_count: int = 0
    """Rows that were not there when their time was read before."""
    late_field_count: int = 0
    pending_count: int = 0
    """Rows that still lack cost or usage; they are read again later."""
    quarantined_count: int = 0
    window_count: int = 0
    verified_count: int = 0
    """Stretches that were counted again, and in which nothing had changed."""
    partial_window_count: int = 0
    """Windows that kept changing while they were read; they are read again later."""
    rated_count: int = 0
    """Rows that got or lost a rating since they were read."""
    body_count: int = 0
    missing_body_count: int = 0
    tool_call_count: int = 0
    request_count: int = 0
    has_usage_metadata: bool = False
    has_timings: bool = False
    """Whether the fields that no published schema has were there."""
    is_sampled: bool = False
    complete_day_count: int = 0
    incomplete_day_count: int = 0
    unknown_day_count: int = 0
    """Of the days that it was about; see `wai logs status`."""
    elapsed_s: Decimal = Decimal(0)
    removed: dict[str, int] = field(default_factory=dict)
    """What redaction removed, by kind."""

    def note(self, committed: Committed) -> None:
        """Add what one commit did."""
        self.through = committed.through
        self.window_count += len(committed.windows)
        self.row_count += sum(window.row_count for window in committed.windows)
        self.pending_count += sum(window.pending_count for window in committed.windows)
        self.late_row_count += committed.late_row_count
        self.late_field_count += committed.late_field_count
        self.body_count += committed.body_count
        self.tool_call_count += committed.tool_call_count
        self.is_sampled |= any(window.is_sampled for window in committed.windows)
        if (ingested := committed.ingested) is not None:
            self.inserted_count += ingested.inserted_count
            self.replaced_count += ingested.replaced_count
            self.unchanged_count += ingested.unchanged_count
            self.duplicate_count += ingested.duplicate_count
            self.quarantined_count += ingested.quarantined_count
            self.has_usage_metadata |= ingested.has_usage_metadata
            self.has_timings |= ingested.has_timings

    def kept(self) -> str:
        """Words for what a pull that ended early leaves behind."""
        kept = f"kept {self.inserted_count:,} new and {self.replaced_count:,} changed rows"
        through = "" if self.through is None else f"; read through {self.through:%F %T} UTC"
        return f"{kept}{through}; the next pull goes on from there"
