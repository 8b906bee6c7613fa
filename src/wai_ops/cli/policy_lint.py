"""`wai policy lint`: what in a policy allows more than it seems to, or nothing at all."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.findings_output import FindingsFormat, list_rules, show_findings
from wai_ops.cli.options import JsonOption
from wai_ops.cli.policy_app import app, policy_place

if TYPE_CHECKING:
    from wai_ops.control.policy.lint.look import Surroundings
    from wai_ops.control.policy.registry import Registry


@app.command("lint")
def lint_command(
    ctx: typer.Context,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 on warnings, too.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules instead.")] = False,
    fmt: Annotated[
        FindingsFormat, typer.Option("--format", "-f", help="How findings come out.")
    ] = FindingsFormat.TABLE,
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
    from wai_ops.cli import diagnostics
    from wai_ops.config.lint_settings import to_levels
    from wai_ops.control.policy.lint.registry import RULES
    from wai_ops.control.policy.lint.runner import lint_policies, rules_table
    from wai_ops.core.text import counted

    fmt = FindingsFormat.JSON if as_json else fmt
    if rules:
        list_rules(RULES, rules_table(), fmt)
        return
    context: AppContext = ctx.obj
    folder, root = policy_place(context)
    report = lint_policies(
        folder,
        root,
        _surroundings(context, folder),
        levels=to_levels(context.settings.policy.lint.levels),
        is_strict=strict,
    )
    if report.ignored_count:
        diagnostics.note(f"{report.ignored_count:,} ignored, as wai.yaml says")
    looked_at = counted(report.policy_count, "policy", "policies")
    show_findings(
        report,
        fmt,
        findings=report.findings,
        verdict=report.verdict,
        rules=RULES,
        title="wai policy lint",
        counted=f"{counted(report.workflow_count, 'workflow')} in {looked_at}",
        root=root,
        environ=context.environ,
    )


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
