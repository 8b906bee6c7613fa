"""`wai budget verify`: whether guards are really in force."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.budget_app import app
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption, LocalOption
from wai_ops.cli.output import Format

if TYPE_CHECKING:
    from wai_ops.cli.budget_service import Guards
    from wai_ops.control.budgets.native import Compiled, Guard
    from wai_ops.control.budgets.plan import Plan
    from wai_ops.control.budgets.state_file import StateFile
    from wai_ops.control.budgets.verify import Probe, Probed

_TIME = re.compile(r"(\d{1,6})(s|m|h)?\Z")
_UNITS = {"s": 1, "m": 60, "h": 3600}


@app.command()
def verify(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Which budgets; else all.")
    ] = None,
    *,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="TIME", help="Give up after so long: 90s, 20m.")
    ] = "20m",
    interval: Annotated[
        str, typer.Option("--interval", metavar="TIME", help="Between two calls of a probe.")
    ] = "15s",
    no_request: Annotated[
        bool, typer.Option("--no-request", help="Look and simulate; push no probe, call no model.")
    ] = False,
    local: LocalOption = False,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Probe until guards are really live, and say how long that took; exit 1 when they are not.

    Looks whether the gateway shows them, simulates policies, then pushes a tiny guard of each form
    for a tenant of its own, uses it up with calls that cost a fraction of a cent, and removes it.
    Needs the operator token; the calls are made by a process of their own with the runtime token.

    \b
    Examples:
      wai budget verify
      wai budget verify acme-monthly --timeout 30m
      wai budget verify --no-request --json
    """
    from wai_ops.cli.budget_service import compiled_of, open_guards, plan_of, state_of
    from wai_ops.cli.output import emit
    from wai_ops.control.budgets.native import Kind
    from wai_ops.control.budgets.simulate import simulate_guard
    from wai_ops.control.budgets.state_file import locked
    from wai_ops.control.budgets.verify import Verified

    context: AppContext = ctx.obj
    timeout_s, interval_s = _seconds(timeout, "--timeout"), _seconds(interval, "--interval")
    compiled = compiled_of(context)
    chosen = _chosen(compiled, names or [], context)
    with (
        open_guards(context, local=local) as guards,
        locked(context.settings.state_dir) as file,
    ):
        plan = plan_of(context, guards, compiled, state_of(file, guards))
        not_pushed = frozenset(change.ref for change in plan.changes) | frozenset(
            conflict.ref for conflict in plan.conflicts
        )
        simulated = {}
        for guard in chosen:
            if guard.ref.kind is Kind.POLICY and guard.ref not in not_pushed:
                problem = simulate_guard(guards.api, guard.body)
                simulated[guard.ref] = "" if problem is None else problem.text
        probed, why_not = None, "--no-request"
        if not no_request:
            why_not = _why_not(plan, chosen)
        if not why_not:
            probed = _probe(
                context,
                compiled,
                chosen,
                guards,
                file,
                local=local,
                timeout_s=timeout_s,
                interval_s=interval_s,
            )
    found = Verified(
        guards=chosen,
        not_pushed=not_pushed,
        simulated=simulated,
        probed=None if probed is None else tuple(probed),
        why_not_probed=why_not,
    )
    emit(found.table(), Format.JSON if as_json else fmt)


def _chosen(compiled: "Compiled", names: list[str], context: AppContext) -> "tuple[Guard, ...]":
    from wai_ops.config.problems import nearest
    from wai_ops.core.errors import UsageError
    from wai_ops.core.text import one_line

    budgets = context.settings.budgets
    for name in names:
        if name not in budgets:
            near = nearest(name, budgets)
            raise UsageError(
                f"wai.yaml has no budget {one_line(name, 80)}",
                hint=f"did you mean {near}?" if near else "see: wai budget plan",
            )
    found = tuple(g for g in compiled.guards if not names or g.budget in names)
    if not found:
        raise UsageError(
            "no guard of the gateway holds this: there is nothing to verify",
            hint="see how each budget is held: wai budget plan --why",
        )
    return found


