"""The most that one attempt can cost: what is set aside for it before it is sent.

A token stands for at least one byte of text, so the body's bytes bound its tokens whichever
tokenizer the model has; the JSON around a message is longer than the marks that a chat template
puts there instead. What a template adds on its own (a system text, how to call tools, the date) is
bounded by a constant. Nothing is taken as cached, and the whole output limit as used.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from wai_ops.core.money import COST_DIGITS, USD_PER_NEURON, Rates

TEMPLATE_TOKENS = 512
"""What a chat template may add to a request on its own."""
TOOL_TEMPLATE_TOKENS = 1024
"""The same with tools: it tells the model how to call them."""
ESCAPED_BYTES = 12
"""A character outside of ASCII that a template writes as an escape: two halves of a pair."""
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """How many tokens the beginning of the messages was, as the model itself reported."""

    tokens: int
    """Input of the earlier request that this one continues, byte for byte."""
    message_bytes: int
    """The bytes of its messages: those of the new request that need no bound."""


def input_bound(
    body: bytes,
    tools: Sequence[Mapping[str, Any]] | None = None,
    warm: Warm | None = None,
) -> int:
    """An upper bound of the input tokens of a request.

    `warm` replaces the bound of a prefix by the count that the same model reported for it.
    """
    if warm is not None:
        return warm.tokens + max(0, len(body) - warm.message_bytes) + TEMPLATE_TOKENS
    if not tools:
        return len(body) + TEMPLATE_TOKENS
    # Templates print tools anew: indented, and perhaps with escapes for what is not ASCII.
    compact = json.dumps(list(tools), ensure_ascii=False, separators=(",", ":"))
    indented = json.dumps(list(tools), ensure_ascii=True, indent=4)
    escapes = ESCAPED_BYTES * sum(1 for byte in body if byte >= 0xC0)
    grown = max(0, len(indented) - len(compact.encode("utf-8", "surrogatepass")))
    return len(body) + grown + escapes + TOOL_TEMPLATE_TOKENS


def worst_usd(input_tokens: int, output_tokens: int, rates: Rates | None) -> Decimal | None:
    """The price of so many tokens with nothing cached, rounded up; None: no known price."""
    if rates is None or rates.neurons_out_per_m is None:
        return None
    dearest_in = max(rates.neurons_in_per_m, rates.neurons_cached_in_per_m or Decimal(0))
    neurons = (input_tokens * dearest_in + output_tokens * rates.neurons_out_per_m) / _MILLION
    return (neurons * USD_PER_NEURON).quantize(COST_DIGITS, ROUND_CEILING)
