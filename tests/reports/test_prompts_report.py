"""`wai report prompts`: versions, their numbers and labels, and the comparison of two of them."""

import json
import random
from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from support.calls import Call, call, end, fill, hours, ledger_of
from support.cli import Wai
from support.facts import NOON
from wai_ops.cli.schema import schema_of
from wai_ops.core.window import Window
from wai_ops.observe.reports.prompt_facts import CanaryFact, PromptFacts, ReleaseFact
from wai_ops.observe.reports.prompts import prompts_report
from wai_ops.observe.reports.release import (
    PROMPT_CLASSES,
    TRIALS,
    advice_text,
    compare_versions,
    release_notes,
)
from wai_ops.observe.reports.release_advice import Advice, Measure
from wai_ops.observe.reports.release_pair import Design, Pair, pair_of_label
from wai_ops.observe.reports.slice import Dimension, Slice, parse_where
from wai_ops.prompts.lockfile import FrozenVersion, Lock, PromptLock, Release, write_lock
from wai_ops.runtime.compare_plan import WORKFLOW

ALWAYS = Slice(Window(None, None))
KNOWN = ("metered", "confirmed", "none")
FACTS = {
    "triage": PromptFacts(
        labels={"production": "3", "staging": "3", "next": "9"},
        canaries=(CanaryFact(label="production", version="2", percent=5, started_at=NOON),),
    )
}


