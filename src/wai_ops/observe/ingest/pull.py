"""Pulling a gateway's log: threads read closed windows, the main thread commits them.

The order that makes it safe to kill at any instant: a window's rows are read to the end, spooled,
and committed with the note that the window was read, in one transaction. What was not committed was
not read, and is read again; what is read twice replaces itself, since a row is known by its id. The
ledger is held only for the commits, so other commands work meanwhile.
"""

import queue
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.core.errors import DataError, WaiError
from wai_ops.observe.ingest.bodies import BodyReader
from wai_ops.observe.ingest.pull_plan import Plan, PullLimits, plan_pull, whole_span
from wai_ops.observe.ingest.pull_progress import NobodyWatches, PullProgress, PullWatcher, Speed
from wai_ops.observe.ingest.pull_result import PullRequest, PullResult
from wai_ops.observe.ingest.pull_source import LogSource
from wai_ops.observe.ingest.rate import Halt, Stopped
from wai_ops.observe.ingest.reading import Reading, TooManyRows, read_window
from wai_ops.observe.ingest.spool import spool_file, spool_folder
from wai_ops.observe.ingest.waiting import Room, Waiting
from wai_ops.observe.ingest.windows import Planner, Span, subtract
from wai_ops.observe.ledger.pull_rows import RawRow
from wai_ops.observe.ledger.pulls import Committed, PullLedger

_MOST_WINDOWS = 3
"""A window with so many times the rows that one should have is cut before it is read on."""
_BATCH_ROWS = 2 * 122_880
"""At most so many are committed at once, and that however short ago the last commit was: two row
groups of the ledger. What fills none is written uncompressed to its log, and once more from there;
and where some rows are left over, row groups are written once more to make them fewer."""
_UNCOMMITTED_ROWS = 300_000
"""So many may wait for their commit before reading waits."""
_FIRST_COMMIT_S = 3.0
"""A pull that is over by then commits once."""
_COMMIT_SHARE = 4.0
"""Between two commits at least so many times as long as the last one took."""
_COUNTED_GAPS = 8
_RATINGS = timedelta(days=30)
"""How old a call may be whose rating is looked for."""


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


@dataclass(frozen=True, slots=True)
class _Ended:
    """A thread has nothing more to do."""


def pull(
    request: PullRequest,
    *,
    source: LogSource,
    ledger: PullLedger,
    limits: PullLimits,
    clock: Clock,
    halt: Halt | None = None,
    watcher: PullWatcher | None = None,
) -> PullResult:
    """Read what is missing and what may have changed. Raises WaiError; what was committed stays."""
    return _Pull(
        request=request,
        source=source,
        ledger=ledger,
        limits=limits,
        clock=clock,
        halt=halt or Halt(),
        watcher=watcher or NobodyWatches(),
    ).run()


