"""`wai prompts compare`: two versions on the same cases, with assertions and intervals."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption, LocalOption
from wai_ops.cli.prompts_app import app, prompts_folder

if TYPE_CHECKING:
    from decimal import Decimal

    from wai_ops.runtime.compare_journal import Journal
    from wai_ops.runtime.compare_plan import ComparePlan, Planner
    from wai_ops.runtime.compare_result import CompareResult
    from wai_ops.runtime.governed import Governance
    from wai_ops.runtime.keeping import Keeper
    from wai_ops.runtime.prompt_compare import Ran
    from wai_ops.state.live import LiveState


class CompareFormat(StrEnum):
    """How the comparison comes out."""

    TABLE = "table"
    JSON = "json"
    MD = "md"
    GITHUB = "github"


@app.command()
def compare(
    ctx: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help="NAME@VERSION: what is used now.")],
    b: Annotated[
        str, typer.Argument(metavar="B", help="NAME@VERSION, or @VERSION of the same prompt.")
    ],
    *,
    dataset: Annotated[
        Path, typer.Option("--dataset", "-d", metavar="FILE", help="Cases, one JSON a line.")
    ],
    parallel: Annotated[
        int, typer.Option("--parallel", min=1, max=64, help="Cases at a time.")
    ] = 4,
    max_cost: Annotated[
        str | None,
        typer.Option("--max-cost", metavar="USD", help="A ceiling that is never passed."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask: the estimate is the ceiling.")
    ] = False,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="For both, whatever they say.")
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="Who pays.")] = None,
    max_pass_drop: Annotated[
        float | None,
        typer.Option("--max-pass-drop", min=0, max=1, metavar="RATIO", help="Else: significance."),
    ] = None,
    max_cost_rise: Annotated[
        float | None, typer.Option("--max-cost-rise", min=0, metavar="RATIO", help="0.1: by 10%.")
    ] = None,
    max_latency_rise: Annotated[
        float | None,
        typer.Option("--max-latency-rise", min=0, metavar="RATIO", help="0.2: by 20%."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget the answers of before, and pay again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many calls and dollars; send nothing.")
    ] = False,
    allow_work: Annotated[
        bool, typer.Option("--allow-work", help="Use an unfrozen prompt although this is CI.")
    ] = False,
    local: LocalOption = False,
    fmt: Annotated[
        CompareFormat, typer.Option("--format", "-f", help="How it comes out.")
    ] = CompareFormat.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Run two versions on the same cases; exit 1 when B is a regression.

    Every answer is kept: run it again to go on where it stopped, or after new cases or assertions.
    Each case may assert contains, not_contains, regex, json_schema, max_cost_usd, max_latency_ms,
    or name a judge prompt. No call is sent that could pass the ceiling.

    \b
    Examples:
      wai prompts compare triage@production @4 -d cases.jsonl --max-cost 0.50
      wai prompts compare triage@3 @work -d cases.jsonl --dry-run
      wai prompts compare triage@3 @4 -d cases.jsonl --yes --format github
    """
    from wai_ops.cli import diagnostics
    from wai_ops.runtime.compare_journal import Journal
    from wai_ops.runtime.compare_result import Limits, result_of
    from wai_ops.runtime.prompt_compare import journal_path

    context: AppContext = ctx.obj
    most = _dollars(max_cost)
    plan, planner = _plan(
        context,
        (a, f"{a.partition('@')[0]}{b}" if b.startswith("@") else b),
        dataset,
        model=model,
        tenant=tenant,
        local=local,
        allow_work=allow_work,
    )
    path = journal_path(context.settings.state_dir, plan)
    if dry_run:
        journal = Journal(path, None) if fresh else Journal.read(path)
        _show_plan(plan, planner, journal, as_json=as_json or fmt is CompareFormat.JSON)
        return
    with Journal.open(path, is_fresh=fresh) as journal:
        ceiling = _ceiling(plan, planner, journal, most, yes=yes)
        ran, spent = _run(
            context, plan, planner, journal, ceiling=ceiling, parallel=parallel, local=local
        )
    limits = Limits(
        max_pass_drop=max_pass_drop,
        max_cost_rise=max_cost_rise,
        max_latency_rise=max_latency_rise,
    )
    result = result_of(plan, ran, limits, spent_usd=spent, ceiling_usd=ceiling)
    _show(context, result, CompareFormat.JSON if as_json else fmt)
    if ran.is_interrupted:
        diagnostics.note("what was answered is kept: run it again to go on")
        raise KeyboardInterrupt
    _end(result, ran)


