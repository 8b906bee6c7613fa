"""`wai doctor` as a function: every check, every outcome, and always an end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.facts import ManualClock
from support.fake_api import ACCOUNT, Answer, FakeApi, Seen, refusal, result
from wai_ops.config.connection import Connection, cloudflare_connection
from wai_ops.config.credentials import Role
from wai_ops.config.load import default_origins, load_settings
from wai_ops.config.settings import Settings
from wai_ops.core.errors import UsageError
from wai_ops.core.table import Table, Verdict
from wai_ops.observe.doctor.rows import CheckRow, Status
from wai_ops.observe.doctor.run import run_doctor

BASE = f"/accounts/{ACCOUNT}"
VERIFY = "GET /user/tokens/verify"
SEARCH = f"GET {BASE}/ai/models/search"
GATEWAY = f"GET {BASE}/ai-gateway/gateways/default"
LOGS = f"{GATEWAY}/logs"
TELEMETRY = f"POST {BASE}/workers/observability/telemetry/query"
SCOPE_CALLS = [
    f"GET {BASE}/ai-gateway/gateways",
    f"GET {BASE}/workers/scripts",
    f"GET {BASE}/storage/kv/namespaces",
    f"GET {BASE}/logpush/jobs",
]
ABSENT = f"POST {BASE}/ai/run/@cf/wai/no-such-model"
BOTH = {"CLOUDFLARE_API_TOKEN": "runtime-t", "WAI_OPERATOR_TOKEN": "operator-t"}
NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def healthy(api: FakeApi) -> FakeApi:
    """An account where everything is as it should be."""
    api.clock = lambda: NOW
    api.routes |= {
        VERIFY: result({"status": "active"}),
        SEARCH: result([{"name": "@cf/a/b"}]),
        GATEWAY: result({"id": "default", "collect_logs": True}),
        LOGS: only_the_operator(result([{"id": "1"}], total_count=12)),
        TELEMETRY: result({"events": {"count": 0}}),
        ABSENT: refusal(403, 10000, "no"),
    }
    api.routes |= dict.fromkeys(SCOPE_CALLS, refusal(403, 10000, "no"))
    return api


def only_the_operator(answer: Answer) -> Callable[[Seen], Answer]:
    """Refuse everybody else."""

    def answered(seen: Seen) -> Answer:
        is_operator = seen.headers["authorization"] == "Bearer operator-t"
        return answer if is_operator else refusal(403, 10000, "no")

    return answered


def diagnose(
    api: FakeApi,
    tmp_path: Path,
    environ: dict[str, str],
    *,
    clock: ManualClock | None = None,
    budget_s: float = 20,
) -> Table[CheckRow]:
    settings = Settings(
        account_id=ACCOUNT,
        base_url=api.base_url,
        state_dir=tmp_path / "state",
        origins=default_origins(Settings()),
    )

    @contextmanager
    def connect(role: Role) -> Iterator[Connection]:
        yield cloudflare_connection(settings, environ, role=role)

    return run_doctor(
        load=lambda: settings,
        environ=environ,
        clock=clock or ManualClock(NOW),
        connect=connect,
        is_local=False,
        budget_s=budget_s,
    )


def never_connect(_role: Role) -> AbstractContextManager[Connection]:
    raise AssertionError("there is nothing to connect with")


def told(table: Table[CheckRow]) -> dict[str, tuple[str, str]]:
    return {row.check: (row.status.value, row.detail) for row in table.rows}


def test_a_healthy_account_passes_and_each_token_asks_only_for_its_own(
    healthy: FakeApi, tmp_path: Path
) -> None:
    table = diagnose(healthy, tmp_path, BOTH)
    assert told(table) == {
        "config": ("ok", "no wai.yaml found: defaults and environment"),
        "account id": ("ok", "default"),
        "runtime token": ("ok", "env CLOUDFLARE_API_TOKEN"),
        "operator token": ("ok", "env WAI_OPERATOR_TOKEN"),
        "runtime token verified": ("ok", "active (user token)"),
        "may read models": (
            "ok",
            "the catalogue answers; running a model is billed and not probed",
        ),
        "runtime token's policy": ("skipped", "not known: verification named no id to ask for"),
        "runtime token's reach, probed": (
            "ok",
            (
                "may not read gateways, read gateway logs, list Workers, list KV namespaces, list"
                " Logpush jobs (probable: refused)"
            ),
        ),
        "operator token verified": ("ok", "active (user token)"),
        "gateway default": ("ok", "exists"),
        "log system": ("ok", "the legacy log API answers; it has 12 rows"),
        "operator token's policy": ("skipped", "not known: verification named no id to ask for"),
        "operator token may not run models": (
            "ok",
            (
                "POST /accounts/{account}/ai/run/@cf/wai/no-such-model was refused (probable):"
                " HTTP 403, code 10000: no"
            ),
        ),
        "clock": ("ok", "within 5 s of the server's"),
        "live state": ("ok", "no live state yet: the first run creates it"),
        "ledger": ("ok", "no ledger yet: the first report makes it"),
    }
    assert table.verdict is Verdict.PASS
    asked = [
        (seen.headers["authorization"][7:], f"{seen.method} {seen.path}") for seen in healthy.seen
    ]
    assert asked == [
        ("runtime-t", VERIFY),
        ("runtime-t", SEARCH),
        ("runtime-t", SCOPE_CALLS[0]),
        ("runtime-t", LOGS),
        *(("runtime-t", call) for call in SCOPE_CALLS[1:]),
        ("operator-t", VERIFY),
        ("operator-t", GATEWAY),
        ("operator-t", LOGS),
        ("operator-t", TELEMETRY),
        ("operator-t", ABSENT),
    ]


def test_no_token_appears_anywhere_in_the_answer(healthy: FakeApi, tmp_path: Path) -> None:
    for code in (200, 401, 500):
        if code != 200:
            healthy.routes = dict.fromkeys(healthy.routes, refusal(code, 1, "no"))
        text = repr(diagnose(healthy, tmp_path, BOTH))
        assert "runtime-t" not in text
        assert "operator-t" not in text


def test_the_same_token_for_both_roles_is_a_failure(healthy: FakeApi, tmp_path: Path) -> None:
    same = dict.fromkeys(BOTH, "one-t")
    table = diagnose(healthy, tmp_path, same)
    assert told(table)["two roles"][0] == "failed"
    assert table.verdict is Verdict.FAIL


def test_a_refusal_that_passes_is_no_missing_permission(healthy: FakeApi, tmp_path: Path) -> None:
    answers = [refusal(403, 10000, "not yet"), result([])]
    healthy.routes[SEARCH] = lambda _seen: answers.pop(0)
    clock = ManualClock(NOW)
    table = diagnose(healthy, tmp_path, BOTH, clock=clock)
    assert told(table)["may read models"][0] == "ok"
    assert clock.elapsed == 1.0


def test_a_missing_permission_is_named_with_the_call_that_showed_it(
    healthy: FakeApi, tmp_path: Path
) -> None:
    healthy.routes[SEARCH] = refusal(401, 10000, "Authentication error")
    healthy.routes[GATEWAY] = refusal(403, 10000, "Authentication error")
    table = diagnose(healthy, tmp_path, BOTH)
    rows = {row.check: row for row in table.rows}
    models, gateway = rows["may read models"], rows["gateway default"]
    assert models.status is gateway.status is Status.FAILED
    assert models.detail == "HTTP 401, code 10000: Authentication error"
    assert models.next_step == "add the permission Workers AI: Read to the token"
    assert gateway.next_step == "add the permission AI Gateway: Read to the token"
    assert table.verdict is Verdict.FAIL
    assert healthy.calls().count(SEARCH) == 2


def test_without_an_operator_token_the_gateway_is_asked_with_the_runtime_token(
    healthy: FakeApi, tmp_path: Path
) -> None:
    runtime = {"CLOUDFLARE_API_TOKEN": "runtime-t"}
    table = diagnose(healthy, tmp_path, runtime)
    assert told(table)["gateway default"][0] == "ok"
    assert told(table)["operator token"][0] == "skipped"
    assert table.verdict is Verdict.PASS
    healthy.routes[GATEWAY] = healthy.routes[LOGS] = refusal(403, 10000, "no")
    healthy.routes[TELEMETRY] = refusal(403, 10000, "no")
    table = diagnose(healthy, tmp_path, runtime)
    assert told(table)["gateway default"] == ("skipped", "the runtime token may not read gateways")
    assert told(table)["log system"] == ("skipped", "the runtime token may not read gateways")
    assert table.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("answer", "status", "detail"),
    [
        (result({"status": "disabled"}), "failed", "disabled (user token)"),
        (
            result({"status": "active", "expires_on": "2027-01-04T00:00:00Z"}),
            "warning",
            "active (user token), expires 2027-01-04",
        ),
        (
            result({"status": "active", "expires_on": "2028-01-01T00:00:00Z"}),
            "ok",
            "active (user token), expires 2028-01-01",
        ),
        (result(None), "failed", "unknown (user token)"),
        (
            refusal(401, 1000, "Invalid API Token"),
            "failed",
            "not accepted: HTTP 401, code 1000: Invalid API Token",
        ),
    ],
)
def test_what_verification_says_of_a_token(
    healthy: FakeApi, tmp_path: Path, answer: Answer, status: str, detail: str
) -> None:
    healthy.routes[VERIFY] = answer
    table = diagnose(healthy, tmp_path, BOTH)
    assert told(table)["runtime token verified"] == (status, detail)


NO = refusal(403, 10000, "no")
GONE = refusal(410, 7000, "moved")


@pytest.mark.parametrize(
    ("legacy", "newer", "status", "part"),
    [
        (result([{}], total_count=3), result({}), "ok", "legacy log API answers; it has 3 rows"),
        (result([], total_count=0), result({}), "ok", "may be on either"),
        (result([], total_count=0), NO, "ok", "legacy log API answers; it has no rows yet"),
        (GONE, result({}), "ok", "Workers Observability answers; the legacy log API does not"),
        (NO, result({}), "ok", "Workers Observability answers"),
        (NO, NO, "failed", "HTTP 403"),
        (GONE, GONE, "warning", "neither answers"),
    ],
)
def test_which_log_system_answers(
    healthy: FakeApi, tmp_path: Path, legacy: Answer, newer: Answer, status: str, part: str
) -> None:
    healthy.routes |= {LOGS: legacy, TELEMETRY: newer}
    found = told(diagnose(healthy, tmp_path, BOTH))["log system"]
    assert found[0] == status
    assert part in found[1]


def test_a_gateway_that_is_missing_or_collects_nothing(healthy: FakeApi, tmp_path: Path) -> None:
    healthy.routes[GATEWAY] = result({"id": "default", "collect_logs": False})
    table = diagnose(healthy, tmp_path, BOTH)
    assert told(table)["gateway default"] == ("warning", "exists and collects no logs")
    del healthy.routes[GATEWAY]
    table = diagnose(healthy, tmp_path, BOTH)
    expected = ("ok", "does not exist yet: the first call creates it")
    assert told(table)["gateway default"] == expected
    assert told(table)["log system"][0] == "skipped"


def test_a_named_gateway_that_is_missing_fails_and_the_others_are_listed(
    healthy: FakeApi, tmp_path: Path
) -> None:
    healthy.routes[f"GET {BASE}/ai-gateway/gateways"] = result([{"id": "prod"}, {"id": "dev"}])
    settings = Settings(
        account_id=ACCOUNT,
        base_url=healthy.base_url,
        gateway="prdo",
        state_dir=tmp_path / "s",
        origins=default_origins(Settings()),
    )

    @contextmanager
    def connect(role: Role) -> Iterator[Connection]:
        yield cloudflare_connection(settings, BOTH, role=role)

    table = run_doctor(
        load=lambda: settings, environ=BOTH, clock=ManualClock(NOW), connect=connect, is_local=False
    )
    assert told(table)["gateway prdo"] == (
        "failed",
        "the account has no such gateway; it has: prod, dev",
    )


@pytest.mark.parametrize(
    ("skew_s", "status", "detail"),
    [
        (3, "ok", "within 5 s of the server's"),
        (30, "warning", "30 s behind the server's"),
        (-30, "warning", "30 s ahead of the server's"),
        (300, "failed", "300 s behind the server's"),
    ],
)
def test_a_clock_that_is_wrong_is_found(
    healthy: FakeApi, tmp_path: Path, skew_s: float, status: str, detail: str
) -> None:
    healthy.skew_s = skew_s
    assert told(diagnose(healthy, tmp_path, BOTH))["clock"] == (status, detail)


def test_a_server_that_fails_everything_is_rows_and_not_a_crash(
    healthy: FakeApi, tmp_path: Path
) -> None:
    healthy.routes = dict.fromkeys(healthy.routes, Answer(b"<html>oops</html>", 500))
    table = diagnose(healthy, tmp_path, BOTH)
    assert table.verdict is Verdict.FAIL
    assert told(table)["runtime token verified"] == ("failed", "not verified: HTTP 500")


def test_an_api_that_cannot_be_reached_is_one_row_a_token(tmp_path: Path) -> None:
    table = diagnose(FakeApi(base_url="http://127.0.0.1:9/client/v4"), tmp_path, BOTH)
    found = told(table)
    assert found["runtime: api"][0] == found["operator: api"][0] == "failed"
    assert "cannot be reached" in found["runtime: api"][1]
    assert found["clock"] == ("skipped", "no answer told its time")
    assert found["ledger"][0] == "ok"


def test_a_server_that_never_answers_does_not_hold_the_command(
    healthy: FakeApi, tmp_path: Path
) -> None:
    release = threading.Event()

    def stuck(_seen: Seen) -> Answer:
        release.wait(30)
        return result([])

    healthy.routes[VERIFY] = stuck
    try:
        table = diagnose(healthy, tmp_path, {"CLOUDFLARE_API_TOKEN": "t"}, budget_s=0.2)
    finally:
        release.set()
    found = told(table)
    assert found["api"] == ("failed", "the checks did not end within 0.2 s")
    assert found["live state"][0] == "ok"


def test_without_credentials_the_next_steps_are_named(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})

    table = run_doctor(
        load=lambda: settings,
        environ={},
        clock=ManualClock(NOW),
        connect=never_connect,
        is_local=False,
    )
    rows = {row.check: row for row in table.rows}
    assert rows["account id"].next_step == "set CLOUDFLARE_ACCOUNT_ID, or use --local"
    assert rows["runtime token"].next_step == (
        "set CLOUDFLARE_API_TOKEN to a token with Workers AI: Read, or use --local"
    )
    assert rows["api"].status is Status.SKIPPED
    assert table.verdict is Verdict.FAIL


def test_a_config_that_cannot_be_used_is_a_row_with_every_problem(tmp_path: Path) -> None:
    def broken() -> Settings:
        raise UsageError("wai.yaml:1:1: one\nwai.yaml:2:1: two")

    table = run_doctor(
        load=broken,
        environ={"WAI_GATWAY": "x"},
        clock=ManualClock(NOW),
        connect=never_connect,
        is_local=False,
    )
    found = told(table)
    assert found["config"] == ("failed", "wai.yaml:1:1: one; wai.yaml:2:1: two")
    assert found["environment"] == ("warning", "WAI_GATWAY means nothing to wai")
    assert {
        status for check, (status, _) in found.items() if check not in ("config", "environment")
    } == {"skipped"}


def test_a_credentials_file_that_others_can_read_fails_with_the_command(
    healthy: FakeApi, tmp_path: Path
) -> None:
    file = tmp_path / "c"
    file.write_text("CLOUDFLARE_API_TOKEN=t\n")
    file.chmod(0o644)
    settings = Settings(
        account_id=ACCOUNT,
        base_url=healthy.base_url,
        credentials_file=file,
        state_dir=tmp_path / "s",
        origins=default_origins(Settings()),
    )

    @contextmanager
    def connect(role: Role) -> Iterator[Connection]:
        yield cloudflare_connection(settings, {}, role=role)

    table = run_doctor(
        load=lambda: settings, environ={}, clock=ManualClock(NOW), connect=connect, is_local=False
    )
    (row,) = [row for row in table.rows if row.check == "credentials"]
    assert row.status is Status.FAILED
    assert row.next_step == f"chmod 600 {file}"
    assert healthy.seen == []


def test_damaged_local_data_is_found(healthy: FakeApi, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "state.sqlite").write_bytes(b"this is no database" * 100)
    (state / "ledger.duckdb").write_bytes(b"this is no database" * 100)
    found = told(diagnose(healthy, tmp_path, BOTH))
    assert found["live state"][0] == "failed"
    assert found["ledger"][0] == "failed"
