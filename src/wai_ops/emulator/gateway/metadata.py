"""What the gateway makes of `cf-aig-metadata`: pure, and as unforgiving as the real one."""

from wai_ops.core.metadata import MAX_ENTRIES
from wai_ops.emulator.decoding import decode_json

_RESERVED = "cf."


def kept_metadata(header: str | None) -> dict[str, str | int | float | bool] | None:
    """The entries that survive; None when there are none, or when one value spoils them all.

    Reserved keys are taken out; a null or nested value anywhere loses everything; then the first
    five stay and the rest is dropped without a word.
    """
    if header is None:
        return None
    try:
        entries = decode_json(header)
    except ValueError:
        return None
    if not isinstance(entries, dict):
        return None
    own = {key: value for key, value in entries.items() if not key.startswith(_RESERVED)}
    if any(value is None or isinstance(value, dict | list) for value in own.values()):
        return None
    return dict(list(own.items())[:MAX_ENTRIES]) or None
