"""Where a running emulator is, and the file that tells other processes."""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
FILE_NAME = "endpoint.json"
_PROBE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Addresses and credentials of one running emulator."""

    base_url: str
    """`http://127.0.0.1:PORT/client/v4`."""
    gateway_base_url: str
    """`http://127.0.0.1:PORT/v1`."""
    account_id: str
    """32 hexadecimal digits."""
    gateway_id: str
    tokens: Mapping[str, str] = field(repr=False)
    """By role: `runtime`, `operator`, `reader`."""
    pid: int


def to_json(endpoint: Endpoint) -> dict[str, Any]:
    """The public form: what `serve --json` prints."""
    return {
        "base_url": endpoint.base_url,
        "gateway_base_url": endpoint.gateway_base_url,
        "account_id": endpoint.account_id,
        "gateway_id": endpoint.gateway_id,
        "tokens": dict(endpoint.tokens),
    }


def to_environ(endpoint: Endpoint) -> dict[str, str]:
    """The variables that point wai and other clients at an emulator."""
    return {
        "CLOUDFLARE_ACCOUNT_ID": endpoint.account_id,
        "CLOUDFLARE_API_TOKEN": endpoint.tokens["runtime"],
        "WAI_OPERATOR_TOKEN": endpoint.tokens["operator"],
        "CLOUDFLARE_BASE_URL": endpoint.base_url,
        "CLOUDFLARE_API_BASE_URL": endpoint.base_url,  # wrangler's name for the same
        "CLOUDFLARE_AI_GATEWAY_BASE_URL": endpoint.gateway_base_url,
        "WAI_GATEWAY": endpoint.gateway_id,
    }


def write_endpoint(state_dir: Path, endpoint: Endpoint) -> None:
    """Record a server, all or nothing, readable by its owner only."""
    text = json.dumps({**to_json(endpoint), "pid": endpoint.pid})
    descriptor, name = tempfile.mkstemp(prefix=".endpoint-", dir=state_dir)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
            sink.write(text)
        Path(name).replace(state_dir / FILE_NAME)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def remove_endpoint(state_dir: Path) -> None:
    """Forget the server: it has stopped."""
    (state_dir / FILE_NAME).unlink(missing_ok=True)


def read_endpoint(state_dir: Path) -> Endpoint | None:
    """The recorded server, running or not; None when there is no record that makes sense."""
    try:
        values = json.loads((state_dir / FILE_NAME).read_text("utf-8"))
        return Endpoint(**values)
    except (OSError, ValueError, TypeError):
        return None


def running_endpoint(state_dir: Path) -> Endpoint | None:
    """The recorded server if its process is alive and it answers to its own token."""
    endpoint = read_endpoint(state_dir)
    return endpoint if endpoint is not None and _answers(endpoint) else None


def _answers(endpoint: Endpoint) -> bool:
    try:
        os.kill(endpoint.pid, 0)
    except PermissionError:
        pass  # alive, and somebody else's: the token will tell
    except (OSError, OverflowError):
        return False
    import http.client
    from urllib.parse import urlsplit

    with suppress(OSError, http.client.HTTPException, ValueError):
        address = urlsplit(endpoint.base_url)
        connection = http.client.HTTPConnection(HOST, address.port, timeout=_PROBE_S)
        try:
            token = endpoint.tokens["runtime"]
            connection.request(
                "GET",
                f"{address.path}/accounts/{endpoint.account_id}/tokens/verify",
                headers={"Authorization": f"Bearer {token}"},
            )
            return connection.getresponse().status == 200
        finally:
            connection.close()
    return False
