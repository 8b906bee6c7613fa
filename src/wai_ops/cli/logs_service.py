"""What `wai logs pull` and `wai logs status` put together: connection, gate, source, ledger."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from wai_ops.cli import diagnostics
from wai_ops.cli.context import AppContext
from wai_ops.cli.logs_progress import watch_pull
from wai_ops.cli.target import open_connection
from wai_ops.cli.watch import watch
from wai_ops.cloudflare.api_errors import ApiAccessError, ApiError
from wai_ops.cloudflare.logs_api import ReadingApi, open_reading_api
from wai_ops.config.connection import Connection
from wai_ops.config.credentials import Role
from wai_ops.config.prices import load_price_book
from wai_ops.config.settings import Target
from wai_ops.core.errors import RemoteError, UsageError
from wai_ops.core.table import Table
from wai_ops.core.text import counted
from wai_ops.core.window import Window, parse_window
from wai_ops.observe.ingest.bodies import BodyMode, parse_bodies
from wai_ops.observe.ingest.counting import count_pulled, refresh_counts
from wai_ops.observe.ingest.legacy_logs import LegacyLogs
from wai_ops.observe.ingest.pull import pull
from wai_ops.observe.ingest.pull_choice import SourceChoice, choose_source, unknown_gateway
from wai_ops.observe.ingest.pull_plan import FIRST_PULL, PullLimits
from wai_ops.observe.ingest.pull_result import PullRequest, PullResult
from wai_ops.observe.ingest.rate import Halt, RateGate
from wai_ops.observe.ingest.status import DayStatus, DayVerdict, StatusRequest, read_status
from wai_ops.observe.ingest.telemetry_logs import TelemetryLogs
from wai_ops.observe.ingest.windows import Span
from wai_ops.observe.ledger.pull_status import pulled_gateways
from wai_ops.observe.ledger.pulls import PullLedger
from wai_ops.observe.ledger.store import open_ledger
from wai_ops.observe.redact.known import redactor_for
from wai_ops.observe.reports.outcome_import import carry_out, plan_feedback


@dataclass(frozen=True, slots=True, kw_only=True)
class PullOptions:
    """The options of `wai logs pull`, as they were typed."""

    since: str | None
    until: str | None
    gateway: str | None
    is_following: bool
    again: bool
    bodies: str | None
    rate: str | None
    source: str
    parallel: int | None
    is_local: bool


def run_pull(app: AppContext, options: PullOptions) -> PullResult:
    """Pull once, or until Ctrl-C. Raises WaiError."""
    window = parse_window(options.since, options.until, now=app.clock.now())
    if options.again and window.since is None:
        raise UsageError("--again needs --since: how far back?", hint="such as --since 24h")
    if options.is_following and (options.again or window.until is not None):
        raise UsageError("--follow has no end: leave --until and --again away")
    logs = app.settings.logs
    request = PullRequest(
        since=window.since,
        until=window.until,
        again=options.again,
        bodies=parse_bodies(options.bodies),
        parallel=options.parallel or logs.parallel,
    )
    halt = Halt()
    with (
        open_connection(app, role=Role.OPERATOR, local=options.is_local) as connection,
        watch_pull(app) as watcher,
        _reading(
            app,
            connection,
            share=_share(app, connection, options.rate),
            halt=halt,
            watcher=watcher,
            parallel=request.parallel,
        ) as api,
    ):
        gateway_id = options.gateway or connection.gateway
        chosen = choose_source(
            SourceChoice(options.source),
            legacy=LegacyLogs(api, gateway_id),
            newer=TelemetryLogs(api, gateway_id),
            is_newer_allowed=logs.workers_observability,
            span=_probed(app, window),
        )
        watcher.say(chosen.reason)
        ledger = PullLedger(
            state_dir=app.settings.state_dir,
            clock=app.clock,
            gateway_id=gateway_id,
            source=chosen.source.name,
            target=connection.target.value,
            prices=load_price_book(app.settings),
            redactor=redactor_for(app.settings, app.environ),
            progress=watch,
        )
        limits = PullLimits(
            hold_back_s=logs.hold_back_s, settle_s=logs.settle_s, pending_s=logs.pending_s
        )

        proven_at = -math.inf

        def once() -> PullResult:
            nonlocal proven_at
            result = pull(
                request,
                source=chosen.source,
                ledger=ledger,
                limits=limits,
                clock=app.clock,
                halt=halt,
                watcher=watcher,
            )
            _record_ratings(app, result, watcher)
            # Counts come with a lag, so --follow need not ask for them at every turn.
            if app.clock.monotonic() - proven_at >= logs.count_hold_back_s:
                _prove(app, result, api, watcher)
                proven_at = app.clock.monotonic()
            result.request_count = api.request_count
            _tell(request, result, watcher)
            return result

        return _follow(once, halt, logs.poll_s, watcher) if options.is_following else once()


def run_status(
    app: AppContext,
    *,
    since: str | None,
    until: str | None,
    gateway: str | None,
    refresh: bool,
    fail_incomplete: bool,
    local: bool,
) -> Table[DayStatus]:
    """Judge each day, after asking the gateway if that is wanted. Raises WaiError."""
    window = parse_window(since, until, now=app.clock.now())
    logs, state_dir = app.settings.logs, app.settings.state_dir
    request = StatusRequest(
        since=window.since,
        until=window.until,
        gateway_id=gateway,
        hold_back_s=logs.hold_back_s,
        settle_s=logs.settle_s,
        fail_incomplete=fail_incomplete,
    )
    if refresh:
        halt = Halt()
        with (
            open_connection(app, role=Role.OPERATOR, local=local) as connection,
            _reading(app, connection, share=_share(app, connection, None), halt=halt) as api,
        ):
            known = pulled_gateways(state_dir, app.clock, watch)
            sources = {name: source for name, source in known if gateway in (None, name)}
            names = list(sources) or [gateway or connection.gateway]
            is_newer = {name for name, source in sources.items() if source == TelemetryLogs.name}
            try:
                warnings = refresh_counts(
                    state_dir,
                    app.clock,
                    request,
                    api=api,
                    source_of=lambda name: (TelemetryLogs if name in is_newer else LegacyLogs)(
                        api, name
                    ),
                    gateway_ids=names,
                    lag_s=logs.count_hold_back_s,
                    progress=watch,
                )
            except ApiError as error:
                raise unknown_gateway(error) from error
        for text in warnings:
            diagnostics.warn(text)
    return read_status(state_dir, app.clock, request, watch)


@contextmanager
def _reading(
    app: AppContext,
    connection: Connection,
    *,
    share: Decimal | None,
    halt: Halt,
    watcher: Any = None,
    parallel: int = 1,
) -> Iterator[ReadingApi]:
    on_wait = diagnostics.message if watcher is None else watcher.say
    gate = RateGate(app.clock, share, rest=halt.rest, on_wait=on_wait)
    with open_reading_api(
        base_url=connection.base_url,
        account_id=connection.account_id,
        token=connection.token.reveal(),
        gate=gate,
        clock=app.clock,
        rng=app.rng,
        is_local=connection.target is Target.LOCAL,
        parallel=parallel,
    ) as api:
        yield api


def _share(app: AppContext, connection: Connection, typed: str | None) -> Decimal | None:
    """The share of the limit that may be used; None: an emulator here has none of its own."""
    if typed is None:
        return None if connection.target is Target.LOCAL else app.settings.logs.rate_share
    text = typed.strip()
    try:
        share = Decimal(text[:-1]) / 100 if text.endswith("%") else Decimal(text)
    except InvalidOperation:
        share = Decimal(0)
    if not share.is_finite() or not 0 < share <= 1:
        raise UsageError(f"--rate {typed!r} is no share", hint="try 50% or 0.5")
    return share


def _prove(app: AppContext, result: PullResult, api: ReadingApi, watcher: Any) -> None:
    """Ask how many rows there should be, and judge the days; a count that fails is only said."""
    if result.since is None or result.until is None:
        return
    logs, state_dir = app.settings.logs, app.settings.state_dir
    try:
        count_pulled(
            state_dir,
            app.clock,
            Span(result.since, result.until),
            api=api,
            gateway_id=result.gateway_id,
            lag_s=logs.count_hold_back_s,
            progress=watch,
        )
    except ApiAccessError as error:
        watcher.say(
            f"note: the analytics were not asked: {error.message} (Account Analytics: Read); "
            "the log's own counts are the proof"
        )
    except ApiError as error:
        watcher.say(f"note: the analytics did not answer: {error.message}")
    request = StatusRequest(
        since=result.since,
        until=result.until,
        gateway_id=result.gateway_id,
        hold_back_s=logs.hold_back_s,
        settle_s=logs.settle_s,
    )
    verdicts = Counter(
        day.verdict for day in read_status(state_dir, app.clock, request, watch).rows
    )
    result.complete_day_count = verdicts[DayVerdict.COMPLETE]
    result.incomplete_day_count = verdicts[DayVerdict.INCOMPLETE]
    result.unknown_day_count = verdicts[DayVerdict.UNKNOWN]


def _record_ratings(app: AppContext, result: PullResult, watcher: Any) -> None:
    """What `wai outcomes feedback` does: ratings become recorded facts. Raises DataError."""
    if not (result.inserted_count or result.replaced_count or result.rated_count):
        return
    state_dir = app.settings.state_dir
    with open_ledger(state_dir, app.clock) as store:
        plan = plan_feedback(store, Window(None, None))
        done = carry_out(state_dir, app.clock, plan, is_dry_run=False)
    if done.recorded_count:
        watcher.say(f"note: {counted(done.recorded_count, 'rating')} recorded as outcomes")


def _probed(app: AppContext, window: Window) -> Span:
    now = app.clock.now()
    until = window.until or now
    return Span(min(window.since or until - FIRST_PULL, until), until)


def _tell(request: PullRequest, result: PullResult, watcher: Any) -> None:
    """What the numbers alone do not say."""
    if request.bodies.mode is not BodyMode.NONE and not (request.again or result.row_count):
        watcher.say(
            "note: bodies are fetched with rows that are read now; "
            "for rows that are here already: --again --since 24h"
        )
    if result.has_usage_metadata or result.has_timings:
        names = [
            name
            for name, is_there in (
                ("usage_metadata", result.has_usage_metadata),
                ("timings", result.has_timings),
            )
            if is_there
        ]
        watcher.say(f"note: rows carry {' and '.join(names)}, which no published schema has")
    if result.is_sampled:
        watcher.say("warning: the source says that its answers are sampled: rows may be missing")
    if result.partial_window_count:
        watcher.say(
            f"warning: {counted(result.partial_window_count, 'window')} kept changing while being "
            "read; the next pull reads what changed"
        )


def _follow(once: Any, halt: Halt, poll_s: float, watcher: Any) -> PullResult:
    """Pull again and again. Ends with Ctrl-C, or an error that waiting does not mend."""
    while True:
        try:
            result = once()
        except RemoteError as error:
            watcher.say(f"warning: {error.message}; trying again in {poll_s:.0f} s")
        else:
            if result.row_count:
                through = "" if result.through is None else f", through {result.through:%T} UTC"
                watcher.say(f"{counted(result.inserted_count, 'new row')}{through}")
        halt.rest(poll_s)
