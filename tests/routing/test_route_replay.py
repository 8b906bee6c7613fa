"""One recorded request at a time under another routing: what is said of it, and what is not."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from wai_ops.control.decisions.record import encode
from wai_ops.control.policy.action import RiskTier
from wai_ops.control.policy.registry import Registry, load_registry
from wai_ops.control.routing.backtest import backtest
from wai_ops.control.routing.recorded import RecordedTurn, recorded_turns
from wai_ops.control.routing.replay import replay
from wai_ops.control.routing.replayed import Gap, Replayed, Served
from wai_ops.core.prices import Model, PriceBook, Snapshot
from wai_ops.observe.reports.route_requests import RouteRequest

SMALL, LARGE, OTHER, UNPRICED = "@cf/a/small", "@cf/a/large", "@cf/b/other", "@cf/b/unpriced"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
POLICY = f"""\
version: 1
policy: support
policy_version: "2026-11-23.1"
workflows:
  support:
    default_risk: medium
    risk: [low, medium]
    models:
      low: ["{SMALL}", "{LARGE}", "{UNPRICED}"]
      medium: ["{SMALL}", "{LARGE}", "{OTHER}", "{UNPRICED}"]
    routing:
      models: {{low: "{SMALL}", medium: "{LARGE}"}}
      downshift:
        budget_pressure: {{budget_used_above: 0.5, model: "{SMALL}"}}
      fallbacks:
        - {{after: [capacity], models: ["{OTHER}", "{UNPRICED}"]}}
  odd:
    models: {{low: ["{UNPRICED}"]}}
    routing: {{models: {{low: "{UNPRICED}"}}}}
