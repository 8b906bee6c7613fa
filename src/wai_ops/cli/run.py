"""`wai run`: one prompt, sent once, recorded and priced."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wai_ops.cli import diagnostics
from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption
from wai_ops.core.errors import ExitCode

if TYPE_CHECKING:
    from wai_ops.cli.run_governance import Said
    from wai_ops.cli.run_sink import TerminalSink
    from wai_ops.core.errors import DeniedError
    from wai_ops.runtime.request import Ask
    from wai_ops.runtime.run import Finished

app = new_app()

_PLACEHOLDER = "<CLOUDFLARE_ACCOUNT_ID>"


@app.command()
def run(
    ctx: typer.Context,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT|-", help="The prompt; - reads standard input.")
    ] = None,
    *,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            "-p",
            metavar="NAME[@VERSION]|FILE",
            help="A prompt: NAME, @3, @production, @sha256:..., @work; or a file.",
        ),
    ] = None,
    var: Annotated[
        list[str] | None,
        typer.Option("--var", metavar="NAME=VALUE", help="A variable of the prompt; repeatable."),
    ] = None,
    allow_work: Annotated[
        bool, typer.Option("--allow-work", help="Use an unfrozen prompt although this is CI.")
    ] = False,
    system: Annotated[
        str | None, typer.Option("--system", "-s", help="The system text of the conversation.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Model id; else defaults.model.")
    ] = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", "-w", help="The kind of job this belongs to.")
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="Who pays.")] = None,
    conversation: Annotated[
        str | None,
        typer.Option(
            "--conversation", "-c", help="Continue, or begin, this conversation; else a new one."
        ),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Upper limit of output tokens.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=0, max=5, help="Sampling temperature.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=1, max=9999999999, help="Sampling seed.")
    ] = None,
    json_schema: Annotated[
        Path | None,
        typer.Option("--json-schema", help="A JSON Schema the answer must meet; exit 1 if not."),
    ] = None,
    tools: Annotated[
        Path | None, typer.Option("--tools", help="A JSON list of tool definitions.")
    ] = None,
    risk: Annotated[
        str | None,
        typer.Option("--risk", metavar="low|medium|high", help="Risk tier; else the policy's."),
    ] = None,
    justification: Annotated[
        str | None,
        typer.Option("--justification", metavar="TEXT", help="Why; kept with the decision."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="CLASS", help="A class of data that goes out; repeatable."),
    ] = None,
    budget_wait: Annotated[
        float,
        typer.Option(
            "--budget-wait", metavar="SECONDS", min=0, max=3600, help="Wait for others' money."
        ),
    ] = 5.0,
    endpoint: Annotated[
        str,
        typer.Option(
            "--endpoint",
            metavar="auto|chat|run",
            help="run is the model's own endpoint; auto: what the model needs.",
        ),
    ] = "auto",
    no_stream: Annotated[
        bool, typer.Option("--no-stream", help="Wait for the whole answer.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the exact request and its price; send nothing.")
    ] = False,
    local: Annotated[
        bool, typer.Option("--local", help="Use the local emulator: no account, no bill.")
    ] = False,
    reasoning: Annotated[
        bool, typer.Option("--reasoning", help="Show the model's reasoning on stderr.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No summary line on stderr.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Send one prompt; record and price the call.

    The answer goes to stdout as it arrives, with control characters made harmless; --json prints
    one exact result object instead. Every attempt is recorded before it is sent. With a folder of
    policies every attempt is also decided upon first, and its worst case set aside.

    \b
    Examples:
      wai run --local "Why is the sky blue?"
      wai run - < question.txt
      wai run --prompt triage --var ticket="It is down"
      wai run --prompt triage@production -c c1 --dry-run --var ticket=late
      wai run --tenant acme --workflow support --conversation c1 "Hello"
      wai run --dry-run --json "What would this cost?"
      wai run --workflow support --risk high --justification "ticket 1234" "Refund it?"
    """
    from wai_ops.cli.run_governance import Said
    from wai_ops.cli.run_input import build_ask
    from wai_ops.cli.run_sink import TerminalSink

    context: AppContext = ctx.obj
    ask, check = build_ask(
        context.settings,
        now=context.clock.now(),
        environ=context.environ,
        text=text,
        prompt=prompt,
        allow_work=allow_work,
        variables=var or [],
        system=system,
        model=model,
        workflow=workflow,
        tenant=tenant,
        conversation=conversation,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
        json_schema=json_schema,
        tools=tools,
        endpoint=endpoint,
        no_stream=no_stream,
    )
    said = Said(risk=risk, justification=justification, data=data or (), wait_s=budget_wait)
    if dry_run:
        _show_plan(context, ask, said, as_json=as_json, local=local)
    else:
        names = [("tenant", ask.tenant), ("workflow", ask.workflow)]
        names += [("conversation", conversation)] if conversation else []
        names += [("prompt", ask.prompt_name)] if prompt else []
        sink = TerminalSink(as_json=as_json, reasoning=reasoning)
        _run(context, ask, check, sink, names, said, local=local, quiet=quiet, as_json=as_json)


