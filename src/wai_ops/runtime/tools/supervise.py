"""Runs one program and leaves nothing of it behind. A process of its own, started by `child.py`.

It stands between `wai` and the program: limits are set after the fork, where no thread can be in
the way; whatever the program started, daemons with a session of their own included, is handed to
this process by the kernel when its parent dies, and is killed before this process ends. When `wai`
itself is killed, the kernel says so with SIGTERM, and the same happens. Standard library only, and
little of it: it is started for every call.

    python -I -S supervise.py STATUS_FD LIMITS_JSON PROGRAM [ARGUMENT]...
"""

import json
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from typing import Any

_SUBREAPER, _PARENT_DEATH, _NO_NEW_PRIVILEGES = 36, 1, 38
_KILLING_S = 2.0


class _Stop(BaseException):
    """Told to end."""


def main(arguments: list[str]) -> None:
    """Run the program of the command line; write how it ended to the status pipe."""
    status = int(arguments[0])
    limits: dict[str, Any] = json.loads(arguments[1])
    os.set_inheritable(status, False)
    ended: dict[str, Any] = {"stopped": True}
    child = 0
    try:
        signal.signal(signal.SIGTERM, _stop)
        _prepare(limits["parent"])
        child = os.fork()
        if child == 0:
            _become(arguments[2:], limits, status)
        _let_go()
        ended = _wait(child)
    except _Stop:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _kill_all(child)
        if os.getppid() != limits["parent"]:
            _remove(limits["scratch"])
        _tell(status, ended)


def _stop(*_: object) -> None:
    raise _Stop


def _prepare(parent: int) -> None:
    """Become the one that orphans are handed to, and hear of the death of `wai`."""
    if sys.platform == "linux":
        import ctypes

        prctl = ctypes.CDLL(None).prctl
        prctl(_SUBREAPER, 1, 0, 0, 0)
        prctl(_PARENT_DEATH, int(signal.SIGTERM), 0, 0, 0)
        prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if os.getppid() != parent:
        raise _Stop  # it died before we could ask to be told


def _become(argv: list[str], limits: dict[str, Any], status: int) -> None:
    """In the child: a group of its own, the limits, then the program. Never returns."""
    try:
        os.setpgid(0, 0)
        os.umask(0o077)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        for name, value in limits["rlimits"].items():
            _limit(getattr(resource, name), value)
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is the point
    except OSError as error:
        _tell(status, {"failed": error.strerror or "it cannot be started"})
    except BaseException as error:  # noqa: BLE001 - nothing of this process may run on in the child
        _tell(status, {"failed": type(error).__name__})
    os._exit(127)


def _limit(which: int, value: int) -> None:
    if which == resource.RLIMIT_NPROC:
        value += _running()  # it counts all processes of the user
    _, hard = resource.getrlimit(which)
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    # The first second beyond the soft limit of CPU time is a signal, the next one is the end.
    is_cpu = which == resource.RLIMIT_CPU
    resource.setrlimit(which, (most, most + 1 if is_cpu and most != hard else most))


def _running() -> int:
    """How many processes and threads this user runs."""
    count = 0
    for name in os.listdir("/proc") if os.path.isdir("/proc/1") else ():  # noqa: PTH112, PTH208
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == os.getuid():  # noqa: PTH116
                    count += len(os.listdir(f"/proc/{name}/task"))  # noqa: PTH208
            except OSError:
                continue  # it has ended
    return count


def _let_go() -> None:
    """Leave the pipes to the program: their end must be seen when it lets go of them."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _wait(child: int) -> dict[str, Any]:
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            break
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    return {"exit": os.WEXITSTATUS(status)}


def _kill_all(child: int) -> None:
    """Kill every descendant: those that lost their parent become ours, generation by generation.

    Where the kernel hands us nobody, at least the program's own group.
    """
    until = time.monotonic() + _KILLING_S
    while time.monotonic() < until:
        for pid in _children() if sys.platform == "linux" else [child] * bool(child):
            with suppress(OSError):  # it leads no group
                os.killpg(pid, signal.SIGKILL)
            with suppress(OSError):  # it has ended
                os.kill(pid, signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.001)
        except ChildProcessError:
            return


def _children() -> list[int]:
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children", encoding="ascii") as file:  # noqa: PTH123
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _tell(status: int, ended: dict[str, Any]) -> None:
    with suppress(OSError):  # nobody is there to hear it
        os.write(status, json.dumps(ended).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
