"""Settings: the shape of `wai.yaml`, with every default in one place.

These dataclasses are both what the loader validates against and what the program uses. A field's
docstring says what it means; durations are seconds, money is dollars.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from wai_ops.core.prices import PriceOverride

API_BASE_URL = "https://api.cloudflare.com/client/v4"
GATEWAY_BASE_URL = "https://gateway.ai.cloudflare.com/v1"


class Target(StrEnum):
    """Who answers model calls."""

    CLOUDFLARE = "cloudflare"
    LOCAL = "local"


class AffinityHeader(StrEnum):
    """What `x-session-affinity` carries."""

    HASHED = "hashed"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What `wai run` uses where no flag says otherwise."""

    model: str = "@cf/google/gemma-4-26b-a4b-it"
    tenant: str = "default"
    workflow: str = "adhoc"
    max_output_tokens: int = 1024
    """Always sent: older models cut at 256 tokens when it is missing."""
    temperature: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AffinitySettings:
    """When a session goes stale, and what leaves the machine."""

    header: AffinityHeader = AffinityHeader.HASHED
    idle_ttl_s: float = 1800
    max_age_s: float = 43200


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Four separate limits, in seconds."""

    connect_s: float = 10
    first_token_s: float = 90
    between_chunks_s: float = 30
    total_s: float = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """A ceiling in attempts *and* seconds *and* money; whichever comes first."""

    max_attempts: int = 3
    max_elapsed_s: float = 60
    max_cost_usd: Decimal = Decimal("0.05")
    """An attempt that may have been billed counts with its worst case against this."""
    base_delay_s: float = 0.5
    max_delay_s: float = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """The embedded emulator, for `target: local` and `--local`."""

    backend: str = "scripted"
    """`scripted`, `smollm2`, or the path of a GGUF file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that configures `wai`; credentials are not part of it."""

    target: Target = Target.CLOUDFLARE
    account_id: str | None = None
    base_url: str = API_BASE_URL
    gateway_base_url: str = GATEWAY_BASE_URL
    gateway: str = "default"
    """The AI Gateway that routes and logs model calls."""
    state_dir: Path = Path(".wai")
    """Absolute after loading."""
    credentials_file: Path | None = None
    """A file of mode 0600 with `NAME=value` lines; absolute after loading."""
    defaults: Defaults = field(default_factory=Defaults)
    affinity: AffinitySettings = field(default_factory=AffinitySettings)
    timeouts: Timeouts = field(default_factory=Timeouts)
    retry: RetrySettings = field(default_factory=RetrySettings)
    local: LocalSettings = field(default_factory=LocalSettings)
    prices: Mapping[str, PriceOverride] = field(default_factory=dict)
    config_file: Path | None = None
    """The `wai.yaml` that was read, if any. Not itself a setting."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Dotted name -> `default`, `wai.yaml:LINE`, `env NAME` or `flag --x`. Not itself a setting."""
