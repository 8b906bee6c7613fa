"""The knobs of the emulator: what of the real service's slowness, lag and failure to rehearse.

Every default is the easy world: instant, unlimited, nothing late, nothing failing. A value comes
from the built-in default, then from `emulator.yaml`, then from a change at run time.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from wai_ops.core.errors import UsageError
from wai_ops.emulator.knob_fields import decode, knob, required_knob, rules_of, unknown

DAY_MS = 86_400_000.0

FAULT_KINDS = (
    "status",
    "error_in_200",
    "reset",
    "truncate",
    "hang",
    "slow_drip",
    "garbage",
    "duplicate_done",
    "number_content",
    "usage_in_every_chunk",
    "repeated_finish",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long a model takes. Engines with a time of their own take `overhead_ms` alone."""

    overhead_ms: float = knob(0.0, float, "fixed, before the prompt is read", high=600_000)
    prefill_tokens_per_s: float | None = knob(
        None, float, "speed of reading the uncached prompt; null: instant", low=1
    )
    decode_tokens_per_s: float | None = knob(
        None, float, "speed of writing the answer; null: instant", low=0.1
    )
    jitter_ratio: float = knob(
        0.0, float, "random share, seeded: each delay times 1 +- this", high=1
    )
    seed: int = knob(
        0, int, "of the jitter; at the start also of the replica of calls without affinity"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How much of a model there is."""

    replicas: int = knob(4, int, "instances of every model", low=1, high=64, at_start=True)
    concurrency: int | None = knob(
        None, int, "calls at once on one replica of one model; null: no limit", low=1
    )
    queue_length: int | None = knob(
        None, int, "calls that may wait for one replica; the next gets 3040; null: no limit"
    )
    queue_wait_ms: float | None = knob(
        None, float, "how long one may wait before it gets 3040; null: no limit", high=DAY_MS
    )
    batch_delay_ms: float = knob(0.0, float, "a queued batch begins this much later", high=DAY_MS)
    spill: bool = knob(
        default=False, kind=bool, help="let a call go to a free replica, and lose its warm prefix"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """The prefix cache of each replica."""

    block_tokens: int = knob(
        16, int, "only whole blocks are cached; a change empties the caches", low=1, high=4096
    )
    capacity_blocks: int = knob(8192, int, "held at most; least recently used go first")
    idle_s: float | None = knob(None, float, "forget blocks unused for so long; null: never")
    binding_ttl_s: int = knob(
        0, int, "response cache of a Worker's gateway calls that ask for none; seen: 300"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """When and how log rows and analytics appear."""

    lag_ms: float = knob(0.0, float, "a row appears this long after its answer", high=DAY_MS)
    lag_jitter_ms: float = knob(
        0.0, float, "and up to this much later still: rows come out of order", high=DAY_MS
    )
    late_fields_ms: float = knob(
        0.0, float, "`late_fields` fill in this long after the row appeared", high=DAY_MS
    )
    late_fields: tuple[str, ...] = knob(
        ("cost", "response_head"),
        str,
        "null until then",
        is_list=True,
        choices=(
            "cost",
            "tokens_in",
            "tokens_out",
            "usage_metadata",
            "response_head",
            "response_head_complete",
            "metadata",
        ),
    )
    metadata_encoding: str = knob(
        "object", str, "how `metadata` is written in rows", choices=("object", "string")
    )
    system: str = knob(
        "legacy",
        str,
        "rows in the gateway's log, or in Workers Observability",
        choices=("legacy", "observability"),
    )
    retention_days: float | None = knob(None, float, "older rows vanish; null: kept", high=3650)
    max_rows: int = knob(
        10_000_000, int, "stored for a gateway that sets no limit of its own", low=1
    )
    analytics_lag_ms: float = knob(0.0, float, "of the GraphQL data sets", high=DAY_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """Spend limits."""

    settle_delay_ms: float = knob(
        0.0, float, "a finished call counts towards its limits this much later", high=DAY_MS
    )
    lost_ratio: float = knob(
        0.0, float, "share of calls that no limit ever counts, seeded; seen: 1 in 9", high=1
    )
    refusal_code: int = knob(2045, int, "of a spent limit; 2041 was seen before it", low=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """Policies of the gateway."""

    propagation_delay_ms: float = knob(
        0.0, float, "a committed change holds this much later", high=DAY_MS
    )
    fail_open: bool = knob(
        default=False, kind=bool, help="every evaluation fails, and so every request passes"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayParts:
    """What a gateway depends on besides its models."""

    has_credit: bool = knob(
        default=True, kind=bool, help="prepaid credits are left; else what they pay gets 402/2021"
    )
    scanner: str = knob(
        "ok",
        str,
        "of guardrails; `down` and `no_credit` refuse",
        choices=("ok", "down", "no_credit"),
    )
    guardrail_marker: str = knob("WAI-GUARDRAIL", str, "text that guardrails find")
    dlp_marker: str = knob("WAI-DLP", str, "text that DLP finds")
    dlp_status: int = knob(
        400,
        int,
        "HTTP status of DLP's refusals: 400 is documented, 424 was seen",
        low=400,
        high=499,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Refusals by number and size."""

    model_rate: bool = knob(default=False, kind=bool, help="per-model limits a minute are on")
    text_rpm: int = knob(300, int, "text generation, models that need no paid plan", low=1)
    paid_rpm: int = knob(20, int, "models that need a paid plan, billed later", low=1)
    unified_rpm: int = knob(50, int, "the same, billed with prepaid credits", low=1)
    embeddings_rpm: int = knob(3000, int, "embeddings", low=1)
    large_embeddings_rpm: int = knob(1500, int, "bge-large", low=1)
    model_rate_code: int = knob(
        429, int, "error code of that refusal: the real one is not published", low=1
    )
    context_check: bool = knob(
        default=True, kind=bool, help="refuse what does not fit the context (5021)"
    )
    api_requests: int | None = knob(
        None, int, "requests of all tokens in a window, all of the API; null: no limit", low=1
    )
    api_window_s: float = knob(300.0, float, "that window", low=1, high=86_400)
    kv_write_rate: bool = knob(default=False, kind=bool, help="one write a second to each KV key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One rule: which requests, how often, and what happens to them."""

    kind: str = required_knob(str, "what happens", choices=FAULT_KINDS)
    stage: str = knob(
        "edge",
        str,
        "on the wire before and after all else, or `model`: an attempt fails behind the gateway, "
        "which logs, retries and falls back (kinds status and hang)",
        choices=("edge", "model"),
    )
    path: str = knob("*", str, "of the request, with * and ?")
    model: str = knob("*", str, "as named by the request, with * and ?")
    tenant: str = knob("*", str, "the `tenant` of cf-aig-metadata, with * and ?")
    probability: float = knob(1.0, float, "of each matching request", high=1)
    seed: int = knob(0, int, "of all chance in this rule")
    skip: int = knob(0, int, "let so many matching requests pass first")
    count: int | None = knob(None, int, "stop after so many; null: never")
    status: int = knob(503, int, "status: the HTTP status", low=400, high=599)
    code: int = knob(3040, int, "status and error_in_200: the error code", low=1)
    message: str = knob("A fault was asked for", str, "status and error_in_200: the text")
    retry_after_s: int | None = knob(None, int, "status: the Retry-After header")
    after_bytes: int = knob(
        0, int, "reset, truncate, hang, garbage: so much of the body comes first"
    )
    delay_ms: float | None = knob(
        None, float, "hang: go on after this; slow_drip: between pieces (100)", high=DAY_MS
    )
    chunk_bytes: int = knob(16, int, "slow_drip, garbage: size of a piece", low=1, high=65536)


_SECTIONS: Mapping[str, type] = {
    "latency": Latency,
    "capacity": Capacity,
    "cache": Cache,
    "logs": Logs,
    "spend": Spend,
    "policies": Policies,
    "gateway": GatewayParts,
    "limits": Limits,
}
FAULTS = "faults"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """All of them."""

    latency: Latency = field(default_factory=Latency)
    capacity: Capacity = field(default_factory=Capacity)
    cache: Cache = field(default_factory=Cache)
    logs: Logs = field(default_factory=Logs)
    spend: Spend = field(default_factory=Spend)
    policies: Policies = field(default_factory=Policies)
    gateway: GatewayParts = field(default_factory=GatewayParts)
    limits: Limits = field(default_factory=Limits)
    faults: tuple[Fault, ...] = ()


def decode_knobs(data: Any) -> tuple[Knobs, list[str]]:
    """Decode the data of a file. Returns the knobs and every problem; with problems, defaults."""
    problems: list[str] = []
    if data is None:
        return Knobs(), problems
    if not isinstance(data, Mapping):
        return Knobs(), ["the file must be a mapping of sections"]
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key == FAULTS:
            values[key] = _decode_faults(value, problems)
        elif key in _SECTIONS:
            values[key] = decode(_SECTIONS[key], value, key, problems)
        else:
            problems.append(unknown(str(key), (*_SECTIONS, FAULTS), ""))
    return (Knobs(), problems) if problems else (Knobs(**values), problems)


def _decode_faults(value: Any, problems: list[str]) -> tuple[Fault, ...]:
    if not isinstance(value, list | tuple):
        problems.append("faults: must be a list (`- kind: ...`)")
        return ()
    known = len(problems)
    rules = [decode(Fault, item, f"{FAULTS}.{index}", problems) for index, item in enumerate(value)]
    for index, rule in enumerate(rules):
        if rule is not None and rule.stage == "model" and rule.kind not in ("status", "hang"):
            problems.append(f"faults.{index}.stage: `model` is for the kinds status and hang")
    return tuple(rule for rule in rules if rule) if len(problems) == known else ()


def changed(knobs: Knobs, dotted: str, value: Any) -> Knobs:
    """The knobs with one changed: `section.name`, `faults` or `faults.0.name`. Raises UsageError.

    Whole sections may be given as well, and then only the keys that they name change.
    """
    head, *rest = dotted.split(".")
    if head not in (*_SECTIONS, FAULTS):
        raise UsageError(unknown(head, (*_SECTIONS, FAULTS), ""))
    problems: list[str] = []
    if head == FAULTS:
        faults = _with_fault(knobs, rest, value)
        decoded = _decode_faults(faults, problems)
        _raise(problems)
        return replace(knobs, faults=decoded)
    if len(rest) > 1:
        raise UsageError(f"`{dotted}` is too deep: a knob is `section.name`")
    new = {rest[0]: value} if rest else value
    if not isinstance(new, Mapping):
        raise UsageError(f"{head}: is a section: name one of its knobs, as in {head}.name=value")
    old = asdict(getattr(knobs, head))
    section: Any = decode(_SECTIONS[head], {**old, **new}, head, problems)
    _raise(problems)
    return replace(knobs, **{head: section})


def _with_fault(knobs: Knobs, rest: list[str], value: Any) -> Any:
    if not rest:
        return value
    faults = [asdict(fault) for fault in knobs.faults]
    index = rest[0]
    if not index.isdigit() or int(index) >= len(faults):
        raise UsageError(f"there is no fault {index}: {len(faults)} are set, counted from 0")
    if len(rest) == 1:
        faults[int(index)] = value
    else:
        faults[int(index)][".".join(rest[1:])] = value
    return faults


def _raise(problems: list[str]) -> None:
    if problems:
        raise UsageError("; ".join(problems))


def to_data(knobs: Knobs) -> dict[str, Any]:
    """As plain data, the same shape as the file."""
    data = asdict(knobs)
    data["logs"]["late_fields"] = list(data["logs"]["late_fields"])
    data[FAULTS] = [_fault_data(fault) for fault in knobs.faults]
    return data


def _fault_data(fault: Fault) -> dict[str, Any]:
    """What differs from the defaults: the rest says nothing."""
    return {
        item.name: value
        for item in fields(Fault)
        if (value := getattr(fault, item.name)) != item.default
    }


def flat(knobs: Knobs) -> dict[str, Any]:
    """Every knob as `section.name`, and `faults` whole."""
    data = to_data(knobs)
    faults = data.pop(FAULTS)
    pairs = {f"{name}.{key}": value for name, part in data.items() for key, value in part.items()}
    return {**pairs, FAULTS: faults}


def is_at_start(dotted: str) -> bool:
    """Whether a change of that knob holds only from the next start."""
    head, _, name = dotted.partition(".")
    section = _SECTIONS.get(head)
    if section is None:
        return False
    rule = rules_of(section).get(name)
    return rule is not None and rule.at_start


class LiveKnobs:
    """The knobs of a running emulator. Only for the server's own thread."""

    def __init__(
        self,
        base: Knobs | None = None,
        *,
        keep: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        """`base`: what a reset returns to. `keep` is told what differs from it, before it holds."""
        self.base = Knobs() if base is None else base
        self.current = self.base
        self._keep = keep
        self._watchers: list[Callable[[Knobs], None]] = []

    @property
    def changes(self) -> dict[str, Any]:
        """What was changed at run time, as `section.name`."""
        return differences(self.base, self.current)

    def watch(self, watcher: Callable[[Knobs], None]) -> None:
        """Have `watcher` called with the new knobs after every change, and once now."""
        self._watchers.append(watcher)
        watcher(self.current)

    def change(self, dotted: str, value: object) -> None:
        """Change one knob. Raises UsageError, and then nothing has changed."""
        self.change_all([(dotted, value)])

    def change_all(self, changes: Iterable[tuple[str, object]]) -> None:
        """Change several, or none of them. Raises UsageError."""
        knobs = self.current
        for dotted, value in changes:
            knobs = changed(knobs, dotted, value)
        self._keep_and_become(knobs)

    def reset(self) -> None:
        """Return to the file's values and the defaults."""
        self._keep_and_become(self.base)

    def restore(self, knobs: Knobs) -> None:
        """Take over what was kept before."""
        self.current = knobs
        for watcher in self._watchers:
            watcher(knobs)

    def _keep_and_become(self, knobs: Knobs) -> None:
        if self._keep is not None:
            self._keep(differences(self.base, knobs))
        self.restore(knobs)


def differences(base: Knobs, knobs: Knobs) -> dict[str, Any]:
    """What differs from `base`, as `section.name`."""
    before = flat(base)
    return {name: value for name, value in flat(knobs).items() if value != before[name]}
