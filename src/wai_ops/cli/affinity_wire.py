"""How affinity keys of a configuration look on the wire. Apart, because it needs no HTTP client."""

from wai_ops.cli.context import AppContext
from wai_ops.config.settings import AffinityHeader
from wai_ops.core.errors import UsageError
from wai_ops.runtime.affinity_view import Wire

KEY_VARIABLE = "WAI_AFFINITY_KEY"


def affinity_wire(context: AppContext) -> Wire:
    """Return the header's style and key. Raises UsageError for a key that is too short."""
    key = context.environ.get(KEY_VARIABLE)
    if key is not None and len(key) < 16:
        raise UsageError(
            f"{KEY_VARIABLE} is shorter than 16 characters",
            hint="make one with: openssl rand -hex 32",
        )
    return Wire(
        secret=None if key is None else key.encode(),
        plain=context.settings.affinity.header is AffinityHeader.PLAIN,
    )
