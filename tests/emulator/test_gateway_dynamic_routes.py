"""Dynamic routes: graphs, conditions, chance, budgets and fallbacks."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.emulator.gateway.dynamic_routes.conditions import (
    ConditionError,
    check_condition,
    find,
    matches,
)
from wai_ops.emulator.gateway.dynamic_routes.graph import (
    RouteError,
    find_problems,
    is_valid,
    parse_route,
)
from wai_ops.emulator.gateway.dynamic_routes.rates import RouteRates
from wai_ops.emulator.gateway.dynamic_routes.walk import (
    Finished,
    ModelStep,
    RouteRequest,
    walk,
)

NOW = datetime(2026, 11, 23, 10, 0, 30, tzinfo=UTC)
Json = dict[str, Any]


def to(**outputs: str) -> Json:
    return {name.rstrip("_"): {"elementId": target} for name, target in outputs.items()}


def start(target: str = "m") -> Json:
    return {"id": "start", "type": "start", "outputs": to(next=target)}


def model(element_id: str = "m", success: str = "end", **fields: Any) -> Json:
    outputs = to(success=success)
    if "fallback" in fields:
        outputs |= to(fallback=fields.pop("fallback"))
    properties = {"provider": "workers-ai", "model": f"model-{element_id}"}
    return {
        "id": element_id,
        "type": "model",
        "properties": properties | {"timeout": 1000, "retries": 0} | fields,
        "outputs": outputs,
    }


def rate(element_id: str = "r", success: str = "m", **fields: Any) -> Json:
    outputs = to(success=success)
    if "fallback" in fields:
        outputs |= to(fallback=fields.pop("fallback"))
    properties = {"limitType": "count", "key": "metadata.user", "limit": 2, "window": 60}
    return {
        "id": element_id,
        "type": "rate",
        "properties": properties | fields,
        "outputs": outputs,
    }


def conditional(conditions: Any, true: str = "a", false: str = "b") -> Json:
    return {
        "id": "c",
        "type": "conditional",
        "properties": {"conditions": conditions},
        "outputs": {"true": {"elementId": true}, "false": {"elementId": false}},
    }


def split(**outputs: str) -> Json:
    return {
        "id": "s",
        "type": "percentage",
        "outputs": {
            name if name == "else" else name.lstrip("p").replace("_", ".") + "%": {
                "elementId": target
            }
            for name, target in outputs.items()
        },
    }


END: Json = {"id": "end", "type": "end", "outputs": {}}


def take(
    elements: list[Json],
    *outcomes: bool,
    rates: RouteRates | None = None,
    seed: int = 0,
    now: datetime = NOW,
    **request: Any,
) -> tuple[list[ModelStep], Finished]:
    """Walk, telling success or failure as `outcomes` say (then: success)."""
    steps = walk(
        parse_route(elements),
        name="route",
        request=RouteRequest(**request),
        rates=rates or RouteRates(),
        rng=random.Random(seed),
        now=lambda: now,
    )
    told, seen = iter(outcomes), []
    try:
        step = next(steps)
        while True:
            seen.append(step)
            step = steps.send(next(told, True))
    except StopIteration as stop:
        end: Finished = stop.value
        return seen, end


def test_one_model_answers() -> None:
    seen, end = take([start(), model(timeout=250, retries=3), END])
    (step,) = seen
    assert (step.provider, step.model) == ("workers-ai", "model-m")
    assert (step.timeout_ms, step.retries, step.index) == (250.0, 3, 0)
    assert end == Finished(has_answer=True)


def test_a_failed_model_gives_way_to_its_fallback_with_the_next_step_number() -> None:
    elements = [start(), model(fallback="f"), model("f"), END]
    seen, end = take(elements, False, True)
    assert [(step.element_id, step.index) for step in seen] == [("m", 0), ("f", 1)]
    assert end.has_answer


def test_a_route_whose_models_all_fail_ends_without_an_answer() -> None:
    elements = [start(), model(fallback="f"), model("f", fallback="end"), END]
    seen, end = take(elements, False, False)
    assert len(seen) == 2
    assert end == Finished(has_answer=False)


def test_without_a_fallback_a_failure_ends_the_route() -> None:
    seen, end = take([start(), model(), END], False)
    assert (len(seen), end.has_answer) == (1, False)


def test_an_answer_stays_the_answer_when_a_later_model_fails() -> None:
    seen, end = take([start(), model(success="n"), model("n"), END], True, False)
    assert [step.element_id for step in seen] == ["m", "n"]
    assert end.has_answer


def test_a_route_may_end_without_any_model() -> None:
    assert take([start("end"), END]) == ([], Finished(has_answer=False))


@pytest.mark.parametrize("name", ["conditions", "condition"])
def test_a_condition_chooses_the_way(name: str) -> None:
    element = conditional({"metadata.plan": {"$eq": "free"}})
    element["properties"] = {name: element["properties"]["conditions"]}
    elements = [start("c"), element, model("a"), model("b"), END]
    for plan, taken in (("free", "a"), ("paid", "b")):
        (step,), _ = take(elements, metadata={"plan": plan})
        assert step.element_id == taken


SCOPE: Json = {
    "metadata": {"plan": "free", "n": 3, "on": True, "cf.user_id": "u1", "zero": 0},
    "headers": {"x-tier": "gold"},
    "body": {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stop": ["a", "b"],
        "deep": {"x": {"y": None}},
        "odd": "\ud800",
    },
}


@pytest.mark.parametrize(
    ("condition", "is_true"),
    [
        ({}, True),
        ({"metadata.plan": "free"}, True),
        ({"metadata.plan": {"$eq": "free"}}, True),
        ({"metadata.plan": {"$ne": "free"}}, False),
        ({"metadata.gone": {"$eq": None}}, True),
        ({"metadata.gone": {"$ne": "x"}}, True),
        ({"metadata.gone": {"$nin": ["x"]}}, True),
        ({"metadata.gone": {"$in": ["x", None]}}, True),
        ({"metadata.gone": {"$gt": 0}}, False),
        ({"metadata.gone": {"$not": {"$gt": 0}}}, True),
        ({"metadata.gone": {"$exists": False}}, True),
        ({"body.deep.x.y": {"$exists": True}}, True),
        ({"body.deep.x.y": None}, True),
        ({"metadata.n": {"$gt": 2, "$lt": 4}}, True),
        ({"metadata.n": {"$gte": 3.0, "$lte": 3}}, True),
        ({"metadata.n": {"$gt": "2"}}, False),
        ({"metadata.n": "3"}, False),
        ({"metadata.on": 1}, False),
        ({"metadata.zero": False}, False),
        ({"metadata.on": {"$gt": 0}}, False),
        ({"metadata.plan": {"$gt": "f", "$lt": "g"}}, True),
        ({"metadata.cf.user_id": "u1"}, True),
        ({"headers.X-Tier": {"$in": ["gold", "silver"]}}, True),
        ({"body.messages.0.role": "user"}, True),
        ({"body.messages.1.role": {"$exists": True}}, False),
        ({"body.messages.-1.role": {"$exists": True}}, False),
        ({"body.stop": "b"}, True),
        ({"body.stop": ["a", "b"]}, True),
        ({"body.stop": {"$ne": "b"}}, False),
        ({"body.stop": {"$nin": ["c"]}}, True),
        ({"body.deep": {"x": {"y": None}}}, True),
        ({"body.deep": {"x": {"y": 0}}}, False),
        ({"metadata.plan": {"$regex": "^fr"}}, True),
        ({"metadata.n": {"$regex": "3"}}, False),
        ({"body.odd": {"$regex": "^.$"}}, True),
        ({"$or": [{"metadata.plan": "paid"}, {"metadata.n": 3}]}, True),
        ({"$and": [{"metadata.plan": "free"}, {"metadata.n": 4}]}, False),
        ({"$nor": [{"metadata.plan": "paid"}, {"metadata.n": 4}]}, True),
        ({"metadata.plan": "free", "metadata.n": 4}, False),
    ],
)
def test_conditions_follow_mongodb(condition: Json, is_true: bool) -> None:
    check_condition(condition)
    assert matches(condition, SCOPE) is is_true


@pytest.mark.parametrize(
    "condition",
    [
        None,
        [],
        "true",
        {"plan": "free"},
        {"$where": "1"},
        {"$and": []},
        {"$or": {"metadata.a": 1}},
        {"$and": [1]},
        {"metadata.a": {"$like": "x"}},
        {"metadata.a": {"$in": "x"}},
        {"metadata.a": {"$exists": 1}},
        {"metadata.a": {"$regex": "("}},
        {"metadata.a": {"$regex": 1}},
        {"metadata.a": {"$not": "x"}},
        {"metadata.a": {"$eq": 1, "b": 2}},
    ],
)
def test_a_condition_that_is_not_understood_is_refused(condition: Any) -> None:
    with pytest.raises(ConditionError):
        check_condition(condition)
    assert not is_valid([start("c"), conditional(condition), model("a"), model("b"), END])


def test_a_condition_nested_without_end_is_refused() -> None:
    nested: Json = {"metadata.a": 1}
    for _ in range(200):
        nested = {"$and": [nested]}
    with pytest.raises(ConditionError, match="deeply"):
        check_condition(nested)


def test_a_pattern_made_to_run_forever_does_not() -> None:
    condition = {"metadata.text": {"$regex": "^(a+)+$"}}
    check_condition(condition)
    assert not matches(condition, {"metadata": {"text": "a" * 5000 + "!"}})


scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b"])
values = scalars | st.lists(scalars, max_size=3)
simple_conditions = st.dictionaries(
    st.sampled_from(["metadata.x", "metadata.y", "body.z"]),
    scalars
    | st.dictionaries(st.sampled_from(["$eq", "$ne", "$gt", "$lte"]), scalars, min_size=1)
    | st.builds(lambda items: {"$in": items}, st.lists(scalars, max_size=3)),
    max_size=3,
)
scopes = st.fixed_dictionaries(
    {
        "metadata": st.dictionaries(st.sampled_from("xy"), values),
        "headers": st.just({}),
        "body": st.dictionaries(st.just("z"), values),
    }
)


@given(simple_conditions, simple_conditions, scopes)
def test_logic_operators_are_logic(left: Json, right: Json, scope: Json) -> None:
    check_condition(left)
    both = matches(left, scope), matches(right, scope)
    assert matches({"$and": [left, right]}, scope) == all(both)
    assert matches({"$or": [left, right]}, scope) == any(both)
    assert matches({"$nor": [left, right]}, scope) == (not any(both))


@given(st.sampled_from(["x", "y"]), scalars, scopes)
def test_each_operator_and_its_opposite_never_agree(key: str, value: Any, scope: Json) -> None:
    def holds(operators: Json) -> bool:
        return matches({f"metadata.{key}": operators}, scope)

    assert holds({"$eq": value}) != holds({"$ne": value})
    assert holds({"$in": [value]}) != holds({"$nin": [value]})
    assert holds({"$eq": value}) == holds({"$in": [value]})
    assert holds({"$gt": value}) != holds({"$not": {"$gt": value}})
    assert holds({"$exists": True}) == (key in scope["metadata"])


def test_a_split_follows_its_shares_and_its_seed() -> None:
    elements = [start("s"), split(p10="a", p50="b", **{"else": "end"}), model("a"), model("b"), END]
    route, rates, rng = parse_route(elements), RouteRates(), random.Random(11)
    taken: Counter[str] = Counter()
    for _ in range(4000):
        steps = walk(route, name="r", request=RouteRequest(), rates=rates, rng=rng, now=lambda: NOW)
        step = next(steps, None)
        taken["else" if step is None else step.element_id] += 1
    draws = random.Random(11)
    points = [draws.random() * 100 for _ in range(4000)]
    assert taken["a"] == sum(point < 10 for point in points)
    assert taken["b"] == sum(10 <= point < 60 for point in points)
    assert taken["else"] == sum(point >= 60 for point in points)


def test_shares_that_fill_the_whole_need_no_else() -> None:
    elements = [start("s"), split(p12_5="a", p87_5="b"), model("a"), model("b"), END]
    taken = {take(elements, seed=seed)[0][0].element_id for seed in range(40)}
    assert taken == {"a", "b"}


def test_a_count_limit_sends_the_surplus_to_its_fallback_user_by_user() -> None:
    elements = [start("r"), rate(fallback="f"), model(), model("f"), END]
    rates = RouteRates()

    def who(user: str, now: datetime = NOW) -> str:
        (step,), _ = take(elements, rates=rates, now=now, metadata={"user": user})
        return step.element_id

    assert [who("ann") for _ in range(4)] == ["m", "m", "f", "f"]
    assert who("bob") == "m"
    assert who("ann", NOW + timedelta(seconds=30)) == "m"  # the next minute of the clock


def test_a_limit_without_fallback_ends_the_route_and_says_where() -> None:
    rates = RouteRates()
    elements = [start("r"), rate(limit=1), model(), END]
    assert take(elements, rates=rates, metadata={"user": "ann"})[1].has_answer
    seen, end = take(elements, rates=rates, metadata={"user": "ann"})
    assert (seen, end) == ([], Finished(has_answer=False, limited_by="r"))


def test_a_request_without_the_key_is_not_limited() -> None:
    rates, elements = RouteRates(), [start("r"), rate(limit=0), model(), END]
    assert take(elements, rates=rates)[1].has_answer
    assert not take(elements, rates=rates, metadata={"user": "ann"})[1].has_answer


def test_a_cost_limit_counts_what_finished_calls_cost() -> None:
    rates = RouteRates()
    elements = [start("r"), rate(limitType="cost", limit=0.5, key="headers.x-user"), model(), END]
    headers = {"x-user": "ann"}
    for cost in (Decimal("0.3"), None, Decimal("0.3")):
        seen, end = take(elements, rates=rates, headers=headers)
        assert end.has_answer
        rates.settle(seen[-1].passed, cost, NOW)
    assert take(elements, rates=rates, headers=headers)[1].limited_by == "r"
    assert take(elements, rates=rates, headers={"x-user": "bob"})[1].has_answer


def test_rate_counters_survive_a_restart() -> None:
    elements = [start("r"), rate(limit=1), model(), END]
    before, after = RouteRates(), RouteRates()
    take(elements, rates=before, metadata={"user": 7})
    after.restore(before.snapshot())
    assert take(elements, rates=after, metadata={"user": 7})[1].limited_by == "r"


def test_two_routes_with_the_same_node_ids_have_their_own_counters() -> None:
    route = parse_route([start("r"), rate(limit=1), model(), END])
    rates = RouteRates()
    for name in ("one", "two"):
        steps = walk(
            route,
            name=name,
            request=RouteRequest(metadata={"user": "ann"}),
            rates=rates,
            rng=random.Random(0),
            now=lambda: NOW,
        )
        assert next(steps).element_id == "m"


@pytest.mark.parametrize(
    ("elements", "problem"),
    [
        ({}, "elements must be a list"),
        ([], "one start element, not 0"),
        ([END], "one start element, not 0"),
        ([start(), start(), model(), END], "start: two elements have this id"),
        ([start(), {**start(), "id": "s2"}, model(), END], "one start element, not 2"),
        ([start(), model(success="m")], "needs an end element"),
        ([start("gone"), END], "start: there is no element gone"),
        ([start(), model(fallback="gone"), END], "m: there is no element gone"),
        ([start(), model(fallback="m"), END], "m: the way from here leads back here"),
        (
            [start("a"), model("a", success="b"), model("b", success="a"), END],
            "a: the way from here leads back here",
        ),
        ([1, END], "an element must be an object"),
        ([{"type": "end"}], "an element has no id"),
        ([{"id": "x", "type": "rate_limit"}, END], "x: unknown type 'rate_limit'"),
        ([{"id": "x", "type": ["end"]}], "x: unknown type"),
        ([{"id": "x", "type": "start"}, END], "x: output next is missing"),
        ([{"id": "x", "type": "start", "outputs": {"next": "end"}}, END], "names no elementId"),
        ([{"id": "x", "type": "start", "outputs": []}, END], "x: outputs must be an object"),
        ([start("c"), conditional({}) | {"outputs": to(true="end")}, END], "output false is miss"),
        ([start("s"), split(), END], "s: no percentages"),
        ([start("s"), split(**{"else": "end"}), END], "s: no percentages"),
        ([start("s"), split(p50="end"), END], "add up to 50 and there is no else"),
        ([start("s"), split(p50="end", p51="end"), END], "add up to more than 100"),
        ([start("s"), split(**dict.fromkeys(["p1", "p2", "p3", "p4", "p5", "p6"], "end")), END],
         "at most 5 percentages, not 6"),
        ([start("s"), split(p0="end"), END], "neither a percentage nor else"),
        ([start("s"), {"id": "s", "type": "percentage", "outputs": to(ten="end")}, END],
         "'ten' is neither a percentage nor else"),
        ([start("r"), rate(limitType="tokens"), model(), END], "r: limitType must be"),
        ([start("r"), rate(window=0), model(), END], "r: window must be at least 1"),
        ([start("r"), rate(window=1.5), model(), END], "r: window must be whole seconds"),
        ([start("r"), rate(key="user"), model(), END], "r: key user does not begin with"),
        ([start("r"), rate(limit=None), model(), END], "r: limit must be a number"),
        ([start(), model(provider=""), END], "m: provider must be text"),
        ([start(), model(retries=0.5), END], "m: retries must be a whole number"),
        ([start(), model(timeout=-1), END], "m: timeout must be at least 0"),
        ([start(), model(timeout=float("nan")), END], "m: timeout must be at least 0"),
    ],
)  # fmt: skip
def test_a_graph_that_cannot_be_walked_is_not_valid(elements: Any, problem: str) -> None:
    assert not is_valid(elements)
    assert any(problem in found for found in find_problems(elements)), find_problems(elements)
    with pytest.raises(RouteError):
        parse_route(elements)


def test_all_problems_are_told_at_once() -> None:
    found = find_problems([start("gone"), model(provider=""), {"id": "x", "type": "y"}])
    assert len(found) == 3  # what hangs on elements that could not be read is not guessed at


def test_two_ways_to_the_same_element_are_no_cycle() -> None:
    elements = [start("c"), conditional({}, "m", "m"), model(fallback="end"), END]
    assert find_problems(elements) == ()


def test_a_very_long_route_is_checked_and_walked() -> None:
    count = 5000
    chain = [model(f"m{i}", success=f"m{i + 1}" if i + 1 < count else "end") for i in range(count)]
    seen, end = take([start("m0"), *chain, END])
    assert (len(seen), end.has_answer) == (count, True)


def test_find_reads_a_key_with_dots_before_it_follows_a_path() -> None:
    scope = {"metadata": {"a.b": 1, "a": {"b": 2, "c": 3}}}
    assert find("metadata.a.b", scope) == 1
    assert find("metadata.a.c", scope) == 3
    assert find("metadata.x", scope) is None


@st.composite
def graphs(draw: st.DrawFn) -> list[Json]:
    """Any graph of models and conditions over a few ids, with or without loops."""
    ids = [f"n{i}" for i in range(draw(st.integers(1, 6)))]
    targets = st.sampled_from([*ids, "end"])
    elements = [start(draw(targets)), END]
    for element_id in ids:
        if draw(st.booleans()):
            elements.append(model(element_id, success=draw(targets), fallback=draw(targets)))
        else:
            element = conditional({"metadata.x": True}, draw(targets), draw(targets))
            elements.append(element | {"id": element_id})
    return elements


def reachable_loop(elements: list[Json]) -> bool:
    """Whether some element can be reached from the start and from itself, by brute force."""
    ways = {
        element["id"]: {output["elementId"] for output in element["outputs"].values()}
        for element in elements
    }

    def reach(origin: str) -> set[str]:
        seen: set[str] = set()
        todo = set(ways[origin])
        while todo:
            element_id = todo.pop()
            if element_id not in seen:
                seen.add(element_id)
                todo |= ways[element_id]
        return seen

    return any(element_id in reach(element_id) for element_id in reach("start"))


@given(graphs(), st.lists(st.booleans(), max_size=10), st.booleans())
def test_a_graph_is_valid_when_no_loop_can_be_reached_and_then_every_walk_ends(
    elements: list[Json], outcomes: list[bool], x: bool
) -> None:
    assert is_valid(elements) == (not reachable_loop(elements))
    if not is_valid(elements):
        return
    seen, end = take(elements, *outcomes, metadata={"x": x})
    assert len({step.element_id for step in seen}) == len(seen)
    assert [step.index for step in seen] == list(range(len(seen)))
    told = [*outcomes, *([True] * len(seen))][: len(seen)]
    assert end.has_answer == any(told)


junk = st.recursive(
    st.none() | st.integers() | st.text(max_size=4) | st.sampled_from(["start", "end", "m"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "type", "outputs", "properties", "next", "elementId", "model"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(junk | st.lists(junk, max_size=4))
def test_junk_is_not_valid_and_breaks_nothing(value: Any) -> None:
    problems = find_problems(value)
    assert all(isinstance(problem, str) for problem in problems)
    assert is_valid(value) == (not problems)
