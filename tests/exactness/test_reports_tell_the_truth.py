"""The whole way against what the emulator knows it served: pulled, folded, reported, exactly.

Traffic of plain HTTP clients and of `wai run`, through a log whose rows come late and out of order
and whose costs come later still, with rate limits and broken connections on the way.
"""

import json
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from support.cli import Ran, Wai
from support.emulator import Emulator, start_emulator
from support.traffic import send_traffic, told_by, truth_of

CONFIG = """\
version: "1"
defaults:
  model: "@cf/moonshotai/kimi-k2.6"
  tenant: initech
  workflow: support
logs:
  hold_back_s: 0
  rate_share: 1
"""
KNOBS = """\
logs:
  lag_ms: 50
  lag_jitter_ms: 400
  late_fields_ms: 300
  late_fields: [cost, usage_metadata, tokens_in, tokens_out]
"""
RUNS = 6
CONVERSATIONS = 60
DIMENSIONS = {"tenant": "tenant", "workflow": "workflow", "model": "model", "prompt": "prompt"}
SUMS = {
    "request_count": "attempts",
    "run_count": "requests",
    "input_tokens": "tokens_in",
    "cached_input_tokens": "cached_tokens_in",
    "output_tokens": "tokens_out",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, Wai]]:
    """An emulator that has served all traffic, and a project that has pulled all of its log."""
    folder = tmp_path_factory.mktemp("exact")
    knobs = folder / "emulator.yaml"
    knobs.write_text(KNOBS)
    project = folder / "project"
    project.mkdir()
    (project / "wai.yaml").write_text(CONFIG)
    with start_emulator(folder / "emulator", "--config", str(knobs)) as emulator:
        wai = Wai(project, emulator.environ)
        send_traffic(emulator, conversations=CONVERSATIONS)
        for number in range(RUNS):
            ran = wai("run", "--conversation", f"own-{number % 2}", f"Question {number}? " * 60)
            assert ran.exit_code == 0, ran.stderr
        _pull_until_settled(wai, truth_of(emulator)["totals"]["attempts"])
        yield emulator, wai


def _pull_until_settled(wai: Wai, rows: int) -> None:
    """Pull until every row is held with all its fields; pull alone waits two minutes."""
    ok(wai("logs", "pull", "--since", "1h"))
    for _ in range(40):
        ok(wai("logs", "pull", "--since", "1h", "--again"))
        held = ok(wai("ledger", "sql", HELD, "--json"))["rows"][0]
        if held["held"] == rows and held["pending"] == 0:
            return
    raise AssertionError(f"the log never settled: {held}, and {rows} were served")


HELD = """
select
    count(distinct log_id) as held,
    count(*) filter (
        error_type is null and (gateway_cost_usd is null or usage_input_tokens is null)
    ) as pending
from model_call
"""


def ok(ran: Ran) -> Any:
    assert ran.exit_code == 0, ran.stderr
    return json.loads(ran.stdout) if ran.stdout.startswith(("{", "[")) else ran.stdout


def test_every_sum_of_the_cost_report_is_the_truth(served: tuple[Emulator, Wai]) -> None:
    emulator, wai = served
    for dimension, name in DIMENSIONS.items():
        report = ok(wai("report", "cost", "--by", dimension, "--json"))
        truth = told_by(emulator, name)
        assert {row[dimension] for row in report["rows"]} == set(truth)
        for row in report["rows"]:
            _assert_same(row, truth[row[dimension]])
        _assert_same(report["total"], truth_of(emulator)["totals"])


def _assert_same(row: Mapping[str, Any], truth: Mapping[str, Any]) -> None:
    assert {ours: row[ours] for ours in SUMS} == {ours: truth[name] for ours, name in SUMS.items()}
    assert Decimal(row["cost_usd"]) == Decimal(truth["cost_usd"])
    assert Decimal(row["neurons"]) == Decimal(truth["neurons"])
    assert row["unknown_cost_count"] == truth["unpriced_attempts"] == 0


