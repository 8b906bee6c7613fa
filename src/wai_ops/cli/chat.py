"""`wai chat`: a conversation, message by message, on a terminal or from a pipe."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext

app = new_app()


@app.command()
def chat(
    ctx: typer.Context,
    *,
    conversation: Annotated[
        str | None,
        typer.Option(
            "--conversation", "-c", help="Continue, or begin, this conversation; else a new one."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Model id; else defaults.model.")
    ] = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", "-w", help="The kind of job this belongs to.")
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="Who pays.")] = None,
    system: Annotated[
        str | None, typer.Option("--system", "-s", help="The system text of the conversation.")
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            "-p",
            metavar="NAME[@VERSION]|FILE",
            help="A prompt that ends without a message of the user.",
        ),
    ] = None,
    var: Annotated[
        list[str] | None,
        typer.Option("--var", metavar="NAME=VALUE", help="A variable of the prompt; repeatable."),
    ] = None,
    allow_work: Annotated[
        bool, typer.Option("--allow-work", help="Use an unfrozen prompt although this is CI.")
    ] = False,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Upper limit of output tokens.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=0, max=5, help="Sampling temperature.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=1, max=9999999999, help="Sampling seed.")
    ] = None,
    checkpoint_every: Annotated[
        str | None,
        typer.Option(
            "--checkpoint-every",
            metavar="N|off",
            help="Sum up the older turns every N turns; else checkpoints.every_turns.",
        ),
    ] = None,
    tool: Annotated[
        list[str] | None,
        typer.Option("--tool", metavar="NAME", help="A declared tool, or crm.*; repeatable."),
    ] = None,
    tools_dir: Annotated[
        Path | None,
        typer.Option("--tools-dir", metavar="DIR", help="Where tools are declared; all of them."),
    ] = None,
    risk: Annotated[
        str | None,
        typer.Option("--risk", metavar="low|medium|high", help="Risk tier; else the policy's."),
    ] = None,
    justification: Annotated[
        str | None,
        typer.Option("--justification", metavar="TEXT", help="Why; kept with every decision."),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Use the local emulator: no account, no bill.")
    ] = False,
    reasoning: Annotated[
        bool, typer.Option("--reasoning", help="Show the model's reasoning on stderr.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No lines about cost on stderr.")
    ] = False,
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
            local=local,
            reasoning=reasoning,
            is_quiet=quiet,
            as_json=as_json,
            is_terminal=sys.stdin.isatty(),
        ),
    )
