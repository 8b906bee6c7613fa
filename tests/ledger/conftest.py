"""Fixtures of the ledger's tests."""

from pathlib import Path

import pytest

from support.facts import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at a known time."""
    return ManualClock()


@pytest.fixture
def state_dir(project: Path) -> Path:
    """The state folder of the project in which `wai` runs."""
    return project / ".wai"
