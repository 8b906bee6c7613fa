"""From `prompts.lock` to what reports are told of it: reports may not read prompts themselves."""

from pathlib import Path

from wai_ops.observe.reports.prompt_facts import CanaryFact, Facts, PromptFacts, ReleaseFact
from wai_ops.prompts.lockfile import FILE_NAME, PromptLock, read_lock


def read_facts(root: Path) -> Facts:
    """The releases of every prompt, by its name; empty where `root` has no lock.

    Raises PromptError for a lock that cannot be read.
    """
    lock = read_lock(root / FILE_NAME)
    return {name: facts_of(prompt) for name, prompt in lock.prompts.items()}


def facts_of(prompt: PromptLock) -> PromptFacts:
    """The releases of one prompt; versions are spelled as records carry them."""
    return PromptFacts(
        labels={label: str(version) for label, version in prompt.labels.items()},
        canaries=tuple(
            CanaryFact(
                label=item.label,
                version=str(item.version),
                percent=item.percent,
                started_at=item.started_at,
            )
            for item in prompt.canaries
        ),
        releases=tuple(
            ReleaseFact(
                label=item.label,
                version=_text(item.version),
                previous=_text(item.previous),
                released_at=item.released_at,
            )
            for item in prompt.releases
        ),
    )


def _text(version: int | None) -> str | None:
    return None if version is None else str(version)
