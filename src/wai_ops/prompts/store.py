"""Freezing: immutable, content-addressed versions in `prompts/.versions/`, and the lock.

What is frozen is never written again. A file is put in place before the lock names it, so a crash
in between leaves a file that nobody names, and never a name without a file.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from wai_ops.core.clock import Clock
from wai_ops.core.errors import DataError, UsageError
from wai_ops.core.table import Table, Unit, col
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.files import make_below, read_below, read_in, walk, write_in
from wai_ops.prompts.lockfile import FrozenVersion, lock_path, read_lock, write_lock
from wai_ops.prompts.names import check_prompt_name
from wai_ops.prompts.source import SUFFIX, Source, load_source
from wai_ops.prompts.version import digest
from wai_ops.prompts.version_file import MAX_BYTES, behaviour_digest, to_bytes, to_source

VERSIONS = ".versions"
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What freezing one prompt came to."""

    name: str
    version: int
    sha256: str
    is_new: bool
    """False: this content was frozen before, as that version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeRow:
    """One prompt that was to be frozen."""

    prompt: str = col("Prompt")
    version: int = col("Version", Unit.COUNT)
    outcome: str = col("Outcome")
    """`frozen`, or `unchanged` when this content is that version already."""
    sha256: str = col("SHA-256")


def freeze_table(done: Sequence[Frozen]) -> Table[FreezeRow]:
    """What freezing came to, as rows."""
    rows = [
        FreezeRow(
            prompt=item.name,
            version=item.version,
            outcome="frozen" if item.is_new else "unchanged",
            sha256=item.sha256,
        )
        for item in done
    ]
    notes = () if rows else ("there are no prompts",)
    return Table(row_type=FreezeRow, rows=rows, notes=notes)


def list_names(folder: Path) -> list[str]:
    """The names of all prompt files below `prompts/`, sorted; some may not be names at all."""
    return sorted(path.removesuffix(SUFFIX) for path in walk(folder, SUFFIX))


def no_such_prompt(folder: Path, name: str, known: Iterable[str]) -> PromptError:
    """The error for a name that is none of the known ones."""
    from wai_ops.config.problems import nearest

    near = nearest(name, known)
    return PromptError(
        f"there is no prompt {name}",
        where=f"{folder.name}/{name}{SUFFIX}",
        hint=f"did you mean {near}?" if near else "see: wai prompts list",
    )


def version_path(name: str, sha256: str) -> str:
    """The file of a version, relative to `prompts/`."""
    return f"{VERSIONS}/{name}/{sha256}.json"


def load_version(folder: Path, name: str, sha256: str, *, file_sha256: str | None = None) -> Source:
    """Load a frozen version. Raises DataError when its file is missing or not what was frozen."""
    where = f"{folder.name}/{version_path(check_prompt_name(name), sha256)}"
    try:
        content = read_below(folder, version_path(name, sha256), limit=MAX_BYTES)
    except PromptError as error:
        raise DataError(
            f"the frozen version {error.message}",
            where=where,
            hint="it belongs into the repository: see wai prompts verify",
        ) from error
    is_whole = file_sha256 is None or hashlib.sha256(content).hexdigest() == file_sha256
    if not is_whole or behaviour_digest(content) != sha256:
        raise DataError(
            "the frozen version is not what was frozen",
            where=where,
            hint="get it back from version control: see wai prompts verify",
        )
    return to_source(name, content, where)


def freeze(
    folder: Path, names: Sequence[str], message: str, author: str, clock: Clock
) -> list[Frozen]:
    """Freeze prompts, all of them or none; without names, every prompt of the folder.

    A prompt whose content was frozen before is left as it is. Raises PromptError for prompts that
    cannot be used, and DataError when somebody else keeps the lock for ten seconds.
    """
    from wai_ops.prompts.rendering import check_source

    text = _one_line(message, "the message")
    who = _one_line(author, "the author")
    known_names = list_names(folder)
    for name in names:
        if check_prompt_name(name) not in known_names:
            raise no_such_prompt(folder, name, known_names)
    if not known_names:
        return []
    with locked(folder, clock):
        lock = read_lock(lock_path(folder))
        sources = [load_source(folder, name) for name in dict.fromkeys(names) or known_names]
        for source in sources:
            check_source(source)
        done: list[Frozen] = []
        for source in sources:
            sha256 = digest(source)
            known = lock.get(source.name)
            found = next(iter(known.by_sha256(sha256)), None)
            is_new = found is None
            if found is None:
                newest = known.newest
                found = FrozenVersion(
                    version=1 if newest is None else newest.version + 1,
                    sha256=sha256,
                    file_sha256=_put(folder, source, sha256),
                    frozen_at=clock.now().replace(microsecond=0),
                    author=who,
                    message=text,
                )
                lock = lock.with_prompt(replace(known, versions=(*known.versions, found)))
            done.append(
                Frozen(name=source.name, version=found.version, sha256=sha256, is_new=is_new)
            )
        if any(item.is_new for item in done):
            write_lock(lock_path(folder), lock)
    return done


@contextmanager
def locked(folder: Path, clock: Clock) -> Iterator[None]:
    """Keep every other process of this machine from changing the lock.

    The folder `.versions` itself is locked, so that no file is left behind.
    """
    descriptor = make_below(folder, [VERSIONS])
    try:
        _wait_for(descriptor, folder, clock)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, folder: Path, clock: Clock) -> None:
    end = clock.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() > end:
                raise DataError(
                    "another process is changing the prompts",
                    where=f"{folder.name}/{VERSIONS}",
                    hint="try again when it is done",
                ) from None
            clock.sleep(0.02)
        else:
            return


def _put(folder: Path, source: Source, sha256: str) -> str:
    """Write the file of a version unless it is there; return the SHA-256 of the file."""
    path = version_path(source.name, sha256)
    parents, _, name = path.rpartition("/")
    descriptor = make_below(folder, parents.split("/"))
    try:
        try:
            # A freeze that was cut short, or the same from another branch: it stays as it is.
            content = read_in(descriptor, name, limit=MAX_BYTES, where=f"{folder.name}/{path}")
        except FileNotFoundError:
            content = to_bytes(source)
            write_in(descriptor, name, content, mode=0o444)
        except OSError as error:
            raise DataError(
                f"cannot be read: {error.strerror}", where=f"{folder.name}/{path}"
            ) from error
    finally:
        os.close(descriptor)
    if behaviour_digest(content) != sha256:
        raise DataError(
            "is in the way and is not this version",
            where=f"{folder.name}/{path}",
            hint="delete it: no version of the lock is in it",
        )
    return hashlib.sha256(content).hexdigest()


def _one_line(text: str, what: str) -> str:
    """White space becomes single spaces. Raises UsageError when nothing or no Unicode is left."""
    line = " ".join(text.split())
    if not line:
        raise UsageError(f"{what} is empty")
    if any("\ud800" <= character <= "\udfff" for character in line):
        raise UsageError(f"{what} is not valid Unicode")
    return line
