"""`wai outcomes`: say how conversations ended. Nothing is ever inferred."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption, SinceOption, UntilOption
from wai_ops.cli.output import Format

if TYPE_CHECKING:
    from wai_ops.observe.redact.engine import Redactor
    from wai_ops.observe.reports.conversation import ConversationKey, Wanted
    from wai_ops.observe.reports.outcome_import import OutcomeImport, Plan

app = new_app("Record how conversations ended.")

_SHOWN_LINES = 20

TenantOption = Annotated[
    str | None, typer.Option("--tenant", "-t", help="The conversation's tenant.")
]
WorkflowOption = Annotated[
    str | None, typer.Option("--workflow", "-w", help="The conversation's workflow.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")
]


@app.command()
def record(
    ctx: typer.Context,
    conversation: Annotated[
        str,
        typer.Argument(
            metavar="CONVERSATION", help="tenant:workflow:conversation, or an id that is unique."
        ),
    ],
    outcome: Annotated[
        str, typer.Argument(metavar="OUTCOME", help="resolved, failed or abandoned.")
    ],
    value: Annotated[
        str | None, typer.Option("--value", metavar="USD", help="What it was worth, in dollars.")
    ] = None,
    note: Annotated[
        str | None, typer.Option("--note", help="A word on it; credentials are masked.")
    ] = None,
    tenant: TenantOption = None,
    workflow: WorkflowOption = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="When it ended; else now.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Record one outcome. The latest of a conversation counts; a mistake is recorded over.

    The logs may come later: an outcome waits for its conversation.

    \b
    Examples:
      wai outcomes record acme:support:c1 resolved --value 12.50
      wai outcomes record c1 failed --note "gave the wrong refund"
      wai outcomes record c1 abandoned --tenant acme --at 2026-01-31
    """
    from wai_ops.cli.diagnostics import message
    from wai_ops.cli.output import print_json
    from wai_ops.core.window import parse_instant
    from wai_ops.observe.reports.conversation import parse_wanted
    from wai_ops.observe.reports.outcomes import (
        OutcomeFact,
        OutcomeRecorded,
        OutcomeSource,
        append_outcomes,
        check_note,
        parse_outcome,
        parse_value,
    )

    context: AppContext = ctx.obj
    now = context.clock.now()
    wanted = parse_wanted(conversation, tenant, workflow)
    ended = parse_outcome(outcome)
    worth = None if value is None else parse_value(value)
    ended_at = now if at is None else parse_instant(at, now=now, flag="--at")
    said = None if note is None else _redaction(context)(check_note(note))
    fact = OutcomeFact(
        key=_key_of(context, wanted),
        outcome=ended,
        value_usd=worth,
        note=said,
        source=OutcomeSource.RECORDED,
        recorded_at=ended_at,
    )
    append_outcomes(context.settings.state_dir, context.clock, [fact])
    if as_json:
        print_json(OutcomeRecorded.of(fact))
    else:
        message(f"recorded {fact.key}: {ended.value}")


