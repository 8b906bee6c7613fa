"""Who answers this command: Cloudflare, a running emulator, or one that lives as long as it."""

from collections.abc import Iterator
from contextlib import contextmanager

from wai_ops.cli.context import AppContext
from wai_ops.cli.roles import check_declared
from wai_ops.config.connection import Connection, cloudflare_connection
from wai_ops.config.credentials import Role, Secret
from wai_ops.config.settings import Target
from wai_ops.core.errors import UsageError


@contextmanager
def open_connection(app: AppContext, *, role: Role, local: bool = False) -> Iterator[Connection]:
    """Open the connection that settings, credentials and `--local` ask for.

    Raises AccessError when a credential is missing, UsageError for an address that no token goes
    to and when the emulator is not installed. Only a role that the command declares (`roles.py`).
    """
    check_declared(role)
    if not local and app.settings.target is Target.CLOUDFLARE:
        yield cloudflare_connection(app.settings, app.environ, role=role)
        return
    try:
        from wai_ops.emulator.server import Endpoint, embedded, running_endpoint
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("wai_ops"):
            raise
        raise UsageError(
            f"the local emulator needs a package that is not installed: {error.name}",
            hint="pip install 'wai-ops[local]'",
        ) from error

    def connection(endpoint: Endpoint) -> Connection:
        return Connection(
            target=Target.LOCAL,
            base_url=endpoint.base_url.rstrip("/"),
            gateway_base_url=endpoint.gateway_base_url.rstrip("/"),
            account_id=endpoint.account_id,
            gateway=endpoint.gateway_id,
            token=Secret(endpoint.tokens[role.value]),
            role=role,
        )

    state_dir = app.settings.state_dir / "emulator"
    running = running_endpoint(state_dir)
    if running is not None:
        yield connection(running)
        return
    with embedded(state_dir, backend=app.settings.local.backend) as endpoint:
        yield connection(endpoint)
