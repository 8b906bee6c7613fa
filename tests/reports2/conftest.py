"""One open ledger for all examples of a module: opening one costs more than what they test."""

from collections.abc import Iterator

import pytest

from support.calls import ledger_of
from wai_ops.observe.ledger.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A ledger that `refill` makes hold what a test needs."""
    with ledger_of(tmp_path_factory.mktemp("ledger")) as opened:
        yield opened
