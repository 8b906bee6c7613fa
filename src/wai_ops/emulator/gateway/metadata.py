"""What the gateway makes of `cf-aig-metadata`: pure, and as unforgiving as the real one."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

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
    return keep_metadata(entries) if isinstance(entries, dict) else None


def keep_metadata(entries: Mapping[str, Any]) -> dict[str, str | int | float | bool] | None:
    """The same for entries that are decoded already."""
    own = {key: value for key, value in entries.items() if not key.startswith(_RESERVED)}
    if not all(map(_is_plain, own.values())):
        return None
    return dict(list(own.items())[:MAX_ENTRIES]) or None


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)  # 1e999 is JSON, and yet no number that could be told again
    return isinstance(value, str | int)
