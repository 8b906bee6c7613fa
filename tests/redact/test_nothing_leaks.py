"""Planted credentials, everywhere a run, an import or a pull can meet them, and then every byte
of every file that was left behind."""

import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from redact.planted import PEM, PREFIXED
from support.cli import Ran, Wai
from support.emulator import start_emulator
from support.gateway_rows import log_row
from support.wire_server import Send, Step, WireServer, event, http, sse_head, wire_server
from wai_ops.observe.redact.forms import forms_of

MODEL = "@cf/zai-org/glm-5.3-flash"
TOKEN = "rt-0paque/value+77-of.the_runtime"
OTHER = "0ther-opaque+value/88-in-the-environment"
SHAPED = [secret for secrets in PREFIXED.values() for secret in secrets[:2]]
PLANTED = [TOKEN, OTHER, *SHAPED, PEM.splitlines()[7]]
NEEDLES = {form for secret in PLANTED for form in forms_of(secret.encode())}
ALL = " ; ".join([TOKEN, OTHER, *SHAPED]) + "\n" + PEM


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file as bytes; databases, Parquet and gzip also as what they hold."""
    for path in sorted(folder.rglob("*")):
        yield f"the name {path}", str(path.relative_to(folder)).encode()
        if not path.is_file():
            continue
        raw = path.read_bytes()
        yield str(path), raw
        if raw.startswith(b"SQLite format 3"):
            with closing(sqlite3.connect(path)) as live:
                yield f"{path} as SQL", "\n".join(live.iterdump()).encode()
        elif raw[8:12] == b"DUCK":
            with duckdb.connect(path, read_only=True) as ledger:
                names = ledger.execute(
                    "select table_name from duckdb_tables() where not internal"
                ).fetchall()
                for (name,) in names:
                    rows = ledger.execute("from query_table($n)", {"n": name}).fetchall()
                    yield f"{path} {name}", repr(rows).encode()
        elif raw.startswith(b"PAR1"):
            with duckdb.connect() as memory:
                rows = memory.execute("from read_parquet($p)", {"p": str(path)}).fetchall()
                yield f"{path} as rows", repr(rows).encode()
        elif raw.startswith(b"\x1f\x8b"):
            yield f"{path} unzipped", gzip.decompress(raw)


def leaks(folder: Path) -> list[str]:
    return [
        f"{place}: {needle[:60]!r}"
        for place, content in contents(folder)
        for needle in NEEDLES
        if needle in content
    ]


def assert_clean(wai: Wai, *runs: Ran) -> None:
    assert leaks(wai.folder) == []
    for ran in runs:
        found = [needle for needle in NEEDLES if needle in ran.stderr.encode()]
        assert found == [], ran.stderr


def streamed(text: str, **more: Any) -> list[Step]:
    """An answer in pieces of seven characters: every secret is cut somewhere."""

    def chunk(delta: dict[str, Any], reason: str | None = None) -> Send:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        usage: dict[str, Any] = {"prompt_tokens": 10, "completion_tokens": 2}
        usage["prompt_tokens_details"] = {"cached_tokens": 0}
        return event(json.dumps({"choices": [choice], "usage": usage, **more}))

    pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
    return [
        sse_head(f"cf-aig-log-id: {SHAPED[0]}", f"cf-ray: {TOKEN}", f"cf-aig-event-id: {OTHER}"),
        *(chunk({"reasoning_content": piece}) for piece in pieces),
        *(chunk({"content": piece}) for piece in pieces),
        chunk({}, f"stop {SHAPED[1]}"),
        event("[DONE]"),
    ]


@pytest.fixture
def planted(wai: Wai) -> Wai:
    wai.environ["OTHER_SECRET"] = OTHER
    return wai


def call(wai: Wai, server: WireServer, *arguments: str, stdin: str = "") -> Ran:
    wai.environ.update(server.environ | {"CLOUDFLARE_API_TOKEN": TOKEN})
    return wai("run", "-m", MODEL, *arguments, stdin=stdin)


def test_a_run_leaves_no_credential_behind_and_sends_what_it_was_given(planted: Wai) -> None:
    tools = planted.folder / "tools.json"
    definition = {"name": "get", "description": f"send {SHAPED[2]}", "parameters": {}}
    tools.write_text(json.dumps([{"type": "function", "function": definition}]))
    with wire_server(streamed(f"here: {ALL}", model=f"{MODEL}-{SHAPED[3]}")) as server:
        arguments = ("-c", "c1", "--system", f"use {TOKEN}", "--tools", "tools.json", "--reasoning")
        first = call(planted, server, *arguments, "-", stdin=ALL)
        assert first.exit_code == 0, first.stderr
        assert "masked in the stored conversation" in first.stderr
        second = call(planted, server, *arguments, f"and {OTHER}")
        assert second.exit_code == 0, second.stderr
    body = json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
    assert [message["content"] for message in body["messages"]] == [f"use {TOKEN}", ALL]
    later = json.loads(server.requests[1].partition(b"\r\n\r\n")[2])
    assert [message["role"] for message in later["messages"]] == [
        *("system", "user", "assistant", "user")
    ]
    assert later["messages"][-1]["content"] == f"and {OTHER}"
    history = json.dumps(later["messages"][:-1]).encode()
    assert [needle for needle in NEEDLES if needle in history] == []
    assert "[redacted:cloudflare-api-token:" in later["messages"][0]["content"]
    tools.unlink()
    assert_clean(planted)
    # What the model says is shown as it is, where that was asked for; but what is known is not.
    known = {form for secret in (TOKEN, OTHER) for form in forms_of(secret.encode())}
    assert [form for form in known if form in (first.stderr + second.stderr).encode()] == []
    folded = planted("ledger", "fold")
    report = planted("report", "cost", "--by", "model", "--format", "json")
    exported = planted("ledger", "export", "--output", "attempts.parquet")
    audit = planted("logs", "audit", "attempts.parquet")
    assert (folded.exit_code, report.exit_code, exported.exit_code) == (0, 0, 0)
    assert (audit.exit_code, audit.stderr.count("files,")) == (0, 1), audit.stdout
    assert_clean(planted, folded, report, exported, audit)


def test_the_masked_prefix_is_what_the_next_turn_is_judged_by(planted: Wai) -> None:
    """The provider's cache holds the credential; what is sent again holds the mask instead."""
    padding = "word " * 3000
    with wire_server(streamed("fine")) as server:
        call(planted, server, "-c", "c1", f"{padding}{OTHER} {padding}")
        call(planted, server, "-c", "c1", "again")
    shown = planted(
        *(
            "ledger",
            "sql",
            "select cacheable_tokens, affinity_cause from attempt order by turn_index",
        ),
        *("--format", "json"),
    )
    second = json.loads(shown.stdout)["rows"][1]
    # 10 tokens were reported for the whole first request; the mask begins in its middle.
    assert second["cacheable_tokens"] in {4, 5}
    assert second["affinity_cause"].startswith("prefix_changed@")


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "500 Server Error"])
def test_what_an_error_quotes_is_masked(planted: Wai, status: str) -> None:
    message = f"bad request with {TOKEN}, {OTHER}, {SHAPED[0]} and {SHAPED[5]}"
    body = json.dumps({"success": False, "errors": [{"code": 1, "message": message}]}).encode()
    with wire_server([http(status, body)]) as server:
        failed = call(planted, server, "-c", "c1", "hello")
        plain = call(planted, server, "hello", "--json")
    assert failed.exit_code != 0
    assert "bad request with" in failed.stderr
    planted("ledger", "fold")
    assert_clean(planted, failed, plain)


