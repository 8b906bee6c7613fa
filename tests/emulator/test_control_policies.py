"""Policies are drafted, committed, changed and tried out; only committed ones hold."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.api import Api
from emulator.operating import GATEWAYS, Operator
from wai_ops.core.clock import SystemClock
from wai_ops.emulator.gateway.settings import Gateways
from wai_ops.emulator.store import open_store

PATH = f"{GATEWAYS}/default/policies"
CAP: dict[str, Any] = {
    "name": "tenant cap",
    "actor": "{metadata.tenant}",
    "resource": "*",
    "condition": "true",
    "action": {"type": "limit", "amount": 5, "period": "daily", "technique": "named-interval"},
}


@pytest.fixture
def operator(fresh: Api) -> Operator:
    fresh.chat(headers={"cf-aig-gateway-id": "default"})  # creates the gateway
    return Operator(fresh)


def body(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer.json()["success"] is True
    return answer.json()


def error(answer: httpx.Response) -> tuple[int, str]:
    """Status and message in the shape of policies, where `error` is an object."""
    assert answer.json()["success"] is False
    return answer.status_code, answer.json()["error"]["message"]


def names(operator: Operator, **params: str) -> list[str]:
    return [row["name"] for row in body(operator.get(PATH, **params))["result"]]


def test_a_draft_is_seen_only_with_staging_until_it_is_committed(operator: Operator) -> None:
    made = body(operator.post(PATH, CAP))
    assert made["committed"] is False
    assert made["result"]["action"] == CAP["action"]
    assert made["result"]["created_at"] == made["result"]["updated_at"] > 1_700_000_000
    assert names(operator) == []
    assert names(operator, includeStaging="true") == ["tenant cap"]
    one = f"{PATH}/{made['result']['id']}"
    assert error(operator.get(one)) == (404, "Policy not found")
    assert body(operator.get(one, includeStaging="true"))["uncommitted"] is True
    done = body(operator.post(f"{PATH}/commit"))["result"]
    assert (done["committed"], done["failed"]) == (1, 0)
    assert [policy["id"] for policy in done["policies"]] == [made["result"]["id"]]
    assert names(operator) == ["tenant cap"]
    assert "uncommitted" not in body(operator.get(one, includeStaging="true"))


def test_commit_true_skips_the_draft(operator: Operator) -> None:
    assert body(operator.post(PATH, CAP, commit="true"))["committed"] is True
    assert names(operator) == ["tenant cap"]
    assert body(operator.post(f"{PATH}/commit"))["result"] == {
        "committed": 0,
        "failed": 0,
        "policies": [],
    }


def test_put_changes_some_fields_of_a_committed_policy(operator: Operator) -> None:
    policy_id = body(operator.post(PATH, CAP, commit="true"))["result"]["id"]
    one = f"{PATH}/{policy_id}"
    assert body(operator.put(one, {"name": "drafted"}))["committed"] is False
    assert names(operator) == ["tenant cap"]
    assert names(operator, includeStaging="true") == ["drafted"]
    assert body(operator.put(one, {"condition": "false"}, commit="true"))["committed"] is True
    live = body(operator.get(one))["result"]
    assert (live["name"], live["condition"], live["actor"]) == ("drafted", "false", CAP["actor"])


def test_put_knows_only_committed_policies(operator: Operator) -> None:
    draft_id = body(operator.post(PATH, CAP))["result"]["id"]
    assert error(operator.put(f"{PATH}/{draft_id}", {"name": "x"})) == (404, "Policy not found")


def test_delete_takes_the_draft_along(operator: Operator) -> None:
    policy_id = body(operator.post(PATH, CAP, commit="true"))["result"]["id"]
    operator.put(f"{PATH}/{policy_id}", {"name": "drafted"})
    assert body(operator.delete(f"{PATH}/{policy_id}")) == {"success": True}
    assert names(operator, includeStaging="true") == []
    assert error(operator.delete(f"{PATH}/{policy_id}"))[0] == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"condition": "metadata.tenant =="},
        {"actor": "{metadata.tenant"},
        {"resource": {"region": "eu"}},
        {"action": {"type": "limit", "amount": 0, "period": "daily"}},
        {"action": {"type": "limit", "amount": 1, "period": "yearly"}},
    ],
)
def test_what_does_not_compile_is_a_400_and_is_not_kept(
    operator: Operator, wrong: dict[str, Any]
) -> None:
    assert error(operator.post(PATH, CAP | wrong))[0] == 400
    assert names(operator, includeStaging="true") == []
    policy_id = body(operator.post(PATH, CAP, commit="true"))["result"]["id"]
    assert error(operator.put(f"{PATH}/{policy_id}", wrong, commit="true"))[0] == 400
    assert body(operator.get(f"{PATH}/{policy_id}"))["result"]["condition"] == "true"


def test_missing_fields_and_gateways_are_named(operator: Operator) -> None:
    assert error(operator.post(PATH, {"name": "x"}))[1].startswith("required: actor")
    assert error(operator.get(f"{GATEWAYS}/nobody/policies")) == (404, "Gateway not found")


def test_simulate_counts_drafts_and_takes_spend_by_name(operator: Operator) -> None:
    operator.post(PATH, CAP)
    request = {
        "identity": {"metadata": {"tenant": "acme"}},
        "model": "@cf/zai-org/glm-5.3",
        "provider": "workers-ai",
    }
    allowed = body(operator.post(f"{PATH}/simulate", request))["result"]
    assert allowed["policiesEvaluated"] == 1
    assert allowed["enforcement"] == {"allowed": True}
    spent = request | {"bucketUsage": {"tenant cap": {"spent": 5}}}
    over = body(operator.post(f"{PATH}/simulate", spent))["result"]["enforcement"]
    assert (over["allowed"], over["reason"], over["spent"]) == (False, "limit_exceeded", 5)
    assert error(operator.post(f"{PATH}/simulate", {"model": 1}))[0] == 400


def test_only_the_operator_may_even_read_policies(operator: Operator) -> None:
    assert operator.send("GET", PATH, role="reader").status_code == 403


def test_the_policies_of_a_restarted_emulator_hold_at_once(tmp_path: Path) -> None:
    """And a change of a running one holds after its delay."""
    now = datetime(2026, 11, 1, tzinfo=UTC)

    async def write() -> list[int]:
        store = open_store(tmp_path)
        gateways = Gateways(store, SystemClock())
        parent = "gateway/default"
        await gateways.policies.change(
            "default", lambda table: table.put("policy", parent, "p", CAP), now=now, delay_s=60
        )
        times = (now, now + timedelta(seconds=60))
        seen = [len(await gateways.policies.seen("default", at)) for at in times]
        await asyncio.to_thread(store.close)
        return seen

    async def read() -> int:
        store = open_store(tmp_path)
        count = len(await Gateways(store, SystemClock()).policies.seen("default", now))
        await asyncio.to_thread(store.close)
        return count

    assert asyncio.run(write()) == [0, 1]
    assert asyncio.run(read()) == 1


def test_a_committed_policy_refuses_calls_until_it_is_deleted(operator: Operator) -> None:
    headers = {"cf-aig-gateway-id": "default", "cf-aig-skip-cache": "true"}
    block = CAP | {"action": {"type": "block"}}
    policy_id = body(operator.post(PATH, block, commit="true"))["result"]["id"]
    refused = operator.api.chat(headers=headers | {"cf-aig-metadata": '{"tenant":"acme"}'})
    assert error(refused)[0] == 403
    operator.delete(f"{PATH}/{policy_id}")
    assert operator.api.chat(headers=headers).status_code == 200
