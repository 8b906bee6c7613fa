"""What reports are told about the releases of prompts: plain data; who asks reads `prompts.lock`.

Versions are texts here, as records carry them: `3`, or `work-<hash>` for what was never frozen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFact:
    """A label was moved."""

    label: str
    version: str | None
    """None: the label was taken away."""
    previous: str | None
    """What the label pointed to before; None: it was new."""
    released_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryFact:
    """A share of a label's conversations gets another version now."""

    label: str
    version: str
    percent: int
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFacts:
    """What the lock says about one prompt. Releases are the oldest first."""

    labels: Mapping[str, str] = field(default_factory=dict)
    canaries: Sequence[CanaryFact] = ()
    releases: Sequence[ReleaseFact] = ()

    def carried_by(self, version: str | None) -> str | None:
        """The labels that a version carries now, as one text; None: none."""
        words = sorted(label for label, carried in self.labels.items() if carried == version)
        words += [
            f"{item.label} ({item.percent}%)" for item in self.canaries if item.version == version
        ]
        return ", ".join(words) or None


Facts = Mapping[str, PromptFacts]
"""By the prompt's name; empty where there is no lock."""
