"""Forgetting what gateways said before a time: log rows, bodies, raw rows kept of them."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.observe.ledger.database import open_ledger_file, transaction, translated
from wai_ops.observe.ledger.gateway import prune, refresh_rollups
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.paths import ledger_path
from wai_ops.observe.ledger.progress import Progress, ignore_progress
from wai_ops.observe.ledger.raw import prune_raw


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneResult:
    """What went, or in a dry run what would go."""

    before: datetime
    gateway_only_count: int
    """Calls that only a gateway told of."""
    parted_count: int
    """Calls that a client recorded too: they stay, without the gateway's words."""
    body_count: int
    is_dry_run: bool

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing that old."""
        return not (self.gateway_only_count or self.parted_count or self.body_count)


class _NotForGood(Exception):  # noqa: N818 - no error: it ends a transaction that only looks
    """Rolls back."""


def prune_logs(
    state_dir: Path,
    clock: Clock,
    before: datetime,
    *,
    is_dry_run: bool,
    progress: Progress = ignore_progress,
) -> PruneResult:
    """Remove what is older, all or nothing; in a dry run nothing. Raises DataError."""
    with (
        ledger_lock(state_dir, clock, progress=progress),
        open_ledger_file(state_dir, clock) as connection,
        translated(ledger_path(state_dir)),
    ):
        try:
            with transaction(connection):
                pruned = prune(connection, before)
                if is_dry_run:
                    raise _NotForGood  # noqa: TRY301 - the transaction has to see it
        except _NotForGood:
            pass
        else:
            prune_raw(connection, state_dir, before)
            refresh_rollups(connection, clock)
    return PruneResult(
        before=before,
        gateway_only_count=pruned.gateway_only_count,
        parted_count=pruned.parted_count,
        body_count=pruned.body_count,
        is_dry_run=is_dry_run,
    )
