"""Decisions that the ledger has: from machines whose decision log is elsewhere, too."""

from dataclasses import dataclass

from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDecision:
    """A row of `policy_decisions.sql`."""

    decision_id: str
    workflow: str | None
    verdict: str
    action: str
    """In one line, its kind first: `tool_call crm.lookup`."""


def ledger_decisions(store: Store, window: Window) -> list[LedgerDecision]:
    """The decisions of a period. Raises DataError."""
    return store.query(LedgerDecision, "policy_decisions", since=window.since, until=window.until)
