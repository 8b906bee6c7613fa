"""A row says what its columns are; results carry their evidence and verdict."""

from dataclasses import FrozenInstanceError, dataclass

import pytest

from wai_ops.core.errors import (
    AccessError,
    DataError,
    DeniedError,
    ExitCode,
    RemoteError,
    UsageError,
    WaiError,
)
from wai_ops.core.table import Column, Table, Unit, Verdict, col, columns_of


@dataclass(frozen=True, slots=True)
class CostRow:
    """A row as reports declare them."""

    tenant: str = col("Tenant")
    cost_usd: int = col("Cost", Unit.USD)
    share: float | None = col("Share", Unit.RATIO, default=None)


def test_columns_come_in_the_order_of_the_fields_with_label_and_unit() -> None:
    assert columns_of(CostRow) == (
        Column("tenant", "Tenant", Unit.TEXT),
        Column("cost_usd", "Cost", Unit.USD),
        Column("share", "Share", Unit.RATIO),
    )


def test_a_default_is_a_default_and_no_default_is_none() -> None:
    assert CostRow("acme", 1) == CostRow("acme", 1, None)
    with pytest.raises(TypeError):
        CostRow("acme")


def test_a_field_without_its_declaration_is_named() -> None:
    @dataclass
    class Careless:
        """A row whose author forgot `col`."""

        tenant: str

    with pytest.raises(TypeError, match=r"Careless\.tenant is not declared with col\(\)"):
        columns_of(Careless)


def test_a_result_cannot_be_changed_and_says_its_verdict() -> None:
    table = Table(row_type=CostRow, rows=[CostRow("acme", 1)], verdict=Verdict.FAIL)
    assert (table.notes, table.total, table.columns) == ((), None, None)
    with pytest.raises(FrozenInstanceError):
        table.verdict = Verdict.PASS  # type: ignore[misc]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError, ExitCode.USAGE),
        (RemoteError, ExitCode.REMOTE),
        (AccessError, ExitCode.ACCESS),
        (DeniedError, ExitCode.DENIED),
        (DataError, ExitCode.DATA),
        (WaiError, ExitCode.BUG),
    ],
)
def test_every_kind_of_error_has_its_exit_code(error: type[WaiError], code: ExitCode) -> None:
    raised = error("what", hint="next", where="file:1:2")
    assert (raised.exit_code, raised.message, raised.hint, raised.where) == (
        code,
        "what",
        "next",
        "file:1:2",
    )
    assert str(raised) == "what"
    assert {kind.value for kind in ExitCode} == {0, 1, 2, 3, 4, 5, 6, 70, 130, 141, 143}
