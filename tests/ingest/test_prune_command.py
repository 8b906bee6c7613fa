"""`wai logs prune`: says what would go, asks, and leaves what a client recorded."""

import json
import os
import pty
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from support import pulling
from support.cli import Wai
from support.facts import NOON, attempt, in_ledger, record_attempts
from support.gateway_log import GatewayLog, gateway_log, rows_between
from support.import_rows import START, gateway_row, write_rows
from wai_ops.core.errors import ExitCode

NOW = pulling.NOON
CALLS = "select count(*) from model_call"
CUT = "2026-10-05T08:03:05"
"""Rows 0 to 4 ended before it."""


@pytest.fixture
def filled(wai: Wai, project: Path) -> Path:
    """Ten gateway rows, of which the client recorded the first, and two more calls of its own."""
    write_rows(project / "rows.ndjson", [gateway_row(number) for number in range(10)])
    record_attempts(
        project / ".wai",
        [
            attempt(1, log_id="log-00000000", started_at=START - timedelta(seconds=1)),
            attempt(2, started_at=NOON),
            attempt(3, started_at=NOON),
        ],
    )
    assert wai("logs", "import", "rows.ndjson").exit_code == 0
    assert wai("ledger", "fold").exit_code == 0
    assert in_ledger(project / ".wai", CALLS) == [(12,)]
    return project


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayLog]:
    with gateway_log(tmp_path_factory.mktemp("gateway")) as log:
        yield log


@pytest.fixture
def log(started: GatewayLog, wai: Wai) -> GatewayLog:
    started.reset()
    wai.shift = pulling.TO_NOON
    wai.environ.update(started.emulator.environ)
    return started


def test_a_dry_run_says_what_would_go_and_keeps_it(wai: Wai, filled: Path) -> None:
    ran = wai("logs", "prune", "--before", CUT, "--dry-run")
    assert ran.exit_code == 0
    assert ran.stdout == (
        "drop 4 calls of gateways alone, the gateway's side of 1 calls and 0 bodies "
        "before 2026-10-05 08:03 UTC\n"
    )
    assert in_ledger(filled / ".wai", CALLS) == [(12,)]


def test_with_yes_it_goes_and_the_client_s_own_facts_stay(wai: Wai, filled: Path) -> None:
    ran = wai("logs", "prune", "--before", CUT, "--yes", "--json")
    result = json.loads(ran.stdout)
    counts = (result["gateway_only_count"], result["parted_count"], result["is_dry_run"])
    assert counts == (4, 1, False)
    assert in_ledger(
        filled / ".wai", "select sources, count(*) from model_call group by 1 order by 1"
    ) == [("client only", 3), ("gateway only", 5)]
    again = json.loads(wai("logs", "prune", "--before", CUT, "--yes", "--json").stdout)
    assert (again["gateway_only_count"], again["parted_count"]) == (0, 0)


def test_piped_and_without_yes_it_refuses(wai: Wai, filled: Path) -> None:
    ran = wai("logs", "prune", "--before", CUT)
    assert (ran.exit_code, ran.stdout) == (ExitCode.USAGE, "")
    assert ran.stderr.startswith("wai: error: this cannot be undone\n")
    assert in_ledger(filled / ".wai", CALLS) == [(12,)]


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 12), (b"y\n", 8)])
def test_on_a_terminal_it_asks(wai: Wai, filled: Path, answer: bytes, left: int) -> None:
    ours, theirs = pty.openpty()
    process = wai.start("logs", "prune", "--before", CUT, stdin=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, answer)
    assert process.wait(60) == (0 if left == 8 else 1)
    asked = os.read(ours, 4096)
    os.close(ours)
    assert process.stdout is not None
    process.stdout.close()
    assert b"drop 4 calls of gateways alone" in asked
    assert in_ledger(filled / ".wai", CALLS) == [(left,)]


def test_what_is_pruned_comes_back_with_again(wai: Wai, filled: Path) -> None:
    assert wai("logs", "prune", "--before", CUT, "--yes").exit_code == 0
    assert wai("logs", "import", "rows.ndjson", "--again").exit_code == 0
    assert in_ledger(filled / ".wai", CALLS) == [(12,)]


def test_a_time_that_is_none_is_a_usage_error(wai: Wai, project: Path) -> None:
    ran = wai("logs", "prune", "--before", "some day", "--yes")
    assert (ran.exit_code, "--before 'some day' is not a time" in ran.stderr) == (2, True)


def test_what_was_pruned_is_no_hole_and_no_pull_brings_it_back_by_itself(
    wai: Wai, log: GatewayLog
) -> None:
    midnight = NOW.replace(hour=0, minute=0, second=0)
    cut = midnight - timedelta(days=2)
    log.write(rows_between(cut - timedelta(days=2), cut, 40))
    log.write(rows_between(cut, NOW - timedelta(hours=1), 30, start=40))
    assert wai("logs", "pull").exit_code == 0
    assert wai("logs", "prune", "--before", f"{cut:%Y-%m-%d}", "--yes").exit_code == 0
    days = json.loads(wai("logs", "status", "--json").stdout)["rows"]
    assert min(day["day"] for day in days) == f"{cut:%Y-%m-%d}"
    assert {day["hole_count"] for day in days} == {0}
    assert wai("logs", "pull").exit_code == 0
    assert sum_held(wai) == 30
    assert wai("logs", "pull", "--since", "5d").exit_code == 0
    assert sum_held(wai) == 70


def test_a_window_that_is_cut_keeps_what_it_still_has(wai: Wai, log: GatewayLog) -> None:
    begin = NOW - timedelta(hours=3)
    log.write(rows_between(begin, NOW - timedelta(hours=1), 20))
    assert wai("logs", "pull", "--since", "1d").exit_code == 0
    cut = begin + timedelta(minutes=31)
    assert wai("logs", "prune", "--before", f"{cut:%Y-%m-%dT%H:%M:%S}", "--yes").exit_code == 0
    windows = "select min(since), sum(row_count)::bigint from ingest_window"
    assert in_ledger(wai.folder / ".wai", windows) == [(cut.replace(tzinfo=None), sum_held(wai))]
    assert 0 < sum_held(wai) < 20


def sum_held(wai: Wai) -> int:
    count: int = in_ledger(wai.folder / ".wai", CALLS)[0][0]
    return count
