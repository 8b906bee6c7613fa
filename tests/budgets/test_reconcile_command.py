"""`wai budget reconcile` against the emulator's bills, which come from counters of its own."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from support.cli import Ran, Wai
from support.guards import Gateway, new_gateway
from wai_ops.core.errors import ExitCode
from wai_ops.emulator.testing import WaiEmulator

DEAR = "@cf/moonshotai/kimi-k2.7-code"


@pytest.fixture
def gateway(budget_emulator: WaiEmulator, wai: Wai) -> Iterator[Gateway]:
    with new_gateway(budget_emulator) as found:
        wai.environ.update(found.environ)
        yield found


def document(ran: Ran) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_what_wai_sent_is_what_is_billed_allowance_and_all(gateway: Gateway, wai: Wai) -> None:
    """More than 10,000 neurons, so that a charge is due: by both sides' own arithmetic."""
    for _ in range(2):
        ran = wai("run", "-", "-m", DEAR, "--no-stream", stdin="word " * 100_000)
        assert ran.exit_code == 0, ran.stderr
    ran = wai("budget", "reconcile", "--json")
    assert ran.exit_code == 0, ran.stderr
    (row,) = document(ran)["rows"]
    assert row["finding"] == "agrees"
    assert row["call_count"] == 2
    assert Decimal(row["ledger_neurons"]) > 10_000
    assert Decimal(row["expected_usd"]) == Decimal(row["billed_usd"]) > 0
    assert Decimal(row["free_usd"]) == Decimal("0.11")
    assert row["why"] is None


def test_calls_past_wai_differ_until_the_gateways_log_is_pulled(gateway: Gateway, wai: Wai) -> None:
    wai("run", "hello")
    other = wai.folder / "elsewhere"
    other.mkdir()
    (other / "wai.yaml").write_text('version: "1"\n')
    Wai(other, wai.environ)("run", "-", "-m", DEAR, stdin="word " * 3_000)
    ran = wai("budget", "reconcile", "--json")
    assert ran.exit_code == ExitCode.VERDICT_NO
    (row,) = document(ran)["rows"]
    assert row["finding"] == "differs"
    assert "by nobody that the ledger knows" in row["why"]
    unread = f"gateways whose logs were never pulled: {gateway.gateway_id}"
    assert unread in document(ran)["notes"]
    wai.environ["WAI_LOGS_HOLD_BACK_S"] = "0"
    pulled = wai("logs", "pull", "--since", "1h")
    assert pulled.exit_code == 0, pulled.stderr
    again = wai("budget", "reconcile", "--json")
    assert again.exit_code == 0, again.stdout
    (row,) = document(again)["rows"]
    assert (row["finding"], row["call_count"]) == ("agrees", 2)


def test_prepaid_calls_are_compared_with_the_usage_history(gateway: Gateway, wai: Wai) -> None:
    gateway.put({"workers_ai_billing_mode": "unified"})
    wai("run", "-", "-m", DEAR, stdin="word " * 20_000)
    ran = wai("budget", "reconcile", "--json")
    notes = document(ran)["notes"]
    assert any(note.startswith("prepaid credits: balance 0 (unit not") for note in notes), notes
    assert any(note.startswith("prepaid usage: ") for note in notes), notes


def test_a_token_that_may_not_read_bills_is_named(gateway: Gateway, wai: Wai) -> None:
    wai.environ["WAI_OPERATOR_TOKEN"] = gateway.emulator.tokens["runtime"]
    ran = wai("budget", "reconcile")
    assert (ran.exit_code, ran.stdout) == (ExitCode.ACCESS, "")
    assert "Billing Read" in ran.stderr


@pytest.mark.parametrize("month", ["soon", "2026-13", "2999-01"])
def test_what_is_no_month_is_said(gateway: Gateway, wai: Wai, month: str) -> None:
    ran = wai("budget", "reconcile", "--month", month)
    assert (ran.exit_code, ran.stdout) == (ExitCode.USAGE, "")
    assert f"--month {month}" in ran.stderr


def test_a_month_before_there_was_anything_is_empty_and_passes(gateway: Gateway, wai: Wai) -> None:
    ran = wai("budget", "reconcile", "--month", "2025-02", "--json")
    assert (ran.exit_code, document(ran)["rows"]) == (0, [])


def test_local_calls_have_a_bill_of_their_own(wai: Wai) -> None:
    wai("run", "--local", "hello")
    ran = wai("budget", "reconcile", "--local", "--json")
    assert ran.exit_code == 0, ran.stderr
    (row,) = document(ran)["rows"]
    assert (row["finding"], row["call_count"]) == ("agrees", 1)
