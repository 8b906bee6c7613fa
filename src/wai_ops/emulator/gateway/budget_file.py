"""What was spent, across a restart: a small file, written at the end and read at the start.

A killed emulator forgets what was spent since its start, and of several on one folder the last one
to stop is remembered: budgets are rehearsed here, not enforced.
"""

import json
import os
from pathlib import Path

from wai_ops.emulator.gateway.budgets import Budgets

FILE_NAME = "budgets.json"
MAX_BYTES = 64 * 1024 * 1024


def load_budgets(state_dir: Path, budgets: Budgets) -> None:
    """Take over what an earlier server left, if it left anything usable."""
    path = state_dir / FILE_NAME
    try:
        if path.stat().st_size <= MAX_BYTES:
            budgets.restore(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError, AttributeError):
        return  # nothing is spent then


def save_budgets(state_dir: Path, budgets: Budgets) -> None:
    """Leave the counters for the next server. A folder that cannot be written is no error."""
    path = state_dir / FILE_NAME
    draft = path.with_name(f"{FILE_NAME}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(budgets.snapshot(), file, separators=(",", ":"))
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
