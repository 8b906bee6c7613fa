"""Who may do what: three tokens, the permission groups of each, and the check of a request."""

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from wai_ops.emulator.errors import ApiError, not_authenticated, not_permitted


class Permission(StrEnum):
    """The provider's own names of permission groups."""

    WORKERS_AI_READ = "Workers AI Read"
    WORKERS_AI_EDIT = "Workers AI Edit"
    GATEWAY_RUN = "AI Gateway Run"
    GATEWAY_METADATA_READ = "AI Gateway Metadata Read"
    GATEWAY_READ = "AI Gateway Read"
    GATEWAY_WRITE = "AI Gateway Write"
    OBSERVABILITY_READ = "Workers Observability Read"
    ANALYTICS_READ = "Account Analytics Read"
    BILLING_READ = "Billing Read"
    KV_READ = "Workers KV Storage Read"
    KV_WRITE = "Workers KV Storage Write"
    SCRIPTS_READ = "Workers Scripts Read"
    SCRIPTS_WRITE = "Workers Scripts Write"
    LOGS_READ = "Logs Read"
    LOGS_WRITE = "Logs Write"
    SECRETS_STORE_WRITE = "Secrets Store Write"


GRANTS: Mapping[str, frozenset[Permission]] = {
    "runtime": frozenset(
        {Permission.WORKERS_AI_READ, Permission.WORKERS_AI_EDIT, Permission.GATEWAY_RUN}
    ),
    # Everything but to run models: those are two different credentials.
    "operator": frozenset(Permission) - {Permission.WORKERS_AI_EDIT, Permission.GATEWAY_RUN},
    "reader": frozenset(
        {
            Permission.WORKERS_AI_READ,
            Permission.GATEWAY_METADATA_READ,
            Permission.OBSERVABILITY_READ,
            Permission.ANALYTICS_READ,
            Permission.BILLING_READ,
        }
    ),
}
"""What each token holds."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a valid token."""

    role: str
    token_id: str
    permissions: frozenset[Permission]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The account and its tokens, the same for the life of a state folder."""

    account_id: str
    tokens: Mapping[str, str] = field(repr=False)
    """Role -> token."""
    token_ids: Mapping[str, str]
    """Role -> id, as token verification reports it."""

    def authenticate(self, authorization: bytes | None) -> Principal:
        """The principal of an Authorization header. Raises 401/10000."""
        scheme, _, token = (authorization or b"").partition(b" ")
        if scheme.lower() != b"bearer":
            raise not_authenticated()
        found = None
        for role, known in self.tokens.items():  # all of them, whichever matches
            if hmac.compare_digest(known.encode(), token.strip()):
                found = role
        if found is None:
            raise not_authenticated()
        return Principal(found, self.token_ids[found], GRANTS[found])

    def check(self, principal: Principal, permission: Permission | None, account_id: str) -> None:
        """Raise 403/10000 unless the principal holds `permission` (None: any) on that account."""
        if not hmac.compare_digest(account_id.encode(), self.account_id.encode()):
            raise not_permitted("the token has no access to this account")
        if permission is not None and permission not in principal.permissions:
            raise not_permitted(f"the {principal.role} token lacks {permission.value}")


def new_identity() -> Identity:
    """Make an account id and one token a role, from the system's random source."""
    return Identity(
        account_id=secrets.token_hex(16),
        tokens={role: f"local-{role}-{secrets.token_urlsafe(24)}" for role in GRANTS},
        token_ids={role: secrets.token_hex(16) for role in GRANTS},
    )


_LOOPBACK = re.compile(rb"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?\Z", re.IGNORECASE)
_LOOPBACK_ORIGIN = re.compile(
    rb"https?://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?\Z", re.IGNORECASE
)


def check_local(host: bytes | None, origin: bytes | None) -> None:
    """Refuse what a page in a browser could send here by DNS rebinding or across origins."""
    if host is None or not _LOOPBACK.match(host):
        raise ApiError(403, 10000, "The local emulator answers only to a loopback Host header")
    if origin is not None and not _LOOPBACK_ORIGIN.match(origin):
        raise ApiError(403, 10000, "The local emulator refuses requests of a foreign Origin")