def _why_not(plan: "Plan", chosen: "tuple[Guard, ...]") -> str:
    """Why no probe can be pushed; empty: nothing is in the way."""
    from wai_ops.control.budgets.verify import PROBED

    if not any(guard.form in PROBED for guard in chosen):
        return "no guard has a form that can be probed"
    if not plan.is_empty:
        return "the gateway is not as the budgets want it, and a push would change more"
    return ""


def _probe(
    context: AppContext,
    compiled: "Compiled",
    chosen: "tuple[Guard, ...]",
    guards: "Guards",
    file: "StateFile",
    *,
    local: bool,
    timeout_s: float,
    interval_s: float,
) -> "list[Probed]":
    from wai_ops.cli import diagnostics
    from wai_ops.cli.budget_probe import asking
    from wai_ops.control.budgets.remote import read_remote
    from wai_ops.control.budgets.verify import probes_of, watch_probes, with_probes

    remote = read_remote(guards.api, guards.gateway_id)
    _check_drafts([str(p.name) for p in remote.policies if p.draft is not None])
    name = f"{context.rng.getrandbits(32):08x}"
    probes = probes_of(chosen, remote, prefix=context.settings.guards.prefix, name=name)
    with (
        asking(context.environ, context.cwd, local=local) as ask,
        _pushed(context, compiled, with_probes(compiled, probes), guards, file, probes),
    ):
        return watch_probes(
            probes,
            ask,
            clock=context.clock,
            timeout_s=timeout_s,
            interval_s=interval_s,
            told=diagnostics.message,
        )


@contextmanager
def _pushed(
    context: AppContext,
    without: "Compiled",
    wanted: "Compiled",
    guards: "Guards",
    file: "StateFile",
    probes: "list[Probe]",
) -> Iterator[None]:
    """Have the probes on the gateway for the length of a block. The state file knows them."""
    from wai_ops.cli import diagnostics

    try:
        _apply(context, wanted, guards, file, "wai budget verify: probes")
        yield
    except BaseException:
        names = ", ".join(str(guard.ref) for probe in probes for guard in probe.guards)
        diagnostics.warn(f"removing {names}; what is left of it, the next push removes")
        raise
    finally:
        _apply(context, without, guards, file, "wai budget verify: probes removed")


def _apply(
    context: AppContext, wanted: "Compiled", guards: "Guards", file: "StateFile", why: str
) -> None:
    from wai_ops.cli import diagnostics
    from wai_ops.cli.budget_gate import recorded
    from wai_ops.cli.budget_service import plan_of, state_of
    from wai_ops.control.budgets.push import push

    class Steps:
        def step(self, text: str) -> None:
            diagnostics.message(text)

    plan = plan_of(context, guards, wanted, state_of(file, guards))
    if not plan.changes:
        return
    with recorded(context, plan, guards.connection, justification=why) as decision_id:
        push(
            plan,
            guards.api,
            file,
            decision_id=decision_id,
            clock=context.clock,
            watcher=Steps(),
        )


def _check_drafts(names: list[str]) -> None:
    """Raise DeniedError where a commit would put others' drafts into force as well."""
    from wai_ops.core.errors import DeniedError
    from wai_ops.core.text import one_line

    if names:
        raise DeniedError(
            f"somebody's draft of policy {one_line(names[0], 120)} is staged, and a probe would "
            "commit it too",
            hint="commit or remove the draft, or say --no-request",
        )


def _seconds(text: str, flag: str) -> float:
    from wai_ops.core.errors import UsageError
    from wai_ops.core.text import one_line

    found = _TIME.match(text)
    if found is None:
        raise UsageError(f"{flag} {one_line(text, 40)} is no time such as 15s, 20m or 1h")
    return float(int(found[1]) * _UNITS[found[2] or "s"])
