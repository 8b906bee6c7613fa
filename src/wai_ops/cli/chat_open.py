"""From the flags of `wai chat` to a session: who answers, under which policy, with which tools."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wai_ops.cli.chat_commands import COMMANDS
from wai_ops.cli.chat_history import begin_editing, keep_lines, load_history
from wai_ops.cli.chat_input import Lines, PipedLines, TypedLines
from wai_ops.cli.chat_loop import ChatLoop, greet
from wai_ops.cli.chat_screen import Screen
from wai_ops.cli.chat_session import ChatSession
from wai_ops.cli.chat_sink import ChatSink
from wai_ops.cli.context import AppContext
from wai_ops.cli.run_checkpoints import checkpoint_policy_of
from wai_ops.cli.run_governance import Said, governance_of, registry_of
from wai_ops.cli.run_input import build_ask
from wai_ops.cli.run_service import service_of, surroundings_of
from wai_ops.cli.target import open_connection
from wai_ops.config.credentials import Role
from wai_ops.core.ids import uuid7
from wai_ops.runtime.caller import Caller
from wai_ops.runtime.conversation_change import history_file
from wai_ops.runtime.exchange import ToolLoop
from wai_ops.runtime.plan import prepare
from wai_ops.runtime.request import Ask
from wai_ops.state.live import LiveState
from wai_ops.state.names import remember_names


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFlags:
    """What the command line says."""

    conversation: str | None
    model: str | None
    workflow: str | None
    tenant: str | None
    system: str | None
    prompt: str | None
    variables: tuple[str, ...]
    allow_work: bool
    max_tokens: int | None
    temperature: float | None
    seed: int | None
    checkpoint_every: str | None
    tools: tuple[str, ...]
    tools_dir: Path | None
    risk: str | None
    justification: str | None
    data: tuple[str, ...]
    budget_wait_s: float
    local: bool
    reasoning: bool
    is_quiet: bool
    as_json: bool
    is_terminal: bool


def run_chat(context: AppContext, flags: ChatFlags) -> None:
    """Hold the conversation until the input ends."""
    named = flags.conversation or uuid7(context.clock.now())
    said = Said(
        risk=flags.risk,
        justification=flags.justification,
        data=flags.data,
        wait_s=flags.budget_wait_s,
    )

    def make_ask(text: str, model: str | None, system: str | None) -> Ask:
        return _question(context, flags, named, text, model=model, system=system)

    probe = make_ask("?", flags.model, flags.system)
    registry = registry_of(context, said)
    policy = checkpoint_policy_of(
        context, flags.checkpoint_every, tenant=probe.tenant, is_governed=registry is not None
    )
    state_dir = context.settings.state_dir
    screen = Screen(context.environ, is_quiet=flags.is_quiet)
    sink = ChatSink(as_json=flags.as_json, reasoning=flags.reasoning)
    with ExitStack() as stack:
        connection = stack.enter_context(
            open_connection(context, role=Role.RUNTIME, local=flags.local)
        )
        live = stack.enter_context(LiveState.open(state_dir, clock=context.clock))
        service = service_of(context, connection)
        around = surroundings_of(context, service.token)
        names = _names(flags, probe)
        around.keeper.refuse_names(dict(names))
        remember_names(state_dir, names)
        governance: Any = None
        if registry is not None:
            governance = governance_of(
                context, registry, said, live=live, keeper=around.keeper, token=service.token
            )
        caller = Caller(service=service, around=around, live=live, sink=sink, governance=governance)
        tools, tool_names = _tools(context, flags, caller, stack)
        session = ChatSession(
            context,
            caller,
            policy,
            make_ask,
            model=flags.model,
            system=flags.system,
            tools=tools,
            tool_names=tool_names,
        )
        # What no message could be sent with is said now, and not at each of them.
        prepare(session.ask("?"), service, around, live)
        lines: Lines = PipedLines()
        history = history_file(state_dir)
        if flags.is_terminal:
            begin_editing(load_history(history), [f"/{name}" for name in COMMANDS])
            lines = TypedLines(screen.prompt)
            greet(session, screen)
        loop = ChatLoop(session, lines, screen, sink, as_json=flags.as_json)
        try:
            loop.run()
        finally:
            keep_lines(history, loop.typed, around.keeper.text)


def _question(
    context: AppContext,
    flags: ChatFlags,
    conversation: str,
    text: str,
    *,
    model: str | None,
    system: str | None,
) -> Ask:
    ask, _ = build_ask(
        context.settings,
        now=context.clock.now(),
        environ=context.environ,
        # A dash alone would be read from standard input, which the chat itself reads.
        text="?" if text == "-" else text,
        prompt=flags.prompt,
        allow_work=flags.allow_work,
        variables=flags.variables,
        system=system,
        model=model,
        workflow=flags.workflow,
        tenant=flags.tenant,
        conversation=conversation,
        max_tokens=flags.max_tokens,
        temperature=flags.temperature,
        seed=flags.seed,
        json_schema=None,
        tools=None,
        endpoint="auto",
        no_stream=False,
    )
    return replace(ask, text=text)


def _names(flags: ChatFlags, probe: Ask) -> list[tuple[str, str]]:
    names = [("tenant", probe.tenant), ("workflow", probe.workflow)]
    names += [("conversation", probe.conversation_id)] if flags.conversation else []
    return names + ([("prompt", probe.prompt_name)] if flags.prompt else [])


def _tools(
    context: AppContext, flags: ChatFlags, caller: Caller, stack: ExitStack
) -> tuple[ToolLoop | None, list[str]]:
    """The loop that calls tools, and their names; none unless they are asked for."""
    if not flags.tools and flags.tools_dir is None:
        return None, []
    from wai_ops.cli.tools_loop import tool_loop_of

    loop = tool_loop_of(
        context,
        caller.governance,
        caller.live,
        caller.around.keeper,
        names=flags.tools,
        folder=flags.tools_dir,
    )
    stack.callback(loop.close)
    return loop, sorted(loop.toolbox.tools)
