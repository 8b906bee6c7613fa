"""Loading log rows: what is kept, counted, priced, quarantined and masked."""

import json
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.facts import NOON, ManualClock, in_ledger
from support.gateway_rows import (
    MODEL,
    PRICES,
    book,
    ingest,
    ingest_some,
    log_row,
    metadata,
    write_rows,
)
from wai_ops.core.failures import TRAITS, Billed, FailureClass, classify_response
from wai_ops.core.money import Usage, cost_of
from wai_ops.core.prices import PriceBook, PriceOverride, built_in
from wai_ops.observe.ledger.database import connected, open_ledger_file, run, transaction
from wai_ops.observe.ledger.gateway import Batch, UnreadableRowsError, ingest_rows
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.rollup import three_digits
from wai_ops.observe.redact.engine import Redactor

SECRET = "cfut_" + "Ab1" * 16


def calls(state_dir: Path, columns: str) -> list[tuple[Any, ...]]:
    return in_ledger(state_dir, f"select {columns} from model_call order by log_id")


def test_a_row_is_loaded_with_everything_that_it_says(state_dir: Path) -> None:
    result = ingest_some(state_dir, log_row(1, feedback=1, score=80, step=2, dlp_action="FLAG"))
    assert (result.row_count, result.inserted_count, result.pending_count) == (1, 1, 0)
    assert (result.has_usage_metadata, result.has_timings) == (True, True)
    ended = (NOON.replace(tzinfo=None)).replace(second=1)
    assert calls(
        state_dir,
        "log_id, request_id, event_id, step, created_at, started_at, tenant, workflow,"
        " conversation_id, turn_index, attempt, prompt_name, prompt_version, contract",
    ) == [
        ("log-1", "run-1", "event-1", 2, ended, ended.replace(second=59, minute=59, hour=11)
         .replace(microsecond=750000), "acme", "triage", "c1", 0, 1, "triage", "3", "complete")
    ]  # fmt: skip
    assert calls(
        state_dir,
        "gateway_id, provider, model, target, endpoint, http_status, error_type,"
        " gateway_cache_hit, usage_source, input_tokens, cached_input_tokens, output_tokens,"
        " duration_ms, gateway_latency_ms, feedback, score, dlp_action, user_agent",
    ) == [
        ("default", "workers-ai", MODEL, "cloudflare", "/v1/chat/completions", 200, None, False,
         "gateway usage", 1000, 0, 50, 1500.0, 300.0, 1, 80.0, "FLAG", "agent/1")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("entries", "contract", "found"),
    [
        (None, "missing", (None, None, None, None)),
        ({}, "missing", (None, None, None, None)),
        ({"team": "x"}, "missing", (None, None, None, None)),
        ({"tenant": "a"}, "partial", ("a", None, None, None)),
        (metadata(1, conversation="a.b.c.7.2"), "complete", ("acme", "a.b.c", 7, 2)),
        (metadata(1, conversation="nothing"), "partial", ("acme", "nothing", None, None)),
        (json.dumps(metadata(1)), "complete", ("acme", "c1", 0, 1)),
        ("{broken", "missing", (None, None, None, None)),
        ("[]", "missing", (None, None, None, None)),
    ],
)
def test_metadata_is_an_object_or_its_text_and_may_lack_anything(
    entries: Any, contract: str, found: tuple[Any, ...], state_dir: Path
) -> None:
    ingest_some(state_dir, log_row(1, metadata=entries))
    [row] = calls(state_dir, "contract, tenant, conversation_id, turn_index, attempt")
    assert row == (contract, *found)


def test_both_kinds_of_metadata_may_be_in_one_file(state_dir: Path) -> None:
    rows = [log_row(1), log_row(2, metadata=json.dumps(metadata(2))), log_row(3, metadata=None)]
    assert ingest_some(state_dir, *rows).inserted_count == 3
    assert calls(state_dir, "run_id") == [("run-1",), ("run-2",), (None,)]


@pytest.mark.parametrize(
    ("created_at", "ended"),
    [
        ("2026-03-14T12:00:00Z", datetime(2026, 3, 14, 12)),  # noqa: DTZ001
        ("2026-03-14 12:00:00", datetime(2026, 3, 14, 12)),  # noqa: DTZ001
        ("2026-03-14T12:00:00.123456+02:00", datetime(2026, 3, 14, 10, 0, 0, 123456)),  # noqa: DTZ001
    ],
)
def test_times_are_taken_as_utc(created_at: str, ended: datetime, state_dir: Path) -> None:
    ingest_some(state_dir, log_row(1, created_at=created_at))
    assert calls(state_dir, "created_at") == [(ended,)]


