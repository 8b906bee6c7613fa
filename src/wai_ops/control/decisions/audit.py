"""A log folder, or an export of one, looked at as a whole: records, checkpoints, anchors."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wai_ops.control.decisions import tiles
from wai_ops.control.decisions.checkpoint import (
    Checkpoint,
    checkpoint_files,
    open_checkpoint,
    parse_checkpoint,
    size_line,
)
from wai_ops.control.decisions.findings import Finding, Kind, named
from wai_ops.control.decisions.lines import Extent, measure, read_lines
from wai_ops.control.decisions.log import FILE_NAME
from wai_ops.control.decisions.note import BadNoteError, VerifierKey, split_note
from wai_ops.control.decisions.stamps import kept_stamps
from wai_ops.control.decisions.timestamp import Stamp
from wai_ops.control.decisions.verify import Verification, verify_lines
from wai_ops.core.errors import DataError, UsageError

_MAX_NOTE = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What verifying a folder has shown."""

    folder: Path
    is_export: bool
    verified: Verification
    torn_bytes: int
    """At the end, of a writer that died or is at work: nobody was told that they are kept."""
    checkpoint_count: int
    unchecked: int
    """Checkpoints that were not used: nobody gave a key to check them with."""
    stamps: Sequence[tuple[str, Stamp]]
    """Checkpoints that have a time stamp, by the names of their files."""


def audit_folder(
    folder: Path,
    keys: Collection[VerifierKey],
    anchors: Iterable[tuple[str, bytes]] = (),
    *,
    observe: Callable[[bytes], None] | None = None,
    extent: Extent | None = None,
) -> Audit:
    """Verify a log folder or an export of tiles. `anchors`: name and content of checkpoints that
    were kept elsewhere. `observe` is shown every line. `extent`: how much of the file is looked
    at, where that was measured before. Raises DataError, UsageError.
    """
    is_export = tiles.is_export(folder)
    if not is_export and not (folder / FILE_NAME).exists() and not checkpoint_files(folder):
        raise UsageError(
            "there is no decision log",
            where=str(folder),
            hint="governed runs make one; give another folder, or an export of tiles",
        )
    paths = [folder / tiles.CHECKPOINT] if is_export else checkpoint_files(folder)
    notes = [(path.name, _read(path)) for path in paths]
    good: list[Checkpoint] = []
    bad: list[Finding] = []
    for name, note in (*notes, *anchors):
        if not keys:
            continue
        try:
            good.append(_opened(name, note, keys))
        except BadNoteError as error:
            said = f"checkpoint {name} cannot be relied on: {error}"
            bad.append(Finding(0, 0, Kind.TAMPERED, said))
    stamps: list[tuple[str, Stamp]] = []
    for path, kept in kept_stamps(folder):
        if isinstance(kept, str):
            said = f"the time stamp of {path.name} cannot be relied on: {kept}"
            bad.append(Finding(0, 0, Kind.TAMPERED, said))
        else:
            stamps.append((path.name, kept))
    size = 0
    if is_export:
        size = good[0].size if good else _claimed(notes[0][1], is_named=bool(bad))
        lines: Iterator[bytes] = tiles.read_entries(folder, size)
        extent = Extent(0, 0)
    else:
        extent = extent or measure(folder / FILE_NAME)
        lines = read_lines(folder / FILE_NAME, extent.whole_bytes)
    verified = verify_lines(lines if observe is None else _shown(lines, observe), good)
    if is_export:
        bad += _wrong_tiles(folder, size)
        if verified.record_count < size and not good:
            first = verified.record_count
            said = f"{named(first, size - 1)} are missing"
            bad.append(Finding(first, size - 1, Kind.INCOMPLETE, said))
    return Audit(
        folder=folder,
        is_export=is_export,
        verified=replace(verified, findings=sorted([*verified.findings, *bad])),
        torn_bytes=extent.torn_bytes,
        checkpoint_count=len(notes),
        unchecked=0 if keys else len(notes),
        stamps=stamps,
    )


def latest_checkpoint(
    folder: Path, keys: Collection[VerifierKey]
) -> tuple[Checkpoint, bytes] | None:
    """The largest checkpoint of a log folder that a known key has signed, and its note.

    Raises DataError when one of them is damaged.
    """
    for path in reversed(checkpoint_files(folder)):
        note = _read(path)
        try:
            return _opened(path.name, note, keys), note
        except BadNoteError as error:
            raise DataError(
                f"the checkpoint cannot be relied on: {error}",
                where=str(path),
                hint="see: wai audit verify",
            ) from error
    return None


def needed_checkpoint(folder: Path, keys: Collection[VerifierKey]) -> tuple[Checkpoint, bytes]:
    """As `latest_checkpoint`. Raises UsageError when there is none."""
    found = latest_checkpoint(folder, keys)
    if found is None:
        raise UsageError(
            "the log has no checkpoint yet",
            where=str(folder),
            hint="whoever holds the key signs one: wai audit checkpoint",
        )
    return found


def _opened(name: str, note: bytes, keys: Collection[VerifierKey]) -> Checkpoint:
    found = open_checkpoint(note, keys)
    stem = name.removesuffix(".txt")
    if stem.isdecimal() and len(stem) == 12 and int(stem) != found.size:
        raise BadNoteError(f"it is about {found.size} records")
    return found


def _claimed(note: bytes, *, is_named: bool) -> int:
    """The size in a checkpoint that nobody can check; 0: there is none in it.

    Raises DataError for what is no checkpoint, unless a finding says so already.
    """
    try:
        return parse_checkpoint(split_note(note)[0]).size
    except BadNoteError as error:
        if not is_named:
            raise DataError(f"the checkpoint is none: {error}") from error
    return size_line(note)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_NOTE + 1)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _shown(lines: Iterable[bytes], observe: Callable[[bytes], None]) -> Iterator[bytes]:
    for line in lines:
        observe(line)
        yield line


def _wrong_tiles(folder: Path, size: int) -> Iterator[Finding]:
    for tile in tiles.wrong_tiles(folder, size):
        kind = Kind.INCOMPLETE if tile.is_missing else Kind.TAMPERED
        said = "is missing" if tile.is_missing else "does not follow from the records"
        yield Finding(tile.first, tile.last, kind, f"{tile.name} {said}")
