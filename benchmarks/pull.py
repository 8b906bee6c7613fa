"""Pulling a gateway's log: how much CPU a row costs once its page is here, and kill -9 at random.

Pages: 2,000,000 rows of the API's own shape as pages of 50, already in memory (5 GB), through the
whole pull: cut into rows, checked, spooled, committed in windows with costs, roll-ups and the
Parquet copy. CPU of all threads; promise: 150,000 rows a CPU-second. With fewer rows a new ledger
weighs more. Beside it, taking turns in the same run: DuckDB parsing the same rows and storing
nothing; DuckDB storing every column once pages were turned into rows, and nothing else; and a bare
script that also looks for secrets, writes a Parquet copy and adds up by day. No prices, no classes
of failures, no matching, no dedupe, no proof of windows; but it stores more columns than `wai`
does, so it is something to compare with, and no limit of what can be done. The same again for rows
without the members that no published schema has.

Kills: an emulator's log while rows keep arriving, seconds late and with late fields, under 429s and
resets; `wai logs pull` is killed at random moments, each with more of the past to read or with all
of it again, two at once now and then. In the end one pull runs undisturbed, and every row that the
log holds is in the ledger once.

    python benchmarks/pull.py [--rows 2000000] [--kills 200] [--seed N]     exit 1 on any miss
"""

import argparse
import random
import sys
import tempfile
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from rows import write_log_rows  # noqa: E402 - beside this file

from support.cli import Wai  # noqa: E402 - the tests' own way to start processes
from support.facts import in_ledger  # noqa: E402
from support.gateway_log import GatewayLog, gateway_log, row, rows_between  # noqa: E402
from wai_ops.core.clock import SystemClock, parse_utc  # noqa: E402
from wai_ops.core.prices import PriceBook, built_in  # noqa: E402
from wai_ops.observe.ingest.legacy_logs import PER_PAGE, LegacyLogs  # noqa: E402
from wai_ops.observe.ingest.pull import pull  # noqa: E402
from wai_ops.observe.ingest.pull_plan import PullLimits  # noqa: E402
from wai_ops.observe.ingest.pull_result import PullRequest  # noqa: E402
from wai_ops.observe.ingest.reading import read_window  # noqa: E402
from wai_ops.observe.ingest.windows import Span  # noqa: E402
from wai_ops.observe.ledger.pulls import PullLedger  # noqa: E402
from wai_ops.observe.redact.engine import Redactor  # noqa: E402

PROMISED_ROWS = 150_000
"""A CPU-second."""
ROUNDS = 3
SETTLE_S = 8
"""How late a row may be in this run; half an hour in the settings."""
ROWS_AN_HOUR = 60
AGAIN_RATIO = 0.3
PUBLISHED = frozenset(
    {
        "id",
        "created_at",
        "provider",
        "model",
        "model_type",
        "path",
        "duration",
        "request_type",
        "request_content_type",
        "response_content_type",
        "status_code",
        "success",
        "cached",
        "tokens_in",
        "tokens_out",
        "cost",
        "custom_cost",
        "metadata",
        "step",
    }
)
"""Members of a row that a published schema names."""
LIMITS = PullLimits(hold_back_s=0, settle_s=1800, pending_s=86400)
HOUR = timedelta(hours=1)
DAYS = 7
SQL = Path(__file__).with_name("sql")


class Answers:
    """The API of a log whose answers are here already: the network costs nothing."""

    account_path = ""

    def __init__(self, count: int, members: frozenset[str] | None = None) -> None:
        """Make `count` rows, spread evenly over `DAYS`; with all members, or only some."""
        self.since = datetime(2026, 9, 1, tzinfo=UTC)
        self.until = self.since + timedelta(days=DAYS)
        with tempfile.TemporaryDirectory(prefix="wai-rows-") as name:
            path = Path(name) / "rows.ndjson"
            write_log_rows(path, count, start=self.since, days=DAYS)
            self.lines = path.read_bytes().splitlines()
        if members is not None:
            self.lines = [_only(line, members) for line in self.lines]
        self._times = [_time_of(line) for line in self.lines]
        self._made: dict[tuple[Any, ...], bytes] = {}

    def get(self, path: str, params: Mapping[str, Any] | None = None, *, what: str) -> Any:
        """A page as the API sends it, byte for byte, of the two ends of a window, both included."""
        del path, what
        asked = params or {}
        names = ("start_date", "end_date", "page", "per_page", "filters")
        key: tuple[Any, ...] = tuple(asked.get(name) for name in names)
        if key not in self._made:
            self._made[key] = self._page(*key)
        return _Answer(self._made[key])

    def _page(self, since: str, until: str, number: int, size: int, filters: str | None) -> bytes:
        # None of these rows was ever rated.
        first = len(self.lines) if filters else bisect_left(self._times, parse_utc(since))
        last = bisect_right(self._times, parse_utc(until))
        start = first + (number - 1) * size
        rows = self.lines[start : min(start + size, last)]
        info = b'],"result_info":{"total_count":%d},"success":true}' % max(0, last - first)
        return b'{"result":[' + b",".join(rows) + info