@pytest.mark.parametrize("flag", ["--tenant", "--workflow", "--conversation"])
def test_a_name_that_is_a_credential_is_refused_before_anything_is_sent(
    planted: Wai, flag: str
) -> None:
    with wire_server(streamed("fine")) as server:
        for secret in (SHAPED[0], "cfat_" + "a1" * 24):
            refused = call(planted, server, flag, secret, "hello")
            assert refused.exit_code == 2
            assert "looks like a credential" in refused.stderr
        assert server.requests == []
    assert_clean(planted, refused)


def rows() -> list[dict[str, Any]]:
    """Gateway rows with a credential in every text that a row has."""
    texts = ("provider", "model", "path", "user_agent", "request_type", "model_type", "byok")
    found = [
        log_row(number, **{name: f"x {secret}"})
        for number, (name, secret) in enumerate(zip(texts, PLANTED, strict=False))
    ]
    names = ("tenant", "workflow", "conversation", "prompt", "trace", "extra")
    for number, name in enumerate(names, start=20):
        row = log_row(number)
        row["metadata"] = (row["metadata"] or {}) | {name: PLANTED[number - 20]}
        found.append(row)
    found.append(log_row(30, error_message=f"failed: {ALL}", success=False, status_code=500))
    found.append(log_row(31, request=ALL, response=ALL))
    found.append(log_row(32, id=SHAPED[0], event_id=SHAPED[4]))
    return found


