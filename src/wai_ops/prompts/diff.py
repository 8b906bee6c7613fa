"""What tells two versions of a prompt apart: texts, settings, the cached prefix, tokens. Pure.

Money needs the ledger and is added above (`runtime/prompt_money.py`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from wai_ops.prompts.diff_parts import (
    Change,
    Divergence,
    TextChange,
    changes_of,
    first_divergence,
    text_changes,
)
from wai_ops.prompts.prefix import stable_prefix
from wai_ops.prompts.samples import rendered_alike
from wai_ops.prompts.source import Source
from wai_ops.prompts.tokens import BLOCK_TOKENS, Basis, Chat, TokenCounter, whole_blocks
from wai_ops.prompts.version import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two, and how its tokens are counted."""

    reference: str
    """As it was asked for."""
    version: str
    """The number of a frozen version, `work-<sha12>`, or `git-<sha12>` of the commit."""
    source: Source
    model: str | None
    """The model that counts for it: its own, or the one that is used where it names none."""
    counter: TokenCounter


@dataclass(frozen=True, slots=True, kw_only=True)
class SideInfo:
    """What is said of one side."""

    reference: str
    name: str
    version: str
    sha256: str
    model: str | None
    token_basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixEnd:
    """Where the stable prefix of one side ends. None: all of the prompt is stable."""

    place: str | None
    variable: str | None
    is_in_opening: bool
    """Before the last message of the user: what a conversation repeats with every request."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixChange:
    """The stable prefix: what all conversations of a version have in common at their beginning."""

    block_tokens: int
    before_tokens: int
    after_tokens: int
    before_cacheable_tokens: int
    """In whole blocks, as a cache keeps it."""
    after_cacheable_tokens: int
    shared_cacheable_tokens: int
    """What both versions begin with, in whole blocks: it stays warm when the version changes."""
    before_ends_at: PrefixEnd
    after_ends_at: PrefixEnd

    @property
    def lost_ratio(self) -> float:
        """The share of the prefix that was cacheable and is not any more."""
        before, after = self.before_cacheable_tokens, self.after_cacheable_tokens
        return max(0, before - after) / before if before else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChange:
    """The tokens of a request that begins a conversation, with the same values in both."""

    before_tokens: int
    after_tokens: int
    delta_tokens: int
    opening_delta_tokens: int
    """Of it, what is sent once a conversation: everything before the last message of the user."""
    turn_delta_tokens: int
    """Of it, what every turn adds again."""
    before_turn_tokens: int
    """The last message of the user, before: what every turn adds."""
    is_opening_changed: bool
    """Whether a running conversation that changes over begins otherwise."""
    same_values_shared_tokens: int
    """What both begin with when the values are the same: what a running conversation keeps."""
    before_found_again_tokens: int | None
    """The most that a request finds of the one before it in its conversation, because a value at
    the beginning changes with every request; None: all of it."""
    after_found_again_tokens: int | None
    placeholders: tuple[str, ...]
    """Variables whose values were made up."""
    depends_on: tuple[str, ...]
    """Of those, the ones whose values decide the difference."""
    is_literal: bool
    """Only the texts between the tags could be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDiff:
    """Everything that two versions of a prompt tell of themselves."""

    before: SideInfo
    after: SideInfo
    is_same: bool
    """Nothing that decides behaviour differs."""
    texts: tuple[TextChange, ...]
    changes: tuple[Change, ...]
    divergence: Divergence | None
    prefix: PrefixChange
    tokens: TokenChange


