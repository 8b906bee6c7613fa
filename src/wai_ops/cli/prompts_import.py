"""`wai prompts import`: prompts that were written for dotprompt or Handlebars."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption
from wai_ops.cli.prompts_app import app, prompts_folder


@app.command("import")
def import_files(
    ctx: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Files, or folders with files.")
    ],
    *,
    model: Annotated[
        str | None, typer.Option("--model", metavar="ID", help="The model of all of them.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace prompts that are there already.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come of it, and write nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Turn dotprompt and Handlebars files into prompts of this project; exit 1 when one cannot be.

    Takes .prompt, .hbs and .handlebars, and the partials that they name. What is left out or
    written another way is said, with file and line; a file with something that cannot be said
    here is refused as a whole.

    \b
    Examples:
      wai prompts import ../genkit/prompts
      wai prompts import greet.prompt --model @cf/google/gemma-4-26b-a4b-it
      wai prompts import legacy/ --dry-run
    """
    from wai_ops.cli import diagnostics
    from wai_ops.cli.output import print_json, terminal_width
    from wai_ops.config.rules import model_problem
    from wai_ops.core.errors import ExitCode, UsageError
    from wai_ops.core.table import Verdict
    from wai_ops.prompts.dotprompt.importing import import_prompts
    from wai_ops.prompts.dotprompt.said import RULES
    from wai_ops.render.findings import to_text

    if model is not None and (problem := model_problem(model)):
        raise UsageError(f"--model {problem}")
    context: AppContext = ctx.obj
    folder = prompts_folder(context.settings, context.cwd)
    report = import_prompts(paths, folder, model=model, replaces=force, is_dry=dry_run)
    for item in report.imported:
        if item.is_written:
            diagnostics.message(f"wrote prompts/{item.prompt}.prompt")
    if as_json:
        print_json(report)
    else:
        count = len(report.imported)
        written = sum(item.is_written for item in report.imported)
        counted = f"{count:,} file{'' if count == 1 else 's'}, {written:,} written"
        sys.stdout.write(
            to_text(
                report.findings,
                rules=RULES,
                verdict=report.verdict,
                width=terminal_width(),
                counted=counted,
            )
        )
        sys.stdout.flush()
    if report.verdict is Verdict.FAIL:
        raise typer.Exit(ExitCode.VERDICT_NO)
