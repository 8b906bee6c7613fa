"""Session affinity as a control: the key, what goes on the wire, when it rotates, what it brought.

Whether a request met a warm cache is told by no header. The evidence is how many input tokens the
model reports as cached, against what could have been cached: the prefix that the request shares
with the conversation's previous one. Everything here is a pure function.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from wai_ops.runtime.history import opening_of, sent_text
from wai_ops.state.checkpoints import Checkpoint
from wai_ops.state.conversations import Turn
from wai_ops.state.sessions import Session

TOO_SHORT_TOKENS = 128
"""The provider caches whole blocks and names no figure; below this a miss says nothing."""
TOLERANCE_TOKENS = 128
"""A hit may fall short of the shared prefix by a block, and the estimate is off by a little."""
TOLERANCE_RATIO = 0.05


class Reason(StrEnum):
    """Why an epoch began."""

    NEW = "new"
    EXPIRED_IDLE = "expired_idle"
    EXPIRED_AGE = "expired_age"
    ROTATED = "rotated"
    FORKED = "forked"
    """Copied from another conversation, whose warm replica it goes to."""


class Result(StrEnum):
    """What affinity brought one request."""

    HIT = "hit"
    PARTIAL = "partial"
    MISS = "miss"
    UNKNOWN = "unknown"
    """The model does not report cached tokens."""


class Cause(StrEnum):
    """Why it was not a full hit."""

    COLD = "cold"
    EXPIRED = "expired"
    ROTATED = "rotated"
    MODEL_CHANGED = "model_changed"
    PREFIX_CHANGED = "prefix_changed"
    CHECKPOINT = "checkpoint"
    """A summary took the place of turns: what stands before it is still the same."""
    TOO_SHORT = "too_short"
    REROUTED_OR_EVICTED = "rerouted_or_evicted"
    NOT_REPORTED = "not_reported"
    SHARED_WITH_OTHERS = "shared_with_others"
    """A first request that was warm: it shares its prefix with another conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The class of one request. `cacheable_tokens` is an estimate; None: nothing to compare."""

    result: Result
    cause: str | None
    cacheable_tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a request could find cached, known before it is sent.

    `cause` is set when nothing can be, or only a part: then it explains the miss.
    """

    cacheable_tokens: int | None
    cause: str | None


def affinity_key(tenant: str, workflow: str, conversation_id: str) -> str:
    """The key `tenant:workflow:conversation`; none of the parts may hold a colon."""
    return f"{tenant}:{workflow}:{conversation_id}"


def header_value(key: str, epoch: int, *, secret: bytes, plain: bool) -> str:
    """The value of `x-session-affinity`: a keyed hash unless names may leave the machine."""
    if plain:
        return f"wai-{epoch}-{key}"
    digest = hmac.new(secret, key.encode(), hashlib.sha256).hexdigest()
    return f"wai-{epoch}-{digest[:32]}"


def touch(
    session: Session | None,
    *,
    key: str,
    names: tuple[str, str, str],
    now: datetime,
    idle_ttl_s: float,
    max_age_s: float,
) -> tuple[Session, bool]:
    """Use a session now: the same one, or the next epoch if it went stale.

    `names` is (tenant, workflow, conversation). Returns the session and whether an epoch begins.
    """
    if session is None:
        tenant, workflow, conversation_id = names
        fresh = Session(
            affinity_key=key,
            tenant=tenant,
            workflow=workflow,
            conversation_id=conversation_id,
            epoch=1,
            reason=Reason.NEW.value,
            created_at=now,
            last_used_at=now,
            request_count=1,
        )
        return fresh, True
    if (now - session.last_used_at).total_seconds() > idle_ttl_s:
        return rotate(session, Reason.EXPIRED_IDLE, now, request_count=1), True
    if (now - session.created_at).total_seconds() > max_age_s:
        return rotate(session, Reason.EXPIRED_AGE, now, request_count=1), True
    used = replace(session, last_used_at=now, request_count=session.request_count + 1)
    return used, False


