"""FOCUS 1.2: the ledger's known costs in the columns that FinOps tools read."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wai_ops.observe.ledger.sliced import run_sliced

if TYPE_CHECKING:
    import duckdb


class Grain(StrEnum):
    """How long one charge period is."""

    HOUR = "hour"
    DAY = "day"


def write_focus(
    connection: "duckdb.DuckDBPyConnection",
    made: Path,
    where: str,
    values: Mapping[str, Any],
    *,
    account_id: str,
    account_name: str,
    grain: Grain,
    is_parquet: bool,
) -> tuple[int, tuple[str, ...]]:
    """Write CSV or Parquet; return the rows and notes on what is in none of them."""
    run_sliced(
        connection,
        "export/focus_1_2",
        where,
        values,
        account_id=account_id,
        account_name=account_name,
        grain=grain.value,
    )
    name = "export/focus_parquet" if is_parquet else "export/focus_csv"
    count = run_sliced(connection, name, where, {}, file=str(made))[0][0]
    unknown, estimated, estimated_usd, unrated, local = run_sliced(
        connection, "export/focus_left_out", where, values
    )[0]
    notes = []
    if unknown:
        notes.append(f"{unknown} calls with an unknown cost are in no row")
    if estimated:
        notes.append(
            f"{estimated} calls that only the gateway prices ({estimated_usd} USD) are in no row"
        )
    if unrated:
        notes.append(f"{unrated} calls without rates or tokens are in no row")
    if local:
        notes.append(f"{local} calls went to the local emulator: list prices, nothing was billed")
    return int(count), tuple(notes)
