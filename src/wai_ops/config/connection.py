"""Where calls go and as whom: one value, made once a command, that checks its own address."""

from collections.abc import Mapping
from dataclasses import dataclass

from wai_ops.config.credentials import (
    Role,
    Secret,
    find_account,
    find_token,
)
from wai_ops.config.settings import Settings, Target
from wai_ops.config.urls import base_url_problem, is_foreign, is_loopback
from wai_ops.config.variables import ACCOUNT_VARIABLE
from wai_ops.core.errors import AccessError, UsageError

_TOKENS_PAGE = "https://dash.cloudflare.com/profile/api-tokens"
_URL_VARIABLES = {
    "base_url": ("CLOUDFLARE_BASE_URL", "WAI_BASE_URL"),
    "gateway_base_url": ("CLOUDFLARE_AI_GATEWAY_BASE_URL", "WAI_GATEWAY_BASE_URL"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """An account behind a base address, and the token of one role. Addresses end without a slash.

    `target` is `local` whenever the address is on this machine: nothing is billed there.
    """

    target: Target
    base_url: str
    gateway_base_url: str
    account_id: str
    gateway: str
    token: Secret
    role: Role

    def __post_init__(self) -> None:
        """Refuse to exist with an address that a token must not be sent to."""
        for url in (self.base_url, self.gateway_base_url):
            if problem := base_url_problem(url):
                raise UsageError(f"the base address {problem}")


def cloudflare_connection(
    settings: Settings, environ: Mapping[str, str], *, role: Role
) -> Connection:
    """The connection that settings and credentials describe.

    Raises AccessError that names all that is missing, and UsageError for an address on another
    host than Cloudflare's or this machine that the environment does not name itself.
    """
    for name, variables in _URL_VARIABLES.items():
        url = getattr(settings, name)
        # Checked here again, where the token goes out: settings may come from a file or a cache.
        if is_foreign(url) and url not in {environ.get(variable) for variable in variables}:
            raise UsageError(
                f"{name} names another host than Cloudflare's",
                hint=f"if it is right, set {variables[0]} in the environment",
            )
    account_id = settings.account_id
    if account_id is None:
        found = find_account(environ, settings.credentials_file)
        account_id = None if found is None else found[0]
    credential = find_token(role, environ, settings.credentials_file)
    missing = [
        name
        for name, value in ((ACCOUNT_VARIABLE, account_id), (role.variable, credential))
        if value is None
    ]
    if account_id is None or credential is None:
        verb = "is" if len(missing) == 1 else "are"
        raise AccessError(
            f"{' and '.join(missing)} {verb} not set",
            hint=f"set {' and '.join(missing)} (a token with {role.permissions}; {_TOKENS_PAGE}), "
            "or use --local, which needs no account",
        )
    return Connection(
        target=Target.LOCAL if is_loopback(settings.base_url) else Target.CLOUDFLARE,
        base_url=settings.base_url.rstrip("/"),
        gateway_base_url=settings.gateway_base_url.rstrip("/"),
        account_id=account_id,
        gateway=settings.gateway,
        token=credential.secret,
        role=role,
    )
