"""What the commands of `wai conversations` share: reading one, writing a file, asking first."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from wai_ops.cli.context import AppContext
from wai_ops.config.prices import load_price_book
from wai_ops.core.errors import UsageError
from wai_ops.runtime.conversation_change import Removed, delete_conversations
from wai_ops.runtime.conversation_detail import ConversationDetail, show_conversation
from wai_ops.runtime.conversation_find import opened
from wai_ops.state.live import LiveState
from wai_ops.state.names import forget_names
from wai_ops.state.sessions import Session

_MOST_LISTED = 20


def detail_of(context: AppContext, name: str) -> ConversationDetail:
    """Read one conversation. Raises UsageError when there is none."""
    settings = context.settings
    with opened(settings.state_dir, context.clock, name) as (live, session):
        found = show_conversation(live, session, load_price_book(settings))
        return replace(found, decision_ids=decision_ids(context, live, session))


def exported_text(context: AppContext, name: str, fmt: str) -> str:
    """Write one conversation as text. Raises UsageError for an unknown format or conversation."""
    from wai_ops.cli.output import to_json_line, to_json_text
    from wai_ops.runtime.conversation_export import (
        export_conversation,
        message_rows,
        to_markdown,
    )

    if fmt not in ("md", "json", "jsonl"):
        raise UsageError(f"--format {fmt!r} is none of md, json, jsonl")
    detail = detail_of(context, name)
    with opened(context.settings.state_dir, context.clock, detail.affinity_key) as (live, _):
        exported = export_conversation(live, detail, context.clock.now())
    if fmt == "md":
        return to_markdown(exported)
    if fmt == "json":
        return to_json_text(exported) + "\n"
    return "".join(to_json_line(row) + "\n" for row in message_rows(exported))


def write_new(path: Path, text: str) -> None:
    """Write a file that was not there, readable by its owner only. Raises UsageError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already", hint="choose another name") from error
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def confirm(verb: str, names: Sequence[str], *, yes: bool) -> None:
    """Ask on a terminal; without one, `--yes` must say it. Raises UsageError, or leaves with 1."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("this deletes content for good", hint="say --yes")
    for name in names[:_MOST_LISTED]:
        typer.echo(f"  {name}", err=True)
    if len(names) > _MOST_LISTED:
        typer.echo(f"  and {len(names) - _MOST_LISTED} more", err=True)
    what = "this conversation" if len(names) == 1 else f"these {len(names)} conversations"
    if not typer.confirm(f"{verb} {what} for good?", err=True):
        raise typer.Exit(1)


def delete_all(context: AppContext, live: LiveState, sessions: Sequence[Session]) -> Removed:
    """Delete conversations with what their tools said. Raises UsageError while one runs."""
    ids = [each for session in sessions for each in decision_ids(context, live, session)]
    removed = delete_conversations(live, sessions, decision_ids=ids)
    names = [("conversation", session.conversation_id) for session in sessions]
    forget_names(context.settings.state_dir, names)
    return removed


def last_used(context: AppContext) -> str:
    """Name the conversation that was used last. Raises UsageError when there is none."""
    state_dir = context.settings.state_dir
    if LiveState.exists(state_dir):
        from wai_ops.state.conversation_rows import list_totals

        with LiveState.open(state_dir, clock=context.clock) as live:
            if totals := list_totals(live):
                return totals[0].session.affinity_key
    raise UsageError("there is no conversation yet", hint='begin one: wai chat, or wai run "..."')


def decision_ids(context: AppContext, live: LiveState, session: Session) -> list[str]:
    """The ids of the recorded decisions about a conversation, the first one first.

    Those about the calls that made its checkpoints are among them.
    """
    folder = context.settings.state_dir / "decisions"
    if not folder.is_dir():
        return []
    from wai_ops.control.decisions.actions import Collector
    from wai_ops.control.decisions.lines import measure, read_lines
    from wai_ops.control.decisions.log import FILE_NAME
    from wai_ops.state.conversation_rows import conversation_keys

    keys = set(conversation_keys(live, session.affinity_key))

    def is_wanted(decision: dict[str, Any]) -> bool:
        names = (decision.get("tenant"), decision.get("workflow"), decision.get("conversation_id"))
        return ":".join(str(name) for name in names) in keys

    path = folder / FILE_NAME
    collector = Collector(wanted=is_wanted, hint=session.tenant.encode())
    for line in read_lines(path, measure(path).whole_bytes):
        collector.take(line)
    return [action.decision_id for action in collector.actions()]
