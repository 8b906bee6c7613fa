"""The risk tiers of recorded runs, from the decision log: nothing else keeps them."""

import json
from pathlib import Path

from wai_ops.control.decisions.lines import measure, read_lines
from wai_ops.control.policy.action import ActionKind, RiskTier


def recorded_tiers(log: Path) -> dict[str, RiskTier]:
    """Run id -> tier of its decided model calls; empty without a log. Raises DataError.

    Lines that cannot be read are passed over: that is what `wai audit verify` reports.
    """
    tiers = {tier.value: tier for tier in RiskTier}
    found: dict[str, RiskTier] = {}
    mark = f'"{ActionKind.MODEL_CALL.value}"'.encode()
    for line in read_lines(log, measure(log).whole_bytes):
        if mark not in line:
            continue
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("kind") == ActionKind.MODEL_CALL.value:
            tier = tiers.get(str(record.get("risk_tier")))
            run_id = record.get("run_id")
            if tier is not None and isinstance(run_id, str):
                found[run_id] = tier
    return found
