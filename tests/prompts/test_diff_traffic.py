"""What the ledger says about a prompt's traffic, and what is made of it, row by row."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.calls import call, ledger_of
from support.facts import NOON
from wai_ops.core.prices import PriceBook, PriceOverride
from wai_ops.core.window import Window
from wai_ops.observe.reports.prompt_rows import PromptTraffic, Reach
from wai_ops.observe.reports.prompt_traffic import (
    read_counts,
    read_live,
    read_traffic,
    read_usage,
)
from wai_ops.prompts.diff import Side, VersionDiff, diff_versions
from wai_ops.prompts.source import parse_source
from wai_ops.prompts.tokens import Basis, Chat, Method
from wai_ops.runtime.compare_plan import WORKFLOW
from wai_ops.runtime.prompt_assumed import parse_assumed
from wai_ops.runtime.prompt_money import PromptMoney, Question, TrafficSource, ask_ledger

MODEL, OTHER = "@cf/a/one", "@cf/a/two"
SOON = NOON + timedelta(hours=1)
WINDOW = Window(SOON - timedelta(days=30), SOON)
PRICES = PriceBook(
    snapshots=(),
    overrides={
        MODEL: PriceOverride(input=Decimal(1), cached_input=Decimal("0.1"), output=Decimal(4)),
        OTHER: PriceOverride(input=Decimal(2), output=Decimal(8)),
    },
)


class Words:
    """A token a word: exact, and easy to count by hand."""

    basis = Basis(method=Method.EXACT, words="words")

    def count(self, chat: Chat) -> int:
        return sum(len(text.split()) for _, text in chat.messages)

    def shared(self, first: Chat, second: Chat) -> int:
        pairs = zip(self._words(first), self._words(second), strict=False)
        return next(
            (n for n, (a, b) in enumerate(pairs) if a != b),
            min(self.count(first), self.count(second)),
        )

    @staticmethod
    def _words(chat: Chat) -> list[str]:
        return [word for _, text in chat.messages for word in text.split()]


def version(system_words: int, *, front: str = "", first: str = "", user_words: int = 1) -> Any:
    system = " ".join(f"w{number}" for number in range(system_words))
    text = (
        f"---\n{front}\n---\n{{% role system %}}\n{first}{system}\n"
        f"{{% role user %}}\n{{{{ t }}}}{' u' * (user_words - 1)}\n"
    )
    return parse_source("triage", lambda _: text.encode())


def difference(before: Any, after: Any, **options: Any) -> VersionDiff:
    first, second = (
        Side(
            reference="",
            version="",
            source=source,
            model=source.front.model or MODEL,
            counter=Words(),
        )
        for source in (before, after)
    )
    return diff_versions(first, second, values={"t": "x"}, **options)


def row(number: int, turn: int = 0, **changes: Any) -> dict[str, Any]:
    """One request of conversation c<number>; 160 words of stable prefix are cached."""
    values = {
        "conversation_id": f"c{number}",
        "turn_index": turn,
        "started_at": NOON + timedelta(seconds=10 * turn + number),
        "input_tokens": 200 + 50 * turn,
        "cached_input_tokens": 160,
        "output_tokens": 10,
        "model": MODEL,
        "prompt_version": "1",
    }
    return call(1000 * number + turn, **(values | changes))


def traffic(folder: Path, rows: list[dict[str, Any]], **changes: Any) -> list[PromptTraffic]:
    options: dict[str, Any] = {
        "version": "1",
        "prefix_tokens": 176,
        "block_tokens": 16,
        "opening_delta": 0,
        "turn_delta": 0,
        "output_limit": None,
    }
    with ledger_of(folder, rows) as store:
        return read_traffic(store, "triage", WINDOW, **(options | changes))


def money(
    folder: Path, rows: list[dict[str, Any]], diff: VersionDiff, **changes: Any
) -> PromptMoney:
    options: dict[str, Any] = {
        "basis_version": "1",
        "prices": PRICES,
        "now": SOON,
        "window": WINDOW,
        "idle_ttl_s": 7200.0,
        "default_model": MODEL,
        "output_limits": (None, None),
    }
    with ledger_of(folder, rows) as store:
        usage = read_usage(store, "triage", [MODEL], SOON)
        return ask_ledger(store, diff, Question(**(options | changes)), usage)


def test_a_request_is_told_by_how_much_of_it_was_found(tmp_path: Path) -> None:
    rows = [
        row(1, cached_input_tokens=0),
        row(2, cached_input_tokens=None),
        row(3),
        # The conversation before it was 200 tokens long: 192 in whole blocks.
        row(4),
        row(4, 1, cached_input_tokens=192),
        # The same, but only the prefix was left.
        row(5),
        row(5, 1),
        # A first request that repeats another to the last word.
        row(6, cached_input_tokens=192),
        # Not counted: another prompt, another time, refused, answered by the gateway's own cache.
        row(7, prompt_name="other"),
        row(8, started_at=NOON - timedelta(days=40)),
        row(9, cost_state="none", cost_usd=Decimal(0)),
        row(10, gateway_cache_hit=True),
        row(11, input_tokens=None),
    ]
    found = {item.reach: item for item in traffic(tmp_path, rows)}
    assert {reach: item.call_count for reach, item in found.items()} == {
        Reach.NONE: 2,
        Reach.PREFIX: 4,
        Reach.BEYOND: 2,
    }
    assert found[Reach.NONE].reported_count == 1
    assert (found[Reach.PREFIX].turn_sum, found[Reach.BEYOND].turn_sum) == (1, 1)


def test_found_history_is_as_much_longer_as_it_has_become_in_whole_blocks(tmp_path: Path) -> None:
    """The request before had 200 tokens, and would have 200 + 30 + 1 x 5: 224 in whole blocks."""
    rows = [row(1), row(1, 1, cached_input_tokens=192)]
    (_, beyond) = sorted(
        traffic(tmp_path, rows, opening_delta=30, turn_delta=5), key=lambda item: item.turn_sum
    )
    assert (beyond.reach, beyond.history_cached_tokens) == (Reach.BEYOND, 224)


def test_versions_whose_requests_a_flag_changed_still_count_as_theirs(tmp_path: Path) -> None:
    rows = [row(1), row(2, prompt_version="1+model"), row(3, prompt_version="11")]
    found = {item.is_basis: item.call_count for item in traffic(tmp_path, rows)}
    assert found == {True: 2, False: 1}


def test_counts_have_everything_and_live_only_what_may_go_on(tmp_path: Path) -> None:
    rows = [
        row(1),
        row(1, 1, input_tokens=260),
        row(2, started_at=NOON - timedelta(days=2)),
        row(3, error_type="capacity", input_tokens=None, cost_state="none"),
        row(4, workflow="mail"),
        row(5, gateway_cache_hit=True),
    ]
    since = SOON - timedelta(hours=2)
    with ledger_of(tmp_path, rows) as store:
        counts = read_counts(store, "triage", WINDOW, version="1", live_since=since)
        live = read_live(store, "triage", WINDOW, live_since=since, block_tokens=16, kept_tokens=32)
    told = {item.workflow: item for item in counts}
    triage = told["triage"]
    assert (triage.call_count, triage.conversation_count) == (5, 4)
    assert (triage.live_conversation_count, triage.has_turns) == (3, True)
    assert (triage.uncounted_count, triage.gateway_cache_hit_count) == (1, 1)
    assert (told["mail"].call_count, told["mail"].has_turns) == (1, False)
    (only,) = live
    assert (only.workflow, only.conversation_count, only.warm_tokens) == ("triage", 1, 256)


def test_a_lost_prefix_is_paid_for_by_those_who_found_it(tmp_path: Path) -> None:
    """By hand: two found 160 words, which cost 0.9 dollars a million more; one found nothing."""
    diff = difference(version(160), version(160, first="{{ t }} "))
    assert (diff.prefix.before_cacheable_tokens, diff.prefix.after_cacheable_tokens) == (160, 0)
    rows = [row(1), row(2), row(3, cached_input_tokens=0)]
    found = money(tmp_path, rows, diff)
    (only,) = found.rows
    longer = diff.tokens.opening_delta_tokens
    assert longer == 1
    assert only.delta_usd == (2 * 160 * Decimal("0.9") + 3 * longer) / 1_000_000
    # Nobody ever had a second turn here.
    assert only.rewarm_usd == 0
    assert (found.source, found.total) == (TrafficSource.LEDGER, only)


def test_workflows_are_apart_and_their_sum_is_the_total(tmp_path: Path) -> None:
    diff = difference(version(160), version(320))
    rows = [row(1), row(2), row(3, workflow="mail")]
    found = money(tmp_path, rows, diff)
    assert {item.workflow: item.request_count for item in found.rows} == {"triage": 2, "mail": 1}
    assert found.total is not None
    assert found.total.delta_usd == sum(item.delta_usd or 0 for item in found.rows)
    # Each finds the longer prefix, too: 160 more words at the cached price.
    assert found.total.delta_usd == 3 * 160 * Decimal("0.1") / 1_000_000


def test_a_shorter_window_is_a_larger_month(tmp_path: Path) -> None:
    diff = difference(version(160), version(320))
    rows = [row(1)]
    whole = money(tmp_path, rows, diff)
    short = money(tmp_path, rows, diff, window=Window(SOON - timedelta(days=3), SOON))
    assert whole.total is not None
    assert short.total is not None
    assert short.total.delta_usd == 10 * (whole.total.delta_usd or 0)
    assert short.total.request_count == whole.total.request_count == 1


def test_a_versions_own_requests_stand_for_all_once_there_are_enough(tmp_path: Path) -> None:
    """20 of version 1 find their prefix, 20 of version 2 found none: all are taken to find it."""
    diff = difference(version(160), version(160, first="{{ t }} "))
    own = [row(number) for number in range(20)]
    others = [row(100 + n, prompt_version="2", cached_input_tokens=0) for n in range(20)]
    found = money(tmp_path, [*own, *others], diff)
    few = money(tmp_path, [*own[1:], *others], diff)
    assert found.total is not None
    assert few.total is not None
    assert found.total.delta_usd == 40 * (160 * Decimal("0.9") + 1) / 1_000_000
    assert few.total.delta_usd == (19 * 160 * Decimal("0.9") + 39) / 1_000_000


def test_another_model_is_priced_at_its_own_rates_and_caches_at_full_price(tmp_path: Path) -> None:
    diff = difference(
        version(160, front=f"model: '{MODEL}'"), version(160, front=f"model: '{OTHER}'")
    )
    found = money(tmp_path, [row(1)], diff)
    assert found.total is not None
    before = (40 * 1 + 160 * Decimal("0.1") + 10 * 4) / Decimal(1_000_000)
    after = (200 * 2 + 10 * 8) / Decimal(1_000_000)
    assert (found.total.before_usd, found.total.after_usd) == (before, after)


def test_a_model_without_a_price_is_unknown_and_never_zero(tmp_path: Path) -> None:
    diff = difference(version(160), version(320))
    found = money(tmp_path, [row(1), row(2, model="@cf/nobody/knows")], diff)
    assert found.total is not None
    assert found.total.delta_usd is None
    assert any("has no known price (@cf/a/one, @cf/nobody/knows)" in note for note in found.notes)


def test_requests_that_all_failed_tell_no_price(tmp_path: Path) -> None:
    diff = difference(version(160), version(320))
    lost: dict[str, Any] = {"input_tokens": None, "output_tokens": None, "cost_state": "none"}
    found = money(tmp_path, [row(1, **lost), row(2, workflow="mail")], diff)
    told = {item.workflow: item.delta_usd for item in found.rows}
    assert told["triage"] is None
    assert found.total is not None
    assert found.total.delta_usd == told["mail"] == 160 * Decimal("0.1") / 1_000_000
    assert "1 failed or have no usage, and are not in the dollars" in found.notes


def test_what_is_assumed_gives_way_to_what_was_observed(tmp_path: Path) -> None:
    diff = difference(version(160), version(320))
    assumed = parse_assumed("requests=1000000")
    found = money(tmp_path, [row(1)], diff, assumed=assumed)
    assert found.source is TrafficSource.LEDGER
    assert "there is traffic, so --assume is not used" in found.notes
    elsewhere = money(tmp_path, [row(1, prompt_name="other")], diff, assumed=assumed)
    assert elsewhere.source is TrafficSource.ASSUMED


def test_a_lower_limit_cuts_only_the_answers_that_were_longer(tmp_path: Path) -> None:
    diff = difference(version(160), version(160, front="parameters: {max_output_tokens: 15}"))
    rows = [row(1, output_tokens=10), row(2, output_tokens=40)]
    found = money(tmp_path, rows, diff, output_limits=(None, 15))
    assert found.total is not None
    assert found.total.delta_usd == -25 * Decimal(4) / 1_000_000


def test_a_prefix_that_was_too_short_is_as_warm_as_those_of_other_prompts_or_cold(
    tmp_path: Path,
) -> None:
    diff = difference(version(160, first="{{ t }} "), version(160))
    mine = [row(number, cached_input_tokens=0) for number in range(10)]
    others = [
        row(50 + n, prompt_name="other", cached_input_tokens=160 if n < 3 else 0) for n in range(4)
    ]
    cold = money(tmp_path, mine, diff)
    warm = money(tmp_path, [*mine, *others], diff)
    assert cold.total is not None
    assert warm.total is not None
    assert cold.total.delta_usd == Decimal(-10) / 1_000_000
    assert any("taken not to" in note for note in cold.notes)
    hits = Decimal("7.5")
    assert warm.total.delta_usd == (-10 - hits * 160 * Decimal("0.9")) / 1_000_000
    assert any("by 75% of first requests" in note for note in warm.notes)


def test_values_that_change_with_every_request_leave_no_history_to_be_found(tmp_path: Path) -> None:
    rows = [row(1), row(1, 1, cached_input_tokens=192)]
    before, after = version(160), version(160, first="{{ t }} ")
    same = money(tmp_path, rows, difference(before, after))
    changing = money(tmp_path, rows, difference(before, after, changing=("t",)))
    assert same.total is not None
    assert changing.total is not None
    lost = (changing.total.delta_usd or 0) - (same.total.delta_usd or 0)
    assert lost == 192 * Decimal("0.9") / 1_000_000


@pytest.mark.parametrize("is_opening", [True, False])
def test_running_conversations_lose_what_follows_the_first_changed_word_of_their_opening(
    tmp_path: Path, is_opening: bool
) -> None:
    """A change of what the user's turn says leaves the conversations that are running warm."""
    before = version(160)
    changed = version(160, user_words=30) if not is_opening else version(159)
    diff = difference(before, changed)
    found = money(tmp_path, [row(1), row(1, 1, cached_input_tokens=192)], diff)
    assert found.total is not None
    # 250 tokens were warm, 240 in whole blocks; 159 words stay, 144 in whole blocks.
    expected = (240 - 144) * Decimal("0.9") / 1_000_000 if is_opening else 0
    assert found.total.rewarm_usd == expected


