"""`wai logs import` of gateway rows: exactly once by content, nothing dropped without a word."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.cli import Ran, Wai
from support.facts import in_ledger
from support.import_rows import gateway_row, ndjson, write_rows
from wai_ops.core.errors import ExitCode

SUM = "select count(*), count(distinct log_id), sum(gateway_input_tokens) from model_call"


def imported(ran: Ran) -> dict[str, Any]:
    """The --json result of an import that worked."""
    assert ran.exit_code == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


@pytest.mark.parametrize("name", ["rows.ndjson", "rows.ndjson.gz", "[odd] *?'name.log.gz"])
def test_every_row_is_in_the_ledger_once(wai: Wai, project: Path, name: str) -> None:
    write_rows(project / name, [gateway_row(number) for number in range(500)])
    result = imported(wai("logs", "import", name, "--gateway", "prod", "--json"))
    assert (result["file_count"], result["row_count"], result["inserted_count"]) == (1, 500, 500)
    assert (result["formats"], result["quarantined_count"]) == ({"gateway": 1}, 0)
    assert in_ledger(project / ".wai", SUM) == [(500, 500, sum(range(1000, 1500)))]
    assert in_ledger(
        project / ".wai", "select distinct gateway_id, ingest_source, sources from model_call"
    ) == [("prod", "gateway file", "gateway only")]


def test_the_same_content_under_another_name_is_left_out_and_said(wai: Wai, project: Path) -> None:
    write_rows(project / "one.ndjson", [gateway_row(1)])
    write_rows(project / "two.ndjson", [gateway_row(1)])
    assert imported(wai("logs", "import", "one.ndjson", "--json"))["inserted_count"] == 1
    ran = wai("logs", "import", "two.ndjson", "one.ndjson", "--json")
    result = imported(ran)
    assert (result["file_count"], result["known_file_count"]) == (0, 2)
    assert "note: two.ndjson, one.ndjson: imported before, by content; left out\n" in ran.stderr
    assert in_ledger(project / ".wai", SUM) == [(1, 1, 1001)]


def test_rows_that_come_again_in_another_file_are_replaced_not_doubled(
    wai: Wai, project: Path
) -> None:
    write_rows(project / "early.ndjson", [gateway_row(n, cost=None) for n in range(20)])
    write_rows(project / "late.ndjson", [gateway_row(n, cost=0.5) for n in range(10, 30)])
    imported(wai("logs", "import", "early.ndjson", "--json"))
    result = imported(wai("logs", "import", "late.ndjson", "--json"))
    assert (result["inserted_count"], result["replaced_count"]) == (10, 10)
    assert in_ledger(
        project / ".wai", "select count(*), count(gateway_cost_usd) from model_call"
    ) == [(30, 20)]


def test_malformed_lines_are_listed_with_file_and_line(wai: Wai, project: Path) -> None:
    rows = [json.dumps(gateway_row(number)) for number in range(6)]
    rows[2] = '{"id": "log-2", "created_at": "2026-10'
    rows[4] = json.dumps(gateway_row(4, created_at="soon"))
    write = project / "logs" / "mixed.ndjson"
    write.parent.mkdir()
    write.write_text("\n".join(rows) + "\n[1, 2]\n")
    ran = wai("logs", "import", "logs", "--json")
    result = imported(ran)
    assert (result["inserted_count"], result["quarantined_count"]) == (4, 3)
    held = in_ledger(project / ".wai", "select origin, line from ingest_quarantine order by line")
    assert held == [("logs/mixed.ndjson", line) for line in (3, 5, 7)]
    assert "note: lines that could not be read: wai ledger sql" in ran.stderr
    assert wai("logs", "import", "logs", "--strict").exit_code == 0  # nothing new, nothing bad


def test_strict_exits_1_and_keeps_what_could_be_read(wai: Wai, project: Path) -> None:
    (project / "rows.ndjson").write_bytes(ndjson([gateway_row(1)]) + b"{]\n")
    assert wai("logs", "import", "rows.ndjson", "--strict").exit_code == ExitCode.VERDICT_NO
    assert in_ledger(project / ".wai", SUM) == [(1, 1, 1001)]


def test_a_secret_in_a_bad_line_does_not_reach_the_ledger(wai: Wai, project: Path) -> None:
    token = "cfut_" + "Aa1" * 16
    (project / "rows.ndjson").write_bytes(
        ndjson([gateway_row(1)]) + b'{"authorization": "Bearer ' + token.encode() + b'", oops\n'
    )
    imported(wai("logs", "import", "rows.ndjson", "--json"))
    content = in_ledger(project / ".wai", "select content from ingest_quarantine")[0][0]
    assert "[redacted:" in content
    everything = b"".join(
        path.read_bytes() for path in (project / ".wai").rglob("*") if path.is_file()
    )
    assert token.encode() not in everything


def whole(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps({"success": True, "result": rows, "result_info": {}}, indent=1).encode()


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda rows: json.dumps(rows).encode(), id="an array"),
        pytest.param(whole, id="an answer of the API"),
        pytest.param(lambda rows: b"\xef\xbb\xbf" + ndjson(rows), id="with a byte order mark"),
        pytest.param(lambda rows: ndjson(rows).replace(b"\n", b"\r\n"), id="with CRLF"),
        pytest.param(lambda rows: ndjson(rows)[:-1], id="without a last newline"),
        pytest.param(lambda rows: b"\n\n" + ndjson(rows) + b"\n\n", id="with blank lines"),
    ],
)
def test_other_ways_to_write_the_same_rows_give_the_same_ledger(
    wai: Wai, project: Path, encode: Callable[[list[dict[str, Any]]], bytes]
) -> None:
    rows = [gateway_row(number) for number in range(12)]
    (project / "rows.json").write_bytes(encode(rows))
    result = imported(wai("logs", "import", "rows.json", "--json"))
    assert (result["inserted_count"], result["quarantined_count"]) == (12, 0)
    assert in_ledger(project / ".wai", SUM) == [(12, 12, sum(range(1000, 1012)))]


def test_a_packed_file_that_is_cut_off_gives_its_rows_and_says_so(wai: Wai, project: Path) -> None:
    packed = gzip.compress(ndjson([gateway_row(number) for number in range(5000)]))
    (project / "cut.ndjson.gz").write_bytes(packed[: len(packed) * 2 // 3])
    result = imported(wai("logs", "import", "cut.ndjson.gz", "--json"))
    assert result["inserted_count"] > 100
    assert result["quarantined_count"] >= 1
    reasons = in_ledger(project / ".wai", "select reason from ingest_quarantine")
    assert any("cut off or damaged" in reason for (reason,) in reasons)


def test_a_dry_run_reads_everything_and_keeps_nothing(wai: Wai, project: Path) -> None:
    (project / "rows.ndjson").write_bytes(ndjson([gateway_row(1), gateway_row(2)]) + b"{]\n")
    result = imported(wai("logs", "import", "rows.ndjson", "--dry-run", "--json"))
    assert (result["row_count"], result["quarantined_count"], result["is_dry_run"]) == (2, 1, True)
    assert not (project / ".wai" / "ledger.duckdb").exists()


def test_a_file_of_no_known_format_is_refused_alone_and_skipped_among_others(
    wai: Wai, project: Path
) -> None:
    (project / "README.md").write_text("# hello\n")
    write_rows(project / "rows.ndjson", [gateway_row(1)])
    ran = wai("logs", "import", "README.md")
    assert ran.exit_code == ExitCode.USAGE
    assert "README.md is in none of the formats gateway, logpush, otlp, csv, jsonl" in ran.stderr
    ran = wai("logs", "import", "README.md", "rows.ndjson", "--json")
    result = imported(ran)
    assert (result["inserted_count"], result["refused_file_count"]) == (1, 1)
    assert "note: not imported: README.md is in none of the formats" in ran.stderr


def test_an_empty_file_is_a_file_without_rows(wai: Wai, project: Path) -> None:
    (project / "empty.ndjson").write_bytes(b"\n")
    result = imported(wai("logs", "import", "empty.ndjson", "--json"))
    assert (result["file_count"], result["row_count"], result["quarantined_count"]) == (1, 0, 0)


def test_names_cannot_steer_the_terminal(wai: Wai, project: Path) -> None:
    (project / "\x1b[31mred\nline.ndjson").write_text("no format")
    ran = wai("logs", "import", ".")
    assert "\x1b" not in ran.stdout + ran.stderr
    assert ran.exit_code == ExitCode.USAGE


def test_a_pipe_is_refused_and_never_waited_for(wai: Wai, project: Path) -> None:
    os.mkfifo(project / "pipe")
    ran = wai("logs", "import", "pipe", timeout=20)
    assert (ran.exit_code, ran.stdout) == (ExitCode.USAGE, "")
    assert ran.stderr.startswith("wai: error: pipe is a pipe, not a file\n")


def test_two_imports_at_once_are_refused_by_name_and_change_nothing(
    wai: Wai, project: Path
) -> None:
    from filelock import FileLock

    write_rows(project / "rows.ndjson", [gateway_row(1)])
    (project / ".wai").mkdir(mode=0o700, exist_ok=True)
    with FileLock(project / ".wai" / "import.lock"):
        ran = wai("logs", "import", "rows.ndjson")
    assert ran.exit_code == ExitCode.DATA
    assert ran.stderr.startswith("wai: error: another import is running\n")


def test_a_line_without_end_in_a_packed_file_is_one_bad_line(wai: Wai, project: Path) -> None:
    with gzip.open(project / "bomb.ndjson.gz", "wb", compresslevel=1) as file:
        file.write(ndjson([gateway_row(1)]) + bytes(50 * 2**20) + b"\n" + ndjson([gateway_row(2)]))
    result = imported(wai("logs", "import", "bomb.ndjson.gz", "--json"))
    assert (result["inserted_count"], result["quarantined_count"]) == (2, 1)
    assert in_ledger(project / ".wai", "select line, reason from ingest_quarantine") == [
        (2, "longer than 16 MiB")
    ]
