"""What is kept of a tool call: a fact for the ledger, and its raw output where policy says so."""

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from wai_ops.config.files import make_state_folder, write_atomically
from wai_ops.core.clock import to_utc_text
from wai_ops.core.errors import DataError
from wai_ops.runtime.keeping import Keeper
from wai_ops.runtime.tools.doorman import Place
from wai_ops.runtime.tools.outcome import ToolProblem
from wai_ops.state.live import LiveState

TOOL_CALL = "tool_call"
"""The kind of these facts in the outbox."""
FOLDER_NAME = "tool-output"
"""Within the state folder."""
_SOURCE = "runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallFact:
    """One call, as the ledger counts it. Nothing of its content."""

    tool_call_id: str
    tool_name: str
    tool_family: str
    arguments_sha256: str | None
    started_at: datetime
    duration_ms: float
    problem: ToolProblem | None
    decision_id: str | None
    output_tokens: float | None
    """Of the turn that asked for it, shared evenly by the calls of that turn."""


def record_call(live: LiveState, fact: ToolCallFact, place: Place) -> None:
    """Put the fact into the outbox. Raises DataError."""
    with live.write():
        live.append(TOOL_CALL, _payload(fact, place))


def _payload(fact: ToolCallFact, place: Place) -> dict[str, Any]:
    return {
        "tool_call_id": fact.tool_call_id,
        "tenant": place.tenant,
        "workflow": place.workflow,
        "conversation_id": place.conversation_id,
        "turn_index": place.turn_index,
        "model": place.model,
        "tool_name": fact.tool_name,
        "tool_family": fact.tool_family,
        "arguments_sha256": fact.arguments_sha256,
        "started_at": to_utc_text(fact.started_at),
        "duration_ms": round(fact.duration_ms, 3),
        "error_type": None if fact.problem is None else fact.problem.failure.value,
        "output_tokens": fact.output_tokens,
        "decision_id": fact.decision_id,
        "source": _SOURCE,
    }


def keep_output(
    state_dir: Path, decision_id: str, tool: str, content: bytes, keeper: Keeper
) -> Path | None:
    """Keep what a tool said, masked, in a file of mode 0600. Raises DataError.

    None for what is no text: it cannot be masked, and so it is not kept.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    masked = keeper.text(text)
    record = {
        "decision_id": decision_id,
        "tool": tool,
        "result_sha256": hashlib.sha256(content).hexdigest(),
        "kept_sha256": hashlib.sha256(masked.encode("utf-8", "replace")).hexdigest(),
        "is_masked": masked != text,
        "output": masked,
    }
    try:
        path = make_state_folder(state_dir, FOLDER_NAME) / f"{decision_id}.json"
        write_atomically(path, json.dumps(record, ensure_ascii=True, indent=1).encode() + b"\n")
    except OSError as error:
        raise DataError(
            f"cannot keep a tool's output: {error.strerror}",
            where=str(state_dir / FOLDER_NAME),
            hint="free some space, or say `raw_output: drop` in the policy",
        ) from error
    with contextlib.suppress(OSError):
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return path
