"""`wai envelope`: what is limited, spent and held, and settling what was left behind."""

import json
from collections.abc import Callable
from decimal import Decimal

from support.cli import Wai
from wai_ops.emulator.testing import WaiEmulator

Govern = Callable[..., Wai]
RUN = ("run", "-q", "-w", "support")


def left_behind(wai: Wai, emulator: WaiEmulator) -> None:
    """One run that ends without anybody saying what it cost."""
    emulator.knobs["faults"] = [{"kind": "truncate", "after_bytes": 400, "count": 1}]
    assert wai(*RUN, "-c", "c1", "write 50 words").exit_code == 3
    emulator.knobs["faults"] = []


def test_show_tells_limits_with_their_lines_budgets_and_who_holds_what(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("max_turns: 9", "per_conversation_usd: 0.01", "max_retries: 0")
    left_behind(wai, emulator)
    assert wai(*RUN, "-c", "c2", "hello").exit_code == 0
    text = wai("envelope", "show").stdout
    assert "  support: max_turns 9 (policies/support.yaml:16)\n" in text
    assert "  conversation:default:support:c1: $0 spent, $" in text
    assert "of unknown cost of $0.01; $" in text
    assert ": unknown, process " in text
    assert ", gone, attempt " in text
    only = wai("envelope", "show", "c2").stdout
    assert "c1" not in only
    assert "max_turns" in only, "the limits of its workflow"
    view = json.loads(wai("envelope", "show", "c1", "--json").stdout)
    [held] = view["reservations"]
    [budget] = view["budgets"]
    assert budget["unknown_usd"] == held["amount_usd"]
    assert not held["is_running"]
    assert {item["name"] for item in view["limits"]} == {
        "max_turns",
        "max_retries",
        "per_conversation_usd",
    }
    rows = wai("envelope", "show", "--format", "csv").stdout.splitlines()
    assert len(rows) == 3


def test_show_knows_nothing_of_a_name_that_nobody_used(govern: Govern) -> None:
    ran = govern("max_turns: 9")("envelope", "show", "nobody")
    assert ran.exit_code == 2
    assert "nothing is known of nobody" in ran.stderr


def test_show_works_before_the_first_run_and_without_policies(wai: Wai, govern: Govern) -> None:
    shown = wai("envelope", "show")
    assert (shown.exit_code, shown.stdout) == (0, "no budget was used yet\n")
    assert "max_turns 9" in govern("max_turns: 9")("envelope", "show", "support").stdout


def test_reconcile_says_what_it_did_and_on_what_evidence(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("per_conversation_usd: 0.01", "max_retries: 0")
    assert "nothing is left behind" in wai("envelope", "reconcile").stderr
    left_behind(wai, emulator)
    kept = json.loads(wai("envelope", "reconcile", "--keep-unknown", "--json").stdout)
    assert [row["outcome"] for row in kept["rows"]] == ["kept"]
    done = json.loads(wai("envelope", "reconcile", "--json").stdout)
    [row] = done["rows"]
    assert row["outcome"] == "charged in full"
    assert row["charged_usd"] == row["reserved_usd"]
    assert row["budgets"] == "conversation:default:support:c1"
    view = json.loads(wai("envelope", "show", "c1", "--json").stdout)
    assert view["reservations"] == []
    assert Decimal(view["budgets"][0]["spent_usd"]) == Decimal(row["charged_usd"])


def test_reconcile_takes_the_gateways_own_row_once_it_was_pulled(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("per_conversation_usd: 0.01", "max_retries: 0")
    (wai.folder / "wai.yaml").write_text('version: "1"\nlogs: {hold_back_s: 0}\n')
    left_behind(wai, emulator)
    pulled = wai("logs", "pull", "--since", "1h")
    assert pulled.exit_code == 0, pulled.stderr
    [row] = json.loads(wai("envelope", "reconcile", "--json").stdout)["rows"]
    assert row["outcome"] == "charged"
    assert "the ledger" in row["evidence"]
    meter = Decimal(emulator.truth()["totals"]["cost_usd"])
    assert Decimal(row["charged_usd"]) == meter < Decimal(row["reserved_usd"])
