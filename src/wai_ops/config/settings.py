"""Settings: the shape of `wai.yaml`, with every default in one place.

These dataclasses are both what the loader validates against and what the program uses. A field's
docstring says what it means; durations are seconds, money is dollars. A rule beside a type narrows
it further (`rules.py`); rules across fields are in `load.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from wai_ops.config import rules
from wai_ops.config.alert_settings import CHANNEL, AlertSettings
from wai_ops.config.audit_settings import AuditSettings
from wai_ops.config.budget_settings import BudgetSettings, GuardSettings
from wai_ops.config.lint_settings import LintSettings, PolicyLintSettings
from wai_ops.core.prices import PriceOverride

API_BASE_URL = "https://api.cloudflare.com/client/v4"
GATEWAY_BASE_URL = "https://gateway.ai.cloudflare.com/v1"
NOT_A_SETTING = {"is_setting": False}
"""Marks the fields that describe the settings and are no key of `wai.yaml`."""


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

    model: Annotated[str, rules.MODEL] = "@cf/google/gemma-4-26b-a4b-it"
    tenant: Annotated[str, rules.NAME] = "default"
    workflow: Annotated[str, rules.NAME] = "adhoc"
    max_output_tokens: Annotated[int, rules.OUTPUT_TOKENS] = 1024
    """Always sent: older models cut at 256 tokens when it is missing."""
    temperature: Annotated[Decimal | None, rules.TEMPERATURE] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AffinitySettings:
    """When a session goes stale, and what leaves the machine."""

    header: AffinityHeader = AffinityHeader.HASHED
    idle_ttl_s: Annotated[float, rules.SECONDS] = 1800
    max_age_s: Annotated[float, rules.SECONDS] = 43200


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Four separate limits, in seconds."""

    connect_s: Annotated[float, rules.SECONDS] = 10
    first_token_s: Annotated[float, rules.SECONDS] = 90
    between_chunks_s: Annotated[float, rules.SECONDS] = 30
    total_s: Annotated[float, rules.SECONDS] = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """A ceiling in attempts *and* seconds *and* money; whichever comes first."""

    max_attempts: Annotated[int, rules.ATTEMPTS] = 3
    max_elapsed_s: Annotated[float, rules.SECONDS] = 60
    max_cost_usd: Annotated[Decimal, rules.USD] = Decimal("0.05")
    """An attempt that may have been billed counts with its worst case against this."""
    base_delay_s: Annotated[float, rules.SECONDS] = 0.5
    max_delay_s: Annotated[float, rules.SECONDS] = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """The embedded emulator, for `target: local` and `--local`."""

    backend: Annotated[str, rules.TEXT] = "scripted"
    """`scripted`, `smollm2`, or the path of a GGUF file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SloTargets:
    """What a workflow is to hold. None: no target, and so no verdict."""

    ttft_p95_ms: Annotated[float | None, rules.MILLISECONDS] = None
    duration_p95_ms: Annotated[float | None, rules.MILLISECONDS] = None
    completion_ratio: Annotated[Decimal | None, rules.RATIO] = None
    """The least share of runs whose last attempt succeeds; what is missing to 1 is the budget."""
    cost_per_success_usd: Annotated[Decimal | None, rules.USD] = None
    cost_per_resolved_usd: Annotated[Decimal | None, rules.USD] = None
    """The target of the KPI page: all cost of a workflow per resolved conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SloSettings:
    """Targets for every workflow; what `workflows` says of one beats them, key by key."""

    window: Annotated[str, rules.PERIOD] = "30d"
    """The period that `report slo` looks at where no flag says otherwise."""
    ttft_p95_ms: Annotated[float | None, rules.MILLISECONDS] = None
    duration_p95_ms: Annotated[float | None, rules.MILLISECONDS] = None
    completion_ratio: Annotated[Decimal | None, rules.RATIO] = None
    cost_per_success_usd: Annotated[Decimal | None, rules.USD] = None
    cost_per_resolved_usd: Annotated[Decimal | None, rules.USD] = None
    workflows: Mapping[Annotated[str, rules.NAME], SloTargets] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSettings:
    """Where tools are declared, how they are grouped into families, and what a family may say."""

    folder: Annotated[Path, rules.FILE] = Path("tools")
    """Relative to the folder of `wai.yaml`: `*.yaml` files that declare the tools of tool loops."""
    families: Mapping[Annotated[str, rules.TOOL_PREFIX], Annotated[str, rules.NAME]] = field(
        default_factory=dict
    )
    """Beginning of a tool's name -> family; the longest that fits counts."""
    output_tokens_p95: Mapping[Annotated[str, rules.NAME], Annotated[int, rules.OUTPUT_TOKENS]] = (
        field(default_factory=dict)
    )
    """Family -> the most output tokens that its calls' 95th percentile is to reach."""
    result_tokens: Mapping[Annotated[str, rules.NAME], Annotated[int, rules.OUTPUT_TOKENS]] = field(
        default_factory=dict
    )
    """Family -> the most tokens (estimated) of one result of its tools that a model is given."""
    default_result_tokens: Annotated[int, rules.OUTPUT_TOKENS] = 2000
    """The same, for families that `result_tokens` does not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """The share of input that should come from the prefix cache."""

    target_ratio: Annotated[Decimal | None, rules.RATIO] = None
    """Cached input / input, of the calls that report it. None: no target, and so no verdict."""
    workflows: Mapping[Annotated[str, rules.NAME], Annotated[Decimal, rules.RATIO]] = field(
        default_factory=dict
    )
    """Workflow -> its own target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionSettings:
    """What is masked before anything is stored, beyond credentials."""

    pii: bool = False
    """E-mail addresses, phone numbers, payment cards, IBANs and IP addresses as well."""
    variables: Mapping[Annotated[str, rules.VARIABLE], Annotated[str, rules.MASK_KIND]] = field(
        default_factory=dict
    )
    """Environment variable whose value is a secret, though its name does not say so -> the word
    that stands in the mask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsSettings:
    """How `wai logs pull` reads a gateway's log."""

    rate_share: Annotated[Decimal, rules.RATIO] = Decimal("0.5")
    """Of the account's 1,200 API requests in 5 minutes, which everything that calls it shares."""
    parallel: Annotated[int, rules.PARALLEL] = 4
    """Windows that are read at once."""
    hold_back_s: Annotated[float, rules.SECONDS_OR_ZERO] = 120
    """The newest rows are left alone for so long: rows arrive late and out of order."""
    settle_s: Annotated[float, rules.SECONDS_OR_ZERO] = 1800
    """A window is read again until a reading began so long after its end: late rows."""
    pending_s: Annotated[float, rules.SECONDS_OR_ZERO] = 86400
    """So long after its end a window with rows that lack cost or usage is read again."""
    count_hold_back_s: Annotated[float, rules.SECONDS_OR_ZERO] = 900
    """How far the analytics lag behind: newer rows are not counted yet."""
    poll_s: Annotated[float, rules.SECONDS] = 60
    """The pause of `--follow`."""
    workers_observability: bool = False
    """Read the newer log system where rows are there; how its events look is not documented."""


