"""Tokens that may do more than their role needs: against the emulator's own permissions."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from support.cli import Wai
from support.emulator import Emulator
from support.facts import ManualClock
from support.fake_api import ACCOUNT, Answer, FakeApi, refusal, result
from support.traffic import truth_of
from wai_ops.cloudflare.control import TokenStatus, open_control_plane
from wai_ops.config.credentials import Role
from wai_ops.observe.doctor.rows import CheckRow
from wai_ops.observe.doctor.scope import scope_checks

NO = refusal(403, 10000, "no")
OWN = f"com.cloudflare.api.account.{ACCOUNT}"


def doctor(wai: Wai, emulator: Emulator, **tokens: str) -> dict[str, dict[str, Any]]:
    """Run it with these tokens of the emulator in place of the two variables'."""
    names = {"runtime": "CLOUDFLARE_API_TOKEN", "operator": "WAI_OPERATOR_TOKEN"}
    wai.environ.update(emulator.environ)
    wai.environ |= {names[role]: emulator.tokens[whose] for role, whose in tokens.items()}
    ran = wai("doctor", "--json")
    return {row["check"]: row for row in json.loads(ran.stdout)["rows"]}


def test_the_two_tokens_as_they_should_be_have_no_more_than_they_need(
    wai: Wai, session_emulator: Emulator
) -> None:
    rows = doctor(wai, session_emulator)
    assert rows["runtime token's policy"]["status"] == "ok"
    assert rows["runtime token's policy"]["detail"] == (
        "no more than its role needs: AI Gateway Run, Workers AI Edit, Workers AI Read"
        " (certain: GET /user/tokens/{token})"
    )
    assert rows["runtime token's reach, probed"]["status"] == "ok"
    assert rows["operator token's policy"]["status"] == "ok"
    assert rows["operator token may not run models"]["status"] == "ok"


def test_an_operator_token_as_the_runtime_token_is_named_call_by_call(
    wai: Wai, session_emulator: Emulator
) -> None:
    rows = doctor(wai, session_emulator, runtime="operator", operator="reader")
    policy = rows["runtime token's policy"]
    assert policy["status"] == "warning"
    assert policy["detail"].startswith(
        "more than its role needs: AI Gateway Metadata Read, AI Gateway Read, AI Gateway Write,"
    )
    for what, call, group in (
        ("read gateways", "/ai-gateway/gateways", "AI Gateway Metadata Read"),
        ("list Workers", "/workers/scripts", "Workers Scripts Read"),
        ("list KV namespaces", "/storage/kv/namespaces", "Workers KV Storage Read"),
        ("list Logpush jobs", "/logpush/jobs", "Logs Read"),
    ):
        row = rows[f"runtime token may {what}"]
        assert row["status"] == "warning"
        assert row["detail"] == (f"GET {call} answered (certain): its role has no use for that")
        assert row["next_step"] == f"take {group} from the token; keep it for WAI_OPERATOR_TOKEN"


def test_a_runtime_token_as_the_operator_token_is_seen_to_run_models_and_none_runs(
    wai: Wai, session_emulator: Emulator
) -> None:
    before = truth_of(session_emulator)["totals"]
    rows = doctor(wai, session_emulator, operator="runtime", runtime="reader")
    row = rows["operator token may run models"]
    assert row["status"] == "warning"
    assert "came as far as the model (certain)" in row["detail"]
    assert row["next_step"] == (
        "take Workers AI and AI Gateway Run from the token; keep them for CLOUDFLARE_API_TOKEN"
    )
    assert rows["operator token's policy"]["detail"].startswith(
        "more than its role needs: AI Gateway Run, Workers AI Edit"
    )
    after = truth_of(session_emulator)["totals"]
    assert (after["tokens_in"], after["cost_usd"]) == (before["tokens_in"], before["cost_usd"])


def test_one_token_for_both_roles_fails_the_doctor(wai: Wai, session_emulator: Emulator) -> None:
    rows = doctor(wai, session_emulator, operator="runtime")
    assert rows["two roles"]["status"] == "failed"
    assert wai("doctor").exit_code == 1


def asked(api: FakeApi, role: Role, *, token_id: str | None = "t1") -> dict[str, CheckRow]:
    status = TokenStatus(owner="user", status="active", expires_on=None, token_id=token_id)
    with open_control_plane(
        base_url=api.base_url,
        account_id=ACCOUNT,
        token="secret-t",
        clock=ManualClock(datetime(2027, 1, 1, tzinfo=UTC)),
        is_local=True,
    ) as control:
        found = scope_checks(control, role, status, account_id=ACCOUNT, gateway="default")
        return {row.check: row for row in found}