"""


def model(name: str, window: int | None, *usd: str) -> Model:
    prices: list[Decimal | None] = [Decimal(text) for text in usd]
    prices += [None] * (3 - len(prices))
    return Model(
        id=name,
        context_window=window,
        usd_in_per_m=prices[0],
        usd_cached_in_per_m=prices[1],
        usd_out_per_m=prices[2],
    )


PRICES = PriceBook(
    [
        Snapshot(
            source="catalogue",
            as_of="2026-11-01",
            models={
                item.id: item
                for item in (
                    model(SMALL, 4_000, "0.1", "0.02", "0.4"),
                    model(LARGE, 100_000, "1", "0.2", "4"),
                    model(OTHER, 100_000, "2", "0.4", "8"),
                    model(UNPRICED, None),
                )
            },
        )
    ]
)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "support.yaml").write_text(POLICY)
    return load_registry(tmp_path / "policies", tmp_path)


def request(**changes: Any) -> RouteRequest:
    """A request of 1,000 tokens, 600 cached, and 100 out, that the large model answered."""
    values: dict[str, Any] = {
        "started_at": NOW,
        "tenant": "acme",
        "workflow": "support",
        "conversation_id": "c1",
        "turn_index": 0,
        "run_id": "r1",
        "first_model": changes.get("model", LARGE),
        "first_error_type": changes.get("error_type"),
        "model": LARGE,
        "error_type": None,
        "input_tokens": 1_000,
        "cached_input_tokens": 600,
        "output_tokens": 100,
        "max_output_tokens": 500,
        "affinity_epoch": 1,
        "is_gateway_cache_hit": False,
        "attempt_count": 1,
        "cost_usd": Decimal("0.00092"),
    }
    return RouteRequest(**values | changes)


def only(registry: Registry, *requests: RouteRequest, **tiers: RiskTier) -> list[Replayed]:
    recorded = {run_id: RecordedTurn(tier=tier) for run_id, tier in tiers.items()}
    found = [item for item in replay(requests, registry, PRICES, recorded) if item is not None]
    assert len(found) == len(requests)
    return found


def test_a_request_that_stays_costs_what_was_recorded_whatever_prices_say(
    registry: Registry,
) -> None:
    """Recorded at a price that the book does not have: it is not computed anew."""
    (item,) = only(registry, request(cost_usd=Decimal("0.5")))
    assert (item.model, item.served, item.is_switch) == (LARGE, Served.AS_RECORDED, False)
    assert item.costs is not None
    assert {item.costs.low_usd, item.costs.expected_usd, item.costs.high_usd} == {Decimal("0.5")}


def test_a_request_that_begins_elsewhere_has_bounds_that_differ_by_its_cached_part(
    registry: Registry,
) -> None:
    (item,) = only(registry, request(model=OTHER))
    assert (item.model, item.served) == (LARGE, Served.FITS)
    assert item.costs is not None
    # 400 x 1 + 600 x 0.2 + 100 x 4, and 1,000 x 1 + 100 x 4, a million tokens each.
    assert item.costs.low_usd == item.costs.expected_usd == Decimal("0.00092")
    assert item.costs.high_usd == Decimal("0.0014")


def test_a_conversation_that_changes_its_model_is_cold_there_once(registry: Registry) -> None:
    """Tier low, then medium: the candidate goes from the small model to the large one."""
    turns = [
        request(model=OTHER, run_id="low"),
        request(model=OTHER, run_id="r1", turn_index=1),
        request(model=OTHER, run_id="r2", turn_index=2),
    ]
    found = only(registry, *turns, low=RiskTier.LOW)
    assert [item.model for item in found] == [SMALL, LARGE, LARGE]
    assert [item.is_switch for item in found] == [False, True, False]
    assert [item.is_tier_recorded for item in found] == [True, False, False]
    costs = [item.costs for item in found if item.costs is not None]
    assert [each.expected_usd for each in costs] == [
        Decimal("0.000092"),
        Decimal("0.0014"),
        Decimal("0.00092"),
    ]
    assert costs[1].low_usd == Decimal("0.00092")


def test_where_the_record_changed_its_model_and_the_candidate_does_not_its_prefix_is_warm(
    registry: Registry,
) -> None:
    turns = [
        request(),
        request(turn_index=1, model=OTHER, input_tokens=1_500, cached_input_tokens=0),
    ]
    second = only(registry, *turns)[1]
    assert (second.model, second.is_switch) == (LARGE, False)
    assert second.costs is not None
    # The 1,000 tokens of the request before: 500 x 1 + 1,000 x 0.2 + 100 x 4.
    assert second.costs.expected_usd == Decimal("0.0011")


def test_a_failure_is_met_where_the_candidate_has_a_fallback_for_its_class(
    registry: Registry,
) -> None:
    refused = {"cost_usd": Decimal(0), "input_tokens": None, "output_tokens": None}
    failed, unmet = only(
        registry,
        request(error_type="capacity", conversation_id="a", **refused),
        request(error_type="server_error", conversation_id="b", **refused),
    )
    assert (failed.model, failed.served, failed.gap) == (OTHER, Served.FALLBACK, Gap.FAILED)
    assert (unmet.model, unmet.served, unmet.gap) == (LARGE, Served.FAILED, None)
    assert unmet.costs is not None
    assert unmet.costs.expected_usd == 0


def test_a_failure_on_a_model_that_the_candidate_does_not_ask_says_nothing(
    registry: Registry,
) -> None:
    (item,) = only(registry, request(model=OTHER, error_type="capacity"))
    assert (item.model, item.served, item.gap) == (LARGE, Served.UNKNOWN, Gap.FAILED)


@pytest.mark.parametrize("error_type", ["output_truncated", "invalid_output"])
def test_an_answer_that_was_cut_or_did_not_fit_its_schema_is_an_answer(
    registry: Registry, error_type: str
) -> None:
    kept, moved = only(
        registry,
        request(error_type=error_type, conversation_id="a"),
        request(error_type=error_type, conversation_id="b", model=OTHER),
    )
    assert (kept.served, moved.served) == (Served.AS_RECORDED, Served.FITS)
    assert moved.costs is not None


def test_a_recorded_fallback_that_the_candidate_has_too_is_as_recorded(registry: Registry) -> None:
    fallen = request(first_model=LARGE, first_error_type="capacity", model=OTHER, attempt_count=2)
    (item,) = only(registry, fallen)
    assert (item.model, item.served) == (OTHER, Served.AS_RECORDED)
    assert item.costs is not None
    assert item.costs.expected_usd == fallen.cost_usd
    (item,) = only(registry, replace(fallen, first_error_type="server_error"))
    assert (item.model, item.served, item.gap) == (LARGE, Served.FAILED, Gap.FAILED)


def test_what_does_not_fit_or_is_of_a_foreign_tier_is_refused(registry: Registry) -> None:
    long = request(run_id="low", model=OTHER, input_tokens=5_000)
    (item,) = only(registry, long, low=RiskTier.LOW)
    assert (item.model, item.served, item.gap) == (None, Served.REFUSED, Gap.REFUSED)
    (item,) = only(registry, request(run_id="high"), high=RiskTier.HIGH)
    assert item.served is Served.REFUSED


@pytest.mark.parametrize(
    ("changes", "gap"),
    [
        ({"workflow": "odd"}, Gap.NO_PRICE),
        ({"model": OTHER, "output_tokens": None}, Gap.NO_TOKENS),
        ({"model": OTHER, "is_gateway_cache_hit": True}, Gap.GATEWAY_CACHE),
        ({"cost_usd": None}, Gap.NO_PRICE),
    ],
)
def test_a_cost_that_cannot_be_told_says_why(
    registry: Registry, changes: dict[str, Any], gap: Gap
) -> None:
    (item,) = only(registry, request(**changes))
    assert (item.costs, item.gap) == (None, gap)


def test_a_conversation_from_before_the_period_is_taken_to_be_where_it_was(
    registry: Registry,
) -> None:
    (item,) = only(registry, request(turn_index=7, model=OTHER))
    assert (item.model, item.began_before, item.is_switch) == (OTHER, True, False)
    assert item.is_pressure_unknown


def test_requests_of_no_policy_are_counted_and_left_out(registry: Registry) -> None:
    found = list(replay([request(workflow="nobody"), request()], registry, PRICES, {}))
    assert found[0] is None
    table = backtest(iter(found), "all")
    assert table.total is not None
    assert table.total.request_count == 1
    assert table.notes[1].startswith("1 of 2 requests (50.0%) are of workflows that no policy")


def test_the_used_budget_is_as_it_was_recorded_where_the_candidate_has_no_limit_of_its_own(
    registry: Registry,
) -> None:
    pressed = RecordedTurn(tier=RiskTier.MEDIUM, budget_used_ratio=Decimal("0.6"))
    (item,) = replay([request()], registry, PRICES, {"r1": pressed})
    assert item is not None
    assert (item.model, item.is_pressure_unknown) == (SMALL, False)


def test_tier_and_used_budget_come_from_the_decision_log(tmp_path: Path) -> None:
    log = tmp_path / "decisions.jsonl"
    assert recorded_turns(log) == {}
    decision = {"type": "decision", "kind": "model_call", "run_id": "r1", "risk_tier": "high"}
    tool = decision | {"kind": "tool_call", "run_id": "r2", "justification": '"model_call"'}
    routed = decision | {"run_id": "r3", "route": {"facts": {"budget_used_ratio": "0.25"}}}
    odd = decision | {"run_id": "r4", "route": {"facts": {"budget_used_ratio": "much"}}}
    records: list[dict[str, Any]] = [decision, tool, routed, odd]
    lines = [*(encode(record) for record in records), b'{"kind":"model_call" torn']
    log.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in lines))
    high = RiskTier.HIGH
    assert recorded_turns(log) == {
        "r1": RecordedTurn(tier=high),
        "r3": RecordedTurn(tier=high, budget_used_ratio=Decimal("0.25")),
        "r4": RecordedTurn(tier=high),
    }
