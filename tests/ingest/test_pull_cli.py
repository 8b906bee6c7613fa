"""`wai logs pull` and `wai logs status` as a user meets them: processes, signals, full disks."""

import json
import random
import resource
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from support.cli import Wai
from support.facts import in_ledger
from support.gateway_log import GatewayLog, call, gateway_log, row, rows_between
from support.pulling import NOON, TO_NOON
from wai_ops.core.clock import SystemClock

NOW = NOON
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayLog]:
    with gateway_log(tmp_path_factory.mktemp("gateway")) as log:
        yield log


@pytest.fixture
def log(started: GatewayLog, wai: Wai) -> GatewayLog:
    started.reset()
    wai.shift = TO_NOON
    wai.environ.update(started.emulator.environ)
    return started


def held(wai: Wai) -> list[str]:
    sql = "select log_id from model_call where log_id is not null order by 1"
    return [each[0] for each in in_ledger(wai.folder / ".wai", sql)]


def test_a_first_pull_says_what_it_did(wai: Wai, log: GatewayLog) -> None:
    """Data on stdout, what was chosen and noticed on stderr."""
    log.write(rows_between(NOW - 3 * HOUR, NOW - HOUR, 75))
    ran = wai("logs", "pull")
    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout.startswith("75 rows read in ")
    assert "75 new, 0 changed; read through " in ran.stdout
    assert ran.stderr.splitlines() == [
        "wai: reading the gateway's log (logs api)",
        "wai: note: rows carry usage_metadata and timings, which no published schema has",
    ]
    assert held(wai) == sorted(log.ids)


def test_the_json_is_what_the_schema_says(wai: Wai, log: GatewayLog) -> None:
    """`wai schema logs pull` describes every key."""
    log.write(rows_between(NOW - 3 * HOUR, NOW - HOUR, 3))
    record = json.loads(wai("logs", "pull", "--json").stdout)
    schema = json.loads(wai("schema", "logs", "pull").stdout)
    assert set(record) == set(schema["properties"])
    assert (record["row_count"], record["gateway_id"]) == (3, "default")
    assert record["has_usage_metadata"] is True


