"""Runs that were refused before anything was sent, in `wai report failures` and nowhere else."""

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from support.cli import Ran, Wai
from wai_ops.cli.schema import schema_of
from wai_ops.emulator.testing import WaiEmulator

SMALL = "@cf/meta/llama-3.1-8b-instruct-fp8"
Govern = Callable[..., Wai]
BUSY = {"kind": "status", "stage": "model", "status": 429, "code": 3040, "count": 1}
BROKEN = {"kind": "status", "stage": "model", "status": 500, "code": 5001}
RUN = ("run", "-w", "support", "-t", "acme")


def told(ran: Ran, exit_code: int = 0) -> dict[str, Any]:
    """The JSON of a command that ended so."""
    assert ran.exit_code == exit_code, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def by_class(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of `report failures` by their class."""
    return {row["error_type"]: row for row in report["rows"]}


@pytest.fixture
def mixed(govern: Govern, emulator: WaiEmulator) -> Wai:
    """Two runs that were answered, one that failed, three that were refused: two by policy."""
    wai = govern("max_output_tokens: 60", "per_turn_usd: 0.0002", "max_retries: 0")
    for number in range(2):
        assert wai(*RUN, "-c", f"c{number}", "--max-tokens", "60", "hello").exit_code == 0
    emulator.knobs["faults"] = [BUSY]
    assert wai(*RUN, "-c", "c3", "--max-tokens", "60", "hello").exit_code == 3
    emulator.knobs["faults"] = []
    assert wai(*RUN, "-c", "c4", "--max-tokens", "61", "hello").exit_code == 5
    assert wai(*RUN, "-c", "c5", "--data", "secret", "hello").exit_code == 5
    dear = wai("run", "-w", "support", "-t", "beta", "-c", "c6", "--max-tokens", "60", "so " * 600)
    assert dear.exit_code == 5, dear.stderr
    return wai


def test_refused_runs_are_failures_that_cost_nothing_beside_those_that_the_meter_saw(
    mixed: Wai, emulator: WaiEmulator
) -> None:
    truth = emulator.truth()["totals"]
    report = told(mixed("report", "failures", "--json"))
    Draft202012Validator(schema_of("report failures")).validate(report)
    rows = by_class(report)
    assert set(rows) == {"capacity", "local_policy", "local_budget"}
    policy, money, capacity = (rows[n] for n in ("local_policy", "local_budget", "capacity"))
    assert (policy["request_count"], policy["refused_count"], policy["failed_run_count"]) == (
        2,
        2,
        2,
    )
    assert (money["request_count"], money["refused_count"], money["failed_run_count"]) == (1, 1, 1)
    assert (capacity["request_count"], capacity["refused_count"]) == (1, 0)
    assert {Decimal(row["cost_usd"]) for row in (policy, money)} == {Decimal(0)}
    assert (policy["fault"], policy["is_retryable"]) == ("policy", False)
    assert policy["meaning"] == "refused by local policy"
    assert "data of class secret may not go to models" in policy["example"]
    assert policy["first_at"] < policy["last_at"]

    assert truth["requests"] == 3, "the meter never saw the others"
    wanted = truth["requests"] + 3
    assert {name: row["request_ratio"] for name, row in rows.items()} == {
        "capacity": 1 / wanted,
        "local_policy": 2 / wanted,
        "local_budget": 1 / wanted,
    }
    total = report["total"]
    assert (total["request_count"], total["refused_count"]) == (4, 3)
    assert total["failure_ratio"] == 1
    assert report["notes"][0].endswith(": 6 requests, 4 failed (66.7%)")
    assert (
        "3 of 6 requests (50.0%) were refused here before they were sent, by a policy, an envelope"
        " or a budget: they cost nothing, and no other report counts them" in report["notes"]
    )


def test_no_other_report_counts_what_was_not_sent(mixed: Wai, emulator: WaiEmulator) -> None:
    truth = emulator.truth()["totals"]
    cost = told(mixed("report", "cost", "--json"))["total"]
    assert (cost["request_count"], cost["failed_count"], cost["denied_count"]) == (
        truth["requests"],
        1,
        0,
    )
    assert Decimal(cost["cost_usd"]) == Decimal(truth["cost_usd"])
    slo = told(mixed("report", "slo", "--json"))["total"]
    assert (slo["ended_run_count"], slo["failed_run_count"]) == (3, 1)


def test_they_are_found_by_what_a_decision_says_and_have_no_route(mixed: Wai) -> None:
    def refused(*words: str) -> dict[str, int]:
        report = told(mixed("report", "failures", "--json", *words))
        found = {name: row["refused_count"] for name, row in by_class(report).items()}
        return {name: count for name, count in found.items() if count}

    everything = {"local_policy": 2, "local_budget": 1}
    assert refused("--where", f"model={SMALL}") == everything
    assert refused("--where", "prompt=inline@0") == everything
    assert refused("--where", "tenant=beta") == {"local_budget": 1}
    assert refused("--where", "workflow=other") == {}
    assert refused("--where", "conversation=acme:support:c4") == {"local_policy": 1}
    assert refused("--where", "error!=local_policy") == {"local_budget": 1}
    assert refused("--since", "1h") == everything
    assert refused("--until", "2020-01-01") == {}
    assert refused("--where", "gateway=default") == {}
    notes = told(mixed("report", "failures", "--json", "--where", "gateway=default"))["notes"]
    assert (
        "left out: 3 requests refused here before being sent, because what is not sent has no"
        " gateway" in notes
    )
    by = told(mixed("report", "failures", "--json", "--by", "tenant"))["rows"]
    assert {(r["error_type"], r["tenant"], r["refused_count"]) for r in by} == {
        ("capacity", "acme", 0),
        ("local_policy", "acme", 2),
        ("local_budget", "beta", 1),
    }
    by = told(mixed("report", "failures", "--json", "--by", "route"))["rows"]
    assert {r["route"] for r in by if r["refused_count"]} == {None}


def test_a_rule_a_trend_and_every_format_see_them(mixed: Wai) -> None:
    assert mixed("report", "failures", "--fail-on", "refused_count >= 3").exit_code == 1
    assert mixed("report", "failures", "--fail-on", "refused_count > 3").exit_code == 0
    rule = "any(error_type == 'local_budget')"
    assert mixed("report", "failures", "--fail-on", rule).exit_code == 1
    report = told(mixed("report", "failures", "--since", "1h", "--compare", "previous", "--json"))
    assert by_class(report)["local_policy"]["previous_count"] == 0
    assert by_class(report)["local_policy"]["refused_count_delta"] == 2
    table = list(csv.DictReader(io.StringIO(mixed("report", "failures", "-f", "csv").stdout)))
    assert {row["error_type"]: row["refused_count"] for row in table} == {
        "capacity": "0",
        "local_policy": "2",
        "local_budget": "1",
    }


def test_a_retry_that_is_refused_ends_no_second_run(govern: Govern, emulator: WaiEmulator) -> None:
    """Its first attempt may have been billed, so that the conversation has no room for another."""
    wai = govern("per_conversation_usd: 0.0004", "max_retries: 2")
    emulator.knobs["faults"] = [BROKEN]
    ran = wai(*RUN, "--json", "-c", "c1", "--max-tokens", "900", "hello")
    assert ran.exit_code == 3, ran.stderr
    assert len(json.loads(ran.stdout)["attempts"]) == 1
    rows = by_class(told(wai("report", "failures", "--json")))
    counts = {
        name: (row["request_count"], row["refused_count"], row["failed_run_count"])
        for name, row in rows.items()
    }
    assert counts == {"server_error": (1, 0, 1), "local_budget": (1, 1, 0)}


def test_what_a_policy_that_observes_lets_through_is_not_refused(govern: Govern) -> None:
    wai = govern("max_output_tokens: 20", mode="observe")
    assert wai(*RUN, "-m", SMALL, "--max-tokens", "40", "hello").exit_code == 0
    report = told(wai("report", "failures", "--json"))
    assert [row["refused_count"] for row in report["rows"]] == [0]
    assert report["total"]["error_type"] == "total"
    assert not any("refused" in note for note in report["notes"])


def test_the_ledger_made_anew_says_the_same(mixed: Wai) -> None:
    before = told(mixed("report", "failures", "--json"))
    assert mixed("ledger", "rebuild").exit_code == 0
    assert told(mixed("report", "failures", "--json")) == before
