"""Shared fixtures: a clean environment for every test, and `wai` as a user calls it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.cli import Wai
from support.emulator import Emulator, start_emulator

# A busy machine must not fail a property. In CI hypothesis brings its own, repeatable profile.
settings.register_profile("wai", deadline=None)
if not os.environ.get("CI"):
    settings.load_profile("wai")

# Whoever starts the tests in the background leaves Ctrl-C ignored to all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the machine's credentials, settings, terminal or home."""
    for name in list(os.environ):
        if name.startswith(("WAI_", "CLOUDFLARE_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "Pacific/Auckland")  # far from UTC: a naive local time would show


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project folder with a minimal wai.yaml, so that state lies beside it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "wai.yaml").write_text('version: "1"\n')
    return folder


@pytest.fixture
def wai(project: Path) -> Wai:
    """Run the real CLI in a real process inside the project folder."""
    return Wai(project)


@pytest.fixture(scope="session")
def session_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One emulator process for the whole session; tests tell their rows apart by tenant."""
    with start_emulator(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture
def online(wai: Wai, session_emulator: Emulator) -> Wai:
    """`wai` with account, tokens and base addresses of the running emulator."""
    wai.environ.update(session_emulator.environ)
    return wai


@pytest.fixture
def python() -> str:
    """The interpreter under test."""
    return sys.executable


@pytest.fixture
def run_python(python: str) -> object:
    """Run a snippet in a fresh interpreter and return its standard output."""

    def run(code: str) -> str:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
        return done.stdout

    return run
