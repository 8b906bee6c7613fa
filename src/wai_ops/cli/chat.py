"""`wai chat`: a conversation, message by message, on a terminal or from a pipe."""

import sys
from typing import Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import LocalOption
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

app = new_app()


@app.command()
def chat(
    ctx: typer.Context,
    *,
    conversation: ConversationOption = None,
    model: ModelOption = None,
    workflow: WorkflowOption = None,
    tenant: TenantOption = None,
    system: SystemOption = None,
    prompt: PromptOption = None,
    var: VarOption = None,
    allow_work: AllowWorkOption = False,
    max_tokens: MaxTokensOption = None,
    temperature: TemperatureOption = None,
    seed: SeedOption = None,
    checkpoint_every: CheckpointOption = None,
    tool: ToolOption = None,
    tools_dir: ToolsDirOption = None,
    risk: RiskOption = None,
    justification: JustificationOption = None,
    data: DataOption = None,
    budget_wait: BudgetWaitOption = 5.0,
    local: LocalOption = False,
    reasoning: ReasoningOption = False,
    quiet: QuietOption = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line for each exchange.")
    ] = False,
) -> None:
    """Talk in a conversation that is kept: message by message, streamed, priced.

    Lines come from the terminal or from a pipe; /help lists the commands inside. Answers go to
    stdout, everything else to stderr.

    \b
    Examples:
      wai chat --local
      wai chat -c c1 --tenant acme --workflow support
      wai chat -c c1 --checkpoint-every 4 --system "Be brief."
      printf 'Hello\\n/cost\\n' | wai chat --local -c c1
    """
    from wai_ops.cli.chat_open import ChatFlags, run_chat

    context: AppContext = ctx.obj
    run_chat(
        context,
        ChatFlags(
            conversation=conversation,
            model=model,
            workflow=workflow,
            tenant=tenant,
            system=system,
            prompt=prompt,
            variables=tuple(var or ()),
            allow_work=allow_work,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            checkpoint_every=checkpoint_every,
            tools=tuple(tool or ()),
            tools_dir=tools_dir,
            risk=risk,
            justification=justification,
            data=tuple(data or ()),
            budget_wait_s=budget_wait,
            local=local,
            reasoning=reasoning,
            is_quiet=quiet,
            as_json=as_json,
            is_terminal=sys.stdin.isatty(),
        ),
    )
