"""`wai policy diff`."""

from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format
from wai_ops.cli.policy_app import app, policy_place

if TYPE_CHECKING:
    from wai_ops.control.policy.comparing import ChangeRow
    from wai_ops.control.policy.sources import Side


@app.command("diff")
def diff_command(
    ctx: typer.Context,
    before: Annotated[
        str, typer.Argument(metavar="[REF|PATH]", help="A git revision or a folder.")
    ] = "HEAD",
    after: Annotated[
        str | None,
        typer.Argument(metavar="[REF|PATH]", help="The same; else the policies as they lie there."),
    ] = None,
    *,
    fail: Annotated[
        bool, typer.Option("--fail", help="Exit 1 when anything is allowed that was not before.")
    ] = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Show what changes in meaning: newly allowed, newly denied, limits looser or tighter.

    Comments, layout and order say nothing here. Notes tell when a policy has changed and its
    version has not. Table tests of the second side are run on both.

    \b
    Examples:
      wai policy diff
      wai policy diff main --fail
      wai policy diff v1.4 v1.5 --json
      wai policy diff policies ../candidate
    """
    from wai_ops.cli.output import emit
    from wai_ops.control.policy.comparing import changes_table, compare, version_notes
    from wai_ops.control.policy.sources import load_side

    context: AppContext = ctx.obj
    folder, root = policy_place(context)
    one = load_side(before, folder=folder, root=root, cwd=context.cwd)
    two = load_side(after, folder=folder, root=root, cwd=context.cwd)
    rows = compare(one.registry, two.registry)
    rows += _tests(one, two, frozenset(context.settings.policy.private_hosts))
    notes = [f"{one.label} -> {two.label}", *version_notes(one.registry, two.registry)]
    emit(changes_table(rows, notes, fails=fail), Format.JSON if as_json else fmt)


def _tests(one: "Side", two: "Side", known_hosts: frozenset[str]) -> "list[ChangeRow]":
    """The table tests that come to something else."""
    from wai_ops.control.policy.action import VerdictWord
    from wai_ops.control.policy.asking import ask
    from wai_ops.control.policy.comparing import ChangeRow, Kind

    rows = []
    for test in two.tests or one.tests:
        section = test.section.action
        said = [
            ask(side.registry, section, workflow=test.workflow, known_hosts=known_hosts).verdict
            for side in (one, two)
        ]
        if said[0].word is said[1].word:
            continue
        is_allowed = said[1].word is VerdictWord.ALLOW or said[0].word is VerdictWord.DENY
        rows.append(
            ChangeRow(
                workflow=test.workflow,
                change=Kind.ALLOWED if is_allowed else Kind.DENIED,
                what=f"test: {test.section.name}",
                before=f"{said[0].word.value} by {said[0].rule}",
                after=f"{said[1].word.value} by {said[1].rule}",
                where=test.where,
            )
        )
    return rows