@pytest.mark.parametrize("name", ["batch.ndjson", "batch.ndjson.gz"])
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{broken", "malformed"),
        ('{"id": "x"}', "created_at"),
        (json.dumps(log_row(9, id=None)), "id"),
        (json.dumps(log_row(9, id="")), "id is empty"),
        (json.dumps(log_row(9, created_at="yesterday")), "yesterday"),
        (json.dumps(log_row(9, tokens_in="many")), "tokens_in"),
        (json.dumps(log_row(9, tokens_in=-1)), "tokens_in is -1"),
        (json.dumps(log_row(9, status_code=70000)), "status_code is 70000"),
        (json.dumps(log_row(9, cost="dear")), "cost"),
        (json.dumps(log_row(9, success="perhaps")), "success"),
        ("[" * 3000, ""),
    ],
)
def test_a_line_that_cannot_be_read_is_quarantined_and_the_others_are_not(
    name: str, line: str, reason: str, state_dir: Path
) -> None:
    file = write_rows(state_dir / name, [log_row(1), "", line, log_row(2)])
    result = ingest(state_dir, file)
    assert (result.row_count, result.inserted_count, result.quarantined_count) == (2, 2, 1)
    [(origin, number, why, content)] = in_ledger(
        state_dir, "select origin, line, reason, content from ingest_quarantine"
    )
    assert (origin, number) == (str(file), 3)
    assert reason in why
    assert line.startswith(content[:40])
    assert calls(state_dir, "log_id") == [("log-1",), ("log-2",)]


def test_a_file_of_bad_lines_only_gives_no_row_and_loses_none(state_dir: Path) -> None:
    result = ingest_some(state_dir, "{", "}")
    assert (result.row_count, result.quarantined_count) == (0, 2)


def test_what_the_caller_wrote_before_is_not_lost_to_a_bad_line(
    state_dir: Path, clock: ManualClock
) -> None:
    """A transaction that met a bad line cannot go on, so it must not hold anything else."""
    good = write_rows(state_dir / "good.ndjson", [log_row(1)])
    bad = write_rows(state_dir / "bad.ndjson", [log_row(2), "{"])

    def load(connection: Any, file: Path) -> int:
        return ingest_rows(
            connection,
            state_dir,
            clock,
            Batch(files=[file], gateway_id="g", ingest_source="s"),
            prices=PRICES,
            redactor=Redactor.build({}, key=b"k" * 32),
        ).inserted_count

    with ledger_lock(state_dir, clock), open_ledger_file(state_dir, clock) as connection:
        with pytest.raises(UnreadableRowsError), transaction(connection):  # noqa: PT012 - both
            load(connection, good)
            load(connection, bad)
        assert run(connection, "calls/last_row") == [(-1,)]
        with transaction(connection):
            assert load(connection, bad) == 1
            assert load(connection, good) == 1
    assert calls(state_dir, "log_id") == [("log-1",), ("log-2",)]


def test_a_row_that_is_twice_in_a_batch_counts_once_with_its_fullest_content(
    state_dir: Path,
) -> None:
    early = log_row(1, cost=None, usage_metadata=None, tokens_in=None, tokens_out=None)
    result = ingest_some(state_dir, early, log_row(1), early, log_row(2))
    assert (result.row_count, result.inserted_count, result.duplicate_count) == (4, 2, 2)
    assert calls(state_dir, "log_id, input_tokens") == [("log-1", 1000), ("log-2", 1000)]


def test_late_fields_are_filled_in_and_never_taken_away(state_dir: Path) -> None:
    early = log_row(1, cost=None, usage_metadata=None, tokens_in=None, tokens_out=None)
    first = ingest_some(state_dir, early)
    assert (first.inserted_count, first.pending_count) == (1, 1)
    late = ingest_some(state_dir, log_row(1))
    assert (late.replaced_count, late.late_field_count, late.pending_count) == (1, 1, 0)
    stale = ingest_some(state_dir, early)
    assert (stale.unchanged_count, stale.replaced_count) == (1, 0)
    patched = ingest_some(state_dir, log_row(1, feedback=-1))
    assert (patched.replaced_count, patched.late_field_count) == (1, 0)
    assert calls(state_dir, "input_tokens, feedback, cost_state") == [(1000, -1, "confirmed")]


