"""One tool call from the model's words to the model's answer: judged, permitted, run, shaped.

The order is the guarantee: the decision and the start of the action are on disk before a socket is
opened or a program started, and the end is on disk before the model hears of it.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from wai_ops.config.settings import ToolSettings
from wai_ops.control.decisions.record import canonical_sha256
from wai_ops.control.gate import Permitted
from wai_ops.core.errors import DataError, DeniedError
from wai_ops.core.secret_names import is_secret_name
from wai_ops.core.text import one_line
from wai_ops.runtime.keeping import Keeper
from wai_ops.runtime.tools.canonical import canonical
from wai_ops.runtime.tools.command import run_command
from wai_ops.runtime.tools.doorman import Doorman, Place, refused
from wai_ops.runtime.tools.facts import ToolCallFact, keep_output, record_call
from wai_ops.runtime.tools.http import Network, run_http
from wai_ops.runtime.tools.load import Tool, Toolbox, family_of
from wai_ops.runtime.tools.mcp import McpServers
from wai_ops.runtime.tools.outcome import Raw, ToolFailed, ToolProblem
from wai_ops.runtime.tools.repeats import Repeats
from wai_ops.runtime.tools.shape import failure_text, shaped
from wai_ops.state.live import LiveState

_OUTCOME_UNKNOWN = frozenset((ToolProblem.TIMEOUT, ToolProblem.NETWORK))
_LONGEST_NAME = 128
_REPEATS_OF_UNKNOWN = 3
_AT_LIMIT = "no more tool calls are allowed: answer with what you have"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """What a model asks for, as it stands in its reply."""

    call_id: str
    name: str
    arguments: str
    """The JSON text that the model wrote, valid or not."""
    output_tokens: float | None = None
    """Its share of the tokens of the reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What became of one tool call."""

    call_id: str
    name: str
    """As it was declared; the model's own word for a tool that nobody knows."""
    family: str
    content: str
    """What the model is told: canonical JSON."""
    problem: ToolProblem | None
    arguments: Mapping[str, Any] | None
    decision_id: str | None
    duration_ms: float
    result_sha256: str | None
    """Of the raw output."""
    kept: Path | None
    """The file that the raw output is kept in, masked."""
    detail: str | None
    """More about the problem, for people: no model hears it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerParts:
    """What calls are made with."""

    toolbox: Toolbox
    settings: ToolSettings
    doorman: Doorman
    live: LiveState
    state_dir: Path
    keeper: Keeper
    """Masks what it knows as secret before a model sees it."""
    network: Network


class ToolCaller:
    """Makes the tool calls of one process, one after the other. Close it: servers may run."""

    def __init__(self, parts: CallerParts) -> None:
        """Nothing is started yet."""
        self._parts = parts
        self._environ = parts.network.environ
        self._clock = parts.network.clock
        self._keeper = _with_secrets(parts.keeper, parts.toolbox, self._environ)
        # A model works with people's data, and is told no credentials; what is kept follows
        # `redaction.pii` as well.
        self._to_model = replace(self._keeper, pii=False)
        self._servers = McpServers(parts.toolbox, self._environ)

    def close(self) -> None:
        """Stop the servers that were started."""
        self._servers.close()

    def call(
        self, call: ToolCall, place: Place, repeats: Repeats, *, is_over_limit: bool = False
    ) -> Called:
        """Make one call and record it. What goes wrong is an answer for the model.

        Raises DataError when nothing can be recorded, and whatever interrupts it.
        """
        one = _One(self._clock.now(), self._clock.monotonic(), call.name)
        try:
            content = self._content(call, place, repeats, one, is_over_limit=is_over_limit)
        except ToolFailed as error:
            one.decision_id = one.decision_id or error.decision_id
            one.problem = error.problem
            content = failure_text(error.problem, self._to_model.text(error.message))
            one.detail = self._keeper.text(error.detail) if error.detail else None
        except BaseException:
            one.problem = ToolProblem.NOT_RUN
            with suppress(DataError):  # what interrupts it is the news
                self._record(call, place, one)
            raise
        duration_ms = self._record(call, place, one)
        return Called(
            call_id=call.call_id,
            name=one.name,
            family=self._family(one),
            content=content,
            problem=one.problem,
            arguments=one.arguments,
            decision_id=one.decision_id,
            duration_ms=duration_ms,
            result_sha256=one.result_sha256,
            kept=one.kept,
            detail=one.detail,
        )

    def _record(self, call: ToolCall, place: Place, one: "_One") -> float:
        """Let the ledger know; return how long the call took, in milliseconds."""
        duration_ms = (self._clock.monotonic() - one.started) * 1000
        fact = ToolCallFact(
            tool_call_id=one_line(self._keeper.text(call.call_id), _LONGEST_NAME),
            tool_name=one.name,
            tool_family=self._family(one),
            arguments_sha256=one.arguments_sha256,
            started_at=one.started_at,
            duration_ms=duration_ms,
            problem=one.problem,
            decision_id=one.decision_id,
            output_tokens=call.output_tokens,
        )
        record_call(self._parts.live, fact, place)
        return duration_ms

    def _family(self, one: "_One") -> str:
        return one.tool.family if one.tool else family_of(one.name, self._parts.settings)

    def _content(
        self,
        call: ToolCall,
        place: Place,
        repeats: Repeats,
        one: "_One",
        *,
        is_over_limit: bool,
    ) -> str:
        """The answer for the model. Raises ToolFailed."""
        self._understand(call, one)
        doorman = self._parts.doorman
        if is_over_limit:
            one.decision_id = doorman.refuse_at_limit(one.name, one.arguments, place)
            raise ToolFailed(ToolProblem.LIMIT, _AT_LIMIT, sent=False)
        # Whatever became of a call before: who asks for it again and again goes in circles.
        made = (one.name, one.arguments_sha256 or "")
        most = one.tool.entry.max_repeats if one.tool else _REPEATS_OF_UNKNOWN
        loop = repeats.problem(made, max_repeats=most)
        if loop is not None:
            rule = f"tools.{one.name}.max_repeats"
            one.decision_id = doorman.refuse_call(
                one.name, one.arguments, place, rule=rule, reason=loop
            )
            raise ToolFailed(
                ToolProblem.REPEATED,
                f"{loop}: its result is above; do something else, or answer",
                sent=False,
            )
        repeats.add(made)
        tool, arguments = self._checked(place, one)
        permitted = doorman.permit_call(tool, arguments, place)
        one.decision_id = permitted.decision_id
        # From here on it takes the tool's time: how long a person thought about it is not.
        one.started_at, one.started = self._clock.now(), self._clock.monotonic()
        return self._run(tool, arguments, place, permitted, one)

    def _understand(self, call: ToolCall, one: "_One") -> None:
        """Find the tool and read the arguments, as far as that goes."""
        tool = self._parts.toolbox.by_wire_name(call.name)
        one.arguments_sha256 = hashlib.sha256(call.arguments.encode("utf-8", "replace")).hexdigest()
        if tool is None:
            one.name = one_line(self._keeper.text(call.name), _LONGEST_NAME) or "(none)"
            return
        one.tool, one.name = tool, tool.name
        try:
            one.arguments = canonical(tool.check.parsed(call.arguments))
        except ValueError as error:
            one.mistake = str(error)
            return
        one.arguments_sha256 = canonical_sha256(one.arguments)

    def _checked(self, place: Place, one: "_One") -> tuple[Tool, Mapping[str, Any]]:
        """The tool and its arguments. Raises ToolFailed when the model made a mistake."""
        if one.tool is None:
            one.decision_id = self._parts.doorman.refuse_call(
                one.name, None, place, rule="tools", reason="no tool of that name was offered"
            )
            known = ", ".join(sorted(t.wire_name for t in self._parts.toolbox.tools.values()))
            raise ToolFailed(
                ToolProblem.UNKNOWN_TOOL, f"there is no such tool; there are: {known}", sent=False
            )
        if one.arguments is None:
            mistake = one.mistake or "they cannot be read"
            raise ToolFailed(ToolProblem.INVALID_ARGUMENTS, mistake, sent=False)
        return one.tool, one.arguments

    def _run(
        self,
        tool: Tool,
        arguments: Mapping[str, Any],
        place: Place,
        permitted: Permitted,
        one: "_One",
    ) -> str:
        """Run it, shape what it says, and record the end of the action whatever happens."""
        try:
            raw = self._dispatch(tool, arguments, place, permitted)
        except ToolFailed as error:
            self._end(permitted, one, error.problem, error.raw, sent=error.sent)
            self._keep(tool, permitted, one, error.raw)
            raise
        except DeniedError as error:
            self._end(permitted, one, ToolProblem.REFUSED, None, sent=False)
            raise refused(error) from error
        except BaseException:
            # Interrupted: it may have happened. If even that cannot be written, the missing end
            # says the same.
            with suppress(DataError):
                permitted.end("unknown", error_type="cancelled")
            raise
        self._end(permitted, one, None, raw, sent=True)
        self._keep(tool, permitted, one, raw)
        # It was done, whatever can be made of what it said.
        return self._to_model.json_text(shaped(raw, tool.entry.output, tool.max_tokens))

    def _dispatch(
        self, tool: Tool, arguments: Mapping[str, Any], place: Place, permitted: Permitted
    ) -> Raw:
        entry, decision_id = tool.entry, permitted.decision_id
        if entry.http is not None:
            leave = self._parts.doorman.leave(tool, arguments, place, permitted)
            return run_http(tool, arguments, leave, self._parts.network, key=decision_id)
        if entry.command is not None:
            return run_command(
                entry.command,
                arguments,
                root=self._parts.toolbox.root,
                environ=self._environ,
                clock=self._clock,
                timeout_s=entry.timeout_s,
                max_bytes=entry.output.max_bytes,
                extra_env={"WAI_DECISION": decision_id},
            )
        return self._servers.call(tool, arguments)

    def _end(
        self,
        permitted: Permitted,
        one: "_One",
        problem: ToolProblem | None,
        raw: Raw | None,
        *,
        sent: bool,
    ) -> None:
        if raw is not None and (raw.content or problem is None):
            one.result_sha256 = hashlib.sha256(raw.content).hexdigest()
        facts: dict[str, Any] = {
            "result_sha256": one.result_sha256,
            "duration_ms": round((self._clock.monotonic() - one.started) * 1000, 3),
            "http_status": None if raw is None else raw.http_status,
        }
        if problem is None:
            permitted.end("ok", **facts)
            return
        is_unknown = sent and problem in _OUTCOME_UNKNOWN
        facts["error_type"] = problem.failure.value
        permitted.end("unknown" if is_unknown else "failed", **facts)

    def _keep(self, tool: Tool, permitted: Permitted, one: "_One", raw: Raw | None) -> None:
        if raw is None or not self._parts.doorman.keeps_output(permitted):
            return
        one.kept = keep_output(
            self._parts.state_dir, permitted.decision_id, tool.name, raw.content, self._keeper
        )


@dataclass(slots=True)
class _One:
    """What is known of the call that is being made."""

    started_at: datetime
    started: float
    name: str
    tool: Tool | None = None
    arguments: Mapping[str, Any] | None = None
    arguments_sha256: str | None = None
    mistake: str | None = None
    """What is wrong with the arguments."""
    problem: ToolProblem | None = None
    decision_id: str | None = None
    result_sha256: str | None = None
    kept: Path | None = None
    detail: str | None = None


def _with_secrets(keeper: Keeper, toolbox: Toolbox, environ: Mapping[str, str]) -> Keeper:
    """A keeper that knows the secrets of the tools as well: no result may carry one to a model."""
    found = dict(keeper.secrets)
    for tool in toolbox.tools.values():
        entry = tool.entry
        names = [source.env for source in entry.http.secrets.values()] if entry.http else []
        for program in (entry.command, entry.mcp):
            names += [name for name in program.env if is_secret_name(name)] if program else []
        found |= {name: environ[name] for name in names if environ.get(name)}
    return replace(keeper, secrets=found)
