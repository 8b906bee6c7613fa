"""`wai budget lint`: what the budgets do not cover, and what they promise without holding it."""

from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.budget_app import app
from wai_ops.cli.context import AppContext
from wai_ops.cli.findings_output import FindingsFormat, list_rules, show_findings
from wai_ops.cli.options import JsonOption, LocalOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wai_ops.control.budgets.lint.look import Look
    from wai_ops.control.budgets.native import Remote
    from wai_ops.control.policy.registry import Registry
    from wai_ops.observe.reports.budget_traffic import TrafficRow


@app.command("lint")
def lint_command(
    ctx: typer.Context,
    *,
    window: Annotated[
        str, typer.Option("--window", metavar="PERIOD", help="How far back calls are looked at.")
    ] = "30d",
    remote: Annotated[
        bool, typer.Option("--remote", help="Read the gateway too: needs the operator token.")
    ] = False,
    local: LocalOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 on warnings, too.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules instead.")] = False,
    fmt: Annotated[
        FindingsFormat, typer.Option("--format", "-f", help="How findings come out.")
    ] = FindingsFormat.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Find what budgets do not cover, and what they promise without holding it; exit 1 on errors.

    Looks at wai.yaml, prices, policies and recorded calls. Notes name the rules that could not be
    asked: they are no clean bill. Give a rule another level in wai.yaml (guards.lint.levels).

    \b
    Examples:
      wai budget lint
      wai budget lint --remote --window 7d
      wai budget lint --strict --format github
      wai budget lint --rules
    """
    from wai_ops.cli import diagnostics
    from wai_ops.config.governed import project_root
    from wai_ops.config.lint_settings import to_levels
    from wai_ops.control.budgets.lint.registry import RULES
    from wai_ops.control.budgets.lint.runner import lint_budgets, rules_table
    from wai_ops.core.text import counted

    fmt = FindingsFormat.JSON if as_json else fmt
    if rules:
        list_rules(RULES, rules_table(), fmt)
        return
    context: AppContext = ctx.obj
    settings = context.settings
    look = _look(context, window, _remote(context, local=local) if remote else None)
    levels = to_levels(settings.guards.lint.levels)
    report = lint_budgets(look, levels=levels, is_strict=strict)
    for item in report.not_evaluated:
        diagnostics.note(f"not evaluated: {', '.join(item.rules)}: {item.why}")
    if report.ignored_count:
        diagnostics.note(f"{report.ignored_count:,} ignored, as wai.yaml says")
    calls = "no recorded call" if report.call_count is None else counted(report.call_count, "call")
    show_findings(
        report,
        fmt,
        findings=report.findings,
        verdict=report.verdict,
        rules=RULES,
        title="wai budget lint",
        counted=f"{counted(report.budget_count, 'budget')}, {calls}",
        root=project_root(settings, context.cwd),
        environ=context.environ,
    )


def _look(context: AppContext, window: str, remote: "Remote | None") -> "Look":
    from wai_ops.cli.budget_service import compiled_of
    from wai_ops.config.prices import load_price_book
    from wai_ops.control.budgets.lint.look import Look
    from wai_ops.control.budgets.worst import worst_by_budget

    settings = context.settings
    compiled = compiled_of(context)
    prices, now = load_price_book(settings), context.clock.now()
    origins = ((name, settings.origins.get(f"budgets.{name}", "")) for name in settings.budgets)
    return Look(
        budgets=settings.budgets,
        guards=settings.guards,
        compiled=compiled,
        prices=prices,
        now=now,
        default_model=settings.defaults.model,
        worst_usd=worst_by_budget(
            settings.budgets,
            prices,
            now,
            max_output_tokens=settings.defaults.max_output_tokens,
            default_model=settings.defaults.model,
        ),
        alerts=settings.alerts,
        places={name: place for name, place in origins if ":" in place},
        traffic=_traffic(context, window),
        remote=remote,
        registry=_registry(context),
    )


def _remote(context: AppContext, *, local: bool) -> "Remote":
    from wai_ops.cli.budget_service import open_guards
    from wai_ops.control.budgets.remote import read_remote

    with open_guards(context, local=local) as guards:
        return read_remote(guards.api, guards.gateway_id)


def _traffic(context: AppContext, window: str) -> "Sequence[TrafficRow] | None":
    from wai_ops.cli.watch import watch
    from wai_ops.core.window import parse_window
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.budget_traffic import budget_traffic
    from wai_ops.observe.reports.slice import Slice

    part = Slice(parse_window(window, None, now=context.clock.now()), ())
    state_dir = context.settings.state_dir
    if not state_dir.is_dir():
        return None
    with open_ledger(state_dir, context.clock, watch) as store:
        return budget_traffic(store, part) or None


def _registry(context: AppContext) -> "Registry | None":
    from wai_ops.cli.policy_app import load_policies
    from wai_ops.config.governed import is_governed

    if not is_governed(context.settings, context.cwd):
        return None
    return load_policies(context)
