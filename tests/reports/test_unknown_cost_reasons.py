"""Why a cost is unknown is said as it is: no price, or nobody told what was used."""

import json
from pathlib import Path

import duckdb
import pytest

from support.cli import Wai
from support.import_rows import gateway_row, write_rows
from wai_ops.observe.ledger.database import statement

NOTHING_TOLD = {
    "success": False,
    "status_code": 500,
    "tokens_in": 0,
    "tokens_out": 0,
    "cost": 0,
    "usage_metadata": None,
}
"""As the gateway logs a call that broke."""


@pytest.fixture
def imported(wai: Wai, project: Path) -> Wai:
    """A good call, one that broke, and one of a model that nobody prices."""
    rows = [
        gateway_row(0),
        gateway_row(1, **NOTHING_TOLD),
        gateway_row(2, model="@cf/nobody/prices", cost=0),
    ]
    write_rows(project / "rows.ndjson", rows)
    assert wai("logs", "import", "rows.ndjson").exit_code == 0
    return wai


CALLS = ["--where", "workflow=triage", "--where", "prompt=triage@3"]
"""No roll-up keeps these two apart."""


@pytest.mark.parametrize("part", [[], CALLS], ids=["roll-ups", "calls"])
def test_a_call_that_broke_has_no_usage_rather_than_no_price(
    imported: Wai, part: list[str]
) -> None:
    """From the roll-ups, and from the calls themselves."""
    check_reasons(imported, part)


@pytest.mark.parametrize("part", [[], CALLS], ids=["roll-ups", "calls"])
def test_a_ledger_of_version_6_is_added_up_anew(
    imported: Wai, project: Path, part: list[str]
) -> None:
    """Its view of calls knew no `has_usage`, and its roll-ups counted two calls without a price."""
    words = statement("schema/0006_fewer_columns")
    with duckdb.connect(project / ".wai" / "ledger.duckdb") as connection:
        connection.execute(words[words.index("create or replace view call_fact as") :])
        connection.execute("update rollup_day set unpriced_count = 2")
        connection.execute("update wai_meta set value = '6' where key = 'schema_version'")
        with pytest.raises(duckdb.BinderException):
            connection.execute("select has_usage from call_fact")
    check_reasons(imported, part)


def check_reasons(wai: Wai, part: list[str]) -> None:
    """See that one call has no price, and that of one nobody told the usage."""
    ran = wai("report", "cost", *part)
    assert ran.exit_code == 0, ran.stderr
    assert "1 of 3 requests (33.3%) had no known price (@cf/nobody/prices): " in ran.stderr
    assert "1 of 3 requests (33.3%) may have been billed, and nobody said how much" in ran.stderr


def test_an_audit_has_no_usage_to_compute_from(imported: Wai) -> None:
    ran = imported("report", "audit-cost", "--json")
    notes = json.loads(ran.stdout)["notes"]
    assert "not compared: 1 of 3 requests (33.3%) have no usage to compute from" in notes
    assert any("are of a model that has no known price" in note for note in notes)