class ReleaseControl(StrEnum):
    """Whether prompts may be used that nobody froze."""

    OPEN = "open"
    STRICT = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptThresholds:
    """Where a review of a changed prompt warns or fails. None: it never does."""

    warn_monthly_usd: Annotated[Decimal | None, rules.USD] = None
    """More dollars a month than before, at the traffic that was observed."""
    fail_monthly_usd: Annotated[Decimal | None, rules.USD] = None
    warn_rewarm_usd: Annotated[Decimal | None, rules.USD] = None
    """What it costs once that live conversations lose their cached prefix."""
    fail_rewarm_usd: Annotated[Decimal | None, rules.USD] = None
    warn_prefix_loss_ratio: Annotated[Decimal | None, rules.RATIO] = None
    """The lost share of the stable prefix, in tokens."""
    fail_prefix_loss_ratio: Annotated[Decimal | None, rules.RATIO] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSettings:
    """How prompts are released, and where a review of a change warns or fails."""

    release_control: ReleaseControl = ReleaseControl.OPEN
    """`open`: without a `production` label the working tree is used. `strict`: only what is
    frozen."""
    allow_work_in_ci: bool = False
    """Whether unfrozen prompts may be used in CI."""
    protected: Mapping[Annotated[str, rules.LABEL], tuple[Annotated[str, rules.TEXT], ...]] = field(
        default_factory=dict
    )
    """Label -> who may approve a version for it; holds for the label's tenants as well."""
    self_approval: bool = False
    """Whether whoever froze a version may approve it."""
    cache_block_tokens: Annotated[int, rules.BLOCK_TOKENS] = 16
    """Caches keep whole blocks of so many tokens. The provider names no figure."""
    thresholds: PromptThresholds = field(default_factory=PromptThresholds)
    lint: LintSettings = field(default_factory=LintSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSettings:
    """When the older turns of a conversation give way to a summary, and how that is made."""

    every_turns: Annotated[int, rules.CHECKPOINT_TURNS] = 8
    """Turns between two summaries; 0: none, the whole history is always sent."""
    keep_turns: Annotated[int, rules.KEPT_TURNS] = 2
    """The newest turns, which stay as they were said."""
    max_tokens: Annotated[int, rules.OUTPUT_TOKENS] = 1000
    """The most that a summary with its facts may take (estimated); larger ones are not used."""
    model: Annotated[str | None, rules.MODEL] = None
    """None: the cheapest one whose price and context are known; the conversation's own in a
    governed project."""
    prompt: Annotated[str | None, rules.TEXT] = None
    """A frozen prompt in place of the built-in one: `name@3` or `name@production`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """Where policies lie, and which private addresses may be reached when one says so."""

    folder: Annotated[Path, rules.FILE] = Path("policies")
    """Relative to the folder of `wai.yaml`; once it is there, every run is governed."""
    private_hosts: Mapping[
        Annotated[str, rules.HOST], tuple[Annotated[str, rules.ADDRESSES], ...]
    ] = field(default_factory=dict)
    """Host name -> the private addresses (or networks) that may stand behind it, for outbound
    rules with `allow_private`."""
    lint: PolicyLintSettings = field(default_factory=PolicyLintSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that configures `wai`; credentials are not part of it."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read once by pydantic

    version: Annotated[str, rules.VERSION] = "1"
    """The version of the file format."""
    target: Target = Target.CLOUDFLARE
    account_id: Annotated[str | None, rules.ACCOUNT] = None
    base_url: Annotated[str, rules.URL] = API_BASE_URL
    gateway_base_url: Annotated[str, rules.URL] = GATEWAY_BASE_URL
    gateway: Annotated[str, rules.GATEWAY] = "default"
    """The AI Gateway that routes and logs model calls."""
    state_dir: Annotated[Path, rules.FILE] = Path(".wai")
    """Absolute after loading."""
    credentials_file: Annotated[Path | None, rules.FILE] = None
    """A file of mode 0600 with `NAME=value` lines; absolute after loading."""
    defaults: Defaults = field(default_factory=Defaults)
    affinity: AffinitySettings = field(default_factory=AffinitySettings)
    timeouts: Timeouts = field(default_factory=Timeouts)
    retry: RetrySettings = field(default_factory=RetrySettings)
    local: LocalSettings = field(default_factory=LocalSettings)
    logs: LogsSettings = field(default_factory=LogsSettings)
    prices: Mapping[Annotated[str, rules.MODEL], Annotated[PriceOverride, rules.PRICE]] = field(
        default_factory=dict
    )
    cache: CacheSettings = field(default_factory=CacheSettings)
    prompts: PromptSettings = field(default_factory=PromptSettings)
    checkpoints: CheckpointSettings = field(default_factory=CheckpointSettings)
    redaction: RedactionSettings = field(default_factory=RedactionSettings)
    slo: SloSettings = field(default_factory=SloSettings)
    tools: ToolSettings = field(default_factory=ToolSettings)
    budgets: Mapping[Annotated[str, rules.BUDGET], BudgetSettings] = field(default_factory=dict)
    guards: GuardSettings = field(default_factory=GuardSettings)
    alerts: Mapping[Annotated[str, rules.BUDGET], Annotated[AlertSettings, CHANNEL]] = field(
        default_factory=dict
    )
    policy: PolicySettings = field(default_factory=PolicySettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    config_file: Path | None = field(default=None, metadata=NOT_A_SETTING)
    """The `wai.yaml` that was read, if any. Not itself a setting."""
    origins: Mapping[str, str] = field(default_factory=dict, metadata=NOT_A_SETTING)
    """Dotted name -> `default`, `wai.yaml:LINE`, `env NAME` or `flag --x`. Not itself a setting."""
