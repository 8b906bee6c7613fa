"""Truth, analytics and bills: what is counted must agree with what was truly answered."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.api import LEGACY_MODEL, OPENAI_MODEL, Api
from emulator.lab import BUSY, Lab, lab
from wai_ops.core.money import USD_PER_NEURON, Usage, cost_of
from wai_ops.core.prices import built_in
from wai_ops.emulator.graphql_api.datasets import DATASETS, GATEWAY_REQUESTS
from wai_ops.emulator.served import sent_labels
from wai_ops.emulator.server import embedded
from wai_ops.emulator.usage_rows import Day, to_days, to_paid_rows

DEFAULT = {"cf-aig-gateway-id": "default"}


@dataclass
class HeldClock:
    """Stands still until it is moved."""

    at: datetime = field(default_factory=lambda: datetime(2026, 6, 1, 10, 30, tzinfo=UTC))

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.move(seconds)

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def held(tmp_path: Path, clock: HeldClock) -> Iterator[Lab]:
    """An emulator whose time only the test moves."""
    gateways: dict[str, dict[str, Any]] = {
        "caches": {"cache_ttl": 60},
        "retries": {"retry_max_attempts": 3},
        "prepaid": {"workers_ai_billing_mode": "unified"},
    }
    with lab(tmp_path / "held", gateways, clock=clock) as running:
        yield running


def truth(api: Api, **params: str) -> Any:
    root = api.endpoint.base_url.removesuffix("/client/v4")
    answer = api.http.get(f"{root}/__wai/truth", params=params, headers=api.auth("reader"))
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def sent(tenant: str, workflow: str = "w", prompt: str = "p@1") -> dict[str, str]:
    return {
        "cf-aig-metadata": json.dumps({"tenant": tenant, "workflow": workflow, "prompt": prompt})
    }


def graphql(
    api: Api, query: str, variables: dict[str, Any] | None = None, role: str = "reader"
) -> Any:
    answer = api.http.post(
        f"{api.endpoint.base_url}/graphql",
        json={"query": query, "variables": variables or {}},
        headers=api.auth(role),
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def groups(api: Api, dataset: str, selection: str, arguments: str = "") -> Any:
    """The rows of one dataset."""
    tag = api.endpoint.account_id
    told = graphql(
        api,
        f'{{viewer{{accounts(filter:{{accountTag:"{tag}"}}){{{dataset}(limit:1000'
        f"{arguments}){{{selection}}}}}}}}}",
    )
    assert told["errors"] is None, told["errors"]
    return told["data"]["viewer"]["accounts"][0][dataset]


def refused(api: Api, dataset: str, selection: str, arguments: str = "") -> str:
    """The message of a query's only error."""
    told = graphql(
        api, f"{{viewer{{accounts{{{dataset}(limit:1000{arguments}){{{selection}}}}}}}}}"
    )
    assert told["data"] is None
    (error,) = told["errors"]
    return str(error["message"])


def cost_of_answer(answer: httpx.Response, model: str = OPENAI_MODEL) -> Decimal:
    """The list price of an answer, from its own usage."""
    usage = answer.json()["usage"]
    snapshot = built_in()
    rates = snapshot.models[model].rates(snapshot.source, snapshot.as_of)
    cost = cost_of(
        Usage(
            input_tokens=usage["prompt_tokens"],
            output_tokens=usage["completion_tokens"],
            cached_input_tokens=usage["prompt_tokens_details"]["cached_tokens"],
        ),
        rates,
    )
    assert cost.cost_usd is not None
    return cost.cost_usd


def test_the_truth_is_what_the_answers_said(fresh: Api) -> None:
    """Tokens and cost of each tenant, added up from the answers themselves, to the last digit."""
    answers: dict[str, list[httpx.Response]] = {"acme": [], "zeta": []}
    for tenant, made in answers.items():
        for words in (3, 30):
            text = f"Write {words} words. " * 20
            made.append(
                fresh.chat(text, headers=DEFAULT | sent(tenant) | {"x-session-affinity": "a"})
            )
    by_tenant = {row["tenant"]: row for row in truth(fresh)["by"]["tenant"]}
    assert set(by_tenant) == set(answers)
    for tenant, made in answers.items():
        told = by_tenant[tenant]
        usages = [answer.json()["usage"] for answer in made]
        assert told["requests"] == told["attempts"] == 2
        assert told["tokens_in"] == sum(usage["prompt_tokens"] for usage in usages)
        assert told["tokens_out"] == sum(usage["completion_tokens"] for usage in usages)
        assert told["cached_tokens_in"] == sum(
            usage["prompt_tokens_details"]["cached_tokens"] for usage in usages
        )
        assert Decimal(told["cost_usd"]) == sum(cost_of_answer(answer) for answer in made)
    assert by_tenant["zeta"]["cached_tokens_in"] > 0
    totals = truth(fresh)["totals"]
    assert abs(Decimal(totals["neurons"]) * USD_PER_NEURON - Decimal(totals["cost_usd"])) < Decimal(
        "1e-10"
    )


