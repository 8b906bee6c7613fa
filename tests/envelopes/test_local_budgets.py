"""The budgets of `wai.yaml` hold for every run, in projects with policies and without."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from support.cli import Ran, Wai
from wai_ops.emulator.testing import WaiEmulator

SMALL = "@cf/meta/llama-3.1-8b-instruct-fp8"
LARGE = "@cf/zai-org/glm-5.3-flash"
Govern = Callable[..., Wai]


def told(ran: Ran, exit_code: int = 0) -> dict[str, Any]:
    """The JSON of a run that ended so."""
    assert ran.exit_code == exit_code, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.fixture
def budgeted(wai: Wai, emulator: WaiEmulator) -> Callable[[str], Wai]:
    """A project with budgets and no policies."""
    emulator.reset()
    wai.environ.update(emulator.environ)

    def begin(budgets: str) -> Wai:
        (wai.folder / "wai.yaml").write_text(f'version: "1"\nbudgets:\n{budgets}')
        return wai

    return begin


def test_a_budget_that_is_spent_refuses_with_its_name_and_line(
    budgeted: Callable[[str], Wai], emulator: WaiEmulator
) -> None:
    wai = budgeted("  acme: {limit_usd: 0.0005, window: monthly, scope: {tenant: [acme]}}\n")
    ask = ("run", "--json", "-m", SMALL, "--max-tokens", "1000", "write 1500 words")
    assert wai(*ask, "-t", "acme").exit_code == 0
    refusal = told(wai(*ask, "-t", "acme"), exit_code=5)
    assert refusal["error_type"] == "local_budget"
    assert (refusal["rule"], refusal["where"]) == ("budgets.acme", "wai.yaml:3")
    assert "wai budget status" in refusal["hint"]
    assert wai(*ask, "-t", "other").exit_code == 0, "nobody limits that one"
    assert Decimal(emulator.truth()["totals"]["cost_usd"]) > 0
    [decision] = [
        json.loads(line)
        for line in (wai.folder / ".wai/decisions/decisions.jsonl").read_text().splitlines()
        if '"deny"' in line
    ]
    assert decision["decision_id"] == refusal["decision_id"]


def test_one_call_draws_on_all_the_budgets_that_concern_it(
    budgeted: Callable[[str], Wai],
) -> None:
    wai = budgeted(
        "  whole: {limit_usd: 1, window: monthly}\n"
        "  each: {limit_usd: 1, window: daily, per: [workflow]}\n"
        "  foreign: {limit_usd: 1, window: daily, scope: {tenant: [somebody]}}\n"
    )
    result = told(wai("run", "--json", "-w", "triage", "-m", SMALL, "hello"))
    found = {item["budget_key"]: item["spent_usd"] for item in result["governed"]["budgets"]}
    assert len(found) == 2
    assert "budget:whole" in found
    assert set(found.values()) == {result["cost"]["cost_usd"]}
    assert result["governed"]["policy_version"] == "none"


def test_budgets_hold_beside_the_envelope_of_a_policy(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("per_conversation_usd: 1")
    (wai.folder / "wai.yaml").write_text(
        'version: "1"\nbudgets:\n  tiny: {limit_usd: 0.000001, window: monthly}\n'
    )
    refusal = told(wai("run", "--json", "-w", "support", "hello"), exit_code=5)
    assert refusal["rule"] == "budgets.tiny"
    shown = json.loads(wai("envelope", "show", "--json").stdout)
    assert shown["budgets"] == [], "in all of them or in none"
    assert emulator.truth()["totals"]["requests"] == 0


def test_a_policy_that_observes_takes_nothing_from_the_budgets_of_the_project(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("per_conversation_usd: 0.000001", mode="observe")
    ask = ("run", "--json", "-w", "support", "-m", SMALL, "hello")
    assert told(wai(*ask))["governed"]["would_refuse"], "its own are only watched"
    (wai.folder / "wai.yaml").write_text(
        'version: "1"\nbudgets:\n  tiny: {limit_usd: 0.000001, window: monthly}\n'
    )
    assert told(wai(*ask), exit_code=5)["rule"] == "budgets.tiny"
    preview = told(wai(*ask, "--dry-run"))
    assert preview["governed"]["refusal"].startswith("budgets.tiny: ")
    unpriced = told(wai(*ask, "-m", "@cf/acme/nobody-prices-this"), exit_code=5)
    assert "no price is known" in unpriced["reason"]
    assert emulator.truth()["totals"]["requests"] == 1


def test_a_used_budget_moves_turns_to_a_cheaper_model(govern: Govern) -> None:
    """Budget pressure is a fact of the route: what is set aside counts as used."""
    wai = govern(
        routing=f"""\
      downshift:
        budget_pressure: {{budget_used_above: 0.1, model: "{SMALL}"}}
"""
    )
    policy = wai.folder / "policies" / "support.yaml"
    policy.write_text(policy.read_text().replace(f'low: "{SMALL}"', f'low: "{LARGE}"'))
    (wai.folder / "wai.yaml").write_text(
        'version: "1"\nbudgets:\n  pressed: {limit_usd: 0.002, window: monthly}\n'
    )
    ask = ("run", "--json", "-w", "support", "--max-tokens", "600", "write 800 words")
    first = told(wai(*ask))
    second = told(wai(*ask))
    assert first["requested_model"] == LARGE
    assert second["requested_model"] == SMALL
    assert second["governed"]["route"]["rule"] == "support.routing.downshift.budget_pressure"
