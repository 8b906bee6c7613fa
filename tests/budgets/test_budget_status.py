"""How budgets stand: sums by bucket and window, what is set aside, what the figures stand on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.calls import Call, call, ledger_of
from support.cli import Wai
from support.facts import NOON
from support.terminal import on_terminal
from wai_ops.config.budget_settings import Alignment, BudgetScope, BudgetSettings, BudgetWindow
from wai_ops.config.budget_settings import ScopeKey as Key
from wai_ops.control.budgets.local import budget_key, window_start
from wai_ops.control.budgets.status import Standing, StatusRow, budget_status
from wai_ops.control.budgets.windows import running_since, running_until
from wai_ops.core.table import Table
from wai_ops.emulator.testing import WaiEmulator
from wai_ops.state.reservations import Balance

NOW = NOON + timedelta(hours=1)


def budget(limit: str = "1", window: str = "daily", **changes: Any) -> BudgetSettings:
    return BudgetSettings(limit_usd=Decimal(limit), window=BudgetWindow(window), **changes)


def spent(number: int, usd: str, **changes: Any) -> Call:
    """A call that ends a second after it begins."""
    return call(number, cost_usd=Decimal(usd), duration_ms=1000.0, **changes)


@contextmanager
def status_of(
    folder: Path,
    rows: list[Call],
    balances: tuple[Balance, ...] = (),
    **budgets: BudgetSettings,
) -> Iterator[Table[StatusRow]]:
    with ledger_of(folder, rows) as store:
        yield budget_status(store, budgets, balances, NOW)


def test_a_cost_counts_in_the_window_in_which_its_call_ended(tmp_path: Path) -> None:
    midnight = NOON.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = [
        spent(1, "0.1", started_at=midnight - timedelta(seconds=2)),  # ended yesterday
        spent(2, "0.2", started_at=midnight - timedelta(milliseconds=500)),  # ended today
        spent(3, "0.4", started_at=NOON),
        spent(4, "0.8", started_at=NOW),  # has not ended yet
    ]
    with status_of(tmp_path, rows, all=budget()) as table:
        (row,) = table.rows
    assert (row.spent_usd, row.remaining_usd, row.call_count) == (
        Decimal("0.6"),
        Decimal("0.4"),
        2,
    )
    assert row.used_ratio == 0.6
    # 13 hours of the day have gone, and a quarter of a second.
    assert row.burn_usd_per_h == (Decimal("0.6") * 3600 / Decimal("46800.25")).quantize(
        Decimal("1e-12")
    )
    assert (row.window_began_at, row.window_ends_at) == (midnight, midnight + timedelta(days=1))


def test_each_value_of_per_has_a_row_and_what_does_not_fit_has_none(tmp_path: Path) -> None:
    rows = [
        spent(1, "0.1", tenant="acme"),
        spent(2, "0.2", tenant="globex"),
        spent(3, "0.4", tenant="acme", workflow="other"),
        spent(4, "0.8", tenant=None),
    ]
    scope = BudgetScope(workflow=("triage",))
    with status_of(tmp_path, rows, each=budget(scope=scope, per=(Key.TENANT,))) as table:
        found = {row.bucket: row.spent_usd for row in table.rows}
    assert found == {"tenant=acme": Decimal("0.1"), "tenant=globex": Decimal("0.2")}


def test_estimates_and_unknown_costs_stand_beside_what_was_spent(tmp_path: Path) -> None:
    rows = [
        spent(1, "0.1"),
        spent(2, "0.2", cost_state="confirmed"),
        spent(3, "0.4", cost_state="estimated"),
        call(4, cost_usd=None, cost_state="unknown"),
        call(5, cost_usd=Decimal(0), cost_state="none", error_type="capacity"),
    ]
    with status_of(tmp_path, rows, all=budget()) as table:
        (row,) = table.rows
    assert (row.spent_usd, row.estimated_cost_usd) == (Decimal("0.3"), Decimal("0.4"))
    assert (row.call_count, row.unknown_cost_count) == (5, 1)
    assert "1 call of unknown cost may have cost more than is shown" in table.notes


def balance(name: str, bucket: str, spent_usd: str, open_usd: str, unknown_usd: str) -> Balance:
    return Balance(
        key=budget_key(name, bucket),
        window_start=window_start(BudgetWindow.DAILY, NOW),
        limit_usd=Decimal(1),
        spent_usd=Decimal(spent_usd),
        open_usd=Decimal(open_usd),
        unknown_usd=Decimal(unknown_usd),
    )


def test_what_is_set_aside_counts_as_used_and_other_budgets_do_not(tmp_path: Path) -> None:
    balances = (
        balance("all", "", "0.1", "0.25", "0.05"),
        balance("all-of-it", "", "0.9", "0", "0"),
        balance("each", "tenant=new", "0.01", "0.5", "0"),
    )
    each = budget(per=(Key.TENANT,))
    with status_of(tmp_path, [spent(1, "0.1")], balances, all=budget(), each=each) as table:
        rows = {(row.budget, row.bucket): row for row in table.rows}
    whole = rows["all", ""]
    assert (whole.spent_usd, whole.reserved_usd) == (Decimal("0.1"), Decimal("0.30"))
    assert whole.remaining_usd == Decimal("0.6")
    # Of a bucket that the ledger does not know yet, live state tells what was settled.
    assert rows["each", "tenant=new"].spent_usd == Decimal("0.01")
    assert rows["each", "tenant=new"].reserved_usd == Decimal("0.5")


def test_a_budget_that_wai_does_not_hold_sets_nothing_aside(tmp_path: Path) -> None:
    rolling = budget(alignment=Alignment.ROLLING)
    with status_of(tmp_path, [spent(1, "0.1")], all=rolling) as table:
        (row,) = table.rows
    assert row.reserved_usd is None
    assert row.window_ends_at is None
    assert row.window_began_at == NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("usd", "state"),
    [("0.79", Standing.OK), ("0.8", Standing.WARN), ("0.99", Standing.WARN), ("1", Standing.OVER)],
)
def test_a_share_is_reached_at_it_and_not_below(tmp_path: Path, usd: str, state: Standing) -> None:
    with status_of(tmp_path, [spent(1, usd)], all=budget()) as table:
        assert [row.standing for row in table.rows] == [state]


@pytest.mark.parametrize(
    ("window", "since", "until"),
    [
        ("hourly", datetime(2026, 3, 14, 13, tzinfo=UTC), datetime(2026, 3, 14, 14, tzinfo=UTC)),
        ("daily", datetime(2026, 3, 14, tzinfo=UTC), datetime(2026, 3, 15, tzinfo=UTC)),
        ("weekly", datetime(2026, 3, 9, tzinfo=UTC), datetime(2026, 3, 16, tzinfo=UTC)),
        ("monthly", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),
    ],
)
def test_windows_of_the_calendar_are_in_utc(window: str, since: datetime, until: datetime) -> None:
    made = budget(window=window)
    assert running_since(made, NOW) == since
    assert running_until(made, NOW) == until
    december = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    if window == "monthly":
        assert running_until(made, december) == datetime(2027, 1, 1, tzinfo=UTC)


CONFIG = """\
version: "1"
defaults: {tenant: acme, workflow: support}
budgets:
  each: {limit_usd: "0.01", window: daily, per: [tenant], owner: finops}
  everything: {limit_usd: 5, window: monthly}
