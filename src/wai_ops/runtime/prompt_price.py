"""What a changed prompt costs at given traffic: arithmetic over the rows of the ledger. Pure.

The same requests are priced twice. Before: as they were counted. After: each carries as many more
tokens as the new version is longer, and finds as much cached as the new version lets it:

- a request that found nothing finds nothing;
- one that found the prompt's stable prefix finds the new one;
- one that found its conversation's own history finds that again, as much longer as it has become,
  unless a value at the beginning changes with every request.

Tokens are averages over requests and so are not whole; money is Decimal from end to end.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from wai_ops.core.money import COST_DIGITS, Rates
from wai_ops.observe.reports.prompt_rows import LiveConversations, PromptTraffic, Reach
from wai_ops.prompts.diff import VersionDiff
from wai_ops.prompts.tokens import Method, whole_blocks

FEWEST_OWN = 20
"""Requests of the version itself that stand for all the others of a workflow."""
_MILLION = Decimal(1_000_000)
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of some requests together; `cached` is a part of `input`."""

    input: Decimal = _NOTHING
    cached: Decimal = _NOTHING
    output: Decimal = _NOTHING

    def __add__(self, other: "Tokens") -> "Tokens":
        """Both together."""
        return Tokens(
            input=self.input + other.input,
            cached=self.cached + other.cached,
            output=self.output + other.output,
        )

    def cost_usd(self, rates: Rates | None) -> Decimal | None:
        """At these rates; None where a price is not known."""
        if rates is None or (rates.out_usd_per_m is None and self.output):
            return None
        return (
            (self.input - self.cached) * rates.in_usd_per_m
            + self.cached * rates.cached_in_usd_per_m
            + self.output * (rates.out_usd_per_m or _NOTHING)
        ) / _MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """The requests of one workflow on one model, before and after."""

    workflow: str | None
    before: Tokens
    after: Tokens
    before_usd: Decimal | None
    after_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceQuestion:
    """What is to be priced."""

    diff: VersionDiff
    rates: Callable[[str], Rates | None]
    """Of a model, today."""
    warm_ratio: Callable[[str], Decimal]
    """Of a model: the share of first requests that find a cacheable prefix warm. Used only where
    the traffic cannot say, because the prefix was too short to be cached before."""
    history_ratio: Callable[[str], Decimal]
    """Of a model: the share of later requests that find their conversation's history. Used only
    where the traffic cannot say, because a value at the beginning changed with every request."""

    @property
    def history_returns(self) -> bool:
        """Whether conversations can find their history only after the change."""
        tokens = self.diff.tokens
        return (
            tokens.before_found_again_tokens is not None and tokens.after_found_again_tokens is None
        )


def price_traffic(rows: Iterable[PromptTraffic], question: PriceQuestion) -> list[Priced]:
    """Price observed requests before and after the change."""
    by_workflow: dict[str | None, list[PromptTraffic]] = {}
    for row in rows:
        by_workflow.setdefault(row.workflow, []).append(row)
    return [
        _priced(row, weight, question)
        for group in by_workflow.values()
        for row, weight in _weighted(group)
    ]


def _weighted(rows: Sequence[PromptTraffic]) -> list[tuple[PromptTraffic, Decimal]]:
    """The requests of the version itself, each standing for as many as there were of all versions.

    Where it has too few to go by, those of all versions.
    """
    own = [row for row in rows if row.is_basis]
    count, all_count = (sum(row.call_count for row in part) for part in (own, rows))
    if count < min(FEWEST_OWN, all_count):
        return [(row, Decimal(1)) for row in rows]
    weight = Decimal(all_count) / count
    return [(row, weight) for row in own]


