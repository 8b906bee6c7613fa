"""examples/demo.sh: what `make demo` shows, with the real model."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from house.project import ROOT
from wai_ops.emulator.model_file import find_model

WEIGHTS = find_model()


def demo(wai: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the demo with `wai` as the given shell lines; its temporary folders lie in `folder`."""
    program = folder / "bin" / "wai"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{wai}\n")
    program.chmod(0o755)
    assert WEIGHTS is not None, "run: wai emulator fetch-model"
    (folder / "cache" / "wai").mkdir(parents=True)
    (folder / "cache" / "wai" / "models").symlink_to(WEIGHTS.parent)
    (folder / "tmp").mkdir()
    return subprocess.run(
        ["sh", "examples/demo.sh", str(program)],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "TMPDIR": str(folder / "tmp"),
            "CLOUDFLARE_API_TOKEN": "a-token-of-the-caller",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What one run printed on stdout and stderr together, and where it ran."""
    folder = tmp_path_factory.mktemp("demo")
    done = demo(f'exec "{sys.executable}" -m wai_ops "$@" 2>&1', folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, folder


def test_later_turns_are_hits_and_every_call_is_priced(shown: tuple[str, Path]) -> None:
    output, _ = shown
    turns = re.findall(
        r"^wai: acme/support c1\.(\d): (\d+) in \((\d+) cached\).*$", output, re.MULTILINE
    )
    assert [turn for turn, _, _ in turns] == ["0", "1", "2"]
    assert [int(cached) > 0 for _, _, cached in turns] == [False, True, True]
    assert output.count("affinity hit") == 2
    assert output.count(" metered at list price, nothing billed; ") == 4
    assert re.search(r"^total +4 +4 ", output, re.MULTILINE), "the report counts the four calls"


def test_it_shows_no_credential(shown: tuple[str, Path]) -> None:
    output, _ = shown
    assert "authorization: Bearer [masked]" in output
    assert "a-token-of-the-caller" not in output


def test_it_leaves_nothing_behind(shown: tuple[str, Path]) -> None:
    _, folder = shown
    assert list((folder / "tmp").iterdir()) == []


def test_it_fails_when_a_command_fails_and_cleans_up_all_the_same(tmp_path: Path) -> None:
    done = demo(f'[ "$1" = doctor ] && exit 3; exec "{sys.executable}" -m wai_ops "$@"', tmp_path)
    assert done.returncode == 3
    assert "The demo failed (exit code 3)" in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []
