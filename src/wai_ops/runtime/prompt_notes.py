"""What the dollars of a prompt diff stand on, in words."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from wai_ops.core.window import Window
from wai_ops.observe.reports.prompt_rows import PromptCounts, PromptTraffic
from wai_ops.runtime.prompt_price import FEWEST_OWN, Priced


def basis_notes(
    name: str,
    version: str | None,
    window: Window,
    counts: Sequence[PromptCounts],
    *,
    is_assumed: bool,
) -> Iterable[str]:
    """Which requests there were, of which version, and which are not in the dollars."""
    calls = sum(item.call_count for item in counts)
    own = sum(item.basis_count for item in counts)
    yield (
        f"{window.describe()}: {calls:,} requests with {name}, {own:,} of them of the version"
        f" before ({version}); dollars are of 30 days of the same"
    )
    if not own:
        yield f"version {version} has no requests of its own: those of other versions stand for it"
    elif own < calls:
        yield (
            f"how requests are cached and answered is taken from version {version} where a workflow"
            f" has {FEWEST_OWN} of it, else from all versions; how many there are, from all"
        )
    if is_assumed:
        yield "there is traffic, so --assume is not used"
    if local := sum(item.local_count for item in counts):
        yield f"{local:,} were served by the local emulator: list prices, nothing was billed"
    if uncounted := sum(item.uncounted_count for item in counts):
        yield f"{uncounted:,} failed or have no usage, and are not in the dollars"
    if hits := sum(item.gateway_cache_hit_count for item in counts):
        yield f"{hits:,} were answered by the gateway's cache of whole responses, and cost nothing"
    first_at = min(item.first_at for item in counts)
    if window.since is not None and first_at - window.since > timedelta(days=1):
        yield f"the first request is of {first_at:%Y-%m-%d %H:%M} (UTC): the window is not full"


def price_notes(calls: Sequence[PromptTraffic], priced: Sequence[Priced]) -> Iterable[str]:
    """Name the models where one has no price."""
    if any(item.before_usd is None or item.after_usd is None for item in priced):
        models = ", ".join(sorted({row.model for row in calls}))
        yield f"a model has no known price ({models}): set prices in wai.yaml"
