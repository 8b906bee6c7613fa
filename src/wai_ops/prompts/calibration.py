"""From what a model counted to how much text it takes for a token.

The ledger keeps no text, and the lock no usage; together they tell. A version whose every request
is the same text says its tokens outright. Of one with variables, the cached tokens of requests that
began a conversation are its stable prefix, in whole blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from wai_ops.core.tokens import TOKENS_PER_MESSAGE
from wai_ops.prompts.tokens import CalibratedCounter, Size

FEWEST_TOKENS = 32
"""Less text than this says more about the marks around it than about the text."""
_SANE = (0.25, 24.0)
"""Characters a token, of any script and any tokenizer: what lies outside is a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A text of known size and the tokens that a model counted for it."""

    prompt: str
    size: Size
    tokens: float
    tolerance_tokens: float = 0.0
    """The truth lies within this of `tokens`: half a block where they were rounded to blocks."""


def sample_of_whole(prompt: str, size: Size, input_tokens: int) -> Sample:
    """Of requests that were all the same text."""
    return Sample(prompt=prompt, size=size, tokens=input_tokens)


def sample_of_prefix(
    prompt: str, size: Size, cached_input_tokens: int, block_tokens: int
) -> Sample:
    """Of requests whose stable prefix was cached: the truth is that many tokens, or part of a block
    more.
    """
    half = (block_tokens - 1) / 2
    return Sample(
        prompt=prompt, size=size, tokens=cached_input_tokens + half, tolerance_tokens=half
    )


def calibrate(samples: Sequence[Sample], *, prompt: str, model: str) -> CalibratedCounter | None:
    """Learn from the usage of the prompt itself, else from that of others. None: nothing usable."""
    usable = [item for item in samples if _is_usable(item)]
    own = [item for item in usable if item.prompt == prompt]
    chosen = own or usable
    if not chosen:
        return None
    characters = sum(item.size.characters for item in chosen)
    tokens = sum(_text_tokens(item) for item in chosen)
    return CalibratedCounter(
        tokens_per_piece=_rate(chosen),
        characters_per_token=characters / tokens,
        error_ratio=_error(chosen),
        sample_count=len(chosen),
        source=prompt if own else "other prompts",
        model=model,
    )


def _rate(samples: Sequence[Sample]) -> float:
    return sum(map(_text_tokens, samples)) / sum(item.size.pieces for item in samples)


def _text_tokens(sample: Sample) -> float:
    return sample.tokens - sample.size.marks * TOKENS_PER_MESSAGE


def _is_usable(sample: Sample) -> bool:
    tokens = _text_tokens(sample)
    if tokens < FEWEST_TOKENS or not sample.size.characters:
        return False
    return _SANE[0] <= sample.size.characters / tokens <= _SANE[1]


def _error(samples: Sequence[Sample]) -> float | None:
    """How far each version is from what the others say of it, as the root of the mean square.

    Never less than rounding to blocks leaves open. None: one exact sample, which shows none.
    """
    rounding = max(item.tolerance_tokens / item.tokens for item in samples)
    if len(samples) == 1:
        return rounding or None
    errors = []
    for number, item in enumerate(samples):
        rate = _rate([*samples[:number], *samples[number + 1 :]])
        errors.append(item.size.pieces * rate / _text_tokens(item) - 1)
    return max(rounding, sqrt(sum(error * error for error in errors) / len(errors)))
