"""Run the commands of docs/tutorial.md and put what they print below them.

    python scripts/tutorial.py       rewrite the outputs where they say something new

Numbers, ids and places differ from run to run; a page that differs in nothing else stays as it is.
tests/house/test_tutorial.py runs the page in the same way.
"""

import contextlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support import shifted_wai  # noqa: E402 - the tests' own way to move the clock

PAGE = ROOT / "docs" / "tutorial.md"
SHOWN_FOLDER = "/home/you/demo"

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARYING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\b[0-9a-f]{32}(?:[0-9a-f]{32})?\b"), "ID"),
    (re.compile(r"\+[0-9a-f]{12}\b"), "+ID"),
    (re.compile(r"\b\d[\d.,]*(?: ?(?:B|kB|MB)\b)?"), "0"),
    (re.compile(r"[ \t]+"), " "),
)


class CommandFailed(Exception):  # noqa: N818 - it names what happened
    """A command of the page did not exit with 0."""


def run_page(text: str, folder: Path) -> str:
    """Run every command of the page in `folder`, in order; return the page with their output.

    Raises CommandFailed with what a failing command printed.
    """
    project = folder / "demo"
    project.mkdir()
    environ = _environment(folder)
    with contextlib.ExitStack() as servers:

        def run(command: str) -> str:
            if command.endswith("&"):
                return _serve(command, project, environ, servers)
            return _run(command, project, environ)

        def block(match: re.Match[str]) -> str:
            return f"```console\n{''.join(run(c) for c in _commands(match.group(1)))}```"

        return _BLOCK.sub(block, text)


def normal(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text


def _commands(block: str) -> list[str]:
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


def _run(command: str, project: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=project,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(f"$ {command}\n{done.stdout}(exit code {done.returncode})")
    output = "\n".join(_shown(line, str(project.resolve())) for line in done.stdout.splitlines())
    return f"$ {command}\n{output}\n" if output else f"$ {command}\n"


def _serve(
    command: str, project: Path, environ: dict[str, str], servers: contextlib.ExitStack
) -> str:
    """Start a server and leave it running until the page is through; it says when it is ready."""
    server = servers.enter_context(
        subprocess.Popen(
            shlex.split(command.removesuffix("&")),
            cwd=project,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    )
    servers.callback(server.terminate)
    assert server.stdout is not None
    lines = [f"$ {command}"]
    for line in server.stdout:
        lines.append(_shown(line, str(project.resolve())))
        if "Ctrl-C" in line:
            return "\n".join(lines) + "\n"
    raise CommandFailed("\n".join(lines))


def _shown(line: str, folder: str) -> str:
    """The line with another folder's name; what stands in columns behind it stays there."""
    before, found, after = line.partition(folder)
    if not found:
        return line.rstrip()
    gap = " " * (len(folder) - len(SHOWN_FOLDER)) if "  " in after else ""
    return (before + SHOWN_FOLDER + after.replace("  ", "  " + gap, 1)).rstrip()


def _environment(folder: Path) -> dict[str, str]:
    """A home of its own, and a `wai` of the tree at noon: its windows are of one day."""
    programs = folder / "bin"
    programs.mkdir()
    wai = programs / "wai"
    wai.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{shifted_wai.SCRIPT}" "$@"\n')
    wai.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "WAI_ACTOR": "you",
        **shifted_wai.shifted(shifted_wai.to_noon()),
    }


def main() -> int:
    """Rewrite the page if its commands print something new."""
    old = PAGE.read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        new = run_page(old, Path(folder))
    if normal(new) != normal(old):
        PAGE.write_text(new, "utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
