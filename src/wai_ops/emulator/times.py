"""Times as the API writes them: ISO 8601, UTC, milliseconds."""

from datetime import UTC, datetime


def to_millis_text(at: datetime) -> str:
    """The one spelling in answers and in the store; equal lengths, so that text sorts by time."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
