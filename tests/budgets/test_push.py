"""Pushing guards to a gateway over a socket: whole, stopped at any request, and beside others."""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stamina
from cloudflare.types.ai_gateway import (
    AIGatewayUpdateParams,
    DynamicRoutingCreateParams,
    DynamicRoutingCreateVersionParams,
)
from pydantic import TypeAdapter

from support.guards import CHEAP, MODEL, Gateway, budget
from wai_ops.cli.output import to_json_text
from wai_ops.cloudflare.api_errors import ApiError
from wai_ops.cloudflare.control import ControlPlane
from wai_ops.cloudflare.guards_api import GuardsApi
from wai_ops.config.budget_settings import (
    Alignment,
    BudgetScope,
    BudgetSettings,
    BudgetWindow,
    Enforcement,
    GuardSettings,
    LimitAction,
    ScopeKey,
    Unmatched,
)
from wai_ops.control.budgets.compile import compile_budgets
from wai_ops.control.budgets.native import Compiled, Kind, Ref
from wai_ops.control.budgets.plan import Plan, document_of, make_plan, plan_from_json
from wai_ops.control.budgets.push import Moved, Pushed, push
from wai_ops.control.budgets.remote import read_remote
from wai_ops.control.budgets.state_file import locked
from wai_ops.control.budgets.undo import NOTHING, as_before, last_push
from wai_ops.core.clock import SystemClock
from wai_ops.core.errors import DataError, DeniedError, RemoteError, UsageError

GUARDS = GuardSettings(unmatched=Unmatched.ALLOW)
CLOCK = SystemClock()
ACCOUNT = "a"
EVERY_FORM = {
    "acme": budget(scope=BudgetScope(tenant=("acme",)), per=(ScopeKey.WORKFLOW,)),
    "day": budget(alignment=Alignment.ROLLING, window=BudgetWindow.DAILY, per=(ScopeKey.TENANT,)),
    "shift": budget(
        action=LimitAction.DOWNSHIFT,
        downshift_to=CHEAP,
        window=BudgetWindow.HOURLY,
        scope=BudgetScope(model=(MODEL,)),
        per=(ScopeKey.WORKFLOW,),
    ),
}