@dataclass(frozen=True, slots=True)
class _Answer:
    content: bytes


def main() -> int:
    """Measure both; return the exit code."""
    options = _options()
    print(f"seed {options.seed}", flush=True)
    results = []
    if options.rows:
        results = [_pages(Answers(options.rows)), _pages(Answers(options.rows, PUBLISHED))]
    if options.kills:
        results.append(_kills(options.kills, random.Random(options.seed)))
    return 0 if all(results) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    return parser.parse_args()


def _time_of(line: bytes) -> datetime:
    at: datetime = msgspec.json.decode(line, type=_Timed).created_at
    return at


class _Timed(msgspec.Struct):
    created_at: datetime


def _only(line: bytes, members: frozenset[str]) -> bytes:
    row: dict[str, Any] = msgspec.json.decode(line)
    return msgspec.json.encode({name: row[name] for name in row if name in members})


def _pages(api: Answers) -> bool:
    count = len(api.lines)
    print(f"{count:,} rows of {sum(map(len, api.lines)) / count:.0f} B, {PER_PAGE} a page")
    pulled, parsed, read, stored, bare = [], [], [], [], []
    with tempfile.TemporaryDirectory(prefix="wai-pull-") as name:
        spool = Path(name) / "rows.ndjson"
        spool.write_bytes(b"\n".join(api.lines) + b"\n")
        for turn in range(ROUNDS + 1):
            spent = _pull_all(api, Path(name) / str(turn), count)
            # The first turn makes the answers: a server does that elsewhere. It is not counted.
            pulled += [count / spent] if turn else []
            parsed.append(count / _parse_all(spool))
            if turn:
                turning = _read_all(api)
                read.append(count / turning)
                stored.append(count / (turning + _store_all(spool, Path(name) / f"{turn}.duckdb")))
                bare.append(count / (turning + _bare_all(spool, Path(name) / f"b{turn}.duckdb")))
    best, floor = max(pulled), max(parsed)
    print(f"{'what':46} {'rows/CPU s':>12} {'x floor':>8}")
    for what, rate in (
        ("DuckDB parses the same rows, stores nothing", floor),
        ("pages into rows, checked, none stored", max(read)),
        ("pages into rows, DuckDB stores them, no more", max(stored)),
        ("and looks for secrets, copies, adds up by day", max(bare)),
        ("the whole pull", best),
    ):
        print(f"{what:46} {rate:12,.0f} {floor / rate:8.2f}")
    return _verdict(best >= PROMISED_ROWS, f"at least {PROMISED_ROWS:,} rows a CPU-second")


def _parse_all(file: Path) -> float:
    return _run_all(":memory:", file, {"parse_only": None})


def _store_all(file: Path, database: Path) -> float:
    return _run_all(database, file, {"store_only": None})


def _bare_all(file: Path, database: Path) -> float:
    statements: _Statements = {
        "bare_store": {"secrets": _secrets()},
        "bare_copy": {"file": str(database.with_suffix(".parquet"))},
        "bare_days": None,
        "bare_durations": None,
    }
    return _run_all(database, file, statements)


_Statements = dict[str, dict[str, str] | None]
"""Files beside this one, and their parameters."""


def _run_all(database: Path | str, file: Path, statements: _Statements) -> float:
    """Run statements over the rows of a file; return the CPU time."""
    started = time.process_time()
    with duckdb.connect(database) as connection:
        connection.execute("set threads = 2")
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set variable log_file = ?", [str(file)])
        for name, parameters in ({"log_line": None} | statements).items():
            connection.execute((SQL / f"{name}.sql").read_text("utf-8"), parameters).fetchall()
    return time.process_time() - started


def _secrets() -> str:
    return Redactor.build({}, key=b"k" * 32).brief_prefilter


def _read_all(api: Answers) -> float:
    """Only turn the pages, window by window; twice, since the first time makes the answers."""
    source = LegacyLogs(api, "default")  # type: ignore[arg-type]
    hours = [api.since + n * HOUR for n in range(DAYS * 24)]
    spent = 0.0
    for _ in range(2):
        started = time.process_time()
        for at in hours:
            read_window(source, Span(at, at + HOUR), SystemClock(), max_rows=10**9)
        spent = time.process_time() - started
    return spent


