"""A file's format is told from what is in it, whatever it is called."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.import_rows import gateway_row, ndjson
from wai_ops.observe.ingest.formats import LogFormat, Shape, detect, is_blank
from wai_ops.observe.ingest.lines import (
    MAX_LINE_BYTES,
    DamagedFileError,
    fingerprint,
    read_head,
    read_lines,
)

LOGPUSH = b'{"Gateway":"g","Endpoint":"https://x","StatusCode":200}\n'
OTLP = b'{"resourceSpans":[]}\n'
OWN = b'{"attempt_id":"a","cost_state":"metered","started_at":"2026-01-01T00:00:00Z"}\n'
CSV = b"Created At,Model,Tokens In\n2026-01-01,m,1\n"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (ndjson([gateway_row(1)]), (LogFormat.GATEWAY, Shape.LINES)),
        (b"\n\n" + ndjson([gateway_row(1)]), (LogFormat.GATEWAY, Shape.LINES)),
        (b"what is this\n{]\n" + ndjson([gateway_row(1)]), (LogFormat.GATEWAY, Shape.LINES)),
        (b"\xef\xbb\xbf" + ndjson([gateway_row(1)]), (LogFormat.GATEWAY, Shape.OTHER)),
        (json.dumps([gateway_row(1)]).encode(), (LogFormat.GATEWAY, Shape.OTHER)),
        (
            json.dumps({"result": [gateway_row(1)], "success": True}, indent=2).encode(),
            (LogFormat.GATEWAY, Shape.OTHER),
        ),
        (LOGPUSH, (LogFormat.LOGPUSH, Shape.LINES)),
        (OTLP, (LogFormat.OTLP, Shape.LINES)),
        (b'{\n  "resourceSpans": [\n', (LogFormat.OTLP, Shape.OTHER)),
        (OWN, (LogFormat.JSONL, Shape.LINES)),
        (CSV, (LogFormat.CSV, Shape.OTHER)),
        (CSV.replace(b",", b";"), (LogFormat.CSV, Shape.OTHER)),
        (b"# a README\n\nnothing here, or there\n", None),
        (b'{"some":"thing else"}\n', None),
        (b"\x00\x01\x02\xff\xfe" * 100, None),
        (b"[" * 100_000, None),
    ],
)
def test_the_content_decides(head: bytes, expected: object) -> None:
    assert detect(head) == expected


@given(st.binary(max_size=300))
def test_no_content_makes_the_question_fail(head: bytes) -> None:
    detect(head)
    is_blank(head)


@pytest.mark.parametrize("is_packed", [True, False])
def test_lines_are_numbered_from_one_and_lose_only_their_ends(
    tmp_path: Path, is_packed: bool
) -> None:
    data = b"\xef\xbb\xbfone\r\n\ntwo \xff\nthree"
    path = tmp_path / "file.txt"  # the name says nothing about packing
    path.write_bytes(gzip.compress(data) if is_packed else data)
    assert list(read_lines(path)) == [(1, b"one"), (2, b""), (3, b"two \xff"), (4, b"three")]


def test_a_line_without_end_is_one_bad_line_and_never_in_memory(tmp_path: Path) -> None:
    """80 MB of zeros pack into 80 kB; the lines around them still count."""
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"before\n")
        for _ in range(5 * MAX_LINE_BYTES // 2**20):
            file.write(bytes(2**20))
        file.write(b"\nafter\n")
    assert path.stat().st_size < 2_000_000
    assert list(read_lines(path)) == [(1, b"before"), (2, None), (3, b"after")]


def test_a_file_that_is_cut_off_gives_its_whole_lines_first(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    packed = gzip.compress(b"".join(b"%d\n" % number for number in range(200_000)))
    path.write_bytes(packed[: len(packed) // 2])
    lines: list[tuple[int, bytes | None]] = []

    def read() -> None:
        for numbered in read_lines(path):
            lines.append(numbered)  # noqa: PERF402 - what came before the damage is looked at

    with pytest.raises(DamagedFileError):
        read()
    assert lines[:2] == [(1, b"0"), (2, b"1")]
    assert len(lines) > 1000
    assert read_head(path).startswith(b"0\n1\n")


def test_a_fingerprint_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert fingerprint(tmp_path / "a", "a").startswith("ba7816bf8f01cfea")