def made(seed: int, count: int = 400) -> list[Call]:
    """Calls of three prompts in a few versions, with everything that a call can lack."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        error = rng.choice([None, None, None, "capacity", "output_truncated", "bad_request"])
        state = rng.choice(["metered", "metered", "confirmed", "estimated", "unknown", "none"])
        tokens = rng.choice([None, rng.randint(0, 5000), rng.randint(0, 5000)])
        cost = None if state == "unknown" else Decimal(rng.randint(0, 10**9)).scaleb(-12)
        rows.append(
            call(
                number,
                prompt_name=rng.choice(["triage", "answer", None]),
                prompt_version=rng.choice(["2", "3", "work-0123456789ab"]),
                conversation_id=rng.choice([None, *(f"c{n}" for n in range(40))]),
                tenant=rng.choice(["acme", "globex"]),
                error_type=error,
                cost_state=state,
                cost_usd=Decimal(0) if state == "none" else cost,
                input_tokens=tokens,
                cached_input_tokens=None
                if tokens is None
                else rng.choice([None, rng.randint(0, tokens)]),
                output_tokens=rng.choice([None, rng.randint(0, 3000)]),
                ttft_ms=rng.choice([None, rng.lognormvariate(6, 1)]),
                started_at=NOON + timedelta(minutes=rng.randint(0, 5000)),
                sources=rng.choice(["client+gateway", "gateway only", "client only"]),
            )
        )
    return rows


def three_digits(value: float) -> float:
    """The rounding that quantiles are given in."""
    digits = (
        2 if value < 10 else 1 if value < 100 else 0 if value < 1000 else 3 - len(f"{value:.0f}")
    )
    return float(
        Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), rounding="ROUND_HALF_UP")
    )


def p95(values: list[float]) -> float | None:
    """Nearest rank, rounded."""
    ranked = sorted(values)
    return three_digits(ranked[-(-len(ranked) * 95 // 100) - 1]) if ranked else None


@pytest.mark.parametrize("seed", range(4))
def test_every_number_of_every_version_is_that_of_its_calls(seed: int, tmp_path: Path) -> None:
    rows = made(seed)
    resolved = {("acme", "c1"), ("acme", "c2"), ("globex", "c3")}
    with ledger_of(tmp_path, rows) as store:
        for tenant, name in resolved:
            end(store, name, "resolved", tenant=tenant)
        end(store, "c4", "failed")
        table = prompts_report(store, ALWAYS, facts={})
    groups: dict[Any, list[Call]] = defaultdict(list)
    for row in rows:
        name = row["prompt_name"]
        groups[name and f"{name}@{row['prompt_version']}"].append(row)
    shown = {getattr(row, "prompt"): row for row in table.rows}  # noqa: B009 - made at run time
    assert set(shown) == set(groups)
    assert table.total is not None
    for found, calls in [*((shown[name], groups[name]) for name in groups), (table.total, rows)]:
        known = [c for c in calls if c["cost_state"] in KNOWN]
        cost = sum((c["cost_usd"] for c in known), Decimal(0))
        reported = [c for c in calls if c["cached_input_tokens"] is not None]
        whole = sum(c["input_tokens"] for c in reported)
        cached = sum(c["cached_input_tokens"] for c in reported)
        talks = {(c["tenant"], c["conversation_id"]) for c in calls if c["conversation_id"]}
        errors = Counter(c["error_type"] for c in calls if c["error_type"])
        output = [c["output_tokens"] for c in calls if c["output_tokens"] is not None]
        won = len(talks & resolved)
        assert found.request_count == len(calls)
        assert found.failed_count == errors.total()
        assert found.failed_ratio == errors.total() / len(calls)
        top, count = min(errors.items(), key=lambda item: (-item[1], item[0]))
        assert (found.top_error, found.top_error_ratio) == (top, count / len(calls))
        assert found.cost_usd == cost
        assert found.request_cost_usd is not None
        assert abs(found.request_cost_usd - cost / len(known)) < Decimal("1e-12")
        assert found.conversation_count == len(talks)
        assert found.resolved_count == won
        if won:
            assert found.resolved_cost_usd is not None
            assert abs(found.resolved_cost_usd - cost / won) < Decimal("1e-12")
        assert found.input_tokens == sum(c["input_tokens"] or 0 for c in calls)
        assert found.cached_input_tokens == cached
        assert found.cached_input_ratio == (cached / whole if whole else None)
        assert found.output_tokens_mean == pytest.approx(sum(output) / len(output), abs=0.06)
        assert found.output_tokens_p95 == p95([float(count) for count in output])
        assert found.ttft_p95_ms == p95([c["ttft_ms"] for c in calls if c["ttft_ms"] is not None])
        assert found.first_at == min(c["started_at"] for c in calls)
        assert found.last_at == max(c["started_at"] for c in calls)
        assert set(found.sources.split(", ")) == {c["sources"] for c in calls}


def test_labels_stand_at_the_version_that_they_point_to_now(tmp_path: Path) -> None:
    rows = [call(n, prompt_version=version) for n, version in enumerate(["2", "3", "work-ab"])]
    with ledger_of(tmp_path, [*rows, call(9, prompt_name="other")]) as store:
        table = prompts_report(store, ALWAYS, facts=FACTS)
    found = {getattr(row, "prompt"): row.labels for row in table.rows}  # noqa: B009
    assert found == {
        "triage@2": "production (5%)",
        "triage@3": "production, staging",
        "triage@work-ab": None,
        "other@3": None,
    }
    assert "released, and without a call here: triage@next (9)" in table.notes


def test_one_prompt_and_its_versions_split_further(tmp_path: Path) -> None:
    rows = [
        call(1, tenant="a"),
        call(2, tenant="a", prompt_version="4"),
        call(3, tenant="b", prompt_version="4"),
        call(4, prompt_name="triage2"),
    ]
    with ledger_of(tmp_path, rows) as store:
        split = prompts_report(store, ALWAYS, Dimension.TENANT, prompt="triage", facts={})
        some = prompts_report(
            store, Slice(ALWAYS.window, parse_where(["tenant=a"])), prompt="triage", facts={}
        )
    found = [tuple(getattr(row, name) for name in ("prompt", "tenant")) for row in split.rows]
    assert sorted(found) == [("triage@3", "a"), ("triage@4", "a"), ("triage@4", "b")]
    assert split.total is not None
    assert split.total.request_count == 3
    assert [row.request_count for row in some.rows] == [1, 1]


def conversations(count: int, version: str, since: float, **changes: Any) -> list[Call]:
    """Two calls an hour after each other in each of so many conversations, one a minute."""
    rows: list[Call] = []
    for number in range(count):
        for turn in range(2):
            rows.append(
                call(
                    len(rows),
                    prompt_version=version,
                    conversation_id=f"{version}-{since}-{number}",
                    turn_index=turn,
                    started_at=hours(since + number / 60 + turn),
                    cost_usd=Decimal("0.001") * (2 + number % 3),
                    ttft_ms=200.0 + number % 50,
                    **changes,
                )
            )
    return rows


PROMOTED = {
    "triage": PromptFacts(
        labels={"production": "4"},
        releases=(
            ReleaseFact(label="production", version="4", previous="3", released_at=hours(0)),
        ),
    )
}


def promotion(now: float = 48) -> Pair:
    """The pair of the promotion at noon."""
    return pair_of_label(
        "triage", PROMOTED["triage"], None, None, window=ALWAYS.window, now=hours(now)
    )


def test_conversations_count_once_on_the_side_where_they_began(tmp_path: Path) -> None:
    rows = [
        *conversations(40, "3", -20),
        *conversations(35, "4", 1),
        call(900, conversation_id="old", prompt_version="3", started_at=hours(3)),
        call(901, conversation_id="early", prompt_version="4", started_at=hours(-1)),
        call(902, conversation_id="early", prompt_version="4", started_at=hours(2)),
        call(903, conversation_id="over", prompt_version="3", started_at=hours(-0.5)),
        call(904, conversation_id="over", prompt_version="4", started_at=hours(0.5)),
        call(905, conversation_id=None, run_id="alone", prompt_version="4", started_at=hours(5)),
        call(906, conversation_id="c", prompt_name="other", prompt_version="4"),
        call(907, conversation_id="c", prompt_version="5", started_at=hours(4)),
    ]
    with ledger_of(tmp_path, rows) as store:
        compared = compare_versions(store, ALWAYS, "triage", promotion())
    assert (compared.old.unit_count, compared.new.unit_count) == (40, 36)
    assert (compared.mixed_count, compared.outside_count) == (1, 2)
    cost = compared.old.sums[Measure.REQUEST_COST]
    assert cost.x == 80
    assert cost.y == pytest.approx(sum(2 * 0.001 * (2 + n % 3) for n in range(40)))
    assert cost.yy == pytest.approx(sum((2 * 0.001 * (2 + n % 3)) ** 2 for n in range(40)))
    assert cost.xy == pytest.approx(sum(4 * 0.001 * (2 + n % 3) for n in range(40)))
    assert compared.old.ttft is not None
    assert compared.old.ttft.quantile == 237.0
    assert (compared.old.ttft.above.x, compared.old.ttft.above.y) == (80, 4)
    notes = " ".join(release_notes(compared))
    assert "1 conversation with calls of both versions left out" in notes
    assert "Whatever else changed then is in the difference." in notes


def test_trials_of_a_dataset_are_no_conversations_of_a_release(tmp_path: Path) -> None:
    rows = [*conversations(40, "3", -9), *conversations(40, "4", 1)]
    rows += conversations(50, "4", 2, workflow=TRIALS)
    rows += conversations(3, "4", 3, workflow=None)
    asked = Slice(ALWAYS.window, parse_where([f"workflow={TRIALS}"]))
    with ledger_of(tmp_path, rows) as store:
        compared = compare_versions(store, ALWAYS, "triage", promotion())
        trials = compare_versions(store, asked, "triage", promotion())
    assert (compared.old.unit_count, compared.new.unit_count) == (40, 43)
    assert (trials.old.unit_count, trials.new.unit_count) == (0, 50)
    assert TRIALS == WORKFLOW


def test_who_had_the_new_version_before_its_promotion_is_pointed_to(tmp_path: Path) -> None:
    rows = [*conversations(40, "3", -9), *conversations(30, "4", -8), *conversations(40, "4", 1)]
    with ledger_of(tmp_path, rows) as store:
        compared = compare_versions(store, ALWAYS, "triage", promotion())
        few = compare_versions(
            store,
            Slice(ALWAYS.window, parse_where(["conversation!=4--8-0"])),
            "triage",
            promotion(),
        )
    assert compared.new.unit_count == 40
    pointed = "30 conversations had version 4 before that"
    assert any(note.startswith(pointed) for note in release_notes(compared))
    assert any(
        "--versions 3 4 --until 2026-03-14T12:00" in note for note in release_notes(compared)
    )
    assert not any("before that" in note for note in release_notes(few))


def test_failures_that_no_prompt_causes_do_not_roll_it_back(tmp_path: Path) -> None:
    """An outage after a promotion is not the promotion's doing; truncated answers may be."""
    before = conversations(60, "3", -20)
    with ledger_of(tmp_path) as store:
        for error, advice in (("capacity", Advice.WATCH), ("output_truncated", Advice.ROLL_BACK)):
            after = conversations(60, "4", 1, error_type=error)
            fill(store, [*before, *after])
            compared = compare_versions(store, ALWAYS, "triage", promotion())
            assert compared.decision.advice is advice, error
    assert {"output_truncated", "context_too_long", "invalid_output"} <= {*PROMPT_CLASSES}
    assert "capacity" not in PROMPT_CLASSES