def diff_versions(
    before: Side,
    after: Side,
    *,
    values: Mapping[str, str] | None = None,
    changing: Collection[str] = (),
    block_tokens: int = BLOCK_TOKENS,
) -> VersionDiff:
    """Compare two versions. `values` are texts of variables, as `--var` gives them.

    `changing` are variables with another value in every request of a conversation. Raises
    PromptError for a version that can never be rendered, and for values that do not fit.
    """
    first, second = _info(before), _info(after)
    tokens = _tokens(before, after, values or {}, changing)
    is_same = first.sha256 == second.sha256
    return VersionDiff(
        before=first,
        after=second,
        is_same=is_same,
        texts=() if is_same else text_changes(before.source, after.source),
        changes=() if is_same else changes_of(before.source, after.source),
        divergence=None
        if is_same
        else first_divergence(
            before.source,
            after.source,
            models=(before.model, after.model),
            shared_tokens=tokens.same_values_shared_tokens,
        ),
        prefix=_prefix(before, after, block_tokens),
        tokens=tokens,
    )


def prefix_chat(source: Source) -> Chat:
    """The stable prefix of a version as a chat; open where it ends in the middle."""
    return stable_prefix(source).as_chat(source.front.tools)


def _info(side: Side) -> SideInfo:
    return SideInfo(
        reference=side.reference,
        name=side.source.name,
        version=side.version,
        sha256=digest(side.source),
        model=side.model,
        token_basis=side.counter.basis,
    )


def _prefix(before: Side, after: Side, block_tokens: int) -> PrefixChange:
    first, second = prefix_chat(before.source), prefix_chat(after.source)
    counts = before.counter.count(first), after.counter.count(second)
    shared = before.counter.shared(first, second) if before.model == after.model else 0
    return PrefixChange(
        block_tokens=block_tokens,
        before_tokens=counts[0],
        after_tokens=counts[1],
        before_cacheable_tokens=whole_blocks(counts[0], block_tokens),
        after_cacheable_tokens=whole_blocks(counts[1], block_tokens),
        shared_cacheable_tokens=whole_blocks(min(shared, *counts), block_tokens),
        before_ends_at=_end(before.source),
        after_ends_at=_end(after.source),
    )


def _end(source: Source) -> PrefixEnd:
    prefix = stable_prefix(source)
    place = prefix.ends_at
    return PrefixEnd(
        place=None if place is None else f"prompts/{place[0]}:{place[1]}:{place[2]}",
        variable=prefix.variable,
        is_in_opening=prefix.section is not None
        and (prefix.section < len(source.sections) - 1 or source.sections[-1].role != "user"),
        reason=prefix.reason,
    )


def _tokens(
    before: Side, after: Side, values: Mapping[str, str], changing: Collection[str]
) -> TokenChange:
    rendered = rendered_alike(before.source, after.source, values, changing)
    first, second = rendered.before, rendered.after
    totals = before.counter.count(first), after.counter.count(second)
    openings = _opening(first), _opening(second)
    opened = before.counter.count(openings[0]), after.counter.count(openings[1])
    is_same_model = before.model == after.model
    shared = before.counter.shared(first, second) if is_same_model else 0
    delta, opening_delta = totals[1] - totals[0], opened[1] - opened[0]
    return TokenChange(
        before_tokens=totals[0],
        after_tokens=totals[1],
        delta_tokens=delta,
        opening_delta_tokens=opening_delta,
        turn_delta_tokens=delta - opening_delta,
        before_turn_tokens=totals[0] - opened[0],
        is_opening_changed=not is_same_model or not openings[0].reads_as(openings[1]),
        same_values_shared_tokens=min(shared, *totals),
        before_found_again_tokens=_found_again(before, first, rendered.next_before),
        after_found_again_tokens=_found_again(after, second, rendered.next_after),
        placeholders=rendered.placeholders,
        depends_on=rendered.depends_on,
        is_literal=rendered.is_literal,
    )


def _found_again(side: Side, chat: Chat, following: Chat | None) -> int | None:
    if following is None:
        return None
    openings = _opening(chat), _opening(following)
    # What the user said stays in the history as it was said.
    return None if openings[0].reads_as(openings[1]) else side.counter.shared(*openings)


def _opening(chat: Chat) -> Chat:
    """Without the last message of the user, which every turn brings anew."""
    messages = chat.messages
    if messages and messages[-1][0] == "user":
        messages = messages[:-1]
    return Chat(tools=chat.tools, messages=messages)
