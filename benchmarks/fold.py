"""What a fold costs: the outbox of 100,000 attempts into the ledger, and what each part takes.

Against: DuckDB parsing the same payloads as NDJSON into the same explicit columns and storing
nothing, in the same process settings and the same run: the floor for anything that reads them.
Every round makes its own state folder; folds and baselines take turns.

    python benchmarks/fold.py [ROWS [ROUNDS]]      exit 1 when a fold takes more than 5 s
"""

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb

from wai_ops.core.clock import SystemClock
from wai_ops.core.ids import uuid7
from wai_ops.core.money import Rates, Usage, cost_of
from wai_ops.core.records import FIELD_NAMES, AttemptRecord, to_json
from wai_ops.observe.ledger.fold import fold
from wai_ops.observe.ledger.progress import Step
from wai_ops.state.live import ATTEMPT, LiveState

ROWS = 100_000
ROUNDS = 3
LIMIT_S = 5.0
"""The promise, for 100,000 rows."""
MODEL = "@cf/google/gemma-4-26b-a4b-it"
RATES = Rates(
    neurons_in_per_m=Decimal(9091),
    neurons_cached_in_per_m=Decimal(909),
    neurons_out_per_m=Decimal(27273),
    source="built-in",
    as_of="2026-08-28",
)


def main() -> int:
    """Measure, print the table, return the exit code."""
    row_count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    baselines, folds, phases = [], [], []
    with tempfile.TemporaryDirectory(prefix="wai-bench-") as name:
        folder = Path(name)
        filled = folder / "filled"
        fill(filled, row_count, random.Random(1))
        lines = folder / "payloads.ndjson"
        size = write_payloads(filled, lines)
        print(f"{row_count:,} rows, {size / row_count:.0f} B of JSON each, {rounds} rounds")
        for _ in range(rounds):
            baselines.append(timed(partial(parse_only, lines)))
            state_dir = folder / "state"
            shutil.copytree(filled, state_dir)
            steps: dict[Step, float] = {}
            folds.append(timed(partial(run_fold, state_dir, steps, row_count)))
            phases.append(steps)
            shutil.rmtree(state_dir)
    base, best = min(baselines), min(folds)
    print(f"{'what':34}  fastest s   ratio")
    print(f"{'DuckDB parses, stores nothing':34}  {base:9.2f}  {1:6.1f}")
    print(f"{'fold: outbox to ledger':34}  {best:9.2f}  {best / base:6.1f}")
    fastest = phases[folds.index(best)]
    for step, seconds in fastest.items():
        print(f"{'  until ' + step.value:34}  {seconds:9.2f}  {seconds / base:6.1f}")
    limit = LIMIT_S * row_count / ROWS
    is_met = best <= limit
    print(f"limit {limit:.1f} s: {'PASS' if is_met else 'FAIL'}")
    return 0 if is_met else 1


def fill(state_dir: Path, row_count: int, rng: random.Random) -> None:
    """Record attempts as runs do, but many in one transaction."""
    started = datetime(2026, 3, 14, tzinfo=UTC)
    with LiveState.open(state_dir, clock=SystemClock()) as live, live.write():
        for number in range(row_count):
            at = started + timedelta(milliseconds=40 * number)
            live.append(ATTEMPT, to_json(make_attempt(at, number, rng)))


def make_attempt(at: datetime, number: int, rng: random.Random) -> AttemptRecord:
    """One attempt with everything that a successful call reports."""
    input_tokens, output_tokens = rng.randrange(50, 4000), rng.randrange(1, 900)
    cached = rng.randrange(input_tokens)
    usage = Usage(
        input_tokens=input_tokens, output_tokens=output_tokens, cached_input_tokens=cached
    )
    cost = cost_of(usage, RATES)
    return AttemptRecord(
        attempt_id=uuid7(at),
        run_id=uuid7(at),
        started_at=at,
        finished_at=at + timedelta(seconds=2),
        tenant=f"tenant-{number % 20}",
        workflow=f"workflow-{number % 7}",
        conversation_id=uuid7(at),
        turn_index=number % 5,
        attempt=1,
        prompt_name="triage",
        prompt_version="3",
        requested_model=MODEL,
        served_model=MODEL,
        target="cloudflare",
        endpoint="/ai/v1/chat/completions",
        gateway_id="default",
        streamed=True,
        http_status=200,
        finish_reason="stop",
        log_id=uuid7(at),
        event_id=uuid7(at),
        ray_id=f"{rng.getrandbits(64):016x}-AMS",
        gateway_cache_hit=False,
        input_tokens=input_tokens,
        cached_input_tokens=cached,
        output_tokens=output_tokens,
        max_output_tokens=1024,
        connect_ms=rng.random() * 20,
        ttft_ms=rng.random() * 900,
        duration_ms=rng.random() * 9000,
        tpot_ms=rng.random() * 30,
        itl_p50_ms=rng.random() * 20,
        itl_p95_ms=rng.random() * 50,
        chunk_count=output_tokens,
        affinity_epoch=1,
        affinity_result="hit",
        cacheable_tokens=cached,
        cost_state=cost.state.value,
        cost_usd=cost.cost_usd,
        neurons=cost.neurons,
        in_usd_per_m=RATES.in_usd_per_m,
        cached_in_usd_per_m=RATES.cached_in_usd_per_m,
        out_usd_per_m=RATES.out_usd_per_m,
        price_source=RATES.source,
        price_as_of=RATES.as_of,
        request_sha256=f"{rng.getrandbits(256):064x}",
        response_sha256=f"{rng.getrandbits(256):064x}",
        wai_version="0.1.0",
    )


def write_payloads(state_dir: Path, lines: Path) -> int:
    """The baseline's input: the payloads as they are, one a line. Returns its bytes."""
    with (
        LiveState.open(state_dir, clock=SystemClock()) as live,
        lines.open("w", encoding="utf-8") as file,
    ):
        file.writelines(f"{row.payload}\n" for row in live.sealed(after=0))
    return lines.stat().st_size


def parse_only(lines: Path) -> None:
    """Open a database, read every field of every row, keep nothing."""
    with duckdb.connect() as connection:
        columns = dict.fromkeys(FIELD_NAMES, "VARCHAR")
        relation = connection.read_json(str(lines), columns=columns, format="newline_delimited")
        relation.aggregate(", ".join(f"max({name})" for name in FIELD_NAMES)).fetchall()


def run_fold(state_dir: Path, steps: dict[Step, float], row_count: int) -> None:
    """Fold, and note when each step was last told; check that nothing is missing."""
    started = time.perf_counter()

    def progress(step: Step, *, rows: int = 0, detail: str = "") -> None:
        del rows, detail
        steps[step] = time.perf_counter() - started

    result = fold(state_dir, SystemClock(), progress)
    assert result.loaded.attempt_count == row_count, result


def timed(work: Callable[[], None]) -> float:
    """Seconds on the wall."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
