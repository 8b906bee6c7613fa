"""Pulling a gateway's log: how much CPU a row costs once its page is here, and kill -9 at random.

Pages: 200,000 rows of the API's own shape as pages of 50, already in memory, through the whole
pull: cut into rows, checked, spooled, committed in windows with costs, roll-ups and the Parquet
copy. CPU of all threads; promise: 150,000 rows a CPU-second. Beside it, in the same run, DuckDB
parsing the same rows and storing nothing.

Kills: an emulator's log while rows keep arriving, late and with late fields, under 429s and
resets; `wai logs pull` is killed at random moments, two at once now and then. In the end one pull
runs undisturbed, and every row that the log holds is in the ledger once.

    python benchmarks/pull.py [--rows 200000] [--kills 200] [--seed N]     exit 1 on any miss
"""

import argparse
import random
import sys
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from rows import write_log_rows  # noqa: E402 - beside this file

from support.cli import Wai  # noqa: E402 - the tests' own way to start processes
from support.facts import in_ledger  # noqa: E402
from support.gateway_log import GatewayLog, gateway_log, row, rows_between  # noqa: E402
from wai_ops.core.clock import SystemClock  # noqa: E402
from wai_ops.core.prices import PriceBook, built_in  # noqa: E402
from wai_ops.observe.ingest.legacy_logs import PER_PAGE, decode_page  # noqa: E402
from wai_ops.observe.ingest.pull import pull  # noqa: E402
from wai_ops.observe.ingest.pull_plan import PullLimits  # noqa: E402
from wai_ops.observe.ingest.pull_result import PullRequest  # noqa: E402
from wai_ops.observe.ingest.pull_source import Page  # noqa: E402
from wai_ops.observe.ingest.windows import Span  # noqa: E402
from wai_ops.observe.ledger.pulls import PullLedger  # noqa: E402
from wai_ops.observe.redact.engine import Redactor  # noqa: E402

PROMISED_ROWS = 150_000
"""A CPU-second."""
LIMITS = PullLimits(hold_back_s=0, settle_s=1800, pending_s=86400)
HOUR = timedelta(hours=1)
DAYS = 7
PARSE_ONLY = Path(__file__).with_name("sql") / "parse_only.sql"


class InMemory:
    """A log whose answers are here already: the network costs nothing."""

    name = "logs api"

    def __init__(self, count: int) -> None:
        """Make `count` rows, spread evenly over `DAYS`."""
        self.since = datetime(2026, 9, 1, tzinfo=UTC)
        self.until = self.since + timedelta(days=DAYS)
        with tempfile.TemporaryDirectory(prefix="wai-rows-") as name:
            path = Path(name) / "rows.ndjson"
            write_log_rows(path, count, start=self.since, days=DAYS)
            self.lines = path.read_bytes().splitlines()
        self._times = [_time_of(line) for line in self.lines]

    def answers(self, span: Span) -> tuple[list[bytes], int]:
        """The API's answers for a window, byte for byte, and how many rows it has."""
        first, last = self._place(span.since), self._place(span.until)
        total = last - first
        pages = []
        for start in range(first, last, PER_PAGE):
            rows = self.lines[start : min(start + PER_PAGE, last)]
            info = b'],"result_info":{"total_count":%d},"success":true}' % total
            pages.append(b'{"result":[' + b",".join(rows) + info)
        return pages or [b'{"result":[],"result_info":{"total_count":0}}'], total

    def pages(self, span: Span) -> Iterator[Page]:
        """Decode as the real source does."""
        for content in self.answers(span)[0]:
            yield decode_page(content, "memory")

    def count(self, span: Span) -> int | None:
        """How many rows."""
        return self._place(span.until) - self._place(span.since)

    def with_feedback(self, span: Span, feedback: int) -> Iterator[Page]:
        """None was rated."""
        del span, feedback
        return iter(())

    def body(self, log_id: str, kind: str) -> bytes | None:
        """None is asked for."""
        del log_id, kind
        return None

    def _place(self, at: datetime) -> int:
        """The first row at or after an instant."""
        return bisect_left(self._times, at)


def main() -> int:
    """Measure both; return the exit code."""
    options = _options()
    print(f"seed {options.seed}", flush=True)
    results = [_pages(options.rows)] if options.rows else []
    if options.kills:
        results.append(_kills(options.kills, random.Random(options.seed)))
    return 0 if all(results) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    return parser.parse_args()


def _time_of(line: bytes) -> datetime:
    at: datetime = msgspec.json.decode(line, type=_Timed).created_at
    return at


class _Timed(msgspec.Struct):
    created_at: datetime


