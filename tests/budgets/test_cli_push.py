"""`wai budget plan`, `push` and the rest as an operator calls them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.cli import Wai
from support.guards import CHEAP, MODEL, Gateway, new_gateway, write_budgets
from wai_ops.emulator.testing import WaiEmulator

BUDGETS: dict[str, Any] = {
    "acme": {"scope": {"tenant": ["acme"]}, "limit_usd": 50, "window": "monthly"},
    "day": {
        "per": ["tenant"],
        "alignment": "rolling",
        "limit_usd": "0.5",
        "window": "daily",
    },
}
ALLOW = {"guards": {"unmatched": "allow"}}


@pytest.fixture
def gateway(budget_emulator: WaiEmulator, wai: Wai) -> Iterator[Gateway]:
    with new_gateway(budget_emulator) as found:
        wai.environ.update(found.environ)
        write_budgets(wai.folder, BUDGETS, **ALLOW)
        yield found


def decisions(wai: Wai) -> list[dict[str, Any]]:
    text = (wai.folder / ".wai" / "decisions" / "decisions.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_plan_push_plan_is_empty_and_every_push_is_a_decision(gateway: Gateway, wai: Wai) -> None:
    """Who, which plan, why, and that it ended well."""
    plan = wai("budget", "plan", "-o", "plan.json")
    assert plan.exit_code == 0, plan.stderr
    assert plan.stdout.startswith("gateway default: 3 to create, 0 to change, 0 to delete\n")
    done = wai("budget", "push", "plan.json", "--justification", "CHG-481")
    assert done.exit_code == 0, done.stderr
    again = wai("budget", "plan")
    assert again.stdout.startswith("gateway default: nothing to change\n")
    assert wai("budget", "drift").exit_code == 0
    decision, start, end = decisions(wai)
    saved = json.loads((wai.folder / "plan.json").read_text())
    assert decision["kind"] == "operator_change"
    assert (decision["justification"], decision["request_sha256"]) == ("CHG-481", saved["sha256"])
    assert start["decision_id"] == end["decision_id"] == decision["decision_id"]
    assert end["outcome"] == "ok"
    assert decision["role"] == "operator"


def test_a_saved_plan_is_refused_once_the_gateway_moved(gateway: Gateway, wai: Wai) -> None:
    """Never 0 for what was not applied."""
    wai("budget", "plan", "-o", "plan.json")
    gateway.put({"cache_ttl": 9})
    ran = wai("budget", "push", "plan.json")
    assert ran.exit_code == 5
    assert "has changed since the plan was made; nothing was sent" in ran.stderr
    assert gateway.request("GET", "/policies")["result"] == []


def test_a_saved_plan_is_applied_as_it_is_whatever_wai_yaml_says_by_then(
    gateway: Gateway, wai: Wai
) -> None:
    """It was reviewed; what differs since is another plan."""
    assert wai("budget", "plan", "-o", "plan.json").exit_code == 0
    write_budgets(wai.folder, {"acme": BUDGETS["acme"] | {"limit_usd": 70}}, **ALLOW)
    done = wai("budget", "push", "plan.json")
    assert done.exit_code == 0, done.stderr
    amounts = [p["action"].get("amount") for p in gateway.request("GET", "/policies")["result"]]
    assert 50 in amounts
    assert "action.amount: 50 -> 70" in wai("budget", "plan").stdout


def test_drift_is_a_verdict(gateway: Gateway, wai: Wai) -> None:
    """Somebody removes a guard, somebody raises a limit."""
    assert wai("budget", "push", "--yes").exit_code == 0
    policies = gateway.request("GET", "/policies")["result"]
    acme = next(policy for policy in policies if policy["name"] == "wai-acme")
    gateway.request("DELETE", f"/policies/{acme['id']}")
    limits = gateway.settings()["spend_limits"]
    limits["rules"][0]["limit"] = 500
    gateway.put({"spend_limits": limits})
    ran = wai("budget", "drift")
    assert ran.exit_code == 1
    assert "Removed by somebody since the last push: policy wai-acme" in ran.stdout
    assert "limit: 500 -> 0.5" in ran.stdout


def test_without_somebody_to_ask_a_push_needs_yes_or_a_plan(gateway: Gateway, wai: Wai) -> None:
    ran = wai("budget", "push")
    assert ran.exit_code == 2
    assert "say --yes, or apply a saved plan" in ran.stderr
    assert gateway.request("GET", "/policies")["result"] == []


@pytest.mark.parametrize("command", ["push", "rollback", "destroy"])
def test_a_dry_run_changes_nothing(gateway: Gateway, wai: Wai, command: str) -> None:
    if command != "push":
        assert wai("budget", "push", "--yes").exit_code == 0
    before = json.dumps([gateway.settings(), gateway.request("GET", "/policies")])
    ran = wai("budget", command, "--dry-run")
    assert ran.exit_code == 0, ran.stderr
    assert json.dumps([gateway.settings(), gateway.request("GET", "/policies")]) == before


def test_destroy_and_rollback_undo_each_other(gateway: Gateway, wai: Wai) -> None:
    assert wai("budget", "push", "--yes").exit_code == 0
    assert wai("budget", "destroy", "--yes").exit_code == 0
    assert gateway.request("GET", "/policies")["result"] == []
    back = wai("budget", "rollback", "--yes")
    assert back.exit_code == 0, back.stderr
    assert wai("budget", "plan").stdout.startswith("gateway default: nothing to change")


def test_another_state_folder_takes_over_by_name(gateway: Gateway, wai: Wai) -> None:
    """Without it everything of ours is in the way; nothing is touched until then."""
    assert wai("budget", "push", "--yes").exit_code == 0
    wai.environ["WAI_STATE_DIR"] = str(wai.folder / "other")
    lost = wai("budget", "plan")
    assert lost.exit_code == 1
    assert "wai did not make it" in lost.stdout
    taken = wai("budget", "import", "--json")
    assert len(json.loads(taken.stdout)["taken_over"]) == 3
    assert wai("budget", "plan").stdout.startswith("gateway default: nothing to change")


def test_only_the_operator_token_is_looked_at(gateway: Gateway, wai: Wai) -> None:
    """A runtime token cannot stand in; a token without the permission is told which it lacks."""
    operator = wai.environ.pop("WAI_OPERATOR_TOKEN")
    ran = wai("budget", "push", "--yes")
    assert ran.exit_code == 4
    assert "WAI_OPERATOR_TOKEN" in ran.stderr
    wai.environ["WAI_OPERATOR_TOKEN"] = gateway.emulator.tokens["reader"]
    refused = wai("budget", "plan")
    assert refused.exit_code == 4
    assert "AI Gateway: Edit" in refused.stderr
    assert operator not in refused.stderr


def test_what_was_asked_for_and_is_not_possible_is_said(gateway: Gateway, wai: Wai) -> None:
    budgets = {"p": {"limit_usd": 1, "window": "monthly", "enforce": ["spend_limit", "local"]}}
    write_budgets(wai.folder, budgets)
    ran = wai("budget", "plan")
    assert "Asked for, and not possible:" in ran.stdout
    assert "p as spend_limit" in ran.stdout


def test_a_review_in_markdown_cannot_be_broken_out_of(gateway: Gateway, wai: Wai) -> None:
    """Names of others' objects are data."""
    rule = {
        "id": "```\n# owned\x1b[31m",
        "limit": 1,
        "limitType": "cost",
        "window": 60,
        "enabled": True,
    }
    gateway.put({"spend_limits": {"enabled": False, "rules": [rule]}})
    ran = wai("budget", "plan", "--format", "github")
    assert ran.exit_code == 1
    assert "\x1b" not in ran.stdout
    lines = ran.stdout.splitlines()
    fence = next(line for line in lines if line.endswith("diff")).removesuffix("diff")
    assert lines.count(fence) == 1


