"""`prompts.lock`: which versions are frozen, which labels point where, who approved what.

It lies beside `prompts/` and is reviewed with the code. Reading and writing give back the same
bytes; nothing but the order of the prompts is decided when it is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from wai_ops.prompts.errors import PromptError

FILE_NAME = "prompts.lock"
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenVersion:
    """One immutable version. Versions of a prompt count from 1 without gaps."""

    version: int
    sha256: str
    """Of what decides behaviour; it also names the file."""
    file_sha256: str
    """Of the whole file in `prompts/.versions/`, which keeps the source as well."""
    frozen_at: datetime
    author: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A share of a label's conversations gets another version."""

    label: str
    version: int
    percent: int
    """1 to 99."""
    started_at: datetime
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Somebody who may says that a version may get a protected label."""

    label: str
    version: int
    approved_by: str
    approved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A label was moved: the history, for rolling back and for attribution. Oldest first."""

    label: str
    version: int | None
    """None: the label was taken away."""
    previous: int | None
    released_at: datetime
    author: str
    message: str = ""
    approved_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptLock:
    """Everything about one prompt."""

    name: str
    versions: tuple[FrozenVersion, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)
    canaries: tuple[Canary, ...] = ()
    approvals: tuple[Approval, ...] = ()
    releases: tuple[Release, ...] = ()
    line: int = field(default=0, compare=False)
    """Where its block begins in the file; 0 when it was never read."""

    def version(self, number: int) -> FrozenVersion | None:
        """The version of that number."""
        return next((item for item in self.versions if item.version == number), None)

    def by_sha256(self, prefix: str) -> tuple[FrozenVersion, ...]:
        """The versions whose hash begins so."""
        return tuple(item for item in self.versions if item.sha256.startswith(prefix))

    @property
    def newest(self) -> FrozenVersion | None:
        """The version with the highest number."""
        return self.versions[-1] if self.versions else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The whole lock: name -> what is known about the prompt."""

    prompts: Mapping[str, PromptLock] = field(default_factory=dict)

    def get(self, name: str) -> PromptLock:
        """What is known about a prompt; empty for one that was never frozen."""
        return self.prompts.get(name) or PromptLock(name=name)

    def with_prompt(self, prompt: PromptLock) -> "Lock":
        """The same lock with one prompt replaced."""
        return Lock(prompts={**self.prompts, prompt.name: prompt})


def lock_path(folder: Path) -> Path:
    """The lock of the folder `prompts/`."""
    return folder.parent / FILE_NAME


def read_lock(path: Path) -> Lock:
    """Read a lock; a file that is not there is an empty one. Raises PromptError with the line."""
    from wai_ops.prompts.files import read_below
    from wai_ops.prompts.lock_read import parse_lock

    try:
        content = read_below(path.parent, path.name, limit=MAX_BYTES)
    except PromptError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return Lock()
        raise PromptError(error.message, where=path.name) from error
    return parse_lock(content, path.name)


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock, whole or not at all. Call it while `store.locked` holds."""
    from wai_ops.prompts.files import write_whole
    from wai_ops.prompts.lock_text import to_text

    write_whole(path, to_text(lock).encode("utf-8"))
