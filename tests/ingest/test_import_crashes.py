"""An import that is killed or interrupted loses nothing and doubles nothing when it runs again."""

import json
import random
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.cli import Wai
from support.facts import in_ledger
from support.import_rows import gateway_row, write_rows
from wai_ops.core.prices import PriceBook, built_in
from wai_ops.observe.ingest import importing
from wai_ops.observe.ingest.importing import ImportOptions, import_files
from wai_ops.observe.ingest.sources import find_sources
from wai_ops.observe.redact.engine import Redactor

FILES, ROWS = 12, 300
SUM = "select count(*), count(distinct log_id), sum(gateway_input_tokens) from model_call"
WHOLE = (FILES * ROWS, FILES * ROWS, sum(range(1000, 1000 + FILES * ROWS)))


@pytest.fixture
def logs(project: Path) -> Path:
    """Several files, of two formats in turn, so that they load in several transactions."""
    for number in range(FILES):
        rows = [gateway_row(number * ROWS + place) for place in range(ROWS)]
        name = f"{number:02}.ndjson"
        if number % 2:  # with a byte order mark a file is translated; without, read as it lies
            write_rows(project / "logs" / name, rows)
            path = project / "logs" / name
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        else:
            write_rows(project / "logs" / f"{name}.gz", rows)
    return project / "logs"


def kill_after(wai: Wai, delay_s: float, signal_number: int) -> int:
    """Start an import, send it a signal after a while, and return its exit code."""
    process = wai.start("logs", "import", "logs")
    try:
        process.communicate(timeout=delay_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal_number)
        process.communicate()
    return process.returncode


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_at_random_times_an_import_ends_up_exact(
    wai: Wai, project: Path, logs: Path, signal_number: int
) -> None:
    started = time.monotonic()
    assert wai("logs", "import", "logs", "--dry-run").exit_code == 0
    span = 2 * (time.monotonic() - started)
    rng = random.Random(signal_number)
    for _ in range(6):
        kill_after(wai, rng.uniform(0.2, span), signal_number)
    ran = wai("logs", "import", "logs", "--json")
    assert ran.exit_code == 0, ran.stderr
    assert in_ledger(project / ".wai", SUM) == [WHOLE]
    files = "select count(*), count(distinct sha256), sum(row_count) from ingest_file"
    assert in_ledger(project / ".wai", files) == [(FILES, FILES, FILES * ROWS)]
    result = json.loads(wai("logs", "import", "logs", "--json").stdout)
    assert (result["file_count"], result["known_file_count"]) == (0, FILES)


class StoppedClock:
    """Always the same time; nothing waits."""

    def now(self) -> object:
        from support.facts import NOON

        return NOON

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        return None


def load(folder: Path, names: list[str]) -> None:
    import_files(
        folder / "state",
        StoppedClock(),  # type: ignore[arg-type]
        find_sources(names, folder).sources,
        ImportOptions(gateway_id="prod"),
        prices=PriceBook([built_in()]),
        redactor=Redactor.build({}, key=b"k" * 32),
    )


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=8), min_size=1, max_size=5),
    orders=st.lists(st.permutations(range(5)), min_size=1, max_size=3),
    group_files=st.integers(1, 3),
)
def test_any_order_and_repetition_of_imports_gives_the_same_ledger(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    parts: list[list[int]],
    orders: list[list[int]],
    group_files: int,
) -> None:
    """Rows may be in several files, twice in one, and files may come again under other names."""
    monkeypatch.setattr(importing, "GROUP_FILES", group_files)
    folder = tmp_path_factory.mktemp("order")
    for number, part in enumerate(parts):
        write_rows(folder / f"{number}.ndjson", [gateway_row(row) for row in part])
        write_rows(folder / f"{number}.copy.ndjson.gz", [gateway_row(row) for row in part])
    for order in orders:
        load(folder, [f"{n}.ndjson" for n in order if n < len(parts)])
        load(folder, [f"{n}.copy.ndjson.gz" for n in order if n < len(parts)])
    expected = sorted({row for part in parts for row in part})
    assert in_ledger(
        folder / "state",
        "select log_id, gateway_input_tokens, cost_usd > 0 from model_call order by log_id",
    ) == [(f"log-{row:08}", 1000 + row, True) for row in expected]


@pytest.mark.parametrize("share", [0.0, 0.4, 0.8])
def test_a_full_disk_ends_an_import_and_the_next_one_completes_it(
    wai: Wai, project: Path, share: float
) -> None:
    """Exit 6 that says what to do; each file is in the ledger as a whole or not at all."""
    each, rng = 4000, random.Random(7)
    for number in range(4):
        rows = [
            gateway_row(number * each + place, event_id=rng.randbytes(60).hex())
            for place in range(each)
        ]
        write_rows(project / "logs" / f"{number}.ndjson", rows)
    first = str(project / "logs" / "0.ndjson")
    assert wai("logs", "import", first).exit_code == 0
    begun = (project / ".wai" / "ledger.duckdb").stat().st_size
    room = int(begun + share * (_size_when_full(wai, project) - begun))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    process = wai.start("logs", "import", "logs", preexec_fn=limit)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (6, b""), err.decode()
    assert b"cannot write" in err
    assert b"hint: free some space" in err
    count, distinct, _ = in_ledger(project / ".wai", SUM)[0]
    assert count == distinct
    assert count % each == 0
    assert count < 4 * each
    assert wai("logs", "import", "logs").exit_code == 0
    assert in_ledger(project / ".wai", SUM)[0][:2] == (4 * each, 4 * each)


def _size_when_full(wai: Wai, project: Path) -> int:
    """How large the ledger becomes with room enough."""
    other = Wai(project, wai.environ | {"WAI_STATE_DIR": str(project / "other")})
    assert other("logs", "import", "logs").exit_code == 0
    return (project / "other" / "ledger.duckdb").stat().st_size