def test_outcomes_count_for_the_conversations_that_have_one(tmp_path: Path) -> None:
    with ledger_of(tmp_path, [*conversations(80, "3", -20), *conversations(80, "4", 1)]) as store:
        for number in range(60):
            end(store, f"3--20-{number}", "resolved")
            end(store, f"4-1-{number}", "resolved" if number < 15 else "failed")
        compared = compare_versions(store, ALWAYS, "triage", promotion())
    share = next(i for i in compared.decision.judged if i.measure is Measure.RESOLVED)
    assert (share.before, share.after) == (1.0, 0.25)
    assert (share.before_count, share.after_count) == (60, 60)
    assert compared.decision.advice is Advice.ROLL_BACK
    text = advice_text("triage", compared)
    assert text.startswith("roll back triage of production from 4 to 3: resolved share fell by")
    assert "canary" in text


def test_a_canary_is_judged_side_by_side_and_its_share_is_checked(tmp_path: Path) -> None:
    facts = PromptFacts(
        labels={"production": "3"},
        canaries=(CanaryFact(label="production", version="4", percent=10, started_at=hours(0)),),
        releases=PROMOTED["triage"].releases,
    )
    pair = pair_of_label("triage", facts, None, None, window=ALWAYS.window, now=hours(48))
    assert pair.design is Design.CANARY
    with ledger_of(tmp_path) as store:
        fill(store, [*conversations(360, "3", 1), *conversations(40, "4", 1)])
        fair = list(release_notes(compare_versions(store, ALWAYS, "triage", pair)))
        fill(store, [*conversations(300, "3", 1), *conversations(100, "4", 1)])
        unfair = list(release_notes(compare_versions(store, ALWAYS, "triage", pair)))
    assert "side by side, which is better evidence than before and after" in fair[0]
    assert not any("was to get" in note for note in fair)
    assert any("was to get 10% of the conversations and got 25.0%" in note for note in unfair)


