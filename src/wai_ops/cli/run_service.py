"""From settings and a connection to what the runtime plane wants to know."""

from wai_ops.cli.affinity_wire import affinity_wire
from wai_ops.cli.context import AppContext
from wai_ops.cloudflare.inference import Limits
from wai_ops.cloudflare.retry import RetryPolicy
from wai_ops.config.connection import Connection
from wai_ops.config.prices import load_price_book
from wai_ops.config.settings import Settings
from wai_ops.observe.redact.forms import SHORTEST
from wai_ops.observe.redact.known import known_secrets, redaction_key
from wai_ops.runtime.affinity_view import Wire
from wai_ops.runtime.keeping import Keeper, random_key
from wai_ops.runtime.plan import Service, Surroundings


def surroundings_of(context: AppContext, token: str = "") -> Surroundings:
    """Return time, chance and prices of a command, and what it may keep.

    `token` is the one in use: it may come from an emulator.
    """
    return Surroundings(
        clock=context.clock,
        rng=context.rng,
        prices=load_price_book(context.settings),
        keeper=_keeper(context, token),
    )


def _keeper(context: AppContext, token: str) -> Keeper:
    settings = context.settings
    secrets = known_secrets(settings, context.environ)
    if len(token) >= SHORTEST and token not in secrets.values():
        secrets["token"] = token

    def key() -> bytes:
        # A dry run masks, too, and makes no folder for it.
        return redaction_key(settings.state_dir, makes_folder=False) or random_key()

    return Keeper(secrets=secrets, key=key, pii=settings.redaction.pii)


def service_of(context: AppContext, connection: Connection) -> Service:
    """Return the service behind an open connection."""
    return _service(
        context.settings,
        affinity_wire(context),
        target=connection.target.value,
        base_url=connection.base_url,
        account_id=connection.account_id,
        gateway_id=connection.gateway,
        token=connection.token.reveal(),
    )


def dry_service(context: AppContext, *, local: bool, placeholder: str) -> Service:
    """Return the service that a run would call, with no credentials and nothing started."""
    settings = context.settings
    target = "local" if local else settings.target.value
    base_url = settings.base_url if target == "cloudflare" else "http://127.0.0.1:<port>/client/v4"
    return _service(
        settings,
        affinity_wire(context),
        target=target,
        base_url=base_url,
        account_id=settings.account_id or placeholder,
        gateway_id=settings.gateway,
        token="",
    )


def _service(
    settings: Settings,
    wire: Wire,
    *,
    target: str,
    base_url: str,
    account_id: str,
    gateway_id: str,
    token: str,
) -> Service:
    timeouts, retry = settings.timeouts, settings.retry
    return Service(
        target=target,
        base_url=base_url,
        account_id=account_id,
        gateway_id=gateway_id,
        token=token,
        limits=Limits(
            connect_s=timeouts.connect_s,
            first_token_s=timeouts.first_token_s,
            between_chunks_s=timeouts.between_chunks_s,
            total_s=timeouts.total_s,
        ),
        retry=RetryPolicy(
            max_attempts=retry.max_attempts,
            max_elapsed_s=retry.max_elapsed_s,
            max_cost_usd=retry.max_cost_usd,
            base_delay_s=retry.base_delay_s,
            max_delay_s=retry.max_delay_s,
        ),
        idle_ttl_s=settings.affinity.idle_ttl_s,
        max_age_s=settings.affinity.max_age_s,
        plain_affinity=wire.plain,
        affinity_secret=wire.secret,
    )
