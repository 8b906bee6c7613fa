"""What waits on a disk while an import goes on, or after it was killed, holds no credential.

A real `wai` stops itself (SIGSTOP) wherever something waits: then every byte below its state folder
is looked at, it is killed there, or goes on to the next such place.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingest.test_import_logpush import NAME, KeyPair
from ingest.test_import_otlp import SPAN, document, span
from redact.planted import PREFIXED
from redact.test_nothing_leaks import contents
from support.cli import Wai
from support.facts import in_ledger
from support.import_rows import gateway_row, ndjson
from wai_ops.observe.ingest import spool
from wai_ops.observe.redact.forms import forms_of

KNOWN = "0ther-opaque+value/88-in-the-environment"
SHAPED = [secrets[0] for secrets in PREFIXED.values()]
PLANTED = [KNOWN, *SHAPED]
ESCAPED = {secret: "".join(f"\\u{ord(one):04x}" for one in secret) for secret in PLANTED}
NEEDLES = {form for secret in PLANTED for form in forms_of(secret.encode())} | {
    form.encode() for form in ESCAPED.values()
}
PLACES = (
    "wai_ops.observe.ingest.importing:ingest_rows",
    "wai_ops.observe.ingest.importing:append_tool_calls",
    "wai_ops.observe.ingest.importing:append_bodies",
    "wai_ops.observe.ingest.importing:append_quarantine",
    "wai_ops.observe.ingest.importing:append_file",
    "wai_ops.observe.ledger.gateway:_Ingest._read",
    "wai_ops.observe.ledger.gateway:_Ingest._insert",
    "wai_ops.observe.ledger.gateway:match",
)
STOPPING = f"""
import functools, importlib, os, runpy, signal, sys

def stop_before(place):
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    real = getattr(owner, name)

    def stopping(*arguments, **options):
        os.kill(os.getpid(), signal.SIGSTOP)
        return real(*arguments, **options)

    setattr(owner, name, stopping)

for place in {PLACES!r}:
    stop_before(place)
sys.argv = ["wai", *sys.argv[1:]]
runpy.run_module("wai_ops", run_name="__main__")
"""


@dataclass
class Stopped:
    """A `wai` that stops at every place."""

    process: subprocess.Popen[bytes]

    def next_stop(self) -> bool:
        """Wait until it stops; False: it has ended."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            return True
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return False

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def stopping(wai: Wai, *arguments: str) -> Iterator[Stopped]:
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPING, *arguments],
        cwd=wai.folder,
        env=wai.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Stopped(process)
    finally:
        process.kill()
        process.wait()


def left(state: Path) -> list[str]:
    """Where in the state folder's own files, or their names, something planted is."""
    found = []
    for path in sorted(state.rglob("*")):
        is_own = path.is_file() and not path.is_symlink()
        raw = str(path).encode() + (path.read_bytes() if is_own else b"")
        found += [f"{path}: {needle[:40]!r}" for needle in NEEDLES if needle in raw]
    return found


def waiting(state: Path) -> bytes:
    """What is in the folders where things wait."""
    paths = [path for name in ("import.tmp", "ledger.tmp") for path in state.glob(f"{name}/**/*")]
    return b"".join(p.read_bytes() for p in paths if p.is_file() and not p.is_symlink())


def with_escapes(text: bytes) -> bytes:
    """The same JSON; every second planted secret in it is spelled with escapes only."""
    for secret in PLANTED[::2]:
        text = text.replace(json.dumps(secret)[1:-1].encode(), ESCAPED[secret].encode())
    return text


def planted_rows() -> list[dict[str, Any]]:
    """A secret in a text, in a label, in what is not kept, in a name; two rows hold none."""
    rows = [gateway_row(0), gateway_row(1)]
    for number, secret in enumerate(PLANTED, 2):
        row = gateway_row(number, event_id=f"e {secret}", request=f"not kept: {secret}")
        row["metadata"] = {**row["metadata"], "tenant": f"t-{secret}", secret: "a name"}
        row["usage_metadata"] = {**row["usage_metadata"], "note": secret}
        rows.append(row | {f"x {secret}": [secret], "error_message": f"{secret} is refused"})
    return rows


