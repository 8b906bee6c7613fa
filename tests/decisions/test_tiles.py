"""Tiles and proofs are accepted by others: a second implementation here, and Go's own packages."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from support import tlog_reference as reference
from support.decisions import KEY, Ledgered
from wai_ops.control.decisions.audit import audit_folder, needed_checkpoint
from wai_ops.control.decisions.findings import Kind
from wai_ops.control.decisions.prove import (
    Proof,
    check_proof,
    from_plain,
    older_checkpoint,
    prove_record,
    to_plain,
)
from wai_ops.control.decisions.tiles import export_tiles, tile_path, tiles_of
from wai_ops.core.errors import DataError, UsageError

VKEY = str(KEY.verifier)
KEYS = [KEY.verifier]
GO_PACKAGES = Path("/usr/share/gocode")
SIZES = (300, 700)
"""Records in the two checkpoints: with full and unfinished tiles of two levels."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Ledgered:
    found = Ledgered(tmp_path_factory.mktemp("tiles") / ".wai")
    for size in SIZES:
        found.log.append(
            *({"type": "decision", "decision_id": f"{size}-{n}", "verdict": "deny"} for n in (0, 1))
        )
        while len(found.lines()) < size:
            found.act()
        found.sign()
    return found


def export(made: Ledgered, folder: Path) -> int:
    at, note = needed_checkpoint(made.folder, KEYS)
    lines = (line.rstrip(b"\n") for line in made.lines())
    return export_tiles(lines, at, note, folder)


@pytest.mark.parametrize(
    ("number", "width", "path"),
    [
        (0, 256, "tile/0/000"),
        (5, 112, "tile/0/005.p/112"),
        (1234067, 256, "tile/0/x001/x234/067"),
        (1000, 1, "tile/0/x001/000.p/1"),
    ],
)
def test_paths_are_those_of_the_specification(number: int, width: int, path: str) -> None:
    assert tile_path(0, number, width) == path


def test_a_tree_of_70_000_has_the_tiles_that_the_specification_counts() -> None:
    names = [name for name, _ in tiles_of(islice(iter(lambda: b"x", None), 70_000))]
    count = {level: sum(name.startswith(f"tile/{level}/") for name in names) for level in range(4)}
    assert count == {0: 274, 1: 2, 2: 1, 3: 0}
    assert {"tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"} <= set(names)


def test_a_second_implementation_accepts_every_file_of_an_export(
    made: Ledgered, tmp_path: Path
) -> None:
    export(made, tmp_path / "tiles")
    wanted = [line.rstrip(b"\n") for line in made.lines()][: SIZES[1] + 1]
    found = reference.read_tiles(tmp_path / "tiles", VKEY)
    assert found == wanted[: len(found)]
    assert len(found) >= SIZES[1]


def test_a_later_export_adds_to_an_earlier_one_and_changes_no_full_tile(tmp_path: Path) -> None:
    made = Ledgered(tmp_path / ".wai")
    made.many(150)
    made.sign()
    first = export(made, tmp_path / "tiles")
    full = {
        path: path.read_bytes()
        for path in (tmp_path / "tiles").rglob("*")
        if path.is_file() and ".p" not in str(path) and path.name != "checkpoint"
    }
    assert first > len(full) > 0
    made.many(150)
    made.sign()
    export(made, tmp_path / "tiles")
    assert {path: path.read_bytes() for path in full} == full
    reference.read_tiles(tmp_path / "tiles", VKEY)
    assert export(made, tmp_path / "tiles") == 0


def test_an_export_of_another_history_is_refused_and_keeps_its_checkpoint(
    made: Ledgered, tmp_path: Path
) -> None:
    export(made, tmp_path / "tiles")
    before = (tmp_path / "tiles" / "checkpoint").read_bytes()
    other = Ledgered(tmp_path / ".wai")
    other.many(120)
    other.sign()
    with pytest.raises(DataError, match="holds something else"):
        export(other, tmp_path / "tiles")
    assert (tmp_path / "tiles" / "checkpoint").read_bytes() == before


def test_a_log_that_is_not_the_signed_one_gets_no_checkpoint_in_its_export(
    made: Ledgered, tmp_path: Path
) -> None:
    at, note = needed_checkpoint(made.folder, KEYS)
    lines = [line.rstrip(b"\n") for line in made.lines()]
    lines[500] += b" "
    with pytest.raises(DataError, match="not the one that was signed"):
        export_tiles(lines, at, note, tmp_path / "tiles")
    assert not (tmp_path / "tiles" / "checkpoint").exists()


def change(name: str, at: int) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[at] ^= 1
        (folder / name).write_bytes(content)

    return apply


def write_in_line(number: int, text: bytes) -> Callable[[Path], None]:
    """In the checkpoint."""

    def apply(folder: Path) -> None:
        lines = (folder / "checkpoint").read_bytes().split(b"\n")
        lines[number] = text + lines[number][len(text) :]
        (folder / "checkpoint").write_bytes(b"\n".join(lines))

    return apply


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("harm", "kind", "first", "last"),
    [
        (change("tile/0/001", 32 * 4), Kind.TAMPERED, 256, 511),
        (change("tile/1/000.p/2", 5), Kind.TAMPERED, 0, None),
        (remove("tile/0/000"), Kind.INCOMPLETE, 0, 255),
        (remove("tile/entries/001"), Kind.INCOMPLETE, 256, None),
        (change("tile/entries/000", 300), Kind.TAMPERED, 0, None),
        (write_in_line(2, b"AAAAAA"), Kind.TAMPERED, 0, 0),
        (write_in_line(2, b"*"), Kind.TAMPERED, 0, 0),
        (write_in_line(1, b"x"), Kind.TAMPERED, 0, 0),
        (write_in_line(0, b"\xff"), Kind.TAMPERED, 0, 0),
        (lambda folder: (folder / "checkpoint").write_bytes(b""), Kind.TAMPERED, 0, 0),
    ],
)
def test_harm_to_an_export_is_named(
    made: Ledgered,
    tmp_path: Path,
    harm: Callable[[Path], None],
    kind: Kind,
    first: int,
    last: int | None,
) -> None:
    export(made, tmp_path / "tiles")
    sound = audit_folder(tmp_path / "tiles", KEYS)
    assert (sound.is_export, list(sound.verified.findings)) == (True, [])
    assert sound.verified.unanchored == 0
    harm(tmp_path / "tiles")
    found = next(
        one for one in audit_folder(tmp_path / "tiles", KEYS).verified.findings if one.kind is kind
    )
    assert (found.first, found.last if last is not None else None) == (first, last)


def test_the_records_are_looked_at_also_where_the_checkpoint_is_none(
    made: Ledgered, tmp_path: Path
) -> None:
    export(made, tmp_path / "tiles")
    write_in_line(2, b"*")(tmp_path / "tiles")
    assert audit_folder(tmp_path / "tiles", KEYS).verified.record_count == SIZES[1]
    with pytest.raises(DataError, match="the checkpoint is none"):
        audit_folder(tmp_path / "tiles", [])


def proof_of(made: Ledgered, index: int) -> Proof:
    older = min((made.folder / "checkpoints").iterdir())
    return prove_record(made.folder, index, KEYS, older_checkpoint(older, KEYS))


@pytest.mark.parametrize("index", [0, 1, 255, 256, 511, 699])
def test_a_proof_holds_without_the_log_and_by_the_second_implementation(
    made: Ledgered, index: int
) -> None:
    text = json.dumps(to_plain(proof_of(made, index)))
    proof = from_plain(json.loads(text))
    assert check_proof(proof, KEYS).size >= SIZES[1]
    leaves = [line.rstrip(b"\n") for line in made.lines()]
    size = int(reference.open_note(proof.checkpoint, VKEY)[1])
    assert list(proof.inclusion) == reference.path(index, leaves[:size])
    assert proof.against is not None
    old = int(reference.open_note(proof.against, VKEY)[1])
    assert list(proof.consistency) == reference.proof(old, leaves[:size])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("index", 6),
        ("record", "{}"),
        ("inclusion", []),
        ("consistency", []),
        ("checkpoint", "example.com/test-log\n1\nAAAA\n\n\N{EM DASH} x AAAAAAAA\n"),
    ],
)
def test_a_proof_that_was_changed_does_not_hold(made: Ledgered, name: str, value: object) -> None:
    plain = to_plain(proof_of(made, 5)) | {name: value}
    with pytest.raises(ValueError, match=r"\w"):
        check_proof(from_plain(plain), KEYS)


@pytest.mark.parametrize("plain", [{}, {"index": 1}, {"index": None, "record": ""}])
def test_what_is_no_proof_is_said_to_be_none(plain: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no proof"):
        from_plain(plain)


def test_nothing_is_proven_of_a_record_that_was_not_signed_yet(made: Ledgered) -> None:
    with pytest.raises(UsageError, match="not in the last checkpoint"):
        prove_record(made.folder, 10_000, KEYS)


def test_nothing_is_proven_of_a_log_that_was_changed(made: Ledgered, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "decisions")
    file = tmp_path / "decisions" / "decisions.jsonl"
    file.write_bytes(file.read_bytes().replace(b"os:tester", b"os:tesler", 1))
    with pytest.raises(DataError, match="nothing can be proven"):
        prove_record(tmp_path / "decisions", 600, KEYS)


@pytest.fixture(scope="module")
def go_checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checker built from Go's packages `sumdb/note` and `sumdb/tlog`."""
    if shutil.which("go") is None or not (GO_PACKAGES / "src/golang.org/x/mod/sumdb").is_dir():
        pytest.skip("Go with golang.org/x/mod is not installed: golang-go, golang-golang-x-mod-dev")
    folder = tmp_path_factory.mktemp("go")
    source = Path(__file__).parent / "tlog_check" / "main.go"
    environ = {"GO111MODULE": "off", "GOPATH": str(GO_PACKAGES), "GOCACHE": str(folder / "cache")}
    subprocess.run(
        ["go", "build", "-o", str(folder / "tlog_check"), str(source)],
        check=True,
        env=os.environ | environ,
    )
    return folder / "tlog_check"


def test_the_packages_of_gos_checksum_database_accept_tiles_and_proofs(
    go_checker: Path, made: Ledgered, tmp_path: Path
) -> None:
    export(made, tmp_path / "tiles")
    proof = tmp_path / "proof.json"
    for index in (0, 300, 699):
        proof.write_text(json.dumps(to_plain(proof_of(made, index))))
        done = subprocess.run(
            [str(go_checker), str(tmp_path / "tiles"), VKEY, str(proof)],
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(f" entries, record {index}\n")
    change("tile/entries/001", 700)(tmp_path / "tiles")
    done = subprocess.run(
        [str(go_checker), str(tmp_path / "tiles"), VKEY, str(proof)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "is another one" in done.stderr
