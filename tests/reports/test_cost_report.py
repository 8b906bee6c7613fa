"""`wai report cost`: exact sums, states kept apart, and notes on what is not in the numbers."""

import json
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.cli import Wai
from support.facts import NOON, ManualClock, attempt, record_attempts, record_text
from wai_ops.cli.report_options import Grouping
from wai_ops.core.records import AttemptRecord, to_json
from wai_ops.core.window import Window
from wai_ops.observe.ledger.store import open_ledger
from wai_ops.observe.reports.cost import CostNumbers, cost_report
from wai_ops.observe.reports.slice import Dimension, Slice
from wai_ops.state.live import LiveState

ALWAYS = Slice(Window(None, None))
UNKNOWN: dict[str, Any] = {"cost_state": "unknown", "cost_usd": None, "neurons": None}
MIXED = [
    attempt(1),
    attempt(2, run_id="run-1", attempt=2, cost_usd=Decimal("1.5"), neurons=Decimal(100_000)),
    attempt(3, workflow="answer", tenant="zeta", cost_state="confirmed", cost_usd=Decimal(2)),
    attempt(4, workflow="answer", cost_state="estimated", cost_usd=Decimal("0.25")),
    attempt(5, workflow="guess", requested_model="@cf/new/model", served_model=None, **UNKNOWN),
    attempt(6, workflow="guess", input_tokens=None, cached_input_tokens=None, **UNKNOWN),
    attempt(7, target="local", cached_input_tokens=None, error_type="output_truncated"),
]


def report(
    records: list[AttemptRecord], by: Dimension = Dimension.WORKFLOW, part: Slice = ALWAYS
) -> tuple[dict[str, CostNumbers], CostNumbers | None, tuple[str, ...]]:
    """Record, fold and report: rows by name in the report's order, the total, the notes."""
    clock = ManualClock()
    with tempfile.TemporaryDirectory() as folder:
        record_attempts(Path(folder), records)
        with open_ledger(Path(folder), clock) as store:
            table = cost_report(store, part, by)
    return {getattr(row, by.value): row for row in table.rows}, table.total, table.notes


amounts = st.decimals(min_value=0, max_value=999_999, places=12)
facts = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["metered", "confirmed", "estimated", "unknown", "none"]),
        amounts,
        st.integers(0, 10**9),
    ),
    max_size=12,
)


@settings(max_examples=15)
@given(facts)
def test_every_sum_is_exact_to_the_last_digit(
    parts: list[tuple[str, str, Decimal, int]],
) -> None:
    expected: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    tokens: dict[str, int] = defaultdict(int)
    seen: dict[str, set[str]] = defaultdict(set)
    records = []
    for number, (workflow, state, drawn, count) in enumerate(parts):
        known = state in {"metered", "confirmed", "estimated"}
        amount = drawn if known else None if state == "unknown" else Decimal(0)
        records.append(
            attempt(
                number,
                workflow=workflow,
                cost_state=state,
                cost_usd=amount,
                neurons=amount,
                input_tokens=count,
            )
        )
        tokens[workflow] += count
        seen[workflow].add(state)
        expected[workflow][state] += amount or Decimal(0)
    rows, total, _ = report(records)
    assert set(rows) == set(expected)
    for name, row in rows.items():
        sums = expected[name]
        known_cost = sums["metered"] + sums["confirmed"]
        is_known = bool(seen[name] & {"metered", "confirmed", "none"})
        assert row.cost_usd == row.neurons == (known_cost if is_known else None)
        for state in ("metered", "confirmed", "estimated"):
            shown = getattr(row, f"{state}_cost_usd")
            assert shown == (sums[state] if state in seen[name] else None)
        assert row.input_tokens == tokens[name]
    assert list(rows) == sorted(rows, key=lambda name: (dearness(rows[name]), name))
    if parts:
        assert total is not None
        assert (total.cost_usd or 0) == sum(row.cost_usd or 0 for row in rows.values())
        assert total.request_count == len(parts)
    else:
        assert total is None


