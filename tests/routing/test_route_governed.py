"""Governed runs as they were recorded: the same facts give the same choice again, months later."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.cli import Ran, Wai
from wai_ops.control.policy.action import RiskTier
from wai_ops.control.policy.registry import load_registry
from wai_ops.control.routing.check import models_named
from wai_ops.control.routing.choose import choose
from wai_ops.control.routing.facts import RouteFacts, model_facts
from wai_ops.control.routing.turn import allowed_models
from wai_ops.core.clock import parse_utc
from wai_ops.core.prices import PriceBook, built_in
from wai_ops.emulator.testing import WaiEmulator, wai_emulator

SMALL, LARGE, KIMI = (
    "@cf/meta/llama-3.1-8b-instruct-fp8",
    "@cf/zai-org/glm-5.3-flash",
    "@cf/moonshotai/kimi-k2.6",
)
POLICY = f"""\
version: 1
policy: support
policy_version: "2026-11-23.1"
workflows:
  support:
    default_risk: low
    risk: [low, medium]
    data: [public]
    models:
      low: ["{SMALL}", "{LARGE}", "{KIMI}"]
      medium: ["{LARGE}", "{KIMI}"]
    envelope: {{per_conversation_usd: 0.02}}
    routing:
      models: {{low: "{SMALL}", medium: "{KIMI}"}}
      downshift:
        budget_pressure: {{budget_used_above: 0.25, model: "{LARGE}", tiers: [medium]}}
      fallbacks:
        - {{after: [capacity], models: ["{LARGE}"]}}
"""
RUN = ("run", "-q", "--workflow", "support", "--max-tokens", "600")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Wai, WaiEmulator]]:
    """A project after a new turn, a fallback, a rise of the tier, and pressure on the budget."""
    folder = tmp_path_factory.mktemp("governed")
    (folder / "policies").mkdir()
    (folder / "policies" / "support.yaml").write_text(POLICY)
    (folder / "wai.yaml").write_text('version: "1"\nretry: {max_attempts: 2, base_delay_s: 0.01}\n')
    with wai_emulator() as emulator:
        wai = Wai(folder, dict(emulator.environ))
        sent(wai(*RUN, "-c", "low", "Hello"))
        sent(wai(*RUN, "-c", "low", "--risk", "medium", "Now it matters"))
        busy = {"kind": "status", "status": 429, "code": 3040, "model": SMALL}
        emulator.knobs["faults"] = [busy]
        sent(wai(*RUN, "-c", "busy", "Is anybody there?"))
        emulator.knobs["faults"] = []
        sent(wai(*RUN, "-c", "busy", "And now?"))
        for _ in range(4):
            sent(wai(*RUN, "-c", "long", "--risk", "medium", "write 500 words " * 40))
        yield wai, emulator


def sent(ran: Ran) -> None:
    assert ran.exit_code == 0, ran.stderr


def decisions(wai: Wai) -> list[dict[str, Any]]:
    lines = (wai.folder / ".wai" / "decisions" / "decisions.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [item for item in found if item["type"] == "decision"]


def test_the_runs_went_every_way_that_the_routing_has(recorded: tuple[Wai, WaiEmulator]) -> None:
    ways = {
        item["route"]["rule"].removeprefix("support.routing.") for item in decisions(recorded[0])
    }
    assert ways == {
        "models.low",
        "models.medium",
        "conversation",
        "fallbacks.0",
        "downshift.budget_pressure",
    }


def test_the_recorded_facts_give_the_recorded_choice_again(
    recorded: tuple[Wai, WaiEmulator],
) -> None:
    wai, _ = recorded
    policy = load_registry(wai.folder / "policies", wai.folder).workflow("support")
    assert policy is not None
    assert policy.routing is not None
    prices = PriceBook([built_in()])
    for item in decisions(wai):
        route = item["route"]
        if "tried" in route:
            continue  # chosen after a failure, not by facts alone
        tier, at, told = RiskTier(item["risk_tier"]), parse_utc(item["at"]), route["facts"]
        used, reached = told.pop("budget_used_ratio"), told.pop("conversation_tier")
        facts = RouteFacts(
            risk_tier=tier,
            allowed=allowed_models(policy, tier),
            models={name: model_facts(prices, name, at) for name in models_named(policy.routing)},
            budget_used_ratio=None if used is None else Decimal(used),
            conversation_tier=None if reached is None else RiskTier(reached),
            **told,
        )
        again = choose(policy.routing, facts).to_record()
        assert again | {"facts": None} == route | {"facts": None}
        assert (again["model"], item["policy_version"]) == (item["model"], policy.policy_version)


def test_a_backtest_under_the_same_policies_changes_nothing(
    recorded: tuple[Wai, WaiEmulator],
) -> None:
    wai, emulator = recorded
    ran = wai("route", "backtest", "--json")
    assert ran.exit_code == 0, ran.stderr
    total = json.loads(ran.stdout)["total"]
    assert total["request_count"] == total["as_recorded_count"] == total["compared_count"] == 8
    assert Decimal(total["change_usd"]) == 0
    billed = Decimal(emulator.truth()["totals"]["cost_usd"])
    assert Decimal(total["recorded_cost_usd"]) == Decimal(total["high_cost_usd"]) == billed
    assert "have no recorded tier" not in ran.stderr
    assert "budget pressure" not in ran.stderr


def test_without_its_fallback_a_candidate_would_have_failed_once(
    recorded: tuple[Wai, WaiEmulator],
) -> None:
    wai, _ = recorded
    other = Path(wai.folder) / "without"
    other.mkdir()
    (other / "support.yaml").write_text(POLICY.partition("      fallbacks:")[0])
    ran = wai("route", "backtest", "--candidate", "without", "--json")
    total = json.loads(ran.stdout)["total"]
    assert total["failed_count"] == 1
    assert "not compared: 1 of 8 requests (12.5%) failed" in ran.stderr