def as_lines(folder: Path) -> None:
    """Read as they lie, until DuckDB meets a line that is none; then line by line."""
    bad = [f'{{"id": "x", "created_at": "{secret}"}}' for secret in PLANTED]
    data = with_escapes(ndjson(planted_rows()) + "\n".join(["{]", *bad, ""]).encode())
    (folder / "rows.ndjson").write_bytes(data)


def as_marked_lines(folder: Path) -> None:
    """A byte order mark: each line goes into a spool, and one cannot be loaded from there."""
    rows = [*planted_rows(), gateway_row(90, status_code=f"not a status: {KNOWN}")]
    (folder / "rows.ndjson").write_bytes(b"\xef\xbb\xbf" + with_escapes(ndjson(rows)))


def as_array(folder: Path) -> None:
    document = {"result": planted_rows(), "note": KNOWN}
    (folder / "rows.json").write_bytes(with_escapes(json.dumps(document).encode()))


def as_own_export(folder: Path) -> None:
    rows = [
        {
            "attempt_id": f"attempt-{number}",
            "created_at": f"2026-10-05T08:00:{number:02}Z",
            "cost_state": "exact",
            "cost_usd": "0.1",
            "model": [secret] if number % 2 else {"name": secret},
            "conversation_id": f"c-{secret}",
            "turn_index": 0,
            "attempt": 1,
            "event_id": secret,
            "gateway_cost_usd": f"{secret}" if number == 3 else "0.000000000123",
        }
        for number, secret in enumerate(["none", *PLANTED])
    ]
    (folder / "own.jsonl").write_bytes(with_escapes(ndjson(rows)))


def as_table(folder: Path) -> None:
    lines = ["created_at,model,event_id,status,tokens_in,metadata"]
    for number, secret in enumerate(["none", *PLANTED]):
        labels = json.dumps({"tenant": secret, secret: "a name"})
        if number % 2:
            labels = with_escapes(labels.encode()).decode()
        at = secret if number == 4 else f"2026-10-05T08:00:{number:02}Z"
        cells = [at, f"@cf/x {secret}", secret, "200", "7", labels]
        lines.append(",".join('"' + cell.replace('"', '""') + '"' for cell in cells))
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")


def as_traces(folder: Path) -> None:
    spans = []
    for number, secret in enumerate(["none", *PLANTED]):
        labels = {"tenant": secret, "gen_ai.request.model": "m", "gen_ai.response.id": secret}
        tool = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": f"send {secret}",
            "gen_ai.tool.call.arguments": secret,
            "tenant": secret,
        }
        status = {"code": 2, "message": f"refused {secret}"}
        spans += [
            span(labels, spanId=f"{SPAN[:-2]}{number:02}", status=status),
            span(tool, spanId=f"{SPAN[:-2]}{50 + number:02}"),
        ]
    whole = json.dumps(document(*spans, **{"service.name": KNOWN}))
    (folder / "traces.json").write_bytes(with_escapes(whole.encode()))


def as_logpush(folder: Path) -> None:
    """Half of the labels and bodies are encrypted: what is in them is nowhere in the file."""
    pair = KeyPair()
    pair.write(folder / "key.pem")
    rows = []
    for number, secret in enumerate(["none", *PLANTED]):
        seal = pair.encrypt if number % 2 else json.dumps
        row = {"Gateway": "prod", "Endpoint": f"x/{secret}", "Model": secret, "StatusCode": 400}
        row["Metadata"] = seal({"tenant": secret, "workflow": "w", secret: 1})
        row["RequestBody"] = seal({"prompt": secret})
        rows.append(row | {"Provider": "workers-ai", "Other": secret})
    path = folder / NAME
    path.parent.mkdir()
    path.write_bytes(with_escapes(ndjson(rows)))


