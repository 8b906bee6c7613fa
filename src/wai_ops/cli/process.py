"""One process of `wai`: signals, the last line of defence for errors, and a quick exit."""

import contextlib
import errno
import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from wai_ops.core.errors import ExitCode, WaiError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class PipeClosed(Exception):  # noqa: N818 - it names what happened
    """The reader of stdout went away."""


class Interrupted(BaseException):
    """Ctrl-C, under a name that Typer does not turn into an exit of its own."""


class Terminated(BaseException):
    """SIGTERM arrived. Not an Exception, so that only clean-up code and the rim see it."""


def run_process(arguments: list[str]) -> NoReturn:
    """Run one command and end the process with its exit code."""
    # Importing allocates a lot and frees nothing: collecting every 700 objects is wasted work.
    gc.set_threshold(100_000, 50, 100)
    signal.signal(signal.SIGTERM, _on_sigterm)
    code = _run(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        code = _output_failed(error, code)
    with contextlib.suppress(OSError):  # nobody is left to tell
        sys.stderr.flush()
    # Interpreter teardown costs as much as the work after the last byte; all state is committed
    # and all streams are flushed, so there is nothing left for it to do.
    os._exit(code)


def _run(arguments: list[str]) -> int:
    from wai_ops.cli import diagnostics

    try:
        from wai_ops.cli.app import run

        return run(arguments)
    except WaiError as error:
        diagnostics.report(error)
        return error.exit_code
    except PipeClosed:
        return _output_failed(BrokenPipeError(), ExitCode.BROKEN_PIPE)
    except OSError as error:
        if error.errno in _NO_ROOM:
            return _output_failed(error, ExitCode.DATA)
        diagnostics.report_bug(error)
        return ExitCode.BUG
    except (Interrupted, KeyboardInterrupt):
        diagnostics.message("interrupted")
        return ExitCode.INTERRUPTED
    except Terminated:
        diagnostics.message("terminated")
        return ExitCode.TERMINATED
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug becomes exit 70
        diagnostics.report_bug(error)
        return ExitCode.BUG


def _on_sigterm(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _output_failed(error: OSError, code: int) -> int:
    """Stdout is gone: a closed pipe ends quietly, a full disk is said."""
    # What is still buffered cannot be written; point it where the final flush cannot fail.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return code or ExitCode.BROKEN_PIPE
    from wai_ops.cli import diagnostics

    diagnostics.message(f"error: cannot write: {error.strerror}")
    diagnostics.message("hint: free some space; what was recorded before this point is kept")
    return code or ExitCode.DATA
