"""Which objects of a gateway are ours, and how they were before the last pushes.

One JSON file in the state folder, for all gateways. A name is written down *before* its object is
made, so that a push that is killed leaves nothing that the next plan would take for somebody
else's. Without the file our objects can be taken over again by their names: `wai budget import`.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wai_ops.config.files import make_state_folder, write_atomically
from wai_ops.control.budgets.native import Kind, Ref
from wai_ops.core.errors import DataError

FOLDER = "guards"
FILE_NAME = "guards.json"
KEPT_PUSHES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One push that changed something."""

    at: str
    decision_id: str
    changed: tuple[Ref, ...]
    before: tuple[tuple[Ref, Mapping[str, Any] | None], ...]
    """Our objects that it was to change, as they were; None: it was not there."""
    is_done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayState:
    """What is known of one gateway."""

    owned: frozenset[Ref] = frozenset()
    pushes: tuple[Push, ...] = ()
    """The newest last."""

    def with_push(self, push: Push) -> "GatewayState":
        """The state with one more push; the oldest are forgotten."""
        return replace(self, pushes=(*self.pushes, push)[-KEPT_PUSHES:])

    def with_last_done(self) -> "GatewayState":
        """The state once the newest push is through."""
        *older, last = self.pushes
        return replace(self, pushes=(*older, replace(last, is_done=True)))


@dataclass(slots=True)
class StateFile:
    """The file, read and written as a whole. Use inside `locked`."""

    path: Path
    _gateways: dict[str, Any] = field(default_factory=dict)

    def get(self, account_id: str, gateway_id: str) -> GatewayState:
        """What is known of a gateway. Raises DataError for a damaged file."""
        try:
            return _decode(self._gateways.get(f"{account_id}/{gateway_id}") or {})
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(self.path) from error

    def put(self, account_id: str, gateway_id: str, state: GatewayState) -> None:
        """Write it down, safe on the disk when this returns. Raises DataError."""
        self._gateways[f"{account_id}/{gateway_id}"] = _encode(state)
        text = json.dumps({"version": 1, "gateways": self._gateways}, indent=1, sort_keys=True)
        try:
            write_atomically(self.path, (text + "\n").encode())
        except OSError as error:
            raise DataError(
                f"cannot write {self.path}: {error.strerror or error}",
                hint="make the folder writable, or set WAI_STATE_DIR to another one",
            ) from error


@contextmanager
def locked(state_dir: Path) -> Iterator[StateFile]:
    """Hold the file: one push at a time. Raises DataError when another holds it."""
    path = make_state_folder(state_dir, FOLDER) / FILE_NAME
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(
                "another wai budget command is at work on this state folder",
                hint="wait for it to end",
                where=str(path),
            ) from error
        yield _read(path)
    finally:
        os.close(lock)


def read_state(state_dir: Path) -> StateFile:
    """Read without holding it, to look only. Raises DataError for a damaged file."""
    return _read(state_dir / FOLDER / FILE_NAME)


def _read(path: Path) -> StateFile:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return StateFile(path)
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path) from error
    try:
        gateways = json.loads(text)["gateways"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path) from error
    if not isinstance(gateways, dict):
        raise _damaged(path)
    return StateFile(path, gateways)


def _damaged(path: Path) -> DataError:
    return DataError(
        f"{path} cannot be read",
        hint="move it away, and take our objects over again by name: wai budget import",
    )


def _encode(state: GatewayState) -> dict[str, Any]:
    return {
        "owned": [[ref.kind.value, ref.name] for ref in sorted(state.owned, key=str)],
        "pushes": [
            {
                "at": push.at,
                "decision_id": push.decision_id,
                "changed": [[ref.kind.value, ref.name] for ref in push.changed],
                "before": [[ref.kind.value, ref.name, body] for ref, body in push.before],
                "is_done": push.is_done,
            }
            for push in state.pushes
        ],
    }


def _decode(data: Mapping[str, Any]) -> GatewayState:
    return GatewayState(
        owned=frozenset(Ref(Kind(kind), name) for kind, name in data.get("owned", [])),
        pushes=tuple(
            Push(
                at=item["at"],
                decision_id=item["decision_id"],
                changed=tuple(Ref(Kind(kind), name) for kind, name in item["changed"]),
                before=tuple((Ref(Kind(kind), name), body) for kind, name, body in item["before"]),
                is_done=bool(item["is_done"]),
            )
            for item in data.get("pushes", [])
        ),
    )
