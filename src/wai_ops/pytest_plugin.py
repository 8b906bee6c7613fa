"""Fixtures for the tests of projects that use Workers AI. pytest finds this by its entry point.

It is loaded into every test run of an environment that has the package, so it imports nothing that
is not there anyway; the emulator comes with the first test that asks for it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from wai_ops.emulator.testing import WaiEmulator

BACKEND = "wai_emulator_backend"
CONFIG = "wai_emulator_config"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings that a project may have in its pytest configuration."""
    parser.addini(BACKEND, "backend of wai_emulator: scripted, smollm2, or a path", default="")
    parser.addini(CONFIG, "an emulator.yaml for wai_emulator, from the project's root", default="")


@pytest.fixture(scope="session")
def wai_emulator(request: pytest.FixtureRequest) -> "Iterator[WaiEmulator]":
    """A local Workers AI and AI Gateway for the whole session; `reset()` makes it new."""
    from wai_ops.core.errors import WaiError
    from wai_ops.emulator.testing import wai_emulator as start

    config = request.config.getini(CONFIG)
    path: Path | None = request.config.rootpath / config if config else None
    backend = request.config.getini(BACKEND) or "scripted"
    failure: str | None = None
    try:
        with start(backend=backend, config=path) as emulator:
            yield emulator
    except WaiError as error:
        failure = error.message if error.hint is None else f"{error.message} ({error.hint})"
    if failure is not None:  # outside of the handler, so that pytest shows this line alone
        pytest.fail(f"wai_emulator: {failure}", pytrace=False)


@pytest.fixture
def wai_environ(wai_emulator: "WaiEmulator", monkeypatch: pytest.MonkeyPatch) -> "WaiEmulator":
    """The emulator made new for one test, with the environment pointing every client at it."""
    wai_emulator.reset()
    for name, value in wai_emulator.environ.items():
        monkeypatch.setenv(name, value)
    return wai_emulator
