"""What the API says: tokens, permissions by probe, the gateway, the log system, the clock."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from wai_ops.cloudflare.api_errors import ApiAccessError, ApiError
from wai_ops.cloudflare.control import ControlPlane, TokenStatus, open_control_plane
from wai_ops.config.connection import Connection
from wai_ops.config.credentials import Role
from wai_ops.config.settings import Target
from wai_ops.core.clock import Clock
from wai_ops.core.errors import WaiError
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
from wai_ops.observe.doctor.scope import scope_checks

T = TypeVar("T")
RETRY_AFTER_S = 1.0
SKEW_WARNING_S = 5.0
SKEW_FAILURE_S = 60.0
EXPIRY_WARNING_DAYS = 7
AUTO_CREATED_GATEWAY = "default"
READ_GATEWAYS = "AI Gateway: Read"


def api_checks(connection: Connection, clock: Clock, *, is_reader: bool) -> Iterator[CheckRow]:
    """Check one token; with `is_reader`, the gateway and the logs as well.

    When nothing answers, that is one row and the end: more waiting would tell nothing new.
    """
    with open_control_plane(
        base_url=connection.base_url,
        account_id=connection.account_id,
        token=connection.token.reveal(),
        clock=clock,
        is_local=connection.target is Target.LOCAL,
    ) as api:
        checks = _Checks(api, connection, clock)
        try:
            yield checks.token()
            if connection.role is Role.RUNTIME:
                yield checks.catalogue()
            if is_reader:
                yield checks.gateway()
                yield checks.logs()
            yield from scope_checks(
                api,
                connection.role,
                checks.status,
                account_id=connection.account_id,
                gateway=connection.gateway,
            )
        except ApiError as error:
            yield from_error(f"{connection.role.value}: api", error)
        if is_reader:
            yield skew_row(api)


class _Checks:
    """The checks of one token. Only an ApiError that says `is_unreachable` leaves a method."""

    def __init__(self, api: ControlPlane, connection: Connection, clock: Clock) -> None:
        self._api = api
        self._connection = connection
        self._clock = clock
        self._has_gateway = True
        self.status: TokenStatus | None = None
        """What verification said; None: not asked, or refused."""

    def token(self) -> CheckRow:
        role = self._connection.role
        check = f"{role.value} token verified"
        step = f"make a new token and set {role.variable}"
        status, error = self._probe(self._api.verify_token)
        if isinstance(error, ApiAccessError):
            return failed(check, f"not accepted: {error.message}", step)
        if error is not None:
            return failed(check, f"not verified: {error.message}", error.hint)
        assert status is not None
        self.status = status
        detail = f"{status.status} ({status.owner} token)"
        if status.status != "active":
            return failed(check, detail, step)
        if status.expires_on is None:
            return ok(check, detail)
        detail += f", expires {status.expires_on:%Y-%m-%d}"
        if (status.expires_on - self._clock.now()).days < EXPIRY_WARNING_DAYS:
            return warning(check, detail, step)
        return ok(check, detail)

    def catalogue(self) -> CheckRow:
        check = "may read models"
        _, error = self._probe(lambda: self._api.catalogue_page(1, per_page=1))
        if error is None:
            return ok(check, "the catalogue answers; running a model is billed and not probed")
        if isinstance(error, ApiAccessError):
            step = "add the permission Workers AI: Read to the token"
            return failed(check, error.message, step)
        return from_error(check, error)

    def gateway(self) -> CheckRow:
        name = self._connection.gateway
        check = f"gateway {name}"
        gateway, error = self._probe(lambda: self._api.gateway(name))
        if error is not None:
            return self._refused(check, error)
        if gateway is None:
            self._has_gateway = False
            return self._no_gateway(check, name)
        if gateway.is_collecting_logs is False:
            step = "turn on Collect Logs in the gateway's settings, or costs stay unconfirmed"
            return warning(check, "exists and collects no logs", step)
        return ok(check, "exists")

    def _no_gateway(self, check: str, name: str) -> CheckRow:
        if name == AUTO_CREATED_GATEWAY:
            return ok(check, "does not exist yet: the first call creates it")
        gateways, error = self._probe(self._api.gateways)
        if gateways is None:
            others = f"unknown ({error and error.message})"
        else:
            others = ", ".join(gateway.id for gateway in gateways) or "none"
        step = "create it in the dashboard, or set gateway in wai.yaml"
        return failed(check, f"the account has no such gateway; it has: {others}", step)

    def logs(self) -> CheckRow:
        """Tell which of the two log systems answers; each needs a permission of its own."""
        check = "log system"
        if not self._has_gateway:
            return skipped(check, "there is no gateway yet", "ask again after the first call")
        rows, legacy = self._probe(lambda: self._api.count_legacy_logs(self._connection.gateway))
        _, newer = self._probe(lambda: self._api.probe_telemetry(self._clock.now()))
        if legacy is None and rows:
            return ok(check, f"the legacy log API answers; it has {rows} rows")
        if legacy is None and newer is None:
            detail = "both answer and the legacy one has no rows: the account may be on either"
            return ok(check, detail, "ask again after the first call")
        if legacy is None:
            return ok(check, "the legacy log API answers; it has no rows yet")
        if newer is None:
            detail = f"Workers Observability answers; the legacy log API does not: {legacy.message}"
            return ok(check, detail)
        if isinstance(legacy, ApiAccessError):
            return self._refused(check, legacy)
        step = "costs stay metered: no log row can confirm them"
        return warning(check, f"neither answers: {legacy.message}; {newer.message}", step)

    def _refused(self, check: str, error: WaiError) -> CheckRow:
        """The runtime token is not meant to read gateways; the operator token is."""
        if not isinstance(error, ApiAccessError):
            return from_error(check, error)
        if self._connection.role is Role.RUNTIME:
            step = f"set {Role.OPERATOR.variable} to a token with {READ_GATEWAYS}"
            return skipped(check, "the runtime token may not read gateways", step)
        return failed(check, error.message, f"add the permission {READ_GATEWAYS} to the token")

    def _probe(self, call: Callable[[], T]) -> tuple[T | None, WaiError | None]:
        """Call, and once more after a refusal: a new token is refused now and then at first."""
        for attempt in (1, 2):
            try:
                return call(), None
            except ApiAccessError as error:
                if attempt == 2:
                    return None, error
                self._clock.sleep(RETRY_AFTER_S)
            except ApiError as error:
                if error.is_unreachable:
                    raise
                return None, error
        raise AssertionError("the loop returns")


def skew_row(api: ControlPlane) -> CheckRow:
    """Compare this machine's clock with the server's Date headers."""
    if api.clock_skew is None:
        return skipped("clock", "no answer told its time")
    seconds = api.clock_skew.total_seconds()
    if abs(seconds) <= SKEW_WARNING_S:
        return ok("clock", f"within {SKEW_WARNING_S:g} s of the server's")
    side = "behind" if seconds > 0 else "ahead of"
    status = Status.FAILED if abs(seconds) > SKEW_FAILURE_S else Status.WARNING
    detail = f"{abs(seconds):.0f} s {side} the server's"
    return row("clock", status, detail, "set the clock by NTP: logs are matched by time")
