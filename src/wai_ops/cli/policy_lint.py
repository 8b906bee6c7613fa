"""`wai policy lint`: what in a policy allows more than it seems to, or nothing at all."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption
from wai_ops.cli.policy_app import app, policy_place

if TYPE_CHECKING:
    from wai_ops.control.policy.lint.look import Surroundings
    from wai_ops.control.policy.lint.runner import LintReport
    from wai_ops.control.policy.registry import Registry


class LintFormat(StrEnum):
    """How findings come out."""

    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


@app.command("lint")
def lint_command(
    ctx: typer.Context,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 on warnings, too.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules instead.")] = False,
    fmt: Annotated[
        LintFormat, typer.Option("--format", "-f", help="How findings come out.")
    ] = LintFormat.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Find rules that allow more than they seem to, or never decide; exit 1 on errors.

    Also says when a policy has changed since the last commit without a new policy_version. Give a
    rule another level in wai.yaml (policy.lint.levels).

    \b
    Examples:
      wai policy lint
      wai policy lint --strict --format github
      wai policy lint --format sarif > policy.sarif
      wai policy lint --rules
    """
    from wai_ops.config.settings import LintLevel
    from wai_ops.control.policy.lint.runner import lint_policies
    from wai_ops.core.errors import ExitCode
    from wai_ops.core.findings import Level
    from wai_ops.core.table import Verdict

    fmt = LintFormat.JSON if as_json else fmt
    if rules:
        _list_rules(fmt)
        return
    context: AppContext = ctx.obj
    folder, root = policy_place(context)
    report = lint_policies(
        folder,
        root,
        _surroundings(context, folder),
        levels={
            rule: None if level is LintLevel.IGNORE else Level(level.value)
            for rule, level in context.settings.policy.lint.levels.items()
        },
        is_strict=strict,
    )
    _print(report, fmt, root, context)
    if report.verdict is Verdict.FAIL:
        raise typer.Exit(ExitCode.VERDICT_NO)


def _surroundings(context: AppContext, folder: Path) -> "Surroundings":
    from wai_ops.config.prices import load_price_book
    from wai_ops.control.policy.lint.look import Surroundings

    settings = context.settings
    return Surroundings(
        prices=load_price_book(settings),
        now=context.clock.now(),
        private_hosts=frozenset(settings.policy.private_hosts),
        default_workflow=settings.defaults.workflow,
        default_model=settings.defaults.model,
        tools=_declared_tools(context),
        committed=_committed(folder),
    )


def _committed(folder: Path) -> "Registry | None":
    """The policies of the last commit; None where there is none, or they could not be read."""
    from wai_ops.cli import diagnostics
    from wai_ops.control.policy.git_files import find_commit, read_revision
    from wai_ops.control.policy.loading import load_contents
    from wai_ops.control.policy.registry import registry_of
    from wai_ops.core.errors import UsageError

    try:
        contents = read_revision(folder, find_commit(folder, "HEAD"))
        return registry_of(load_contents(contents, folder.name))
    except UsageError as error:
        first = error.message.splitlines()[0]
        diagnostics.note(f"versions are not compared with the last commit: {first}")
        return None


def _declared_tools(context: AppContext) -> dict[str, str] | None:
    """Tool -> its place; None when the project declares none, or its files cannot be read."""
    from wai_ops.cli import diagnostics
    from wai_ops.config.governed import project_root
    from wai_ops.core.errors import UsageError
    from wai_ops.runtime.tools.load import load_tools, tools_folder

    folder = tools_folder(context.settings, context.cwd)
    if not folder.is_dir():
        return None
    try:
        root = project_root(context.settings, context.cwd)
        box = load_tools(folder, root, context.settings.tools)
    except UsageError as error:
        first = error.message.splitlines()[0]
        diagnostics.note(f"names of tools are not compared with {folder.name}/: {first}")
        return None
    return {tool.name: tool.where for tool in box.tools.values()}


def _list_rules(fmt: LintFormat) -> None:
    from wai_ops.cli.output import Format, emit, terminal_width
    from wai_ops.control.policy.lint.registry import RULES
    from wai_ops.control.policy.lint.runner import rules_table
    from wai_ops.core.errors import UsageError
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


def _print(report: "LintReport", fmt: LintFormat, root: Path, context: AppContext) -> None:
    from wai_ops.cli import diagnostics
    from wai_ops.control.policy.lint.registry import BY_ID, RULES
    from wai_ops.core.text import counted

    if report.ignored_count:
        diagnostics.note(f"{report.ignored_count:,} ignored, as wai.yaml says")
    looked_at = f"{counted(report.workflow_count, 'workflow')} in "
    looked_at += counted(report.policy_count, "policy", "policies")
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
            counted=looked_at,
        )
    else:
        from wai_ops.render.annotations import (
            append_step_summary,
            repository_prefix,
            to_annotations,
            to_summary,
        )

        prefix = repository_prefix(root, context.environ)
        if fmt is LintFormat.SARIF:
            from wai_ops.render.sarif import to_sarif

            text = to_sarif(report.findings, RULES, prefix=prefix)
        else:
            summary = to_summary(
                "wai policy lint", report.findings, verdict=report.verdict, sections=[looked_at]
            )
            append_step_summary(summary, context.environ)
            text = to_annotations(report.findings, prefix=prefix) + summary
    sys.stdout.write(text)
    sys.stdout.flush()
