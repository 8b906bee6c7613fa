"""`wai run` against the emulator: what a user sees, and what is left behind."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.cli import Wai

MODEL = "@cf/zai-org/glm-5.3-flash"  # has a cached price, answers in the OpenAI shape
LEGACY = "@cf/meta/llama-3.1-8b-instruct-fp8"


def rows(wai: Wai, sql: str) -> list[dict[str, Any]]:
    ran = wai("ledger", "sql", sql, "--format", "json")
    assert ran.exit_code == 0, ran.stderr
    found: list[dict[str, Any]] = json.loads(ran.stdout)["rows"]
    return found


def run_json(wai: Wai, *arguments: str) -> dict[str, Any]:
    ran = wai("run", "--json", *arguments)
    assert ran.exit_code == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def test_the_answer_is_on_stdout_and_what_it_took_on_stderr(online: Wai) -> None:
    ran = online("run", "--tenant", "acme", "-m", MODEL, "What is affinity?")
    assert ran.exit_code == 0
    assert ran.stdout.strip()
    assert ran.stdout.endswith("\n")
    assert ran.stderr.startswith("wai: acme/adhoc ")
    assert "at list price, nothing billed" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_quiet_leaves_stderr_empty(online: Wai) -> None:
    assert online("run", "-q", "-m", MODEL, "hello").stderr == ""


def test_json_is_one_object_with_text_usage_cost_timings_affinity_and_ids(online: Wai) -> None:
    result = run_json(online, "-m", MODEL, "--workflow", "json-check", "hello")
    assert result["text"]
    assert result["usage"]["input_tokens"] > 0
    assert result["cost"]["state"] == "metered"
    assert result["cost"]["price_source"] == "built-in"
    assert result["timings"]["ttft_ms"] <= result["timings"]["duration_ms"]
    assert result["affinity"]["affinity_key"] == f"default:json-check:{result['conversation_id']}"
    assert result["log_id"]
    assert result["error"] is None
    assert [attempt["attempt"] for attempt in result["attempts"]] == [1]


def test_the_streamed_text_is_the_text_of_the_result(online: Wai) -> None:
    plain = online("run", "-q", "-m", MODEL, "--seed", "7", "the same question")
    whole = run_json(online, "-m", MODEL, "--seed", "7", "--no-stream", "the same question")
    assert plain.stdout.rstrip("\n") == whole["text"].rstrip("\n")


@pytest.mark.parametrize("endpoint", ["chat", "run"])
@pytest.mark.parametrize("model", [MODEL, LEGACY])
@pytest.mark.parametrize("stream", [[], ["--no-stream"]])
def test_both_shapes_come_through_both_endpoints(
    online: Wai, endpoint: str, model: str, stream: list[str]
) -> None:
    result = run_json(online, "--endpoint", endpoint, "-m", model, *stream, "hello there")
    assert result["text"]
    assert result["usage"]["output_tokens"] > 0
    assert result["error"] is None


def test_the_cost_is_the_formula_with_the_rates_that_the_row_keeps(online: Wai) -> None:
    from decimal import Decimal

    run_json(online, "-m", MODEL, "-c", "formula", "first question " * 40)
    result = run_json(online, "-m", MODEL, "-c", "formula", "second question")
    usage, cost = result["usage"], result["cost"]
    cached = usage["cached_input_tokens"]
    assert cached > 0
    expected = (
        (usage["input_tokens"] - cached) * Decimal(cost["in_usd_per_m"])
        + cached * Decimal(cost["cached_in_usd_per_m"])
        + usage["output_tokens"] * Decimal(cost["out_usd_per_m"])
    ) / 1_000_000
    assert Decimal(cost["cost_usd"]) == expected.quantize(Decimal("0.000000000001"))


def test_the_local_record_and_the_gateway_row_agree(online: Wai) -> None:
    """The trace id joins them; tokens and labels must be the same on both sides."""
    import httpx

    result = run_json(online, "-m", MODEL, "--tenant", "joined", "hello gateway")
    url = (
        f"{online.environ['CLOUDFLARE_BASE_URL']}/accounts/"
        f"{online.environ['CLOUDFLARE_ACCOUNT_ID']}/ai-gateway/gateways/default/logs/"
        f"{result['log_id']}"
    )
    token = online.environ["WAI_OPERATOR_TOKEN"]
    row = httpx.get(url, headers={"authorization": f"Bearer {token}"}).json()["result"]
    metadata = row["metadata"]
    metadata = json.loads(metadata) if isinstance(metadata, str) else metadata
    assert metadata == {
        "tenant": "joined",
        "workflow": "adhoc",
        "conversation": f"{result['conversation_id']}.0.1",
        "prompt": "inline@0",
        "trace": result["run_id"],
    }
    assert row["tokens_in"] == result["usage"]["input_tokens"]
    assert row["tokens_out"] == result["usage"]["output_tokens"]


def test_every_attempt_becomes_one_ledger_row(online: Wai) -> None:
    result = run_json(online, "-m", MODEL, "-c", "ledger-row", "hello ledger")
    found = rows(
        online,
        "select run_id, turn_index, attempt, requested_model, cost_state, cost_usd, target "
        "from attempt where conversation_id = 'ledger-row'",
    )
    assert found == [
        {
            "run_id": result["run_id"],
            "turn_index": 0,
            "attempt": 1,
            "requested_model": MODEL,
            "cost_state": "metered",
            "cost_usd": result["cost"]["cost_usd"],
            "target": "local",
        }
    ]


def test_a_second_turn_is_a_hit_and_a_rotation_makes_the_next_one_cold(online: Wai) -> None:
    long_text = "Please remember every single word of this long instruction. " * 30
    first = run_json(online, "-m", MODEL, "-c", "warm", long_text)
    second = run_json(online, "-m", MODEL, "-c", "warm", "And now?")
    assert (first["affinity"]["result"], first["affinity"]["cause"]) == ("miss", "cold")
    assert (second["affinity"]["result"], second["affinity"]["cause"]) == ("hit", None)
    assert second["affinity"]["header"] == first["affinity"]["header"]

    rotated = online("affinity", "rotate", "default:adhoc:warm", "--json")
    assert rotated.exit_code == 0
    third = run_json(online, "-m", MODEL, "-c", "warm", "And after the rotation?")
    assert third["affinity"]["epoch"] == 2
    assert third["affinity"]["header"] != first["affinity"]["header"]
    assert third["affinity"]["cause"] == "rotated"
    events = rows(
        online, "select epoch, reason from session_event where conversation_id = 'warm' order by 1"
    )
    assert events == [{"epoch": 1, "reason": "new"}, {"epoch": 2, "reason": "rotated"}]


def test_an_idle_session_rotates_and_says_why(online: Wai, project: Path) -> None:
    (project / "wai.yaml").write_text('version: "1"\naffinity: {idle_ttl_s: 0.001}\n')
    run_json(online, "-m", MODEL, "-c", "idle", "one")
    ran = online("run", "-m", MODEL, "-c", "idle", "two")
    assert "affinity session rotated to epoch 2: expired_idle" in ran.stderr
    shown = json.loads(online("affinity", "show", "default:adhoc:idle", "--json").stdout)
    assert (shown["epoch"], shown["reason"]) == (2, "expired_idle")


def test_affinity_list_shows_the_sessions(online: Wai) -> None:
    run_json(online, "-m", MODEL, "-t", "acme", "-w", "support", "-c", "c9", "hello")
    ran = online("affinity", "list", "--format", "json")
    keys = [row["affinity_key"] for row in json.loads(ran.stdout)["rows"]]
    assert keys == ["acme:support:c9"]


def test_a_prompt_file_is_rendered_and_named_in_the_record(online: Wai, project: Path) -> None:
    (project / "triage.prompt").write_text("Classify: {{ ticket }}")
    result = run_json(
        online, "-m", MODEL, "--prompt", "triage.prompt", "--var", "ticket={{ 7*7 }} is down"
    )
    name, _, version = result["prompt"].partition("@")
    assert name == "triage"
    assert re.fullmatch("work-[0-9a-f]{12}", version)


def test_a_prompt_is_found_by_its_name_from_any_folder_of_the_project(
    online: Wai, project: Path
) -> None:
    (project / "prompts").mkdir()
    (project / "prompts" / "triage.prompt").write_text("Classify: {{ ticket }}")
    (project / "deep").mkdir()
    online.folder = project / "deep"
    result = run_json(online, "-m", MODEL, "--prompt", "triage", "--var", "ticket=late")
    assert result["prompt"].startswith("triage@work-")


def test_the_names_for_completion_are_those_that_were_chosen(online: Wai, project: Path) -> None:
    run_json(online, "-m", MODEL, "-t", "acme", "-w", "support", "hello")
    run_json(online, "-m", MODEL, "-t", "acme", "-w", "support", "-c", "c1", "hello")
    lines = (project / ".wai" / "names").read_text().splitlines()
    assert sorted(lines) == ["conversation\tc1", "tenant\tacme", "workflow\tsupport"]


def test_standard_input_is_the_prompt(online: Wai) -> None:
    ran = online("run", "-q", "-m", MODEL, "-", stdin="a question from a file\n")
    assert ran.exit_code == 0
    assert ran.stdout


def test_an_answer_that_meets_its_schema_is_parsed(online: Wai, project: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    (project / "schema.json").write_text(json.dumps(schema))
    result = run_json(online, "-m", MODEL, "--json-schema", "schema.json", "fine?")
    assert result["output"] == json.loads(result["text"])
    assert isinstance(result["output"]["ok"], bool)


def test_tool_calls_are_the_answer_when_the_model_makes_them(online: Wai, project: Path) -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a place",
            "parameters": {
                "type": "object",
                "properties": {"place": {"type": "string"}},
                "required": ["place"],
            },
        },
    }
    (project / "tools.json").write_text(json.dumps([tool]))
    arguments = ["-m", MODEL, "--tools", "tools.json", "Call get_weather for Lisbon"]
    result = run_json(online, *arguments)
    assert [call["function"]["name"] for call in result["tool_calls"]] == ["get_weather"]
    json.loads(result["tool_calls"][0]["function"]["arguments"])
    ran = online("run", "-q", *arguments)
    assert json.loads(ran.stdout)["name"] == "get_weather"


def test_an_answer_cut_by_the_limit_warns_and_is_recorded_as_truncated(online: Wai) -> None:
    ran = online("run", "-m", MODEL, "--max-tokens", "2", "-c", "cut", "Tell me a long story")
    assert ran.exit_code == 0
    assert "the answer was cut by the output limit" in ran.stderr
    found = rows(online, "select error_type, cost_state from attempt")
    assert found == [{"error_type": "output_truncated", "cost_state": "metered"}]


def test_local_needs_no_credentials_and_no_server(wai: Wai) -> None:
    result = run_json(wai, "--local", "-m", MODEL, "hello")
    assert result["target"] == "local"
    assert result["text"]


def test_a_local_conversation_stays_warm_from_command_to_command(wai: Wai) -> None:
    """Each command embeds an emulator of its own; the warmth is handed on."""
    text = "Please remember every single word of this long instruction. " * 30
    run_json(wai, "--local", "-m", MODEL, "-c", "x", text)
    again = run_json(wai, "--local", "-m", MODEL, "-c", "x", "hello again")
    assert again["affinity"]["result"] == "hit"


def test_many_runs_at_once_leave_one_row_each(online: Wai) -> None:
    processes = [online.start("run", "--json", "-m", MODEL, f"question {n}") for n in range(12)]
    reports = [online("report", "cost", "--format", "json") for _ in range(2)]
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 12, results
    assert all(report.exit_code == 0 for report in reports)
    runs = {json.loads(stdout)["run_id"] for stdout, _ in results}
    found = rows(online, "select run_id from attempt")
    assert {row["run_id"] for row in found} == runs
    assert len(found) == 12


def test_two_turns_at_once_of_one_conversation_get_different_places(online: Wai) -> None:
    processes = [online.start("run", "--json", "-m", MODEL, "-c", "busy", "q") for _ in range(4)]
    results = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert sorted(result["turn_index"] for result in results) == [0, 1, 2, 3]
