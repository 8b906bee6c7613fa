"""`wai budget push`, `import`, `rollback` and `destroy`: what changes guards on the gateway."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.budget_app import app
from wai_ops.cli.budget_plan import PlanFormat, PlanFormatOption, show_plan
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption, LocalOption

if TYPE_CHECKING:
    from wai_ops.cli.budget_service import Guards
    from wai_ops.control.budgets.native import Compiled, Remote
    from wai_ops.control.budgets.plan import Plan
    from wai_ops.control.budgets.push import Pushed
    from wai_ops.control.budgets.state_file import GatewayState, StateFile

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")
]
DefaultDenyOption = Annotated[
    bool,
    typer.Option(
        "--accept-default-deny",
        help="Push the first policy although the gateway then refuses what no policy is about.",
    ),
]
WhyOption = Annotated[
    str, typer.Option("--justification", metavar="TEXT", help="Why; kept in the decision record.")
]


@app.command()
def push(
    ctx: typer.Context,
    plan_file: Annotated[
        Path | None, typer.Argument(metavar="[PLAN]", help="A plan of wai budget plan -o.")
    ] = None,
    *,
    accept_default_deny: DefaultDenyOption = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    justification: WhyOption = "wai budget push",
    local: LocalOption = False,
    fmt: PlanFormatOption = PlanFormat.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Bring the gateway to what the budgets want. A saved plan is applied as it is, or not at all.

    Refused when the gateway changed since the plan was made. What a push that was stopped has done
    is known, and the next one goes on from there. Needs the operator token.

    \b
    Examples:
      wai budget push
      wai budget plan -o plan.json && wai budget push plan.json
      wai budget push --yes --justification "CHG-481"
    """
    from wai_ops.cli.budget_service import compiled_of

    context: AppContext = ctx.obj
    compiled = compiled_of(context, needs_budgets=plan_file is None)
    _change(
        context,
        lambda remote, state: compiled,  # noqa: ARG005 - the budgets know neither
        saved=None if plan_file is None else _load_plan(plan_file),
        accepts_default_deny=accept_default_deny,
        yes=yes or plan_file is not None,
        dry_run=dry_run,
        justification=justification,
        local=local,
        fmt=PlanFormat.JSON if as_json else fmt,
    )