class Quiet:
    """Remembers the steps."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)


class DiedError(Exception):
    """The process died."""


class CuttingPlane:
    """The real calls, until the process dies: before a request leaves, or before its answer."""

    def __init__(self, plane: ControlPlane, *, at: int, answer_is_lost: bool) -> None:
        self._plane = plane
        self._left = at
        self._answer_is_lost = answer_is_lost
        self.writes = 0

    def raw(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        if method == "GET" or path.endswith("/simulate"):
            return self._plane.raw(method, path, **options)
        self._left -= 1
        if self._left == 0 and not self._answer_is_lost:
            raise DiedError
        answer = self._plane.raw(method, path, **options)
        self.writes += 1
        if self._left == 0:
            raise DiedError
        return answer


def planned(gateway: Gateway, compiled: Compiled, folder: Path) -> Plan:
    with locked(folder) as file:
        state = file.get(ACCOUNT, gateway.gateway_id)
        remote = read_remote(gateway.api, gateway.gateway_id)
        return make_plan(compiled, remote, state.owned, account_id=ACCOUNT, now=CLOCK.now())


def pushed(
    gateway: Gateway,
    compiled: Compiled,
    folder: Path,
    *,
    api: GuardsApi | None = None,
    plan: Plan | None = None,
    accepts: bool = False,
) -> Pushed:
    plan = plan or planned(gateway, compiled, folder)
    with locked(folder) as file:
        return push(
            plan,
            api or gateway.api,
            file,
            decision_id="d",
            clock=CLOCK,
            watcher=Quiet(),
            accepts_default_deny=accepts,
        )


def compiled(budgets: dict[str, BudgetSettings], guards: GuardSettings = GUARDS) -> Compiled:
    return compile_budgets(budgets, guards)


def names(gateway: Gateway) -> dict[str, list[str]]:
    """What the gateway has, by the names of its objects."""
    remote = read_remote(gateway.api, gateway.gateway_id)
    return {
        "policies": sorted(policy.name for policy in remote.policies if policy.committed),
        "rules": sorted(str(rule["id"]) for rule in remote.spend_rules),
        "routes": sorted(route.name for route in remote.routes),
    }


def test_a_plan_after_a_push_is_empty(gateway: Gateway, tmp_path: Path) -> None:
    """Policies, spend rules and routes, each as it was meant."""
    mine = compiled(EVERY_FORM)
    assert len(planned(gateway, mine, tmp_path).changes) == 4
    done = pushed(gateway, mine, tmp_path)
    assert done.left == ()
    assert names(gateway) == {
        "policies": ["wai-acme", "wai-everything-else"],
        "rules": ["wai-day"],
        "routes": ["wai-shift"],
    }
    assert planned(gateway, mine, tmp_path).is_empty
    assert pushed(gateway, mine, tmp_path).changes == ()


def test_a_changed_budget_changes_its_object_in_place(gateway: Gateway, tmp_path: Path) -> None:
    """No moment without the guard: nothing is deleted and made anew."""
    pushed(gateway, compiled(EVERY_FORM), tmp_path)
    before = {p.name: p.id for p in read_remote(gateway.api, "default").policies}
    more = {name: budget(**_of(item, limit_usd=Decimal(9))) for name, item in EVERY_FORM.items()}
    plan = planned(gateway, compiled(more), tmp_path)
    assert {change.op.value for change in plan.changes} == {"update"}
    assert pushed(gateway, compiled(more), tmp_path).left == ()
    after = read_remote(gateway.api, "default")
    assert {p.name: p.id for p in after.policies} == before
    assert [rule["limit"] for rule in after.spend_rules] == [9]


def _of(item: BudgetSettings, **changes: Any) -> dict[str, Any]:
    fields = ("window", "alignment", "scope", "per", "action", "downshift_to")
    return {name: getattr(item, name) for name in fields} | changes


def test_a_gateway_that_moved_is_not_written_to(gateway: Gateway, tmp_path: Path) -> None:
    """A plan that was saved holds for what it was made of."""
    mine = compiled(EVERY_FORM)
    plan = planned(gateway, mine, tmp_path)
    gateway.put({"cache_ttl": 7})
    with pytest.raises(Moved, match="has changed since the plan was made"):
        pushed(gateway, mine, tmp_path, plan=plan)
    assert names(gateway) == {"policies": [], "rules": [], "routes": []}


def test_an_edit_during_the_push_is_never_overwritten(gateway: Gateway, tmp_path: Path) -> None:
    """Between the policies and the settings somebody else writes the gateway."""

    class Meddler(GuardsApi):
        def commit_policies(self) -> Any:
            result = super().commit_policies()
            gateway.put({"cache_ttl": 11})
            return result

    mine = compiled(EVERY_FORM)
    meddler = Meddler(gateway.plane, gateway.gateway_id)
    with pytest.raises(Moved, match="during this push"):
        pushed(gateway, mine, tmp_path, api=meddler)
    assert gateway.settings()["cache_ttl"] == 11
    assert pushed(gateway, mine, tmp_path).left == ()
    assert gateway.settings()["cache_ttl"] == 11


def test_a_draft_of_others_during_the_push_is_never_committed(
    gateway: Gateway, tmp_path: Path
) -> None:
    """A commit takes every draft there is; ours go back, theirs stays a draft."""
    theirs = {
        "name": "theirs",
        "actor": "x",
        "resource": "*",
        "condition": "true",
        "action": {"type": "block"},
    }

    class Meddler(GuardsApi):
        def simulate(self, body: Any) -> dict[str, Any]:
            if not names_of_drafts(gateway) & {"theirs"}:
                gateway.request("POST", "/policies", theirs)
            return super().simulate(body)

    mine = compiled({"acme": EVERY_FORM["acme"]})
    with pytest.raises(Moved, match="staged a draft"):
        pushed(gateway, mine, tmp_path, api=Meddler(gateway.plane, gateway.gateway_id))
    assert names(gateway)["policies"] == []
    assert names_of_drafts(gateway) == {"theirs"}


def names_of_drafts(gateway: Gateway) -> set[str]:
    rows = gateway.request("GET", "/policies?includeStaging=true")["result"]
    return {row["name"] for row in rows if row.get("uncommitted")}


def test_the_first_policy_is_refused_until_somebody_accepts_what_it_does(
    gateway: Gateway, tmp_path: Path
) -> None:
    mine = compiled({"acme": EVERY_FORM["acme"]}, GuardSettings())
    with pytest.raises(DeniedError, match="every call"):
        pushed(gateway, mine, tmp_path)
    assert names(gateway)["policies"] == []
    assert pushed(gateway, mine, tmp_path, accepts=True).left == ()
    more = compiled({"acme": EVERY_FORM["acme"], "b": EVERY_FORM["acme"]}, GuardSettings())
    assert pushed(gateway, more, tmp_path).left == ()


@pytest.mark.parametrize("answer_is_lost", [False, True])
def test_a_push_that_dies_at_any_request_is_finished_by_the_next_plan(
    gateway: Gateway, tmp_path: Path, answer_is_lost: bool
) -> None:
    """Every writing request once; what is there is never taken for somebody else's."""
    first, second = compiled(EVERY_FORM), compiled({"day": budget(), "new": EVERY_FORM["day"]})
    stopped = 0
    for mine in (first, second, NOTHING):
        for at in range(1, 30):
            folder = tmp_path / "state"
            plane: Any = CuttingPlane(gateway.plane, at=at, answer_is_lost=answer_is_lost)
            api = GuardsApi(plane, gateway.gateway_id)
            try:
                pushed(gateway, mine, folder, api=api)
            except DiedError:
                stopped += 1
                plan = planned(gateway, mine, folder)
                assert plan.conflicts == ()
                assert pushed(gateway, mine, folder).left == ()
                assert planned(gateway, mine, folder).is_empty
                # Back to where this one began.
                back = NOTHING if mine is not second else first
                if mine is NOTHING:
                    back = second
                assert pushed(gateway, back, folder).left == ()
            else:
                break
        assert planned(gateway, mine, tmp_path / "state").is_empty
    assert stopped >= 12
    assert names(gateway) == {"policies": [], "rules": [], "routes": []}


