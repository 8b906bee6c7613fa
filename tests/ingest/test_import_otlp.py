"""OTLP/JSON traces: old and new names, every shape of document, and our own spans back again."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.cli import Ran, Wai
from support.facts import in_ledger, record_fact
from support.import_rows import MODEL, gateway_row, write_rows
from wai_ops.core.prices import PriceBook, built_in
from wai_ops.core.window import Window
from wai_ops.observe.ingest.export import Account, LogExport, export_logs
from wai_ops.observe.ingest.importing import ImportOptions, import_files
from wai_ops.observe.ingest.sources import find_sources
from wai_ops.observe.redact.engine import Redactor
from wai_ops.observe.reports.slice import Slice

START, END = 1791187200_000000000, 1791187201_500000000
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def value_of(value: Any) -> dict[str, Any]:
    kinds = {bool: "boolValue", float: "doubleValue", str: "stringValue"}
    if isinstance(value, list):
        return {"arrayValue": {"values": [value_of(item) for item in value]}}
    if type(value) is int:
        return {"intValue": str(value)}
    return {kinds[type(value)]: value}


def span(attributes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "chat",
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(END),
        "attributes": [{"key": key, "value": value_of(item)} for key, item in attributes.items()],
        "status": {},
    } | changes


def document(*spans: dict[str, Any], **resource: str) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [
                        {"key": key, "value": value_of(item)} for key, item in resource.items()
                    ]
                },
                "scopeSpans": [{"scope": {"name": "test"}, "spans": list(spans)}],
            }
        ]
    }


def done(ran: Ran) -> dict[str, Any]:
    assert ran.exit_code == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


TOKENS = (
    "select model, provider, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens "
    "from model_call"
)
NEW = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "workers-ai",
    "gen_ai.request.model": MODEL,
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.cache_read.input_tokens": 640,
    "gen_ai.usage.output_tokens": 92,
    "gen_ai.usage.reasoning.output_tokens": 12,
}
OLD = {
    "gen_ai.system": "workers-ai",
    "gen_ai.request.model": MODEL,
    "gen_ai.usage.prompt_tokens": 1000,
    "gen_ai.usage.cache_read_input_tokens": 640,
    "gen_ai.usage.completion_tokens": 92,
    "gen_ai.usage.reasoning_tokens": 12,
}


@pytest.mark.parametrize("names", [NEW, OLD], ids=["new names", "old names"])
def test_tokens_are_read_by_any_name_and_cached_ones_are_part_of_input(
    wai: Wai, project: Path, names: dict[str, Any]
) -> None:
    (project / "t.json").write_text(json.dumps(document(span(names))))
    assert done(wai("logs", "import", "t.json", "--json"))["formats"] == {"otlp": 1}
    assert in_ledger(project / ".wai", TOKENS) == [(MODEL, "workers-ai", 1000, 640, 92, 12)]
    priced = in_ledger(
        project / ".wai",
        "select cost_usd = ((input_tokens - cached_input_tokens) * in_usd_per_m + "
        "cached_input_tokens * cached_in_usd_per_m + output_tokens * out_usd_per_m) / 1000000, "
        "cost_state from model_call",
    )
    assert priced == [(True, "metered")]


def test_the_span_that_the_gateway_exports_is_a_call_with_its_cost_and_labels(
    wai: Wai, project: Path
) -> None:
    labels = {
        "tenant": "acme",
        "workflow": "triage",
        "conversation": "c1.4.2",
        "prompt": "triage@3",
        "trace": "run-1",
    }
    own = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": MODEL,
        "gen_ai.model.provider": "workers-ai",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cost": 0.000321,
        "gen_ai.input.messages": "a secret prompt",
    }
    gateway = span(own | labels, name="cf.aig.request")
    trace = document(gateway, **{"service.name": "ai-gateway"})
    (project / "t.json").write_text(json.dumps(trace, indent=2))  # one value over many lines
    ran = wai("logs", "import", "t.json", "--gateway", "prod", "--json")
    assert done(ran)["inserted_count"] == 1
    assert "note: prompts and answers in spans were not kept\n" in ran.stderr
    assert in_ledger(
        project / ".wai",
        "select tenant, workflow, conversation_id, turn_index, attempt, prompt_name, run_id, "
        "gateway_cost_usd::varchar, provider, duration_ms, started_at::varchar, gateway_id, "
        "contract from model_call",
    ) == [
        (
            *("acme", "triage", "c1", 4, 2, "triage", "run-1", "0.000321000000", "workers-ai"),
            *(1500.0, "2026-10-05 08:00:00", "prod", "complete"),
        )
    ]
    everything = b"".join(
        path.read_bytes() for path in (project / ".wai").rglob("*") if path.is_file()
    )
    assert b"a secret prompt" not in everything


def test_tool_spans_are_tool_calls_and_spans_that_wrap_are_left_out(
    wai: Wai, project: Path
) -> None:
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "crm__lookup",
        "gen_ai.tool.call.id": "call-1",
        "gen_ai.tool.call.arguments": '{"id": 7}',
        "gen_ai.conversation.id": "c1",
        "error.type": "timeout",
    }
    agent = NEW | {"gen_ai.operation.name": "invoke_agent"}
    spans = [span(NEW), span(tool, spanId="1" * 16), span(agent, spanId="2" * 16), span({})]
    (project / "t.json").write_text(json.dumps(document(*spans)))
    for _ in range(2):  # the second time the call is replaced, not doubled
        result = done(wai("logs", "import", "t.json", "--again", "--json"))
        counts = (result["row_count"], result["tool_call_count"], result["ignored_count"])
        assert counts == (1, 1, 2)
    assert in_ledger(
        project / ".wai",
        "select tool_call_id, tool_name, tool_family, conversation_id, duration_ms, error_type, "
        "length(arguments_sha256), source from tool_call",
    ) == [("call-1", "crm__lookup", "crm", "c1", 1500.0, "timeout", 64, "otlp")]


def test_bad_spans_are_listed_and_their_neighbours_are_read(wai: Wai, project: Path) -> None:
    bad = [
        span(NEW, endTimeUnixNano=str(START - 1)),
        span(NEW, traceId="not an id"),
        span(NEW | {"gen_ai.usage.input_tokens": "many"}),
        span(NEW, startTimeUnixNano=None),
        span({"gen_ai.operation.name": "execute_tool"}),
    ]
    lines = [
        json.dumps(document(span(NEW), *bad)),
        '{"resourceSpans": {}}',
        '{"resourceSpans": [',
        json.dumps(document(span(NEW, spanId="f" * 16))),
    ]
    (project / "t.jsonl").write_text("\n".join(lines) + "\n")
    result = done(wai("logs", "import", "t.jsonl", "--json"))
    assert (result["inserted_count"], result["quarantined_count"]) == (2, 7)
    held = in_ledger(project / ".wai", "select line, reason from ingest_quarantine order by 1, 2")
    assert held[:6] == [
        (1, "span 2: it ends before it starts"),
        (1, "span 3: traceId is missing or no id"),
        (1, "span 4: input tokens is not a whole number"),
        (1, "span 5: startTimeUnixNano is missing"),
        (1, "span 6: a tool call without a tool's name"),
        (2, "resourceSpans is no list of objects"),
    ]
    assert held[6][0] == 3


def test_numbers_where_the_standard_has_text_are_read_too(wai: Wai, project: Path) -> None:
    one = span(NEW, startTimeUnixNano=START, endTimeUnixNano=END)
    one["attributes"].append({"key": "http.response.status_code", "value": {"intValue": 503}})
    old = {"resourceSpans": [{"instrumentationLibrarySpans": [{"spans": [one]}]}]}
    (project / "t.json").write_text(json.dumps(old))
    assert done(wai("logs", "import", "t.json", "--json"))["inserted_count"] == 1
    assert in_ledger(project / ".wai", "select http_status, error_type from model_call") == [
        (503, "server_error")
    ]


class StoppedClock:
    """Always the same time; nothing waits."""

    def now(self) -> Any:
        from support.facts import NOON

        return NOON

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        return None


COMPARED = """
    select log_id, started_at, tenant, workflow, conversation_id, turn_index, attempt, run_id,
        prompt_name, prompt_version, gateway_id, provider, model, http_status, error_type,
        gateway_cache_hit, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens,
        cost_state, cost_usd, neurons, gateway_cost_usd, gateway_input_tokens,
        gateway_output_tokens, finish_reason
    from model_call order by log_id
