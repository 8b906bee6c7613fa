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
    """A request whose beginning was sent before, byte for byte, to the same model."""

    tokens: int
    """Input of that earlier request, as the model reported it."""
    rest: bytes
    """What this request has beyond it: only this needs a bound."""


def input_bound(
    body: bytes,
    tools: Sequence[Mapping[str, Any]] | None = None,
    warm: Warm | None = None,
) -> int:
    """An upper bound of the input tokens of a request."""
    text = body if warm is None else warm.rest
    known = 0 if warm is None else warm.tokens
    if not tools:
        return known + len(text) + TEMPLATE_TOKENS
    # Templates print calls of tools anew, perhaps with escapes for what is not ASCII.
    escapes = ESCAPED_BYTES * sum(1 for byte in text if byte >= 0xC0)
    return known + len(text) + escapes + TOOL_TEMPLATE_TOKENS + (0 if warm else _grown(tools))


def _grown(tools: Sequence[Mapping[str, Any]]) -> int:
    """How much longer the definitions of tools may be where a template indents and escapes them."""
    compact = json.dumps(list(tools), ensure_ascii=False, separators=(",", ":"))
    indented = json.dumps(list(tools), ensure_ascii=True, indent=4)
    return max(0, len(indented) - len(compact.encode("utf-8", "surrogatepass")))


def worst_usd(input_tokens: int, output_tokens: int, rates: Rates | None) -> Decimal | None:
    """The price of so many tokens with nothing cached, rounded up; None: no known price."""
    if rates is None or rates.neurons_out_per_m is None:
        return None
    dearest_in = max(rates.neurons_in_per_m, rates.neurons_cached_in_per_m or Decimal(0))
    neurons = (input_tokens * dearest_in + output_tokens * rates.neurons_out_per_m) / _MILLION
    return (neurons * USD_PER_NEURON).quantize(COST_DIGITS, ROUND_CEILING)
