"""Base addresses: what counts as one, and which of them stay on this machine."""

import re

_BASE_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9._~-]+)*)/?\Z"
)
_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]")
FOREIGN_HOST = (
    "names another host than Cloudflare's; a file in a repository must not send your token "
    "elsewhere: if it is right, set it in the environment (CLOUDFLARE_BASE_URL, "
    "CLOUDFLARE_AI_GATEWAY_BASE_URL)"
)
CLOUDFLARE_HOSTS = frozenset({"api.cloudflare.com", "gateway.ai.cloudflare.com"})


def base_url_problem(text: str) -> str | None:
    """Say what is wrong with a base address; None when nothing is.

    The text itself is not repeated: an address may carry a password by mistake.
    """
    match = _BASE_URL.match(text)
    if match is None:
        return "must be a plain http(s) address: scheme, host, port and path, nothing else"
    if match["port"] is not None and not 0 < int(match["port"]) < 65536:
        return "has a port outside 1 to 65535"
    if match["scheme"] == "http" and not is_loopback(text):
        return "must be https: http is accepted for loopback only, because a token goes there"
    return None


def host_of(url: str) -> str:
    """The host in lower case, without the port; empty when `url` is no base address."""
    match = _BASE_URL.match(url)
    return "" if match is None else match["host"].lower()


def is_loopback(url: str) -> bool:
    """Say whether `url` stays on this machine."""
    return _LOOPBACK.fullmatch(host_of(url)) is not None


def is_foreign(url: str) -> bool:
    """Say whether `url` leaves this machine for another host than Cloudflare's API."""
    return not is_loopback(url) and host_of(url) not in CLOUDFLARE_HOSTS
