"""`wai prompts promote`, `rollback`, `canary` and `label`: what is released to whom."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format
from wai_ops.cli.prompts_app import app, prompts_folder

if TYPE_CHECKING:
    from wai_ops.prompts.lockfile import PromptLock
    from wai_ops.prompts.promotion import Act, Rules

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The prompt.")]
VersionArgument = Annotated[
    str, typer.Argument(metavar="VERSION", help="3, sha256:..., or another label.")
]
LabelArgument = Annotated[
    str, typer.Argument(metavar="LABEL", help="production; production/acme for one tenant.")
]
MessageOption = Annotated[
    str, typer.Option("--message", "-m", metavar="WHY", help="Why; kept in the history.")
]
ApprovedByOption = Annotated[
    str | None,
    typer.Option(
        "--approved-by", metavar="WHO", help="Who approves it for a protected label; else you."
    ),
]
AuthorOption = Annotated[
    str | None, typer.Option("--author", metavar="WHO", help="Who; else git's user.email.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would change; write nothing.")
]


@app.command()
def promote(
    ctx: typer.Context,
    name: NameArgument,
    version: VersionArgument,
    label: LabelArgument,
    *,
    message: MessageOption = "",
    approved_by: ApprovedByOption = None,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Point a label at a frozen version. A new version never gets a label by itself.

    A protected label (prompts.protected) needs the approval of one of its owners, who is not the
    one that froze the version. A canary of this version ends: it has what it was for.

    \b
    Examples:
      wai prompts promote triage 3 staging
      wai prompts promote triage staging production --approved-by ann@example.com
      wai prompts promote triage 4 production/acme -m "Acme asked for it"
    """
    from wai_ops.prompts.promotion import promote as promoted

    context: AppContext = ctx.obj
    number = _number(context, name, version)
    act, rules = _act(context, author, message, approved_by), _rules(context)
    _change(
        context,
        name,
        label,
        lambda prompt: promoted(prompt, label, number, act, rules),
        dry_run=dry_run,
        as_json=as_json,
    )