"""
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda name: name.strip() == name
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "tokens": st.tuples(st.integers(0, 200_000), st.integers(0, 200_000)),
            "written": st.integers(0, 9000),
            "has_usage": st.booleans(),
            "cost": st.none() | st.decimals("0", "900", places=12),
            "status": st.sampled_from([200, 200, 200, 400, 429, 500]),
            "cached": st.booleans(),
            "model": st.sampled_from([MODEL, "@cf/moonshotai/kimi-k2.6", "nobody/knows"]),
            "tenant": NAMES,
            "conversation": NAMES,
            "finish": st.sampled_from(["stop", "length", None]),
        }
    ),
    min_size=1,
    max_size=8,
)


def to_row(number: int, facts: dict[str, Any]) -> dict[str, Any]:
    read, cached = max(facts["tokens"]), min(facts["tokens"])
    usage = {
        "input_tokens": read,
        "output_tokens": facts["written"],
        "total_tokens": read + facts["written"],
        "output_reasoning_tokens": facts["written"] // 2,
        "input_cached_tokens": cached,
    }
    cost = facts["cost"]
    return gateway_row(
        number,
        model=facts["model"],
        status_code=facts["status"],
        success=facts["status"] == 200,
        cached=facts["cached"],
        tokens_in=read,
        tokens_out=facts["written"],
        cost=None if cost is None else float(cost),
        usage_metadata=usage if facts["has_usage"] else None,
        finish_reason=facts["finish"],
        metadata={
            "tenant": facts["tenant"],
            "workflow": "triage",
            "conversation": f"{facts['conversation']}.{number}.1",
            "prompt": "triage@3",
            "trace": f"run-{number}",
        },
    )


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_spans_of_a_ledger_give_a_fresh_ledger_the_same_calls(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    """Tokens, costs to the last digit, states, classes and labels survive the round trip."""
    folder = tmp_path_factory.mktemp("round")
    write_rows(folder / "rows.ndjson", [to_row(n, facts) for n, facts in enumerate(rows)])
    load(folder, "rows.ndjson", folder / "one")
    export_logs(
        folder / "one",
        StoppedClock(),
        LogExport.OTLP,
        folder / "spans.jsonl",
        Slice(Window(None, None)),
        account=Account(id="a", name="a"),
    )
    load(folder, "spans.jsonl", folder / "two")
    assert in_ledger(folder / "two", COMPARED) == in_ledger(folder / "one", COMPARED)


def load(folder: Path, name: str, state_dir: Path) -> None:
    result = import_files(
        state_dir,
        StoppedClock(),
        find_sources([name], folder).sources,
        ImportOptions(gateway_id="prod"),
        prices=PriceBook([built_in()]),
        redactor=Redactor.build({}, key=b"k" * 32),
    )
    assert result.is_clean, in_ledger(state_dir, "from ingest_quarantine")


def test_tool_calls_and_exact_gateway_costs_survive_the_round_trip(
    wai: Wai, project: Path, tmp_path: Path
) -> None:
    write_rows(project / "rows.ndjson", [gateway_row(1, cost=0.123456789012)])
    assert wai("logs", "import", "rows.ndjson").exit_code == 0
    record_fact(
        project / ".wai",
        "tool_call",
        {
            "tool_call_id": "call-1",
            "request_id": "run-1",
            "tenant": "globex",
            "workflow": "triage",
            "conversation_id": "c0",
            "turn_index": 1,
            "tool_name": "crm.lookup",
            "tool_family": "crm",
            "started_at": "2026-10-05T08:01:00.000000Z",
            "duration_ms": 12.5,
            "source": "recorded",
        },
    )
    other = Wai(tmp_path / "other")
    other.folder.mkdir()
    (other.folder / "wai.yaml").write_text('version: "1"\n')
    spans = other.folder / "spans.jsonl"
    assert wai("logs", "export", "otlp", "-o", str(spans)).exit_code == 0
    assert done(other("logs", "import", "spans.jsonl", "--json"))["tool_call_count"] == 1
    assert in_ledger(other.folder / ".wai", "select gateway_cost_usd from model_call") == [
        (Decimal("0.123456789012"),)
    ]
    facts = (
        "select tool_call_id, request_id, tenant, conversation_id, turn_index, tool_name, "
        "started_at, duration_ms from tool_call"
    )
    assert in_ledger(other.folder / ".wai", facts) == in_ledger(project / ".wai", facts)
