"""`wai logs export focus`: FOCUS 1.2 rows that add up to the ledger to the last digit."""

import csv
import random
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from support.cli import Wai
from support.facts import NOON, attempt, in_ledger, record_attempts

USD_PER_NEURON = Decimal("0.000011")


@pytest.fixture
def recorded(project: Path) -> Path:
    """Two hundred calls over four days: rates that change, cached input, none, unknown, local."""
    rng = random.Random(5)
    records = []
    for number in range(200):
        read = rng.randrange(1, 20_000)
        cached = rng.choice([None, 0, rng.randrange(0, read + 1)])
        written = rng.choice([0, rng.randrange(1, 900)])
        in_rate, cached_rate, out_rate = rng.choice(
            [
                (Decimal("0.293"), Decimal("0.0293"), Decimal("2.253")),
                (Decimal("0.282007"), Decimal("0.282007"), Decimal("0.827046")),
            ]
        )
        exact = (
            (read - (cached or 0)) * in_rate + (cached or 0) * cached_rate + written * out_rate
        ) / 1_000_000
        state = rng.choice(["metered", "metered", "metered", "none", "unknown"])
        records.append(
            attempt(
                number,
                started_at=NOON + timedelta(minutes=29 * number),
                tenant=rng.choice(["acme", "=globex"]),
                workflow=rng.choice(["triage", 'quo"te']),
                target=rng.choice(["cloudflare", "cloudflare", "local"]),
                input_tokens=read,
                cached_input_tokens=cached,
                output_tokens=written,
                in_usd_per_m=in_rate,
                cached_in_usd_per_m=cached_rate,
                out_usd_per_m=out_rate,
                cost_state=state,
                cost_usd={
                    "metered": exact.quantize(Decimal("1e-12")),
                    "none": Decimal(0),
                    "unknown": None,
                }[state],
                neurons=None,
            )
        )
    record_attempts(project / ".wai", records)
    return project


def rows_of(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("grain", ["hour", "day"])
def test_billed_costs_add_up_to_the_ledger_exactly(wai: Wai, recorded: Path, grain: str) -> None:
    ran = wai("logs", "export", "focus", "-o", "focus.csv", "--grain", grain)
    assert ran.exit_code == 0, ran.stderr
    rows = rows_of(recorded / "focus.csv")
    ledger = in_ledger(
        recorded / ".wai",
        "select tenant, sum(cost_usd) from model_call where cost_state = 'metered' group by all",
    )
    for tenant, cost in ledger:
        billed = [row for row in rows if row["SubAccountId"].removeprefix("'") == tenant]
        assert sum(Decimal(row["BilledCost"]) for row in billed) == cost
    assert [row for row in rows if row["BilledCost"] != row["EffectiveCost"]] == []
    assert len({row["ChargePeriodStart"] for row in rows}) > (40 if grain == "hour" else 3)


def test_every_row_is_price_times_quantity_in_dollars_and_in_neurons(
    wai: Wai, recorded: Path
) -> None:
    assert wai("logs", "export", "focus", "-o", "focus.csv").exit_code == 0
    for row in rows_of(recorded / "focus.csv"):
        value = {key: Decimal(row[key]) for key in row if key.endswith(("Price", "Cost", "tity"))}
        assert value["ListUnitPrice"] * value["PricingQuantity"] == value["ListCost"]
        assert value["ContractedUnitPrice"] * value["PricingQuantity"] == value["ContractedCost"]
        assert value["PricingQuantity"] * 1_000_000 == value["ConsumedQuantity"]
        # Rounding a call to twelve places moves a sum by half such a place for each call.
        assert abs(value["BilledCost"] - value["ListCost"]) < Decimal("1e-10")
        neurons = value["PricingCurrencyListUnitPrice"]
        assert abs(neurons * USD_PER_NEURON - value["ListUnitPrice"]) < Decimal("1e-15")
        assert neurons * value["PricingQuantity"] == value["PricingCurrencyEffectiveCost"]


def test_periods_are_whole_and_within_their_month(wai: Wai, recorded: Path) -> None:
    assert wai("logs", "export", "focus", "-o", "focus.csv").exit_code == 0
    first = rows_of(recorded / "focus.csv")[0]
    assert (first["ChargePeriodStart"], first["ChargePeriodEnd"]) == (
        "2026-03-14T00:00:00Z",
        "2026-03-15T00:00:00Z",
    )
    assert (first["BillingPeriodStart"], first["BillingPeriodEnd"]) == (
        "2026-03-01T00:00:00Z",
        "2026-04-01T00:00:00Z",
    )


def test_meters_tell_cached_input_from_the_rest(wai: Wai, recorded: Path) -> None:
    assert wai("logs", "export", "focus", "-o", "focus.csv").exit_code == 0
    rows = rows_of(recorded / "focus.csv")
    held = in_ledger(
        recorded / ".wai",
        "select sum(input_tokens), sum(cached_input_tokens), sum(output_tokens) from model_call "
        "where cost_state = 'metered'",
    )[0]
    meters = {
        meter: sum(Decimal(row["ConsumedQuantity"]) for row in rows if row["SkuMeter"] == meter)
        for meter in ("Input Tokens", "Cached Input Tokens", "Output Tokens")
    }
    assert list(meters.values()) == [held[0] - held[1], held[1], held[2]]


def test_what_is_in_no_row_is_said(wai: Wai, recorded: Path) -> None:
    ran = wai("logs", "export", "focus", "-o", "focus.csv", "--where", "target=cloudflare")
    unknown = in_ledger(
        recorded / ".wai",
        "select count(*) from model_call where cost_state = 'unknown' and target = 'cloudflare'",
    )[0][0]
    assert f"note: {unknown} calls with an unknown cost are in no row\n" in ran.stderr
    assert "local emulator" not in ran.stderr
    assert "went to the local emulator" in wai("logs", "export", "focus", "-o", "all.csv").stderr


def test_cells_are_no_formulas_and_parquet_has_the_names_as_they_are(
    wai: Wai, recorded: Path
) -> None:
    assert wai("logs", "export", "focus", "-o", "focus.csv").exit_code == 0
    cells = {cell for row in rows_of(recorded / "focus.csv") for cell in row.values()}
    assert [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))] == []
    assert wai("logs", "export", "focus", "-o", "focus.parquet").exit_code == 0
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select distinct \"SubAccountId\" from '{recorded / 'focus.parquet'}' order by 1"
        ).fetchall()
    assert found == [("=globex",), ("acme",)]
