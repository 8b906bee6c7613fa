"""`wai route explain`."""

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption
from wai_ops.cli.route_app import app, open_registry

if TYPE_CHECKING:
    from wai_ops.control.policy.compiled import WorkflowPolicy
    from wai_ops.control.policy.registry import Registry
    from wai_ops.control.routing.turn import Running
    from wai_ops.core.failures import FailureClass


class Risk(StrEnum):
    """The values of `control.policy.action.RiskTier`, without importing it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@app.command("explain")
def explain_command(
    ctx: typer.Context,
    *,
    workflow: Annotated[str, typer.Option("--workflow", "-w", help="Whose routing is asked.")],
    risk: Annotated[
        Risk | None, typer.Option("--risk", help="Tier of the turn; else the workflow's own.")
    ] = None,
    input_tokens: Annotated[
        int | None,
        typer.Option("--input-tokens", min=0, metavar="N", help="Input, history included."),
    ] = None,
    output_tokens: Annotated[
        int | None,
        typer.Option("--output-tokens", min=0, metavar="N", help="Reserved for the answer."),
    ] = None,
    budget_used: Annotated[
        str | None,
        typer.Option("--budget-used", metavar="SHARE", help="Of the tightest limit: 0.8 or 80%."),
    ] = None,
    conversation: Annotated[
        str | None,
        typer.Option("--conversation", "-c", metavar="ID", help="The next turn of this one."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="NAME", help="Whose conversation it is.")
    ] = None,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="MODEL", help="As if a conversation ran on this model."),
    ] = None,
    cached_tokens: Annotated[
        int | None,
        typer.Option("--cached-tokens", min=0, metavar="N", help="Of its prefix, warm there."),
    ] = None,
    failure: Annotated[
        str | None,
        typer.Option("--failure", metavar="CLASS", help="What follows this failure: capacity."),
    ] = None,
    policies: Annotated[
        Path | None,
        typer.Option("--policies", metavar="DIR", help="Other policies than the project's."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say which model serves a turn, by which rule, what was passed over and what follows failures.

    Nothing is sent. Exits 1 when no model may serve the turn.

    \b
    Examples:
      wai route explain --workflow support
      wai route explain -w support --risk medium --budget-used 85%
      wai route explain -w support --conversation c1 --failure capacity
    """
    from wai_ops.cli.output import print_json
    from wai_ops.config.prices import load_price_book
    from wai_ops.control.policy.action import RiskTier
    from wai_ops.control.routing.explain import explain
    from wai_ops.control.routing.turn import facts_for, tier_of
    from wai_ops.core.errors import ExitCode

    context: AppContext = ctx.obj
    failed = None if failure is None else _failure(failure)
    used = None if budget_used is None else _share(budget_used)
    policy = _policy_of(open_registry(context, policies), workflow)
    running, spent = _running(context, policy, conversation, tenant, on, cached_tokens)
    if input_tokens is None and running is not None and running.history_tokens:
        input_tokens = running.history_tokens
    if output_tokens is None:
        output_tokens = context.settings.defaults.max_output_tokens
        most = None if policy.envelope is None else policy.envelope.max_output_tokens
        output_tokens = output_tokens if most is None else min(most, output_tokens)
    facts = facts_for(
        policy,
        tier=tier_of(policy, None if risk is None else RiskTier(risk.value)),
        prices=load_price_book(context.settings),
        at=context.clock.now(),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        running=running,
        budget_used_ratio=spent if used is None else used,
        is_money_limited=used is not None,
    )
    found = explain(policy, facts, failure=failed)
    if as_json:
        print_json(found)
    else:
        typer.echo(found.to_text(), nl=False)
    if found.model is None:
        raise typer.Exit(ExitCode.VERDICT_NO)


def _policy_of(registry: "Registry", name: str) -> "WorkflowPolicy":
    from wai_ops.config.problems import nearest
    from wai_ops.core.errors import UsageError
    from wai_ops.core.text import one_line

    policy = registry.workflow(name)
    if policy is None:
        near = nearest(name, registry.workflows)
        raise UsageError(
            f"no policy names workflow {one_line(name, 120)}",
            hint=f"did you mean {near}?" if near else "see: wai policy show",
        )
    if policy.routing is None:
        raise UsageError(
            f"workflow {name} has no section `routing`: its model is the one that is asked for",
            where=policy.where,
            hint="docs/routing.md describes the section",
        )
    return policy


def _running(
    context: AppContext,
    policy: "WorkflowPolicy",
    conversation: str | None,
    tenant: str | None,
    on: str | None,
    cached_tokens: int | None,
) -> "tuple[Running | None, Decimal | None]":
    """The conversation as live state has it or the flags say, and what it has used of its money."""
    from dataclasses import replace

    from wai_ops.control.routing.turn import Running
    from wai_ops.core.errors import UsageError

    running, used = None, None
    if conversation is not None:
        tenant = tenant or context.settings.defaults.tenant
        running, used = _stored(context, policy, f"{tenant}:{policy.name}:{conversation}")
        if running is None and on is None:
            raise UsageError(
                f"conversation {conversation!r} of {tenant} in {policy.name} has no turn yet",
                hint="see: wai conversations list; or name its model with --on",
            )
    if on is not None:
        running = Running(model=on) if running is None else replace(running, model=on)
    if cached_tokens is not None:
        if running is None:
            raise UsageError("--cached-tokens needs --conversation or --on: warm on which model?")
        running = replace(running, warm_tokens=cached_tokens)
    return running, used


def _stored(
    context: AppContext, policy: "WorkflowPolicy", key: str
) -> "tuple[Running | None, Decimal | None]":
    from wai_ops.control.routing.turn import read_running
    from wai_ops.state.live import LiveState
    from wai_ops.state.reservations import Budget, balance_of

    state_dir = context.settings.state_dir
    if not LiveState.exists(state_dir):
        return None, None
    with LiveState.open(state_dir, clock=context.clock) as live:
        running = read_running(
            live,
            key,
            now=context.clock.now(),
            idle_ttl_s=context.settings.affinity.idle_ttl_s,
        )
        limit = None if policy.envelope is None else policy.envelope.per_conversation_usd
        if limit is None:
            return running, None
        balance = balance_of(live, Budget(key=f"conversation:{key}", limit_usd=limit))
    return running, (balance.spent_usd + balance.reserved_usd) / balance.limit_usd


def _failure(text: str) -> "FailureClass":
    from wai_ops.config.problems import nearest
    from wai_ops.core.errors import UsageError
    from wai_ops.core.failures import FailureClass
    from wai_ops.core.text import one_line

    try:
        return FailureClass(text)
    except ValueError:
        near = nearest(text, [item.value for item in FailureClass])
        raise UsageError(
            f"--failure: there is no class {one_line(text, 60)!r}",
            hint=f"did you mean {near}?" if near else "docs/routing.md lists them",
        ) from None


def _share(text: str) -> Decimal:
    from wai_ops.core.errors import UsageError
    from wai_ops.core.text import one_line

    number = text.strip().removesuffix("%")
    try:
        value = Decimal(number)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite() or value < 0:
        raise UsageError(
            f"--budget-used {one_line(text, 60)!r} is no share", hint="such as 0.8 or 80%"
        )
    return value / 100 if text.strip().endswith("%") else value
