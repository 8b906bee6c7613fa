"""`wai run`: one prompt, sent once, recorded and priced."""

from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption
from wai_ops.core.errors import UsageError

app = new_app()


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
        Path | None,
        typer.Option("--tools", help="A JSON list of tool definitions; none is called."),
    ] = None,
    tool: Annotated[
        list[str] | None,
        typer.Option("--tool", metavar="NAME", help="A declared tool, or crm.*; repeatable."),
    ] = None,
    tools_dir: Annotated[
        Path | None,
        typer.Option("--tools-dir", metavar="DIR", help="Where tools are declared; all of them."),
    ] = None,
    checkpoint_every: Annotated[
        str | None,
        typer.Option(
            "--checkpoint-every",
            metavar="N|off",
            help="Sum up the older turns every N turns; else checkpoints.every_turns.",
        ),
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
      wai run --workflow support --risk high --justification "CHG-48" "Refund?"
    """
    from wai_ops.cli.run_governance import Said
    from wai_ops.cli.run_input import build_ask

    context: AppContext = ctx.obj
    if tools is not None and (tool or tools_dir is not None):
        raise UsageError(
            "--tools only describes tools, and --tool and --tools-dir call them: give one of them"
        )
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
        from wai_ops.cli.run_dry import show_plan

        if tool or tools_dir is not None:
            from wai_ops.cli.tools_loop import with_tools

            ask = with_tools(context, ask, tool or (), tools_dir)
        show_plan(context, ask, said, as_json=as_json, local=local)
        return
    from wai_ops.cli.run_perform import RunFlags, perform
    from wai_ops.cli.run_sink import TerminalSink

    names = [("tenant", ask.tenant), ("workflow", ask.workflow)]
    names += [("conversation", conversation)] if conversation else []
    names += [("prompt", ask.prompt_name)] if prompt else []
    flags = RunFlags(
        said=said,
        names=names,
        is_conversation=conversation is not None,
        checkpoint_every=checkpoint_every,
        tools=tuple(tool or ()),
        tools_dir=tools_dir,
        local=local,
        quiet=quiet,
        as_json=as_json,
    )
    perform(context, ask, check, TerminalSink(as_json=as_json, reasoning=reasoning), flags)
