"""`wai prompts freeze` and `verify`: immutable versions, and the proof that they are."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format
from wai_ops.cli.prompts_app import app, prompts_folder


class VerifyFormat(StrEnum):
    """How findings come out."""

    TABLE = "table"
    JSON = "json"
    GITHUB = "github"


@app.command()
def freeze(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Which prompts; else all.")
    ] = None,
    *,
    message: Annotated[
        str, typer.Option("--message", "-m", metavar="WHY", help="Why there is a new version.")
    ],
    author: Annotated[
        str | None, typer.Option("--author", metavar="WHO", help="Who; else git's user.email.")
    ] = None,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Freeze prompts as new immutable versions, all of them or none.

    What decides behaviour is hashed: template, includes, tools, schema, model, parameters. The
    same content is never frozen twice. A new version gets no label: see wai prompts promote.

    \b
    Examples:
      wai prompts freeze triage -m "Shorter answers"
      wai prompts freeze -m "Release 12"
    """
    from wai_ops.cli.diagnostics import note
    from wai_ops.cli.output import emit
    from wai_ops.prompts.attributes import NAME, write_attributes
    from wai_ops.prompts.author import author_of
    from wai_ops.prompts.lockfile import lock_path
    from wai_ops.prompts.store import freeze as freeze_now
    from wai_ops.prompts.store import freeze_table

    context: AppContext = ctx.obj
    folder = prompts_folder(context.settings, context.cwd)
    who = author or author_of(context.environ, folder.parent)
    is_first = not lock_path(folder).exists()
    done = freeze_now(folder, names or [], message, who, context.clock)
    if done and is_first and write_attributes(folder.parent):
        note(f"{NAME} now says how git merges {lock_path(folder).name}: commit both")
    emit(freeze_table(done), Format.JSON if as_json else fmt)


@app.command()
def verify(
    ctx: typer.Context,
    fmt: Annotated[
        VerifyFormat, typer.Option("--format", "-f", help="How findings come out.")
    ] = VerifyFormat.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Prove that frozen prompts are as they were frozen; exit 1 when not. Made for CI.

    Reads every frozen file. Finds versions that are missing or changed, files that belong to
    none, prompts that are not frozen, labels that point nowhere, and missing approvals.

    \b
    Examples:
      wai prompts verify
      wai prompts verify --format github
    """
    from wai_ops.core.errors import ExitCode
    from wai_ops.core.findings import verdict_of
    from wai_ops.core.table import Verdict
    from wai_ops.core.text import counted
    from wai_ops.prompts.verify import verify as verify_now

    context: AppContext = ctx.obj
    folder = prompts_folder(context.settings, context.cwd)
    result = verify_now(folder, context.settings.prompts)
    verdict = verdict_of(result.findings)
    numbers = (
        f"{counted(result.prompt_count, 'prompt')}, {counted(result.version_count, 'version')}"
    )
    if as_json or fmt is VerifyFormat.JSON:
        from wai_ops.cli.output import print_json
        from wai_ops.prompts.verify import report_of

        print_json(report_of(result))
    elif fmt is VerifyFormat.GITHUB:
        from wai_ops.render.annotations import (
            append_step_summary,
            repository_prefix,
            to_annotations,
            to_summary,
        )

        prefix = repository_prefix(folder.parent, context.environ)
        sys.stdout.write(to_annotations(result.findings, prefix=prefix))
        summary = to_summary("wai prompts verify", result.findings, sections=[numbers])
        append_step_summary(summary, context.environ)
        sys.stdout.write(summary)
    else:
        from wai_ops.cli.output import terminal_width
        from wai_ops.prompts.verify_rules import RULES
        from wai_ops.render.findings import to_text

        sys.stdout.write(
            to_text(
                result.findings,
                rules=RULES,
                verdict=verdict,
                width=terminal_width(),
                counted=numbers,
            )
        )
    if verdict is Verdict.FAIL:
        raise typer.Exit(ExitCode.VERDICT_NO)