def _pages(count: int) -> bool:
    source = InMemory(count)
    # Answers are made once, before the clock: a server makes them elsewhere.
    prepared: dict[Span, tuple[list[bytes], int]] = {}
    make = source.answers
    source.answers = lambda span: prepared.setdefault(span, make(span))  # type: ignore[method-assign]
    rates = []
    with tempfile.TemporaryDirectory(prefix="wai-pull-") as name:
        for turn in range(3):
            cpu = _pull_all(source, Path(name) / str(turn), count)
            # The first turn makes the answers, and is not counted.
            rates += [count / cpu] if turn else []
        spool = Path(name) / "rows.ndjson"
        spool.write_bytes(b"\n".join(source.lines) + b"\n")
        with duckdb.connect() as connection:
            connection.execute("set threads = 2")
            started = time.process_time()
            connection.execute(PARSE_ONLY.read_text("utf-8"), {"file": str(spool)}).fetchall()
            parsed = count / (time.process_time() - started)
    best = max(rates)
    print(f"pages: {best:,.0f} rows a CPU-second; DuckDB parsing alone {parsed:,.0f}")
    return _verdict(best >= PROMISED_ROWS, f"at least {PROMISED_ROWS:,} rows a CPU-second")


def _pull_all(source: InMemory, folder: Path, count: int) -> float:
    ledger = PullLedger(
        state_dir=folder,
        clock=SystemClock(),
        gateway_id="default",
        source=source.name,
        target="cloudflare",
        prices=PriceBook([built_in()]),
        redactor=Redactor.build({}, key=b"k" * 32),
    )
    request = PullRequest(since=source.since, until=source.until, parallel=2)
    started = time.process_time()
    result = pull(request, source=source, ledger=ledger, limits=LIMITS, clock=SystemClock())
    spent = time.process_time() - started
    if result.inserted_count != count:
        raise SystemExit(f"{result.inserted_count} of {count} rows arrived")
    return spent


def _kills(kills: int, rng: random.Random) -> bool:
    now = SystemClock().now()
    with tempfile.TemporaryDirectory(prefix="wai-kill-") as name:
        project = Path(name) / "project"
        project.mkdir()
        settings = "hold_back_s: 0\n  settle_s: 5\n"
        (project / "wai.yaml").write_text(f'version: "1"\nlogs:\n  {settings}')
        with gateway_log(Path(name) / "emulator") as log:
            wai = Wai(project, dict(log.emulator.environ))
            log.write(rows_between(now - 60 * HOUR, now - HOUR, 3000))
            log.set(faults=_faults())
            killed = _kill_many(wai, log, kills, rng, now)
            log.set(faults=[])
            time.sleep(6)  # everything has settled
            for _ in range(2):
                done = wai("logs", "pull", "--since", "5d")
                if done.exit_code != 0:
                    raise SystemExit(done.stderr)
            return _compare(wai, log, killed)


def _kill_many(wai: Wai, log: GatewayLog, kills: int, rng: random.Random, now: datetime) -> int:
    """Kill that many pulls, while rows arrive."""
    killed, number, usual_s = 0, 10_000, 0.8
    while killed < kills:
        both = [wai.start("logs", "pull", "--since", "5d") for _ in range(rng.choice((1, 1, 2)))]
        new = [row(number + n, now - HOUR * rng.uniform(0.1, 59)) for n in range(5)]
        new.append(row(number + 5, SystemClock().now(), cost=None))
        number += len(new)
        log.write(new)
        for process in both:
            process.stderr.readline()  # type: ignore[union-attr]
        time.sleep(rng.uniform(0, usual_s))
        log.change(new[-1].id, cost=str(Decimal("0.000777")))
        was = killed
        for process in both:
            process.kill()
            process.communicate()
            killed += process.returncode == -9
        usual_s *= 1.04 if killed > was else 0.9
    return killed


def _faults() -> list[dict[str, object]]:
    kinds = (
        {"kind": "status", "status": 429, "code": 10100, "retry_after_s": 0},
        {"kind": "reset", "after_bytes": 500},
        {"kind": "status", "status": 503, "code": 1},
    )
    return [{"path": "*/logs*", "probability": 0.02, "seed": n, **k} for n, k in enumerate(kinds)]


def _compare(wai: Wai, log: GatewayLog, killed: int) -> bool:
    held = in_ledger(
        wai.folder / ".wai",
        "select log_id, gateway_cost_usd is null from model_call where log_id is not null",
    )
    times = Counter(log_id for log_id, _ in held)
    lost = set(log.ids) - set(times)
    doubled = [log_id for log_id, count in times.items() if count > 1]
    without = [log_id for log_id, is_missing in held if is_missing]
    print(f"kills: {killed} of wai logs pull; {len(log.ids)} rows in the log, {len(held)} held")
    print(f"lost {len(lost)}, doubled {len(doubled)}, without their late field {len(without)}")
    return _verdict(not lost and not doubled, "0 rows lost, 0 doubled")


def _verdict(is_kept: bool, promise: str) -> bool:
    print(f"{'PASS' if is_kept else 'FAIL'} {promise}", flush=True)
    return is_kept


if __name__ == "__main__":
    sys.exit(main())
