"""`wai policy test`."""

from typing import Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format
from wai_ops.cli.policy_app import app, policy_place


@app.command("test")
def run_command(
    ctx: typer.Context,
    *,
    workflow: Annotated[
        str | None,
        typer.Option("--workflow", "-w", metavar="NAME", help="Only tests of this workflow."),
    ] = None,
    fail_uncovered: Annotated[
        bool,
        typer.Option("--fail-uncovered", help="Exit 1 when a rule decides no test, too."),
    ] = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Run the table tests of policies/tests/*.yaml; exit 1 when one comes to something else.

    A test names an action, the verdict that is expected, and if you like the rule that has to
    decide. Notes list the rules that no test reaches.

    \b
    Examples:
      wai policy test
      wai policy test --workflow support --fail-uncovered
      wai policy test --json
    """
    from wai_ops.cli.output import emit, print_json
    from wai_ops.cli.policy_app import known_workflow
    from wai_ops.control.policy.loading import folder_label
    from wai_ops.control.policy.registry import load_registry
    from wai_ops.control.policy.tabled import load_tests, run_tests, tests_table
    from wai_ops.core.errors import ExitCode
    from wai_ops.core.table import Verdict

    context: AppContext = ctx.obj
    folder, root = policy_place(context)
    registry = load_registry(folder, root)
    tests = load_tests(folder, folder_label(folder, root))
    if workflow is not None:
        known_workflow(registry, workflow)
        tests = [test for test in tests if test.workflow == workflow]
    run = run_tests(
        registry,
        tests,
        known_hosts=frozenset(context.settings.policy.private_hosts),
        only=workflow,
        is_strict=fail_uncovered,
    )
    if as_json or fmt is Format.JSON:
        print_json(run)
        if run.verdict is Verdict.FAIL:
            raise typer.Exit(ExitCode.VERDICT_NO)
        return
    emit(tests_table(run), fmt)
