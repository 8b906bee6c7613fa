"""`wai route explain` and `wai route backtest` as a user calls them."""

import json
from pathlib import Path

import pytest

from support.cli import Wai
from wai_ops.core.errors import ExitCode

GEMMA, KIMI, FLASH = (
    "@cf/google/gemma-4-26b-a4b-it",
    "@cf/moonshotai/kimi-k2.6",
    "@cf/zai-org/glm-4.7-flash",
)
POLICY = f"""\
version: 1
policy: support
policy_version: "2026-11-23.1"
workflows:
  support:
    default_risk: low
    risk: [low, medium]
    models:
      low: ["{FLASH}", "{GEMMA}"]
      medium: ["{KIMI}", "{FLASH}", "{GEMMA}"]
    routing:
      models: {{low: "{GEMMA}", medium: "{KIMI}"}}
      downshift:
        budget_pressure: {{budget_used_above: 0.8, model: "{FLASH}"}}
      fallbacks:
        - after: [capacity]
          models: ["{GEMMA}", "{FLASH}"]
  plain: {{models: {{low: ["{GEMMA}"]}}}}
"""


@pytest.fixture
def governed(wai: Wai) -> Wai:
    folder = wai.folder / "policies"
    folder.mkdir()
    (folder / "support.yaml").write_text(POLICY)
    return wai


def test_explain_names_model_rule_line_price_and_what_follows(governed: Wai) -> None:
    ran = governed(
        *("route", "explain", "--workflow", "support", "--risk", "medium", "--budget-used", "85%"),
        *("--input-tokens", "9000", "--on", KIMI, "--cached-tokens", "8000"),
    )
    assert (ran.exit_code, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[1] == f"model        {FLASH}"
    assert lines[2] == (
        f"why          85% of the budget is used, above 80%; it leaves {KIMI} and loses 8,000"
        " cached tokens: $0.000484 to read them here, $0.00127996 there"
    )
    assert lines[3] == (
        "rule         support.routing.downshift.budget_pressure  policies/support.yaml:14"
    )
    assert f"  {GEMMA}  $0.001207212072 (+0.000252702472)  no rule asked for it" in lines
    assert any(line.startswith(f"  capacity: {GEMMA} ({FLASH} failed: capacity") for line in lines)


def test_the_json_of_explain_is_as_its_schema_says(governed: Wai) -> None:
    import jsonschema

    ran = governed("route", "explain", "-w", "support", "--input-tokens", "100", "--json")
    schema = governed("schema", "route", "explain")
    jsonschema.validate(json.loads(ran.stdout), json.loads(schema.stdout))
    told = json.loads(ran.stdout)
    assert (told["model"], told["risk_tier"]) == (GEMMA, "low")
    assert [(item["model"], item["is_chosen"]) for item in told["candidates"]] == [
        (GEMMA, True),
        (FLASH, False),
        (KIMI, False),
    ]
    assert told["policy_version"].startswith("2026-11-23.1+")
    assert [step["model"] for step in told["fallbacks"]] == [FLASH, None]


def test_one_failure_alone_shows_its_chain_or_why_there_is_none(governed: Wai) -> None:
    ran = governed("route", "explain", "-w", "support", "--failure", "server_error", "--json")
    (step,) = json.loads(ran.stdout)["fallbacks"]
    assert (step["failure"], step["model"], step["reason"]) == (
        "server_error",
        None,
        "support.routing names no fallback after server_error",
    )


def test_a_running_conversation_is_read_from_live_state(governed: Wai) -> None:
    text = "Tell me. " * 300
    governed("run", "--local", "-q", "--workflow", "support", "--model", GEMMA, "-c", "c1", text)
    if not (governed.folder / ".wai" / "state.sqlite").exists():
        pytest.fail("the run left no live state")
    told = json.loads(governed("route", "explain", "-w", "support", "-c", "c1", "--json").stdout)
    assert told["conversation_model"] == GEMMA
    assert told["rule"] == "support.routing.conversation"
    assert told["input_tokens"] > told["cached_tokens"] > 500


def test_no_model_that_may_serve_is_a_verdict_and_exits_1(governed: Wai) -> None:
    ran = governed("route", "explain", "-w", "support", "--input-tokens", "300000")
    assert ran.exit_code == ExitCode.VERDICT_NO
    assert "model        none: no model may serve this turn" in ran.stdout
    assert "do not fit its context of 256,000" in ran.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-w", "suport"], "no policy names workflow suport\nwai: hint: did you mean support?"),
        (["-w", "plain"], "policies/support.yaml:18: workflow plain has no section `routing`"),
        (["-w", "support", "--risk", "high"], "no turns of tier high; it has: low, medium"),
        (["-w", "support", "--budget-used", "much"], "--budget-used 'much' is no share"),
        (["-w", "support", "--failure", "capasity"], "hint: did you mean capacity?"),
        (["-w", "support", "--cached-tokens", "5"], "--cached-tokens needs --conversation or --on"),
        (["-w", "support", "-c", "none"], "conversation 'none' of default in support has no turn"),
        (["-w", "support", "--policies", "nowhere"], "nowhere is no folder"),
    ],
)
def test_a_mistake_is_a_usage_error(governed: Wai, options: list[str], message: str) -> None:
    ran = governed("route", "explain", *options)
    assert (ran.exit_code, ran.stdout) == (ExitCode.USAGE, "")
    assert message in ran.stderr


def test_without_policies_there_is_nothing_to_explain(wai: Wai) -> None:
    for command in (["explain", "-w", "support"], ["backtest"]):
        ran = wai("route", *command)
        assert ran.exit_code == ExitCode.USAGE
        assert "there are no policies" in ran.stderr


def test_an_empty_ledger_is_no_error_for_a_backtest(governed: Wai, tmp_path: Path) -> None:
    ran = governed("route", "backtest", "--since", "24h", "--json")
    assert ran.exit_code == 0
    assert json.loads(ran.stdout)["rows"] == []
    ran = governed("route", "backtest", "--workflow", "suport")
    assert (ran.exit_code, ran.stdout) == (ExitCode.USAGE, "")
    assert "it names: plain, support" in ran.stderr
