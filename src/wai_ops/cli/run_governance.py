"""From the project's policies and the flags of a command to what governs its runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wai_ops.cli.context import AppContext
from wai_ops.config.credentials import Role
from wai_ops.config.governed import is_governed, policy_folder, project_root
from wai_ops.core.errors import UsageError

if TYPE_CHECKING:
    from wai_ops.control.gate import Gate
    from wai_ops.control.policy.registry import Registry
    from wai_ops.runtime.governed import Governance, Rules
    from wai_ops.runtime.keeping import Keeper
    from wai_ops.state.live import LiveState

NOT_GIVEN = "not given"
DEFAULT_WAIT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the flags say about a run's policy."""

    risk: str | None = None
    justification: str | None = None
    data: Sequence[str] = ()
    wait_s: float = DEFAULT_WAIT_S

    @property
    def named(self) -> list[str]:
        """The flags that mean nothing without policies."""
        flags = {"--risk": self.risk, "--justification": self.justification, "--data": self.data}
        return [name for name, value in flags.items() if value]


def registry_of(context: AppContext, said: Said) -> "Rules | None":
    """What decides about runs; None: nothing does. Raises UsageError for a broken file.

    Policies, or where there are none, budgets of `wai.yaml` that `wai` holds itself.
    """
    found = policies_of(context)
    if found is not None:
        return found
    if said.named:
        from wai_ops.cli import diagnostics

        names = " and ".join(said.named)
        diagnostics.note(f"the project has no policies, so that {names} changes nothing")
    if not context.settings.budgets:
        return None
    from wai_ops.control.budgets.local import held_locally
    from wai_ops.control.budgets.unpoliced import Unpoliced

    return Unpoliced() if held_locally(context.settings.budgets) else None


def policies_of(context: AppContext) -> "Registry | None":
    """The policies of the project; None: it has none. Raises UsageError for a broken file."""
    if not is_governed(context.settings, context.cwd):
        return None
    from wai_ops.control.policy.registry import load_registry

    root = project_root(context.settings, context.cwd)
    return load_registry(policy_folder(context.settings, context.cwd), root)


def governance_of(
    context: AppContext,
    registry: "Rules",
    said: Said,
    *,
    live: "LiveState",
    keeper: "Keeper",
    token: str,
) -> "Governance":
    """What governs the runs of this command, with its gate. Raises UsageError."""
    from wai_ops.cli.actor import actor_of, credential_id_of
    from wai_ops.control.decisions.log import FOLDER_NAME, DecisionLog
    from wai_ops.control.gate import Gate

    gate = Gate(
        registry,
        DecisionLog(context.settings.state_dir / FOLDER_NAME, context.clock),
        live,
        clock=context.clock,
        actor=actor_of(context.environ),
        credential_id=credential_id_of(context, Role.RUNTIME, token),
        keeper=keeper,
    )
    return _governance(context, registry, said, gate)


def dry_governance(context: AppContext, registry: "Rules", said: Said) -> "Governance":
    """The same for a command that sends and records nothing."""
    return _governance(context, registry, said, None)


def _governance(
    context: AppContext, registry: "Rules", said: Said, gate: "Gate | None"
) -> "Governance":
    from wai_ops.control.budgets.local import local_budgets
    from wai_ops.control.policy.action import RiskTier
    from wai_ops.runtime.governed import Governance, no_budgets

    settings = context.settings
    try:
        tier = None if said.risk is None else RiskTier(said.risk)
    except ValueError as error:
        raise UsageError(f"--risk {said.risk!r} is none of low, medium, high") from error
    return Governance(
        registry=registry,
        gate=gate,
        justification=said.justification or NOT_GIVEN,
        risk_tier=tier,
        data_classes=frozenset(said.data),
        wait_s=said.wait_s,
        budgets=local_budgets(settings.budgets) if settings.budgets else no_budgets,
        budget_places={
            name: settings.origins.get(f"budgets.{name}", "") for name in settings.budgets
        },
    )
