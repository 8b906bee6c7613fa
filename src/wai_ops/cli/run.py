"""`wai run`: one prompt, sent once, recorded and priced."""

from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption, LocalOption
from wai_ops.cli.run_options import (
    AllowWorkOption,
    BudgetWaitOption,
    CheckpointOption,
    ConversationOption,
    DataOption,
    JustificationOption,
    MaxTokensOption,
    ModelOption,
    PromptOption,
    QuietOption,
    ReasoningOption,
    RiskOption,
    SeedOption,
    SystemOption,
    TemperatureOption,
    TenantOption,
    ToolOption,
    ToolsDirOption,
    VarOption,
    WorkflowOption,
)
from wai_ops.core.errors import UsageError

app = new_app()


@app.command()
def run(
    ctx: typer.Context,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT|-", help="The prompt; - reads standard input.")
    ] = None,
    *,
    prompt: PromptOption = None,
    var: VarOption = None,
    allow_work: AllowWorkOption = False,
    system: SystemOption = None,
    model: ModelOption = None,
    workflow: WorkflowOption = None,
    tenant: TenantOption = None,
    conversation: ConversationOption = None,
    max_tokens: MaxTokensOption = None,
    temperature: TemperatureOption = None,
    seed: SeedOption = None,
    json_schema: Annotated[
        Path | None,
        typer.Option("--json-schema", help="A JSON Schema the answer must meet; exit 1 if not."),
    ] = None,
    tools: Annotated[
        Path | None,
        typer.Option("--tools", help="A JSON list of tool definitions; none is called."),
    ] = None,
    tool: ToolOption = None,
    tools_dir: ToolsDirOption = None,
    checkpoint_every: CheckpointOption = None,
    risk: RiskOption = None,
    justification: JustificationOption = None,
    data: DataOption = None,
    budget_wait: BudgetWaitOption = 5.0,
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
    local: LocalOption = False,
    reasoning: ReasoningOption = False,
    quiet: QuietOption = False,
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
        show_plan(
            context, ask, said, checkpoint_every=checkpoint_every, as_json=as_json, local=local
        )
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
