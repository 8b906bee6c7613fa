"""Large packed files are unpacked on their way into the ledger, and come out as small ones do."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from support.cli import Ran, Wai
from support.facts import ManualClock, in_ledger
from support.import_rows import gateway_row, ndjson
from wai_ops.core.prices import PriceBook, built_in
from wai_ops.observe.ingest.importing import ImportOptions, import_files
from wai_ops.observe.ingest.sources import find_sources
from wai_ops.observe.ledger import gzip_files, unpacking
from wai_ops.observe.ledger.database import DamagedError
from wai_ops.observe.ledger.gzip_files import PROTOCOL
from wai_ops.observe.ledger.unpacking import WORTH_BYTES, readable
from wai_ops.observe.redact.engine import Redactor

ROWS = 9500
PEAK = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
"""Runs a command and says its peak memory in kB; of our own child it would be at least our own."""
KEY = "cfut_" + "Zx9" * 12
"""What redaction takes for a token."""


def rows(first: int = 0, count: int = ROWS) -> list[dict[str, Any]]:
    """Rows so long that they are worth unpacking; some failed, and two hold a secret."""
    made = [gateway_row(number, user_agent="x" * 300) for number in range(first, first + count)]
    for row in made[::97]:
        row |= {"status_code": 500, "success": False, "error_code": 3040}
        row |= {"error_message": "no capacity", "usage_metadata": None}
    for row in (made[count // 3], made[-1]):
        row["metadata"]["tenant"] = KEY
    return made


def pack(path: Path, data: bytes, *, member_bytes: int = 3_000_001) -> bytes:
    """A gzip file of several members that end anywhere within a line, stored and not squeezed."""
    members = (data[at : at + member_bytes] for at in range(0, len(data), member_bytes))
    packed = b"".join(gzip.compress(member, compresslevel=0) for member in members)
    assert len(packed) > WORTH_BYTES
    path.write_bytes(packed)
    return packed


def imported(ran: Ran) -> dict[str, Any]:
    assert ran.exit_code == 0, ran.stderr
    assert "leaked" not in ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def calls(state_dir: Path) -> list[tuple[Any, ...]]:
    return in_ledger(
        state_dir, "select * exclude (ingested_at) from model_call order by all"
    ) + in_ledger(state_dir, "select kind, removed_count from redaction order by all")


def load(state_dir: Path, paths: Iterable[Path]) -> Any:
    """Import in this process."""
    return import_files(
        state_dir,
        ManualClock(),
        find_sources([str(path) for path in paths], state_dir).sources,
        ImportOptions(gateway_id="prod"),
        prices=PriceBook([built_in()]),
        redactor=Redactor.build({}, key=b"k" * 32),
    )


def test_a_large_packed_file_gives_the_ledger_of_the_same_rows_unpacked(
    wai: Wai, project: Path
) -> None:
    """Failures and secrets are read a second time; they come from the same unpacked text."""
    data = ndjson(rows())
    (project / "rows.ndjson").write_bytes(data)
    pack(project / "rows.ndjson.gz", data)
    ledgers, results = [], []
    for name in ("rows.ndjson", "rows.ndjson.gz"):
        other = Wai(project, {"WAI_STATE_DIR": str(project / f"state-{name}")})
        results.append(imported(other("logs", "import", name, "--json")))
        ledgers.append(calls(project / f"state-{name}"))
    assert results[0] == results[1]
    assert results[1]["inserted_count"] == ROWS
    assert results[1]["removed_count"] == 2
    plain, packed = (  # but for the masks, whose tags are keyed
        [[v for v in row if not str(v).startswith("[redacted:")] for row in ledger]
        for ledger in ledgers
    )
    assert plain == packed
    assert all(KEY not in str(row) for ledger in ledgers for row in ledger)


def test_files_of_one_batch_are_counted_apart_and_their_bad_lines_named(
    wai: Wai, project: Path
) -> None:
    """The second file repeats rows of the first; each has one line that is none."""
    for name, first in (("a.ndjson.gz", 0), ("b.ndjson.gz", 1000)):
        lines = ndjson(rows(first)).splitlines(keepends=True)
        lines.insert(7000 + first, b'{"id": "half\n')
        pack(project / name, b"".join(lines))
    result = imported(wai("logs", "import", "a.ndjson.gz", "b.ndjson.gz", "--json"))
    assert (result["inserted_count"], result["duplicate_count"]) == (ROWS + 1000, ROWS - 1000)
    state_dir = project / ".wai"
    assert in_ledger(state_dir, "select origin, line from ingest_quarantine order by all") == [
        ("a.ndjson.gz", 7001),
        ("b.ndjson.gz", 8001),
    ]
    counts = "select path, row_count, inserted_count, duplicate_count, quarantined_count"
    assert in_ledger(state_dir, f"{counts} from ingest_file order by all") == [
        ("a.ndjson.gz", ROWS, ROWS, 0, 1),
        ("b.ndjson.gz", ROWS, 1000, ROWS - 1000, 1),
    ]


@pytest.mark.parametrize(
    ("cut", "tail", "rows_least", "rows_most"),
    [
        pytest.param(slice(None, -3_000_000), b"", 5000, ROWS - 1000, id="cut off"),
        pytest.param(slice(None, -4), b"", ROWS, ROWS, id="without its last bytes"),
        pytest.param(slice(None, -8), bytes(8), ROWS, ROWS, id="with a wrong checksum"),
        pytest.param(slice(None), b"garbage", ROWS, ROWS, id="with garbage behind it"),
    ],
)
def test_a_large_packed_file_that_is_damaged_gives_its_rows_and_says_so(
    wai: Wai, project: Path, cut: slice, tail: bytes, rows_least: int, rows_most: int
) -> None:
    packed = pack(project / "rows.ndjson.gz", ndjson(rows()))
    (project / "rows.ndjson.gz").write_bytes(packed[cut] + tail)
    assert (project / "rows.ndjson.gz").stat().st_size > WORTH_BYTES // 2
    result = imported(wai("logs", "import", "rows.ndjson.gz", "--json"))
    assert rows_least <= result["inserted_count"] <= rows_most
    reasons = in_ledger(project / ".wai", "select line, reason from ingest_quarantine")
    assert [line for line, _ in reasons][:1] == [0]
    assert "cut off or damaged" in reasons[0][1]


def test_zeros_behind_a_packed_file_are_no_damage(wai: Wai, project: Path) -> None:
    """Tapes and some tools fill files up with them."""
    packed = pack(project / "rows.ndjson.gz", ndjson(rows()))
    (project / "rows.ndjson.gz").write_bytes(packed + bytes(512))
    result = imported(wai("logs", "import", "rows.ndjson.gz", "--json"))
    assert (result["inserted_count"], result["quarantined_count"]) == (ROWS, 0)


def test_what_a_large_packed_file_unpacks_to_does_not_fill_the_memory(
    wai: Wai, project: Path
) -> None:
    """1 GB of one line, in a file that is worth unpacking."""
    packed = pack(project / "bomb.ndjson.gz", ndjson(rows()))
    with (project / "bomb.ndjson.gz").open("wb") as file:
        file.write(packed)
        with gzip.open(file, "wb", compresslevel=1) as member:
            for _ in range(1024):
                member.write(bytes(2**20))
            member.write(b"\n" + ndjson([gateway_row(ROWS)]))
    command = [
        sys.executable,
        "-c",
        PEAK,
        *wai.command("logs", "import", "bomb.ndjson.gz", "--json"),
    ]
    ran = subprocess.run(
        command, cwd=project, env=wai.environment(), check=True, capture_output=True, text=True
    )
    result = json.loads(ran.stdout)
    assert (result["inserted_count"], result["quarantined_count"]) == (ROWS + 1, 1)
    assert int(ran.stderr.splitlines()[-1]) < 600 * 1024


def test_nothing_unpacked_is_on_a_disk_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_dir, looks = tmp_path / "state", 0
    read = gzip_files._Unpacked.read

    def read_and_look(file: gzip_files._Unpacked, size: int) -> bytes:
        nonlocal looks
        data = read(file, size)
        looks += 1
        for path in state_dir.rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert KEY.encode() not in path.read_bytes(), path
        return data

    monkeypatch.setattr(gzip_files._Unpacked, "read", read_and_look)
    pack(tmp_path / "rows.ndjson.gz", ndjson(rows()))
    assert load(state_dir, [tmp_path / "rows.ndjson.gz"]).removed_count == 2
    assert looks > 10


def test_small_files_and_unpacked_ones_are_read_by_their_paths(tmp_path: Path) -> None:
    small, plain = tmp_path / "small.ndjson.gz", tmp_path / "plain.ndjson"
    small.write_bytes(gzip.compress(ndjson([gateway_row(1)])))
    data = ndjson(rows())
    plain.write_bytes(data)
    with duckdb.connect() as connection:
        with readable(connection, [small, plain]) as names:
            assert names == [str(small), str(plain)]
        large = tmp_path / "large.log"  # names lie
        pack(large, data)
        with readable(connection, [plain, large, small]) as names:
            assert names == [str(plain), f"{PROTOCOL}://0", f"{PROTOCOL}://1"]
            assert connection.list_filesystems() == [PROTOCOL]
        assert connection.list_filesystems() == []


READ = """
select count(id), count(distinct id) from read_json(
    $names, format = 'newline_delimited', maximum_object_size = 65536, columns = {id: 'VARCHAR'}
)
"""


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_with_more_than_one_thread_a_packed_file_is_read_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """DuckDB would read pieces by their place; where the last one ends it cannot know."""
    monkeypatch.setattr(unpacking, "WORTH_BYTES", 0)
    path = tmp_path / "rows.gz"
    path.write_bytes(gzip.compress(ndjson(rows()), compresslevel=1))
    with duckdb.connect() as connection, readable(connection, [path]) as names:
        connection.execute(f"set threads = {threads}")
        try:
            found = connection.execute(READ, {"names": names}).fetchall()
        except duckdb.IOException:
            assert threads > 1
        else:
            assert found == [(ROWS, ROWS)]


def test_damage_is_told_whatever_became_of_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a line that is cut in two DuckDB says only that it is no JSON."""
    monkeypatch.setattr(unpacking, "WORTH_BYTES", 0)
    path = tmp_path / "rows.gz"
    path.write_bytes(gzip.compress(ndjson(rows(count=3000)))[:-5000])
    lenient = READ.replace("format", "ignore_errors = true, format")
    with duckdb.connect() as connection:
        for sql in (READ, lenient):
            with pytest.raises(DamagedError, match=r"rows\.gz: Compressed file ended") as caught:
                read_all(connection, path, sql)
            assert isinstance(caught.value.__cause__, EOFError)
        assert connection.list_filesystems() == []


def read_all(connection: duckdb.DuckDBPyConnection, path: Path, sql: str) -> None:
    with readable(connection, [path]) as names:
        connection.execute(sql, {"names": names})
