"""Which conversation a name means: its id where that is enough, else `tenant:workflow:id`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.core.errors import UsageError
from wai_ops.state.live import LiveState
from wai_ops.state.sessions import Session, list_sessions

_MOST_SHOWN = 5


@contextmanager
def opened(state_dir: Path, clock: Clock, name: str) -> Iterator[tuple[LiveState, Session]]:
    """Open live state and find one conversation in it. Raises UsageError when there is none."""
    if not LiveState.exists(state_dir):
        raise unknown(name)
    with LiveState.open(state_dir, clock=clock) as live:
        yield live, find_conversation(live, name)


def find_conversation(live: LiveState, name: str) -> Session:
    """Find a conversation by id or by key. Raises UsageError for none, and for more than one."""
    sessions = list_sessions(live)
    found = [each for each in sessions if name in (each.affinity_key, each.conversation_id)]
    if not found:
        raise unknown(name, [each.conversation_id for each in sessions])
    if len(found) > 1:
        keys = ", ".join(each.affinity_key for each in found[:_MOST_SHOWN])
        raise UsageError(
            f"{len(found)} conversations are called {name!r}", hint=f"name one: {keys}"
        )
    return found[0]


def unknown(name: str, known: list[str] | None = None) -> UsageError:
    """Say that there is no such conversation, and which is meant perhaps."""
    from wai_ops.config.problems import nearest

    near = nearest(name, known or [])
    hint = f"did you mean {near}?" if near else "see: wai conversations list"
    return UsageError(f"no conversation {name!r}", hint=hint)