def test_a_downshift_is_pushed_as_a_route(gateway: Gateway, wai: Wai) -> None:
    budgets = {
        "shift": {
            "scope": {"model": [MODEL]},
            "per": ["workflow"],
            "limit_usd": 1,
            "window": "hourly",
            "action": "downshift",
            "downshift_to": CHEAP,
        }
    }
    write_budgets(wai.folder, budgets)
    assert wai("budget", "push", "--yes").exit_code == 0
    (route,) = gateway.request("GET", "/routes")["data"]["routes"]
    assert route["name"] == "wai-shift"
    assert route["version"]["is_valid"] is True


def test_there_must_be_budgets_and_a_gateway(gateway: Gateway, wai: Wai, tmp_path: Path) -> None:
    write_budgets(wai.folder, {})
    assert "wai.yaml has no budgets" in wai("budget", "plan").stderr
    write_budgets(wai.folder, BUDGETS, gateway="elsewhere")
    wai.environ.pop("WAI_GATEWAY", None)
    ran = wai("budget", "plan")
    assert ran.exit_code == 2
    assert "the account has no gateway elsewhere" in ran.stderr


def test_the_models_that_a_policy_allows_are_enforced_by_the_gateway(
    gateway: Gateway, wai: Wai
) -> None:
    """Also for those who do not go through wai; other workflows are left alone."""
    policies = wai.folder / "policies"
    policies.mkdir()
    policy = {
        "version": 1,
        "policy": "support",
        "policy_version": "2026-11-23.1",
        "workflows": {
            "support": {
                "default_risk": "low",
                "risk": ["low", "medium"],
                "roles": ["runtime"],
                "models": {"low": [CHEAP], "medium": [MODEL]},
            }
        },
    }
    (policies / "support.yaml").write_text(json.dumps(policy))
    write_budgets(wai.folder, {}, guards={"unmatched": "allow", "model_allowlists": True})
    pushed = wai("budget", "push", "--yes")
    assert pushed.exit_code == 0, pushed.stderr
    assert wai("budget", "plan").stdout.startswith("gateway default: nothing to change")
    other = "@cf/meta/llama-3.1-8b-instruct-fp8"
    assert call(gateway, "support", MODEL) == 200
    assert call(gateway, "support", CHEAP) == 200
    assert call(gateway, "support", other) == 403
    assert call(gateway, "elsewhere", other) == 200


def call(gateway: Gateway, workflow: str, model: str) -> int:
    """One call by another client; its status."""
    emulator = gateway.emulator
    answer = httpx.post(
        f"{emulator.base_url}/accounts/{emulator.account_id}/ai/v1/chat/completions",
        json={"model": model, "messages": [{"role": "user", "content": "hello"}]},
        headers={
            "authorization": f"Bearer {emulator.tokens['runtime']}",
            "cf-aig-gateway-id": emulator.gateway_id,
            "cf-aig-metadata": json.dumps({"tenant": "acme", "workflow": workflow}),
        },
        trust_env=False,
    )
    return answer.status_code
