"""The backtest against what another routing really costs: the same traffic, served twice.

One emulator serves the recorded traffic, another one the same conversations under the candidate.
The scripted model counts and answers alike whichever name it has, so the second emulator's own
meter is the truth that the backtest of the first one's log has to meet to the last digit.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.cli import Wai
from support.emulator import Emulator, start_emulator
from support.traffic import told_by
from wai_ops.core.metadata import Metadata, to_header

KIMI, GLM = "@cf/moonshotai/kimi-k2.6", "@cf/zai-org/glm-5.2"
USD_PER_M = {KIMI: ("0.95", "0.16", "4.00"), GLM: ("1.40", "0.26", "4.40")}
"""In, cached, out: as the list of models has them, to the digit."""
LIMIT, ABOVE = Decimal("0.004"), Decimal("0.5")
CONVERSATIONS, TURNS = 4, 6
CONFIG = 'version: "1"\nlogs: {hold_back_s: 0, rate_share: 1}\n'
CANDIDATE = f"""\
version: 1
policy: next
policy_version: "2026-11-23.1"
workflows:
  moved:
    models: {{low: ["{GLM}"]}}
    routing: {{models: {{low: "{GLM}"}}}}
  kept:
    models: {{low: ["{KIMI}"]}}
    routing: {{models: {{low: "{KIMI}"}}}}
  asked:
    models: {{low: ["{KIMI}", "{GLM}"]}}
  pressed:
    models: {{low: ["{KIMI}", "{GLM}"]}}
    envelope: {{per_conversation_usd: {LIMIT}}}
    routing:
      models: {{low: "{GLM}"}}
      downshift:
        budget_pressure: {{budget_used_above: {ABOVE}, model: "{KIMI}", switch: always}}
  refused:
    models: {{low: ["@cf/google/gemma-3-12b-it"]}}  # withdrawn, and nobody answers for it
    routing: {{models: {{low: "@cf/google/gemma-3-12b-it"}}}}