def dearness(row: CostNumbers) -> tuple[bool, Decimal]:
    """Dearest first, and what nobody knows the cost of last."""
    return row.cost_usd is None, -(row.cost_usd or Decimal(0))


def test_estimates_and_unknown_costs_never_reach_the_cost() -> None:
    rows, total, _ = report(MIXED)
    assert list(rows) == ["answer", "triage", "guess"]
    answer, guess = rows["answer"], rows["guess"]
    assert (answer.cost_usd, answer.confirmed_cost_usd, answer.estimated_cost_usd) == (
        Decimal(2),
        Decimal(2),
        Decimal("0.25"),
    )
    assert answer.metered_cost_usd is None
    assert (guess.cost_usd, guess.neurons, guess.unknown_cost_count) == (None, None, 2)
    assert total is not None
    assert total.cost_usd == Decimal("3.500246913578")


def test_runs_are_counted_once_and_failures_by_their_class() -> None:
    rows, total, _ = report(MIXED)
    triage = rows["triage"]
    assert (triage.request_count, triage.run_count, triage.failed_count) == (3, 2, 1)
    assert total is not None
    assert (total.request_count, total.run_count) == (7, 6)


def test_the_cached_share_is_of_the_calls_that_report_it() -> None:
    rows, _, _ = report(MIXED)
    assert rows["triage"].cached_input_ratio == pytest.approx(0.4)
    assert rows["triage"].input_tokens == 3000
    nothing, _, _ = report([attempt(1, cached_input_tokens=None)])
    assert nothing["triage"].cached_input_ratio is None


@pytest.mark.parametrize(
    ("by", "names"),
    [
        (Dimension.WORKFLOW, ["answer", "triage", "guess"]),
        (Dimension.TENANT, ["zeta", "acme"]),
        (Dimension.MODEL, ["@cf/meta/llama-3.1-8b-instruct", "@cf/new/model"]),
        (Dimension.PROMPT, ["triage@3"]),
        (Dimension.DAY, ["2026-03-14"]),
    ],
)
def test_each_grouping_names_its_rows(by: Dimension, names: list[str]) -> None:
    rows, _, _ = report(MIXED, by)
    assert list(rows) == names


def test_a_day_is_a_utc_day() -> None:
    late = datetime(2026, 3, 14, 23, 59, 59, 999_999, tzinfo=UTC)
    rows, _, _ = report(
        [attempt(1, started_at=late), attempt(2, started_at=late + timedelta(microseconds=1))],
        Dimension.DAY,
    )
    assert sorted(rows) == ["2026-03-14", "2026-03-15"]


def test_the_window_takes_its_beginning_and_leaves_its_end() -> None:
    hour = timedelta(hours=1)
    records = [attempt(n, started_at=NOON + n * hour) for n in range(4)]
    _, total, notes = report(records, part=Slice(Window(NOON + hour, NOON + 3 * hour)))
    assert total is not None
    assert total.request_count == 2
    assert notes[0] == "2026-03-14 13:00 to 2026-03-14 15:00 (UTC): 2 requests of 2 runs"


def test_the_notes_say_what_the_numbers_stand_on_and_leave_out() -> None:
    _, _, notes = report(MIXED)
    assert notes == (
        "the beginning to now (UTC): 7 requests of 6 runs",
        (
            "1 of 7 requests (14.3%) had no known price (@cf/new/model): their cost is unknown and"
            " in no sum here"
        ),
        (
            "1 of 7 requests (14.3%) may have been billed, and nobody said how much: their cost is"
            " unknown and in no sum here"
        ),
        (
            "1 of 7 requests (14.3%) have an estimated cost only, which stands in its own column"
            " and is not part of the cost"
        ),
        "1 of 7 requests (14.3%) did not report cached tokens and are not part of the cached share",
        "prices: built-in of 2026-08-28",
        (
            "the free allocation of 10,000 neurons a UTC day would have covered 10.0% of these"
            " neurons ($0.110000), if the account had no other calls: it is not subtracted here"
        ),
        "known from: 7 client only",
        (
            "1 of 7 requests (14.3%) were served by the local emulator: list prices, nothing was"
            " billed"
        ),
        (
            "no outcome of a conversation was ever recorded, so the cost of a resolved workflow is"
            " unknown; see: wai outcomes record"
        ),
    )