def policy(*groups: str, resources: tuple[str, ...] = (OWN,), effect: str = "allow") -> Answer:
    return result(
        {
            "policies": [
                {
                    "effect": effect,
                    "resources": dict.fromkeys(resources, "*"),
                    "permission_groups": [{"id": name[:4], "name": name} for name in groups],
                }
            ]
        }
    )


@pytest.mark.parametrize(
    ("role", "group"),
    [
        (Role.RUNTIME, "AI Gateway Read"),
        (Role.RUNTIME, "API Tokens Write"),
        (Role.OPERATOR, "Workers AI Write"),
        (Role.OPERATOR, "AI Gateway Run"),
        (Role.OPERATOR, "API Tokens Write"),
        (Role.OPERATOR, "DNS Write"),
    ],
)
def test_a_group_that_the_role_has_no_use_for_is_named(
    api: FakeApi, role: Role, group: str
) -> None:
    api.routes["GET /user/tokens/t1"] = policy("Workers AI Read", group)
    row = asked(api, role)[f"{role.value} token's policy"]
    assert row.status == "warning"
    assert row.detail == f"more than its role needs: {group} (certain: GET /user/tokens/{{token}})"


def test_a_token_for_every_account_reaches_too_far(api: FakeApi) -> None:
    everywhere = "com.cloudflare.api.account.*"
    api.routes["GET /user/tokens/t1"] = policy("Workers AI Read", resources=(OWN, everywhere))
    row = asked(api, Role.RUNTIME)["runtime token's reach"]
    assert row.status == "warning"
    assert row.detail.startswith(f"beyond this account: {everywhere} (certain")


@pytest.mark.parametrize(
    "answer",
    [
        NO,
        refusal(404, 7003, "no route"),
        refusal(500, 1, "oops"),
        result({"policies": "none"}),
        result(None),
        Answer(b"<html>", 200),
    ],
)
def test_a_policy_that_cannot_be_seen_is_unknown_and_never_fine(
    api: FakeApi, answer: Answer
) -> None:
    api.routes["GET /user/tokens/t1"] = answer
    row = asked(api, Role.RUNTIME)["runtime token's policy"]
    assert row.status == "skipped"
    assert row.detail.startswith("not known: GET /user/tokens/{token} says ")


def test_a_group_without_a_name_is_not_passed_over(api: FakeApi) -> None:
    api.routes["GET /user/tokens/t1"] = result(
        {"policies": [{"effect": "allow", "permission_groups": [{"id": "abc"}, "odd"]}]}
    )
    row = asked(api, Role.RUNTIME)["runtime token's policy"]
    assert row.status == "warning"
    assert "(unreadable), abc" in row.detail


def test_what_a_policy_denies_is_no_permission(api: FakeApi) -> None:
    api.routes["GET /user/tokens/t1"] = policy("DNS Write", effect="deny")
    assert asked(api, Role.RUNTIME)["runtime token's policy"].status == "ok"


def test_a_probe_that_neither_answers_nor_is_refused_is_unknown(api: FakeApi) -> None:
    rows = asked(api, Role.RUNTIME, token_id=None)
    (row,) = [row for check, row in rows.items() if check == "runtime token's reach, probed"]
    assert row.status == "skipped"
    assert "read gateways (HTTP 404, code 7003" in row.detail
    api.routes[f"POST /accounts/{ACCOUNT}/ai/run/@cf/wai/no-such-model"] = refusal(429, 1, "slow")
    row = asked(api, Role.OPERATOR)["operator token may not run models"]
    assert row.status == "skipped"
    assert row.detail.startswith("not known: ")


def test_a_token_that_is_not_active_is_asked_nothing(api: FakeApi) -> None:
    status = TokenStatus(owner="user", status="disabled", expires_on=None, token_id="t1")
    with open_control_plane(
        base_url=api.base_url,
        account_id=ACCOUNT,
        token="secret-t",
        clock=ManualClock(datetime(2027, 1, 1, tzinfo=UTC)),
        is_local=True,
    ) as control:
        around = {"account_id": ACCOUNT, "gateway": "default"}
        assert list(scope_checks(control, Role.RUNTIME, status, **around)) == []
        assert list(scope_checks(control, Role.OPERATOR, None, **around)) == []
    assert api.seen == []


@pytest.mark.parametrize("token_id", ["../../accounts", "a b", "x" * 65, "", None, 7])
def test_an_id_that_is_none_never_becomes_part_of_an_address(api: FakeApi, token_id: Any) -> None:
    api.routes["GET /user/tokens/verify"] = result({"status": "active", "id": token_id})
    with open_control_plane(
        base_url=api.base_url,
        account_id=ACCOUNT,
        token="secret-t",
        clock=ManualClock(datetime(2027, 1, 1, tzinfo=UTC)),
        is_local=True,
    ) as control:
        assert control.verify_token().token_id is None
