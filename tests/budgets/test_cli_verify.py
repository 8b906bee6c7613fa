"""`wai budget verify`: whether guards are really in force, on an emulator that delays and fails."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.cli import Ran, Wai
from support.guards import Gateway, write_budgets

BUDGETS: dict[str, dict[str, Any]] = {
    "acme": {"scope": {"tenant": ["acme"]}, "limit_usd": 50, "window": "monthly"},
    "day": {"per": ["tenant"], "alignment": "rolling", "limit_usd": "0.5", "window": "daily"},
}


@pytest.fixture
def pushed(gateway: Gateway, wai: Wai) -> Iterator[Wai]:
    """A gateway that holds a policy and a spend rule, and refuses what no policy is about."""
    wai.environ.update(gateway.environ)
    write_budgets(wai.folder, BUDGETS)
    ran = wai("budget", "push", "--yes", "--accept-default-deny")
    assert ran.exit_code == 0, ran.stderr
    yield wai
    gateway.emulator.knobs.change({"spend.settle_delay_ms": 0, "policies.fail_open": False})


def verify(wai: Wai, *more: str, timeout: str = "20s", interval: str = "1s") -> Ran:
    return wai("budget", "verify", "--timeout", timeout, "--interval", interval, *more)


def rows_of(ran: Ran) -> dict[str, dict[str, Any]]:
    return {row["guard"]: row for row in json.loads(ran.stdout)["rows"]}


def settings_of(gateway: Gateway) -> Any:
    policies = gateway.request("GET", "/policies?include_uncommitted=true")["result"]
    kept = {k: v for k, v in gateway.settings().items() if k != "modified_at"}
    return kept, sorted(policy["name"] for policy in policies)


def test_guards_that_hold_are_live_and_the_probes_are_gone(pushed: Wai, gateway: Gateway) -> None:
    """The gateway is afterwards what it was before, and every change of it was a decision."""
    before = settings_of(gateway)
    ran = verify(pushed, "--json")
    assert ran.exit_code == 0, ran.stderr + ran.stdout
    rows = rows_of(ran)
    assert set(rows) == {"policy wai-acme", "spend_rule wai-day"}
    for row in rows.values():
        assert (row["is_pushed"], row["is_live"], row["problem"]) == (True, True, "")
        assert row["live_after_s"] >= 0
    assert rows["policy wai-acme"]["simulation"] == "ok"
    assert settings_of(gateway) == before
    assert pushed("budget", "drift").exit_code == 0
    text = (pushed.folder / ".wai" / "decisions" / "decisions.jsonl").read_text()
    reasons = [json.loads(line).get("justification") for line in text.splitlines()]
    assert "wai budget verify: probes" in reasons
    assert "wai budget verify: probes removed" in reasons


def test_a_settle_delay_is_waited_for_and_reported(pushed: Wai, gateway: Gateway) -> None:
    gateway.emulator.knobs["spend.settle_delay_ms"] = 2500
    ran = verify(pushed, "day", "--json")
    assert ran.exit_code == 0, ran.stderr + ran.stdout
    [row] = rows_of(ran).values()
    assert row["live_after_s"] > 2


def test_a_gateway_that_lets_everything_pass_is_not_live(pushed: Wai, gateway: Gateway) -> None:
    """It shows the guards, it simulates them as it should, and holds none of them."""
    before = settings_of(gateway)
    gateway.emulator.knobs["policies.fail_open"] = True
    ran = verify(pushed, "acme", "--json", timeout="2s")
    assert ran.exit_code == 1
    [row] = rows_of(ran).values()
    assert (row["is_pushed"], row["is_live"]) == (True, False)
    assert "every probe call was served" in row["problem"]
    assert settings_of(gateway) == before


def test_what_is_not_pushed_is_not_verified_and_nothing_is_sent(
    pushed: Wai, gateway: Gateway
) -> None:
    limits = gateway.settings()["spend_limits"]
    limits["rules"][0]["limit"] = 500
    gateway.put({"spend_limits": limits})
    before = settings_of(gateway)
    ran = verify(pushed, "--json")
    assert ran.exit_code == 1
    rows = rows_of(ran)
    assert not rows["spend_rule wai-day"]["is_pushed"]
    assert rows["policy wai-acme"]["is_pushed"]
    assert "a push would change more" in ran.stderr
    assert settings_of(gateway) == before
    assert gateway.emulator.truth()["totals"]["requests"] == 0


def test_without_requests_the_runtime_token_is_not_needed(pushed: Wai, gateway: Gateway) -> None:
    pushed.environ["CLOUDFLARE_API_TOKEN"] = ""
    ran = verify(pushed, "--no-request", "--json")
    assert ran.exit_code == 0, ran.stderr
    assert {row["is_live"] for row in rows_of(ran).values()} == {None}
    assert gateway.emulator.truth()["totals"]["requests"] == 0
    ran = verify(pushed)
    assert ran.exit_code == 4
    assert settings_of(gateway)[1] == ["wai-acme"], "nothing was pushed"


def test_a_staged_draft_of_somebody_else_is_not_committed(pushed: Wai, gateway: Gateway) -> None:
    body = {
        "name": "theirs",
        "actor": "theirs",
        "resource": "*",
        "condition": "true",
        "action": {"type": "no-limit"},
    }
    gateway.request("POST", "/policies", body)
    ran = verify(pushed)
    assert ran.exit_code == 5
    assert "draft of policy theirs" in ran.stderr
    assert gateway.emulator.truth()["totals"]["requests"] == 0


def test_a_name_and_a_time_that_are_none_are_usage_errors(pushed: Wai) -> None:
    ran = verify(pushed, "acmee")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "did you mean acme?" in ran.stderr
    ran = verify(pushed, timeout="soon")
    assert ran.exit_code == 2
    assert "no time such as" in ran.stderr
