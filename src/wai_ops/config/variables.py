"""Names of environment variables, apart from their meaning: looking at them costs no start-up."""

from collections.abc import Mapping

RUNTIME_VARIABLE = "CLOUDFLARE_API_TOKEN"
OPERATOR_VARIABLE = "WAI_OPERATOR_TOKEN"
ACCOUNT_VARIABLE = "CLOUDFLARE_ACCOUNT_ID"
ALIASES = {
    ACCOUNT_VARIABLE: "account_id",
    "CLOUDFLARE_BASE_URL": "base_url",
    "CLOUDFLARE_AI_GATEWAY_BASE_URL": "gateway_base_url",
}
"""The provider's own variables -> dotted name of the setting."""
ACTOR_VARIABLE = "WAI_ACTOR"
NOT_SETTINGS = frozenset({OPERATOR_VARIABLE, ACTOR_VARIABLE, "WAI_AFFINITY_KEY", "WAI_DEBUG"})
"""Variables of ours that are no settings: a token, who acts, the key of affinity hashes,
tracebacks."""


def has_settings(environ: Mapping[str, str]) -> bool:
    """Say whether the environment may set anything; never wrong when it says no."""
    return any(
        name in ALIASES or (name.startswith("WAI_") and name not in NOT_SETTINGS)
        for name in environ
    )