def test_money_is_decimal_and_hostile_names_come_out_as_they_went_in(tmp_path: Path) -> None:
    """A workflow's name is a value, in SQL and everywhere."""
    name = "'; drop table model_call; --\x1b[31m"
    diff = difference(version(160), version(320))
    found = money(tmp_path, [row(1, workflow=name), row(2)], diff)
    assert {item.workflow for item in found.rows} == {name, "triage"}
    for item in found.rows:
        assert isinstance(item.delta_usd, Decimal)
        assert isinstance(item.rewarm_usd, Decimal)


def test_the_cases_of_a_comparison_are_nobodys_traffic(tmp_path: Path) -> None:
    own = [row(1), row(1, 1), row(2, workflow=None)]
    trials = [row(n, n % 2, workflow=WORKFLOW) for n in range(10, 16)]
    with ledger_of(tmp_path, own + trials) as store:
        counts = read_counts(store, "triage", WINDOW, version="1", live_since=NOON)
        live = read_live(store, "triage", WINDOW, live_since=NOON, block_tokens=16, kept_tokens=0)
    assert {item.workflow: item.call_count for item in counts} == {"triage": 2, None: 1}
    assert {item.workflow for item in live} == {"triage"}
    found = traffic(tmp_path / "again", own + trials)
    assert {item.workflow for item in found} == {"triage", None}
