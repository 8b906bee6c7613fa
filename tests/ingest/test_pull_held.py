"""What the ledger holds of windows, and which of its rows a batch is compared with."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from support.facts import ManualClock, in_ledger
from support.gateway_rows import at, ingest_some, log_row
from wai_ops.observe.ledger import gateway
from wai_ops.observe.ledger.database import open_ledger_file, run
from wai_ops.observe.ledger.lock import ledger_lock
from wai_ops.observe.ledger.pull_windows import Held, WindowTable

WITHOUT: dict[str, dict[str, Any]] = {
    "cost": {"cost": None},
    "usage": {"tokens_in": None, "tokens_out": None, "usage_metadata": None},
    "timings": {"timings": None},
    "failed": {"status_code": 500, "success": False, "tokens_in": None, "usage_metadata": None},
    "cached": {"cached": True, "tokens_in": None, "usage_metadata": None},
    "nothing": {},
}


@contextmanager
def window_table(state_dir: Path, gateway_id: str = "default") -> Iterator[WindowTable]:
    clock = ManualClock()
    with ledger_lock(state_dir, clock), open_ledger_file(state_dir, clock) as connection:
        yield WindowTable(connection, gateway_id, "logs api")


def test_what_is_held_of_windows_is_what_counting_row_by_row_finds(tmp_path: Path) -> None:
    """Windows with and without rows, with holes between them, rows at their ends, in any order."""
    rng = random.Random(11)
    kinds = rng.choices(list(WITHOUT), k=200)
    rows = [log_row(second, **WITHOUT[kind]) for second, kind in enumerate(kinds)]
    ingest_some(tmp_path, *rows)
    others = [row | {"id": f"other-{row['id']}"} for row in rows[:50]]
    ingest_some(tmp_path, *others, gateway_id="other")
    cuts = sorted(rng.sample(range(-20, 220), 40))
    spans = [(at(a), at(b)) for a, b in pairwise(cuts) if rng.random() < 0.8]
    rng.shuffle(spans)
    with window_table(tmp_path) as table:
        assert table.held([]) == []
        found = table.held(spans)
    counted = []
    for since, until in spans:
        inside = [kind for n, kind in enumerate(kinds) if since <= at(n) < until]
        counted.append(
            Held(
                held_count=len(inside),
                pending_count=sum(kind in ("cost", "usage") for kind in inside),
                has_usage_metadata=any(kind in ("cost", "timings", "nothing") for kind in inside),
                has_timings=any(kind != "timings" for kind in inside),
            )
        )
    assert found == counted
    assert sum(each.held_count for each in found) > 100
    assert any(each == Held(0, 0, has_usage_metadata=False, has_timings=False) for each in found)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all statements that load gateway rows."""
    names: list[str] = []

    def noted(connection: Any, name: str, **parameters: Any) -> Any:
        names.append(name)
        return run(connection, name, **parameters)

    monkeypatch.setattr(gateway, "run", noted)
    return names


def test_a_batch_between_rows_of_the_one_before_is_compared_with_none(
    tmp_path: Path, statements: list[str]
) -> None:
    """Windows that are read at once are committed in turns; to compare them takes long."""
    ingest_some(tmp_path, *(log_row(second) for second in range(0, 40, 2)))
    later = ingest_some(tmp_path, *(log_row(second) for second in range(1, 41, 2)))
    assert (later.inserted_count, later.unchanged_count) == (20, 0)
    assert "gateway/has_held" in statements
    assert "gateway/held" not in statements
    assert in_ledger(tmp_path, "select count(distinct log_id), count(*) from model_call") == [
        (40, 40)
    ]


def test_one_row_that_is_held_is_found_among_many_that_are_not(
    tmp_path: Path, statements: list[str]
) -> None:
    """Of whatever gateway the ledger has it."""
    ingest_some(tmp_path, *(log_row(second, cost=None) for second in range(20)), gateway_id="other")
    later = ingest_some(tmp_path, *(log_row(second) for second in range(19, 40)))
    assert (later.inserted_count, later.replaced_count, later.late_field_count) == (20, 1, 1)
    assert "gateway/held" in statements
    assert in_ledger(tmp_path, "select count(distinct log_id), count(*) from model_call") == [
        (40, 40)
    ]