FORMATS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "lines": (as_lines, ("rows.ndjson",)),
    "marked lines": (as_marked_lines, ("rows.ndjson",)),
    "array": (as_array, ("rows.json",)),
    "own export": (as_own_export, ("own.jsonl",)),
    "table": (as_table, ("rows.csv",)),
    "traces": (as_traces, ("traces.json",)),
    "logpush": (as_logpush, (NAME, "--private-key", "key.pem", "--bodies")),
}


@pytest.mark.parametrize("name", FORMATS)
def test_whenever_an_import_is_killed_no_file_holds_a_credential(
    wai: Wai, project: Path, name: str
) -> None:
    write, arguments = FORMATS[name]
    write(project)
    assert any(needle in waiting_source(project) for needle in NEEDLES)
    wai.environ["OTHER_SECRET"] = KNOWN
    state, stops, has_waited = project / ".wai", 0, False
    with stopping(wai, "logs", "import", *arguments) as one:
        while one.next_stop():
            stops += 1
            has_waited |= b"[redacted:" in waiting(state)
            assert left(state) == [], f"at stop {stops}"
            one.go_on()
        assert one.process.returncode == 0
    assert (stops >= 3, has_waited) == (True, True)
    assert [place for place, raw in contents(state) for one in NEEDLES if one in raw] == []
    count = in_ledger(state, "select count(*), count(distinct log_id) from model_call")
    for last in range(1, stops + 1):
        shutil.rmtree(state)
        with stopping(wai, "logs", "import", *arguments) as one:
            for _ in range(last - 1):
                assert one.next_stop()
                one.go_on()
            assert one.next_stop()
            one.process.kill()
            one.process.wait()
        assert left(state) == [], f"killed at stop {last}"
    assert wai("logs", "import", *arguments).exit_code == 0
    assert in_ledger(state, "select count(*), count(distinct log_id) from model_call") == count


def waiting_source(project: Path) -> bytes:
    """All that is to be imported."""
    return b"".join(path.read_bytes() for path in project.rglob("*") if path.is_file())


def test_what_is_masked_before_it_waits_is_counted_once(wai: Wai, project: Path) -> None:
    """One text, one mask: in a row as it lies, in a spool, and in a spool that is read twice."""
    wai.environ["OTHER_SECRET"] = KNOWN
    rows = [gateway_row(0), gateway_row(1, event_id=KNOWN, request=f"{KNOWN} {KNOWN}")]
    (project / "a.ndjson").write_bytes(ndjson(rows))
    (project / "b.json").write_bytes(json.dumps(rows).encode())
    (project / "c.ndjson").write_bytes(b"\xef\xbb\xbf" + ndjson([*rows, gateway_row(2, step="x")]))
    for name in ("a.ndjson", "b.json", "c.ndjson"):
        ran = wai("logs", "import", name, "--json")
        assert json.loads(ran.stdout)["removed_count"] == 1, (name, ran.stderr)
    [(masked,)] = in_ledger(
        project / ".wai", "select distinct event_id from model_call where log_id = 'log-00000001'"
    )
    assert re.fullmatch(r"\[redacted:other-secret:[0-9a-f]{8}\]", masked)


def test_where_files_need_a_name_only_the_user_can_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "waiting"
    folder.mkdir()
    path, held = spool.unnamed_file(folder)
    assert held is not None
    with held:
        path.write_bytes(b"rows")
        assert (list(folder.iterdir()), path.read_bytes()) == ([], b"rows")
    monkeypatch.setattr(spool, "_DESCRIPTORS", folder / "none")
    path, held = spool.unnamed_file(folder)
    assert held is None
    assert (list(folder.iterdir()), path.stat().st_mode & 0o777) == ([path], 0o600)