def _dollars(text: str | None) -> "Decimal | None":
    from decimal import Decimal, InvalidOperation

    from wai_ops.core.errors import UsageError

    if text is None:
        return None
    try:
        found = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or found < 0:
        raise UsageError(f"--max-cost {text!r} is no amount of dollars", hint="--max-cost 0.50")
    return found


def _plan(
    context: AppContext,
    references: tuple[str, str],
    dataset: Path,
    *,
    model: str | None,
    tenant: str | None,
    local: bool,
    allow_work: bool,
) -> "tuple[ComparePlan, Planner]":
    from wai_ops.cli.run_prompt import policy
    from wai_ops.cli.run_service import dry_service, surroundings_of
    from wai_ops.prompts.dataset import read_dataset
    from wai_ops.runtime.compare_plan import Defaults, Planner
    from wai_ops.runtime.prompt_use import Changes, Found, find_prompt

    settings = context.settings
    paying = tenant or settings.defaults.tenant
    allowed = policy(settings, context.environ, allow_work=allow_work)

    def find(text: str) -> Found:
        return find_prompt(
            text,
            folder=prompts_folder(settings, context.cwd),
            policy=allowed,
            tenant=paying,
            conversation_id=None,
        )

    cases = read_dataset(dataset)
    a, b = (find(text) for text in references)
    planner = Planner(
        Defaults(
            model=settings.defaults.model,
            max_output_tokens=settings.defaults.max_output_tokens,
            temperature=settings.defaults.temperature,
            tenant=paying,
            changes=Changes(model=model),
        ),
        dry_service(context, local=local, placeholder=""),
        surroundings_of(context),
    )
    return planner.plan(cases, a, b, find), planner


def _show_plan(
    plan: "ComparePlan", planner: "Planner", journal: "Journal", *, as_json: bool
) -> None:
    from wai_ops.cli.output import print_json
    from wai_ops.runtime.compare_show import preview_of
    from wai_ops.runtime.prompt_compare import remaining_usd

    remaining, count = remaining_usd(plan, planner, journal)
    preview = preview_of(
        plan, call_count=count, remaining_usd=remaining, spent_usd=journal.spent_usd
    )
    if as_json:
        print_json(preview)
    else:
        typer.echo(preview.to_text())


def _ceiling(
    plan: "ComparePlan",
    planner: "Planner",
    journal: "Journal",
    most: "Decimal | None",
    *,
    yes: bool,
) -> "Decimal":
    """The ceiling for everything that this comparison ever spends."""
    from wai_ops.cli import diagnostics
    from wai_ops.core.errors import ExitCode, UsageError
    from wai_ops.runtime.compare_show import preview_of
    from wai_ops.runtime.prompt_compare import remaining_usd

    remaining, count = remaining_usd(plan, planner, journal)
    if most is not None:
        return most
    preview = preview_of(
        plan, call_count=count, remaining_usd=remaining, spent_usd=journal.spent_usd
    )
    if count and not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(
                f"this needs a ceiling: {preview.to_text()}",
                hint="give --max-cost USD, or --yes; nothing was sent",
            )
        diagnostics.message(preview.to_text())
        if not typer.confirm("go on?", err=True):
            diagnostics.message("nothing was sent")
            raise typer.Exit(ExitCode.VERDICT_NO)
    return journal.spent_usd + remaining


