"""Fixtures of the checks: a stand-in for the API on a real socket."""

from collections.abc import Iterator

import pytest

from support.fake_api import FakeApi, running_api


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A running stand-in for the API, empty of routes."""
    with running_api() as found:
        yield found
