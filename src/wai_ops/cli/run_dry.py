"""`wai run --dry-run`: the exact request, its price and its verdict."""

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from wai_ops.cli.context import AppContext

if TYPE_CHECKING:
    from wai_ops.cli.run_governance import Said
    from wai_ops.runtime.request import Ask

_PLACEHOLDER = "<CLOUDFLARE_ACCOUNT_ID>"


def show_plan(context: AppContext, ask: "Ask", said: "Said", *, as_json: bool, local: bool) -> None:
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
