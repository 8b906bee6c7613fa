"""`wai logs audit` finds what was planted by hand in each store, and never shows it."""

import gzip
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from redact.planted import PREFIXED
from support.cli import Wai
from support.wire_server import event, sse_head, wire_server

SHAPED = PREFIXED["cloudflare-token"][0]
KNOWN = "kn0wn/opaque+value-0123456789"


@pytest.fixture
def lived_in(wai: Wai) -> Wai:
    """A project with one run, folded and clean."""
    answer = '{"choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}]}'
    with wire_server([sse_head(), event(answer), event("[DONE]")]) as server:
        wai.environ.update(server.environ | {"MY_SECRET": KNOWN})
        ran = wai("run", "-c", "c1", "hello")
    assert ran.exit_code == 0, ran.stderr
    assert wai("ledger", "fold").exit_code == 0
    return wai


def in_turn(state: Path) -> None:
    with closing(sqlite3.connect(state / "state.sqlite")) as live, live:
        live.execute("update turn set reply_json = ?", (f"said {SHAPED} {KNOWN}",))


def in_write_ahead_log(state: Path) -> None:
    """Left in the log alone, as by a process that was killed."""
    held = sqlite3.connect(state / "state.sqlite")
    held.execute("pragma wal_autocheckpoint = 0")
    with held:
        held.execute("insert into outbox (kind, payload) values ('x', ?)", (f"{SHAPED} {KNOWN}",))
    log = (state / "state.sqlite-wal").read_bytes()
    held.close()
    (state / "left.sqlite-wal").write_bytes(log)
    with closing(sqlite3.connect(state / "state.sqlite")) as live:
        with live:
            live.execute("delete from outbox where kind = 'x'")
        live.execute("vacuum")
        live.execute("pragma wal_checkpoint(truncate)")


def in_deleted_rows(state: Path) -> None:
    with closing(sqlite3.connect(state / "state.sqlite")) as live:
        live.execute("pragma secure_delete = off")
        with live:
            row = (f"{SHAPED} {KNOWN} " * 30,)
            live.execute("insert into outbox (kind, payload) values ('x', ?)", row)
        live.execute("pragma wal_checkpoint(truncate)")
        with live:
            live.execute("delete from outbox where kind = 'x'")
        live.execute("pragma wal_checkpoint(truncate)")


def in_ledger(state: Path) -> None:
    with duckdb.connect(state / "ledger.duckdb") as ledger:
        ledger.execute("update attempt set error_message = $t", {"t": f"{SHAPED} {KNOWN}"})


def in_archive(state: Path) -> None:
    with duckdb.connect() as memory:
        text = f"'{SHAPED} {KNOWN}'"
        target = state / "archive" / "copy.parquet"
        memory.execute(f"copy (select {text} as payload from range(5000)) to '{target}'")


def in_spool(state: Path) -> None:
    with gzip.open(state / "spool.ndjson.gz", "wb") as file:
        file.write(json.dumps({"a": [SHAPED, KNOWN]}).encode() * 3)


def in_json(state: Path) -> None:
    (state / "cache").mkdir(exist_ok=True)
    (state / "cache" / "x.json").write_text(json.dumps({"a": f"{SHAPED} {KNOWN}"}))


def in_config(state: Path) -> None:
    with (state.parent / "wai.yaml").open("a") as file:
        file.write(f"# {SHAPED} {KNOWN}\n")


def in_names(state: Path) -> None:
    with (state / "names").open("a") as file:
        file.write(f"tenant\t{SHAPED}\nworkflow\t{KNOWN}\n")


def in_a_file_name(state: Path) -> None:
    (state / f"page-{SHAPED}.json").write_text("{}")
    (state / f"page-{KNOWN.replace('/', '%2F')}.json").write_text("{}")


@pytest.mark.parametrize(
    ("plant", "place"),
    [
        (in_turn, ".wai/state.sqlite turn.reply_json"),
        (in_write_ahead_log, ".wai/left.sqlite-wal"),
        (in_deleted_rows, ".wai/state.sqlite (bytes)"),
        (in_ledger, ".wai/ledger.duckdb attempt.error_message"),
        (in_archive, ".wai/archive/copy.parquet payload"),
        (in_spool, ".wai/spool.ndjson.gz"),
        (in_json, ".wai/cache/x.json"),
        (in_config, "wai.yaml"),
        (in_names, ".wai/names"),
        (in_a_file_name, "(the name of a file)"),
    ],
)
def test_what_was_planted_is_found_counted_and_not_shown(
    lived_in: Wai, plant: Callable[[Path], None], place: str
) -> None:
    clean = lived_in("logs", "audit", "--json")
    assert (clean.exit_code, json.loads(clean.stdout)["rows"]) == (0, []), clean.stdout
    plant(lived_in.folder / ".wai")
    ran = lived_in("logs", "audit", "--json")
    assert ran.exit_code == 1, ran.stderr
    found = json.loads(ran.stdout)
    assert found["verdict"] == "fail"
    rows = [row for row in found["rows"] if row["place"].endswith(place)]
    assert {row["kind"] for row in rows} == {"cloudflare-token", "my-secret"}, found["rows"]
    assert all(row["found_count"] >= 1 for row in rows)
    for output in (ran.stdout, ran.stderr):
        assert SHAPED not in output
        assert KNOWN not in output
        assert SHAPED[8:24] not in output


def test_given_paths_are_looked_at_and_a_missing_one_is_said(lived_in: Wai) -> None:
    folder = lived_in.folder / "prompts"
    folder.mkdir()
    (folder / "a.prompt").write_text(f"use {SHAPED}")
    (folder / "b.prompt").write_text("fine")
    ran = lived_in("logs", "audit", "prompts", "--json")
    assert ran.exit_code == 1
    rows = json.loads(ran.stdout)["rows"]
    assert [(row["place"], row["kind"]) for row in rows] == [
        ("prompts/a.prompt", "cloudflare-token")
    ]
    missing = lived_in("logs", "audit", "nowhere")
    assert (missing.exit_code, "no such file or folder" in missing.stderr) == (2, True)


def test_the_tag_is_the_one_of_wai_redact(lived_in: Wai) -> None:
    (lived_in.folder / ".wai" / "x.json").write_text(SHAPED)
    rows = json.loads(lived_in("logs", "audit", "--json").stdout)["rows"]
    masked = lived_in("redact", "-q", stdin=SHAPED).stdout
    assert [row["mask"] for row in rows] == [masked]


def test_without_a_state_folder_there_is_nothing_to_find(wai: Wai) -> None:
    wai.environ["WAI_STATE_DIR"] = str(wai.folder / "never-made")
    (wai.folder / "wai.yaml").unlink()
    ran = wai("logs", "audit")
    assert ran.exit_code == 0
    assert not (wai.folder / "never-made").exists()


def test_personal_data_is_looked_for_on_demand(lived_in: Wai) -> None:
    (lived_in.folder / ".wai" / "x.json").write_text('{"to":"ada@example.com"}')
    assert lived_in("logs", "audit").exit_code == 0
    ran = lived_in("logs", "audit", "--pii", "--json")
    assert ran.exit_code == 1
    kinds = {row["kind"] for row in json.loads(ran.stdout)["rows"]}
    assert "email" in kinds
