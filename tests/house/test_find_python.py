"""scripts/find_python.sh: which Python a fresh machine gets, or what it is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from house.project import ROOT


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH of its own, without any Python."""
    (tmp_path / "sh").symlink_to("/bin/sh")
    return tmp_path


def install(machine: Path, name: str, *, version: str, venv: bool = True) -> None:
    """Put a stand-in there: it answers what the script asks, as that version would."""
    is_new = version >= "3.11"
    program = machine / name
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = --version ] && {{ echo "Python {version}"; exit 0; }}\n'
        f'case "$2" in *version_info*) exit {int(not is_new)} ;; esac\n'
        f'case "$2" in *venv*) exit {int(not venv)} ;; esac\n'
    )
    program.chmod(0o755)


def find(machine: Path, **environ: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "scripts" / "find_python.sh")],
        env={"PATH": str(machine), **environ},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_python3_is_taken_when_it_is_new_enough(machine: Path) -> None:
    install(machine, "python3", version="3.12.1")
    assert find(machine) == (0, f"{machine}/python3\n", "")


def test_a_newer_one_beside_an_old_python3_is_found(machine: Path) -> None:
    install(machine, "python3", version="3.09.2")
    install(machine, "python3.12", version="3.12.1")
    assert find(machine) == (0, f"{machine}/python3.12\n", "")


def test_the_real_interpreter_passes(machine: Path) -> None:
    (machine / "python3").symlink_to(os.path.realpath(sys.executable))
    assert find(machine)[0] == 0


def test_only_an_old_python_is_said_with_its_version_and_the_next_step(machine: Path) -> None:
    install(machine, "python3", version="3.09.2")
    code, stdout, stderr = find(machine)
    assert (code, stdout) == (1, "")
    assert "no Python 3.11 or newer found (python3 is Python 3.09.2)" in stderr
    assert "make demo PYTHON=" in stderr


def test_a_python_without_venv_names_the_package_to_install(machine: Path) -> None:
    install(machine, "python3", version="3.11.2", venv=False)
    code, stdout, stderr = find(machine)
    assert (code, stdout) == (1, "")
    assert (
        stderr
        == "make: python3 has no venv module. On Debian and Ubuntu: apt install python3-venv\n"
    )


def test_a_python_named_by_hand_must_be_new_enough(machine: Path) -> None:
    install(machine, "old", version="3.08.1")
    code, _, stderr = find(machine, PYTHON=str(machine / "old"))
    assert (code, stderr) == (1, f"make: PYTHON={machine}/old is not a Python 3.11 or newer.\n")
