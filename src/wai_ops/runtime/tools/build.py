"""Putting a tool loop together from what a command has."""

from collections.abc import Mapping
from pathlib import Path

from wai_ops.config.settings import Settings
from wai_ops.control.gate import Gate
from wai_ops.control.outbound.trust import tls_context
from wai_ops.control.policy.registry import Registry
from wai_ops.core.clock import Clock
from wai_ops.runtime.keeping import Keeper
from wai_ops.runtime.tools.approval import Approver
from wai_ops.runtime.tools.calling import CallerParts, ToolCaller
from wai_ops.runtime.tools.doorman import Doorman
from wai_ops.runtime.tools.http import Network
from wai_ops.runtime.tools.load import Toolbox
from wai_ops.state.live import LiveState


def build_caller(
    toolbox: Toolbox,
    *,
    gate: Gate,
    registry: Registry,
    live: LiveState,
    settings: Settings,
    keeper: Keeper,
    clock: Clock,
    environ: Mapping[str, str],
    approver: Approver,
) -> ToolCaller:
    """What makes tool calls under these policies. Close it."""
    needs_tls = any(
        tool.entry.http is not None and tool.entry.http.url.startswith("https:")
        for tool in toolbox.tools.values()
    )
    return ToolCaller(
        CallerParts(
            toolbox=toolbox,
            settings=settings.tools,
            doorman=Doorman(gate, registry, approver),
            live=live,
            state_dir=Path(settings.state_dir),
            keeper=keeper,
            network=Network(
                clock=clock,
                environ=environ,
                private_hosts=settings.policy.private_hosts,
                tls=tls_context(environ) if needs_tls else None,
            ),
        )
    )
