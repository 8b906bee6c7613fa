"""`wai tools call`: one tool call outside of any conversation, with all that goes with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wai_ops.cli.context import AppContext

if TYPE_CHECKING:
    from wai_ops.runtime.tools.calling import Called


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallResult:
    """What became of one tool call."""

    tool: str
    family: str
    ok: bool
    problem: str | None
    """Why there is no result: `refused_by_policy`, `timeout`, ..."""
    content: str
    """What a model would be told, as JSON text."""
    decision_id: str | None
    duration_ms: float
    result_sha256: str | None
    """Of the raw output."""
    kept: str | None
    """The file that the raw output is kept in, masked."""


def result_of(called: "Called") -> ToolCallResult:
    """The record that `--json` prints."""
    return ToolCallResult(
        tool=called.name,
        family=called.family,
        ok=called.problem is None,
        problem=None if called.problem is None else called.problem.value,
        content=called.content,
        decision_id=called.decision_id,
        duration_ms=called.duration_ms,
        result_sha256=called.result_sha256,
        kept=None if called.kept is None else str(called.kept),
    )


def call_tool(
    context: AppContext,
    name: str,
    arguments: str,
    *,
    workflow: str | None,
    tenant: str | None,
    risk_tier: str | None,
    data_classes: frozenset[str],
    folder: Path | None,
) -> "Called":
    """Call it. Raises UsageError, DeniedError in a project without policies, DataError."""
    from wai_ops.cli.actor import actor_of
    from wai_ops.cli.run_service import surroundings_of
    from wai_ops.cli.tools_loop import approver_of, require_policies, toolbox_of
    from wai_ops.config.governed import policy_folder, project_root
    from wai_ops.control.decisions.log import FOLDER_NAME, DecisionLog
    from wai_ops.control.gate import Gate
    from wai_ops.control.policy.registry import load_registry
    from wai_ops.core.ids import uuid7
    from wai_ops.runtime.tools.build import build_caller
    from wai_ops.runtime.tools.calling import ToolCall
    from wai_ops.runtime.tools.doorman import Place
    from wai_ops.runtime.tools.repeats import Repeats
    from wai_ops.state.live import LiveState

    require_policies(context)
    settings = context.settings
    toolbox = toolbox_of(context, [name], folder)
    registry = load_registry(
        policy_folder(settings, context.cwd), project_root(settings, context.cwd)
    )
    names: dict[str, Any] = {
        "tenant": tenant or settings.defaults.tenant,
        "workflow": workflow or settings.defaults.workflow,
    }
    keeper = surroundings_of(context).keeper
    keeper.refuse_names(names)
    place = Place(
        **names,
        conversation_id=None,
        turn_index=None,
        run_id=uuid7(context.clock.now()),
        model=None,
        risk_tier=_tier(risk_tier, registry, names["workflow"]),
        data_classes=data_classes,
        justification="wai tools call",
    )
    with LiveState.open(settings.state_dir, clock=context.clock) as live:
        log = DecisionLog(settings.state_dir / FOLDER_NAME, context.clock)
        gate = Gate(
            registry,
            log,
            live,
            clock=context.clock,
            actor=actor_of(context.environ),
            credential_id=None,
            keeper=keeper,
        )
        caller = build_caller(
            toolbox,
            gate=gate,
            registry=registry,
            live=live,
            settings=settings,
            keeper=keeper,
            clock=context.clock,
            environ=context.environ,
            approver=approver_of(context),
        )
        try:
            tool = next(iter(toolbox.tools.values()))
            call = ToolCall(call_id=place.run_id or "", name=tool.wire_name, arguments=arguments)
            return caller.call(call, place, Repeats())
        finally:
            caller.close()


def _tier(given: str | None, registry: Any, workflow: str) -> Any:
    from wai_ops.control.policy.action import RiskTier
    from wai_ops.core.errors import UsageError

    if given is not None:
        try:
            return RiskTier(given)
        except ValueError as error:
            raise UsageError(f"--risk {given}: there are low, medium and high") from error
    policy = registry.workflow(workflow)
    return RiskTier.LOW if policy is None else policy.default_risk
