"""Settling what processes left behind: by the evidence there is, and in full where there is none.

The evidence, strongest first. The decision log: an attempt without leave was never sent, and the
end of an action says what it cost. The ledger: the gateway's own row for the attempt, once it has
been pulled. Without any, the attempt may have been billed, so all that was set aside is charged.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from wai_ops.control.decisions.actions import NOT_STARTED, REFUSED, Told, actions_of, to_money
from wai_ops.control.decisions.lines import measure, read_lines
from wai_ops.control.decisions.log import FILE_NAME
from wai_ops.control.decisions.record import Outcome
from wai_ops.core.clock import parse_utc
from wai_ops.core.money import CostState
from wai_ops.core.table import Unit, col
from wai_ops.state.live import LiveState
from wai_ops.state.owner import is_alive
from wai_ops.state.reservations import Reservation, list_reservations, settle

_EXACT = frozenset({CostState.METERED.value, CostState.CONFIRMED.value, CostState.NONE.value})
Costs = Callable[[Collection[str]], Mapping[str, Decimal]]
"""Attempt ids -> dollars, of those whose cost the ledger knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What became of one reservation."""

    attempt_id: str = col("Attempt")
    budgets: str = col("Budgets")
    reserved_at: datetime = col("Since", Unit.TIME)
    reserved_usd: Decimal = col("Set aside", Unit.USD)
    charged_usd: Decimal | None = col("Charged", Unit.USD)
    """Null: it stays set aside."""
    outcome: str = col("Outcome")
    """`released`, `charged`, `charged in full` or `kept`."""
    evidence: str = col("Evidence")


@dataclass(frozen=True, slots=True)
class _Found:
    charged_usd: Decimal | None
    """None: there is no evidence."""
    evidence: str


def reconcile(
    live: LiveState,
    log_folder: Path,
    costs: Costs,
    *,
    keeps_unknown: bool,
    now: datetime,
    alive: Callable[[str], bool] = is_alive,
) -> list[Reconciled]:
    """Settle what dead processes, and calls without a price, have set aside.

    `keeps_unknown`: what there is no evidence for stays set aside, because the gateway's rows may
    still come. Raises DataError.
    """
    live.reconcile(alive)
    left = _by_attempt(item for item in list_reservations(live) if item.state == "unknown")
    if not left:
        return []
    evidence = _from_log(log_folder, left)
    open_ids = [attempt_id for attempt_id in left if attempt_id not in evidence]
    evidence |= {
        attempt_id: _Found(usd, "the ledger: the gateway's row, or what the call itself told")
        for attempt_id, usd in (costs(open_ids) if open_ids else {}).items()
    }
    rows = []
    with live.write():
        for attempt_id, reservations in left.items():
            found = evidence.get(attempt_id)
            first = reservations[0]
            charged = None if found is None else found.charged_usd
            if found is None and not keeps_unknown:
                charged = first.amount_usd
            if charged is not None:
                settle(live, attempt_id, charged, now=now)
            rows.append(
                Reconciled(
                    attempt_id=attempt_id,
                    budgets=", ".join(item.budget_key for item in reservations),
                    reserved_at=first.reserved_at,
                    reserved_usd=first.amount_usd,
                    charged_usd=charged,
                    outcome=_outcome(found, charged),
                    evidence="none: it may have been billed" if found is None else found.evidence,
                )
            )
    return rows


def _outcome(found: _Found | None, charged: Decimal | None) -> str:
    if charged is None:
        return "kept"
    if found is None:
        return "charged in full"
    return "charged" if charged else "released"


def _by_attempt(reservations: Iterable[Reservation]) -> dict[str, list[Reservation]]:
    found: dict[str, list[Reservation]] = {}
    for item in reservations:
        found.setdefault(item.reservation_id, []).append(item)
    return found


def _from_log(folder: Path, left: Mapping[str, list[Reservation]]) -> dict[str, _Found]:
    """What the decision log says of the attempts; those it says nothing of are left out."""
    run_ids = {items[0].run_id for items in left.values()}
    told = {
        str(action.decision.get("attempt_id")): action
        for action in actions_of(folder, run_ids=run_ids)
    }
    begins = _begins_at(folder)
    found = {}
    for attempt_id, items in left.items():
        action = told.get(attempt_id)
        if action is not None:
            if (judged := _judged(action)) is not None:
                found[attempt_id] = judged
        # That a log says nothing means something only where it goes back that far.
        elif begins is not None and begins <= items[0].reserved_at:
            found[attempt_id] = _Found(Decimal(0), "the decision log: it was never let through")
    return found


def _judged(action: Told) -> _Found | None:
    if action.outcome in (REFUSED, NOT_STARTED):
        return _Found(Decimal(0), f"decision {action.decision_id}: {action.outcome}")
    end = action.end
    if end is None:
        return None
    if end["outcome"] == Outcome.CANCELLED and end.get("error_type") == "local_state":
        return _Found(Decimal(0), f"decision {action.decision_id}: never sent")
    usd = to_money(end.get("cost_usd"))
    if usd is None or end.get("cost_state") not in _EXACT:
        return None
    return _Found(usd, f"decision {action.decision_id}: its end says what it cost")


def _begins_at(folder: Path) -> datetime | None:
    """When the first record of the log was written; None: there is none that can be read."""
    import json

    path = folder / FILE_NAME
    for line in read_lines(path, measure(path).whole_bytes):
        try:
            return parse_utc(json.loads(line)["at"])
        except (ValueError, KeyError, TypeError):
            return None
    return None
