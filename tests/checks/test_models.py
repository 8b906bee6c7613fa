"""The price book as tables, and a sync that keeps what it was told."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from wai_ops.config.prices import load_price_book, write_snapshot
from wai_ops.config.settings import Settings, Target
from wai_ops.core.errors import DataError, RemoteError, UsageError
from wai_ops.core.prices import Model, PriceOverride, built_in
from wai_ops.observe.models import (
    list_models,
    property_table,
    show_model,
    sync_models,
)

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
GEMMA = "@cf/google/gemma-4-26b-a4b-it"
K25, K26 = "@cf/moonshotai/kimi-k2.5", "@cf/moonshotai/kimi-k2.6"


def book_of(folder: Path, **changes: Any) -> Any:
    return load_price_book(Settings(state_dir=folder, **changes))


def item(name: str, usd_in: Any, usd_out: Any) -> dict[str, Any]:
    prices = [
        {"unit": f"per M {kind} tokens", "price": price, "currency": "USD"}
        for kind, price in (("input", usd_in), ("output", usd_out))
    ]
    return {
        "name": name,
        "task": {"name": "Text Generation"},
        "properties": [{"property_id": "price", "value": prices}],
    }


def test_the_list_shows_what_a_call_is_billed_at(tmp_path: Path) -> None:
    table = list_models(book_of(tmp_path), NOW, search="KIMI-k2.")
    rows = {row.model: row for row in table.rows}
    assert rows[K25].status == f"retired 2026-05-30, served as {K26}"
    assert rows[K25].usd_in_per_m == rows[K26].usd_in_per_m == Decimal("0.95")
    assert rows[K26].usd_cached_in_per_m == Decimal("0.16")
    assert rows[K26].price_source == "built-in 2026-08-28"
    before = datetime(2026, 5, 1, tzinfo=UTC)
    (old,) = list_models(book_of(tmp_path), before, search="kimi-k2.5").rows
    assert (old.status, old.usd_in_per_m) == ("retires 2026-05-30", Decimal("0.6"))


def test_filters_narrow_and_the_notes_count(tmp_path: Path) -> None:
    book = book_of(tmp_path)
    everything = list_models(book, NOW)
    assert len(everything.rows) == len(built_in().models)
    assert any("cost is unknown, not zero" in note for note in everything.notes)
    priced = list_models(book, NOW, is_priced=True, is_active=True, task="embed").rows
    assert priced
    assert all(row.usd_in_per_m is not None and "Embed" in (row.task or "") for row in priced)
    active = list_models(book, NOW, is_active=True).rows
    assert not [row for row in active if row.status.startswith("retired")]


def test_your_own_price_beats_the_book(tmp_path: Path) -> None:
    override = PriceOverride(input=Decimal("0.07"), output=Decimal("0.2"))
    detail = show_model(book_of(tmp_path, prices={GEMMA: override}), GEMMA, NOW)
    assert detail.price_source == "config"
    assert detail.usd_in_per_m is not None
    assert abs(detail.usd_in_per_m - Decimal("0.07")) < Decimal("0.0000001")


def test_a_model_is_shown_with_all_that_is_known(tmp_path: Path) -> None:
    detail = show_model(book_of(tmp_path), K25, NOW)
    assert (detail.served_as, detail.retired_on) == (K26, "2026-05-30")
    assert detail.neurons_in_per_m == 86364
    names = {row.name: row.value for row in property_table(detail).rows}
    assert names["usd_in_per_m"] == "0.95"
    assert names["function_calling"] == "yes"


@pytest.mark.parametrize(
    ("asked", "near"),
    [("@cf/moonshotai/kimi-k2.66", K26), ("kimi-k2.6", K26), ("gemma-4-26b", GEMMA)],
)
def test_an_unknown_model_is_an_error_with_near_ones(tmp_path: Path, asked: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        show_model(book_of(tmp_path), asked, NOW)
    assert caught.value.message == f"no model {asked} is known"
    assert near in (caught.value.hint or "")


def test_a_model_that_is_like_no_other_points_to_the_list(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        show_model(book_of(tmp_path), "zzz", NOW)
    assert caught.value.hint == "see: wai models list"


def test_a_sync_is_kept_dated_and_prices_later_calls_only(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    book = load_price_book(settings)
    items = [item(GEMMA, "0.2", "0.6"), item("@cf/new/model", 1, 2), {"name": 7}]
    table = sync_models(items, settings, book, NOW, is_local=False)
    changes = {(row.model, row.change): (row.before, row.after) for row in table.rows}
    assert changes[GEMMA, "usd_in_per_m"] == ("0.1", "0.2")
    assert changes["@cf/new/model", "new"] == (None, "1 in, 2 out")
    assert changes[K26, "not listed"] == ("listed", None)
    file = tmp_path / "prices" / "2026-12-01.json"
    assert table.notes[0] == f"2 models in {file}; snapshots kept: 1"
    assert table.notes[1] == "1 items could not be used: item 3 (it has no model name)"
    data = json.loads(file.read_text())
    assert (data["as_of"], data["source"]) == ("2026-12-01", "catalogue")
    assert file.stat().st_mode & 0o777 == 0o600

    book = load_price_book(settings)
    later = book.rates(GEMMA, NOW)
    earlier = book.rates(GEMMA, datetime(2026, 11, 30, tzinfo=UTC))
    assert later is not None
    assert earlier is not None
    assert (later.source, later.as_of) == ("catalogue", "2026-12-01")
    assert (earlier.source, earlier.as_of) == ("built-in", "2026-08-28")
    kept = book.rates(K26, NOW)
    assert kept is not None
    assert kept.source == "built-in"

    again = sync_models(items, settings, book, NOW, is_local=False)
    unlisted = {row.change for row in again.rows}
    assert unlisted == {"not listed"}


def test_a_sync_with_nothing_usable_writes_nothing(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state")
    with pytest.raises(RemoteError, match=r"no usable model \(2 items\)"):
        sync_models([{}, 1], settings, load_price_book(settings), NOW, is_local=False)
    assert not (tmp_path / "state").exists()


def test_the_emulators_catalogue_never_prices_cloudflares_calls(tmp_path: Path) -> None:
    local = Settings(state_dir=tmp_path, target=Target.LOCAL)
    items = [item(GEMMA, "9", "9")]
    sync_models(items, local, load_price_book(local), NOW, is_local=True)
    here = load_price_book(local).rates(GEMMA, NOW)
    there = book_of(tmp_path).rates(GEMMA, NOW)
    assert here is not None
    assert here.source == "catalogue (local)"
    assert there.source == "built-in"


def test_a_lookup_reads_no_snapshot_that_it_does_not_need(tmp_path: Path) -> None:
    models = {GEMMA: Model(id=GEMMA, usd_in_per_m=Decimal("0.3"), usd_out_per_m=Decimal(1))}
    write_snapshot(tmp_path, datetime(2026, 11, 1, tzinfo=UTC).date(), models, is_local=False)
    (tmp_path / "prices" / "2026-10-01.json").write_text("damaged")
    (tmp_path / "prices" / "notes.txt").write_text("not a snapshot")
    book = book_of(tmp_path)
    found = book.rates(GEMMA, NOW)
    assert found.as_of == "2026-11-01"
    with pytest.raises(DataError) as caught:
        book.rates(GEMMA, datetime(2026, 10, 15, tzinfo=UTC))
    assert caught.value.where == str(tmp_path / "prices" / "2026-10-01.json")
    assert caught.value.exit_code == 6


def test_a_snapshot_with_another_date_inside_is_damaged(tmp_path: Path) -> None:
    write_snapshot(tmp_path, NOW.date(), {}, is_local=False)
    folder = tmp_path / "prices"
    (folder / "2026-12-01.json").rename(folder / "2026-11-30.json")
    with pytest.raises(DataError, match="as_of is 2026-12-01"):
        book_of(tmp_path).rates(GEMMA, NOW)


def test_a_sync_into_a_folder_that_cannot_be_written_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in the way")
    settings = Settings(state_dir=tmp_path / "state")
    with pytest.raises(DataError, match="cannot be written"):
        sync_models([item(GEMMA, 1, 1)], settings, load_price_book(settings), NOW, is_local=False)


def test_change_rows_are_empty_when_nothing_changed(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    items = [item(GEMMA, "0.1", "0.3")]
    first = sync_models(items, settings, load_price_book(settings), NOW, is_local=False)
    assert not [row for row in first.rows if row.model == GEMMA]