def test_a_label_of_one_tenant_looks_at_this_tenant_alone(tmp_path: Path) -> None:
    facts = PromptFacts(
        releases=(
            ReleaseFact(label="production/acme", version="4", previous="3", released_at=hours(0)),
        )
    )
    pair = pair_of_label("triage", facts, None, None, window=ALWAYS.window, now=hours(48))
    rows = [*conversations(31, "3", -9), *conversations(31, "4", 1)]
    rows += conversations(50, "3", -8, tenant="globex")
    with ledger_of(tmp_path, rows) as store:
        compared = compare_versions(store, ALWAYS, "triage", pair)
    assert (compared.old.unit_count, compared.new.unit_count) == (31, 31)


def lock() -> Lock:
    """Version 2 was promoted at noon."""
    at = hours(-200)
    versions = tuple(
        FrozenVersion(
            version=number,
            sha256=f"{number:x}a" * 32,
            file_sha256=f"{number:x}b" * 32,
            frozen_at=at,
            author="ann",
            message="why",
        )
        for number in (1, 2)
    )
    first = Release(label="production", version=1, previous=None, released_at=at, author="ann")
    second = Release(label="production", version=2, previous=1, released_at=hours(0), author="ann")
    return Lock().with_prompt(
        PromptLock(
            name="triage",
            versions=versions,
            labels={"production": 2},
            releases=(first, second),
        )
    )


@pytest.fixture
def released(wai: Wai) -> Wai:
    """A project whose version 2 costs three times as much as version 1."""
    write_lock(wai.folder / "prompts.lock", lock())
    with ledger_of(wai.folder / ".wai") as store:
        fill(store, released_calls())
    return wai


def released_calls() -> list[Call]:
    """Before and after the promotion at noon."""
    dear = [row | {"cost_usd": 3 * row["cost_usd"]} for row in conversations(80, "2", 1)]
    return [*conversations(80, "1", -20), *dear]


ROLL_BACK = "roll back triage of production from 2 to 1: cost per request rose by 200."


def test_the_command_shows_versions_with_their_labels_and_advises(released: Wai) -> None:
    ran = released("report", "prompts", "--prompt", "triage", "--until", "2026-03-16", "--json")
    assert ran.exit_code == 0, ran.stderr
    document = json.loads(ran.stdout)
    Draft202012Validator(schema_of("report prompts")).validate(document)
    labels = {row["prompt"]: row["labels"] for row in document["rows"]}
    assert labels == {"triage@1": None, "triage@2": "production"}
    assert document["notes"][0].startswith(ROLL_BACK)
    everything = released("report", "prompts", "--until", "2026-03-16")
    assert "promoted in this time: triage; advice: wai report prompts --prompt NAME" in (
        everything.stderr
    )


