"""The two sides of a comparison: from `triage@3`, `@work` or `triage@git:HEAD~1` to the text."""

from dataclasses import dataclass
from pathlib import Path

from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.git_source import SELECTOR, find_revision, load_at
from wai_ops.prompts.lockfile import Lock
from wai_ops.prompts.names import check_prompt_name
from wai_ops.prompts.reference import DEFAULT_LABEL, Kind, Reference, parse_reference, resolve
from wai_ops.prompts.source import Source
from wai_ops.prompts.version import digest, work_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One side, with everything that it names."""

    reference: str
    """Written out: `triage@3`, where `@3` was given."""
    version: str
    """The number of a frozen version, `work-<sha12>`, or `git-<sha12>` of the commit."""
    recorded_version: str
    """How records name requests with this very content."""
    source: Source


def load_sides(folder: Path, lock: Lock, before: str, after: str | None) -> tuple[Loaded, Loaded]:
    """Load both. Either may leave the name out (`@3`); it is then the other's.

    Without `after`, the working tree is held against `before`, and a bare `before` is what is
    released: labelled production, else the newest frozen version. Raises PromptError.
    """
    names = [text.partition("@")[0] for text in (before, after or "")]
    name = next((item for item in names if item), "")
    first = f"{name}{before}" if before.startswith("@") else before
    if after is None:
        check_prompt_name(name)
        if "@" not in first:
            first = str(_released(lock, name))
        return load_side(folder, lock, first), load_side(folder, lock, f"{name}@work")
    second = f"{name}{after}" if after.startswith("@") else after
    return load_side(folder, lock, first), load_side(folder, lock, second)


def load_side(folder: Path, lock: Lock, text: str) -> Loaded:
    """Load one version. Raises PromptError when there is no such thing."""
    name, _, selector = text.partition("@")
    if selector.startswith(SELECTOR):
        check_prompt_name(name)
        revision = find_revision(folder, selector.removeprefix(SELECTOR))
        source = load_at(revision, name)
        version = revision.version
    else:
        resolved = resolve(lock, folder, parse_reference(text))
        source, version = resolved.source, resolved.version_text
        if resolved.frozen is not None:
            return Loaded(reference=text, version=version, recorded_version=version, source=source)
    return Loaded(
        reference=text,
        version=version,
        recorded_version=_recorded(lock, source),
        source=source,
    )


def _recorded(lock: Lock, source: Source) -> str:
    """The number under which the same content is frozen, if it is."""
    found = lock.get(source.name).by_sha256(digest(source))
    return str(found[0].version) if found else work_version(source)


def _released(lock: Lock, name: str) -> Reference:
    known = lock.get(name)
    if DEFAULT_LABEL in known.labels:
        return Reference(name=name, kind=Kind.LABEL, value=DEFAULT_LABEL)
    newest = known.newest
    if newest is None:
        raise PromptError(
            f"{name} has no frozen version that its working tree could be held against",
            hint=f"name both: wai prompts diff {name}@git:HEAD {name}@work",
        )
    return Reference(name=name, kind=Kind.VERSION, value=str(newest.version))
