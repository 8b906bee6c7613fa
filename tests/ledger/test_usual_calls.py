"""Most log rows have most in common, and are loaded a shorter way: it must lead to the same."""

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.facts import in_ledger
from support.gateway_rows import ingest_some, log_row, metadata
from wai_ops.observe.ledger.database import MIGRATIONS, statement

FILLING = 40
"""Rows of one kind, which makes that the usual one."""
TOLD = """
select * exclude (ingested_at, is_first, is_last) from model_call where log_id = 'log-1'
"""
TOLD_BY_GATEWAY = """
select
    gateway_input_tokens, gateway_output_tokens, gateway_duration_ms, usage_input_tokens,
    usage_output_tokens, usage_cached_input_tokens, usage_reasoning_tokens
from model_call
order by try_cast(substr(log_id, 5) as integer)
"""
USAGE = {"input_tokens": 1000, "output_tokens": 50, "input_cached_tokens": 0}
REASONING = "output_reasoning_tokens"

changes = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(
            ["@cf/un/known", "workers-ai/@cf/moonshotai/kimi-k2.6", "@cf/a\x1fb", None]
        ),
        "status_code": st.sampled_from([None, 400, 429, 500]),
        "success": st.sampled_from([None, False]),
        "cached": st.sampled_from([None, True]),
        "step": st.sampled_from([None, 3]),
        "custom_cost": st.sampled_from([None, True]),
        "wholesale": st.sampled_from([None, True]),
        "provider": st.sampled_from([None, "", "openai"]),
        "path": st.none(),
        "finish_reason": st.sampled_from(["stop", "length"]),
        "gateway": st.sampled_from(["", "other"]),
        "cost": st.sampled_from([None, 0, 0.0015, 1.5]),
        "tokens_in": st.sampled_from([None, 0, 900]),
        "tokens_out": st.sampled_from([None, 0, 49]),
        "usage_metadata": st.sampled_from(
            [None, {}, USAGE | {"input_tokens": None}, USAGE | {"output_tokens": None}]
        ),
        "metadata": st.sampled_from(
            [
                None,
                metadata(1, prompt="of no version"),
                metadata(1, conversation="of no lineage"),
                {"tenant": "acme"},
            ]
        ),
        "created_at": st.sampled_from(["2023-05-01T00:00:00Z", "2026-10-30T23:59:59.999Z"]),
        "feedback": st.just(1),
        "duration": st.sampled_from([None, 0]),
    },
)


def loaded(state_dir: Path, row: dict[str, Any], usual: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What the ledger says of a row that came with many of another kind."""
    others = [usual | {"id": f"log-{n}", "event_id": f"event-{n}"} for n in range(2, FILLING)]
    ingest_some(state_dir, *others, row)
    return in_ledger(state_dir, TOLD)


@settings(max_examples=20)
@given(changes)
def test_a_row_is_the_same_whatever_is_usual_in_its_batch(
    tmp_path_factory: pytest.TempPathFactory, special: dict[str, Any]
) -> None:
    row = log_row(1, **special)
    folder = tmp_path_factory.mktemp("ledgers")
    usual = loaded(folder / "usual", row, row)
    assert len(usual) == 1
    assert loaded(folder / "unusual", row, log_row(0, user_agent="another")) == usual


@pytest.mark.parametrize(
    "special",
    [{"status_code": 70_000}, {"step": 2**40}, {"feedback": -(2**40)}, {"error_code": 2**31}],
)
def test_a_row_that_no_ledger_can_hold_is_not_the_usual_one(
    state_dir: Path, special: dict[str, int]
) -> None:
    """Although it is alone in its batch, or most rows are like it."""
    rows = [log_row(number, **special) for number in range(3)]
    assert ingest_some(state_dir, *rows).quarantined_count == len(rows)
    assert ingest_some(state_dir, *rows, log_row(4)).inserted_count == 1


counts = st.none() | st.integers(0, 2**32 - 1)


@settings(max_examples=8)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "tokens_in": counts,
                "tokens_out": counts,
                "usage_metadata": st.none()
                | st.fixed_dictionaries({}, optional=dict.fromkeys((*USAGE, REASONING), counts)),
                "duration": st.none() | st.integers(0, 10**9),
            }
        ),
        min_size=20,
        max_size=60,
    )
)
def test_what_the_gateway_told_of_a_call_is_there_as_it_came(
    tmp_path_factory: pytest.TempPathFactory, all_told: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    ingest_some(folder, *(log_row(n, **told) for n, told in enumerate(all_told)))
    found = in_ledger(folder, TOLD_BY_GATEWAY)
    assert [list(row) for row in found] == [
        [told[name] for name in ("tokens_in", "tokens_out", "duration")]
        + [(told["usage_metadata"] or {}).get(name) for name in (*USAGE, REASONING)]
        for told in all_told
    ]


rates = st.decimals(0, 1000, places=6) | st.decimals(0, 1000, places=12)


@settings(max_examples=8)
@example([(2_912_267_570, Decimal("83.88608"), Decimal(1000))])  # cached costs more
@example([(2**32, Decimal("199.999999"), Decimal(0)), (2**32, Decimal(0), Decimal("199.999999"))])
@given(st.lists(st.tuples(st.integers(0, 2**40), rates, rates), min_size=30, max_size=100))
def test_what_a_cache_saved_is_the_same_by_either_way(
    cases: list[tuple[int, Decimal, Decimal]],
) -> None:
    text = statement(f"schema/{MIGRATIONS[-1]}")
    begin = text.index("create or replace macro saved_usd")
    with duckdb.connect() as connection:
        connection.execute(text[begin : text.index("end;", begin) + 4])
        connection.execute("create table t (n bigint, a decimal(18, 12), b decimal(18, 12))")
        connection.executemany("insert into t values (?, ?, ?)", cases)
        found = connection.execute("select saved_usd(n, a, b) from t").fetchall()
    exact = [tokens * (rate - cached) / 1_000_000 for tokens, rate, cached in cases]
    assert [row[0] for row in found] == [
        usd.quantize(Decimal("1e-12"), ROUND_HALF_UP) for usd in exact
    ]
