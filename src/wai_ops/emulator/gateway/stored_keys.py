"""Which provider keys a gateway has stored: looked up when a request names one."""

from wai_ops.emulator.control.documents import Documents, gateway_parent

PROVIDER_CONFIG = "provider_config"
"""The kind of document that the provider-config calls write."""


async def has_key(documents: Documents, gateway_id: str, *, provider: str, alias: str) -> bool:
    """Whether a key of that provider is stored under that alias."""
    stored = await documents.read(
        lambda table: table.all(PROVIDER_CONFIG, gateway_parent(gateway_id))
    )
    wanted = (provider, alias)
    return any((item.body["provider_slug"], item.body["alias"]) == wanted for item in stored)
