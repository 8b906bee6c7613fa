"""The shape of `alerts:` in `wai.yaml`: who is told that a budget reached a share of its limit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from wai_ops.config import rules


def _problem(channel: Any) -> str | None:
    if (channel.url_variable is None) == (channel.file is None):
        return "names either url_variable, for a webhook, or file"
    if channel.secret_variable is not None and channel.url_variable is None:
        return "secret_variable signs webhooks: a file has no signature"
    return None


CHANNEL = rules.Rule(_problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """One channel."""

    url_variable: Annotated[str | None, rules.VARIABLE] = None
    """The environment variable with the webhook's address: it often holds a secret itself."""
    secret_variable: Annotated[str | None, rules.VARIABLE] = None
    """The environment variable with the key that signs; None: nothing is signed."""
    file: Annotated[Path | None, rules.FILE] = None
    """A file that gets one line of JSON for each alert; relative to the folder of `wai.yaml`."""
    budgets: tuple[Annotated[str, rules.BUDGET], ...] = ()
    """Whose alerts it gets. Empty: those of all budgets."""
