"""`wai budget bound`: as users call it, on recorded calls and in bursts."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from support.cli import Wai
from support.guards import MODEL, Gateway, write_budgets
from wai_ops.core.metadata import Metadata, to_header

BUDGETS: dict[str, dict[str, Any]] = {
    "each-tenant": {"limit_usd": "5", "window": "monthly", "per": ["tenant"]},
    "support": {
        "limit_usd": "1",
        "window": "daily",
        "alignment": "rolling",
        "scope": {"workflow": ["support"]},
        "enforce": ["spend_limit"],
    },
    "told": {"limit_usd": "1", "window": "daily", "action": "alert"},
}


def send(gateway: Gateway, tenants: list[str]) -> None:
    """One call for each, one after the other."""
    emulator = gateway.emulator
    with httpx.Client(trust_env=False, timeout=30) as client:
        for number, tenant in enumerate(tenants):
            labels = Metadata(
                tenant=tenant,
                workflow="support",
                conversation_id=f"c{number}",
                turn_index=0,
                attempt=1,
                prompt_name="triage",
                prompt_version="1",
                trace=f"t{number}",
            )
            answer = client.post(
                f"{emulator.base_url}/accounts/{emulator.account_id}/ai/v1/chat/completions",
                json={"model": MODEL, "messages": [{"role": "user", "content": f"hello {number}"}]},
                headers={
                    "authorization": f"Bearer {emulator.tokens['runtime']}",
                    "cf-aig-gateway-id": emulator.gateway_id,
                    "cf-aig-metadata": to_header(labels),
                },
            )
            assert answer.status_code == 200


@pytest.fixture
def recorded(wai: Wai, gateway: Gateway) -> Wai:
    """Twelve calls within a minute: nine of one tenant."""
    write_budgets(wai.folder, BUDGETS, logs={"hold_back_s": 0})
    wai.environ.update(gateway.environ)
    send(gateway, ["acme"] * 9 + ["globex"] * 3)
    pulled = wai("logs", "pull", "--json")
    assert json.loads(pulled.stdout)["row_count"] == 12, pulled.stderr
    return wai


def test_the_bound_rests_on_the_recorded_calls(recorded: Wai) -> None:
    ran = recorded("budget", "bound", "--json")
    assert ran.exit_code == 0, ran.stderr
    found = json.loads(ran.stdout)
    rows = {row["guard"]: row for row in found["rows"]}
    assert set(rows) == {"policy wai-each-tenant", "spend_rule wai-support", "local each-tenant"}
    policy = rows["policy wai-each-tenant"]
    assert (policy["uncounted_count"], policy["per"]) == (9, "each tenant")
    worst = Decimal(policy["worst_request_usd"])
    assert Decimal(policy["overshoot_usd"]) == 9 * worst > 0
    assert Decimal(policy["after_push_usd"]) == 9 * worst
    assert Decimal(policy["most_usd"]) == 5 + 9 * worst
    rolling = rows["spend_rule wai-support"]
    assert Decimal(rolling["overshoot_usd"]) == 1 + 2 * 12 * worst
    assert Decimal(rows["local each-tenant"]["overshoot_usd"]) == 0
    assert any("12 calls" in note for note in found["notes"])
    assert any(note.startswith("told: nobody is stopped") for note in found["notes"])


def test_every_factor_has_its_source_and_what_it_rests_on(recorded: Wai) -> None:
    ran = recorded("budget", "bound", "--factors", "--format", "jsonl")
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {row["source"] for row in rows} == {
        "measured",
        "prices",
        "assumed",
        "documented",
        "design",
    }
    assert all(row["assumption"] for row in rows)
    ran = recorded("budget", "bound", "--settle-delay", "0", "--format", "jsonl")
    assert json.loads(ran.stdout.splitlines()[0])["uncounted_count"] == 1


def test_without_calls_and_flags_the_bound_is_not_known(wai: Wai) -> None:
    write_budgets(wai.folder, BUDGETS)
    ran = wai("budget", "bound")
    assert ran.exit_code == 0
    assert "no bound: no call of this guard was recorded: say --concurrency" in ran.stderr
    ran = wai("budget", "bound", "--concurrency", "10", "--settle-delay", "0", "--json")
    assert json.loads(ran.stdout)["rows"][0]["uncounted_count"] == 10


@pytest.mark.parametrize("amount", ["nothing", "0", "-1", "nan", "inf"])
def test_an_amount_that_is_none_is_a_usage_error(wai: Wai, amount: str) -> None:
    write_budgets(wai.folder, BUDGETS)
    ran = wai("budget", "bound", f"--worst-request={amount}")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "is no amount in dollars" in ran.stderr


@pytest.mark.parametrize("delay", ["0", "0.5"])
def test_a_burst_of_two_hundred_never_passes_a_guard_by_more_than_its_bound(
    wai: Wai, delay: str
) -> None:
    """By the emulator's own meter; and each guard did refuse."""
    write_budgets(wai.folder, BUDGETS)
    ran = wai(
        *("budget", "bound", "--measure", "--concurrency", "200"),
        *("--settle-delay", delay, "--json"),
        timeout=300,
    )
    assert ran.exit_code == 0, ran.stderr + ran.stdout
    rows = json.loads(ran.stdout)["rows"]
    assert {row["guard"] for row in rows} == {"policy wai-each-tenant", "spend_rule wai-support"}
    for row in rows:
        assert row["client_count"] == 200
        assert row["refused_count"] == 200
        assert 0 < Decimal(row["overshoot_usd"]) <= Decimal(row["bound_usd"])
        assert Decimal(row["spent_usd"]) == Decimal(row["limit_usd"]) + Decimal(
            row["overshoot_usd"]
        )
