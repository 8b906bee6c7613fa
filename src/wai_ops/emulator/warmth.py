"""The prefix caches across a restart: a small file, written at the end and read at the start.

It is a cache of a cache. Losing it, or several processes writing it in turn, costs warmth and
nothing else, so a file that cannot be read is passed over and written anew.
"""

import json
import os
from pathlib import Path

from wai_ops.emulator.replicas import Replicas

FILE_NAME = "prefix-cache.json"
MAX_BYTES = 16 * 1024 * 1024


def load_warmth(state_dir: Path, replicas: Replicas, *, now: float = 0.0) -> None:
    """Warm the replicas with what an earlier server left, if it left anything usable.

    `now` is on the clock that the replicas are used with.
    """
    path = state_dir / FILE_NAME
    try:
        if path.stat().st_size <= MAX_BYTES:
            replicas.restore(json.loads(path.read_bytes()), now=now)
    except (OSError, ValueError, TypeError):
        return  # cold then


def save_warmth(state_dir: Path, replicas: Replicas) -> None:
    """Leave the caches for the next server. A folder that cannot be written is no error."""
    path = state_dir / FILE_NAME
    draft = path.with_name(f"{FILE_NAME}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(replicas.snapshot(), file, separators=(",", ":"))
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
