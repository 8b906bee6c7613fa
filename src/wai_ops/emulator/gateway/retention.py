"""How many rows a gateway stores, and what happens to the next one. Pure."""

from dataclasses import dataclass

STOP_INSERTING, DELETE_OLDEST = "STOP_INSERTING", "DELETE_OLDEST"
MAX_ROW_BYTES = 10_000_000
"""A row with larger bodies is not stored at all."""
_CHUNKS = 1000
"""Room is made a thousandth of the limit at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """The limit of one gateway."""

    max_rows: int
    deletes_oldest: bool = False

    @property
    def full_at(self) -> int | None:
        """The number of stored rows from which on no further one is; None: room will be made."""
        return None if self.deletes_oldest else self.max_rows

    @property
    def chunk(self) -> int:
        """How many of the oldest rows go at once."""
        return max(1, self.max_rows // _CHUNKS)


def retention_of(log_management: int | None, strategy: str | None, max_rows: int) -> Retention:
    """A gateway's limit; without one of its own `max_rows`. No strategy: it keeps its oldest."""
    return Retention(max_rows=log_management or max_rows, deletes_oldest=strategy == DELETE_OLDEST)
