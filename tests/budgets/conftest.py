"""An emulated gateway, new for each test."""

from collections.abc import Iterator

import pytest

from support.guards import Gateway, new_gateway
from wai_ops.emulator.testing import WaiEmulator, wai_emulator


@pytest.fixture(scope="session")
def budget_emulator() -> Iterator[WaiEmulator]:
    with wai_emulator() as emulator:
        yield emulator


@pytest.fixture
def gateway(budget_emulator: WaiEmulator) -> Iterator[Gateway]:
    with new_gateway(budget_emulator) as found:
        yield found