@app.command("import")
def import_command(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE|-", help="CSV or JSON lines; - is stdin.")],
    fmt: Annotated[
        str | None,
        typer.Option("--format", "-f", metavar="csv|jsonl", help="Else by the file's name."),
    ] = None,
    tenant: TenantOption = None,
    workflow: WorkflowOption = None,
    skip_malformed: Annotated[
        bool, typer.Option("--skip-malformed", help="Record the good lines; exit 1 for the others.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Record the outcomes of a file, all of them or none. Importing it again changes nothing.

    Columns or keys: conversation and outcome, and if you like tenant, workflow, value_usd, note
    and at. A malformed line is named with its number, and then nothing is recorded (exit 6).

    \b
    Examples:
      wai outcomes import outcomes.csv
      wai outcomes import --dry-run tickets.jsonl
      wai outcomes import - --format jsonl --tenant acme < closed.jsonl
    """
    from wai_ops.cli.watch import watch
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.outcome_import import carry_out, plan_import
    from wai_ops.observe.reports.outcome_lines import choose_line_format, parse_lines

    context: AppContext = ctx.obj
    settings = context.settings
    lines = parse_lines(
        _content(file), choose_line_format(fmt, file), tenant=tenant, workflow=workflow
    )
    with open_ledger(settings.state_dir, context.clock, watch) as store:
        plan = plan_import(
            store,
            lines,
            default_tenant=settings.defaults.tenant,
            default_workflow=settings.defaults.workflow,
            now=context.clock.now(),
            redact=_redaction(context),
        )
        _report_bad(plan, file, is_refused=not (skip_malformed or dry_run))
        done = carry_out(settings.state_dir, context.clock, plan, is_dry_run=dry_run)
    _report(done, as_json=as_json)


@app.command()
def feedback(
    ctx: typer.Context,
    since: SinceOption = None,
    until: UntilOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Record the gateway's feedback as outcomes: a thumb up is resolved, one down is failed.

    Of each conversation the last rated call speaks. An outcome that somebody recorded stands.

    \b
    Examples:
      wai outcomes feedback --since 7d
      wai outcomes feedback --dry-run --json
    """
    from wai_ops.cli.watch import watch
    from wai_ops.core.window import parse_window
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.outcome_import import carry_out, plan_feedback

    context: AppContext = ctx.obj
    window = parse_window(since, until, now=context.clock.now())
    state_dir = context.settings.state_dir
    with open_ledger(state_dir, context.clock, watch) as store:
        plan = plan_feedback(store, window)
        done = carry_out(state_dir, context.clock, plan, is_dry_run=dry_run)
    _report(done, as_json=as_json)


@app.command("list")
def list_command(
    ctx: typer.Context,
    since: SinceOption = None,
    until: UntilOption = None,
    tenant: TenantOption = None,
    workflow: WorkflowOption = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", help="resolved, failed or abandoned only.")
    ] = None,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """List recorded outcomes, the latest first, and say which of them count.

    \b
    Examples:
      wai outcomes list --since 7d
      wai outcomes list --workflow support --outcome failed
      wai outcomes list --format csv > outcomes.csv
    """
    from wai_ops.cli.output import emit
    from wai_ops.cli.watch import watch
    from wai_ops.core.window import parse_window
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.outcomes import Chosen, list_outcomes, parse_outcome

    context: AppContext = ctx.obj
    window = parse_window(since, until, now=context.clock.now())
    chosen = Chosen(
        tenant=tenant,
        workflow=workflow,
        outcome=None if outcome is None else parse_outcome(outcome),
    )
    with open_ledger(context.settings.state_dir, context.clock, watch) as store:
        table = list_outcomes(store, window, chosen)
    emit(table, Format.JSON if as_json else fmt)


def _key_of(context: AppContext, wanted: "Wanted") -> "ConversationKey":
    """The conversation that is meant; the ledger is asked only when the name is not whole."""
    from wai_ops.cli.diagnostics import note

    settings = context.settings
    if (key := wanted.key) is not None:
        from wai_ops.observe.reports.outcomes import has_session

        if not has_session(settings.state_dir, context.clock, key):
            note(f"no run of {key} was made here; the outcome counts once its logs are in")
        return key
    from wai_ops.cli.watch import watch
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.conversation import find_conversations, resolve

    with open_ledger(settings.state_dir, context.clock, watch) as store:
        found = find_conversations(store, [wanted.conversation_id])
    target = resolve(
        wanted,
        found,
        default_tenant=settings.defaults.tenant,
        default_workflow=settings.defaults.workflow,
    )
    if not target.is_known:
        note(
            f"the ledger has no conversation {wanted.conversation_id!r}: recorded for {target.key}"
            "; the outcome counts once its logs are in"
        )
    return target.key


def _redaction(context: AppContext) -> Callable[[str], str]:
    """What masks credentials in notes; made when the first note is there."""
    from functools import cache

    @cache
    def redactor() -> "Redactor":
        from wai_ops.observe.redact.known import redactor_for

        return redactor_for(context.settings, context.environ)

    return lambda text: redactor().text(text)


def _content(file: Path) -> bytes:
    from wai_ops.core.errors import UsageError

    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(file)) from error


def _report_bad(plan: "Plan", file: Path, *, is_refused: bool) -> None:
    """Name the lines that cannot be used. Raises DataError when that ends the import."""
    from wai_ops.cli.diagnostics import warn
    from wai_ops.core.errors import DataError

    for bad in plan.bad[:_SHOWN_LINES]:
        warn(f"{file}:{bad.line}: {bad.reason}")
    if len(plan.bad) > _SHOWN_LINES:
        warn(f"{file}: and {len(plan.bad) - _SHOWN_LINES} more lines")
    if plan.bad and is_refused:
        raise DataError(
            f"{len(plan.bad)} of {plan.line_count} lines are malformed; nothing was recorded",
            hint="mend them, or record the others with --skip-malformed",
            where=str(file),
        )


def _report(done: "OutcomeImport", *, as_json: bool) -> None:
    from wai_ops.cli.diagnostics import message, note
    from wai_ops.cli.output import print_json
    from wai_ops.core.errors import ExitCode

    if as_json:
        print_json(done)
    else:
        word = "would record" if done.is_dry_run else "recorded"
        message(
            f"{word} {done.recorded_count} outcomes; {done.unchanged_count} were known already"
            f", {done.malformed_count} malformed"
        )
    if done.unknown_count:
        note(f"{done.unknown_count} of them are of conversations that the ledger does not have yet")
    if done.malformed_count:
        raise typer.Exit(ExitCode.VERDICT_NO)
