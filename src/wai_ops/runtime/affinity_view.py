"""Looking at affinity sessions, and rotating one by hand."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table, Unit, col
from wai_ops.core.text import one_line
from wai_ops.runtime.affinity import Reason, header_value
from wai_ops.runtime.affinity import rotate as next_epoch
from wai_ops.state.live import LiveState
from wai_ops.state.sessions import Session, find_session, list_sessions, save_session


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How keys are written into the header. `secret` None: the one of the live state."""

    secret: bytes | None
    plain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AffinityRow:
    """One session in the list."""

    affinity_key: str = col("Affinity key")
    epoch: int = col("Epoch", Unit.COUNT)
    reason: str = col("Began because")
    request_count: int = col("Requests", Unit.COUNT)
    last_used_at: datetime = col("Last used", Unit.TIME)
    state: str = col("State")


@dataclass(frozen=True, slots=True, kw_only=True)
class AffinityDetail:
    """One session in full. `state` is fresh, stale_idle or stale_age."""

    affinity_key: str
    header: str
    epoch: int
    reason: str
    state: str
    request_count: int
    created_at: datetime
    last_used_at: datetime
    stale_at: datetime
    """When it goes stale if nothing happens until then."""

    def to_text(self) -> str:
        """Lay it out for people."""
        rows = (
            ("affinity key", self.affinity_key),
            ("header", f"x-session-affinity: {self.header}"),
            ("epoch", f"{self.epoch} (began because: {self.reason})"),
            ("requests", str(self.request_count)),
            ("began", f"{self.created_at:%Y-%m-%d %H:%M:%S} UTC"),
            ("last used", f"{self.last_used_at:%Y-%m-%d %H:%M:%S} UTC"),
            ("state", f"{self.state}; stale at {self.stale_at:%Y-%m-%d %H:%M:%S} UTC"),
        )
        return "".join(f"{label:<13} {one_line(value)}\n" for label, value in rows)


def list_affinity(state_dir: Path, limits: tuple[float, float], clock: Clock) -> Table[AffinityRow]:
    """List all sessions. `limits` is (idle TTL, maximum age) in seconds."""
    now = clock.now()
    rows = []
    if LiveState.exists(state_dir):
        with LiveState.open(state_dir, clock=clock) as live:
            rows = [
                AffinityRow(
                    affinity_key=session.affinity_key,
                    epoch=session.epoch,
                    reason=session.reason,
                    request_count=session.request_count,
                    last_used_at=session.last_used_at,
                    state=_state(session, limits, now)[0],
                )
                for session in list_sessions(live)
            ]
    return Table(row_type=AffinityRow, rows=rows, title="Affinity sessions")


def show_affinity(
    state_dir: Path, key: str, limits: tuple[float, float], wire: Wire, clock: Clock
) -> AffinityDetail:
    """Show one session. Raises UsageError when there is none."""
    _must_exist(state_dir, key)
    with LiveState.open(state_dir, clock=clock) as live:
        return _detail(live, _find(live, key), limits, wire, clock.now())


def rotate_affinity(
    state_dir: Path, key: str, limits: tuple[float, float], wire: Wire, clock: Clock
) -> AffinityDetail:
    """Begin the session's next epoch. Raises UsageError when there is no such session."""
    _must_exist(state_dir, key)
    with LiveState.open(state_dir, clock=clock) as live:
        with live.write():
            session = next_epoch(_find(live, key), Reason.ROTATED, clock.now())
            save_session(live, session, begins=True)
        return _detail(live, session, limits, wire, clock.now())


def _must_exist(state_dir: Path, key: str) -> None:
    if not LiveState.exists(state_dir):
        raise _unknown(key)


def _find(live: LiveState, key: str) -> Session:
    session = find_session(live, key)
    if session is None:
        raise _unknown(key)
    return session


def _unknown(key: str) -> UsageError:
    return UsageError(f"no affinity session {key!r}", hint="see: wai affinity list")


def _detail(
    live: LiveState, session: Session, limits: tuple[float, float], wire: Wire, now: datetime
) -> AffinityDetail:
    state, stale_at = _state(session, limits, now)
    return AffinityDetail(
        affinity_key=session.affinity_key,
        header=header_value(
            session.wire_key or session.affinity_key,
            session.epoch,
            secret=wire.secret or live.affinity_secret,
            plain=wire.plain,
        ),
        epoch=session.epoch,
        reason=session.reason,
        state=state,
        request_count=session.request_count,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        stale_at=stale_at,
    )


def _state(session: Session, limits: tuple[float, float], now: datetime) -> tuple[str, datetime]:
    idle_ttl_s, max_age_s = limits
    idle_at = session.last_used_at + timedelta(seconds=idle_ttl_s)
    age_at = session.created_at + timedelta(seconds=max_age_s)
    stale_at = min(idle_at, age_at)
    if now <= stale_at:
        return "fresh", stale_at
    return ("stale_idle" if idle_at <= age_at else "stale_age"), stale_at
