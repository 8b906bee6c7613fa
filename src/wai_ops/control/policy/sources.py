"""Which policies are meant: those of a folder, of a git revision, or of the working tree."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wai_ops.control.policy.git_files import find_commit, read_revision
from wai_ops.control.policy.loading import folder_label, load_contents, load_folder
from wai_ops.control.policy.registry import Registry, registry_of
from wai_ops.control.policy.tabled import PlacedTest, load_tests
from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One set of policies."""

    label: str
    """How it is named: a folder, or `git-` and 12 hex digits of the commit."""
    registry: Registry
    tests: Sequence[PlacedTest] = ()


def load_side(text: str | None, *, folder: Path, root: Path, cwd: Path) -> Side:
    """Load what a user names: a folder, else a git revision of the project's own folder.

    None: the project's folder as it lies there. Raises UsageError.
    """
    if text is None:
        return _of_folder(folder, root)
    named = cwd / text
    if named.is_dir():
        return _of_folder(named, root)
    if named.exists():
        raise UsageError(
            f"{one_line(text, 120)} is no folder", hint="name a folder of policies, or a revision"
        )
    revision = find_commit(folder, text)
    label = revision.version
    contents = read_revision(folder, revision)
    loaded = load_contents(contents, f"{label}/{folder.name}")
    return Side(label=label, registry=registry_of(loaded))


def _of_folder(folder: Path, root: Path) -> Side:
    label = folder_label(folder, root)
    registry = registry_of(load_folder(folder, root))
    return Side(label=label, registry=registry, tests=load_tests(folder, label))