def test_the_truth_counts_direct_uncollected_and_lost_calls_too(fresh: Api) -> None:
    """What the logs never tell: no gateway, no row, a spoilt metadata header, a deleted row."""
    fresh.chat(headers=sent("direct"))
    fresh.chat(headers=DEFAULT | sent("quiet") | {"cf-aig-collect-log": "false"})
    spoilt = {"cf-aig-metadata": '{"tenant":"spoilt","workflow":null}'}
    fresh.chat(headers=DEFAULT | spoilt)
    fresh.chat(headers=DEFAULT | sent("kept"))
    fresh.http.delete(
        fresh.url("/ai-gateway/gateways/default/logs"), headers=fresh.auth("operator")
    )
    assert fresh.logs() == []
    by_tenant = {row["tenant"]: row["requests"] for row in truth(fresh)["by"]["tenant"]}
    assert by_tenant == {"direct": 1, "quiet": 1, "spoilt": 1, "kept": 1}


def test_the_truth_survives_a_restart(tmp_path: Path) -> None:
    with embedded(tmp_path) as endpoint, httpx.Client() as http:
        before = Api(endpoint, http)
        before.chat(headers=sent("t"))
        first = truth(before)
    with embedded(tmp_path) as endpoint, httpx.Client() as http:
        after = Api(endpoint, http)
        assert truth(after) == first
        after.chat(headers=sent("t"))
        assert truth(after)["totals"]["requests"] == 2


def test_two_emulators_on_one_folder_count_into_one_truth(tmp_path: Path) -> None:
    """As two `wai run --local` at once do."""
    with (
        embedded(tmp_path) as one,
        embedded(tmp_path) as other,
        httpx.Client() as http,
    ):
        first, second = Api(one, http), Api(other, http)
        costs = [
            cost_of_answer(api.chat(f"From {number}", headers=sent("t")))
            for number, api in enumerate([first, second, first])
        ]
        for each in (first, second):
            truth(each)  # which has first written down what it served itself
        assert truth(first)["totals"] == truth(second)["totals"]
        (told,) = truth(second)["by"]["tenant"]
        assert (told["requests"], Decimal(told["cost_usd"])) == (3, sum(costs))


def test_retries_are_attempts_of_one_request(held: Lab) -> None:
    held.be(BUSY, BUSY)
    answer = held.api.chat(headers={"cf-aig-gateway-id": "retries"})
    assert answer.status_code == 200
    (group,) = truth(held.api, group_by="gateway_id")["groups"]
    assert (group["gateway_id"], group["requests"], group["attempts"]) == ("retries", 1, 3)
    by_status = {row["status_code"]: row for row in truth(held.api)["by"]["status_code"]}
    assert (by_status[429]["requests"], by_status[429]["attempts"]) == (0, 2)
    assert (by_status[200]["requests"], by_status[200]["attempts"]) == (1, 1)


def test_an_answer_from_the_gateways_cache_is_a_request_without_attempt_or_cost(held: Lab) -> None:
    for _ in range(2):
        held.api.chat("again", headers={"cf-aig-gateway-id": "caches"})
    by_cached = {row["cached"]: row for row in truth(held.api)["by"]["cached"]}
    hit = by_cached[True]
    assert (hit["requests"], hit["attempts"], hit["tokens_in"]) == (1, 0, 0)
    assert Decimal(hit["cost_usd"]) == 0
    assert by_cached[False]["attempts"] == 1


def test_a_refusal_before_any_model_is_no_attempt(fresh: Api) -> None:
    fresh.chat(model="@cf/nobody/nothing", headers=DEFAULT)
    totals = truth(fresh)["totals"]
    assert (totals["requests"], totals["attempts"], totals["tokens_in"]) == (1, 0, 0)
    assert totals["unpriced_attempts"] == 0


