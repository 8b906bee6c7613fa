"""What a token's own policy says that it may do, where the API lets the token see that."""

from dataclasses import dataclass
from typing import Any

from wai_ops.cloudflare.api_errors import ApiError
from wai_ops.cloudflare.control import ControlPlane, TokenStatus
from wai_ops.core.text import one_line

_ACCOUNT_SCOPE = "com.cloudflare.api.account"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPolicy:
    """The permission groups that the token holds, and what they hold for."""

    groups: tuple[str, ...]
    """By name, sorted."""
    resources: tuple[str, ...]
    """As the API names them: `com.cloudflare.api.account.<id>`, with `*` for all."""

    def reaches_beyond(self, account_id: str) -> tuple[str, ...]:
        """The resources that are not the account itself or a part of it."""
        own = f"{_ACCOUNT_SCOPE}.{account_id}"
        return tuple(
            name for name in self.resources if name != own and not name.startswith(f"{own}.")
        )


def policy_address(status: TokenStatus) -> str | None:
    """The address of the token's own description; None when its id is not known."""
    if status.token_id is None:
        return None
    base = "/user/tokens" if status.owner == "user" else "/accounts/{account}/tokens"
    return f"{base}/{status.token_id}"


def read_token_policy(api: ControlPlane, address: str) -> TokenPolicy:
    """Ask for the token's own policy, which not every token may see.

    Raises ApiError, ApiAccessError.
    """
    found = api.get(address)
    policies = found.get("policies") if isinstance(found, dict) else None
    if not isinstance(policies, list):
        raise ApiError("the answer names no policies", where=f"GET {address}")
    groups: set[str] = set()
    resources: set[str] = set()
    for policy in policies:
        if not isinstance(policy, dict) or policy.get("effect") != "allow":
            continue
        groups |= {_text(item) for item in _items(policy.get("permission_groups"))}
        named = policy.get("resources")
        resources |= {
            one_line(str(name), 120) for name in (named if isinstance(named, dict) else ())
        }
    return TokenPolicy(groups=tuple(sorted(groups)), resources=tuple(sorted(resources)))


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(group: Any) -> str:
    """The group's name; its id where it has none: an unknown group must not be passed over."""
    if not isinstance(group, dict):
        return "(unreadable)"
    return one_line(str(group.get("name") or group.get("id") or "(unnamed)"), 80)