"""


def test_the_status_of_real_runs_is_the_emulators_meter(
    wai: Wai, budget_emulator: WaiEmulator
) -> None:
    budget_emulator.reset()
    wai.environ.update(budget_emulator.environ)
    (wai.folder / "wai.yaml").write_text(CONFIG)
    for tenant in ("acme", "acme", "globex"):
        ran = wai("run", "-q", "--tenant", tenant, "write 40 words")
        assert ran.exit_code == 0, ran.stderr
    ran = wai("budget", "status", "--json")
    assert ran.exit_code == 0, ran.stderr
    rows = {(row["budget"], row["bucket"]): row for row in json.loads(ran.stdout)["rows"]}
    meter = budget_emulator.truth()
    by_tenant = {item["tenant"]: Decimal(item["cost_usd"]) for item in meter["by"]["tenant"]}
    assert {name: Decimal(rows["each", f"tenant={name}"]["spent_usd"]) for name in by_tenant} == (
        by_tenant
    )
    total = rows["everything", ""]
    assert Decimal(total["spent_usd"]) == Decimal(meter["totals"]["cost_usd"])
    assert total["call_count"] == 3
    assert Decimal(total["reserved_usd"]) == 0
    assert "the gateway's log was never read" in ran.stderr
    assert "3 calls of these were served by the local emulator" in ran.stderr
    one = json.loads(wai("budget", "status", "each", "--json").stdout)["rows"]
    assert {row["budget"] for row in one} == {"each"}
    assert rows["each", "tenant=acme"]["owner"] == "finops"


def test_a_budget_that_is_not_there_is_a_usage_error(wai: Wai) -> None:
    ran = wai("budget", "status")
    assert ran.exit_code == 2
    assert "wai.yaml has no budgets" in ran.stderr
    (wai.folder / "wai.yaml").write_text(CONFIG)
    ran = wai("budget", "status", "eech")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "did you mean each?" in ran.stderr


def test_watching_shows_it_again_until_it_is_interrupted(wai: Wai) -> None:
    import signal

    (wai.folder / "wai.yaml").write_text(CONFIG)
    process = wai.start(
        "budget", "status", "everything", "--watch", "--interval", "1", "-f", "jsonl"
    )
    assert process.stdout is not None
    seen = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert [row["budget"] for row in seen] == ["everything", "everything"]
    assert stderr.count(b"note: spent:") == 1


def test_on_a_terminal_watching_is_one_screen_that_is_drawn_anew(wai: Wai) -> None:
    (wai.folder / "wai.yaml").write_text(CONFIG)
    command = wai.command("budget", "status", "everything", "--watch", "--interval", "1")
    environ = wai.environment() | {"TERM": "xterm"}
    with on_terminal(command, cwd=wai.folder, env=environ, columns=200) as terminal:
        for _ in range(2):
            terminal.read_until("everything")
            terminal.read_until("Ctrl-C ends")
        terminal.type("\x03")
        assert terminal.wait() == 130
    assert terminal.raw.count("\x1b[H\x1b[2J") >= 2