def test_a_model_without_a_price_is_counted_apart(fresh: Api) -> None:
    fresh.chat(model="@cf/swiss-ai/apertus-v1.5-8b", headers=DEFAULT)
    totals = truth(fresh)["totals"]
    assert totals["unpriced_attempts"] == 1
    assert totals["tokens_in"] > 0
    assert Decimal(totals["cost_usd"]) == Decimal(totals["neurons"]) == 0


def test_the_truth_can_be_cut_by_time_and_grouped_at_will(held: Lab, clock: HeldClock) -> None:
    held.api.chat(headers=sent("a"))
    clock.move(3600)
    held.api.chat(headers=sent("b"))
    held.api.run({"prompt": "x"}, headers=sent("b"))
    later = truth(held.api, start="2026-06-01T11:00:00Z", group_by="tenant,model")["groups"]
    assert [(row["tenant"], row["model"], row["requests"]) for row in later] == [
        ("b", LEGACY_MODEL, 1),
        ("b", OPENAI_MODEL, 1),
    ]
    earlier = truth(held.api, end="2026-06-01T11:00:00Z")
    assert [row["tenant"] for row in earlier["by"]["tenant"]] == ["a"]


@pytest.mark.parametrize("params", [{"group_by": "mood"}, {"group_by": "model,model"},
                                    {"group_by": ""}, {"start": "soon"}])  # fmt: skip
def test_a_wrong_question_to_the_truth_is_refused(api: Api, params: dict[str, str]) -> None:
    root = api.endpoint.base_url.removesuffix("/client/v4")
    answer = api.http.get(f"{root}/__wai/truth", params=params, headers=api.auth("reader"))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 7001)


def test_the_truth_needs_a_token(api: Api) -> None:
    root = api.endpoint.base_url.removesuffix("/client/v4")
    assert api.http.get(f"{root}/__wai/truth").status_code == 401


@given(st.text())
def test_any_metadata_header_gives_labels_that_can_be_stored(text: str) -> None:
    for header in (text, json.dumps({"tenant": text, "workflow": [text], "prompt": None})):
        labels = sent_labels(header)
        (labels.tenant + labels.workflow + labels.prompt).encode()


def test_half_a_character_in_a_model_name_breaks_nothing(fresh: Api) -> None:
    """JSON can carry it, UTF-8 and so the database cannot."""
    body = b'{"model":"@cf/x/\\ud800","messages":[{"role":"user","content":"x"}]}'
    answer = fresh.http.post(
        fresh.url("/ai/v1/chat/completions"), content=body, headers=fresh.auth("runtime") | DEFAULT
    )
    assert answer.status_code < 500
    assert len(fresh.logs()) == 1
    assert truth(fresh)["totals"]["requests"] == 1


SUMS = (
    "count sum{cachedRequests erroredRequests cachedTokensIn uncachedTokensIn uncachedTokensOut "
    "cost}"
)


def test_analytics_agree_with_the_truth_and_the_logs(held: Lab) -> None:
    for tenant in ("a", "b"):
        held.api.chat("Count me", headers=DEFAULT | sent(tenant))
    held.api.chat(model="@cf/nobody/nothing", headers=DEFAULT)
    (row,) = groups(held.api, "aiGatewayRequestsAdaptiveGroups", SUMS)
    totals = truth(held.api)["totals"]
    rows = held.api.logs()
    assert row["count"] == totals["requests"] == len(rows)
    assert row["sum"]["erroredRequests"] == 1
    assert row["sum"]["uncachedTokensIn"] == totals["tokens_in"]
    assert row["sum"]["uncachedTokensOut"] == totals["tokens_out"]
    assert row["sum"]["cost"] == pytest.approx(float(totals["cost_usd"]), rel=1e-12)


def test_requests_without_a_row_are_counted_by_the_analytics(held: Lab) -> None:
    """That is what makes them the completeness check of a log reader."""
    held.api.chat(headers=DEFAULT)
    held.api.chat(headers=DEFAULT | {"cf-aig-collect-log": "false"})
    (row,) = groups(held.api, "aiGatewayRequestsAdaptiveGroups", "count")
    assert (row["count"], len(held.api.logs())) == (2, 1)


