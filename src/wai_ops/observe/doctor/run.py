"""`wai doctor`: is everything there that a call needs, and if not, what is the next step?

Local facts come first and need no network. Remote checks run one by one on a thread that is given
up after a while, so that the command always ends; a permission is called missing only after a
second refusal, because a new token is refused now and then for its first minute.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from wai_ops.config.connection import Connection
from wai_ops.config.credentials import Credential, Role, find_account, find_token
from wai_ops.config.environment import unknown_variables
from wai_ops.config.settings import Settings, Target
from wai_ops.config.variables import ACCOUNT_VARIABLE
from wai_ops.core.clock import Clock
from wai_ops.core.errors import AccessError, UsageError, WaiError
from wai_ops.core.table import Table, Verdict
from wai_ops.observe.doctor.remote import api_checks
from wai_ops.observe.doctor.rows import (
    CheckRow,
    Status,
    failed,
    from_error,
    ok,
    row,
    skipped,
    warning,
)

if TYPE_CHECKING:
    from wai_ops.core.health import Health

REMOTE_BUDGET_S = 45.0
Connect = Callable[[Role], AbstractContextManager[Connection]]


def run_doctor(
    *,
    load: Callable[[], Settings],
    environ: Mapping[str, str],
    clock: Clock,
    connect: Connect,
    is_local: bool,
    budget_s: float = REMOTE_BUDGET_S,
) -> Table[CheckRow]:
    """Run every check. Never raises WaiError: what goes wrong is a row."""
    rows = [*_environment(environ)]
    try:
        settings = load()
    except UsageError as error:
        rows.insert(0, from_error("config", error))
        rows += [
            skipped(check, "the configuration cannot be used")
            for check in ("credentials", "api", "live state", "ledger")
        ]
        return _table(rows)
    rows.insert(0, _config(settings))
    is_local = is_local or settings.target is Target.LOCAL
    if not is_local:
        rows += _credentials(settings, environ)
    rows += _remote(settings, environ, connect, clock, is_local=is_local, budget_s=budget_s)
    rows += _local_data(settings.state_dir)
    return _table(rows)


def _table(rows: list[CheckRow]) -> Table[CheckRow]:
    found = {row.status for row in rows}
    verdict = Verdict.WARN if Status.WARNING in found else Verdict.PASS
    return Table(
        row_type=CheckRow,
        rows=rows,
        verdict=Verdict.FAIL if Status.FAILED in found else verdict,
    )


# Local facts


def _config(settings: Settings) -> CheckRow:
    if settings.config_file is not None:
        return ok("config", str(settings.config_file))
    return ok("config", "no wai.yaml found: defaults and environment", "wai init")


def _environment(environ: Mapping[str, str]) -> Iterator[CheckRow]:
    for name, near in unknown_variables(environ):
        advice = f"did you mean {near}?" if near else "remove it; see: wai config show"
        yield warning("environment", f"{name} means nothing to wai", advice)


def _credentials(settings: Settings, environ: Mapping[str, str]) -> Iterator[CheckRow]:
    file = settings.credentials_file
    try:
        account = settings.account_id or find_account(environ, file)
        found = {role: find_token(role, environ, file) for role in Role}
    except AccessError as error:
        yield from_error("credentials", error)
        return
    if account is None:
        yield failed("account id", "not set", f"set {ACCOUNT_VARIABLE}, or use --local")
    else:
        origin = settings.origins.get("account_id", "default")
        yield ok("account id", origin if settings.account_id else account[1])
    for role in Role:
        yield _token_row(role, found[role])
    runtime, operator = found[Role.RUNTIME], found[Role.OPERATOR]
    if runtime is not None and operator is not None and runtime.secret == operator.secret:
        yield failed(
            "two roles",
            "the runtime and the operator token are the same: whoever runs models may change"
            " gateways",
            "make a token that may only run models, and use it as CLOUDFLARE_API_TOKEN",
        )


def _token_row(role: Role, credential: Credential | None) -> CheckRow:
    check = f"{role.value} token"
    if credential is not None:
        return ok(check, credential.origin)
    step = f"set {role.variable} to a token with {role.permissions}"
    if role is Role.OPERATOR:
        return skipped(check, "not set: commands that change gateways will refuse", step)
    return failed(check, "not set", f"{step}, or use --local")


def _local_data(state_dir: Path) -> Iterator[CheckRow]:
    from wai_ops.observe.ledger.health import check_health as check_ledger
    from wai_ops.state.live import check_health as check_live_state

    checks: dict[str, Callable[[Path], Health]] = {
        "live state": check_live_state,
        "ledger": check_ledger,
    }
    for name, check in checks.items():
        try:
            health = check(state_dir)
        except WaiError as error:
            yield from_error(name, error)
        else:
            yield row(name, Status(health.status), health.detail, health.hint)


# Remote facts


def _remote(
    settings: Settings,
    environ: Mapping[str, str],
    connect: Connect,
    clock: Clock,
    *,
    is_local: bool,
    budget_s: float,
) -> Iterator[CheckRow]:
    roles = [role for role in Role if is_local or _can_connect(role, settings, environ)]
    if not roles:
        yield skipped("api", "there is no account id and token to ask with")
        return
    reader = Role.OPERATOR if Role.OPERATOR in roles else Role.RUNTIME
    for role in roles:
        try:
            with connect(role) as connection:
                checks = api_checks(connection, clock, is_reader=role is reader)
                yield from _within(budget_s / len(roles), checks)
        except WaiError as error:
            yield from_error(f"{role.value} connection", error)


def _can_connect(role: Role, settings: Settings, environ: Mapping[str, str]) -> bool:
    file = settings.credentials_file
    try:
        account = settings.account_id or find_account(environ, file)
        return account is not None and find_token(role, environ, file) is not None
    except AccessError:
        return False  # the row about credentials says why


def _within(budget_s: float, rows: Iterator[CheckRow]) -> list[CheckRow]:
    """Take rows for at most `budget_s` seconds; then the thread is left to itself."""
    found: list[CheckRow] = []
    errors: list[BaseException] = []

    def take() -> None:
        try:
            for item in rows:
                found.append(item)  # noqa: PERF402 - each is kept the moment it is there
        except BaseException as error:  # noqa: BLE001 - carried to the other thread
            errors.append(error)

    thread = threading.Thread(target=take, daemon=True, name="wai-doctor")
    thread.start()
    thread.join(budget_s)
    if thread.is_alive():
        late = failed("api", f"the checks did not end within {budget_s:g} s", "try again later")
        return [*found, late]
    if errors:
        raise errors[0]
    return found