def _run(
    context: AppContext,
    plan: "ComparePlan",
    planner: "Planner",
    journal: "Journal",
    *,
    ceiling: "Decimal",
    parallel: int,
    local: bool,
) -> "tuple[Ran, Decimal]":
    from wai_ops.cli.prompts_compare_progress import watch_compare
    from wai_ops.cli.run_governance import Said, governance_of, registry_of
    from wai_ops.cli.run_service import service_of, surroundings_of
    from wai_ops.cli.target import open_connection
    from wai_ops.config.credentials import Role
    from wai_ops.runtime.prompt_compare import Comparison, patient
    from wai_ops.runtime.purse import Purse

    purse = Purse(ceiling, spent_usd=journal.spent_usd)
    said = Said(justification=f"comparison {plan.id}")
    registry = registry_of(context, Said())
    with (
        open_connection(context, role=Role.RUNTIME, local=local) as connection,
        watch_compare(context) as progress,
    ):
        service = patient(service_of(context, connection))

        def govern(live: "LiveState", keeper: "Keeper") -> "Governance":
            assert registry is not None
            return governance_of(
                context, registry, said, live=live, keeper=keeper, token=service.token
            )

        comparison = Comparison(
            plan=plan,
            planner=planner,
            service=service,
            around=surroundings_of(context, service.token),
            state_dir=context.settings.state_dir,
            journal=journal,
            purse=purse,
            progress=progress,
            govern=None if registry is None else govern,
        )
        return comparison.run(parallel), purse.spent_usd


def _show(context: AppContext, result: "CompareResult", fmt: CompareFormat) -> None:
    from wai_ops.cli import diagnostics
    from wai_ops.cli.output import print_json, terminal_width
    from wai_ops.render.tables import render
    from wai_ops.runtime.compare_show import to_table

    table = to_table(result)
    match fmt:
        case CompareFormat.JSON:
            print_json(result)
        case CompareFormat.MD:
            sys.stdout.write(render(table, "md", terminal_width=None))
        case CompareFormat.GITHUB:
            _show_on_github(context, result)
        case CompareFormat.TABLE:
            sys.stdout.write(render(table, "table", terminal_width=terminal_width()))
            for text in table.notes:
                diagnostics.note(text)
    sys.stdout.flush()


def _show_on_github(context: AppContext, result: "CompareResult") -> None:
    from dataclasses import replace

    from wai_ops.render.annotations import append_step_summary, to_annotations, to_summary
    from wai_ops.render.tables import render
    from wai_ops.runtime.compare_show import findings_of, headline, to_table

    findings = findings_of(result)
    table = to_table(result)
    bare = replace(table, title="", notes=(), verdict=None)
    sys.stdout.write(to_annotations(findings))
    summary = to_summary(
        "wai prompts compare",
        findings,
        verdict=result.verdict,
        headline=f"{table.title}: {headline(result)}",
        sections=[render(bare, "md", terminal_width=None)],
    )
    if not append_step_summary(summary, context.environ):
        sys.stdout.write(summary)


def _end(result: "CompareResult", ran: "Ran") -> None:
    """Exit 1 for a regression; an error for a comparison that did not come to its end."""
    from wai_ops.core.errors import DeniedError, ExitCode, RemoteError
    from wai_ops.core.table import Verdict

    if ran.is_out_of_money:
        raise DeniedError(
            f"stopped before the ceiling of ${result.ceiling_usd.normalize():f}: "
            f"{result.compared_count} of {result.case_count} cases are compared",
            hint="run it again with a higher --max-cost: what is answered is kept",
        )
    if result.verdict is Verdict.FAIL:
        raise typer.Exit(ExitCode.VERDICT_NO)
    if result.unanswered_count:
        raise RemoteError(
            f"{result.unanswered_count} of {result.case_count} cases have no answer or no verdict",
            hint="run it again: only what is missing is asked for",
        )
