"""`wai prompts verify`: the proof that what is frozen is as it was frozen, and that nothing else
is in use.

Made for CI: it reads every frozen file and compares hashes, decodes hardly any of them, and takes
apart a prompt of the working tree only when its text is not that of its newest version.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wai_ops.config.settings import PromptSettings, ReleaseControl
from wai_ops.core.errors import WaiError
from wai_ops.core.findings import Finding, Level, in_order, verdict_of
from wai_ops.core.table import Verdict
from wai_ops.core.text import one_line
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.files import open_below, read_below, read_in
from wai_ops.prompts.lock_checks import lock_problems
from wai_ops.prompts.lockfile import FILE_NAME, Lock, lock_path, read_lock
from wai_ops.prompts.names import MOST as LONGEST_NAME
from wai_ops.prompts.source import SUFFIX, load_source
from wai_ops.prompts.store import VERSIONS, list_names
from wai_ops.prompts.verify_rules import RULES
from wai_ops.prompts.version import digest
from wai_ops.prompts.version_file import MAX_BYTES, behaviour_digest, files_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was looked at, and what is wrong with it."""

    findings: tuple[Finding, ...]
    prompt_count: int
    """Prompts of the lock and of the working tree, each counted once."""
    version_count: int
    """Frozen files whose hash was computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """The same for machines."""

    verdict: Verdict
    prompt_count: int
    version_count: int
    findings: tuple[Finding, ...]


def report_of(verified: Verified) -> VerifyReport:
    """Add the verdict."""
    return VerifyReport(
        verdict=verdict_of(verified.findings),
        prompt_count=verified.prompt_count,
        version_count=verified.version_count,
        findings=verified.findings,
    )


def verify(folder: Path, settings: PromptSettings) -> Verified:
    """Check the folder `prompts/` against its lock. What is wrong is a finding, never an error."""
    try:
        lock = read_lock(lock_path(folder))
    except PromptError as error:
        # Without a lock every file would be unknown: one finding says it all.
        return Verified(findings=(_lock_finding(error),), prompt_count=0, version_count=0)
    check = _Versions(folder, lock)
    findings = [*check.run(), *_lock_findings(lock, settings)]
    level = _level_of_work(settings)
    names: list[str] = []
    try:
        names = list_names(folder)
    except PromptError as error:
        findings.append(_finding("WV006", error.message, error.where or ""))
    work = _Work(folder, lock, check.newest)
    for name in names:
        findings += work.check(name, level)
    return Verified(
        findings=tuple(in_order(findings)),
        prompt_count=len({*names, *lock.prompts}),
        version_count=check.count,
    )


def _finding(
    rule: str, message: str, file: str, *, line: int = 0, level: Level | None = None, key: str = ""
) -> Finding:
    known = RULES[rule]
    return Finding(
        rule=rule,
        level=level or known.level,
        message=one_line(message),
        file=file,
        line=line,
        hint=known.fix,
        key=key,
    )


def _lock_finding(error: PromptError) -> Finding:
    where, _, rest = (error.where or FILE_NAME).partition(":")
    line = rest.partition(":")[0]
    return _finding("WV001", error.message, where, line=int(line) if line.isdigit() else 0)


@dataclass(slots=True)
class _Versions:
    """Compares every file in `.versions` with the lock."""

    folder: Path
    lock: Lock
    newest: dict[str, bytes] = field(default_factory=dict)
    """Name -> the file of its newest version, where that is whole."""
    count: int = 0
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def run(self) -> Iterator[Finding]:
        try:
            descriptor = open_below(self.folder, [VERSIONS])
        except FileNotFoundError:
            descriptor = None
        except OSError as error:
            yield self._wrong("WV002", f"cannot be opened: {error.strerror}", "")
            return
        if descriptor is not None:
            try:
                yield from self._folder(descriptor, "")
            finally:
                os.close(descriptor)
        for name, prompt in self.lock.prompts.items():
            for version in prompt.versions:
                if (name, version.sha256) not in self._seen:
                    yield _finding(
                        "WV002",
                        f"version {version.version} of {name} has no file "
                        f"{VERSIONS}/{name}/{version.sha256}.json",
                        FILE_NAME,
                        line=prompt.line,
                        key=f"{name}@{version.version}",
                    )

    def _wrong(self, rule: str, message: str, path: str) -> Finding:
        return _finding(rule, message, f"{self.folder.name}/{VERSIONS}{path}")

    def _folder(self, descriptor: int, name: str) -> Iterator[Finding]:
        """Check one folder of versions; `name` is the prompt's."""
        prompt = self.lock.prompts.get(name)
        expected = {f"{item.sha256}.json": item for item in prompt.versions} if prompt else {}
        newest = prompt.newest if prompt else None
        with os.scandir(descriptor) as entries:
            found = sorted((item.name, item.is_dir(follow_symlinks=False)) for item in entries)
        for entry, is_folder in found:
            path = f"{name}/{entry}" if name else entry
            version = expected.get(entry)
            if is_folder:
                yield from self._inside(descriptor, entry, path)
            elif version is None:
                yield self._wrong("WV004", "belongs to no version of the lock", f"/{path}")
            else:
                self._seen.add((name, version.sha256))
                content = self._read(descriptor, entry)
                self.count += 1
                if isinstance(content, str):
                    yield self._wrong("WV003", content, f"/{path}")
                elif hashlib.sha256(content).hexdigest() != version.file_sha256:
                    yield self._wrong(
                        "WV003", f"is not what was frozen as {name}@{version.version}", f"/{path}"
                    )
                elif behaviour_digest(content) != version.sha256:
                    yield self._wrong(
                        "WV003", f"does not hold what its name says ({name})", f"/{path}"
                    )
                elif version is newest:
                    self.newest[name] = content

    def _inside(self, descriptor: int, entry: str, path: str) -> Iterator[Finding]:
        """Check a folder in a folder, as deep as names of prompts go."""
        if len(path) > LONGEST_NAME:
            yield self._wrong("WV004", "belongs to no version of the lock", f"/{path}")
            return
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            inner = os.open(entry, flags, dir_fd=descriptor)
        except OSError as error:
            yield self._wrong("WV003", f"cannot be opened: {error.strerror}", f"/{path}")
            return
        try:
            yield from self._folder(inner, path)
        finally:
            os.close(inner)

    @staticmethod
    def _read(descriptor: int, entry: str) -> bytes | str:
        """The bytes of a file, or why there are none."""
        try:
            return read_in(descriptor, entry, limit=MAX_BYTES, where="")
        except PromptError as error:
            return error.message
        except OSError as error:
            return f"cannot be read: {error.strerror}"


