"""Backtest against an emulator that enforces the same guards on the same traffic."""

import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

from support.cli import Wai
from support.guards import CHEAP, MODEL, Gateway, new_gateway, write_budgets
from wai_ops.core.metadata import Metadata, to_header
from wai_ops.emulator.testing import WaiEmulator

BUDGETS: dict[str, dict[str, Any]] = {
    "policies": {
        "each-tenant": {
            "per": ["tenant"],
            "limit_usd": "0.0006",
            "window": "monthly",
            "enforce": ["policy"],
        },
        "triage": {
            "scope": {"prompt": ["triage"], "model": [MODEL, CHEAP]},
            "per": ["model"],
            "limit_usd": "0.0009",
            "window": "weekly",
            "enforce": ["policy"],
        },
    },
    "fixed-windows": {
        "each-workflow": {
            "per": ["workflow"],
            "limit_usd": "0.0008",
            "window": "daily",
            "enforce": ["spend_limit"],
        },
        "acme": {
            "scope": {"tenant": ["acme"], "workflow": ["support"]},
            "limit_usd": "0.0003",
            "window": "daily",
            "enforce": ["spend_limit"],
        },
    },
    "default-deny": {
        "acme": {
            "scope": {"tenant": ["acme", "globex"], "prompt": ["triage@3"]},
            "limit_usd": "0.0009",
            "window": "daily",
            "enforce": ["policy"],
        },
    },
}
BUDGETS["both"] = BUDGETS["policies"] | BUDGETS["fixed-windows"]


@dataclass(frozen=True)
class Sent:
    """One call, as it is sent both times."""

    number: int
    labels: Metadata
    model: str
    words: int


def traffic(count: int, seed: int = 3) -> list[Sent]:
    """Calls that share no prefix, so that what is refused changes no other call's cost."""
    rng = random.Random(seed)
    return [
        Sent(
            number,
            Metadata(
                tenant=rng.choice(("acme", "globex", "initech")),
                workflow=rng.choice(("support", "billing")),
                conversation_id=f"c{number}",
                turn_index=0,
                attempt=1,
                prompt_name=rng.choice(("triage", "answer")),
                prompt_version=rng.choice(("2", "3")),
                trace=f"t{number}",
            ),
            rng.choice((MODEL, CHEAP)),
            rng.randrange(20, 400),
        )
        for number in range(count)
    ]


def send(gateway: Gateway, calls: Sequence[Sent], *, workers: int = 1) -> dict[str, int]:
    """Conversation -> status."""
    emulator = gateway.emulator
    url = f"{emulator.base_url}/accounts/{emulator.account_id}/ai/v1/chat/completions"
    with (
        httpx.Client(trust_env=False, timeout=60) as client,
        ThreadPoolExecutor(workers) as pool,
    ):

        def one(each: Sent) -> tuple[str, int]:
            text = f"{each.number} " + " ".join(f"w{each.number}x{i}" for i in range(each.words))
            answer = client.post(
                url,
                json={"model": each.model, "max_tokens": 64, "messages": _messages(text)},
                headers={
                    "authorization": f"Bearer {emulator.tokens['runtime']}",
                    "cf-aig-gateway-id": emulator.gateway_id,
                    "x-session-affinity": f"s{each.number}",
                    "cf-aig-metadata": to_header(each.labels),
                },
            )
            return each.labels.conversation_id, answer.status_code

        return dict(pool.map(one, calls))


def _messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("name", BUDGETS)
def test_the_same_calls_are_refused(budget_emulator: WaiEmulator, wai: Wai, name: str) -> None:
    """All of them and no others: policies and fixed windows are exact."""
    calls = traffic(240)
    unmatched = "deny" if name == "default-deny" else "allow"
    more = {"guards": {"unmatched": unmatched}, "logs": {"hold_back_s": 0}}
    write_budgets(wai.folder, BUDGETS[name], **more)
    wai.environ.update(budget_emulator.environ)
    with new_gateway(budget_emulator) as gateway:
        assert set(send(gateway, calls).values()) == {200}
        pulled = wai("logs", "pull", "--json")
        assert json.loads(pulled.stdout)["row_count"] == len(calls), pulled.stderr
    ran = wai("budget", "backtest", "--native", "--calls", "--json")
    assert ran.exit_code == 0, ran.stderr
    predicted = {row["conversation_id"] for row in json.loads(ran.stdout)["rows"]}
    table = json.loads(wai("budget", "backtest", "--native", "--json").stdout)
    assert sum(row["refused_count"] for row in table["rows"]) == len(predicted)

    with new_gateway(budget_emulator) as gateway:
        pushed = wai("budget", "push", "--yes", "--accept-default-deny")
        assert pushed.exit_code == 0, pushed.stderr
        statuses = send(gateway, calls)
    assert set(statuses.values()) <= {200, 403, 429}
    really = {name for name, status in statuses.items() if status != 200}
    assert predicted == really
    assert 10 < len(really) < len(calls) - 10


