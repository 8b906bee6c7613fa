"""Command tools against real programs, well-behaved ones and others."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wai_ops.core.clock import SystemClock
from wai_ops.runtime.tools.command import run_command
from wai_ops.runtime.tools.model import CommandTool, Stdin
from wai_ops.runtime.tools.outcome import Raw, ToolFailed, ToolProblem

Run = Callable[..., Raw]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run one command."""

    def run(
        *argv: str,
        arguments: dict[str, Any] | None = None,
        timeout_s: float = 30,
        max_bytes: int = 1_000_000,
        environ: dict[str, str] | None = None,
        **more: Any,
    ) -> Raw:
        return run_command(
            CommandTool(argv=argv, **more),
            arguments or {},
            root=tmp_path,
            environ={"PATH": os.environ["PATH"], **(environ or {})},
            clock=SystemClock(),
            timeout_s=timeout_s,
            max_bytes=max_bytes,
        )

    return run


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code)


def problem_of(run: Run, *argv: str, **more: Any) -> ToolFailed:
    with pytest.raises(ToolFailed) as failed:
        run(*argv, **more)
    return failed.value


def is_running(mark: str) -> bool:
    """Whether a process carries the mark in its arguments."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if mark.encode() in (folder / "cmdline").read_bytes():
                    return True
            except OSError:
                continue
    return False


@pytest.mark.parametrize(
    "value",
    ["; rm -rf /", "$(id)", "`id`", "a b", "'", '"', "|cat", "&&", ">x", "*", "\n", "~", "é", ""],
)
def test_an_argument_reaches_the_program_as_it_is_and_no_shell_reads_it(
    run: Run, value: str
) -> None:
    code = "import sys, json; print(json.dumps(sys.argv[1:]))"
    raw = run(*python(code), "{value}", "x={value}", arguments={"value": value})
    assert json.loads(raw.content) == [value, f"x={value}"]


def test_a_value_cannot_become_an_option(run: Run) -> None:
    failed = problem_of(run, "ls", "{value}", arguments={"value": "--help"})
    assert (failed.problem, failed.sent) == (ToolProblem.INVALID_ARGUMENTS, False)
    raw = run("echo", "--", "{value}", arguments={"value": "--help"})
    assert raw.content == b"-- --help\n"


def test_arguments_go_to_standard_input_as_one_json_object(run: Run) -> None:
    raw = run("cat", stdin=Stdin.ARGUMENTS, arguments={"b": "ü" * 200_000, "a": 1})
    assert raw.content == ('{"a":1,"b":"' + "ü" * 200_000 + '"}\n').encode()


def test_a_program_that_never_reads_does_not_block_the_one_that_writes(run: Run) -> None:
    raw = run("true", stdin=Stdin.ARGUMENTS, arguments={"x": "y" * 1_000_000})
    assert raw.content == b""


def test_the_environment_is_a_short_list_and_home_is_the_scratch_folder(run: Run) -> None:
    environ = {
        "CLOUDFLARE_API_TOKEN": "t" * 40,
        "WAI_OPERATOR_TOKEN": "o" * 40,
        "GITHUB_TOKEN": "g",
        "HTTPS_PROXY": "http://proxy",
        "LANG": "C.UTF-8",
        "CRM_LOGIN": "ann",
        "HOME": "/home/ann",
    }
    code = "import os, json; print(json.dumps([dict(os.environ), os.getcwd()]))"
    got, cwd = json.loads(run(*python(code), environ=environ, env=("CRM_LOGIN",)).content)
    assert sorted(got) == ["CRM_LOGIN", "HOME", "LANG", "PATH", "TMPDIR"]
    assert got["HOME"] == got["TMPDIR"] == cwd


def test_a_variable_that_is_not_set_stops_the_call_before_it_begins(run: Run) -> None:
    failed = problem_of(run, "true", env=("CRM_LOGIN",))
    assert (failed.problem, failed.sent) == (ToolProblem.NOT_STARTED, False)
    assert (failed.message, failed.detail) == (
        "this tool cannot be used now",
        "the variable CRM_LOGIN is not set",
    )


def test_each_call_has_a_fresh_private_folder_that_is_gone_afterwards(run: Run) -> None:
    code = (
        "import os; open('left', 'w').write('x'); os.makedirs('a/b'); os.chmod('a', 0);"
        "print(os.getcwd(), oct(os.stat('.').st_mode & 0o777), len(os.listdir('.')))"
    )
    first, second = (run(*python(code)).content.decode().split() for _ in range(2))
    assert first[1:] == second[1:] == ["0o700", "2"]
    assert first[0] != second[0]
    assert not Path(first[0]).exists()
    assert not Path(second[0]).exists()


REMOVED_BY_SOMEBODY = """
import os, pathlib, sys
sys.path[:0] = {path!r}
from wai_ops.runtime.tools.child import remove_tree
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
here = pathlib.Path({here!r})
folder, outside = here / "scratch", here / "outside"
outside.mkdir(mode=0o700)
(folder / "a" / "b").mkdir(parents=True)
(folder / "a" / "b" / "file").touch()
(folder / "link").symlink_to(outside)
outside.chmod(0o500)
for name in ("a/b", "a", "."):
    (folder / name).chmod(0)