def test_quarantined_facts_and_running_attempts_are_said_to_be_missing(tmp_path: Path) -> None:
    clock = ManualClock()
    record_text(tmp_path, "attempt", "broken")
    with LiveState.open(tmp_path, clock=clock) as live:
        with live.write():
            live.announce("attempt-1", to_json(attempt(1)))
        with open_ledger(tmp_path, clock) as store:
            notes = cost_report(store, ALWAYS).notes
    assert notes[1:] == (
        (
            "1 fact could not be read and may be missing here; see: wai ledger sql "
            '"select seq, reason from quarantine"'
        ),
        "1 attempt still in flight and not in these numbers",
    )


def test_the_flag_offers_what_the_report_knows() -> None:
    assert {item.value for item in Grouping} == {item.value for item in Dimension} - {"error"}


@pytest.fixture
def filled(wai: Wai, project: Path) -> Wai:
    record_attempts(project / ".wai", MIXED)
    return wai


def test_the_command_prints_rows_on_stdout_and_notes_on_stderr(filled: Wai) -> None:
    ran = filled("report", "cost", "--by", "tenant")
    assert ran.exit_code == 0
    assert ran.stdout == (
        "Cost by tenant\n"
        "Tenant  Requests  Runs  Failed  Input tokens  Cached input  Output tokens  Cached share"
        "   Metered  Confirmed  Estimated  Unknown cost      Cost  Neurons       Retried"
        "     Truncated  Denied\n"
        "zeta           1     1       0         1,000           400             50         40.0%"
        "         -      $2.00          -             0     $2.00  11.2233             -"
        "             -       0\n"
        "acme           6     5       1         5,000         1,600            300         40.0%"
        "  $1.50025          -      $0.25             2  $1.50025  100,022  $0.000123457"
        "  $0.000123457       0\n"
        "total          7     6       1         6,000         2,000            350         40.0%"
        "  $1.50025      $2.00      $0.25             2  $3.50025  100,034  $0.000123457"
        "  $0.000123457       0\n"
    )
    lines = ran.stderr.splitlines()
    assert lines[0] == "wai: note: the beginning to now (UTC): 7 requests of 6 runs"
    assert len(lines) == 10


def test_json_keeps_every_digit_the_total_and_the_notes(filled: Wai) -> None:
    ran = filled("report", "cost", "--format", "json")
    document = json.loads(ran.stdout)
    assert document["title"] == "Cost by workflow"
    assert [row["workflow"] for row in document["rows"]] == ["answer", "triage", "guess"]
    assert document["rows"][1]["cost_usd"] == "1.500246913578"
    assert document["total"]["cost_usd"] == "3.500246913578"
    assert document["notes"] == [
        line.removeprefix("wai: note: ") for line in ran.stderr.splitlines()
    ]


def test_a_project_without_any_run_has_an_empty_report(wai: Wai) -> None:
    ran = wai("report", "cost")
    assert (ran.exit_code, ran.stdout) == (0, "Cost by workflow\n(no rows)\n")
    assert ran.stderr == "wai: note: the beginning to now (UTC): 0 requests of 0 runs\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "soon"], "--since 'soon' is not a time"),
        (["--since", "2026-02-01", "--until", "2026-01-01"], "the window is empty"),
        (["--by", "moon"], "moon"),
    ],
)
def test_a_wrong_flag_is_a_usage_error_and_leaves_stdout_empty(
    arguments: list[str], words: str, filled: Wai
) -> None:
    ran = filled("report", "cost", *arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert words in ran.stderr
