"""What `--dry-run` shows: the exact request, credentials masked, and what it may cost."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wai_ops.core.text import one_line, printable
from wai_ops.runtime.governed_result import GovernedPreview
from wai_ops.runtime.plan import Prepared
from wai_ops.runtime.request import PromptRelease

MASKED = "Bearer [masked]"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPreview:
    """The request as it would be sent, and its estimated price. `body` is the exact text.

    `estimated_input_tokens` is a guess from lengths, or calibrated on the conversation's last
    request; `worst_case_usd` assumes nothing cached and every output token used. Null: no price.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: str
    tenant: str
    workflow: str
    conversation_id: str
    turn_index: int
    prompt: str
    release: PromptRelease | None
    affinity_epoch: int
    estimated_input_tokens: int
    max_output_tokens: int
    cacheable_tokens: int | None
    worst_case_usd: Decimal | None
    in_usd_per_m: Decimal | None
    cached_in_usd_per_m: Decimal | None
    out_usd_per_m: Decimal | None
    price_source: str | None
    price_as_of: str | None
    governed: GovernedPreview | None
    """What would be decided and set aside; null: the project has no policies."""

    def _release_text(self) -> list[str]:
        """Which version this is, and why."""
        if self.release is None:
            return []
        release = self.release
        how = "frozen" if release.frozen else "not frozen"
        if release.label is not None:
            how += f", by label {release.label}"
        if release.canary_percent is not None:
            place = "this conversation is in it" if release.canary else "not this conversation"
            how += f", canary of {release.canary_percent}%: {place}"
        if release.overrides:
            how += f", changed by flags: {', '.join(release.overrides)}"
        return [f"prompt: {one_line(self.prompt)} ({how}; sha256:{release.sha256[:12]})"]

    def to_text(self) -> str:
        """Lay it out for people: the request like an HTTP message, then the estimate."""
        lines = [f"{self.method} {one_line(self.url, 2000)}"]
        lines += [f"{name}: {one_line(value, 4000)}" for name, value in self.headers.items()]
        pretty: Any = json.dumps(json.loads(self.body), indent=2, ensure_ascii=False)
        lines += ["", printable(pretty), "", *self._release_text()]
        if self.worst_case_usd is None:
            lines.append("estimate: no price is known for this model")
        else:
            lines.append(
                f"estimate: about {self.estimated_input_tokens} input tokens, at most "
                f"{self.max_output_tokens} output tokens: at most "
                f"${self.worst_case_usd.normalize():f} "
                f"(prices: {self.price_source}, {self.price_as_of})"
            )
        if self.governed is not None:
            lines += self.governed.to_lines()
        return "\n".join(lines) + "\n"


def preview_of(prepared: Prepared, governed: GovernedPreview | None = None) -> RunPreview:
    """Describe a prepared run without its token."""
    ask, rates = prepared.ask, prepared.pricing.rates
    return RunPreview(
        method="POST",
        url=prepared.call.url,
        headers={**prepared.call.headers, "authorization": MASKED},
        body=prepared.call.body.decode(),
        tenant=ask.tenant,
        workflow=ask.workflow,
        conversation_id=ask.conversation_id,
        prompt=f"{ask.prompt_name}@{ask.prompt_version}",
        release=ask.release,
        turn_index=prepared.turn_index,
        affinity_epoch=prepared.session.epoch,
        estimated_input_tokens=prepared.pricing.estimated_input_tokens,
        max_output_tokens=ask.max_output_tokens,
        cacheable_tokens=prepared.expected.cacheable_tokens,
        worst_case_usd=prepared.pricing.worst_case.cost_usd,
        in_usd_per_m=rates.in_usd_per_m if rates else None,
        cached_in_usd_per_m=rates.cached_in_usd_per_m if rates else None,
        out_usd_per_m=rates.out_usd_per_m if rates else None,
        price_source=rates.source if rates else None,
        price_as_of=rates.as_of if rates else None,
        governed=governed,
    )
