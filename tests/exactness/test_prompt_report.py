"""Versions of prompts against what the emulator knows it served: every sum, to the last digit."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest

from support.cli import Ran, Wai
from support.emulator import Emulator, start_emulator
from support.traffic import BROKEN, MODELS, told_by, truth_of
from wai_ops.core.metadata import Metadata, to_header

CONFIG = """\
version: "1"
logs:
  hold_back_s: 0
  rate_share: 1
"""
VERSIONS = ("answer@1", "answer@2", "extract@7", "answer@work-0123456789ab")
CONVERSATIONS = 90
SUMS = {
    "request_count": "attempts",
    "input_tokens": "tokens_in",
    "cached_input_tokens": "cached_tokens_in",
    "output_tokens": "tokens_out",
}


def talk(client: httpx.Client, emulator: Emulator, number: int) -> None:
    """One conversation with one version: growing turns, of which some are refused."""
    rng = random.Random(number)
    name, _, version = VERSIONS[number % len(VERSIONS)].partition("@")
    model, tenant = rng.choice(MODELS), rng.choice(("acme", "globex"))
    messages = [{"role": "system", "content": f"You are {name} {version}. " * 60}]
    for turn in range(rng.randint(1, 4)):
        messages.append({"role": "user", "content": f"Turn {turn} of {number}. " * 9})
        is_broken = rng.random() < 0.1
        labels = Metadata(
            tenant=tenant,
            workflow="support",
            conversation_id=f"talk-{number}",
            turn_index=turn,
            attempt=1,
            prompt_name=name,
            prompt_version=version,
            trace=f"trace-{number}-{turn}",
        )
        answer = client.post(
            f"{emulator.base_url}/accounts/{emulator.account_id}/ai/v1/chat/completions",
            json={"model": model, "max_tokens": 64, "messages": BROKEN if is_broken else messages},
            headers={
                "authorization": f"Bearer {emulator.tokens['runtime']}",
                "cf-aig-gateway-id": emulator.gateway_id,
                "x-session-affinity": f"session-{number}",
                "cf-aig-metadata": to_header(labels),
            },
        )
        assert answer.status_code == (400 if is_broken else 200), answer.text


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Emulator, Wai]]:
    """An emulator that has served all traffic, and a project that has pulled all of its log."""
    folder = tmp_path_factory.mktemp("prompts")
    project = folder / "project"
    project.mkdir()
    (project / "wai.yaml").write_text(CONFIG)
    with start_emulator(folder / "emulator") as emulator:
        wai = Wai(project, emulator.environ)
        with httpx.Client(timeout=60) as client, ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: talk(client, emulator, number), range(CONVERSATIONS)))
        attempts = truth_of(emulator)["totals"]["attempts"]
        for _ in range(20):
            ok(wai("logs", "pull", "--since", "1h", "--again"))
            if ok(wai("report", "prompts", "--json"))["total"]["request_count"] == attempts:
                break
        yield emulator, wai


def ok(ran: Ran) -> Any:
    assert ran.exit_code == 0, ran.stderr
    return json.loads(ran.stdout) if ran.stdout.startswith("{") else ran.stdout


def test_every_sum_of_every_version_is_the_truth(served: tuple[Emulator, Wai]) -> None:
    emulator, wai = served
    report = ok(wai("report", "prompts", "--json"))
    truth = told_by(emulator, "prompt")
    rows = {row["prompt"]: row for row in report["rows"]}
    assert set(rows) == set(truth) == set(VERSIONS)
    for row, told in [
        *((rows[name], truth[name]) for name in VERSIONS),
        (report["total"], truth_of(emulator)["totals"]),
    ]:
        assert {name: row[name] for name in SUMS} == {n: told[other] for n, other in SUMS.items()}
        assert Decimal(row["cost_usd"]) == Decimal(told["cost_usd"])
        assert row["cached_input_ratio"] == told["cached_tokens_in"] / told["tokens_in"]
        assert row["unknown_cost_count"] == 0
    counts = [rows[name]["conversation_count"] for name in VERSIONS]
    assert (sum(counts), report["total"]["conversation_count"]) == (CONVERSATIONS, CONVERSATIONS)
    refused = told_by(emulator, "status_code")[400]["attempts"]
    assert report["total"]["failed_count"] == refused
    assert report["total"]["top_error"] == "bad_request"


def test_the_comparison_of_two_versions_has_the_true_averages(
    served: tuple[Emulator, Wai],
) -> None:
    emulator, wai = served
    report = ok(wai("report", "prompts", "--prompt", "answer", "--versions", "1", "2", "--json"))
    rows = {row["measure"]: row for row in report["rows"]}
    truth = told_by(emulator, "prompt")
    for side, version in (("before", "answer@1"), ("after", "answer@2")):
        told = truth[version]
        each = Decimal(told["cost_usd"]) / told["attempts"]
        shown = Decimal(rows["cost per request"][side])
        assert abs(shown - each) <= each * Decimal("1e-5")
        cached = Decimal(told["cached_tokens_in"]) / told["tokens_in"]
        assert abs(Decimal(rows["cached share"][side]) - cached) <= Decimal("1e-5")
    assert "too little data to judge answer@2" in report["notes"][0]