@dataclass(slots=True)
class _Work:
    """Compares the working tree with what is frozen."""

    folder: Path
    lock: Lock
    newest: dict[str, bytes]
    _texts: dict[str, bytes | None] = field(default_factory=dict)
    """Files that several prompts share are read once."""

    def check(self, name: str, level: Level) -> Iterator[Finding]:
        if self._is_newest(name):
            return
        path = f"{self.folder.name}/{name}{SUFFIX}"
        try:
            source = load_source(self.folder, name)
        except WaiError as error:
            place = error.where if error.where and ":" in error.where else path
            file, _, line = place.partition(":")
            number = line.partition(":")[0]
            yield _finding(
                "WV006", error.message, file, line=int(number) if number.isdigit() else 0
            )
            return
        known = self.lock.get(name)
        if not known.by_sha256(digest(source)):
            newest = known.newest
            was = "was never frozen" if newest is None else f"differs from version {newest.version}"
            yield _finding("WV005", f"{name} {was}", path, level=level)

    def _is_newest(self, name: str) -> bool:
        """Whether every file of the newest version still has the same text."""
        content = self.newest.get(name)
        if content is None:
            return False
        try:
            files = files_of(content)
        except (KeyError, TypeError, ValueError):
            return False
        return all(self._text(path) == text.encode() for path, text in files.items())

    def _text(self, path: str) -> bytes | None:
        if path not in self._texts:
            try:
                self._texts[path] = read_below(self.folder, path)
            except PromptError:
                self._texts[path] = None
        return self._texts[path]


def _level_of_work(settings: PromptSettings) -> Level:
    """Unfrozen prompts are an error unless the config lets CI use them."""
    is_strict = settings.release_control is ReleaseControl.STRICT
    return Level.WARNING if settings.allow_work_in_ci and not is_strict else Level.ERROR


def _lock_findings(lock: Lock, settings: PromptSettings) -> Iterator[Finding]:
    for name, prompt in lock.prompts.items():
        for rule, message in lock_problems(prompt, settings.protected):
            key = f"{name}: {message}"
            yield _finding(rule, f"{name}: {message}", FILE_NAME, line=prompt.line, key=key)