def test_direct_calls_are_inferences_and_no_gateway_requests(held: Lab) -> None:
    answer = held.api.chat()
    held.api.chat(headers=DEFAULT)
    (gateway,) = groups(held.api, "aiGatewayRequestsAdaptiveGroups", "count")
    assert gateway["count"] == 1
    found = groups(
        held.api, "aiInferenceAdaptiveGroups",
        "count sum{totalNeurons totalInputTokens} dimensions{modelId requestSource}",
        ",orderBy:[requestSource_ASC]",
    )  # fmt: skip
    assert [row["dimensions"]["requestSource"] for row in found] == ["ai-gateway", "rest"]
    usage = answer.json()["usage"]
    assert found[1]["sum"]["totalInputTokens"] == usage["prompt_tokens"]
    assert found[1]["dimensions"]["modelId"] == OPENAI_MODEL
    neurons = sum(row["sum"]["totalNeurons"] for row in found)
    assert neurons == pytest.approx(float(truth(held.api)["totals"]["neurons"]), rel=1e-12)


def test_the_gateways_cache_shows_in_its_own_sums(held: Lab) -> None:
    for _ in range(3):
        held.api.chat("again", headers={"cf-aig-gateway-id": "caches"})
    rows = groups(
        held.api, "aiGatewayRequestsAdaptiveGroups", f"{SUMS} dimensions{{cached}}",
        ",orderBy:[cached_DESC]",
    )  # fmt: skip
    assert [(row["dimensions"]["cached"], row["count"]) for row in rows] == [(1, 2), (0, 1)]
    assert (rows[0]["sum"]["cachedRequests"], rows[0]["sum"]["cost"]) == (2, 0)


def test_analytics_group_filter_order_and_limit(held: Lab, clock: HeldClock) -> None:
    for minute in range(3):
        for _ in range(minute + 1):
            held.api.chat(headers=DEFAULT)
        held.api.run({"prompt": "x"}, headers=DEFAULT)
        clock.move(60)
    name = "aiGatewayRequestsAdaptiveGroups"
    by_minute = groups(
        held.api, name, "count dimensions{datetimeMinute model}",
        f',filter:{{model:"{OPENAI_MODEL}",datetime_geq:"2026-06-01T10:31:00Z"}},'
        "orderBy:[datetimeMinute_DESC]",
    )  # fmt: skip
    assert [(row["dimensions"]["datetimeMinute"], row["count"]) for row in by_minute] == [
        ("2026-06-01T10:32:00Z", 3),
        ("2026-06-01T10:31:00Z", 2),
    ]
    either = groups(
        held.api, name, "count",
        f',filter:{{OR:[{{model:"{LEGACY_MODEL}"}},{{datetimeMinute:"2026-06-01T10:30:00Z"}}]}}',
    )  # fmt: skip
    assert either[0]["count"] == 4
    tag = held.api.endpoint.account_id
    top = graphql(
        held.api,
        "query($a:String!,$s:Time!,$n:Int,$m:string){viewer{accounts(filter:{accountTag:$a}){x:"
        f"{name}(limit:$n,filter:{{datetimeHour_geq:$s,model_in:[$m]}},orderBy:[count_DESC])"
        "{n:count dimensions{model}}}}}",
        {"a": tag, "s": "2026-06-01T10:00:00Z", "n": 1, "m": OPENAI_MODEL},
    )
    assert top["errors"] is None
    (row,) = top["data"]["viewer"]["accounts"][0]["x"]
    assert row == {"n": 6, "dimensions": {"model": OPENAI_MODEL}}


def test_analytics_come_late(held: Lab, clock: HeldClock) -> None:
    held.services.knobs.change("logs.analytics_lag_ms", 240_000)
    held.api.chat(headers=DEFAULT)
    assert groups(held.api, "aiGatewayRequestsAdaptiveGroups", "count") == []
    clock.move(239)
    assert groups(held.api, "aiInferenceAdaptiveGroups", "count") == []
    clock.move(1)
    assert groups(held.api, "aiGatewayRequestsAdaptiveGroups", "count")[0]["count"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (',filter:{datetime_geq:"2026-01-01T00:00:00Z"}', "older than 5356800s"),
        (
            ',filter:{date_geq:"2026-04-10",date_leq:"2026-05-30"}',
            "too large. Maximum duration is 2764800s",
        ),
        (',filter:{datetime_geq:"soon"}', "RFC 3339"),
        (',filter:{date:"soon"}', "a date"),
        (',filter:{statusCode:"x"}', "a number"),
        (",orderBy:[model_ASC]", "cannot order by model"),
    ],
)
def test_what_the_analytics_cannot_answer_is_an_error_in_a_200(
    held: Lab, arguments: str, message: str
) -> None:
    assert message in refused(held.api, GATEWAY_REQUESTS.name, "count", arguments)


