"""The ledger's line in `wai doctor`. Looks, and changes nothing."""

import os
from pathlib import Path

from filelock import FileLock, Timeout

from wai_ops.core.errors import DataError
from wai_ops.core.health import Health
from wai_ops.observe.ledger.lock import lock_path, read_holder
from wai_ops.observe.ledger.paths import ledger_path
from wai_ops.observe.ledger.status import SHOW_QUARANTINE, read_held


def check_health(state_dir: Path) -> Health:
    """Say whether the ledger can be opened and written, and whether it holds unreadable facts."""
    path = ledger_path(state_dir)
    if not state_dir.exists():
        return Health("ok", "no ledger yet: the first report makes it")
    if not os.access(state_dir, os.W_OK | os.X_OK):
        return Health(
            "failed",
            f"the state folder {state_dir} cannot be written",
            "make it writable, or set WAI_STATE_DIR to another folder",
        )
    if not path.exists():
        return Health("ok", "no ledger yet: the first report makes it")
    lock = FileLock(lock_path(state_dir), mode=0o600)
    try:
        with lock.acquire(blocking=False):
            held = read_held(state_dir, path)
    except Timeout:
        holder = read_holder(state_dir)
        who = "another process" if holder is None else holder.describe()
        return Health("ok", f"in use by {who}")
    except DataError as error:
        return Health("failed", error.message, error.hint)
    except OSError as error:
        return Health("failed", f"cannot lock the ledger: {error.strerror}", None)
    if held.quarantined_count:
        return Health(
            "warning",
            f"{held.attempt_count} attempts; {held.quarantined_count} facts could not be read",
            f"see: {SHOW_QUARANTINE}",
        )
    return Health("ok", f"{held.attempt_count} attempts")
