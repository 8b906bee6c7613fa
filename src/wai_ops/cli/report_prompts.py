"""`wai report prompts`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wai_ops.cli.report_app import app
from wai_ops.cli.report_options import ReportCall, report_command

if TYPE_CHECKING:
    from wai_ops.core.table import Table
    from wai_ops.observe.ledger.store import Store
    from wai_ops.observe.reports.slice import Slice


class Within(StrEnum):
    """What can split a version further."""

    WORKFLOW = "workflow"
    TENANT = "tenant"
    MODEL = "model"
    ROUTE = "route"
    GATEWAY = "gateway"
    PROVIDER = "provider"
    TARGET = "target"
    SOURCE = "source"
    DAY = "day"


@app.command()
@report_command
def prompts(
    call: ReportCall,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="NAME", help="The versions of this prompt.")
    ] = None,
    by: Annotated[Within | None, typer.Option("--by", help="Split each version further.")] = None,
    promotion: Annotated[
        str | None,
        typer.Option(
            "--promotion",
            metavar="LABEL[@TIME]",
            help="Compare what the label's canary or newest promotion changed.",
        ),
    ] = None,
    versions: Annotated[
        tuple[str, str] | None,
        typer.Option("--versions", metavar="OLD NEW", help="Compare these two versions."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 1 when the advice is to roll back.")
    ] = False,
) -> None:
    """Show what each version of a prompt costs and does; advise to keep, watch or roll back.

    With --prompt the advice on its canary or newest promotion stands among the notes; with
    --promotion or --versions the comparison itself is the table.

    \b
    Examples:
      wai report prompts --since 7d
      wai report prompts --prompt triage --by workflow
      wai report prompts --prompt triage --promotion production --check
      wai report prompts --prompt triage --versions 3 4 --format md
    """
    from wai_ops.observe.reports.prompts_request import Wanted, build_report, check_wanted
    from wai_ops.runtime.prompt_facts import read_facts

    wanted = Wanted(
        prompt=prompt,
        by=None if by is None else by.value,
        promotion=promotion,
        versions=versions or None,  # typer gives () for None
        is_checked=check,
        is_compared=call.compare is not None,
        now=call.context.clock.now(),
    )
    check_wanted(wanted)
    file = call.context.settings.config_file
    facts = read_facts(call.context.cwd if file is None else file.parent)

    def build(store: "Store", part: "Slice") -> "Table[Any]":
        return build_report(store, part, wanted, facts)

    call.run(build)