def test_a_report_knows_the_rows_that_were_pulled(wai: Wai, log: GatewayLog) -> None:
    """The point of it all."""
    log.write(rows_between(NOW - 3 * HOUR, NOW - HOUR, 12))
    assert wai("logs", "pull").exit_code == 0
    report = json.loads(wai("report", "cost", "--json").stdout)
    assert report["total"]["request_count"] == 12


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rate", "0"], "--rate '0' is no share"),
        (["--rate", "150%"], "--rate '150%' is no share"),
        (["--rate", "fast"], "--rate 'fast' is no share"),
        (["--bodies", "some"], "--bodies 'some' is none"),
        (["--again"], "--again needs --since"),
        (["--follow", "--until", "2026-01-01"], "--follow has no end"),
        (["--since", "soon"], "--since 'soon' is not a time"),
        (["--gateway", "nobody"], "the account has no such gateway"),
    ],
)
def test_a_wrong_option_is_a_usage_error(
    wai: Wai, log: GatewayLog, arguments: list[str], words: str
) -> None:
    """Exit 2 and nothing on stdout."""
    assert log.ids == []
    ran = wai("logs", "pull", *arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert words in ran.stderr


def test_a_token_that_may_not_read_logs_is_exit_4(wai: Wai, log: GatewayLog) -> None:
    """And no ledger rows."""
    log.write([row(1, NOW - HOUR)])
    wai.environ["WAI_OPERATOR_TOKEN"] = log.emulator.tokens["runtime"]
    ran = wai("logs", "pull")
    assert (ran.exit_code, ran.stdout) == (4, "")
    assert "GET /ai-gateway/gateways/default/logs" in ran.stderr


def test_without_a_token_the_variable_is_named(wai: Wai, log: GatewayLog) -> None:
    """Pulling is the operator's, or a reader's, never the runtime's."""
    wai.environ["CLOUDFLARE_BASE_URL"] = log.emulator.base_url
    del wai.environ["WAI_OPERATOR_TOKEN"]
    ran = wai("logs", "pull")
    assert (ran.exit_code, ran.stdout) == (4, "")
    assert "WAI_OPERATOR_TOKEN" in ran.stderr


def test_the_token_of_a_reader_is_enough(wai: Wai, log: GatewayLog) -> None:
    """Metadata Read for rows, Account Analytics Read for counts."""
    log.write(rows_between(NOW - 3 * HOUR, NOW - HOUR, 5))
    wai.environ["WAI_OPERATOR_TOKEN"] = log.emulator.tokens["reader"]
    assert wai("logs", "pull").exit_code == 0
    ran = wai("logs", "status", "--refresh", "--json")
    assert ran.exit_code == 0
    assert {each["verdict"] for each in json.loads(ran.stdout)["rows"]} == {"complete"}


def test_kills_at_any_instant_neither_lose_nor_double(wai: Wai, log: GatewayLog) -> None:
    """SIGKILL, again and again; what was committed stays, the rest is read again."""
    log.write(rows_between(NOW - 100 * HOUR, NOW - HOUR, 4000))
    rng = random.Random(11)
    progress = set()
    longest_s = 0.8
    for _ in range(14):
        process = wai.start("logs", "pull", "--parallel", "2")
        assert process.stderr is not None
        process.stderr.readline()  # it has begun
        time.sleep(rng.uniform(0, longest_s))
        process.kill()
        process.communicate()
        if (wai.folder / ".wai" / "ledger.duckdb").exists():
            progress.add(len(held(wai)))
        longest_s *= 1.3 if progress <= {0} else 1  # this machine is slower than was thought
    assert wai("logs", "pull").exit_code == 0
    assert held(wai) == sorted(log.ids)
    assert len(progress) > 1, "some kills came in the middle"
    scratch = wai.folder / ".wai" / "ledger.tmp"
    assert [path.name for path in scratch.iterdir() if path.is_dir()] == []


def test_ctrl_c_ends_a_pull_and_says_what_was_kept(wai: Wai, log: GatewayLog) -> None:
    """130, at once, though the gate is closed for an hour."""
    log.write(rows_between(NOW - 100 * HOUR, NOW - HOUR, 900))
    log.set(
        faults=[
            {"kind": "status", "path": "*/logs*", "status": 429, "skip": 14, "retry_after_s": 3600}
        ]
    )
    process = wai.start("logs", "pull", "--parallel", "1", "--since", "101h")
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line.decode())
        if "asks to wait" in lines[-1]:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    said = "".join(lines) + err.decode()
    assert process.returncode == 130, said
    assert out == b""
    kept = held(wai)
    assert 0 < len(kept) < 900
    assert f"kept {len(kept)} new and 0 changed rows; read through 20" in said
    log.set(faults=[])
    assert wai("logs", "pull").exit_code == 0
    assert held(wai) == sorted(log.ids)


def test_follow_goes_on_with_what_is_new(wai: Wai, log: GatewayLog) -> None:
    """Until Ctrl-C. What is called now is of now."""
    wai.shift = None
    (wai.folder / "wai.yaml").write_text('version: "1"\nlogs:\n  hold_back_s: 0\n  poll_s: 0.2\n')
    call(log.emulator)
    process = wai.start("logs", "pull", "--follow")
    assert process.stderr is not None
    seen = 0
    for line in process.stderr:
        if b" 1 new row" in line:
            seen += 1
            if seen == 3:
                break
            call(log.emulator)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert len(held(wai)) == 3


def test_a_full_disk_ends_the_pull_and_leaves_a_whole_ledger(wai: Wai, log: GatewayLog) -> None:
    """Exit 6 that names the folder; with room again the next pull completes it."""
    log.write(rows_between(NOW - 100 * HOUR, NOW - HOUR, 3000))

    def pull_with(room: int) -> None:
        limits = (room, room)
        process = wai.start(
            "logs",
            "pull",
            "--since",
            "5d",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
        )
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (6, b""), err.decode()
        assert b"cannot write" in err
        assert b"hint: free some space" in err

    pull_with(150_000)  # not even a new ledger fits
    assert wai("logs", "pull", "--since", f"{NOW - HOUR:%FT%T}").exit_code == 0
    pull_with((wai.folder / ".wai" / "ledger.duckdb").stat().st_size)
    assert wai("logs", "pull", "--since", "5d").exit_code == 0
    assert held(wai) == sorted(log.ids)


