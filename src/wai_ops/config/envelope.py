"""An envelope: the limits that one kind of work may not pass.

The `envelope` section of a policy is one; the front matter of a prompt may hold another, which can
only tighten it. None: no limit of this kind. The shape stands here, below `control/`, because
prompts are read in projects without policies, too.
"""

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Annotated, Any

from wai_ops.config.rules import OUTPUT_TOKENS, RATIO, Rule


def _usd(value: Decimal) -> str | None:
    if 0 < value <= 1_000_000:
        return None
    return f"must be above 0 and at most 1000000 dollars, not {value:f}"


def _count(least: int, most: int) -> Rule:
    words = f"must be between {least} and {most}"
    return Rule(lambda value: None if least <= value <= most else f"{words}, not {value}")


_USD = Rule(_usd)
_TOKENS = _count(1, 10_000_000)
_RETRIES = _count(0, 9)
_TURNS = _count(1, 100_000)
_CALLS = _count(0, 100_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The limits of a workflow. All but the cache target are enforced before anything is sent."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read once by pydantic

    max_output_tokens: Annotated[int | None, OUTPUT_TOKENS] = None
    """Output tokens of one turn. A default above it is lowered; a flag above it is refused."""
    max_retries: Annotated[int | None, _RETRIES] = None
    """Attempts of one turn after the first, whichever model they go to."""
    max_turns: Annotated[int | None, _TURNS] = None
    """Turns of one conversation; a step of a tool loop is one as well."""
    max_context_tokens: Annotated[int | None, _TOKENS] = None
    """Input of one request, by the estimate."""
    max_tool_calls: Annotated[int | None, _CALLS] = None
    """Tool calls of one exchange: from what the user says to the final answer."""
    cache_target: Annotated[Decimal | None, RATIO] = None
    """The share of a conversation's input that should come from the cache. It is measured, and
    said where it is missed: nothing is refused for it."""
    per_turn_usd: Annotated[Decimal | None, _USD] = None
    """What one turn may cost at most, its retries and fallbacks included."""
    per_conversation_usd: Annotated[Decimal | None, _USD] = None
    """What one conversation may cost at most, all its turns together."""

    def tightened(self, other: "Envelope") -> "Envelope":
        """The tighter of both, limit by limit; a higher target is the tighter one."""
        tighter: dict[str, Any] = {}
        for name in NAMES:
            values = [v for v in (getattr(self, name), getattr(other, name)) if v is not None]
            pick = max if name == "cache_target" else min
            tighter[name] = pick(values) if values else None
        return replace(self, **tighter)

    def loosened_by(self, other: "Envelope") -> tuple[str, ...]:
        """The limits of `other` that are looser than this envelope's, so that they do nothing."""
        both = self.tightened(other)
        return tuple(
            name
            for name in NAMES
            if getattr(other, name) is not None and getattr(other, name) != getattr(both, name)
        )

    @property
    def has_money(self) -> bool:
        """Whether money is limited, so that a price must be known."""
        return self.per_turn_usd is not None or self.per_conversation_usd is not None


NAMES = tuple(item.name for item in fields(Envelope))