"""
RECORDED = {"moved": KIMI, "kept": KIMI, "asked": KIMI, "pressed": GLM, "refused": KIMI}


@dataclass
class Talk:
    """One conversation as it is being held."""

    workflow: str
    number: int
    messages: list[dict[str, str]] = field(default_factory=list)
    spent_usd: Decimal = Decimal(0)
    model: str = ""


def hold(emulator: Emulator, workflow: str, model_of: Callable[[Talk], str]) -> None:
    """Hold the conversations of a workflow; the model of each turn is as `model_of` says."""
    with httpx.Client(timeout=60) as client:
        for number in range(CONVERSATIONS):
            opening = f"You are number {number} of {workflow}. " * 30
            talk = Talk(workflow, number, [{"role": "system", "content": opening}])
            for turn in range(TURNS):
                talk.messages.append({"role": "user", "content": f"Turn {turn}: and then? " * 9})
                talk.model = model_of(talk)
                said = say(client, emulator, talk, turn)
                talk.messages.append({"role": "assistant", "content": said})


def say(client: httpx.Client, emulator: Emulator, talk: Talk, turn: int) -> str:
    name = f"{talk.workflow}-{talk.number}"
    labels = Metadata(
        tenant="acme",
        workflow=talk.workflow,
        conversation_id=name,
        turn_index=turn,
        attempt=1,
        prompt_name="p",
        prompt_version="1",
        trace=f"{name}-{turn}",
    )
    answer = client.post(
        f"{emulator.base_url}/accounts/{emulator.account_id}/ai/v1/chat/completions",
        json={"model": talk.model, "max_tokens": 80, "messages": talk.messages},
        headers={
            "authorization": f"Bearer {emulator.tokens['runtime']}",
            "cf-aig-gateway-id": emulator.gateway_id,
            "x-session-affinity": name,
            "cf-aig-metadata": to_header(labels),
        },
    )
    assert answer.status_code == 200, answer.text
    told = answer.json()
    talk.spent_usd += billed(talk.model, told["usage"])
    content: str = told["choices"][0]["message"]["content"]
    return content


def billed(model: str, usage: dict[str, Any]) -> Decimal:
    """The rule of the price page, written down a second time."""
    new, warm, out = (Decimal(text) for text in USD_PER_M[model])
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    fresh = usage["prompt_tokens"] - cached
    cost: Decimal = fresh * new + cached * warm + usage["completion_tokens"] * out
    return cost / 1_000_000


def under_the_candidate(talk: Talk) -> str:
    """What CANDIDATE says, written down a second time."""
    if talk.workflow != "pressed":
        return {"moved": GLM, "kept": KIMI, "asked": KIMI}[talk.workflow]
    if talk.model == KIMI:
        return KIMI  # it stays where it went
    return KIMI if talk.spent_usd / LIMIT > ABOVE else GLM


@dataclass(frozen=True)
class Both:
    """What the backtest says, and the meters of both emulators."""

    report: dict[str, Any]
    notes: str
    recorded: dict[Any, dict[str, Any]]
    true: dict[Any, dict[str, Any]]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("backtest")
    with start_emulator(folder / "then") as then, start_emulator(folder / "else") as other:
        for workflow, model in RECORDED.items():
            hold(then, workflow, lambda _talk, model=model: model)  # type: ignore[misc]
        hold(then, "nobody", lambda _talk: KIMI)
        for workflow in ("moved", "kept", "asked", "pressed"):
            hold(other, workflow, under_the_candidate)
        wai = Wai(project_in(folder), then.environ)
        pulled = wai("logs", "pull", "--since", "1h")
        assert pulled.exit_code == 0, pulled.stderr
        ran = wai("route", "backtest", "--since", "1h", "--candidate", "next", "--json")
        assert ran.exit_code == 0, ran.stderr
        yield Both(
            json.loads(ran.stdout),
            ran.stderr,
            told_by(then, "workflow"),
            told_by(other, "workflow"),
        )


def project_in(folder: Path) -> Path:
    project = folder / "project"
    (project / "next").mkdir(parents=True)
    (project / "wai.yaml").write_text(CONFIG)
    (project / "next" / "next.yaml").write_text(CANDIDATE)
    return project


def sums(both: Both, workflow: str) -> dict[str, Decimal]:
    rows = [row for row in both.report["rows"] if row["workflow"] == workflow]
    names = ("recorded_cost_usd", "low_cost_usd", "expected_cost_usd", "high_cost_usd")
    return {name: sum((Decimal(row[name]) for row in rows), Decimal(0)) for name in names}


def test_what_was_recorded_is_what_the_emulator_billed(both: Both) -> None:
    for workflow in ("moved", "kept", "asked", "pressed"):
        told = Decimal(both.recorded[workflow]["cost_usd"])
        assert sums(both, workflow)["recorded_cost_usd"] == told


@pytest.mark.parametrize("workflow", ["moved", "kept", "asked", "pressed"])
def test_the_expected_cost_is_what_the_other_emulator_billed(both: Both, workflow: str) -> None:
    assert sums(both, workflow)["expected_cost_usd"] == Decimal(both.true[workflow]["cost_usd"])


def test_the_bounds_hold_the_truth_and_say_how_wide_it_is(both: Both) -> None:
    for workflow in ("moved", "pressed"):
        found, true = sums(both, workflow), Decimal(both.true[workflow]["cost_usd"])
        assert found["low_cost_usd"] <= true <= found["high_cost_usd"]
    pressed = sums(both, "pressed")
    assert pressed["low_cost_usd"] < pressed["expected_cost_usd"] < pressed["high_cost_usd"]
    for workflow in ("kept", "asked"):
        assert len(set(sums(both, workflow).values())) == 1


def test_each_conversation_under_pressure_switches_once_and_half_of_it_stays(both: Both) -> None:
    rows = {
        (row["model"], row["candidate_model"]): row
        for row in both.report["rows"]
        if row["workflow"] == "pressed"
    }
    moved = rows[GLM, KIMI]
    assert moved["switch_count"] == CONVERSATIONS
    assert moved["fits_count"] == moved["request_count"] > CONVERSATIONS
    stayed = rows[GLM, GLM]
    assert stayed["as_recorded_count"] == stayed["request_count"] > 0
    assert Decimal(stayed["change_usd"]) == 0


def test_what_is_refused_is_no_saving(both: Both) -> None:
    rows = [row for row in both.report["rows"] if row["workflow"] == "refused"]
    assert [
        (row["candidate_model"], row["refused_count"], row["compared_count"]) for row in rows
    ] == [(None, CONVERSATIONS * TURNS, 0)]
    assert rows[0]["expected_cost_usd"] is None


def test_the_notes_say_what_is_left_out_and_assumed(both: Both) -> None:
    each = CONVERSATIONS * TURNS
    assert f"{5 * each} requests replayed, {4 * each} compared" in both.notes
    assert f"{each} of {6 * each} requests (16.7%) are of workflows that no policy" in both.notes
    assert f"{5 * each} of {5 * each} requests (100.0%) have no recorded tier" in both.notes
    assert f"not compared: {each} of {5 * each} requests (20.0%) would be refused" in both.notes


def test_the_total_is_the_sum_of_its_rows(both: Both) -> None:
    rows, total = both.report["rows"], both.report["total"]
    for name in ("recorded_cost_usd", "low_cost_usd", "expected_cost_usd", "high_cost_usd"):
        known = [Decimal(row[name]) for row in rows if row[name] is not None]
        assert sum(known, Decimal(0)) == Decimal(total[name])
    for name in ("request_count", "compared_count", "switch_count", "fits_count"):
        assert sum(row[name] for row in rows) == total[name]