def test_a_pull_asks_for_the_counts_and_status_needs_no_flag(wai: Wai, log: GatewayLog) -> None:
    """The day before is proven; of the running day, what the analytics count up to their lag."""
    midnight = NOW.replace(hour=0, minute=0, second=0)
    log.write(rows_between(midnight - 20 * HOUR, midnight - HOUR, 30))
    pulled = json.loads(
        wai("logs", "pull", "--since", f"{midnight - 24 * HOUR:%F}", "--json").stdout
    )
    assert (pulled["complete_day_count"], pulled["unknown_day_count"]) == (2, 0)
    rows = json.loads(wai("logs", "status", "--json").stdout)["rows"]
    assert [(r["verdict"], r["held_count"], r["listed_count"], r["counted"]) for r in rows] == [
        ("complete", 30, 30, 30),
        ("complete", 0, 0, 0),
    ]
    assert rows[0]["counted_until"] == f"{midnight:%FT%T.000000Z}"
    assert rows[0]["reason"] == ""
    now = SystemClock().now() + TO_NOON
    lag = now - timedelta(seconds=900) - datetime.fromisoformat(rows[1]["counted_until"])
    assert abs(lag) < timedelta(seconds=600)
    assert rows[1]["reason"].startswith("so far, to ")
    assert rows[1]["counted_by"] == "graphql"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            {"kind": "error_in_200", "message": "not authorized"},
            "note: the analytics were not asked: not authorized (Account Analytics: Read)",
        ),
        ({"kind": "status", "status": 503, "code": 1}, "note: the analytics did not answer: "),
        ({"kind": "status", "status": 429, "code": 1}, "note: the analytics did not answer: "),
        ({"kind": "reset", "after_bytes": 0}, "note: the analytics did not answer: "),
    ],
)
def test_without_the_analytics_the_logs_own_counts_prove(
    wai: Wai, log: GatewayLog, fault: dict[str, object], words: str
) -> None:
    """A note, asked once, never an error; a day that was read too early stays unknown."""
    midnight = NOW.replace(hour=0, minute=0, second=0)
    log.write(rows_between(midnight - 20 * HOUR, midnight - HOUR, 30))
    log.set(faults=[{"path": "*/graphql", **fault}])
    ran = wai("logs", "pull", "--since", f"{midnight - 24 * HOUR:%F}", "--json")
    assert ran.exit_code == 0, ran.stderr
    assert ran.stderr.count(words) == 1
    assert "trying again" not in ran.stderr
    assert json.loads(ran.stdout)["unknown_day_count"] == 1
    rows = json.loads(wai("logs", "status", "--json").stdout)["rows"]
    assert [(r["verdict"], r["counted"], r["counted_by"]) for r in rows] == [
        ("complete", 30, "result_info"),
        ("unknown", 0, "result_info"),
    ]
    assert rows[1]["reason"] == "rows may still come late: pull again later"


def test_the_proof_tells_complete_from_incomplete(wai: Wai, log: GatewayLog) -> None:
    """One day with all rows, one whose rows were deleted before they were pulled."""
    midnight = NOW.replace(hour=0, minute=0, second=0)
    day = timedelta(days=1)
    log.write(rows_between(midnight - 3 * day, midnight - 2 * day, 30))
    log.write(rows_between(midnight - 2 * day, midnight - day, 40, start=100))
    gone = [row(500 + n, midnight - 2 * day + n * HOUR) for n in range(4)]
    log.write(gone)
    log.remove(*[each.id for each in gone])
    since = f"{midnight - 3 * day:%F}"
    assert wai("logs", "pull", "--since", since, "--until", f"{midnight:%F}").exit_code == 0
    first = wai("logs", "status", "--until", f"{midnight:%F}", "--json")
    found = [
        (r["verdict"], r["held_count"], r["listed_count"], r["counted"], r["gap_count"])
        for r in json.loads(first.stdout)["rows"]
    ]
    assert found == [
        ("complete", 30, 30, 30, 0),
        ("incomplete", 40, 40, 44, 4),
        ("complete", 0, 0, 0, 0),
    ]
    assert f"1 of 3 days is incomplete: {midnight - 2 * day:%F} (4 " in first.stderr
    ran = wai(
        "logs", "status", "--refresh", "--fail-incomplete", "--until", f"{midnight:%F}", "--json"
    )
    assert ran.exit_code == 1
    rows = json.loads(ran.stdout)["rows"]
    assert rows[1]["reason"] == "4 requests are not in the gateway's log"
    offline = wai("logs", "status", "--until", f"{midnight:%F}", "--json")
    assert json.loads(offline.stdout)["rows"] == rows
    log.write([row(900 + n, midnight - 3 * day + n * HOUR) for n in range(2)])
    refreshed = wai("logs", "status", "--refresh", "--until", f"{midnight:%F}", "--json")
    first_row = json.loads(refreshed.stdout)["rows"][0]
    assert (first_row["verdict"], first_row["reason"]) == ("incomplete", "2 rows are missing")
    assert wai("logs", "pull", "--since", since, "--again").exit_code == 0
    again = json.loads(wai("logs", "status", "--until", f"{midnight:%F}", "--json").stdout)
    assert (again["rows"][0]["verdict"], again["rows"][0]["late_row_count"]) == ("complete", 2)