def test_what_others_made_stays_byte_for_byte(gateway: Gateway, tmp_path: Path) -> None:
    """Settings, rules, policies and routes of others, through push and destroy."""
    rule = {"id": "theirs", "limit": 0.1, "limitType": "cost", "window": 60, "enabled": True}
    gateway.put({"spend_limits": {"enabled": True, "rules": [rule]}, "cache_ttl": 33})
    policy = {
        "name": "theirs",
        "actor": "x",
        "resource": "*",
        "condition": "true",
        "action": {"type": "no-limit"},
    }
    gateway.request("POST", "/policies?commit=true", policy)
    gateway.api.create_route("theirs", _elements())
    before = _foreign(gateway)
    pushed(gateway, compiled(EVERY_FORM), tmp_path)
    assert _foreign(gateway) == before
    pushed(gateway, NOTHING, tmp_path)
    assert _foreign(gateway) == before
    assert names(gateway) == {"policies": ["theirs"], "rules": ["theirs"], "routes": ["theirs"]}


def _elements() -> list[dict[str, Any]]:
    shift = compiled({"shift": EVERY_FORM["shift"]}).guards[0]
    elements: list[dict[str, Any]] = shift.body["elements"]
    return elements


def _foreign(gateway: Gateway) -> str:
    settings = gateway.settings()
    rules = settings.pop("spend_limits")["rules"]
    settings.pop("modified_at")
    policies = gateway.request("GET", "/policies")["result"]
    routes = gateway.request("GET", "/routes")["data"]["routes"]
    return json.dumps(
        [
            settings,
            [rule for rule in rules if rule["id"] == "theirs"],
            [policy for policy in policies if policy["name"] == "theirs"],
            [route for route in routes if route["name"] == "theirs"],
        ],
        sort_keys=True,
    )


def test_a_rollback_brings_back_what_was_before_the_last_push(
    gateway: Gateway, tmp_path: Path
) -> None:
    first = compiled(EVERY_FORM)
    pushed(gateway, first, tmp_path)
    pushed(gateway, compiled({"acme": budget(limit_usd=Decimal(1))}), tmp_path)
    with locked(tmp_path) as file:
        state = file.get(ACCOUNT, gateway.gateway_id)
    remote = read_remote(gateway.api, gateway.gateway_id)
    back = as_before(last_push(state), remote, state.owned)
    assert pushed(gateway, back, tmp_path).left == ()
    assert planned(gateway, first, tmp_path).is_empty


def test_a_draft_that_the_simulation_refutes_is_taken_back(
    gateway: Gateway, tmp_path: Path
) -> None:
    """A policy that frees the same budget makes a cap of ours no cap."""
    guard = compiled({"acme": budget()}).guards[0]
    free = {**guard.body, "name": "theirs", "action": {"type": "no-limit"}}
    gateway.request("POST", "/policies?commit=true", free)
    with pytest.raises(RemoteError, match="the whole limit is spent"):
        pushed(gateway, compiled({"acme": budget()}), tmp_path)
    staged = gateway.request("GET", "/policies?includeStaging=true")["result"]
    assert [policy["name"] for policy in staged] == ["theirs"]


