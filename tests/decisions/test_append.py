"""Adding records: many processes at once, dead writers, full disks, the order of the syscalls."""

import errno
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support.decisions import Ledgered, SteppingClock, action, asked
from wai_ops.control.decisions.audit import audit_folder
from wai_ops.control.decisions.log import DecisionLog
from wai_ops.control.decisions.merkle import leaf_hash
from wai_ops.control.decisions.record import MAX_RECORD_BYTES
from wai_ops.core.errors import DataError

WRITER = """
import sys
from pathlib import Path
from wai_ops.control.decisions.log import DecisionLog
from wai_ops.core.clock import SystemClock
from wai_ops.core.ids import uuid7
log, clock = DecisionLog(Path(sys.argv[1]), SystemClock()), SystemClock()
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    one = uuid7(clock.now())
    log.append(
        {"type": "decision", "decision_id": one, "verdict": "allow", "mode": "enforce"},
        {"type": "action_start", "decision_id": one, "filler": "x" * (number % 50 * 40)},
    )
    print(one, flush=True)
    log.append({"type": "action_end", "decision_id": one, "outcome": "ok"})
"""


@pytest.fixture
def made(tmp_path: Path) -> Ledgered:
    return Ledgered(tmp_path / ".wai")


def start_writer(folder: Path, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(*writers: subprocess.Popen[str]) -> None:
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()


def rest_of(writer: subprocess.Popen[str]) -> list[str]:
    """The whole lines that a writer still said; not `communicate`, which skips what is buffered."""
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.close()
    text = writer.stdout.read()
    writer.stdout.close()
    writer.wait()
    return text.split("\n")[:-1]


def decisions_in(folder: Path) -> set[str]:
    lines = (folder / "decisions.jsonl").read_bytes().splitlines()
    return {json.loads(line)["decision_id"] for line in lines if b'"decision"' in line}


def test_every_line_names_its_number_and_the_hash_of_the_line_before(made: Ledgered) -> None:
    made.many(6)
    prev = "0" * 64
    for number, line in enumerate(made.lines()):
        record = json.loads(line)
        assert (record["v"], record["seq"], record["prev"]) == (1, number, prev)
        prev = leaf_hash(line.rstrip(b"\n")).hex()


def test_only_its_owner_can_read_the_log_and_version_control_leaves_it_alone(
    made: Ledgered,
) -> None:
    made.act()
    assert made.file.stat().st_mode & 0o777 == 0o600
    assert made.folder.stat().st_mode & 0o777 == 0o700
    assert (made.state / ".gitignore").read_text() == "*\n"


def test_six_processes_at_once_write_one_chain_and_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "decisions"
    writers = [start_writer(folder, 40) for _ in range(6)]
    go(*writers)
    acknowledged = {line for writer in writers for line in writer.communicate()[0].split()}
    assert len(acknowledged) == 240
    assert decisions_in(folder) == acknowledged
    found = audit_folder(folder, []).verified
    assert (found.record_count, list(found.findings), list(found.open)) == (720, [], [])


def test_threads_share_one_log(made: Ledgered) -> None:
    def work() -> None:
        for _ in range(30):
            made.log.append({"type": "decision", "decision_id": "d", "verdict": "deny"})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = made.audit().verified
    assert (found.record_count, list(found.findings)) == (120, [])


def test_a_forked_child_and_its_parent_write_one_chain(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from wai_ops.control.decisions.log import DecisionLog
from wai_ops.core.clock import SystemClock
log = DecisionLog(Path(sys.argv[1]), SystemClock())
log.append({"type": "decision", "decision_id": "before", "verdict": "deny"})
child = os.fork()
for number in range(60):
    name = f"{'parent' if child else 'child'}-{number}"
    log.append({"type": "decision", "decision_id": name, "verdict": "deny"})
if child:
    os.waitpid(child, 0)
"""
    folder = tmp_path / "decisions"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
    found = audit_folder(folder, []).verified
    assert (found.record_count, list(found.findings)) == (121, [])


def test_what_was_acknowledged_survives_kill_9_and_the_next_writer_goes_on(tmp_path: Path) -> None:
    """Real processes, killed while they write; what they were told is there, and no alarm."""
    folder = tmp_path / "decisions"
    acknowledged: set[str] = set()
    for _ in range(12):
        writers = [start_writer(folder, 100_000) for _ in range(2)]
        go(*writers)
        for number, writer in enumerate(writers):
            assert writer.stdout is not None
            acknowledged |= {writer.stdout.readline().strip() for _ in range(2 + number * 3)}
            writer.send_signal(signal.SIGKILL)
        for writer in writers:
            acknowledged |= set(rest_of(writer))
    assert acknowledged <= decisions_in(folder)
    found = audit_folder(folder, []).verified
    assert list(found.findings) == []
    assert {one.decision_id for one in found.open} <= decisions_in(folder)


@pytest.mark.parametrize("torn", [b'{"v":1,"se', b"\0" * 700, b'\0\0\0\0"}\n', b"x" * 60_000])
def test_what_a_dead_writer_left_is_kept_aside_and_said(made: Ledgered, torn: bytes) -> None:
    made.act()
    made.log.close()
    with made.file.open("ab") as file:
        file.write(torn)
    before = made.audit()
    assert (before.torn_bytes, list(before.verified.findings)) == (len(torn), [])
    made.act()
    repair = list(made.records())[3]
    assert (repair["type"], repair["cut_bytes"]) == ("repair", len(torn))
    assert (made.folder / repair["kept_as"]).read_bytes() == torn
    after = made.audit()
    assert (after.torn_bytes, after.verified.repair_count) == (0, 1)
    assert list(after.verified.findings) == []


def test_a_first_line_that_was_never_finished_leaves_an_empty_log(made: Ledgered) -> None:
    made.folder.mkdir(parents=True)
    made.file.write_bytes(b'{"v":1,')
    made.act()
    assert [one["type"] for one in made.records()][:2] == ["repair", "decision"]
    assert list(made.audit().verified.findings) == []


def test_nothing_is_added_after_an_end_that_no_crash_leaves(made: Ledgered) -> None:
    made.act()
    made.log.close()
    with made.file.open("ab") as file:
        file.write(b"this is no record\n")
    before = made.file.read_bytes()
    with pytest.raises(DataError, match="no record"):
        made.gate.decide(action(), **asked())
    assert made.file.read_bytes() == before


def test_zeros_further_back_than_one_batch_are_no_crash(made: Ledgered) -> None:
    made.many(12)
    made.log.close()
    content = made.file.read_bytes()
    made.file.write_bytes(content[:400] + b"\0" * 20 + content[420:])
    with pytest.raises(DataError, match="damaged"):
        made.gate.decide(action(), **asked())


def test_a_record_that_fits_no_tile_is_refused_and_leaves_nothing(made: Ledgered) -> None:
    made.act()
    before = made.file.read_bytes()
    with pytest.raises(DataError, match="too large"):
        made.log.append({"type": "decision", "decision_id": "d", "x": "y" * MAX_RECORD_BYTES})
    assert made.file.read_bytes() == before
    made.act()
    assert list(made.audit().verified.findings) == []


def test_a_batch_has_one_to_seven_records(made: Ledgered) -> None:
    with pytest.raises(ValueError, match="1 to 7"):
        made.log.append()
    with pytest.raises(ValueError, match="1 to 7"):
        made.log.append(*[{"type": "decision"}] * 8)


def test_the_file_that_has_the_name_is_written_to_after_it_was_moved_away(made: Ledgered) -> None:
    made.act()
    made.file.rename(made.folder / "old.jsonl")
    made.act()
    assert len(made.lines()) == 3
    assert next(made.records())["seq"] == 0


def test_a_link_in_place_of_the_log_is_not_followed(made: Ledgered, tmp_path: Path) -> None:
    made.folder.mkdir(parents=True)
    (tmp_path / "elsewhere").write_bytes(b"")
    made.file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="symbolic links"):
        made.gate.decide(action(), **asked())
    assert (tmp_path / "elsewhere").read_bytes() == b""


FULL = """
import json, resource, signal, sys
from pathlib import Path
from wai_ops.control.decisions.log import DecisionLog
from wai_ops.core.clock import SystemClock
from wai_ops.core.errors import DataError
log = DecisionLog(Path(sys.argv[1]), SystemClock())
log.append({"type": "decision", "decision_id": "a", "verdict": "deny"})
size = Path(sys.argv[1], "decisions.jsonl").stat().st_size
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
try:
    log.append({"type": "decision", "decision_id": "b", "verdict": "deny", "x": "y" * 400})
except DataError as error:
    print(error.message, "|", error.hint)
print(Path(sys.argv[1], "decisions.jsonl").stat().st_size == size)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
log.append({"type": "decision", "decision_id": "c", "verdict": "deny"})
"""


def test_a_write_that_ends_early_leaves_nothing_and_is_an_error(tmp_path: Path) -> None:
    """The kernel takes 100 bytes of the record and refuses the rest, as on a full disk."""
    folder = tmp_path / "decisions"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(folder)], check=True, capture_output=True, text=True
    )
    said, is_cut = done.stdout.splitlines()
    assert said.startswith("cannot record a decision: File too large |")
    assert is_cut == "True"
    assert decisions_in(folder) == {"a", "c"}
    assert list(audit_folder(folder, []).verified.findings) == []


def test_a_failed_sync_takes_the_batch_back(
    made: Ledgered, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.act()
    before = made.file.read_bytes()

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(DataError, match="No space left") as caught:
            made.gate.decide(action(), **asked())
    assert caught.value.hint == "free some space: without a record nothing is done"
    assert made.file.read_bytes() == before
    made.act()
    assert list(made.audit().verified.findings) == []


def test_a_folder_that_cannot_be_written_stops_every_action(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    log = DecisionLog(tmp_path / "file" / "decisions", SteppingClock())
    with pytest.raises(DataError, match="cannot record a decision"):
        log.append({"type": "decision"})


TRACED = """
import socket, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from support.decisions import Ledgered, action, asked
made = Ledgered(Path(sys.argv[1]))
for _ in range(3):
    permitted = made.gate.decide(action(), **asked())
    with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as connection:
        connection.sendall(b"x")
    permitted.end("ok")
"""
_CALL = re.compile(r"^(?:\d+ +)?(write|pwrite64|fsync|fdatasync|connect|openat)\((.*)")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_kernel_sees_write_then_fsync_then_connect(tmp_path: Path) -> None:
    """What a crash at any moment can leave follows from this order, seen from outside."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        trace = tmp_path / "trace"
        done = subprocess.run(
            [
                "strace", "-f", "-s", "200", "-o", str(trace),
                "-e", "trace=write,pwrite64,fsync,fdatasync,connect,openat",
                sys.executable, "-c", TRACED, str(tmp_path / ".wai"), str(port),
                str(Path(__file__).parents[1]),
            ],
            capture_output=True,
            text=True,
        )  # fmt: skip
    if "ptrace" in done.stderr.lower() or "PTRACE" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()[:100]}")
    assert done.returncode == 0, done.stderr
    log = None
    seen = []
    for line in trace.read_text("utf-8", "replace").splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        name, rest = match.groups()
        if name == "openat" and "decisions.jsonl" in rest and "= -1" not in rest:
            log = rest.rsplit("= ", 1)[1]
        elif name == "connect" and f"htons({port})" in rest:
            seen.append("connect")
        elif log is not None and re.match(rf"{log}\b", rest):
            types = re.findall(r'type\\":\\"(\w+)', rest)
            seen.append("fsync" if "sync" in name else f"write {types[0]}")
    one = ["write decision", "fsync", "connect", "write action_end", "fsync"]
    assert seen == one * 3


def is_waited_for(path: Path) -> bool:
    """Whether somebody is blocked on the lock of a file."""
    inode = f":{path.stat().st_ino} "
    locks = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and inode in line for line in locks)


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="there is no /proc/locks")
def test_a_batch_that_may_yet_be_taken_back_is_never_signed(made: Ledgered) -> None:
    """Whoever signs waits for the writer that holds the log, and signs what is on disk to stay."""
    made.act()
    with made.file.open("ab") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        signer = threading.Thread(target=made.sign)
        signer.start()
        while signer.is_alive() and not is_waited_for(made.file):
            pass
        assert signer.is_alive()
        unfinished = made.lines()[0].replace(b'"seq":0', b'"seq":3')
        writer.write(unfinished)
        writer.flush()
        assert not (made.folder / "checkpoints").exists()
        writer.truncate(writer.tell() - len(unfinished))
    signer.join()
    found = made.audit().verified
    assert (found.anchored, list(found.findings)) == (3, [])
