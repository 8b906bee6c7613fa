"""WG008 to WG013, WG019 to WG022: models, tests, versions and the project around."""

from collections.abc import Iterator

from wai_ops.control.policy.action import Action, ActionKind, Mode, RiskTier
from wai_ops.control.policy.asking import TENANT
from wai_ops.control.policy.compiled import Place, WorkflowPolicy
from wai_ops.control.policy.lint.look import Look, found
from wai_ops.control.policy.model import Approval
from wai_ops.core.findings import Finding, Level, Rule

UNKNOWN_MODEL = Rule(
    id="WG008",
    name="unknown-model",
    level=Level.ERROR,
    why="The price book does not know the model: the name may be misspelled, and without a price "
    "no budget can hold.",
    fix="Correct the id, or fetch the catalogue: wai models sync.",
)
RETIRED_MODEL = Rule(
    id="WG009",
    name="retired-model",
    level=Level.WARNING,
    why="The model is retired, or soon will be: calls fail, or another one answers.",
    fix="Name a model that stays; wai models list shows them.",
)
UNTESTED = Rule(
    id="WG010",
    name="untested-workflow",
    level=Level.WARNING,
    why="No table test is about the workflow: a change of its rules is seen by nobody.",
    fix="Add tests to policies/tests/; see wai policy test.",
)
NO_MODEL = Rule(
    id="WG011",
    name="tier-without-model",
    level=Level.WARNING,
    why="Turns of this tier are allowed, and no model may serve them.",
    fix="Add models for the tier, or take it out of `risk`.",
)
SAME_VERSION = Rule(
    id="WG012",
    name="version-not-changed",
    level=Level.ERROR,
    why="The policy says something else than in the last commit, under the same policy_version: "
    "records of both are told apart by their digest only.",
    fix="Raise policy_version: the date, or the number behind it.",
)
OBSERVE = Rule(
    id="WG013",
    name="observe-mode",
    level=Level.WARNING,
    why="In observe mode nothing is refused.",
    fix="Set `mode: enforce` once wai policy backtest shows what it would refuse.",
)
UNREAD = Rule(
    id="WG019",
    name="unread-file",
    level=Level.WARNING,
    why="Policies are the files directly in the folder: this one is not read by anything.",
    fix="Move it up, or out of the folder.",
)
EMPTY = Rule(
    id="WG020",
    name="no-workflow",
    level=Level.WARNING,
    why="The folder is there and allows nothing: every run of the project is denied.",
    fix="Write a policy: wai policy init.",
)
DEFAULTS = Rule(
    id="WG021",
    name="defaults-denied",
    level=Level.NOTE,
    why="A run without flags uses the workflow and the model of wai.yaml, and is denied.",
    fix="Allow the model for the workflow, or change `defaults` in wai.yaml.",
)
NO_ASKING = Rule(
    id="WG022",
    name="approver-unused",
    level=Level.NOTE,
    why="The workflow names approvers, and no rule asks for an approval.",
    fix="Set `approval` on the rules that need one, or leave `approvers` out.",
)
RULES = (
    *(UNKNOWN_MODEL, RETIRED_MODEL, UNTESTED, NO_MODEL, SAME_VERSION, OBSERVE),
    *(UNREAD, EMPTY, DEFAULTS, NO_ASKING),
)
_SOON_DAYS = 60


def check_workflows(look: Look) -> Iterator[Finding]:
    """Look at every workflow as a whole."""
    tested = {test.workflow for test in look.tests}
    for policy in look.workflows:
        yield from _models(look, policy)
        for tier in RiskTier:
            if tier in policy.risk and policy.models and not policy.models.get(tier):
                place = policy.places["models"]
                yield found(NO_MODEL, place, f"{policy.name}: no model for tier {tier}")
        if policy.name not in tested:
            text = f"no test is about workflow {policy.name}"
            yield found(UNTESTED, policy.where, text)
        asks = {rule.approval for rule in policy.tools} | {r.approval for r in policy.outbound}
        if policy.approvers and asks <= {Approval.NEVER}:
            text = f"{policy.name}: approvers are named, and nothing needs an approval"
            yield found(NO_ASKING, policy.where, text)


def _models(look: Look, policy: WorkflowPolicy) -> Iterator[Finding]:
    for tier, models in policy.models.items():
        place = policy.places[f"models.{tier.value}"]
        for model in models:
            yield from _model(look, place, model)


def _model(look: Look, place: Place, model: str) -> Iterator[Finding]:
    around = look.around
    known = around.prices.model(model, around.now)
    if known is None and around.prices.rates(model, around.now) is None:
        yield found(UNKNOWN_MODEL, place, f"{place.rule}: the price book does not know {model}")
    elif known is not None and known.retired_on is not None:
        days = (known.retired_on - around.now.date()).days
        if days <= _SOON_DAYS:
            when = "was retired on" if days <= 0 else "is retired on"
            text = f"{place.rule}: {model} {when} {known.retired_on:%Y-%m-%d}"
            yield found(RETIRED_MODEL, place, text)


def check_project(look: Look) -> Iterator[Finding]:
    """Look at the files, and at what the project around them says."""
    for file in look.unread:
        yield found(UNREAD, file, f"{file} is not read")
    if not look.registry.workflows:
        yield found(EMPTY, look.label, "no policy names a workflow")
    committed = look.around.committed
    before = {} if committed is None else {item.name: item for item in committed.policies}
    for policy in look.registry.policies:
        if policy.mode is Mode.OBSERVE:
            yield found(OBSERVE, policy.where("mode"), f"policy {policy.name} is in observe mode")
        old = before.get(policy.name)
        is_same = old is not None and old.declared_version == policy.declared_version
        if old is not None and is_same and old.policy_sha256 != policy.policy_sha256:
            text = f"policy {policy.name} has changed, and its version is still "
            yield found(
                SAME_VERSION, policy.where("policy_version"), text + policy.declared_version
            )
    yield from _defaults(look)


def _defaults(look: Look) -> Iterator[Finding]:
    around = look.around
    policy = look.registry.workflow(around.default_workflow)
    if not look.registry.workflows:
        return
    if policy is None:
        text = f"no policy names the default workflow {around.default_workflow}"
        yield found(DEFAULTS, look.label, text)
        return
    action = Action(
        kind=ActionKind.MODEL_CALL,
        tenant=TENANT,
        workflow=policy.name,
        risk_tier=policy.default_risk,
        model=around.default_model,
    )
    verdict = look.registry.decide(action)
    if policy.routing is None and not verdict.permits:
        text = f"the default model is denied for workflow {policy.name}: {verdict.reason}"
        yield found(DEFAULTS, verdict.where or policy.where, text)
