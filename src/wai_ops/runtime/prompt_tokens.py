"""Which counter a model gets: its tokenizer, what its usage taught, or the estimate."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from wai_ops.core.errors import WaiError
from wai_ops.observe.reports.prompt_rows import VersionUsage
from wai_ops.prompts.calibration import Sample, calibrate, sample_of_prefix, sample_of_whole
from wai_ops.prompts.diff import prefix_chat
from wai_ops.prompts.lockfile import Lock
from wai_ops.prompts.source import Source
from wai_ops.prompts.tokens import EstimatingCounter, TokenCounter, size_of

FEWEST_CACHED = 2
"""Requests that found the prefix: one alone may have met another version's."""
MOST_TEXTS = 40
"""Versions whose text is read."""

TextOf = Callable[[str, str], Source | None]
"""Name and version, as records have them -> the version's text; None where nobody has it."""


def counters_of(
    models: Iterable[str | None],
    name: str,
    usage: Sequence[VersionUsage],
    text_of: TextOf,
    *,
    block_tokens: int,
    exact: TokenCounter | None = None,
) -> dict[str | None, TokenCounter]:
    """A counter for each of the models. `exact` is the tokenizer that was given for them.

    A model without usage of its own counts as the other one does: tokenizers differ less from each
    other than from an estimate, and two ways of counting would be a difference by themselves.
    """
    wanted = list(dict.fromkeys(models))
    if exact is not None:
        return dict.fromkeys(wanted, exact)
    learned = {model: _learned(model, name, usage, text_of, block_tokens) for model in wanted}
    other = next((counter for counter in learned.values() if counter), EstimatingCounter())
    return {model: counter or other for model, counter in learned.items()}


def _learned(
    model: str | None,
    name: str,
    usage: Sequence[VersionUsage],
    text_of: TextOf,
    block_tokens: int,
) -> TokenCounter | None:
    rows = [row for row in usage if row.model == model]
    for wanted in ([row for row in rows if row.prompt_name == name], rows):
        samples = (_sample(row, text_of, block_tokens) for row in wanted[:MOST_TEXTS])
        usable = [item for item in samples if item is not None]
        if found := calibrate(usable, prompt=name, model=model or ""):
            return found
    return None


def _sample(row: VersionUsage, text_of: TextOf, block_tokens: int) -> Sample | None:
    source = text_of(row.prompt_name, row.prompt_version)
    if source is None:
        return None
    chat = prefix_chat(source)
    size = size_of(chat)
    if not chat.is_open and row.least_input_tokens == row.most_input_tokens:
        return sample_of_whole(row.prompt_name, size, row.least_input_tokens)
    if row.median_cached_tokens is None or row.cached_count < FEWEST_CACHED:
        return None
    return sample_of_prefix(row.prompt_name, size, row.median_cached_tokens, block_tokens)


def texts_in_lock(
    lock: Lock, load: Callable[[str, str], Source], known: Mapping[tuple[str, str], Source]
) -> TextOf:
    """Texts of frozen versions, read by `load(name, sha256)`; those in `known` need no reading.

    A version that cannot be read teaches nothing; `verify` is where it is reported.
    """

    def text_of(name: str, version: str) -> Source | None:
        if (name, version) in known:
            return known[name, version]
        frozen = lock.get(name).version(int(version)) if version.isdecimal() else None
        if frozen is None:
            return None
        try:
            return load(name, frozen.sha256)
        except WaiError:
            return None

    return text_of