@app.command()
def rollback(
    ctx: typer.Context,
    *,
    accept_default_deny: DefaultDenyOption = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    justification: WhyOption = "wai budget rollback",
    local: LocalOption = False,
    fmt: PlanFormatOption = PlanFormat.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Bring our guards back to what they were before the last push; others' stay as they are.

    The budgets of wai.yaml are not changed: the next plan shows what differs.

    \b
    Examples:
      wai budget rollback --dry-run
      wai budget rollback --yes
    """
    from wai_ops.control.budgets.undo import as_before, last_push

    _change(
        ctx.obj,
        lambda remote, state: as_before(last_push(state), remote, state.owned),
        accepts_default_deny=accept_default_deny,
        yes=yes,
        dry_run=dry_run,
        justification=justification,
        local=local,
        fmt=PlanFormat.JSON if as_json else fmt,
    )


@app.command()
def destroy(
    ctx: typer.Context,
    *,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    justification: WhyOption = "wai budget destroy",
    local: LocalOption = False,
    fmt: PlanFormatOption = PlanFormat.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Remove all our guards from the gateway; others' stay as they are.

    \b
    Examples:
      wai budget destroy --dry-run
      wai budget destroy --yes
    """
    from wai_ops.control.budgets.undo import NOTHING

    _change(
        ctx.obj,
        lambda remote, state: NOTHING,  # noqa: ARG005 - nothing is wanted, whatever is there
        yes=yes,
        dry_run=dry_run,
        justification=justification,
        local=local,
        fmt=PlanFormat.JSON if as_json else fmt,
    )


@app.command("import")
def import_(
    ctx: typer.Context,
    *,
    rate_limit: Annotated[
        bool, typer.Option("--rate-limit", help="Also the gateway's rate limit.")
    ] = False,
    dry_run: DryRunOption = False,
    local: LocalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take over the objects of the gateway whose names begin with guards.prefix.

    For a state folder that does not know them: another machine, a lost file. Nothing is changed on
    the gateway; the next plan shows what a push would do to them.

    \b
    Examples:
      wai budget import --dry-run
      wai budget import --rate-limit
    """
    from dataclasses import replace

    from wai_ops.cli import diagnostics
    from wai_ops.cli.budget_service import open_guards, state_of
    from wai_ops.cli.output import print_json
    from wai_ops.control.budgets.diff import named_like_ours, owned_here
    from wai_ops.control.budgets.native import Kind, Ref
    from wai_ops.control.budgets.push import TakenOver
    from wai_ops.control.budgets.remote import read_remote
    from wai_ops.control.budgets.state_file import locked
    from wai_ops.core.text import one_line

    context: AppContext = ctx.obj
    with (
        open_guards(context, local=local) as guards,
        locked(context.settings.state_dir) as file,
    ):
        state = state_of(file, guards)
        remote = read_remote(guards.api, guards.gateway_id)
        found = named_like_ours(remote, context.settings.guards.prefix)
        if rate_limit:
            found |= owned_here(remote, frozenset([Ref(Kind.RATE_LIMIT, "gateway")]))
        fresh = sorted(found - state.owned, key=str)
        if fresh and not dry_run:
            owned = state.owned | frozenset(fresh)
            file.put(guards.account_id, guards.gateway_id, replace(state, owned=owned))
    names = [one_line(str(ref), 200) for ref in fresh]
    if as_json:
        print_json(
            TakenOver(gateway_id=guards.gateway_id, taken_over=tuple(names), is_dry_run=dry_run)
        )
        return
    sys.stdout.write("".join(f"{name}\n" for name in names))
    verb = "would be taken over" if dry_run else "taken over"
    diagnostics.note(f"{len(fresh)} {verb}, {len(found) - len(fresh)} known before")


def _change(
    context: AppContext,
    want: "Callable[[Remote, GatewayState], Compiled]",
    *,
    saved: "Plan | None" = None,
    accepts_default_deny: bool = False,
    yes: bool,
    dry_run: bool,
    justification: str,
    local: bool,
    fmt: PlanFormat,
) -> None:
    """Plan, show, ask, record the decision, push, show what came of it."""
    from wai_ops.cli.budget_service import open_guards, state_of
    from wai_ops.control.budgets.plan import make_plan
    from wai_ops.control.budgets.push import check_applicable
    from wai_ops.control.budgets.remote import read_remote
    from wai_ops.control.budgets.state_file import locked

    with (
        open_guards(context, local=local) as guards,
        locked(context.settings.state_dir) as file,
    ):
        state = state_of(file, guards)
        remote = read_remote(guards.api, guards.gateway_id)
        compiled = want(remote, state)
        plan = saved or make_plan(
            compiled, remote, state.owned, account_id=guards.account_id, now=context.clock.now()
        )
        _check_place(plan, guards)
        if dry_run or fmt is PlanFormat.TABLE or not plan.changes:
            show_plan(plan, fmt)
        if dry_run:
            return
        check_applicable(plan, remote, accepts_default_deny=accepts_default_deny)
        if not plan.changes:
            return
        _ask(len(plan.changes), guards.gateway_id, yes=yes)
        pushed = _push(
            context,
            plan,
            guards,
            file,
            accepts_default_deny=accepts_default_deny,
            justification=justification,
        )
    _report(pushed, plan, fmt)


def _push(
    context: AppContext,
    plan: "Plan",
    guards: "Guards",
    file: "StateFile",
    *,
    accepts_default_deny: bool,
    justification: str,
) -> "Pushed":
    from wai_ops.cli import diagnostics
    from wai_ops.cli.budget_gate import recorded
    from wai_ops.control.budgets.push import push as apply_plan

    class Steps:
        def step(self, text: str) -> None:
            diagnostics.message(text)

    with recorded(context, plan, guards.connection, justification=justification) as decision_id:
        return apply_plan(
            plan,
            guards.api,
            file,
            decision_id=decision_id,
            clock=context.clock,
            watcher=Steps(),
            accepts_default_deny=accepts_default_deny,
        )


def _report(pushed: "Pushed", plan: "Plan", fmt: PlanFormat) -> None:
    from wai_ops.cli import diagnostics
    from wai_ops.cli.output import print_json
    from wai_ops.control.budgets.push import PushResult
    from wai_ops.core.errors import ExitCode
    from wai_ops.core.text import counted

    if fmt is PlanFormat.JSON:
        print_json(
            PushResult(
                gateway_id=plan.gateway_id,
                plan_sha256=plan.sha256,
                changed=tuple((change.op, str(change.ref)) for change in pushed.changes),
                left=tuple((change.op, str(change.ref)) for change in pushed.left),
            )
        )
    if pushed.left:
        names = ", ".join(str(change.ref) for change in pushed.left)
        diagnostics.warn(f"the gateway does not show these as they were sent: {names}")
        raise typer.Exit(ExitCode.VERDICT_NO)
    diagnostics.note(
        f"{counted(len(pushed.changes), 'object')} changed; a policy may take 15 minutes to hold: "
        "wai budget verify"
    )


def _check_place(plan: "Plan", guards: "Guards") -> None:
    from wai_ops.core.errors import UsageError

    if (plan.account_id, plan.gateway_id) != (guards.account_id, guards.gateway_id):
        raise UsageError(
            f"this plan is for gateway {plan.gateway_id} of account {plan.account_id}, not for "
            f"{guards.gateway_id} of {guards.account_id}",
            hint="plan again here: wai budget plan",
        )


def _ask(count: int, gateway_id: str, *, yes: bool) -> None:
    from wai_ops.core.errors import UsageError
    from wai_ops.core.text import counted

    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "nobody is there to be asked",
            hint="say --yes, or apply a saved plan: wai budget plan -o plan.json",
        )
    text = f"Apply {counted(count, 'change')} to gateway {gateway_id}?"
    if not typer.confirm(text, default=False, err=True):
        raise UsageError("not applied", hint="nothing was changed")


def _load_plan(path: Path) -> "Plan":
    import json

    from wai_ops.control.budgets.plan import plan_from_json
    from wai_ops.core.errors import UsageError

    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            "this is no plan of wai budget plan", where=str(path), hint="see: wai budget plan -o"
        ) from error
    return plan_from_json(data, where=str(path))