def test_the_comparison_is_a_table_and_check_turns_advice_into_an_exit_code(
    released: Wai,
) -> None:
    words = ("report", "prompts", "--prompt", "triage", "--until", "2026-03-16")
    for more in (("--promotion", "production"), ("--versions", "1", "2")):
        ran = released(*words, *more, "--json")
        assert ran.exit_code == 0, ran.stderr
        document = json.loads(ran.stdout)
        Draft202012Validator(schema_of(f"report prompts {more[0]}")).validate(document)
        cost = next(row for row in document["rows"] if row["measure"] == "cost per request")
        assert (cost["finding"], cost["change_ratio"]) == ("worse", 2.0)
        assert cost["low_ratio"] < 2 < cost["high_ratio"]
        assert released(*words, *more, "--check").exit_code == 1
        assert released(*words, *more, "--fail-on", "any(finding == 'worse')").exit_code == 1
    assert released(*words, "--check").exit_code == 1
    back = released(*words, "--versions", "2", "1", "--check")
    assert back.exit_code == 0
    assert "verdict: " in back.stdout


def test_the_same_ledger_gives_the_same_bytes(released: Wai) -> None:
    words = ("report", "prompts", "--prompt", "triage", "--until", "2026-03-16", "--json")
    for more in ((), ("--promotion", "production")):
        assert len({released(*words, *more).stdout for _ in range(3)}) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--check"], "--check needs to know which prompt"),
        (["--promotion", "production"], "a comparison needs to know which prompt"),
        (["--prompt", "triage@3"], "names a version"),
        (["--prompt", "triage", "--promotion", "@2026-01-01"], "names no label"),
        (["--prompt", "triage", "--promotion", "production@soon"], "is not a time"),
        (["--prompt", "triage", "--promotion", "production@2026-01-01"], "was never promoted"),
        (["--prompt", "triage", "--promotion", "nightly"], "was never promoted"),
        (["--prompt", "triage", "--versions", "1", "1"], "one version twice"),
        (["--prompt", "triage", "--versions", "1", "\x1b[31m9"], "has no call in the window"),
        (["--prompt", "t", "--promotion", "p", "--versions", "1", "2"], "two comparisons"),
        (["--prompt", "t", "--versions", "1", "2", "--by", "day"], "do not go with"),
    ],
)
def test_options_that_mean_nothing_are_refused_in_words(
    words: list[str], message: str, released: Wai
) -> None:
    ran = released("report", "prompts", *words)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert message in ran.stderr
    assert "\x1b" not in ran.stderr


def test_a_lock_that_cannot_be_read_is_named_and_one_that_is_not_there_is_none(
    released: Wai,
) -> None:
    path = released.folder / "prompts.lock"
    path.write_text("prompts: [")
    ran = released("report", "prompts")
    assert ran.exit_code == 2
    assert "prompts.lock" in ran.stderr
    path.unlink()
    ran = released("report", "prompts", "--prompt", "triage")
    assert ran.exit_code == 0
    assert "it was never promoted from one version to another" in ran.stderr


def test_nothing_at_all_is_an_empty_table(wai: Wai) -> None:
    ran = wai("report", "prompts", "--json")
    assert ran.exit_code == 0, ran.stderr
    assert json.loads(ran.stdout)["rows"] == []


ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e"
HOSTILE = [ESCAPES, "'; drop table model_call; --", '=HYPERLINK("x")', "a|b\n`c`", "@", "a@b@c"]


def test_no_name_of_a_prompt_or_version_steers_a_terminal_or_a_query(wai: Wai) -> None:
    rows = [
        call(number, prompt_name=name, prompt_version=name, error_type=name, model=name)
        for number, name in enumerate(HOSTILE)
    ]
    with ledger_of(wai.folder / ".wai") as store:
        fill(store, rows)
    for fmt in ("table", "md", "html", "json"):  # csv in a pipe is data
        ran = wai("report", "prompts", "--by", "model", "--format", fmt)
        assert ran.exit_code == 0, ran.stderr
        assert not set(ran.stdout + ran.stderr) & set("\x1b\x07\u202e"), fmt
    found = json.loads(wai("report", "prompts", "--json").stdout)["rows"]
    assert {row["prompt"] for row in found} == {f"{name}@{name}" for name in HOSTILE}
    ran = wai("report", "prompts", "--prompt", HOSTILE[1], "--versions", HOSTILE[1], HOSTILE[1])
    assert ran.exit_code == 2
    for prompt in (ESCAPES, HOSTILE[1]):
        ran = wai("report", "prompts", "--prompt", prompt, "--json")
        assert [row["request_count"] for row in json.loads(ran.stdout)["rows"]] == [1]
        assert "\x1b" not in ran.stderr