def test_calls_of_wai_itself_are_known_from_both_sides(served: tuple[Emulator, Wai]) -> None:
    _, wai = served
    found = ok(wai("ledger", "sql", BY_SOURCE, "--json"))["rows"]
    counts = {row["sources"]: row["calls"] for row in found}
    assert counts.pop("client+gateway") == RUNS
    assert set(counts) == {"gateway only"}


BY_SOURCE = "select sources, count(*) as calls from model_call group by sources"


def test_every_cost_is_confirmed_by_the_gateway(served: tuple[Emulator, Wai]) -> None:
    emulator, wai = served
    total = ok(wai("report", "cost", "--json"))["total"]
    assert Decimal(total["confirmed_cost_usd"]) == Decimal(truth_of(emulator)["totals"]["cost_usd"])
    audit = ok(wai("report", "audit-cost", "--json"))["total"]
    assert (audit["different_count"], audit["not_compared_count"]) == (0, 0)


def test_failures_are_counted_as_they_were_served(served: tuple[Emulator, Wai]) -> None:
    emulator, wai = served
    refused = told_by(emulator, "status_code")[400]["attempts"]
    assert refused > 0
    report = ok(wai("report", "failures", "--json"))
    assert [(row["error_type"], row["request_count"]) for row in report["rows"]] == [
        ("bad_request", refused)
    ]


def test_the_cached_share_is_the_true_one(served: tuple[Emulator, Wai]) -> None:
    emulator, wai = served
    truth = told_by(emulator, "workflow")
    for row in ok(wai("report", "cache", "--json"))["rows"]:
        told = truth[row["workflow"]]
        assert row["cached_input_tokens"] == told["cached_tokens_in"]
        assert row["cached_input_ratio"] == told["cached_tokens_in"] / told["tokens_in"]


def test_completion_and_cost_per_success_follow_from_the_truth(
    served: tuple[Emulator, Wai],
) -> None:
    emulator, wai = served
    totals = truth_of(emulator)["totals"]
    failed = told_by(emulator, "status_code")[400]["requests"]
    total = ok(wai("report", "slo", "--json"))["total"]
    assert total["ended_run_count"] == totals["requests"]
    assert total["failed_run_count"] == failed
    per_success = Decimal(totals["cost_usd"]) / (totals["requests"] - failed)
    assert abs(Decimal(total["cost_per_success_usd"]) - per_success) <= Decimal("1e-12")


def test_cost_per_resolved_workflow_counts_recorded_outcomes_alone(
    served: tuple[Emulator, Wai],
) -> None:
    emulator, wai = served
    for name, outcome in (("own-0", "resolved"), ("own-1", "failed")):
        ok(wai("outcomes", "record", f"initech:support:{name}", outcome))
    rows = ok(wai("report", "cost", "--json"))["rows"]
    row = next(row for row in rows if row["workflow"] == "support")
    assert row["resolved_count"] == 1
    whole = Decimal(told_by(emulator, "workflow")["support"]["cost_usd"])
    assert Decimal(row["resolved_cost_usd"]) == whole


def test_the_copy_is_proven_complete(served: tuple[Emulator, Wai]) -> None:
    emulator, wai = served
    status = ok(wai("logs", "status", "--since", "1h", "--refresh", "--json"))
    held = sum(row["held_count"] for row in status["rows"])
    assert held == truth_of(emulator)["totals"]["attempts"]


def test_pulling_once_more_changes_nothing(served: tuple[Emulator, Wai]) -> None:
    _, wai = served
    before = ok(wai("report", "cost", "--by", "model", "--json"))
    started = time.monotonic()
    ok(wai("logs", "pull", "--since", "1h"))
    after = ok(wai("report", "cost", "--by", "model", "--json"))
    assert after["rows"] == before["rows"]
    assert time.monotonic() > started
