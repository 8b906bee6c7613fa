"""Certificates and permits."""

import pytest

from support.outbound_permits import Permits
from support.outbound_server import Authority


@pytest.fixture
def permits() -> Permits:
    """A permit for everything."""
    return Permits()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority."""
    return Authority(tmp_path_factory.mktemp("authority"))
