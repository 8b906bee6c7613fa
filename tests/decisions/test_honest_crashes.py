"""A thousand logs whose writers died: what was acknowledged is there, and no alarm is raised.

960 are torn at a random byte of the last batch, as a kill within a write or a loss of power leaves
them; 40 come from processes that are killed with signal 9 at a random moment.
"""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.decisions import KEY, Ledgered, action, asked
from wai_ops.control.decisions.audit import audit_folder
from wai_ops.control.decisions.log import DecisionLog
from wai_ops.control.decisions.sign import sign_log

TORN_LOGS = 960
PARTS = 8
KILLED_LOGS = 40
BLOCK = 512


def crash(made: Ledgered, size: int, rng: random.Random) -> None:
    """Leave of the last batch, which began at `size`, what a crash may leave."""
    content = made.file.read_bytes()
    batch = content[size:]
    how = rng.randrange(4)
    if how == 0:  # killed within the write
        batch = batch[: rng.randrange(len(batch))]
    elif how == 1:  # the length was kept, of the content nothing
        batch = bytes(len(batch))
    elif how == 2:  # the content of some blocks was kept
        kept = bytearray(batch)
        for start in range(-size % BLOCK, len(batch), BLOCK):
            if rng.random() < 0.5:
                kept[start : start + BLOCK] = bytes(len(kept[start : start + BLOCK]))
        batch = bytes(kept)
    # else: all of it was written, and the process died before it could say so
    made.file.write_bytes(content[:size] + batch)
    made.log.close()


def rest_of(writer: subprocess.Popen[str]) -> list[str]:
    """The whole lines that a writer still said; not `communicate`, which skips what is buffered."""
    assert writer.stdout is not None
    text = writer.stdout.read()
    writer.stdout.close()
    writer.wait()
    return text.split("\n")[:-1]


@pytest.mark.parametrize("part", range(PARTS))
def test_logs_that_were_torn_anywhere_raise_no_alarm(tmp_path: Path, part: int) -> None:
    rng = random.Random(part)
    repaired = 0
    for number in range(TORN_LOGS // PARTS):
        made = Ledgered(tmp_path / str(number))
        acknowledged = set()
        for _ in range(rng.randint(1, 4)):
            for _ in range(rng.randint(0, 4)):
                acknowledged.add(made.act(end=rng.random() < 0.8))
            if rng.random() < 0.3 and made.file.exists():
                made.sign()
            size = made.file.stat().st_size if made.file.exists() else 0
            made.act(end=False)
            crash(made, size, rng)
            assert list(made.audit().verified.findings) == [], (part, number)
            if rng.random() < 0.2:
                made.sign()
        if rng.random() < 0.8:
            acknowledged.add(made.act())
        found = made.audit()
        assert list(found.verified.findings) == [], (part, number)
        repaired += found.verified.repair_count
        whole = made.file.read_bytes()[: -found.torn_bytes or None]
        here = {
            json.loads(line).get("decision_id") for line in whole.splitlines() if b"\0" not in line
        }
        assert acknowledged <= here, (part, number)
    assert repaired > TORN_LOGS // PARTS // 2


WRITER = """
import sys
from pathlib import Path
from support.decisions import Ledgered
made = Ledgered(Path(sys.argv[1]))
while True:
    print(made.act(), flush=True)
"""


def test_logs_of_processes_that_were_killed_raise_no_alarm(tmp_path: Path) -> None:
    rng = random.Random(6962)
    environ = {"PYTHONPATH": str(Path(__file__).parents[1])}
    for number in range(KILLED_LOGS // 4):
        folders = [tmp_path / f"{number}-{one}" for one in range(4)]
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(folder)],
                stdout=subprocess.PIPE,
                text=True,
                env=environ,
            )
            for folder in folders
        ]
        for folder, writer in zip(folders, writers, strict=True):
            assert writer.stdout is not None
            said = {writer.stdout.readline().strip() for _ in range(rng.randint(1, 20))}
            writer.send_signal(signal.SIGKILL)
            said |= set(rest_of(writer))
            file = folder / "decisions" / "decisions.jsonl"
            before = audit_folder(folder / "decisions", [KEY.verifier])
            assert list(before.verified.findings) == []
            made = Ledgered(folder)
            made.act()
            sign_log(folder / "decisions", KEY, None)
            after = audit_folder(folder / "decisions", [KEY.verifier])
            assert list(after.verified.findings) == []
            assert after.verified.unanchored == 0
            here = {json.loads(line).get("decision_id") for line in file.read_bytes().splitlines()}
            assert said <= here


def test_a_crash_between_keeping_the_torn_bytes_and_cutting_them_is_repaired_again(
    tmp_path: Path,
) -> None:
    made = Ledgered(tmp_path)
    made.act()
    made.log.close()
    torn = b'{"half'
    with made.file.open("ab") as file:
        file.write(torn)
    made.act()
    kept = next((made.folder / "torn").iterdir())
    with made.file.open("rb+") as file:
        file.truncate(sum(map(len, made.lines()[:3])))
        file.seek(0, 2)
        file.write(torn)
    again = DecisionLog(made.folder, made.clock)
    again.append({"type": "decision", "decision_id": "d", "verdict": "deny"})
    assert kept.read_bytes() == torn
    found = made.audit().verified
    assert (list(found.findings), found.repair_count) == ([], 1)


def test_a_decision_whose_start_was_torn_off_let_nobody_act(tmp_path: Path) -> None:
    made = Ledgered(tmp_path)
    made.gate.decide(action(), **asked())
    decision = made.lines()[0]
    made.log.close()
    made.file.write_bytes(decision + b'{"v":1,"seq":1')
    made.act()
    found = made.audit().verified
    assert [(one.seq, one.is_started) for one in found.open] == [(0, False)]
    assert list(found.findings) == []