def _run(
    context: AppContext,
    ask: "Ask",
    check: Any,
    sink: "TerminalSink",
    names: list[tuple[str, str]],
    said: "Said",
    *,
    local: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    from wai_ops.cli.run_governance import governance_of, registry_of
    from wai_ops.cli.run_service import service_of, surroundings_of
    from wai_ops.cli.target import open_connection
    from wai_ops.config.credentials import Role
    from wai_ops.core.errors import DeniedError
    from wai_ops.runtime.run import execute
    from wai_ops.state.live import LiveState
    from wai_ops.state.names import remember_names

    state_dir = context.settings.state_dir
    registry = registry_of(context, said)
    with open_connection(context, role=Role.RUNTIME, local=local) as connection:
        # Not closed: the last one to close writes the whole log back into the database, which
        # takes longer than everything else after the answer. Every step is committed already.
        live = LiveState.open(state_dir, clock=context.clock)
        service = service_of(context, connection)
        around = surroundings_of(context, service.token)
        around.keeper.refuse_names(dict(names))
        remember_names(state_dir, names)
        governance = None
        if registry is not None:
            governance = governance_of(
                context, registry, said, live=live, keeper=around.keeper, token=service.token
            )
        try:
            finished = execute(ask, service, around, live, sink, check=check, governance=governance)
        except DeniedError as error:
            if as_json:
                _print_refusal(error)
            raise
    _present(finished, check, sink, quiet=quiet, as_json=as_json)


def _print_refusal(error: "DeniedError") -> None:
    """Print what was refused, and by which rule, for a program to read."""
    from wai_ops.cli.output import print_json
    from wai_ops.runtime.governed_refusal import Refused

    if isinstance(error, Refused):
        print_json(error.told())


def _present(
    finished: "Finished", check: Any, sink: "TerminalSink", *, quiet: bool, as_json: bool
) -> None:
    # Little is imported here: it would all stand between the last byte and the prompt.
    from wai_ops.core.failures import FailureClass
    from wai_ops.runtime.record import COMPLETE
    from wai_ops.runtime.run import tool_call_dicts

    reply = finished.reply
    if as_json:
        from wai_ops.cli.output import print_json
        from wai_ops.runtime.summary import result_of

        print_json(result_of(finished, output=None if check is None else check.output))
    else:
        sink.finish(tool_call_dicts(reply))
        if not quiet and (reply.delivered or reply.failure is None):
            diagnostics.message(_summary(finished))
    if reply.failure is FailureClass.OUTPUT_TRUNCATED:
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


def _show_plan(
    context: AppContext, ask: "Ask", said: "Said", *, as_json: bool, local: bool
) -> None:
    from wai_ops.cli.run_governance import dry_governance, registry_of
    from wai_ops.cli.run_service import dry_service, surroundings_of
    from wai_ops.runtime.plan import prepare
    from wai_ops.runtime.preview import preview_of
    from wai_ops.state.live import LiveState

    registry = registry_of(context, said)
    service = dry_service(context, local=local, placeholder=_PLACEHOLDER)
    around = surroundings_of(context)
    state_dir = context.settings.state_dir
    with ExitStack() as stack:
        live = None
        if LiveState.exists(state_dir):
            live = stack.enter_context(LiveState.open(state_dir, clock=context.clock))
        if registry is None:
            preview = preview_of(prepare(ask, service, around, live))
        else:
            from wai_ops.runtime.governed_preview import governed_preview

            governance = dry_governance(registry, said)
            preview = governed_preview(governance, ask, service, around, live)
    if as_json:
        from wai_ops.cli.output import print_json

        print_json(preview)
    else:
        sys.stdout.write(preview.to_text())