def rotate(session: Session, reason: Reason, now: datetime, *, request_count: int = 0) -> Session:
    """Begin the session's next epoch."""
    return replace(
        session,
        epoch=session.epoch + 1,
        reason=reason.value,
        created_at=now,
        last_used_at=now,
        request_count=request_count,
        wire_key=None,
    )


def expect(
    turns: list[Turn],
    *,
    text: str,
    tools_json: str | None,
    model: str,
    session: Session,
    checkpoints: Sequence[Checkpoint] = (),
    checkpoint_id: str | None = None,
) -> Expectation:
    """Compare a request with the conversation's previous one. `turns` are those before it.

    `text` is the request's message text, `checkpoint_id` the checkpoint that it carries. The
    previous request's own token count calibrates how many tokens the shared text is.
    """
    previous = next((turn for turn in reversed(turns) if turn.input_tokens is not None), None)
    if previous is None or previous.input_tokens is None:
        return Expectation(cacheable_tokens=None, cause=Cause.COLD.value)
    if previous.epoch != session.epoch:
        rotated = session.reason == Reason.ROTATED
        cause = Cause.ROTATED if rotated else Cause.EXPIRED
        return Expectation(cacheable_tokens=None, cause=cause.value)
    if previous.model != model:
        return Expectation(cacheable_tokens=None, cause=Cause.MODEL_CHANGED.value)
    if previous.tools_json != tools_json:
        # Tool definitions stand before the messages in the rendered prompt.
        return Expectation(cacheable_tokens=0, cause=f"{Cause.PREFIX_CHANGED.value}@0")
    before = sent_text(turns, previous.turn_index, checkpoints)
    shared = _shared_prefix(before, text)
    if previous.masked_from is not None:
        # What was sent is not what is stored: the provider saw a credential where a mask is now.
        is_opening = previous.masked_from < (previous.opening_chars or 0)
        from_end = 0 if is_opening else len(before) - len(previous.messages_json)
        sent_from = from_end + previous.masked_from
        shared = min(shared, sent_from)
    cacheable = previous.input_tokens * shared // max(1, len(before))
    if shared < len(before):
        opening = len(opening_of([turn for turn in turns if turn.turn_index < previous.turn_index]))
        if previous.checkpoint_id != checkpoint_id and shared >= opening:
            return Expectation(cacheable_tokens=cacheable, cause=Cause.CHECKPOINT.value)
        return Expectation(
            cacheable_tokens=cacheable, cause=f"{Cause.PREFIX_CHANGED.value}@{cacheable}"
        )
    return Expectation(cacheable_tokens=cacheable, cause=None)


def classify(expected: Expectation, cached_input_tokens: int | None) -> Evidence:
    """Hold what was cached against what could have been."""
    cacheable = expected.cacheable_tokens
    if cached_input_tokens is None:
        return Evidence(
            result=Result.UNKNOWN, cause=Cause.NOT_REPORTED.value, cacheable_tokens=cacheable
        )
    if cached_input_tokens == 0:
        cause = expected.cause
        if cause is None:
            short = cacheable is not None and cacheable < TOO_SHORT_TOKENS
            cause = Cause.TOO_SHORT.value if short else Cause.REROUTED_OR_EVICTED.value
        return Evidence(result=Result.MISS, cause=cause, cacheable_tokens=cacheable)
    if cacheable is None:
        # Nothing of this conversation could be warm, yet something was: a prefix others share.
        cause = Cause.SHARED_WITH_OTHERS.value if expected.cause == Cause.COLD else expected.cause
        return Evidence(result=Result.PARTIAL, cause=cause, cacheable_tokens=None)
    tolerance = max(TOLERANCE_TOKENS, int(cacheable * TOLERANCE_RATIO))
    if expected.cause is None and cached_input_tokens >= cacheable - tolerance:
        return Evidence(result=Result.HIT, cause=None, cacheable_tokens=cacheable)
    return Evidence(
        result=Result.PARTIAL,
        cause=expected.cause or Cause.REROUTED_OR_EVICTED.value,
        cacheable_tokens=cacheable,
    )


def _shared_prefix(first: str, second: str) -> int:
    """Length of the common start, by halving: slices compare fast, single characters do not."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