def test_an_import_leaves_no_credential_behind(planted: Wai, tmp_path: Path) -> None:
    source = tmp_path / f"logs-{SHAPED[6]}.ndjson"
    broken = [f'{{"id": "{TOKEN}"', f"not json at all {OTHER} {SHAPED[1]}", f'["{SHAPED[2]}"]']
    source.write_text("\n".join([*(json.dumps(row) for row in rows()), *broken]) + "\n")
    planted.environ["CLOUDFLARE_API_TOKEN"] = TOKEN
    ran = planted("logs", "import", str(source), "--gateway", "prod", "--json")
    assert ran.exit_code == 0, ran.stderr
    shown = planted("report", "cost", "--by", "model", "--since", "3650d")
    assert shown.exit_code == 0, shown.stderr
    assert_clean(planted, ran, shown)
    audit = planted("logs", "audit", "--json")
    assert json.loads(audit.stdout)["rows"] == []
    assert audit.exit_code == 0


def test_a_pull_with_bodies_leaves_no_credential_behind(planted: Wai, tmp_path: Path) -> None:
    with start_emulator(tmp_path / "emulator") as emulator:
        planted.environ.update(emulator.environ | {"WAI_LOGS_HOLD_BACK_S": "0"})
        told = planted("run", "-c", "c1", "-", stdin=ALL)
        assert told.exit_code == 0, told.stderr
        pulled = planted("logs", "pull", "--bodies", "all", "--since", "1h")
        assert pulled.exit_code == 0, pulled.stderr
    bodies = planted("ledger", "sql", "select count(*) as n from body", "--format", "json")
    assert json.loads(bodies.stdout)["rows"][0]["n"] >= 2
    shaped = {form for secret in [OTHER, *SHAPED] for form in forms_of(secret.encode())}
    found = [
        place
        for place, content in contents(planted.folder)
        for needle in shaped
        if needle in content
    ]
    assert found == []
    for ran in (told, pulled, bodies):
        assert not any(needle in ran.stderr.encode() for needle in shaped)


def test_the_note_of_an_outcome_is_masked(planted: Wai) -> None:
    planted.environ["CLOUDFLARE_API_TOKEN"] = TOKEN
    ran = planted(
        *(
            "outcomes",
            "record",
            "acme:support:c1",
            "failed",
            "--note",
            f"gave away {TOKEN} {SHAPED[0]}",
        )
    )
    assert ran.exit_code == 0, ran.stderr
    planted("ledger", "fold")
    assert_clean(planted, ran)


def test_a_bug_report_shows_no_credential(planted: Wai) -> None:
    """The last step before stderr knows every credential of the process, in every form."""
    planted.environ |= {"WAI_TARGET": OTHER, "WAI_DEBUG": "1"}
    ran = planted("config", "show")
    assert ran.exit_code == 2
    assert_clean(planted, ran)
    forms = sorted(form.decode() for form in forms_of(OTHER.encode()))
    for form in forms:
        refused = planted("schema", form)
        assert refused.exit_code == 2
        assert form not in refused.stderr
        assert "[redacted]" in refused.stderr
