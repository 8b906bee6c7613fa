"""The log as static files that public tools read (C2SP tlog-tiles), written and read again.

`checkpoint` is the signed note; `tile/<L>/<N>` are 256 hashes each of the tree's level 8 * L,
`tile/entries/<N>` 256 records each, every one after its length in two bytes. Unfinished ones end in
`.p/<W>`. A file that is complete never changes.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from wai_ops.control.decisions.checkpoint import Checkpoint
from wai_ops.control.decisions.merkle import Frontier, leaf_hash
from wai_ops.control.decisions.record import MAX_RECORD_BYTES
from wai_ops.core.errors import DataError

WIDTH = 256
CHECKPOINT = "checkpoint"
_ENTRIES = "entries"


def tile_path(level: int | str, number: int, width: int = WIDTH) -> str:
    """Where a tile lies: `tile/0/x001/x234/067.p/8`."""
    parts = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        parts.append(f"x{number % 1000:03}")
    suffix = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(parts))}{suffix}"


def tiles_of(lines: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of every file but the checkpoint, for all records given."""
    levels: list[list[bytes]] = [[]]
    done = [0]
    entries: list[bytes] = []
    for line in lines:
        entries.append(len(line).to_bytes(2) + line)
        levels[0].append(leaf_hash(line))
        if len(entries) == WIDTH:
            yield tile_path(_ENTRIES, done[0]), b"".join(entries)
            entries.clear()
        yield from _full(levels, done)
    if entries:
        yield tile_path(_ENTRIES, done[0], len(entries)), b"".join(entries)
    for level, hashes in enumerate(levels):
        if hashes:
            yield tile_path(level, done[level], len(hashes)), b"".join(hashes)


def _full(levels: list[list[bytes]], done: list[int]) -> Iterator[tuple[str, bytes]]:
    level = 0
    while len(levels[level]) == WIDTH:
        hashes = levels[level]
        yield tile_path(level, done[level]), b"".join(hashes)
        done[level] += 1
        if level + 1 == len(levels):
            levels.append([])
            done.append(0)
        tree = Frontier()
        for one in hashes:
            tree.add(one)
        levels[level + 1].append(tree.root())
        hashes.clear()
        level += 1


def export_tiles(lines: Iterable[bytes], at: Checkpoint, note: bytes, folder: Path) -> int:
    """Write the records that a checkpoint covers, the checkpoint last; return how many files came.

    Files that are there already must say the same. Raises DataError, also when the records are
    not those that were signed: then there is no new checkpoint.
    """
    from wai_ops.config.files import write_atomically

    count = 0
    tree = Frontier()
    try:
        for name, content in tiles_of(_counted(islice(lines, at.size), tree)):
            path = folder / name
            if path.is_file():
                if path.read_bytes() != content:
                    raise DataError(
                        "holds something else than this log does",
                        where=str(path),
                        hint="export to another folder, and see: wai audit verify",
                    )
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            count += 1
        if (tree.size, tree.root()) != (at.size, at.root):
            raise DataError(
                "the log is not the one that was signed: the export has no new checkpoint",
                where=str(folder),
                hint="see what is wrong: wai audit verify",
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / CHECKPOINT, note)
        (folder / CHECKPOINT).chmod(0o644)
    except OSError as error:
        raise DataError(
            f"cannot export: {error.strerror or error}", where=str(error.filename or folder)
        ) from error
    return count


def _counted(lines: Iterable[bytes], tree: Frontier) -> Iterator[bytes]:
    for line in lines:
        tree.add(leaf_hash(line))
        yield line


def is_export(folder: Path) -> bool:
    """Whether a folder holds tiles."""
    return (folder / CHECKPOINT).is_file() and (folder / "tile").is_dir()


def read_entries(folder: Path, size: int) -> Iterator[bytes]:
    """Yield the records of an export; it ends early where files are missing or cut."""
    for number in range(-(-size // WIDTH)):
        width = min(WIDTH, size - number * WIDTH)
        content = _content(folder, _ENTRIES, number, width)
        if content is None:
            return
        place = 0
        for _ in range(width):
            length = int.from_bytes(content[place : place + 2])
            entry = content[place + 2 : place + 2 + length]
            if place + 2 > len(content) or len(entry) != length:
                return
            yield entry
            place += 2 + length


@dataclass(frozen=True, slots=True)
class WrongTile:
    """A hash tile that does not follow from the records, and the records below it."""

    name: str
    is_missing: bool
    first: int
    last: int


def wrong_tiles(folder: Path, size: int) -> Iterator[WrongTile]:
    """Compare the hash tiles of an export with its records, as far as there are any."""
    for name, content in tiles_of(read_entries(folder, size)):
        _, level, rest = name.split("/", 2)
        if level == _ENTRIES:
            continue
        number = int(rest.partition(".p/")[0].replace("x", "").replace("/", ""))
        below = WIDTH ** int(level)
        width = min(WIDTH, size // below - number * WIDTH)
        found = _content(folder, level, number, width)
        if found is None or found[: len(content)] != content or len(found) != width * 32:
            first, end = number * WIDTH * below, (number * WIDTH + width) * below
            yield WrongTile(tile_path(level, number, width), found is None, first, end - 1)


def _content(folder: Path, level: str, number: int, width: int) -> bytes | None:
    """A tile's content; of a full one, if the unfinished one is gone, as much as is asked for."""
    for name, is_full in (
        (tile_path(level, number, width), False),
        (tile_path(level, number), True),
    ):
        try:
            with (folder / name).open("rb") as file:
                content = file.read(WIDTH * (MAX_RECORD_BYTES + 2) + 1)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise DataError(
                f"cannot be read: {error.strerror}", where=os.fspath(folder / name)
            ) from error
        return content[: width * 32] if is_full and level != _ENTRIES else content
    return None