def test_too_many_fields_are_refused(held: Lab) -> None:
    dimensions = " ".join(GATEWAY_REQUESTS.dimensions)
    sums = " ".join(GATEWAY_REQUESTS.sums)
    selection = f"count sum{{{sums}}} dimensions{{{dimensions}}}"
    whole = 1 + len(GATEWAY_REQUESTS.sums) + len(GATEWAY_REQUESTS.dimensions)
    assert whole <= 30
    assert groups(held.api, GATEWAY_REQUESTS.name, selection) == []
    aliases = " ".join(f"a{n}:count" for n in range(31 - whole))
    assert "30 at most" in refused(held.api, GATEWAY_REQUESTS.name, f"{aliases} {selection}")


@pytest.mark.parametrize(
    "query", ["", "{", "mutation{x}", "{viewer{nothing}}", "{viewer{accounts{" * 400,
              "query($f: Nothing){viewer{accounts{accountTag}}}"],
)  # fmt: skip
def test_a_query_that_is_none_is_an_error_in_a_200(api: Api, query: str) -> None:
    told = graphql(api, query)
    assert told["data"] is None
    assert told["errors"]


@pytest.mark.parametrize("role", ["runtime", "reader"])
def test_analytics_want_the_account_and_the_permission(api: Api, role: str) -> None:
    tag = "0" * 32 if role == "reader" else api.endpoint.account_id
    told = graphql(
        api, f'{{viewer{{accounts(filter:{{accountTag:"{tag}"}}){{accountTag}}}}}}', role=role
    )
    assert told["data"] is None
    assert told["errors"][0]["message"] == "not authorized for that account"
    assert told["errors"][0]["extensions"]["code"] == "authz"


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_every_available_field_can_be_asked_for(held: Lab, dataset: Any) -> None:
    """What the settings node promises, the dataset keeps, with every filter's first form."""
    held.api.chat(headers=DEFAULT | sent("t"))
    held.be(BUSY)
    held.api.chat(headers=DEFAULT)
    told = graphql(
        held.api,
        f"{{viewer{{accounts{{settings{{{dataset.name}{{availableFields}}}}}}}}}}",
    )
    limits = told["data"]["viewer"]["accounts"][0]["settings"][dataset.name]
    for path in limits["availableFields"]:
        node, _, name = path.partition("_")
        selection = f"{node}{{{name}}}" if name else node
        rows = groups(held.api, dataset.name, selection)
        assert rows, path
        if node == "dimensions":
            value = json.dumps(rows[0][node][name])
            again = groups(held.api, dataset.name, selection, f",filter:{{{name}:{value}}}")
            assert again == rows[:1], path


def test_the_schema_can_be_looked_at(api: Api) -> None:
    told = graphql(api, '{__type(name:"account"){fields{name}}}')
    names = {item["name"] for item in told["data"]["__type"]["fields"]}
    assert {"settings", *(dataset.name for dataset in DATASETS)} <= names


def get(api: Api, path: str, **params: str) -> Any:
    answer = api.get(path, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def test_billable_usage_has_a_row_a_day_and_no_cost(held: Lab, clock: HeldClock) -> None:
    held.api.chat(headers=DEFAULT)
    clock.move(86_400)
    held.api.chat()
    held.api.chat()
    first, second = get(held.api, "/billable/usage")
    assert (first["ChargePeriodStart"], first["ChargePeriodEnd"]) == (
        "2026-06-01T00:00:00.000Z",
        "2026-06-02T00:00:00.000Z",
    )
    assert first["ConsumedUnit"] == "Neurons"
    total = first["ConsumedQuantity"] + second["ConsumedQuantity"]
    assert total == pytest.approx(float(truth(held.api)["totals"]["neurons"]), rel=1e-12)
    assert "BilledCost" not in first
    only = get(held.api, "/billable/usage", **{"from": "2026-06-02", "to": "2026-06-02"})
    assert only == [second]


@pytest.mark.parametrize(
    "params",
    [{"from": "2026-06-01"}, {"from": "2026-06-02", "to": "2026-06-01"},
     {"from": "2026-01-01", "to": "2026-02-01"}, {"from": "x", "to": "y"}],
)  # fmt: skip
def test_a_range_that_usage_cannot_span_is_refused(api: Api, params: dict[str, str]) -> None:
    answer = api.get("/billable/usage", **params)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 7001)