@pytest.mark.parametrize(
    "changes",
    [
        {"user_agent": f"agent {SECRET}"},
        {"path": f"/v1?token={SECRET}"},
        {"metadata": metadata(1, tenant=SECRET)},
        {"metadata": metadata(1, trace=SECRET)},
        {"model": f"custom/{SECRET}"},
        {"error_message": f"bad key {SECRET}", "success": False, "status_code": 401},
        {"event_id": "known-secret-value"},
        {"id": f"log-{SECRET}"},
        {"byok": SECRET},
    ],
)
def test_a_secret_in_any_text_of_a_row_is_masked_before_it_is_stored(
    changes: dict[str, Any], state_dir: Path
) -> None:
    redactor = Redactor.build({"token": "known-secret-value"}, key=b"k" * 32)
    result = ingest_some(state_dir, log_row(1, **changes), log_row(2), redactor=redactor)
    assert (result.inserted_count, sum(result.removed.values()) >= 1) == (2, True)
    (state_dir / "batch.ndjson").unlink()
    stored = b"".join(path.read_bytes() for path in state_dir.rglob("*") if path.is_file())
    assert SECRET.encode() not in stored
    assert b"known-secret-value" not in stored
    text = str(in_ledger(state_dir, "from model_call"))
    assert "[redacted:" in text
    assert SECRET not in text


def test_an_uuid_a_model_and_a_long_route_survive_the_masking(state_dir: Path) -> None:
    event = "0199e000-0000-7000-97f0-03c1c9c00203"
    path = "/accounts/x/ai/run/@cf/deepseek-ai/deepseek-v4-flash-0731"
    ingest_some(state_dir, log_row(1, event_id=event, path=path))
    assert calls(state_dir, "event_id, endpoint, model") == [(event, path, MODEL)]


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (429, None, None),
        (429, 3040, None),
        (429, 2003, None),
        (429, None, "Spend limit exceeded: rule 'x'"),
        (403, None, None),
        (403, 10000, None),
        (500, None, None),
        (400, 5021, "too long"),
        (418, None, None),
    ],
)
def test_failures_are_classed_by_all_that_is_known(
    status: int, code: int | None, message: str | None, state_dir: Path
) -> None:
    expected = classify_response(status, code, message or "")
    ingest_some(
        state_dir,
        log_row(
            1,
            success=False,
            status_code=status,
            error_code=code,
            error_message=message,
            cost=0,
            tokens_in=0,
            tokens_out=0,
            usage_metadata=None,
        ),
    )
    is_free = status == 429 or TRAITS[expected].billed is Billed.NO
    cost = ("none", Decimal(0)) if is_free else ("unknown", None)
    assert calls(state_dir, "error_type, cost_state, cost_usd") == [(expected.value, *cost)]
    assert expected is not FailureClass.UNKNOWN or status in {418, 429}


@pytest.mark.parametrize(
    ("changes", "state", "cost"),
    [
        ({}, "confirmed", "0.001620003000"),
        ({"cost": 0.5}, "metered", "0.001620003000"),
        ({"cost": None}, "metered", "0.001620003000"),
        ({"custom_cost": True}, "metered", "0.001620003000"),
        ({"cached": True, "cost": 0}, "none", "0.000000000000"),
        ({"model": "openai/gpt-9"}, "estimated", "0.001620000000"),
        ({"model": "openai/gpt-9", "cost": 0}, "unknown", None),
        ({"model": f"workers-ai/{MODEL}"}, "confirmed", "0.001620003000"),
        ({"usage_metadata": None, "tokens_in": None, "cost": None}, "unknown", None),
        ({"usage_metadata": None}, "confirmed", "0.001620003000"),
    ],
)
def test_a_cost_says_how_far_it_can_be_believed(
    changes: dict[str, Any], state: str, cost: str | None, state_dir: Path
) -> None:
    ingest_some(state_dir, log_row(1, **changes))
    assert calls(state_dir, "cost_state, cost_usd::varchar") == [(state, cost)]


