"""Times as the API writes them: ISO 8601, UTC, milliseconds."""

from datetime import UTC, datetime


def to_millis_text(at: datetime) -> str:
    """The one spelling in answers and in the store; equal lengths, so that text sorts by time."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_unix_seconds(text: str) -> int:
    """The other spelling: whole seconds since 1970, from the first one."""
    return int(datetime.fromisoformat(text).timestamp())