def test_paid_usage_needs_the_anchor_day(held: Lab, clock: HeldClock) -> None:
    held.api.chat()
    info = get(held.api, "/billable-usage/info")
    assert info["covered"] is True
    assert info["subscriptions"][0]["billing_cycle_anchor_timestamp"].startswith("2026-06-01")
    (row,) = get(held.api, "/billable-usage")
    assert (row["PricingQuantity"], row["BilledCost"], row["BillingCurrency"]) == (0, 0, "USD")
    assert row["ConsumedQuantity"] > 0
    assert get(held.api, "/billable-usage", **{"from": "2026-06-02", "to": "2026-06-20"}) == []


amounts = st.dictionaries(
    st.tuples(st.integers(1, 28), st.integers(0, 23)),
    st.decimals(0, 30_000, places=6),
    max_size=40,
)


@settings(deadline=None)
@given(amounts)
def test_paid_rows_charge_what_is_beyond_each_days_allowance(
    hours: dict[tuple[int, int], Decimal],
) -> None:
    by_hour = {f"2026-02-{day:02d}T{hour:02d}:00:00.000Z": n for (day, hour), n in hours.items()}
    days = to_days(by_hour)
    assert sum(day.neurons for day in days) == sum(hours.values())
    rows = to_paid_rows(
        days, account_id="a", subscription_id="s", period_start=datetime(2026, 2, 1, tzinfo=UTC)
    )
    beyond = 0
    for day, row in zip(days, rows, strict=True):
        paid = row["PricingQuantity"]
        assert (
            max(Decimal(0), day.neurons - 10_000)
            <= paid
            < max(Decimal(1), day.neurons - 10_000 + 1)
        )
        beyond += paid
        assert row["CumulatedPricingQuantity"] == beyond
    if rows:
        assert rows[-1]["CumulatedContractedCost"] == pytest.approx(beyond * 0.000011)


def test_a_day_of_eleven_thousand_neurons_costs_a_thousand() -> None:
    day = Day(datetime(2026, 2, 1, tzinfo=UTC).date(), Decimal(11_000))
    assert day.cost_usd == Decimal("0.011")


def test_prepaid_history_counts_prepaid_gateways_only(held: Lab, clock: HeldClock) -> None:
    held.api.chat(headers=DEFAULT)
    answer = held.api.chat("Prepaid", headers={"cf-aig-gateway-id": "prepaid"})
    clock.move(7200)
    path = "/ai-gateway/billing/usage-history"
    (entry,) = get(held.api, path, value_grouping_window="hour")["history"]
    assert entry["aggregated_value"] == pytest.approx(float(cost_of_answer(answer) * 100))
    assert entry["end_time"] - entry["start_time"] == 3_600_000
    (day,) = get(held.api, path, value_grouping_window="day")["history"]
    assert day["start_time"] == datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000
    after = str(entry["end_time"])
    assert get(held.api, path, value_grouping_window="hour", start_time=after)["history"] == []


def test_the_gateways_billing_can_be_read_and_its_limit_not_set(api: Api) -> None:
    base = "/ai-gateway/billing"
    assert get(api, f"{base}/credit-balance")["balance"] == 0
    assert get(api, f"{base}/invoice-preview")["status"] == "draft"
    assert get(api, f"{base}/invoice-history", type="all")["invoices"] == []
    assert get(api, f"{base}/spending-limit")["enabled"] is False
    body = {"amount": 1000, "duration": "daily", "strategy": "fixed"}
    url, operator = api.url(f"{base}/spending-limit"), api.auth("operator")
    assert api.http.post(url, json=body, headers=operator).status_code == 403
    assert api.http.delete(url, headers=operator).json()["success"] is True
    assert api.get(f"{base}/usage-history").status_code == 400
    assert api.get(f"{base}/credit-balance", role="runtime").status_code == 403