def _pull_all(api: Answers, folder: Path, count: int) -> float:
    source = LegacyLogs(api, "default")  # type: ignore[arg-type]
    ledger = PullLedger(
        state_dir=folder,
        clock=SystemClock(),
        gateway_id="default",
        source=source.name,
        target="cloudflare",
        prices=PriceBook([built_in()]),
        redactor=Redactor.build({}, key=b"k" * 32),
    )
    request = PullRequest(since=api.since, until=api.until, parallel=2)
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
        settings = f"hold_back_s: 0\n  settle_s: {SETTLE_S}\n"
        (project / "wai.yaml").write_text(f'version: "1"\nlogs:\n  {settings}')
        with gateway_log(Path(name) / "emulator") as log:
            wai = Wai(project, dict(log.emulator.environ))
            log.write(rows_between(now - kills * HOUR, now, kills * ROWS_AN_HOUR))
            log.set(faults=_faults())
            killed = _kill_many(wai, log, kills, rng, now)
            log.set(faults=[])
            time.sleep(SETTLE_S + 1)  # whatever came late is here
            _pull(wai, "--since", f"{now - kills * HOUR:%FT%TZ}")
            is_kept = _compare(wai, log, killed)
            _pull(wai, "--since", f"{now - HOUR:%FT%TZ}", "--again")
            return _compare(wai, log, killed, with_fields=True) and is_kept


def _pull(wai: Wai, *options: str) -> None:
    done = wai("logs", "pull", *options)
    if done.exit_code != 0:
        raise SystemExit(done.stderr)


def _kill_many(wai: Wai, log: GatewayLog, kills: int, rng: random.Random, now: datetime) -> int:
    """Kill that many pulls, while rows arrive; each has more of the past to read, or all again."""
    killed, turn, number, usual_s = 0, 0, 10_000_000, 0.5
    while killed < kills:
        turn += 1
        hours = min(kills, turn)
        options = ["--since", f"{now - hours * HOUR:%FT%TZ}"]
        if rng.random() < AGAIN_RATIO:
            options = ["--since", f"{now - 4 * HOUR:%FT%TZ}", "--again"]
        both = [wai.start("logs", "pull", *options) for _ in range(rng.choice((1, 1, 2)))]
        at = SystemClock().now()
        late = [at - timedelta(seconds=rng.uniform(0, SETTLE_S - 2)) for _ in range(5)]
        new = [row(number + place, each) for place, each in enumerate(late)]
        new.append(row(number + 5, at, cost=None))
        number += len(new)
        log.write(new)
        for process in both:
            process.stderr.readline()  # type: ignore[union-attr]
        time.sleep(rng.uniform(0, usual_s))
        log.change(new[-1].id, cost="0.000777")
        was = killed
        for process in both:
            process.kill()
            process.communicate()
            killed += process.returncode == -9
        usual_s = min(2.0, usual_s * 1.04) if killed > was else usual_s * 0.9
    return killed


def _faults() -> list[dict[str, object]]:
    kinds = (
        {"kind": "status", "status": 429, "code": 10100, "retry_after_s": 0},
        {"kind": "reset", "after_bytes": 500},
        {"kind": "status", "status": 503, "code": 1},
    )
    return [{"path": "*/logs*", "probability": 0.02, "seed": n, **k} for n, k in enumerate(kinds)]


def _compare(wai: Wai, log: GatewayLog, killed: int, *, with_fields: bool = False) -> bool:
    held = in_ledger(
        wai.folder / ".wai",
        "select log_id, gateway_cost_usd is null from model_call where log_id is not null",
    )
    times = Counter(log_id for log_id, _ in held)
    lost = set(log.ids) - set(times)
    doubled = [log_id for log_id, count in times.items() if count > 1]
    print(f"kills: {killed} of wai logs pull; {len(log.ids)} rows in the log, {len(held)} held")
    print(f"lost {len(lost)}, doubled {len(doubled)}", flush=True)
    if not with_fields:
        return _verdict(not lost and not doubled, "0 rows lost, 0 doubled")
    without = sum(is_missing for _, is_missing in held)
    return _verdict(
        not lost and not doubled and not without,
        f"0 rows lost, doubled or without their late field when all is read again ({without})",
    )


def _verdict(is_kept: bool, promise: str) -> bool:
    print(f"{'PASS' if is_kept else 'FAIL'} {promise}", flush=True)
    return is_kept


if __name__ == "__main__":
    sys.exit(main())
