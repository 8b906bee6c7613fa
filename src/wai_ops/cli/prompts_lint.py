"""`wai prompts lint`: what costs cache, money or safety in a prompt, before it is frozen."""

from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.findings_output import FindingsFormat, list_rules, show_findings
from wai_ops.cli.options import JsonOption
from wai_ops.cli.prompts_app import app, prompts_folder

if TYPE_CHECKING:
    from wai_ops.prompts.lint.report import LintReport


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
        FindingsFormat, typer.Option("--format", "-f", help="How findings come out.")
    ] = FindingsFormat.TABLE,
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
    from wai_ops.core.text import counted
    from wai_ops.prompts.lint.fixing import fix_prompts
    from wai_ops.prompts.lint.registry import RULES
    from wai_ops.prompts.lint.report import report_of, rules_table
    from wai_ops.prompts.lint.runner import choose_names, lint_prompts
    from wai_ops.runtime.prompt_lint import lint_options

    fmt = FindingsFormat.JSON if as_json else fmt
    if rules:
        list_rules(RULES, rules_table(), fmt)
        return
    context: AppContext = ctx.obj
    folder = prompts_folder(context.settings, context.cwd)
    options = lint_options(context.settings, context.environ)
    chosen = choose_names(folder, names or [])
    fixes = tuple(fix_prompts(folder, chosen, options)) if fix else ()
    report = report_of(lint_prompts(folder, chosen, options), fixes, is_strict=strict)
    _say(report)
    show_findings(
        report,
        fmt,
        findings=report.findings,
        verdict=report.verdict,
        rules=RULES,
        title="wai prompts lint",
        counted=counted(report.prompt_count, "prompt"),
        root=folder.parent,
        environ=context.environ,
    )


def _say(report: "LintReport") -> None:
    from wai_ops.cli import diagnostics

    for done in report.fixes:
        diagnostics.message(f"fixed {done.file}: {done.what} ({done.rule})")
    if report.ignored_count:
        diagnostics.note(f"{report.ignored_count:,} ignored, as front matters or wai.yaml say")
    if not report.prompt_count:
        diagnostics.note("there are no prompts")
