"""`wai prompts import`: files of dotprompt and Handlebars to prompts of the project."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wai_ops.core.errors import DataError, UsageError
from wai_ops.core.findings import Finding, in_order, verdict_of
from wai_ops.core.table import Verdict
from wai_ops.core.text import one_line
from wai_ops.prompts.dotprompt.convert import Converted, convert
from wai_ops.prompts.dotprompt.said import Said
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.files import write_whole
from wai_ops.prompts.includes import SUFFIX as PART
from wai_ops.prompts.input_file import read_input
from wai_ops.prompts.names import is_prompt_name
from wai_ops.prompts.source import SUFFIX

SUFFIXES = (SUFFIX, ".hbs", ".handlebars")
MOST_FILES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One file, and the prompt that came of it."""

    file: str
    prompt: str
    is_written: bool
    parts: tuple[str, ...] = ()
    """The parts that were written with it, below `prompts/`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What came of all files."""

    verdict: Verdict
    """FAIL when a file was refused."""
    imported: tuple[Imported, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    root: Path
    """The folder that was named; of a single file, its own."""

    @property
    def name(self) -> str:
        """What the prompt will be called."""
        relative = self.path.relative_to(self.root).as_posix()
        for suffix in SUFFIXES:
            relative = relative.removesuffix(suffix)
        return relative


@dataclass
class _Run:
    folder: Path
    model: str | None
    replaces: bool
    is_dry: bool
    findings: list[Finding] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)

    def one(self, file: _File) -> Imported:
        said = Said(_shown(file.path))
        made = self._converted(file, said)
        parts: tuple[str, ...] = ()
        if made is not None and self._is_free(file, made, said):
            parts = tuple(made.parts)
            self._write(made, file.name)
        self.findings += said.findings
        return Imported(
            file=said.file,
            prompt=file.name,
            is_written=not said.is_refused() and not self.is_dry,
            parts=parts,
        )

    def _converted(self, file: _File, said: Said) -> Converted | None:
        if not is_prompt_name(file.name):
            said.refuse(0, f"{one_line(file.name, 80)!r} is not a name of a prompt")
            return None
        try:
            text = read_input(file.path, "file")
        except UsageError as error:
            said.refuse(0, error.message)
            return None

        def partial(name: str) -> tuple[str, str, str] | None:
            return _partial(name, file)

        return convert(text, file.name, said, model=self.model, partial=partial)

    def _is_free(self, file: _File, made: Converted, said: Said) -> bool:
        for path, text in {f"{file.name}{SUFFIX}": made.text, **made.parts}.items():
            if path in self.written and self.written[path] != text:
                said.refuse(0, f"prompts/{path} would be another one than for a file before")
            elif path not in self.written and not self.replaces and self._is_other(path, text):
                said.refuse(0, f"prompts/{path} is there already", "replace it with --force")
        return not said.is_refused()

    def _is_other(self, path: str, text: str) -> bool:
        """Whether something else is there already."""
        target = self.folder / path
        return os.path.lexists(target) and (
            target.is_symlink() or not target.is_file() or target.read_bytes() != text.encode()
        )

    def _write(self, made: Converted, name: str) -> None:
        for path, text in {**made.parts, f"{name}{SUFFIX}": made.text}.items():
            self.written[path] = text
            if self.is_dry:
                continue
            target = self.folder / path
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                if target.is_symlink():
                    raise DataError("is a link: links are not followed", where=f"prompts/{path}")
                write_whole(target, text.encode("utf-8"))
            except OSError as error:
                raise DataError(
                    f"cannot be written: {error.strerror}", where=f"prompts/{path}"
                ) from error


def import_prompts(
    paths: Sequence[Path], folder: Path, *, model: str | None, replaces: bool, is_dry: bool = False
) -> ImportReport:
    """Import files, and all files of folders. Raises UsageError for a path that gives none."""
    run = _Run(folder, model, replaces, is_dry)
    imported = [run.one(file) for file in _files(paths)]
    findings = tuple(in_order(run.findings))
    return ImportReport(verdict=verdict_of(findings), imported=tuple(imported), findings=findings)


def _files(paths: Sequence[Path]) -> list[_File]:
    found: dict[Path, _File] = {}
    for path in paths:
        if path.is_dir():
            files = [_File(item, path) for item in _walk(path)]
            if not files:
                raise UsageError(f"{path} holds no file that ends in {', '.join(SUFFIXES)}")
        else:
            if not path.name.endswith(SUFFIXES):
                raise UsageError(
                    f"{path} does not end in {', '.join(SUFFIXES)}",
                    hint="wai prompts import takes dotprompt and Handlebars files, and folders",
                )
            files = [_File(path, path.parent)]
        for file in files:
            found.setdefault(file.path, file)
        if len(found) > MOST_FILES:
            raise UsageError(f"more than {MOST_FILES} files")
    return list(found.values())


def _walk(folder: Path) -> Iterator[Path]:
    """The prompts below a folder; partials come with those that name them, hidden ones never."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(("_", ".")) or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _walk(entry)
        elif entry.name.endswith(SUFFIXES):
            yield entry


def _partial(name: str, file: _File) -> tuple[str, str, str] | None:
    """Find a partial beside the file or above it, up to the folder that was named."""
    *folders, last = name.split("/")
    if not is_prompt_name(name) or ".." in folders:
        return None
    place = file.path.parent
    while True:
        for suffix in SUFFIXES:
            for start in ("_", ""):
                path = place.joinpath(*folders, f"{start}{last}{suffix}")
                if path.is_file() and path != file.path:
                    return _read_partial(path, file.root, name)
        if place in (file.root, place.parent):
            return None
        place = place.parent


def _read_partial(path: Path, root: Path, name: str) -> tuple[str, str, str] | None:
    try:
        text = read_input(path, "file")
    except (UsageError, PromptError):
        return None
    above = path.parent.relative_to(root).as_posix()
    last = name.rpartition("/")[2]
    return _shown(path), f"{'' if above == '.' else above + '/'}{last}{PART}", text


def _shown(path: Path) -> str:
    return one_line(path.as_posix(), 200)
