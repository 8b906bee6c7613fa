"""What decisions on model calls say of recorded runs: nothing else keeps tier and used budget."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from wai_ops.control.decisions.lines import measure, read_lines
from wai_ops.control.policy.action import ActionKind, RiskTier

_TIERS: Mapping[str, RiskTier] = {tier.value: tier for tier in RiskTier}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTurn:
    """The facts of one run at the time of its decision."""

    tier: RiskTier
    budget_used_ratio: Decimal | None = None
    """None: there was no limit, or the run was not routed."""


def recorded_turns(log: Path) -> dict[str, RecordedTurn]:
    """Run id -> its facts, from a decision log; empty without one. Raises DataError.

    Lines that cannot be read are passed over: `wai audit verify` reports those. Of several
    decisions on one run the last counts.
    """
    found: dict[str, RecordedTurn] = {}
    mark = f'"{ActionKind.MODEL_CALL.value}"'.encode()
    for line in read_lines(log, measure(log).whole_bytes):
        if mark not in line:
            continue
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("kind") == ActionKind.MODEL_CALL.value:
            run_id, tier = record.get("run_id"), _TIERS.get(str(record.get("risk_tier")))
            if isinstance(run_id, str) and tier is not None:
                found[run_id] = RecordedTurn(tier=tier, budget_used_ratio=_used(record))
    return found


def _used(record: Mapping[str, Any]) -> Decimal | None:
    route = record.get("route")
    facts = route.get("facts") if isinstance(route, dict) else None
    text = facts.get("budget_used_ratio") if isinstance(facts, dict) else None
    try:
        value = None if text is None else Decimal(str(text))
    except InvalidOperation:
        return None
    return value if value is not None and value.is_finite() else None
