"""Planning a run: who is called, in which session, with which bytes, at which worst price.

Reads live state and changes nothing, so that `--dry-run` shows exactly what a run would send.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime

from wai_ops.cloudflare.inference import Call, Limits, chat_url, request_headers, run_url
from wai_ops.cloudflare.retry import RetryPolicy
from wai_ops.core.clock import Clock
from wai_ops.core.ids import uuid7
from wai_ops.core.metadata import Metadata, to_header
from wai_ops.core.prices import Model, PriceBook
from wai_ops.runtime.affinity import Expectation, affinity_key, expect, header_value, touch
from wai_ops.runtime.history import current_checkpoint, history_parts
from wai_ops.runtime.keeping import Keeper
from wai_ops.runtime.record import Pricing
from wai_ops.runtime.request import (
    Ask,
    Endpoint,
    body_of,
    compact_json,
    endpoint_for,
    estimate_input_tokens,
    message_text,
    new_messages,
    new_opening,
    worst_case,
)
from wai_ops.state.checkpoints import list_checkpoints
from wai_ops.state.conversations import list_turns
from wai_ops.state.live import LiveState
from wai_ops.state.sessions import Session, find_session


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Who is called, and under which limits."""

    target: str
    base_url: str
    account_id: str
    gateway_id: str
    token: str
    limits: Limits
    retry: RetryPolicy
    idle_ttl_s: float
    max_age_s: float
    plain_affinity: bool
    affinity_secret: bytes | None = None
    """None: the secret of the live state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Time, chance and prices, and what may be kept."""

    clock: Clock
    rng: random.Random
    prices: PriceBook
    keeper: Keeper = field(default_factory=Keeper)


@dataclass(slots=True, kw_only=True)
class Prepared:
    """A run that is ready to be sent: its place in the conversation, its body, its price."""

    ask: Ask
    messages_json: str
    """What this turn adds to the conversation, as it is stored."""
    masked_from: int | None
    """Where that begins to differ from what is sent."""
    masked_count: int
    """Credentials that are masked in what is stored, each where it stands."""
    opening_chars: int
    """How much of it is the opening."""
    is_reopened: bool
    """Another opening takes the place of the one before: nothing of the prefix stays warm."""
    tools_json: str | None
    """As it is stored."""
    run_id: str
    started_at: datetime
    session: Session
    turn_index: int
    affinity: str
    call: Call
    """Its metadata header names attempt 1."""
    checkpoint_id: str | None
    """The checkpoint that the request carries in place of the turns that it covers."""
    expected: Expectation
    pricing: Pricing
    open_turns: int
    """Turns of this conversation that are still running: their answers are not part of this."""


def prepare(ask: Ask, service: Service, around: Surroundings, live: LiveState | None) -> Prepared:
    """Plan a run, reading live state but changing nothing. Without live state: a first turn.

    Raises UsageError for a model that takes no prompt, a changed system text, or a name that is a
    credential.
    """
    keeper = around.keeper
    keeper.refuse_names(
        {
            "tenant": ask.tenant,
            "workflow": ask.workflow,
            "conversation": ask.conversation_id,
            "name of the prompt": ask.prompt_name,
            "version of the prompt": ask.prompt_version,
            "model": ask.model,
        }
    )
    now = around.clock.now()
    model = around.prices.model(ask.model, now)
    endpoint = endpoint_for(ask, model)
    key = affinity_key(ask.tenant, ask.workflow, ask.conversation_id)
    turns = list_turns(live, key) if live else []
    checkpoints = list_checkpoints(live, key) if live else []
    checkpoint = current_checkpoint(checkpoints)
    checkpoint_id = None if checkpoint is None else checkpoint.checkpoint_id
    messages_json = new_messages(ask, turns, stored=keeper.json_text)
    opening = new_opening(ask, turns, stored=keeper.json_text)
    masked = keeper.count
    kept_json = keeper.json_text(messages_json)
    tools_json = None
    if ask.tools is not None:
        tools_json = keeper.json_text(compact_json(list(ask.tools)))
    masked = keeper.count - masked
    kept_opening = f"{keeper.json_text(opening[:-1])}," if opening else ""
    messages = message_text(turns, messages_json, len(opening), checkpoint)
    session, _ = touch(
        find_session(live, key) if live else None,
        key=key,
        names=(ask.tenant, ask.workflow, ask.conversation_id),
        now=now,
        idle_ttl_s=service.idle_ttl_s,
        max_age_s=service.max_age_s,
    )
    run_id = uuid7(now)
    affinity = _affinity_header(session, service, live)
    estimated = estimate_input_tokens(turns, messages, messages_json, len(opening), checkpoint_id)
    rates = around.prices.rates(ask.model, now)
    prepared = Prepared(
        ask=ask,
        messages_json=kept_json,
        masked_from=first_difference(messages_json, kept_json),
        opening_chars=len(kept_opening),
        is_reopened=bool(opening) and any(history_parts(turn) for turn in turns),
        masked_count=masked,
        tools_json=tools_json,
        run_id=run_id,
        started_at=now,
        session=session,
        turn_index=turns[-1].turn_index + 1 if turns else 0,
        affinity=affinity,
        call=Call(url="", headers={}, body=b"", streamed=ask.streamed),
        checkpoint_id=checkpoint_id,
        expected=expect(
            turns,
            text=messages,
            tools_json=tools_json,
            model=ask.model,
            session=session,
            checkpoints=checkpoints,
            checkpoint_id=checkpoint_id,
        ),
        pricing=Pricing(
            rates=rates,
            estimated_input_tokens=estimated,
            worst_case=worst_case(estimated, ask.max_output_tokens, rates),
        ),
        open_turns=sum(turn.state == "open" for turn in turns),
    )
    prepared.call = _call(prepared, service, endpoint, model, messages)
    return prepared


def first_difference(sent: str, kept: str) -> int | None:
    """Where two texts begin to differ; None when they are the same."""
    if sent == kept:
        return None
    pairs = zip(sent, kept, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(sent), len(kept)))


def _affinity_header(session: Session, service: Service, live: LiveState | None) -> str:
    secret = service.affinity_secret or (live.affinity_secret if live else None)
    if secret is None and not service.plain_affinity:
        return f"wai-{session.epoch}-<keyed hash: the first run makes the key>"
    return header_value(
        session.wire_key or session.affinity_key,
        session.epoch,
        secret=secret or b"",
        plain=service.plain_affinity,
    )


def _call(
    prepared: Prepared, service: Service, endpoint: Endpoint, model: Model | None, messages: str
) -> Call:
    ask = prepared.ask
    url = (
        run_url(service.base_url, service.account_id, ask.model)
        if endpoint is Endpoint.RUN
        else chat_url(service.base_url, service.account_id)
    )
    return Call(
        url=url,
        headers=headers_for(prepared, service, attempt=1),
        body=body_of(ask, endpoint=endpoint, model=model, messages=messages),
        streamed=ask.streamed,
    )


def headers_for(prepared: Prepared, service: Service, *, attempt: int) -> dict[str, str]:
    """Return the headers of one attempt; only the metadata differs between attempts."""
    ask = prepared.ask
    metadata = Metadata(
        tenant=ask.tenant,
        workflow=ask.workflow,
        conversation_id=ask.conversation_id,
        turn_index=prepared.turn_index,
        attempt=attempt,
        prompt_name=ask.prompt_name,
        prompt_version=ask.prompt_version,
        trace=prepared.run_id,
    )
    return request_headers(
        gateway_id=service.gateway_id,
        metadata=to_header(metadata),
        affinity=prepared.affinity,
        streamed=ask.streamed,
    )
