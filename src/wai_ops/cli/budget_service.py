"""From settings, credentials and the state folder to what budgets are planned and pushed with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from wai_ops.cli.context import AppContext
from wai_ops.cli.target import open_connection
from wai_ops.cloudflare.control import open_control_plane
from wai_ops.cloudflare.guards_api import GuardsApi
from wai_ops.config.connection import Connection
from wai_ops.config.credentials import Role
from wai_ops.config.governed import is_governed, policy_folder
from wai_ops.config.prices import load_price_book
from wai_ops.config.settings import Settings, Target
from wai_ops.control.budgets.compile import compile_budgets
from wai_ops.control.budgets.native import Compiled, Facts
from wai_ops.control.budgets.plan import Plan, make_plan
from wai_ops.control.budgets.remote import read_remote
from wai_ops.control.budgets.state_file import GatewayState, StateFile
from wai_ops.control.budgets.worst import worst_by_budget
from wai_ops.control.policy.action import RiskTier
from wai_ops.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """One gateway, as an operator reaches it."""

    api: GuardsApi
    connection: Connection
    account_id: str
    gateway_id: str


@contextmanager
def open_guards(app: AppContext, *, local: bool) -> Iterator[Guards]:
    """Open the gateway with the operator token; no other is looked for. Raises AccessError."""
    with (
        open_connection(app, role=Role.OPERATOR, local=local) as connection,
        open_control_plane(
            base_url=connection.base_url,
            account_id=connection.account_id,
            token=connection.token.reveal(),
            clock=app.clock,
            is_local=connection.target is Target.LOCAL,
        ) as plane,
    ):
        yield Guards(
            api=GuardsApi(plane, connection.gateway),
            connection=connection,
            account_id=connection.account_id,
            gateway_id=connection.gateway,
        )


def compiled_of(app: AppContext, *, needs_budgets: bool = True) -> Compiled:
    """What the budgets of `wai.yaml` come to. Raises UsageError without any."""
    settings = app.settings
    if needs_budgets and not settings.budgets and not settings.guards.model_allowlists:
        raise UsageError(
            "wai.yaml has no budgets",
            hint="add a section `budgets:`; see wai init, docs/budgets.md",
        )
    now = app.clock.now()
    worst = worst_by_budget(
        settings.budgets,
        load_price_book(settings),
        now,
        max_output_tokens=settings.defaults.max_output_tokens,
        default_model=settings.defaults.model,
    )
    return compile_budgets(
        settings.budgets,
        settings.guards,
        Facts(worst_request_usd=worst),
        _allowlists(settings, app),
    )


def plan_of(app: AppContext, guards: Guards, compiled: Compiled, state: GatewayState) -> Plan:
    """Read the gateway and compare."""
    remote = read_remote(guards.api, guards.gateway_id)
    return make_plan(
        compiled, remote, state.owned, account_id=guards.account_id, now=app.clock.now()
    )


def state_of(file: StateFile, guards: Guards) -> GatewayState:
    """What the state file knows of this gateway."""
    return file.get(guards.account_id, guards.gateway_id)


def envelopes_of(app: AppContext) -> dict[str, Decimal]:
    """Workflow -> the dollars that its policy's envelope allows a conversation."""
    if not is_governed(app.settings, app.cwd):
        return {}
    from wai_ops.control.policy.registry import load_registry

    folder = policy_folder(app.settings, app.cwd)
    found = {}
    for name, workflow in load_registry(folder, folder.parent).workflows.items():
        envelope = workflow.envelope
        if envelope is not None and envelope.per_conversation_usd is not None:
            found[name] = envelope.per_conversation_usd
    return found


def _allowlists(settings: Settings, app: AppContext) -> dict[str, tuple[str, ...]]:
    """Workflow -> the models that its policy allows in any tier."""
    if not settings.guards.model_allowlists or not is_governed(settings, app.cwd):
        return {}
    from wai_ops.control.policy.registry import load_registry

    folder = policy_folder(settings, app.cwd)
    registry = load_registry(folder, folder.parent)
    found: dict[str, tuple[str, ...]] = {}
    for policy in registry.policies:
        for name, workflow in policy.workflows.items():
            models = {model for tier in RiskTier for model in workflow.models.get(tier, ())}
            if models:
                found[name] = tuple(sorted(models))
    return found