def test_rules_that_count_late_differ_by_no_more_than_the_bound(
    budget_emulator: WaiEmulator, wai: Wai
) -> None:
    """Many calls at once, costs seen half a second late: who is refused depends on chance."""
    calls = traffic(160, seed=5)
    delay = {"spend.settle_delay_ms": 500, "latency.overhead_ms": 60}
    budgets = {
        "each": {
            "per": ["tenant"],
            "limit_usd": "0.0004",
            "window": "daily",
            "alignment": "rolling",
            "enforce": ["spend_limit"],
        }
    }
    write_budgets(wai.folder, budgets, logs={"hold_back_s": 0})
    wai.environ.update(budget_emulator.environ)
    with new_gateway(budget_emulator) as gateway, budget_emulator.knobs.changed(delay):
        assert set(send(gateway, calls, workers=6).values()) == {200}
        assert wai("logs", "pull").exit_code == 0
        whole = spent_by_tenant(budget_emulator)
    late = ("--settle-delay", "0.5")
    table = json.loads(wai("budget", "backtest", *late, "--all", "--json").stdout)
    predicted = {
        row["bucket"].removeprefix("tenant="): Decimal(row["saved_usd"]) for row in table["rows"]
    }
    (bound,) = json.loads(wai("budget", "bound", *late, "--json").stdout)["rows"]

    with new_gateway(budget_emulator) as gateway, budget_emulator.knobs.changed(delay):
        assert wai("budget", "push", "--yes").exit_code == 0
        statuses = send(gateway, calls, workers=6)
        really = spent_by_tenant(budget_emulator)
    assert 429 in statuses.values()
    for tenant, cost in whole.items():
        difference = abs(really[tenant] - (cost - predicted[tenant]))
        assert difference <= Decimal(bound["overshoot_usd"])
        assert really[tenant] <= Decimal("0.0004") + Decimal(bound["overshoot_usd"])


def spent_by_tenant(emulator: WaiEmulator) -> dict[str, Decimal]:
    """By the emulator's own meter."""
    return {row["tenant"]: Decimal(row["cost_usd"]) for row in emulator.truth("tenant")}


def test_the_envelope_of_a_policy_is_a_purse_for_each_conversation(
    budget_emulator: WaiEmulator, wai: Wai
) -> None:
    """Recorded without policies, and held against one that came later."""
    write_budgets(wai.folder, {"all": {"limit_usd": 5, "window": "daily"}})
    with new_gateway(budget_emulator) as gateway:
        wai.environ.update(gateway.environ)
        for _ in range(3):
            assert wai("run", "-q", "-w", "support", "-c", "c1", "hello").exit_code == 0
        assert wai("run", "-q", "-w", "support", "-c", "c2", "hello").exit_code == 0
    (wai.folder / "policies").mkdir()
    policy = {
        "version": 1,
        "policy": "support",
        "policy_version": "2026-11-23.1",
        "workflows": {
            "support": {
                "default_risk": "low",
                "risk": ["low"],
                "roles": ["runtime"],
                "models": {"low": [MODEL]},
                "envelope": {"per_conversation_usd": "0.00032"},
            }
        },
    }
    (wai.folder / "policies" / "support.yaml").write_text(json.dumps(policy))
    ran = wai("budget", "backtest", "--json")
    assert ran.exit_code == 0, ran.stderr
    (row,) = json.loads(ran.stdout)["rows"]
    assert row["guard"] == "envelope support"
    assert row["bucket"] == "tenant=default, conversation=c1"
    assert row["refused_count"] >= 1
