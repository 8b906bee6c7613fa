"""`wai prompts lint`: what costs cache, money or safety in a prompt, before it is frozen."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption
from wai_ops.cli.prompts_app import app, prompts_folder

if TYPE_CHECKING:
    from wai_ops.prompts.lint.report import LintReport


class LintFormat(StrEnum):
    """How findings come out."""

    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


@app.command()
def lint(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Which prompts; else all.")
    ] = None,
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="First correct what can be corrected safely.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 on warnings, too.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules instead.")] = False,
    fmt: Annotated[
        LintFormat, typer.Option("--format", "-f", help="How findings come out.")
    ] = LintFormat.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Find what empties the cache, costs twice or leaks in prompts; exit 1 on errors.

    Leave a rule out in the front matter (lint: {ignore: [WP006]}) or give it another level in
    wai.yaml (prompts.lint.levels). --fix sorts tools and mappings, and changes nothing else.

    \b
    Examples:
      wai prompts lint
      wai prompts lint triage --fix
      wai prompts lint --rules
      wai prompts lint --strict --format github
    """
    from wai_ops.core.errors import ExitCode
    from wai_ops.core.table import Verdict
    from wai_ops.prompts.lint.fixing import fix_prompts
    from wai_ops.prompts.lint.report import report_of
    from wai_ops.prompts.lint.runner import choose_names, lint_prompts
    from wai_ops.runtime.prompt_lint import lint_options

    fmt = LintFormat.JSON if as_json else fmt
    if rules:
        _list_rules(fmt)
        return
    context: AppContext = ctx.obj
    folder = prompts_folder(context.settings, context.cwd)
    options = lint_options(context.settings, context.environ)
    chosen = choose_names(folder, names or [])
    fixes = tuple(fix_prompts(folder, chosen, options)) if fix else ()
    report = report_of(lint_prompts(folder, chosen, options), fixes, is_strict=strict)
    _say(report)
    _print(report, fmt, folder, context)
    if report.verdict is Verdict.FAIL:
        raise typer.Exit(ExitCode.VERDICT_NO)


def _list_rules(fmt: LintFormat) -> None:
    from wai_ops.cli.output import Format, emit, terminal_width
    from wai_ops.core.errors import UsageError
    from wai_ops.prompts.lint.registry import RULES
    from wai_ops.prompts.lint.report import rules_table
    from wai_ops.render.findings import rules_to_text

    if fmt is LintFormat.TABLE:
        sys.stdout.write(rules_to_text(RULES, width=terminal_width()))
        sys.stdout.flush()
    elif fmt is LintFormat.JSON:
        emit(rules_table(), Format.JSON)
    else:
        raise UsageError(
            f"--rules has no format {fmt.value}",
            hint="table or json; SARIF lists the rules with every run",
        )


def _say(report: "LintReport") -> None:
    from wai_ops.cli import diagnostics

    for done in report.fixes:
        diagnostics.message(f"fixed {done.file}: {done.what} ({done.rule})")
    if report.ignored_count:
        diagnostics.note(f"{report.ignored_count:,} ignored, as front matters or wai.yaml say")
    if not report.prompt_count:
        diagnostics.note("there are no prompts")


def _print(report: "LintReport", fmt: LintFormat, folder: Path, context: AppContext) -> None:
    from wai_ops.prompts.lint.registry import BY_ID, RULES

    counted = f"{report.prompt_count:,} prompt{'' if report.prompt_count == 1 else 's'}"
    if fmt is LintFormat.JSON:
        from wai_ops.cli.output import print_json

        print_json(report)
        return
    if fmt is LintFormat.TABLE:
        from wai_ops.cli.output import terminal_width
        from wai_ops.render.findings import to_text

        text = to_text(
            report.findings,
            rules=BY_ID,
            verdict=report.verdict,
            width=terminal_width(),
            counted=counted,
        )
    else:
        from wai_ops.render.annotations import (
            append_step_summary,
            repository_prefix,
            to_annotations,
            to_summary,
        )

        prefix = repository_prefix(folder.parent, context.environ)
        if fmt is LintFormat.SARIF:
            from wai_ops.render.sarif import to_sarif

            text = to_sarif(report.findings, RULES, prefix=prefix)
        else:
            summary = to_summary(
                "wai prompts lint", report.findings, verdict=report.verdict, sections=[counted]
            )
            append_step_summary(summary, context.environ)
            text = to_annotations(report.findings, prefix=prefix) + summary
    sys.stdout.write(text)
    sys.stdout.flush()
