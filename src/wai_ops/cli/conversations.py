"""`wai conversations`: what is kept of conversations, and what may be done with it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format

if TYPE_CHECKING:
    from wai_ops.runtime.conversation_change import Removed

app = new_app("List, show, fork, export and delete conversations.")

NameArgument = Annotated[
    str, typer.Argument(metavar="CONVERSATION", help="Its id, or tenant:workflow:id.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("list")
def list_command(
    ctx: typer.Context,
    *,
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", help="Only this tenant's.")
    ] = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", "-w", help="Only this workflow's.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="At most so many.")
    ] = None,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """List conversations, the most recently used first.

    \b
    Examples:
      wai conversations list
      wai conversations list --tenant acme --limit 10
      wai conversations list --json
    """
    from wai_ops.cli.output import emit
    from wai_ops.runtime.conversation_list import list_conversations

    context: AppContext = ctx.obj
    affinity = context.settings.affinity
    table = list_conversations(
        context.settings.state_dir,
        (affinity.idle_ttl_s, affinity.max_age_s),
        context.clock,
        tenant=tenant,
        workflow=workflow,
        limit=limit,
    )
    emit(table, Format.JSON if as_json else fmt)


@app.command()
def show(ctx: typer.Context, conversation: NameArgument, as_json: JsonOption = False) -> None:
    """Show one: its turns, its checkpoints, what they cost and saved.

    \b
    Examples:
      wai conversations show c1
      wai conversations show acme:support:c1 --json
    """
    from wai_ops.cli.conversations_read import detail_of
    from wai_ops.cli.output import print_json

    detail = detail_of(ctx.obj, conversation)
    if as_json:
        print_json(detail)
    else:
        typer.echo(detail.to_text(), nl=False)


@app.command("export")
def export_command(
    ctx: typer.Context,
    conversation: NameArgument,
    *,
    fmt: Annotated[
        str, typer.Option("--format", "-f", metavar="md|json|jsonl", help="How it is written.")
    ] = "md",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A new file, for your eyes only.")
    ] = None,
) -> None:
    """Write a conversation with its content, as it is stored.

    \b
    Examples:
      wai conversations export c1 > c1.md
      wai conversations export c1 --format json --output c1.json
      wai conversations export c1 --format jsonl | jq -r .content
    """
    from wai_ops.cli.conversations_read import exported_text, write_new

    text = exported_text(ctx.obj, conversation, fmt)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_new(output, text)


@app.command()
def fork(
    ctx: typer.Context,
    conversation: NameArgument,
    new: Annotated[str, typer.Argument(metavar="NEW", help="The id of the new conversation.")],
    *,
    at: Annotated[
        int | None, typer.Option("--at", min=0, metavar="TURN", help="The last turn that it has.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Go on from any turn in a conversation of its own; the cached prefix is shared.

    \b
    Examples:
      wai conversations fork c1 c1-again
      wai conversations fork c1 c1-other --at 4
    """
    from wai_ops.cli import diagnostics
    from wai_ops.cli.output import print_json
    from wai_ops.runtime.conversation_change import fork_conversation
    from wai_ops.runtime.conversation_find import opened
    from wai_ops.state.names import remember_names

    context: AppContext = ctx.obj
    state_dir = context.settings.state_dir
    with opened(state_dir, context.clock, conversation) as (live, session):
        done = fork_conversation(live, session, new, at=at, now=context.clock.now())
    remember_names(state_dir, [("conversation", new)])
    if as_json:
        print_json(done)
    else:
        typer.echo(done.affinity_key)
        diagnostics.note(
            f"{done.turn_count} turns up to {done.at_turn_index} of {done.parent_key}; "
            "until its session's next epoch it goes to the same replica"
        )


@app.command()
def delete(
    ctx: typer.Context,
    conversations: Annotated[
        list[str], typer.Argument(metavar="CONVERSATION...", help="Ids, or tenant:workflow:id.")
    ],
    *,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete the content of conversations for good; what they cost stays recorded.

    \b
    Examples:
      wai conversations delete c1
      wai conversations delete c1 c2 --yes
    """
    from wai_ops.cli.conversations_read import confirm, delete_all
    from wai_ops.runtime.conversation_change import find_all
    from wai_ops.runtime.conversation_find import opened

    context: AppContext = ctx.obj
    state_dir = context.settings.state_dir
    with opened(state_dir, context.clock, conversations[0]) as (live, _):
        sessions = find_all(live, conversations)
        confirm("Delete", [each.affinity_key for each in sessions], yes=yes)
        removed = delete_all(context, live, sessions)
    _say_removed(removed, as_json=as_json)


@app.command()
def prune(
    ctx: typer.Context,
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="TIME", help="Last used before: 30d, 2026-01-31.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List them; delete nothing.")] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete the conversations that nobody has used for long.

    \b
    Examples:
      wai conversations prune --older-than 90d --dry-run
      wai conversations prune --older-than 90d --yes
    """
    from wai_ops.cli.conversations_read import confirm, delete_all
    from wai_ops.core.window import parse_instant
    from wai_ops.runtime.conversation_change import NOTHING_REMOVED, stale_conversations
    from wai_ops.state.live import LiveState

    context: AppContext = ctx.obj
    state_dir = context.settings.state_dir
    before = parse_instant(older_than, now=context.clock.now(), flag="--older-than")
    removed = NOTHING_REMOVED
    if LiveState.exists(state_dir):
        with LiveState.open(state_dir, clock=context.clock) as live:
            sessions = stale_conversations(live, before)
            if dry_run:
                typer.echo("".join(f"{each.affinity_key}\n" for each in sessions), nl=False)
                return
            if sessions:
                confirm("Delete", [each.affinity_key for each in sessions], yes=yes)
            removed = delete_all(context, live, sessions)
    _say_removed(removed, as_json=as_json)


@app.command("resume-hint")
def resume_hint(
    ctx: typer.Context,
    conversation: Annotated[
        str | None,
        typer.Argument(metavar="CONVERSATION", help="Its id or key; else the last one used."),
    ] = None,
) -> None:
    """Say how to go on with a conversation, and where it left off.

    \b
    Examples:
      wai conversations resume-hint
      wai conversations resume-hint c1
    """
    from wai_ops.cli.conversations_read import last_used
    from wai_ops.runtime.conversation_change import resume_lines
    from wai_ops.runtime.conversation_find import opened

    context: AppContext = ctx.obj
    state_dir = context.settings.state_dir
    name = last_used(context) if conversation is None else conversation
    with opened(state_dir, context.clock, name) as (live, session):
        lines = resume_lines(live, session, context.clock)
    typer.echo("\n".join(lines))


def _say_removed(removed: "Removed", *, as_json: bool) -> None:
    from wai_ops.cli import diagnostics
    from wai_ops.cli.output import print_json
    from wai_ops.core.text import counted

    if as_json:
        print_json(removed)
    else:
        count = counted(len(removed.conversation_ids), "conversation")
        turns = counted(removed.turn_count, "turn")
        diagnostics.message(f"deleted {count} with {turns}")
        diagnostics.note(
            "what they cost stays in the ledger, and their decisions in the decision log: "
            "neither holds what was said"
        )
    if not removed.is_scrubbed:
        diagnostics.warn(
            "another process has state.sqlite open: traces stay in the file; "
            "run wai conversations prune again when it has ended"
        )