def test_a_saved_plan_comes_back_whole_and_an_edited_one_not(
    gateway: Gateway, tmp_path: Path
) -> None:
    plan = planned(gateway, compiled(EVERY_FORM), tmp_path)
    data = json.loads(to_json_text(document_of(plan)))
    assert plan_from_json(data, where="plan.json").sha256 == plan.sha256
    data["changes"][0]["after"]["action"]["amount"] = 1000
    with pytest.raises(UsageError, match="was changed after it was made"):
        plan_from_json(data, where="plan.json")


def test_a_read_that_fails_for_a_moment_is_tried_again_and_a_write_is_not(
    gateway: Gateway, tmp_path: Path
) -> None:
    """Nobody knows what a write did that was not answered."""

    class Flaky:
        def __init__(self, plane: ControlPlane, method: str) -> None:
            self._plane, self._method = plane, method
            self.failed = 0

        def raw(self, method: str, path: str, **options: Any) -> dict[str, Any]:
            if method == self._method and self.failed < 2:
                self.failed += 1
                raise ApiError("HTTP 503", where=path, status=503)
            return self._plane.raw(method, path, **options)

    mine = compiled({"acme": EVERY_FORM["acme"]})
    with stamina.set_testing(True, attempts=3):
        reading: Any = Flaky(gateway.plane, "GET")
        assert GuardsApi(reading, gateway.gateway_id).gateway()["id"] == "default"
        assert reading.failed == 2
        writing: Any = Flaky(gateway.plane, "POST")
        with pytest.raises(ApiError):
            pushed(gateway, mine, tmp_path, api=GuardsApi(writing, gateway.gateway_id))
        assert writing.failed == 1


def test_two_pushes_never_run_at_once(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(DataError, match="another wai budget command"),
        locked(tmp_path),
    ):
        pass


def test_what_is_sent_passes_the_types_of_the_official_package(
    gateway: Gateway, tmp_path: Path
) -> None:
    """And names every field that the API requires; the dead billing endpoint is never called."""

    class Recording:
        def __init__(self, plane: ControlPlane) -> None:
            self._plane = plane
            self.sent: list[tuple[str, str, Any]] = []

        def raw(self, method: str, path: str, **options: Any) -> dict[str, Any]:
            self.sent.append((method, path, options.get("body")))
            return self._plane.raw(method, path, **options)

    gateway.put({"spend_limits": {"enabled": True, "rules": []}, "cache_ttl": 5})
    recording: Any = Recording(gateway.plane)
    forms = EVERY_FORM | {
        "rate": budget(enforce=(Enforcement.RATE_LIMIT,), window=BudgetWindow.HOURLY)
    }
    pushed(gateway, compiled(forms), tmp_path, api=GuardsApi(recording, gateway.gateway_id))
    more = {**forms, "shift": budget(**_of(EVERY_FORM["shift"], limit_usd=Decimal(2)))}
    pushed(gateway, compiled(more), tmp_path, api=GuardsApi(recording, gateway.gateway_id))
    kinds = _check_types(recording.sent)
    assert {"gateway", "route", "version"} <= kinds
    assert not any("billing" in path for _, path, _ in recording.sent)


def _check_types(sent: Sequence[tuple[str, str, Any]]) -> set[str]:
    found = set()
    for method, path, body in sent:
        if method == "PUT" and path.endswith("/gateways/default"):
            found.add("gateway")
            typed: Any = TypeAdapter(AIGatewayUpdateParams)
            typed.validate_python({"account_id": "a", **_known(body, AIGatewayUpdateParams)})
        elif method == "POST" and path.endswith("/routes"):
            found.add("route")
            TypeAdapter(DynamicRoutingCreateParams).validate_python({"account_id": "a", **body})
        elif method == "POST" and path.endswith("/versions"):
            found.add("version")
            extra = {"account_id": "a", "gateway_id": "default"}
            TypeAdapter(DynamicRoutingCreateVersionParams).validate_python({**extra, **body})
    return found


def _known(body: dict[str, Any], params: Any) -> dict[str, Any]:
    """What the package has a type for. A null that was read goes back as it was, which the API is
    known to take, though the package has nulls for some fields only.
    """
    return {
        name: value
        for name, value in body.items()
        if name in params.__annotations__ and value is not None
    }


def test_a_rate_limit_of_somebody_else_is_in_the_way(gateway: Gateway, tmp_path: Path) -> None:
    gateway.put({"rate_limiting_interval": 60, "rate_limiting_limit": 10})
    mine = Compiled(guards=())
    rate = Ref(Kind.RATE_LIMIT, "gateway")
    plan = planned(gateway, mine, tmp_path)
    assert plan.is_empty
    assert rate not in plan.missing