def test_a_call_is_priced_by_the_book_of_its_day(state_dir: Path) -> None:
    old = book([{"id": "m", "usd_in_per_m": "1", "usd_out_per_m": "2"}], "2026-01-01")
    new = book([{"id": "m", "usd_in_per_m": "3", "usd_out_per_m": "4"}], "2026-03-15")
    prices = PriceBook(
        [*old.snapshots, *new.snapshots], {"n": PriceOverride(input=Decimal(7), output=Decimal(8))}
    )
    rows = [
        log_row(1, model="m", created_at="2026-03-14T23:59:59Z"),
        log_row(2, model="m", created_at="2026-03-15T00:00:01Z", duration=0),
        log_row(3, model="n", created_at="2026-03-15T00:00:01Z", duration=0),
    ]
    ingest_some(state_dir, *rows, prices=prices)
    assert calls(state_dir, "in_usd_per_m::double, price_source, price_as_of") == [
        (pytest.approx(1), "catalogue", "2026-01-01"),
        (pytest.approx(3), "catalogue", "2026-03-15"),
        (pytest.approx(7), "config", "2026-03-15"),
    ]


rates = st.decimals(0, 20_000, places=6) | st.integers(0, 200_000).map(Decimal)
counts = st.integers(0, 300_000)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(rates, rates | st.none(), rates | st.none(), counts, counts, counts)))
def test_every_cost_agrees_with_the_price_rule_to_the_last_digit(
    cases: list[tuple[Decimal, Decimal | None, Decimal | None, int, int, int]],
) -> None:
    models, rows, expected = [], [], []
    for number, (rate_in, rate_cached, rate_out, tokens, cached, output) in enumerate(cases):
        name = f"m{number:04d}"
        neurons = {
            "neurons_in_per_m": format(rate_in, "f"),
            "neurons_cached_in_per_m": None if rate_cached is None else format(rate_cached, "f"),
            "neurons_out_per_m": None if rate_out is None else format(rate_out, "f"),
        }
        models.append({"id": name, **neurons})
        usage = {
            "input_tokens": tokens,
            "output_tokens": output,
            "input_cached_tokens": cached,
            "output_reasoning_tokens": 0,
        }
        rows.append(
            log_row(
                number,
                id=f"log-{number:04d}",
                model=f"m{number:04d}",
                usage_metadata=usage,
                cost=None,
            )
        )
        found = book(models).rates(name, datetime(2026, 3, 1, tzinfo=UTC))
        cost = cost_of(
            Usage(input_tokens=tokens, output_tokens=output, cached_input_tokens=cached), found
        )
        expected.append((cost.state.value, cost.cost_usd, cost.neurons))
    if rows:
        with tempfile.TemporaryDirectory() as folder:
            ingest_some(Path(folder), *rows, prices=book(models))
            assert calls(Path(folder), "cost_state, cost_usd, neurons") == expected


def test_the_built_in_book_prices_as_the_rule_says(state_dir: Path) -> None:
    moment = datetime(2026, 9, 1, 12, tzinfo=UTC)
    names = sorted(built_in().models)
    rows = [
        log_row(
            number, id=f"log-{number:04d}", model=name, created_at=moment.isoformat(), cost=None
        )
        for number, name in enumerate(names)
    ]
    ingest_some(state_dir, *rows)
    usage = Usage(input_tokens=1000, output_tokens=50, cached_input_tokens=0)
    costs = [cost_of(usage, PRICES.rates(name, moment)) for name in names]
    assert calls(state_dir, "cost_state, cost_usd, neurons") == [
        (cost.state.value, cost.cost_usd, cost.neurons) for cost in costs
    ]


@given(st.lists(st.floats(0, 1e9) | st.integers(0, 10**7).map(float), max_size=50))
@settings(max_examples=30, deadline=None)
def test_rounding_to_three_digits_is_the_same_here_and_in_the_ledger_and_keeps_order(
    values: list[float],
) -> None:
    schema = Path(str(__import__("wai_ops").__file__)).parent / "observe/ledger/sql/schema"
    text = (schema / "0002_gateway.sql").read_text()
    start = text.index("create macro three_digits")
    macro = text[start : text.index(";", start)]
    with connected(Path(":memory:"), Path("/nonexistent")) as connection:
        connection.execute(macro)
        rows = connection.execute(
            "select three_digits(x) from unnest($1::double[]) as t (x)", [values]
        ).fetchall()
    ours = [three_digits(value) for value in values]
    assert [row[0] for row in rows] == ours
    assert sorted(ours) == [three_digits(value) for value in sorted(values)]
