"""The promise of the fold: exactly once, whatever is killed whenever."""

import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.facts import (
    ManualClock,
    attempt,
    attempt_ids,
    in_ledger,
    outbox_count,
    record_attempts,
    record_session,
    record_text,
)
from wai_ops.observe.ledger.fold import fold
from wai_ops.observe.ledger.progress import Progress, Step
from wai_ops.observe.ledger.rebuild import rebuild

TESTS = Path(__file__).parents[1]
FOLD_STEPS = [step for step in Step if step is not Step.WAITING]
HEADER = """
import os, signal, sys
from pathlib import Path
from support.facts import attempt, record_attempts
from wai_ops.core.clock import SystemClock
from wai_ops.observe.ledger.fold import fold
state_dir = Path(sys.argv[1])
"""


class Crash(BaseException):
    """Stands for anything that can stop a fold between two steps."""


def crash_at(wanted: object) -> Progress:
    def progress(step: Step, *, rows: int = 0, detail: str = "") -> None:
        if step is wanted:
            raise Crash

    return progress


actions = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.integers(1, 12)),
        st.tuples(st.just("crash"), st.sampled_from(FOLD_STEPS)),
        st.tuples(st.just("fold"), st.none()),
        st.tuples(st.just("rebuild"), st.none()),
        st.tuples(st.just("lose the ledger"), st.none()),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=12)
@given(actions)
def test_any_mixture_of_records_crashes_and_rebuilds_ends_with_every_fact_once(
    plan: list[tuple[str, object]],
) -> None:
    clock = ManualClock()
    recorded = 0
    with tempfile.TemporaryDirectory() as folder:
        state_dir = Path(folder)
        for action, detail in plan:
            if action == "record":
                assert isinstance(detail, int)
                record_attempts(state_dir, [attempt(recorded + n) for n in range(detail)])
                record_session(state_dir, f"session-{recorded}")
                record_text(state_dir, "attempt", f"broken {recorded}")
                recorded += detail
            elif action == "crash":
                with suppress(Crash):
                    fold(state_dir, clock, crash_at(detail))
            elif action == "fold":
                fold(state_dir, clock)
            elif action == "rebuild":
                rebuild(state_dir, clock)
            else:
                (state_dir / "ledger.duckdb").unlink(missing_ok=True)
        fold(state_dir, clock)
        batches = len([action for action, _ in plan if action == "record"])
        expected = sorted(f"attempt-{number}" for number in range(recorded))
        assert attempt_ids(state_dir) == expected
        assert in_ledger(
            state_dir,
            "select (select count(*) from session_event), (select count(*) from quarantine)",
        ) == [(batches, batches)]
        assert not (state_dir / "state.sqlite").exists() or outbox_count(state_dir) == 0


@pytest.mark.parametrize("step", FOLD_STEPS)
def test_a_kill_right_after_any_step_neither_loses_nor_doubles(
    step: Step, tmp_path: Path, clock: ManualClock
) -> None:
    """SIGKILL: no clean-up of ours runs. Eight folds, so that merging is a step that is reached."""
    for number in range(8):
        record_attempts(tmp_path, [attempt(number)])
        if number < 7:
            fold(tmp_path, clock)
    code = HEADER + (
        "def progress(step, *, rows=0, detail=''):\n"
        f"    if step == {step.value!r}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "fold(state_dir, SystemClock(), progress)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=TESTS)
    assert killed.returncode == -signal.SIGKILL
    fold(tmp_path, clock)
    assert attempt_ids(tmp_path) == [f"attempt-{number}" for number in range(8)]
    assert outbox_count(tmp_path) == 0
    (tmp_path / "ledger.duckdb").unlink()
    fold(tmp_path, clock)
    assert attempt_ids(tmp_path) == [f"attempt-{number}" for number in range(8)]


def test_random_kills_of_writers_and_folds_cost_no_acknowledged_attempt(tmp_path: Path) -> None:
    """Writers print an id once it is committed; folds run at the same time; all are killed."""
    seed = int(os.environ.get("KILL_SEED", "20260314"))
    rng = random.Random(seed)
    writer = HEADER + (
        "for number in range(100000):\n"
        "    name = f'{sys.argv[2]}-{number}'\n"
        "    record_attempts(state_dir, [attempt(0, attempt_id=name)])\n"
        "    print(name, flush=True)\n"
    )
    folder = HEADER + "while True: fold(state_dir, SystemClock())\n"
    acknowledged: list[str] = []
    for round_number in range(4):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(tmp_path), f"w{round_number}{index}"],
                cwd=TESTS,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for index, code in enumerate([writer, writer, folder, folder])
        ]
        try:
            assert processes[0].stdout is not None
            line_count = rng.randrange(1, 200)  # so far the others get, then all die at once
            acknowledged += [processes[0].stdout.readline().strip() for _ in range(line_count)]
        finally:
            for process in processes:
                process.kill()
        for process in processes:
            out, err = process.communicate()
            acknowledged += [line for line in out.split("\n")[:-1] if line]
            assert process.returncode == -signal.SIGKILL, err
    fold(tmp_path, ManualClock())
    stored = Counter(attempt_ids(tmp_path))
    assert acknowledged
    assert [name for name in acknowledged if stored[name] != 1] == [], f"seed {seed}"
    assert [name for name, count in stored.items() if count > 1] == [], f"seed {seed}"


def test_many_processes_fold_while_others_record(tmp_path: Path, clock: ManualClock) -> None:
    code = HEADER + (
        "for number in range(5):\n"
        "    record_attempts(state_dir, [attempt(0, attempt_id=f'{sys.argv[2]}-{number}')])\n"
        "    fold(state_dir, SystemClock())\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), f"p{index}"],
            cwd=TESTS,
            stderr=subprocess.PIPE,
        )
        for index in range(8)
    ]
    results = [process.communicate()[1].decode() for process in processes]
    assert results == [""] * 8
    fold(tmp_path, clock)
    assert attempt_ids(tmp_path) == sorted(f"p{i}-{n}" for i in range(8) for n in range(5))
