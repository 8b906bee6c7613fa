"""What `wai emulator set` does: on a running emulator, or on its folder for the next start."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wai_ops.core.errors import UsageError
from wai_ops.emulator.endpoint import running_endpoint
from wai_ops.emulator.knobs import Knobs, flat
from wai_ops.emulator.knobs_file import live_knobs, parse_yaml, save_changes
from wai_ops.emulator.own_api import call

KNOBS_PATH = "/__wai/knobs"


def parse_assignments(words: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE` words; the values are YAML. Raises UsageError."""
    changes: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"`{word}` is not KEY=VALUE", hint="such as latency.overhead_ms=50")
        changes[key.strip()] = parse_yaml(text, key.strip())
    return changes


def apply(state_dir: Path, changes: Mapping[str, Any], *, reset: bool) -> dict[str, Any]:
    """Reset first, if asked to, then change; without either only look.

    Returns `knobs`, `changed`, `needs_restart` and `is_running`. Raises UsageError or DataError.
    """
    endpoint = running_endpoint(state_dir)
    if endpoint is None:
        return {**_offline(state_dir, changes, reset=reset), "is_running": False}
    told: dict[str, Any] = {}
    if reset:
        told = call(endpoint, "DELETE", KNOBS_PATH)
    if changes:
        told = call(endpoint, "PATCH", KNOBS_PATH, dict(changes))
    if not told:
        told = call(endpoint, "GET", KNOBS_PATH)
    return {"needs_restart": [], **told, "is_running": True}


def _offline(state_dir: Path, changes: Mapping[str, Any], *, reset: bool) -> dict[str, Any]:
    """Nobody runs: what is kept in the folder holds from the next start."""
    if reset:
        save_changes(state_dir, {})
    knobs = live_knobs(state_dir, Knobs())
    if changes:
        knobs.change_all(changes.items())
    return {"knobs": flat(knobs.current), "changed": knobs.changes, "needs_restart": []}