class _Pull:
    def __init__(
        self,
        *,
        request: PullRequest,
        source: LogSource,
        ledger: PullLedger,
        limits: PullLimits,
        clock: Clock,
        halt: Halt,
        watcher: PullWatcher,
    ) -> None:
        self._request = request
        self._source = source
        self._ledger = ledger
        self._limits = limits
        self._clock = clock
        self._halt = halt
        self._watcher = watcher
        self._lock = threading.Lock()
        self._results: queue.Queue[Waiting | _Failed | _Ended] = queue.Queue()
        self._room = Room(_UNCOMMITTED_ROWS)
        self._waiting: list[Waiting] = []
        self._removed: Counter[str] = Counter()
        self.result = PullResult(gateway_id=ledger.gateway_id, source=source.name)

    def run(self) -> PullResult:
        started = self._clock.monotonic()
        state = self._ledger.state()
        self.result.through = None if state.mark is None else state.mark[1]
        whole = whole_span(
            self._request.since,
            self._request.until,
            state=state,
            now=self._clock.now(),
            limits=self._limits,
        )
        if whole is not None:
            self.result.since, self.result.until = whole.since, whole.until
            plan = plan_pull(
                whole,
                state=state,
                now=self._clock.now(),
                limits=self._limits,
                again=self._request.again,
            )
            try:
                self._carry_out(plan)
                self._finish(whole)
            except BaseException as error:
                self._halt.throw()
                if isinstance(error, WaiError):
                    kept = self.result.kept()
                    error.hint = f"{error.hint}; {kept}" if error.hint else kept
                else:
                    self._watcher.say(self.result.kept())
                raise
        elapsed = self._clock.monotonic() - started
        self.result.elapsed_s = Decimal(f"{elapsed:.3f}")
        self.result.removed = dict(self._removed)
        return self.result

    def _carry_out(self, plan: Plan) -> None:
        again = [*plan.pending, *self._changed(plan.unsettled)]
        spans = [*again, *plan.gaps]
        expected = self._expected(spans)
        seconds = sum(span.seconds for span in spans)
        rate = None if expected is None or seconds <= 0 else expected / seconds
        self._planner = Planner(
            plan.gaps, again=again, target_rows=self._request.target_rows, rows_per_s=rate
        )
        self._speed = Speed(self._clock.monotonic(), expected)
        if spans and expected != 0:
            self._show()  # the first window may take a while
        self._bodies = BodyReader(
            source=self._source,
            redactor=self._ledger.redactor,
            clock=self._clock,
            choice=self._request.bodies,
            known=self._ledger.body_ids(plan.whole.since, plan.whole.until)
            if self._request.bodies.mode != "none"
            else frozenset(),
        )
        self._mark_since = plan.whole.since
        state_dir = self._ledger.state_dir
        try:
            with (
                spool_folder(state_dir, self._clock, self._ledger.progress) as folder,
                spool_file(folder) as self._spool,
            ):
                while self._planner.remaining_s > 0:
                    self._read_all()
        except OSError as error:
            raise _unwritable(state_dir, error) from error

    def _changed(self, unsettled: Sequence[Span]) -> list[Span]:
        """The spans that do not hold as many rows as the source counts now."""
        if not unsettled:
            return []
        at = self._clock.now()
        counted = [self._source.count(span) for span in unsettled]
        held = self._ledger.held_counts([(span.since, span.until) for span in unsettled])
        pairs = list(zip(unsettled, counted, held, strict=True))
        same = [span for span, count, have in pairs if count == have]
        self._ledger.verified([(span.since, span.until) for span in same], at)
        self.result.verified_count += len(same)
        return [span for span, count, have in pairs if count != have]

    def _expected(self, spans: Sequence[Span]) -> int | None:
        if len(spans) > _COUNTED_GAPS:
            since, until = min(span.since for span in spans), max(span.until for span in spans)
            spans = [Span(since, until)]
        total = 0
        for span in spans:
            count = self._source.count(span)
            if count is None:
                return None
            total += count
        return total

    def _read_all(self) -> None:
        threads = [
            threading.Thread(target=self._work, name=f"pull-{number}", daemon=True)
            for number in range(self._request.parallel)
        ]
        for thread in threads:
            thread.start()
        try:
            self._commit_all(len(threads))
        except BaseException:
            self._halt.throw()
            self._rescue()
            raise

    def _work(self) -> None:
        try:
            while not self._halt.is_thrown and (span := self._take()) is not None:
                self._read(span)
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            self._results.put(_Failed(error))
        finally:
            self._results.put(_Ended())

    def _take(self) -> Span | None:
        while not self._room.wait(timeout_s=0.1):
            if self._halt.is_thrown:
                return None
        with self._lock:
            return self._planner.take()

    def _read(self, span: Span) -> None:
        most = _MOST_WINDOWS * self._request.target_rows
        try:
            reading = self._read_window(span, most)
        except TooManyRows as too_many:
            with self._lock:
                was_split = self._planner.split(span, too_many.row_count)
            if was_split:
                return
            reading = self._read_window(span, too_many.row_count * 100)
        with self._lock:
            self._planner.observe(span, len(reading.rows))
        found = self._bodies.add(reading.rows, reading.keys.values())
        reading.keys = {}
        done = Waiting(reading, found)
        self._room.fill(done.weight)
        self._results.put(done)

    def _read_window(self, span: Span, most: int) -> Reading:
        return read_window(
            self._source,
            span,
            self._clock,
            max_rows=most,
            with_keys=self._request.bodies.mode != "none",
            rest=self._halt.rest,
        )

    def _commit_all(self, thread_count: int) -> None:
        """Commit what comes until every thread has ended."""
        not_before = self._clock.monotonic() + _FIRST_COMMIT_S
        weight = 0
        while thread_count:
            pause = max(0.0, not_before - self._clock.monotonic()) if self._waiting else None
            item: Waiting | _Failed | _Ended | None = None
            with suppress(queue.Empty):
                item = self._results.get(timeout=pause)
            match item:
                case _Ended():
                    thread_count -= 1
                case _Failed(error):
                    raise error
                case Waiting():
                    if weight + item.weight > _BATCH_ROWS:
                        not_before, weight = self._commit_in_time(), 0
                    self._waiting.append(item)
                    weight += item.weight
                    self._saw(item)
            if self._waiting and self._clock.monotonic() >= not_before:
                not_before, weight = self._commit_in_time(), 0
        self._commit()

    def _commit_in_time(self) -> float:
        """Commit what waits; return before when not to do it again."""
        began = self._clock.monotonic()
        self._commit()
        ended = self._clock.monotonic()
        return ended + _COMMIT_SHARE * (ended - began)

    def _rescue(self) -> None:
        """Commit what was read when the pull was ended: nobody should have to read it again."""
        with suppress(queue.Empty):
            while True:
                item = self._results.get_nowait()
                if isinstance(item, Waiting):
                    self._waiting.append(item)
        self._commit()

    def _saw(self, done: Waiting) -> None:
        self._speed.rows += len(done.reading.rows)
        self.result.missing_body_count += done.found.missing_count
        self._show()

    def _show(self) -> None:
        rate, eta_s = self._speed.at(self._clock.monotonic())
        self._watcher.progress(
            PullProgress(
                row_count=self._speed.rows,
                committed_count=self.result.row_count,
                expected_count=self._speed.expected,
                rows_per_s=rate,
                eta_s=eta_s,
                through=self.result.through,
            )
        )

    def _commit(self) -> None:
        # Whatever happens below, these are not committed a second time.
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        weight = sum(item.weight for item in batch)
        committed = self._ledger.commit(
            [item.to_new() for item in batch],
            mark_since=self._mark_since,
            spool=self._spool,
        )
        self._room.clear(weight)
        for window, newer in committed.given_back:
            read = [Span(item.since, item.until) for item in newer]
            rest = subtract(Span(window.since, window.until), read)
            with self._lock:
                self._planner.give_back(rest)
        self._note(committed, batch)

    def _note(self, committed: Committed, batch: Sequence[Waiting]) -> None:
        self.result.note(committed)
        for item in batch:
            self.result.partial_window_count += not item.reading.is_whole
            self.result.duplicate_count += item.reading.duplicate_count
            self._removed.update(item.found.redacted)
        if committed.ingested is not None:
            self._removed.update(committed.ingested.removed)

    def _finish(self, whole: Span) -> None:
        """Read the rated rows where there are more or fewer of them than the ledger holds.

        A rating comes hours after its call, when nobody reads that call's window any more.
        """
        newest = Span(max(whole.since, whole.until - _RATINGS), whole.until)
        held = self._ledger.finish(newest.since, newest.until)
        rows = dict[str, RawRow]()
        for feedback, have in zip((1, -1), held, strict=True):
            for page in self._source.with_feedback(newest, feedback):
                if page.total == have:
                    break
                for row, key in zip(page.rows, page.keys, strict=True):
                    if key is not None and newest.contains(key.created_at):
                        rows[key.id] = row
        if not rows:
            return
        with (
            spool_folder(self._ledger.state_dir, self._clock, self._ledger.progress) as folder,
            spool_file(folder) as spool,
        ):
            ingested = self._ledger.add_rows(rows, newest.since, newest.until, spool=spool)
        if ingested is not None:
            self.result.rated_count = ingested.inserted_count + ingested.replaced_count


def _unwritable(state_dir: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot write in {state_dir}: {error.strerror or error}",
        hint="free some space, or set WAI_STATE_DIR to a folder on another disk",
    )