@app.command()
def rollback(
    ctx: typer.Context,
    name: NameArgument,
    label: LabelArgument = "production",
    *,
    message: MessageOption = "",
    approved_by: ApprovedByOption = None,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Point a label at what it pointed to before; a canary on it ends.

    Rolling back again goes one release further back. What was approved before needs no approval.

    \b
    Examples:
      wai prompts rollback triage
      wai prompts rollback triage production/acme -m "Wrong kinds since noon"
    """
    from wai_ops.prompts.promotion import roll_back

    context: AppContext = ctx.obj
    act, rules = _act(context, author, message, approved_by), _rules(context)
    _change(
        context,
        name,
        label,
        lambda prompt: roll_back(prompt, label, act, rules),
        dry_run=dry_run,
        as_json=as_json,
    )


@app.command()
def canary(
    ctx: typer.Context,
    name: NameArgument,
    version: Annotated[
        str | None,
        typer.Argument(metavar="[VERSION]", help="3, sha256:..., or a label; not with --stop."),
    ] = None,
    label: Annotated[str, typer.Argument(metavar="LABEL", help="Whose conversations.")] = (
        "production"
    ),
    *,
    percent: Annotated[
        int | None, typer.Option("--percent", min=1, max=99, help="The share of conversations.")
    ] = None,
    stop: Annotated[
        str | None, typer.Option("--stop", metavar="LABEL", help="End the canary on this label.")
    ] = None,
    approved_by: ApprovedByOption = None,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give a share of a label's conversations another version.

    A hash of the conversation decides: the same conversation always gets the same version, and
    when the share grows, whoever was in stays in.

    \b
    Examples:
      wai prompts canary triage 4 production --percent 10
      wai prompts canary triage 4 production --percent 50
      wai prompts canary triage --stop production
    """
    from wai_ops.core.errors import UsageError
    from wai_ops.prompts.promotion import start_canary, stop_canary

    context: AppContext = ctx.obj
    if stop is not None:
        if version is not None or percent is not None:
            raise UsageError("--stop takes no version and no --percent")
        label = stop

        def change(prompt: "PromptLock") -> "PromptLock":
            return stop_canary(prompt, label)
    elif version is None or percent is None:
        raise UsageError(
            "a canary needs VERSION and --percent",
            hint=f"wai prompts canary {name} VERSION {label} --percent 10",
        )
    else:
        number, share = _number(context, name, version), percent
        act, rules = _act(context, author, "", approved_by), _rules(context)

        def change(prompt: "PromptLock") -> "PromptLock":
            return start_canary(prompt, label, number, act, rules, percent=share)

    _change(context, name, label, change, dry_run=dry_run, as_json=as_json)


@app.command()
def label(
    ctx: typer.Context,
    name: NameArgument,
    *,
    remove: Annotated[
        str | None, typer.Option("--remove", metavar="LABEL", help="Take this label away.")
    ] = None,
    message: MessageOption = "",
    approved_by: ApprovedByOption = None,
    author: AuthorOption = None,
    dry_run: DryRunOption = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """List the labels of a prompt with their history's end and canaries, or take one away.

    \b
    Examples:
      wai prompts label triage
      wai prompts label triage --remove staging
    """
    from wai_ops.cli.output import emit
    from wai_ops.prompts.lockfile import lock_path, read_lock
    from wai_ops.prompts.promotion import take_away
    from wai_ops.prompts.releasing import list_labels

    context: AppContext = ctx.obj
    rules = _rules(context)
    if remove is None:
        lock = read_lock(lock_path(prompts_folder(context.settings, context.cwd)))
        emit(list_labels(lock, name, rules), Format.JSON if as_json else fmt)
        return
    act = _act(context, author, message, approved_by)
    _change(
        context,
        name,
        remove,
        lambda prompt: take_away(prompt, remove, act, rules),
        dry_run=dry_run,
        as_json=as_json,
    )


def _number(context: AppContext, name: str, version: str) -> int:
    from wai_ops.prompts.lockfile import lock_path, read_lock
    from wai_ops.prompts.releasing import frozen_number

    folder = prompts_folder(context.settings, context.cwd)
    return frozen_number(read_lock(lock_path(folder)), folder, name, version)


def _act(context: AppContext, author: str | None, message: str, approver: str | None) -> "Act":
    from wai_ops.prompts.author import author_of
    from wai_ops.prompts.promotion import Act

    folder = prompts_folder(context.settings, context.cwd).parent
    return Act(
        author=_words(author, "--author") or author_of(context.environ, folder),
        at=context.clock.now().replace(microsecond=0),
        message=" ".join(message.split()),
        approved_by=_words(approver, "--approved-by"),
    )


def _words(text: str | None, flag: str) -> str | None:
    from wai_ops.core.errors import UsageError

    if text is None:
        return None
    words = " ".join(text.split())
    if not words or not words.isprintable():
        raise UsageError(f"{flag} must be one line of text")
    return words


def _rules(context: AppContext) -> "Rules":
    from wai_ops.prompts.promotion import Rules

    settings = context.settings.prompts
    return Rules(protected=settings.protected, self_approval=settings.self_approval)


def _change(
    context: AppContext,
    name: str,
    label: str,
    change: Callable[["PromptLock"], "PromptLock"],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    from wai_ops.cli import diagnostics
    from wai_ops.cli.output import print_json
    from wai_ops.prompts.names import label_base
    from wai_ops.prompts.releasing import change_label

    folder = prompts_folder(context.settings, context.cwd)
    done = change_label(folder, name, label, change, context.clock, is_dry_run=dry_run)
    if as_json:
        print_json(done)
    else:
        typer.echo(done.to_text())
    if done.approved_by is not None and label_base(label) in context.settings.prompts.protected:
        diagnostics.note(
            f"nothing here proves that it was {done.approved_by}: a signed commit or a review of "
            "prompts.lock does"
        )
