"""`wai run --dry-run`: the exact request, its price and its verdict."""

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from wai_ops.cli.context import AppContext

if TYPE_CHECKING:
    from wai_ops.cli.run_governance import Said
    from wai_ops.runtime.request import Ask
    from wai_ops.state.live import LiveState

_PLACEHOLDER = "<CLOUDFLARE_ACCOUNT_ID>"


def show_plan(
    context: AppContext,
    ask: "Ask",
    said: "Said",
    *,
    checkpoint_every: str | None,
    as_json: bool,
    local: bool,
) -> None:
    """Print the exact request, what it may cost and what policy says. Sends and writes nothing."""
    from wai_ops.cli.run_governance import dry_governance, registry_of
    from wai_ops.cli.run_service import dry_service, surroundings_of
    from wai_ops.runtime.plan import prepare
    from wai_ops.runtime.preview import preview_of
    from wai_ops.state.live import LiveState

    registry = registry_of(context, said)
    service = dry_service(context, local=local, placeholder=_PLACEHOLDER)
    around = surroundings_of(context)
    state_dir = context.settings.state_dir
    with ExitStack() as stack:
        live = None
        if LiveState.exists(state_dir):
            live = stack.enter_context(LiveState.open(state_dir, clock=context.clock))
            ask = _as_sent(context, ask, live, checkpoint_every)
        if registry is None:
            preview = preview_of(prepare(ask, service, around, live))
        else:
            from wai_ops.runtime.governed_preview import governed_preview

            governance = dry_governance(context, registry, said)
            preview = governed_preview(governance, ask, service, around, live)
    if as_json:
        from wai_ops.cli.output import print_json

        print_json(preview)
    else:
        sys.stdout.write(preview.to_text())


def _as_sent(context: AppContext, ask: "Ask", live: "LiveState", every: str | None) -> "Ask":
    """The question as it would be sent; says so when a summary would be made before."""
    from wai_ops.cli import diagnostics
    from wai_ops.cli.run_checkpoints import checkpoint_policy_of
    from wai_ops.core.text import counted
    from wai_ops.runtime.checkpoint import due_span
    from wai_ops.runtime.checkpoint_plan import Span
    from wai_ops.runtime.exchange import as_sent

    due = due_span(ask, live, checkpoint_policy_of(context, every, tenant=ask.tenant))
    if isinstance(due, Span):
        diagnostics.note(
            f"a checkpoint is due: a call of its own would sum up {counted(len(due.turns), 'turn')}"
            " first, and the request would carry the summary in their place"
        )
    return as_sent(ask, live)
