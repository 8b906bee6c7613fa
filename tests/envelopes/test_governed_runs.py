"""`wai run` under policy: decided and paid for before it is sent, accounted for after it."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.cli import Ran, Wai
from wai_ops.emulator.testing import WaiEmulator

SMALL = "@cf/meta/llama-3.1-8b-instruct-fp8"
LARGE = "@cf/zai-org/glm-5.3-flash"
RUN = ("run", "-w", "support")
Govern = Callable[..., Wai]


def told(ran: Ran, exit_code: int = 0) -> dict[str, Any]:
    """The JSON of a run that ended so."""
    assert ran.exit_code == exit_code, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def records(wai: Wai) -> list[dict[str, Any]]:
    """The lines of the decision log."""
    path = wai.folder / ".wai" / "decisions" / "decisions.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def requests(emulator: WaiEmulator) -> int:
    """How many requests the emulator has served."""
    count: int = emulator.truth()["totals"]["requests"]
    return count


def rows(wai: Wai, sql: str) -> list[Any]:
    """What the state file says."""
    with sqlite3.connect(wai.folder / ".wai" / "state.sqlite") as connection:
        return connection.execute(sql).fetchall()


def test_a_run_is_routed_decided_set_aside_and_settled(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("per_conversation_usd: 0.01")
    result = told(wai(*RUN, "--json", "-c", "c1", "--justification", "ticket 7", "hello"))
    governed = result["governed"]
    [decision] = governed["decisions"]
    assert result["requested_model"] == SMALL
    assert governed["route"]["rule"] == "support.routing.models.low"
    assert governed["route"]["where"] == "policies/support.yaml:14"
    assert Decimal(governed["settled_usd"]) == Decimal(result["cost"]["cost_usd"])
    assert Decimal(governed["reserved_usd"]) > Decimal(governed["settled_usd"])
    assert Decimal(governed["unsettled_usd"]) == 0
    [budget] = governed["budgets"]
    assert budget["budget_key"] == "conversation:default:support:c1"
    meter = Decimal(emulator.truth()["totals"]["cost_usd"])
    assert Decimal(budget["spent_usd"]) == meter
    decided, started, ended = records(wai)
    assert [item["type"] for item in (decided, started, ended)] == [
        "decision",
        "action_start",
        "action_end",
    ]
    assert decided["decision_id"] == decision["decision_id"] == ended["decision_id"]
    assert decided["justification"] == "ticket 7"
    assert decided["attempt_id"] == result["attempts"][0]["attempt_id"]
    assert decided["route"]["model"] == SMALL
    assert Decimal(decided["reserved_usd"]) == Decimal(governed["reserved_usd"])
    assert ended["outcome"] == "ok"
    assert Decimal(ended["cost_usd"]) == meter
    assert rows(wai, "select count(*) from reservation") == [(0,)]
    assert rows(wai, "select risk_tier from turn") == [("low",)]


def test_a_workflow_that_no_policy_names_is_refused_and_nothing_is_sent(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern()
    ran = wai("run", "-w", "other", "--json", "hello")
    refusal = told(ran, exit_code=5)
    [decision] = records(wai)
    assert refusal["error_type"] == "local_policy"
    assert refusal["decision_id"] == decision["decision_id"]
    assert decision["verdict"] == "deny"
    assert refusal["decision_id"] in ran.stderr
    assert "no policy names workflow other" in ran.stderr
    assert requests(emulator) == 0
    assert rows(wai, "select count(*) from turn") == [(0,)]


def test_a_model_outside_of_the_list_is_refused_with_those_that_are_in_it(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern()
    ran = wai(*RUN, "--risk", "medium", "-m", SMALL, "hello")
    assert ran.exit_code == 5
    assert "policies/support.yaml:12" in ran.stderr
    assert f"hint: allowed for tier medium: {LARGE}" in ran.stderr
    assert requests(emulator) == 0


def test_a_given_model_is_not_routed(govern: Govern) -> None:
    result = told(govern()(*RUN, "--json", "-m", LARGE, "hello"))
    assert result["requested_model"] == LARGE
    assert result["governed"]["route"] is None


def test_data_of_a_class_that_may_not_go_out_is_refused(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern()
    assert wai(*RUN, "--data", "public", "hello").exit_code == 0
    ran = wai(*RUN, "--data", "secret", "hello")
    assert ran.exit_code == 5
    assert "data of class secret may not go to models" in ran.stderr
    assert requests(emulator) == 1


def test_a_broken_policy_stops_the_run_with_its_line(govern: Govern, emulator: WaiEmulator) -> None:
    ran = govern("max_turn: 3")(*RUN, "hello")
    assert ran.exit_code == 2
    assert "policies/support.yaml:16:7: unknown key `max_turn`" in ran.stderr
    assert "did you mean `max_turns`?" in ran.stderr
    assert requests(emulator) == 0


def test_a_default_output_limit_is_lowered_and_a_given_one_refused(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("max_output_tokens: 20")
    result = told(wai(*RUN, "--json", "write 50 words"))
    assert result["usage"]["output_tokens"] == 20
    assert result["governed"]["max_output_tokens_lowered_from"] == 1024
    ran = wai(*RUN, "--json", "--max-tokens", "21", "write 50 words")
    refusal = told(ran, exit_code=5)
    assert refusal["error_type"] == "local_policy"
    assert refusal["rule"] == "support.envelope.max_output_tokens"
    assert refusal["where"] == "policies/support.yaml:16"
    assert refusal["hint"] == "leave --max-tokens out, or give at most 20"
    assert wai(*RUN, "--max-tokens", "20", "write 50 words").exit_code == 0
    assert requests(emulator) == 2


def test_a_conversation_ends_at_its_last_turn(govern: Govern, emulator: WaiEmulator) -> None:
    wai = govern("max_turns: 2")
    for _ in range(2):
        assert wai(*RUN, "-c", "c1", "hello").exit_code == 0
    refusal = told(wai(*RUN, "--json", "-c", "c1", "hello"), exit_code=5)
    assert refusal["rule"] == "support.envelope.max_turns"
    assert wai(*RUN, "-c", "c2", "hello").exit_code == 0
    assert requests(emulator) == 3


def test_a_request_that_is_too_long_is_refused(govern: Govern, emulator: WaiEmulator) -> None:
    wai = govern("max_context_tokens: 50")
    assert wai(*RUN, "short").exit_code == 0
    refusal = told(wai(*RUN, "--json", "long " * 100), exit_code=5)
    assert refusal["rule"] == "support.envelope.max_context_tokens"
    assert requests(emulator) == 1


def test_a_turn_that_could_cost_too_much_is_refused_before_it_is_sent(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("per_turn_usd: 0.0002")
    refusal = told(wai(*RUN, "--json", "hello"), exit_code=5)
    assert refusal["error_type"] == "local_budget"
    assert refusal["rule"] == "support.envelope.per_turn_usd"
    assert wai(*RUN, "--max-tokens", "5", "hello").exit_code == 0
    assert requests(emulator) == 1


def test_a_conversation_never_costs_more_than_it_may_and_uses_most_of_it(
    govern: Govern, emulator: WaiEmulator
) -> None:
    limit = Decimal("0.001")
    wai = govern(f"per_conversation_usd: {limit}", "max_output_tokens: 60")
    codes = [wai(*RUN, "-c", "c1", "write 50 words").exit_code for _ in range(30)]
    assert codes == sorted(codes), "once refused, it stays refused"
    assert set(codes) == {0, 5}
    meter = Decimal(emulator.truth()["totals"]["cost_usd"])
    assert limit * 8 / 10 < meter <= limit
    ran = wai(*RUN, "-c", "c1", "write 50 words")
    assert "support.envelope.per_conversation_usd (policies/support.yaml:16)" in ran.stderr
    assert "spent" in ran.stderr


def test_an_unknown_price_means_no_where_money_is_limited(
    govern: Govern, emulator: WaiEmulator
) -> None:
    unpriced = "@cf/acme/nobody-prices-this"
    policy = f"""\