def test_a_day_that_nobody_pulled_is_told_from_rows_that_are_missing(
    wai: Wai, log: GatewayLog
) -> None:
    """What helps is a pull, and no word about what the analytics count besides."""
    log.write(rows_between(NOW - 3 * HOUR, NOW - HOUR, 5))
    ran = wai("logs", "status", "--refresh", "--since", f"{NOW - 3 * HOUR:%FT%T}", "--json")
    rows = json.loads(ran.stdout)["rows"]
    assert {(r["verdict"], r["reason"]) for r in rows if r["counted"]} == {
        ("incomplete", f"not pulled: {r['counted']} rows") for r in rows if r["counted"]
    }
    assert "the analytics also count" not in ran.stderr
    assert wai("logs", "status").stderr.count(" (not pulled: ") >= 1


def test_days_after_the_last_pull_are_not_passed_over(wai: Wai, log: GatewayLog) -> None:
    """A pull that nobody runs any more must not look complete."""
    midnight = NOW.replace(hour=0, minute=0, second=0)
    log.write(rows_between(midnight - 70 * HOUR, midnight - 60 * HOUR, 5))
    times = [f"{midnight - timedelta(days=days):%F}" for days in (3, 2, 1)]
    assert wai("logs", "pull", "--since", times[0], "--until", times[1]).exit_code == 0
    until = ["--until", f"{midnight:%F}"]
    ran = wai("logs", "status", *until, "--fail-incomplete", "--json")
    assert ran.exit_code == 1
    found = [(r["day"], r["verdict"], r["reason"]) for r in json.loads(ran.stdout)["rows"]]
    assert found == [
        (times[0], "complete", ""),
        (times[1], "unknown", "not pulled"),
        (times[2], "unknown", "not pulled"),
    ]
    assert wai("logs", "pull").exit_code == 0
    assert wai("logs", "status", *until, "--fail-incomplete").exit_code == 0


def test_counting_an_unknown_gateway_is_a_usage_error(wai: Wai, log: GatewayLog) -> None:
    """As it is for a pull."""
    assert log.ids == []
    ran = wai("logs", "status", "--refresh", "--gateway", "nobody")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "the account has no such gateway" in ran.stderr


def test_bodies_of_rows_that_are_here_already_need_again(wai: Wai, log: GatewayLog) -> None:
    """Otherwise the option would do nothing, and say nothing; what the log lacks is said too."""
    log.write(rows_between(NOW - 3 * HOUR, NOW - HOUR, 3))
    log.body(log.ids[0], b"{}", b"{}")
    assert wai("logs", "pull").exit_code == 0
    ran = wai("logs", "pull", "--bodies", "all")
    assert "for rows that are here already: --again --since 24h" in ran.stderr
    ran = wai("logs", "pull", "--bodies", "all", "--again", "--since", "24h")
    assert "for rows that are here already" not in ran.stderr
    assert "; 2 bodies; 4 bodies not in the log; " in ran.stdout


def test_a_hole_between_two_pulls_is_incomplete_until_it_is_filled(
    wai: Wai, log: GatewayLog
) -> None:
    """Counts may agree by chance; what was not read was not read."""
    midnight = NOW.replace(hour=0, minute=0, second=0)
    day = timedelta(days=1)
    log.write(rows_between(midnight - day, midnight - day + HOUR, 5))
    texts = [f"{midnight - day + n * HOUR:%FT%T}" for n in range(24)]
    assert wai("logs", "pull", "--since", texts[0], "--until", texts[3]).exit_code == 0
    assert wai("logs", "pull", "--since", texts[5], "--until", f"{midnight:%F}").exit_code == 0
    status = ["logs", "status", "--refresh", "--until", f"{midnight:%F}", "--json"]
    (found,) = json.loads(wai(*status).stdout)["rows"]
    assert (found["verdict"], found["hole_count"]) == ("incomplete", 1)
    assert found["reason"] == "not read: 03:00:00 to 05:00:00"
    assert wai("logs", "pull").exit_code == 0
    (found,) = json.loads(wai(*status).stdout)["rows"]
    assert (found["verdict"], found["hole_count"]) == ("complete", 0)


