"""Which process owns a piece of unfinished work, and whether it is still alive.

A process id alone is not enough: ids are reused. On Linux the start time and the boot id make it
unique; elsewhere the id and the host are all there is, which can only err towards "alive".
"""

import os
import socket
from pathlib import Path


def current_owner() -> str:
    """Name this process: `host/boot/pid/start`."""
    pid = os.getpid()
    return f"{socket.gethostname()}/{_boot_id()}/{pid}/{_start_time(pid) or '-'}"


def is_alive(owner: str) -> bool:
    """Say whether the owner may still be at work. Work of other hosts counts as alive."""
    host, boot, pid_text, start = owner.split("/")
    if host != socket.gethostname():
        return True
    if boot != _boot_id():
        return False
    pid = int(pid_text)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it exists and belongs to somebody else
    now_start = _start_time(pid)
    return start == "-" or now_start is None or now_start == start


def process_id(owner: str) -> int:
    """Return the process id within an owner's name, for messages."""
    return int(owner.split("/")[2])


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "-"


def _start_time(pid: int) -> str | None:
    """Field 22 of /proc/PID/stat, in clock ticks since boot; a zombie counts as gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return None
    # The command name stands in parentheses and may itself hold spaces and parentheses.
    fields = stat[stat.rindex(")") + 2 :].split()
    return "zombie" if fields[0] == "Z" else fields[19]