def _priced(row: PromptTraffic, weight: Decimal, question: PriceQuestion) -> Priced:
    diff = question.diff
    # What ran is what is changed; of other versions' requests, what this version would have run on.
    before_model = row.model if row.is_basis else diff.before.model or row.model
    is_changed = diff.before.model != diff.after.model and before_model == diff.before.model
    after_model = diff.after.model if is_changed and diff.after.model else before_model
    before = Tokens(
        input=weight * row.input_tokens,
        cached=weight * row.cached_input_tokens,
        output=weight * row.output_tokens,
    )
    count, turns = weight * row.call_count, weight * row.turn_sum
    opening, turn = diff.tokens.opening_delta_tokens, diff.tokens.turn_delta_tokens
    # Answers that a new limit cuts are shorter in the turns that follow, too.
    cut = Decimal(row.output_tokens - row.limited_output_tokens) / row.call_count
    longer = before.input + count * opening + (count + turns) * turn - turns * cut
    found = _cached(row, weight, question, after_model) - _cut_history(row, cut, weight)
    after = Tokens(
        input=max(longer, _NOTHING),
        cached=max(min(found, longer), _NOTHING),
        output=weight * row.limited_output_tokens,
    )
    return Priced(
        workflow=row.workflow,
        before=before,
        after=after,
        before_usd=before.cost_usd(question.rates(before_model)),
        after_usd=after.cost_usd(question.rates(after_model)),
    )


def _cached(
    row: PromptTraffic, weight: Decimal, question: PriceQuestion, after_model: str
) -> Decimal:
    if row.reach is Reach.BEYOND:
        again = question.diff.tokens.after_found_again_tokens
        if again is None:
            return weight * row.history_cached_tokens
        most = row.call_count * whole_blocks(again, question.diff.prefix.block_tokens)
        return weight * min(row.history_cached_tokens, most)
    found = _prefix_found(row, weight, question, after_model)
    if not question.history_returns:
        return found
    first_share = 1 - Decimal(row.later_count) / row.call_count
    history = row.possible_history_tokens * question.history_ratio(after_model)
    return found * first_share + weight * history


def _cut_history(row: PromptTraffic, cut: Decimal, weight: Decimal) -> Decimal:
    """Of what was cached, the answers that are not there any more: those before the last one."""
    if row.reach is not Reach.BEYOND:
        return _NOTHING
    return weight * max(0, row.cached_turn_sum - row.call_count) * cut


def _prefix_found(
    row: PromptTraffic, weight: Decimal, question: PriceQuestion, after_model: str
) -> Decimal:
    """What requests find of the new prefix, that found the old one or nothing."""
    prefix = question.diff.prefix
    old, new = prefix.before_cacheable_tokens, prefix.after_cacheable_tokens
    if not new:
        return _NOTHING
    if row.reach is Reach.NONE:
        if old or not row.reported_count:
            return _NOTHING
        return weight * row.reported_count * new * question.warm_ratio(after_model)
    if question.diff.before.token_basis.method is Method.EXACT or not old:
        return weight * (row.cached_input_tokens + row.call_count * (new - old))
    # Counts that are off are off by the same share on both sides. Blocks fall anywhere in them.
    return weight * row.cached_input_tokens * prefix.after_tokens / prefix.before_tokens


def rewarm_usd(
    live: LiveConversations, question: PriceQuestion, kept_tokens: int
) -> Decimal | None:
    """What it costs once that running conversations lose their cached prefix; None: no price.

    Each sends its next request with another beginning. What was warm of the last one is computed
    again, but for `kept_tokens` that both versions begin with.
    """
    diff = question.diff
    if not diff.tokens.is_opening_changed:
        return _NOTHING
    model = live.model
    if diff.before.model != diff.after.model and model == diff.before.model:
        model = diff.after.model or model
    rates = question.rates(model)
    if rates is None:
        return None
    lost = Decimal(max(0, live.warm_tokens - live.conversation_count * kept_tokens))
    return lost * (rates.in_usd_per_m - rates.cached_in_usd_per_m) / _MILLION


def kept_by_conversations(diff: VersionDiff) -> int:
    """What a running conversation keeps warm when it changes over, in whole blocks."""
    return whole_blocks(diff.tokens.same_values_shared_tokens, diff.prefix.block_tokens)


def rounded(amount: Decimal | None) -> Decimal | None:
    """To the digits of a cost."""
    return None if amount is None else amount.quantize(COST_DIGITS)
