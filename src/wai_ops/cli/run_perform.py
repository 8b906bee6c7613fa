"""`wai run` itself: open what is needed, ask, show what came of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from wai_ops.cli import diagnostics
from wai_ops.cli.context import AppContext
from wai_ops.core.errors import DeniedError, ExitCode

if TYPE_CHECKING:
    from wai_ops.cli.run_governance import Said
    from wai_ops.cli.run_sink import TerminalSink
    from wai_ops.runtime.caller import Caller
    from wai_ops.runtime.exchange import Exchange
    from wai_ops.runtime.request import Ask
    from wai_ops.runtime.result import RunExchange
    from wai_ops.runtime.run import Finished
    from wai_ops.runtime.tools.loop import ToolLoop, ToolLoopEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFlags:
    """What the command line says besides the question."""

    said: "Said"
    names: list[tuple[str, str]]
    """What completion may offer from now on."""
    is_conversation: bool
    """Whether the conversation was named, so that it may have begun."""
    checkpoint_every: str | None
    tools: tuple[str, ...]
    tools_dir: Path | None
    local: bool
    quiet: bool
    as_json: bool

    @property
    def has_tools(self) -> bool:
        """Whether declared tools are offered."""
        return bool(self.tools) or self.tools_dir is not None


def perform(
    context: AppContext, ask: "Ask", check: Any, sink: "TerminalSink", flags: RunFlags
) -> None:
    """Run it and show it. Raises WaiError and typer.Exit for everything but a good answer."""
    from wai_ops.cli.run_governance import governance_of, registry_of
    from wai_ops.cli.run_service import service_of, surroundings_of
    from wai_ops.cli.target import open_connection
    from wai_ops.config.credentials import Role
    from wai_ops.runtime.caller import Caller
    from wai_ops.state.live import LiveState
    from wai_ops.state.names import remember_names

    state_dir = context.settings.state_dir
    registry = registry_of(context, flags.said)
    with open_connection(context, role=Role.RUNTIME, local=flags.local) as connection:
        # Not closed: the last one to close writes the whole log back into the database, which
        # takes longer than everything else after the answer. Every step is committed already.
        live = LiveState.open(state_dir, clock=context.clock)
        service = service_of(context, connection)
        around = surroundings_of(context, service.token)
        around.keeper.refuse_names(dict(flags.names))
        remember_names(state_dir, flags.names)
        governance = None
        if registry is not None:
            governance = governance_of(
                context, registry, flags.said, live=live, keeper=around.keeper, token=service.token
            )
        caller = Caller(service=service, around=around, live=live, sink=sink, governance=governance)
        try:
            if flags.has_tools:
                finished, exchange = _with_tools(context, ask, check, caller, flags)
            elif flags.is_conversation:
                finished, exchange = _exchange(context, ask, check, caller, flags, None)
            else:
                finished, exchange = caller.send(ask, check=check), None
        except DeniedError as error:
            if flags.as_json:
                _print_refusal(error)
            raise
    _present(finished, check, sink, exchange, quiet=flags.quiet, as_json=flags.as_json)


def _exchange(
    context: AppContext,
    ask: "Ask",
    check: Any,
    caller: "Caller",
    flags: RunFlags,
    tools: "ToolLoop | None",
) -> tuple["Finished", "RunExchange | None"]:
    """One exchange of a conversation that may have begun, with the summary that may be due."""
    from wai_ops.cli.run_checkpoints import checkpoint_policy_of
    from wai_ops.runtime.exchange import converse

    policy = None
    if flags.is_conversation:
        policy = checkpoint_policy_of(
            context,
            flags.checkpoint_every,
            tenant=ask.tenant,
            is_governed=caller.governance is not None,
        )
    done = converse(ask, caller, check=check, tools=tools, checkpoints=policy)
    if len(done.steps) == 1 and tools is None and done.checkpoint is None:
        return done.finished, None
    return done.finished, _told(done, tools)


def _with_tools(
    context: AppContext, ask: "Ask", check: Any, caller: "Caller", flags: RunFlags
) -> tuple["Finished", "RunExchange | None"]:
    """The same with declared tools. Raises DeniedError in a project without policies."""
    from wai_ops.cli.tools_loop import require_policies, tool_loop_of
    from wai_ops.runtime.tools.loop import ToolLoopEnded

    require_policies(context)
    tools = tool_loop_of(
        context,
        caller.governance,
        caller.live,
        caller.around.keeper,
        names=flags.tools,
        folder=flags.tools_dir,
    )
    try:
        return _exchange(context, ask, check, caller, flags, tools)
    except ToolLoopEnded as ended:
        _print_ended(ended, tools, flags)
        raise ended.to_error() from ended
    finally:
        tools.close()


def _told(done: "Exchange", tools: "ToolLoop | None") -> "RunExchange":
    from wai_ops.runtime.exchange_result import exchange_result

    return exchange_result(done, () if tools is None else tools.calls)


def _print_ended(ended: "ToolLoopEnded", tools: "ToolLoop", flags: RunFlags) -> None:
    """What a loop without an answer came to, for a program to read."""
    if not flags.as_json or not ended.steps:
        return
    from wai_ops.cli.output import print_json
    from wai_ops.runtime.exchange import Exchange
    from wai_ops.runtime.summary import result_of

    done = Exchange(steps=ended.steps, checkpoint=None)
    print_json(result_of(done.finished, exchange=_told(done, tools)))


def _print_refusal(error: DeniedError) -> None:
    """Print what was refused, and by which rule, for a program to read."""
    from wai_ops.cli.output import print_json
    from wai_ops.runtime.governed_refusal import Refused

    if isinstance(error, Refused):
        print_json(error.told())


def _present(
    finished: "Finished",
    check: Any,
    sink: "TerminalSink",
    exchange: "RunExchange | None",
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    # Little is imported here: it would all stand between the last byte and the prompt.
    from wai_ops.core.failures import FailureClass
    from wai_ops.runtime.record import COMPLETE
    from wai_ops.runtime.run import tool_call_dicts

    reply = finished.reply
    if as_json:
        from wai_ops.cli.output import print_json
        from wai_ops.runtime.summary import result_of

        output = None if check is None else check.output
        print_json(result_of(finished, output=output, exchange=exchange))
    else:
        sink.finish(tool_call_dicts(reply))
        if not quiet and (reply.delivered or reply.failure is None):
            diagnostics.message(_summary(finished))
            if exchange is not None and exchange.tools:
                diagnostics.message(_exchange_summary(exchange))
    if reply.failure is FailureClass.OUTPUT_TRUNCATED:
        governed = finished.governed
        if governed is not None and governed.max_output_tokens_lowered_from is not None:
            diagnostics.warn("the answer was cut by the output limit of the envelope")
        else:
            diagnostics.warn("the answer was cut by the output limit; raise --max-tokens")
    elif reply.failure is FailureClass.INVALID_OUTPUT:
        diagnostics.message(f"invalid_output: {finished.attempts[-1].error_message}")
        raise typer.Exit(ExitCode.VERDICT_NO)
    elif reply.failure is not None and reply.failure not in COMPLETE:
        from wai_ops.runtime.explain import error_of

        if not quiet and reply.delivered:
            diagnostics.note("the partial answer is kept in the conversation, not in its history")
        raise error_of(
            reply.failure,
            # As it was stored: what the other side says may quote a credential.
            message=finished.attempts[-1].error_message,
            code=reply.error_code,
            status=reply.status,
            attempts=len(finished.attempts),
            stop_reason=finished.stop_reason,
            address=finished.prepared.call.url,
        )


def _exchange_summary(exchange: "RunExchange") -> str:
    """One line about everything before the answer."""
    from wai_ops.core.text import counted

    cost = exchange.cost_usd
    money = "cost unknown" if cost is None else f"${cost.normalize():f} {exchange.cost_state}"
    steps = counted(len(exchange.turn_indexes), "request")
    return f"the whole exchange: {steps}, {counted(len(exchange.tools), 'tool call')}; {money}"


def _summary(finished: "Finished") -> str:
    """One line about what it took; what is unknown is said to be unknown."""
    from wai_ops.core.money import CostState

    record = finished.attempts[-1]
    if record.input_tokens is None:
        tokens = "tokens not reported"
    else:
        cached = record.cached_input_tokens
        cached_text = "cached not reported" if cached is None else f"{cached} cached"
        tokens = f"{record.input_tokens} in ({cached_text}), {record.output_tokens} out"
    if record.cost_usd is None:
        money = "cost unknown"
    elif record.cost_state == CostState.NONE:
        money = "not billed"
    else:
        money = f"${record.cost_usd.normalize():f} {record.cost_state}"
        if record.target == "local":
            money += " at list price, nothing billed"
    times = [f"TTFT {record.ttft_ms / 1000:.2f} s"] if record.ttft_ms is not None else []
    times.append(f"total {finished.total_ms / 1000:.2f} s")
    cache = record.affinity_result or "no answer"
    if record.affinity_cause:
        cache += f" ({record.affinity_cause})"
    if finished.governed is not None:
        cache += f"; decision {finished.governed.decisions[-1].decision_id}"
    place = f"{record.tenant}/{record.workflow} {record.conversation_id}.{record.turn_index}"
    if (release := finished.prepared.ask.release) is not None:
        canary = f" (canary of {release.label})" if release.canary else ""
        place += f" {record.prompt_name}@{record.prompt_version}{canary}"
    return f"{place}: {tokens}; {money}; {', '.join(times)}; affinity {cache}"