version: 1
policy: support
policy_version: "2026-11-23.1"
workflows:
  support:
    models: {{low: ["{unpriced}"]}}
"""
    wai = govern("per_conversation_usd: 1", policy=policy)
    refusal = told(wai(*RUN, "--json", "-m", unpriced, "hello"), exit_code=5)
    assert refusal["error_type"] == "local_budget"
    assert "no price is known" in refusal["reason"]
    assert requests(emulator) == 0


def test_a_policy_that_observes_refuses_and_changes_nothing_and_says_what_it_would_do(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("max_output_tokens: 20", "per_turn_usd: 0.000001", mode="observe")
    ran = wai(*RUN, "--json", "-m", "@cf/qwen/qwen3-30b-a3b-fp8", "--max-tokens", "40", "hello")
    result = told(ran)
    assert result["usage"]["output_tokens"] > 20
    assert result["governed"]["mode"] == "observe"
    assert result["governed"]["would_refuse"]
    assert ran.stderr.count("the policy only observes") == 1
    decided = records(wai)[0]
    assert (decided["verdict"], decided["mode"]) == ("deny", "observe")
    ran = wai(*RUN, "--json", "--max-tokens", "40", "hello")
    result = told(ran)
    assert result["requested_model"] == "@cf/google/gemma-4-26b-a4b-it", "no route is followed"
    assert requests(emulator) == 2


def test_an_observed_limit_is_recorded_as_what_would_have_been_said(govern: Govern) -> None:
    wai = govern("max_output_tokens: 20", mode="observe")
    told(wai(*RUN, "--json", "-m", SMALL, "--max-tokens", "40", "hello"))
    decided = records(wai)[0]
    assert (decided["verdict"], decided["mode"]) == ("deny", "observe")
    assert decided["rule"] == "support.envelope.max_output_tokens"


def test_retries_stay_within_the_envelope_and_each_one_is_decided(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("max_retries: 1", "per_conversation_usd: 0.01")
    emulator.knobs["faults"] = [{"kind": "status", "status": 429, "code": 3040, "count": 9}]
    ran = wai(*RUN, "--json", "hello")
    assert ran.exit_code == 3
    result = json.loads(ran.stdout)
    assert [attempt["attempt"] for attempt in result["attempts"]] == [1, 2]
    decided = [item for item in records(wai) if item["type"] == "decision"]
    ended = [item for item in records(wai) if item["type"] == "action_end"]
    assert len(decided) == len(ended) == 2
    assert decided[1]["parent_id"] == decided[0]["decision_id"]
    assert {item["outcome"] for item in ended} == {"failed"}
    assert Decimal(result["governed"]["settled_usd"]) == 0, "no data centre had capacity: no cost"
    assert rows(wai, "select count(*) from reservation") == [(0,)]


FALLBACK = f"""\
      fallbacks:
        - {{after: [capacity], models: ["{LARGE}"]}}