remove_tree(folder)
print(folder.exists(), oct(outside.stat().st_mode & 0o777))
"""


def test_a_folder_goes_whatever_its_modes_are_and_links_lead_nowhere() -> None:
    """Root may remove anything: somebody else has to try."""
    with tempfile.TemporaryDirectory() as here:
        Path(here).chmod(0o777)
        code = REMOVED_BY_SOMEBODY.format(path=sys.path, here=here)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "False 0o500\n"), done.stderr


def test_files_that_a_tool_writes_are_its_own(run: Run) -> None:
    code = "import os; open('f', 'w'); print(os.stat('f').st_mode)"
    assert stat.S_IMODE(int(run(*python(code)).content)) == 0o600


@pytest.mark.parametrize(
    "argv",
    [
        ("yes",),
        ("head", "-c", "1000000000", "/dev/zero"),
        python("import sys\nwhile True: sys.stdout.buffer.write(b'x' * 65536)"),
    ],
    ids=["never-ending", "a gigabyte", "binary flood"],
)
def test_output_is_read_up_to_the_limit_and_no_further(run: Run, argv: tuple[str, ...]) -> None:
    failed = problem_of(run, *argv, max_bytes=50_000)
    assert failed.problem is ToolProblem.TOO_LARGE
    assert failed.raw is not None
    assert len(failed.raw.content) == 50_000


def test_a_flood_on_standard_error_neither_blocks_nor_fills_the_memory(run: Run) -> None:
    code = "import sys\nfor _ in range(400): sys.stderr.write('e' * 65536)\nprint('done')"
    assert run(*python(code)).content == b"done\n"


def test_a_program_that_does_not_end_is_killed_at_the_deadline(run: Run) -> None:
    failed = problem_of(run, "sleep", "7391", timeout_s=1)
    assert failed.problem is ToolProblem.TIMEOUT
    assert not is_running("7391")


def test_a_program_that_ignores_signals_is_killed_all_the_same(run: Run) -> None:
    code = (
        "import signal, time\nfor s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):\n"
        "    signal.signal(s, signal.SIG_IGN)\nprint('mark-7392', flush=True)\ntime.sleep(600)"
    )
    failed = problem_of(run, *python(code), timeout_s=1)
    assert failed.problem is ToolProblem.TIMEOUT
    assert not is_running("mark-7392")


GRANDCHILD = """
import os, sys, time
if os.fork() == 0:
    if {own_session}:
        os.setsid()
        if os.fork():
            os._exit(0)
    os.execvp("sleep", ["sleep", "{mark}"])
print("parent is done")
"""


@pytest.mark.parametrize(("own_session", "mark"), [(False, "7393"), (True, "7394")])
def test_a_grandchild_that_holds_the_pipe_is_killed_and_not_waited_for(
    run: Run, own_session: bool, mark: str
) -> None:
    raw = run(*python(GRANDCHILD.format(own_session=own_session, mark=mark)))
    assert raw.content == b"parent is done\n"
    assert not is_running(mark)


def test_when_the_deadline_comes_daemons_are_killed_as_well(run: Run) -> None:
    code = GRANDCHILD.format(own_session=True, mark="7395") + "\ntime.sleep(600)"
    assert problem_of(run, *python(code), timeout_s=1).problem is ToolProblem.TIMEOUT
    assert not is_running("7395")


def test_limits_of_memory_cpu_and_file_size_hold(run: Run) -> None:
    memory = problem_of(run, *python("x = bytearray(3 * 10**8)"), memory_mb=200)
    assert memory.problem is ToolProblem.FAILED
    assert "MemoryError" in memory.message
    cpu = problem_of(run, *python("while True: pass"), cpu_s=1)
    assert "SIGXCPU" in cpu.message
    code = "f = open('f', 'wb')\nf.write(bytes(3_000_000))\nf.flush()\nprint('written')"
    size = problem_of(run, *python(code), file_mb=1)
    assert size.problem is ToolProblem.FAILED


def test_a_failing_program_says_why_in_its_last_line(run: Run) -> None:
    code = "import sys; sys.stderr.write('warming up\\nno such customer\\n'); sys.exit(3)"
    failed = problem_of(run, *python(code))
    assert (failed.problem, failed.message) == (
        ToolProblem.FAILED,
        "exit code 3: no such customer",
    )


def test_a_program_that_is_not_there_never_ran(run: Run) -> None:
    failed = problem_of(run, "no-such-program-7396")
    assert (failed.problem, failed.sent) == (ToolProblem.NOT_STARTED, False)


def test_a_relative_program_lies_in_the_project(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "bin" / "tool"
    script.parent.mkdir()
    script.write_text('#!/bin/sh\necho "$1"\n')
    script.chmod(0o755)
    raw = run("bin/tool", "{@root}/x{y}", arguments={"y": "{@root}"})
    assert raw.content == f"{tmp_path}/x{{@root}}\n".encode()


def test_an_interrupt_leaves_no_process_behind(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(SystemClock):
        calls = 0

        def monotonic(self) -> float:
            Interrupting.calls += 1
            if Interrupting.calls > 2:
                raise KeyboardInterrupt
            return super().monotonic()

    with pytest.raises(KeyboardInterrupt):
        run_command(
            CommandTool(argv=("sh", "-c", "echo; exec sleep 7397")),
            {},
            root=Path("/"),
            environ={"PATH": os.environ["PATH"]},
            clock=Interrupting(),
            timeout_s=60,
            max_bytes=1000,
        )
    assert not is_running("7397")