def test_without_the_analytics_the_log_itself_is_asked(wai: Wai, log: GatewayLog) -> None:
    """A token without that permission: a warning, and the count of the list."""
    log.write(rows_between(NOW - 30 * HOUR, NOW - HOUR, 30))
    assert wai("logs", "pull").exit_code == 0
    log.set(faults=[{"kind": "error_in_200", "path": "*/graphql", "message": "not authorized"}])
    ran = wai("logs", "status", "--refresh", "--json")
    assert "the analytics did not answer: " in ran.stderr
    rows = json.loads(ran.stdout)["rows"]
    assert {(each["verdict"], each["counted_by"]) for each in rows} == {("complete", "result_info")}
    assert sum(each["counted"] for each in rows) == 30


def test_the_newer_log_system_only_behind_its_switch(wai: Wai, log: GatewayLog) -> None:
    """Said to the user, and refused unless it is asked for."""
    log.write(rows_between(NOW - 3 * HOUR, NOW - HOUR, 30))
    log.set(logs__system="observability")
    refused = wai("logs", "pull")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "logs.workers_observability: true" in refused.stderr
    wai.environ["WAI_LOGS_WORKERS_OBSERVABILITY"] = "true"
    ran = wai("logs", "pull")
    assert ran.exit_code == 0, ran.stderr
    assert "reading Workers Observability, which has this gateway's rows" in ran.stderr
    assert held(wai) == sorted(log.ids)
    status = json.loads(wai("logs", "status", "--refresh", "--json").stdout)
    assert {each["verdict"] for each in status["rows"]} == {"complete"}


def test_pulling_twice_at_once_from_two_processes(wai: Wai, log: GatewayLog) -> None:
    """Cron and a person."""
    log.write(rows_between(NOW - 50 * HOUR, NOW - HOUR, 2000))
    both = [wai.start("logs", "pull") for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
    assert held(wai) == sorted(log.ids)


def test_a_local_pull_needs_no_account(wai: Wai) -> None:
    """`--local` all the way: run, pull, status."""
    (wai.folder / "wai.yaml").write_text('version: "1"\nlogs:\n  hold_back_s: 0\n')
    assert wai("run", "--local", "hello").exit_code == 0
    ran = wai("logs", "pull", "--local")
    assert ran.exit_code == 0, ran.stderr
    assert wai("ledger", "fold").exit_code == 0
    sources = in_ledger(wai.folder / ".wai", "select sources from model_call")
    assert sources == [("client+gateway",)]


def test_ratings_are_recorded_as_outcomes_that_outlive_the_ledger(
    wai: Wai, log: GatewayLog
) -> None:
    """Once each, following their changes; what somebody recorded stands."""
    log.write(rows_between(NOW - 5 * HOUR, NOW - 4 * HOUR, 10))
    for number, rating in ((3, 1), (4, -1), (5, -1)):
        log.change(log.ids[number], feedback=rating)
    assert wai("outcomes", "record", "acme:support:c5", "resolved").exit_code == 0
    ran = wai("logs", "pull")
    assert "note: 2 ratings recorded as outcomes" in ran.stderr
    expected = [("c3", "resolved"), ("c4", "failed"), ("c5", "resolved")]
    assert outcomes(wai) == expected
    assert "recorded as outcomes" not in wai("logs", "pull").stderr
    log.change(log.ids[3], feedback=-1)
    assert "note: 1 rating recorded as outcomes" in wai("logs", "pull").stderr
    expected[0] = ("c3", "failed")
    assert outcomes(wai) == expected
    (wai.folder / ".wai" / "ledger.duckdb").unlink()
    assert outcomes(wai) == expected


def outcomes(wai: Wai) -> list[tuple[str, str]]:
    """Of each conversation the one that counts."""
    assert wai("ledger", "fold").exit_code == 0
    sql = "select conversation_id, outcome from last_outcome order by 1"
    return in_ledger(wai.folder / ".wai", sql)