"""


def test_another_model_is_asked_after_the_retries_of_the_first(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("per_conversation_usd: 0.01", routing=FALLBACK)
    emulator.knobs["faults"] = [{"kind": "status", "status": 429, "code": 3040, "model": SMALL}]
    ran = wai(*RUN, "--json", "-c", "c1", "remember all of this " * 60)
    result = told(ran)
    models = [item["model"] for item in result["governed"]["decisions"]]
    assert models == [SMALL] * 3 + [LARGE]
    assert result["requested_model"] == LARGE
    assert result["governed"]["route"]["rule"] == "support.routing.fallbacks.0"
    assert result["governed"]["route"]["tried"] == [SMALL]
    assert "asking @cf/zai-org/glm-5.3-flash instead" in ran.stderr
    decided = [item for item in records(wai) if item["type"] == "decision"]
    assert [item["model"] for item in decided] == models
    assert decided[-1]["route"]["tried"] == [SMALL]
    assert rows(wai, "select model, state from turn") == [(LARGE, "done")]
    emulator.knobs["faults"] = []
    following = told(wai(*RUN, "--json", "-c", "c1", "and then?"))
    assert following["requested_model"] == LARGE, "its prefix is warm there"
    assert following["affinity"]["result"] in {"hit", "partial"}


def test_no_fallback_goes_beyond_the_retries_of_the_envelope(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("max_retries: 0", routing=FALLBACK)
    emulator.knobs["faults"] = [{"kind": "status", "status": 429, "code": 3040, "model": SMALL}]
    ran = wai(*RUN, "--json", "hello")
    assert ran.exit_code == 3
    result = json.loads(ran.stdout)
    assert len(result["attempts"]) == 1
    assert "support.envelope.max_retries" in result["error"]["stop_reason"]


def test_what_may_have_been_billed_stays_set_aside_and_counts(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("per_conversation_usd: 0.01", "max_retries: 0")
    emulator.knobs["faults"] = [{"kind": "truncate", "after_bytes": 400, "count": 1}]
    ran = wai(*RUN, "--json", "-c", "c1", "write 50 words")
    assert ran.exit_code == 3
    governed = json.loads(ran.stdout)["governed"]
    assert Decimal(governed["unsettled_usd"]) == Decimal(governed["reserved_usd"])
    assert rows(wai, "select state from reservation") == [("unknown",)]
    [budget] = governed["budgets"]
    assert Decimal(budget["remaining_usd"]) == Decimal("0.01") - Decimal(governed["reserved_usd"])


def test_a_dry_run_shows_verdict_route_limits_and_reservation_and_writes_nothing(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("per_conversation_usd: 0.01", "max_output_tokens: 100")
    preview = told(wai(*RUN, "--dry-run", "--json", "hello"))
    governed = preview["governed"]
    assert governed["refusal"] is None
    assert governed["verdict"] == "allow"
    assert governed["route"]["model"] == SMALL
    assert governed["max_output_tokens_lowered_from"] == 1024
    assert {item["name"]: item["value"] for item in governed["limits"]} == {
        "max_output_tokens": "100",
        "per_conversation_usd": "0.01",
    }
    assert Decimal(governed["reserved_usd"]) > Decimal(preview["worst_case_usd"])
    assert not (wai.folder / ".wai" / "state.sqlite").exists()
    assert not (wai.folder / ".wai" / "decisions").exists()
    sent = told(wai(*RUN, "--json", "hello"))
    assert sent["governed"]["reserved_usd"] == governed["reserved_usd"]
    refused = wai("run", "-w", "other", "--dry-run", "hello")
    assert refused.exit_code == 0
    assert "it would be refused: no policy names workflow other" in refused.stdout
    assert requests(emulator) == 1


def test_ctrl_c_is_recorded_as_cancelled_and_its_money_stays_counted(
    govern: Govern, emulator: WaiEmulator
) -> None:
    wai = govern("per_conversation_usd: 0.01")
    with emulator.knobs.changed({"latency.decode_tokens_per_s": 20}):
        process = wai.start(*RUN, "-c", "c1", "write 400 words")
        assert process.stdout is not None
        assert process.stdout.read(10)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert [item.get("outcome") for item in records(wai)] == [None, None, "cancelled"]
    assert rows(wai, "select state from reservation") == [("unknown",)]


PROMPT = """\
---
envelope: {{workflow: support{more}}}
---
Hello {{{{ name }}}}
"""


def prompt(wai: Wai, more: str) -> None:
    """Write `prompts/greet.prompt` with more in its envelope."""
    folder = wai.folder / "prompts"
    folder.mkdir(exist_ok=True)
    (folder / "greet.prompt").write_text(PROMPT.format(more=more))


def test_a_prompt_can_tighten_the_envelope_and_never_loosen_it(govern: Govern) -> None:
    wai = govern("max_output_tokens: 50", "max_turns: 3")
    prompt(wai, ", max_output_tokens: 10, max_turns: 9, risk_tier: medium")
    ran = wai("run", "-p", "greet", "--var", "name=Ana", "--json")
    result = told(ran)
    assert result["workflow"] == "support"
    assert result["usage"]["output_tokens"] == 10
    assert result["governed"]["risk_tier"] == "medium"
    assert result["requested_model"] == LARGE
    assert "looser than the policy, which holds: max_turns" in ran.stderr
    refused = wai("run", "-p", "greet", "--var", "name=Ana", "--json", "--max-tokens", "20")
    refusal = told(refused, exit_code=5)
    assert refusal["rule"] == "greet.envelope.max_output_tokens"
    assert refusal["where"] == "prompts/greet.prompt:2"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (", max_turn: 3", "unknown key `max_turn` in `envelope`; did you mean `max_turns`?"),
        (", max_turns: 0", "envelope.max_turns: must be between 1 and 100000, not 0"),
        (", max_turns: many", "envelope.max_turns: must be a whole number"),
        (", per_turn_usd: true", "envelope.per_turn_usd: must be a number"),
        (", risk_tier: huge", "envelope.risk_tier: must be one of low, medium, high"),
    ],
)
def test_a_wrong_envelope_in_a_prompt_is_an_error_with_its_line(
    govern: Govern, emulator: WaiEmulator, more: str, message: str
) -> None:
    wai = govern()
    prompt(wai, more)
    ran = wai("run", "-p", "greet", "--var", "name=Ana")
    assert ran.exit_code == 2
    assert f"prompts/greet.prompt:2: {message}" in ran.stderr
    assert requests(emulator) == 0


def test_a_cached_share_below_its_target_is_said(govern: Govern) -> None:
    wai = govern("cache_target: 0.9")
    first = wai(*RUN, "-c", "c1", "a first question " * 40)
    assert "below its target" not in first.stderr, "the first turn is always cold"
    second = wai(*RUN, "-c", "c1", "a very long second question " * 200)
    assert second.exit_code == 0
    assert "below its target of 90%: support.envelope.cache_target" in second.stderr


def test_without_policies_nothing_of_the_control_plane_is_loaded(
    online: Wai, project: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *online.command("run", "-q", "-m", SMALL, "hi")[1:]],
        cwd=project,
        env=online.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    names = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines()]
    assert "wai_ops.runtime.run" in names
    loaded = {"wai_ops.control", "wai_ops.runtime.governed_run", "wai_ops.runtime.governed"}
    assert not [name for name in names if name in loaded or name.startswith("wai_ops.control.")]


def test_flags_that_mean_nothing_without_policies_say_so(online: Wai) -> None:
    ran = online("run", "-q", "--risk", "high", "--justification", "why", "-m", SMALL, "hello")
    assert ran.exit_code == 0
    assert "no policies, so that --risk and --justification changes nothing" in ran.stderr
