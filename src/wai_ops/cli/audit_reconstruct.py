"""`wai audit reconstruct`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wai_ops.cli.audit_app import KeyOption, app, log_folder, verifier_keys
from wai_ops.cli.context import AppContext
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format

if TYPE_CHECKING:
    from wai_ops.observe.reports.conversation import ConversationKey
    from wai_ops.observe.reports.timeline_facts import Facts

_FOR_PEOPLE = {Format.TABLE, Format.MD, Format.HTML}


@app.command()
def reconstruct(
    ctx: typer.Context,
    conversation: Annotated[
        str,
        typer.Argument(
            metavar="CONVERSATION", help="tenant:workflow:conversation, or an id that is unique."
        ),
    ],
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="Its tenant.")] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", "-w", help="Its workflow.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="Only this run of it.")] = None,
    key: KeyOption = None,
    ledger: Annotated[
        bool, typer.Option("--ledger/--no-ledger", help="Join with the calls that it knows.")
    ] = True,
    fmt: FormatOption = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Tell what was done in a conversation: who, what, why, under which policy, with what result.

    The whole log is verified on the way. The notes begin with the completeness: complete,
    unanchored, outcome unknown for N actions, or damaged (exit 1).

    \b
    Examples:
      wai audit reconstruct acme:support:c1
      wai audit reconstruct c1 --format md
      wai audit reconstruct c1 --json --key audit.pub
    """
    from wai_ops.cli.output import emit
    from wai_ops.control.decisions.actions import Collector
    from wai_ops.control.decisions.audit import audit_folder
    from wai_ops.control.decisions.reconstruct import in_brief, reconstruct
    from wai_ops.core.errors import UsageError
    from wai_ops.core.ids import summed_up
    from wai_ops.observe.reports.conversation import ConversationKey, parse_wanted

    context: AppContext = ctx.obj
    wanted = parse_wanted(conversation, tenant, workflow)

    def key_of(decision: dict[str, Any]) -> ConversationKey:
        """The conversation of a decision; one about a summary is about what is summed up."""
        tenant, workflow = decision["tenant"], decision["workflow"]
        name = decision.get("conversation_id") or ""
        own = ConversationKey(tenant, workflow, name)
        return own if wanted.fits(own) else ConversationKey(tenant, workflow, summed_up(name))

    collector = Collector(
        lambda one: wanted.fits(key_of(one)) and run in {None, one.get("run_id")},
        wanted.conversation_id.encode(),
    )
    audit = audit_folder(log_folder(context), verifier_keys(context, key), observe=collector.take)
    told = list(collector.actions())
    keys = sorted({key_of(one.decision) for one in told})
    if len(keys) > 1:
        raise UsageError(
            f"{len(keys)} conversations are called {conversation}",
            hint=f"name one of them: {', '.join(map(str, keys[:5]))}",
        )
    found = keys[0] if keys else wanted.key
    parts = {one.decision.get("conversation_id") or "" for one in told}
    facts = _facts(context, found, sorted(parts), run) if ledger and found else None
    if found is None or (not told and (facts is None or facts.is_empty)):
        raise UsageError(
            f"no decision is about a conversation {conversation}", hint="see: wai audit show"
        )
    table, _ = reconstruct(told, facts, audit, name=str(found))
    chosen = Format.JSON if as_json else fmt
    emit(in_brief(table) if chosen in _FOR_PEOPLE else table, chosen)


def _facts(
    context: AppContext, key: "ConversationKey", parts: list[str], run: str | None
) -> "Facts":
    """What the ledger knows of the conversation, the calls that summed it up among it."""
    from dataclasses import replace

    from wai_ops.cli.watch import watch
    from wai_ops.observe.ledger.store import open_ledger
    from wai_ops.observe.reports.timeline_facts import read_facts

    state_dir = context.settings.state_dir
    with open_ledger(state_dir, context.clock, watch) as store:
        facts = read_facts(store, key, state_dir, context.clock)
        for name in parts:
            if name != key.conversation_id:
                part = replace(key, conversation_id=name)
                more = read_facts(store, part, state_dir, context.clock)
                facts = replace(
                    facts,
                    calls=[*facts.calls, *more.calls],
                    decisions=[*facts.decisions, *more.decisions],
                )
    if run is None:
        return facts
    calls = [call for call in facts.calls if call.run_id == run]
    return replace(facts, calls=calls, decisions=())
