"""An embedded emulator, and clients that hold each of its tokens."""

from collections.abc import Iterator

import httpx
import pytest

from emulator.api import Api
from wai_ops.emulator.server import embedded


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One embedded emulator a test module."""
    with embedded(tmp_path_factory.mktemp("emulator")) as endpoint, httpx.Client() as http:
        yield Api(endpoint, http)


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One embedded emulator for one test: nothing has been asked yet."""
    with embedded(tmp_path_factory.mktemp("fresh")) as endpoint, httpx.Client() as http:
        yield Api(endpoint, http)
