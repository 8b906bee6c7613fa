"""`wai logs export otlp`: spans that the official decoder takes, with all but content."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from support.cli import Wai
from support.facts import NOON, attempt, record_attempts, record_fact

RUN_ID = "0192e4a0-7c1f-7b3a-9f00-0123456789ab"


@pytest.fixture
def recorded(project: Path) -> Path:
    """Calls that succeeded and failed, a decision and a tool call."""
    state_dir = project / ".wai"
    record_attempts(
        state_dir,
        [
            attempt(1, run_id=RUN_ID, log_id="log-1", reasoning_tokens=7),
            attempt(
                2,
                started_at=NOON + timedelta(minutes=1),
                tenant="ten\x1bant",
                error_type="capacity",
                http_status=429,
                error_message="the prompt was: secret plans",
                input_tokens=None,
                cached_input_tokens=None,
                output_tokens=None,
                cost_state="none",
                cost_usd=Decimal(0),
            ),
        ],
    )
    record_fact(
        state_dir,
        "decision",
        {
            "decision_id": "decision-1",
            "occurred_at": "2026-03-14T12:00:00.000000Z",
            "policy_version": "1",
            "verdict": "allow",
            "action": "run",
            "run_id": RUN_ID,
        },
    )
    record_fact(
        state_dir,
        "tool_call",
        {
            "tool_call_id": "call-1",
            "request_id": RUN_ID,
            "tenant": "acme",
            "workflow": "triage",
            "conversation_id": "c1",
            "turn_index": 0,
            "tool_name": "crm.lookup",
            "tool_family": "crm",
            "started_at": "2026-03-14T12:00:02.500000Z",
            "duration_ms": 12.5,
            "source": "recorded",
        },
    )
    return project


def spans_of(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        for group in json.loads(line)["resourceSpans"]:
            for scope in group["scopeSpans"]:
                yield from scope["spans"]


def attributes_of(span: dict[str, Any]) -> dict[str, Any]:
    return {item["key"]: next(iter(item["value"].values())) for item in span["attributes"]}


def test_the_official_decoder_takes_every_line_and_changes_nothing(
    wai: Wai, recorded: Path
) -> None:
    """Unknown fields, wrong types and 64-bit integers that are no text would be refused."""
    ran = wai("logs", "export", "otlp", "-o", "spans.jsonl")
    assert (ran.exit_code, ran.stderr) == (0, "wai: wrote 3 rows to spans.jsonl\n")
    lines = (recorded / "spans.jsonl").read_text().splitlines()
    parsed = [
        span
        for line in lines
        for group in ParseDict(json.loads(line), TracesData()).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    assert len(parsed) == 3
    # The decoder takes bytes for base64, which 32 hex digits happen to be: compare the text.
    for span in spans_of(recorded / "spans.jsonl"):
        assert len(bytes.fromhex(span["traceId"])) == 16
        assert len(bytes.fromhex(span["spanId"])) == 8
    assert parsed[0].start_time_unix_nano == 1773489600250000000
    assert parsed[0].end_time_unix_nano == 1773489602250125000
    tokens = {
        item.key: item.value.int_value for item in parsed[0].attributes if "usage" in item.key
    }
    assert tokens["gen_ai.usage.input_tokens"] == 1000  # the cached ones are among them
    assert tokens["gen_ai.usage.cache_read.input_tokens"] == 400
    assert tokens["gen_ai.usage.output_tokens"] == 50
    assert tokens["gen_ai.usage.reasoning.output_tokens"] == 7


def test_a_span_carries_its_names_its_exact_cost_and_its_decisions(
    wai: Wai, recorded: Path
) -> None:
    wai("logs", "export", "otlp", "-o", "spans.jsonl")
    first = next(spans_of(recorded / "spans.jsonl"))
    values = attributes_of(first)
    assert first["traceId"] == RUN_ID.replace("-", "")
    assert first["name"] == "chat @cf/meta/llama-3.1-8b-instruct"
    assert values["gen_ai.conversation.id"] == "c1"
    assert values["gen_ai.usage.cost"] == 0.000123456789
    assert values["wai.cost_usd"] == "0.000123456789"
    assert values["wai.decision_ids"] == {"values": [{"stringValue": "decision-1"}]}
    assert [values[key] for key in ("tenant", "workflow", "conversation", "prompt", "trace")] == [
        *("acme", "triage", "c1.0.1", "triage@3", RUN_ID)
    ]


def test_a_failed_call_says_its_class_and_no_content(wai: Wai, recorded: Path) -> None:
    wai("logs", "export", "otlp", "-o", "spans.jsonl")
    failed = list(spans_of(recorded / "spans.jsonl"))[1]
    assert failed["status"] == {"code": 2}
    assert attributes_of(failed)["error.type"] == "capacity"
    text = (recorded / "spans.jsonl").read_text()
    assert "secret plans" not in text
    assert "\x1b" not in text


def test_tool_calls_are_spans_of_the_same_trace(wai: Wai, recorded: Path) -> None:
    wai("logs", "export", "otlp", "-o", "spans.jsonl")
    tool = list(spans_of(recorded / "spans.jsonl"))[2]
    assert tool["name"] == "execute_tool crm.lookup"
    assert tool["traceId"] == RUN_ID.replace("-", "")
    assert attributes_of(tool)["gen_ai.tool.call.id"] == "call-1"


def test_the_same_ledger_gives_the_same_bytes(wai: Wai, recorded: Path) -> None:
    for name in ("one", "two"):
        assert wai("logs", "export", "otlp", "-o", name).exit_code == 0
    assert (recorded / "one").read_bytes() == (recorded / "two").read_bytes()
