"""The limits of one call, each with the place that says so: policy and prompt together."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wai_ops.control.envelopes.model import NAMES, Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPlace:
    """The rule (`support.envelope.max_turns`) and its `file:line`; empty: not known."""

    rule: str
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """An envelope whose every limit knows where it comes from."""

    envelope: Envelope
    places: Mapping[str, LimitPlace] = field(default_factory=dict)

    def place(self, name: str) -> LimitPlace:
        """Where a limit stands."""
        return self.places.get(name, LimitPlace(rule=f"envelope.{name}"))


def limits_of(
    policy: Envelope | None,
    policy_places: Mapping[str, LimitPlace],
    prompt: Envelope | None = None,
    prompt_places: Mapping[str, LimitPlace] | None = None,
) -> tuple[Limits, tuple[str, ...]]:
    """What holds when both speak, and the prompt's limits that are looser and so do nothing."""
    base = policy or Envelope()
    if prompt is None:
        return Limits(envelope=base, places=dict(policy_places)), ()
    both = base.tightened(prompt)
    places = dict(policy_places)
    for name in NAMES:
        value = getattr(both, name)
        if value is not None and value != getattr(base, name):
            found = (prompt_places or {}).get(name)
            places[name] = found or LimitPlace(rule=f"prompt.envelope.{name}")
    return Limits(envelope=both, places=places), base.loosened_by(prompt)
