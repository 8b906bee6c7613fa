"""Properties of decisions, over policies and actions of any kind."""

import contextlib
import json
import string
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.policies import SUPPORT, registry
from wai_ops.control.policy.action import (
    Action,
    ActionKind,
    Mode,
    OutboundTarget,
    RiskTier,
    Verdict,
    VerdictWord,
)
from wai_ops.control.policy.canonical import canonical
from wai_ops.control.policy.comparing import compare
from wai_ops.control.policy.listing import policy_table
from wai_ops.control.policy.loading import load_contents
from wai_ops.control.policy.registry import Registry, registry_of
from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line

TOOLS = ("crm.lookup", "crm.refund", "crm.admin.drop", "mail.send", "crm")
PATTERNS = ("crm.*", "crm.admin.*", "mail.*", *TOOLS)
HOSTS = ("a.example.org", "b.example.org", "a.b.example.org", "example.org")
HOST_PATTERNS = ("*.example.org", "*.b.example.org", *HOSTS)
PATHS = ("/", "/v1", "/v1/", "/v1/x", "/v10", "/v1/%2e%2e/x", "/%76%31/x")
MODELS = ("@cf/a/small", "@cf/a/large")
CLASSES = ("public", "internal")
TIERS = tuple(tier.value for tier in RiskTier)
SCHEMAS: tuple[Any, ...] = (
    {"type": "object", "required": ["id"]},
    {"properties": {"id": {"type": "string"}}, "additionalProperties": False},
)

some = st.sampled_from
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
any_text = st.text(st.characters(codec=None), max_size=20)
"""Halves of surrogate pairs included."""


@st.composite
def allow_tool(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "name": draw(some(PATTERNS)),
        "risk": draw(some(TIERS)),
        "data": draw(st.lists(some(CLASSES), unique=True)),
        "approval": draw(some(("never", "always", "above-low", "above-medium"))),
        **draw(some(({}, *({"arguments": schema} for schema in SCHEMAS)))),
    }


@st.composite
def deny_tool(draw: st.DrawFn) -> dict[str, Any]:
    arguments = draw(some(({}, *({"arguments": schema} for schema in SCHEMAS))))
    return {"name": draw(some(PATTERNS)), "effect": "deny", **arguments}


@st.composite
def allow_outbound(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "host": draw(some(HOST_PATTERNS)),
        "schemes": draw(st.lists(some(("https", "http")), min_size=1, unique=True)),
        "methods": draw(st.lists(some(("GET", "POST")), min_size=1, unique=True)),
        "paths": draw(st.lists(some(PATHS[:4]), min_size=1, unique=True)),
        "data": draw(st.lists(some(CLASSES), unique=True)),
    }


@st.composite
def deny_outbound(draw: st.DrawFn) -> dict[str, Any]:
    paths = draw(some(({}, {"paths": ["/v1"]})))
    return {"host": draw(some(HOST_PATTERNS)), "effect": "deny", **paths}


@st.composite
def workflow(draw: st.DrawFn) -> dict[str, Any]:
    tiers = draw(st.lists(some(TIERS), min_size=1, unique=True))
    return {
        "default_risk": tiers[0],
        "risk": tiers,
        "roles": draw(st.lists(some(("runtime", "operator")), unique=True)),
        "data": draw(st.lists(some(CLASSES), unique=True)),
        "models": {tier: draw(st.lists(some(MODELS), unique=True)) for tier in tiers},
        "deny_models": draw(st.lists(some(MODELS), max_size=1)),
        "tools": draw(st.lists(allow_tool() | deny_tool(), max_size=5)),
        "outbound": draw(st.lists(allow_outbound() | deny_outbound(), max_size=5)),
        "changes": draw(st.lists(some(PATTERNS), max_size=2)),
    }


@st.composite
def likely_action(draw: st.DrawFn, name: str = "one") -> Action:
    return Action(
        kind=draw(some(tuple(ActionKind))),
        tenant="t",
        workflow=name,
        role=draw(some(("runtime", "operator"))),
        risk_tier=draw(some(tuple(RiskTier))),
        model=draw(some((None, *MODELS))),
        tool=draw(some((None, *TOOLS))),
        arguments=draw(some((None, {}, {"id": "a"}, {"id": 1, "x": 2}))),
        data_classes=draw(st.frozensets(some(CLASSES), max_size=2)),
        target=draw(some((None, *targets()))),
        approved_by=draw(some((None, "ann"))),
    )


def targets() -> list[OutboundTarget]:
    return [
        OutboundTarget(scheme=scheme, host=host, port=443, method=method, path=path)
        for scheme in ("https", "http")
        for host in HOSTS
        for method in ("GET", "POST")
        for path in PATHS
    ]


@st.composite
def odd_action(draw: st.DrawFn) -> Action:
    """Whatever the types allow."""
    target = st.builds(
        OutboundTarget,
        scheme=any_text,
        host=any_text | some(HOSTS),
        port=st.integers(),
        method=any_text,
        path=any_text | any_text.map("/".__add__),
    )
    return Action(
        kind=draw(some(tuple(ActionKind))),
        tenant=draw(any_text),
        workflow=draw(any_text | some(("support",))),
        role=draw(any_text | some(("runtime",))),
        risk_tier=draw(some(tuple(RiskTier))),
        model=draw(st.none() | any_text),
        tool=draw(st.none() | any_text | some(("crm.lookup", "crm.refund", "crm.x"))),
        arguments=draw(st.none() | st.dictionaries(any_text, json_values, max_size=4)),
        data_classes=draw(st.frozensets(any_text, max_size=2)),
        target=draw(st.none() | target),
        approved_by=draw(st.none() | any_text),
    )


def made(*workflows: dict[str, Any], mode: str = "enforce") -> Registry:
    """A registry with one file a workflow: `one`, `two`. JSON is YAML enough."""
    texts = []
    for name, section in zip(("one", "two"), workflows, strict=False):
        whole = {
            "version": 1,
            "policy": name,
            "policy_version": "2026-11-23.1",
            "mode": mode,
            "workflows": {name: section},
        }
        texts.append(canonical(whole).replace(":", ": "))
    return registry(*texts)


def answer(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.word.value, verdict.rule, verdict.reason


@given(odd_action())
@settings(max_examples=250)
def test_every_action_has_a_verdict(action: Action) -> None:
    verdict = FULL.decide(action)
    assert verdict.rule
    assert verdict.reason.strip() == one_line(verdict.reason, 10_000)
    assert verdict.where or verdict.rule == "default"
    assert verdict == FULL.decide(action)


FULL = registry(SUPPORT)


@given(likely_action())
def test_a_workflow_without_rules_allows_nothing(action: Action) -> None:
    assert made({}).decide(action).word is VerdictWord.DENY
    assert registry().decide(action).word is VerdictWord.DENY


@given(workflow(), workflow(), st.data())
@settings(max_examples=30)
def test_a_permission_for_one_workflow_changes_no_verdict_of_another(
    one: dict[str, Any], two: dict[str, Any], data: st.DataObject
) -> None:
    action = data.draw(likely_action("one"))
    more = {**two, "tools": [*two["tools"], data.draw(allow_tool())]}
    more["outbound"] = [*two["outbound"], data.draw(allow_outbound())]
    before = made(one, two).decide(action)
    assert before == made(one, more).decide(action)
    assert before == made(one).decide(action)


@given(workflow(), workflow(), st.data())
@settings(max_examples=40)
def test_the_order_of_files_does_not_matter(
    one: dict[str, Any], two: dict[str, Any], data: st.DataObject
) -> None:
    action = data.draw(likely_action("one") | likely_action("two"))
    files = {}
    for name, section in (("one", one), ("two", two)):
        whole = {
            "version": 1,
            "policy": name,
            "policy_version": "2026-11-23.1",
            "workflows": {name: section},
        }
        files[name] = canonical(whole).replace(":", ": ").encode()
    forward = registry_of(load_contents({"a.yaml": files["one"], "b.yaml": files["two"]}, "p"))
    back = registry_of(load_contents({"b.yaml": files["one"], "a.yaml": files["two"]}, "p"))
    assert answer(forward.decide(action)) == answer(back.decide(action))
    assert forward.sha256 == back.sha256


@given(workflow(), st.data())
@settings(max_examples=100)
def test_a_denial_more_never_allows_more(section: dict[str, Any], data: st.DataObject) -> None:
    action = data.draw(likely_action())
    place = data.draw(st.integers(0, len(section["tools"])))
    tools = [*section["tools"][:place], data.draw(deny_tool()), *section["tools"][place:]]
    outbound = [data.draw(deny_outbound()), *section["outbound"]]
    before = made(section).decide(action)
    after = made({**section, "tools": tools, "outbound": outbound}).decide(action)
    if before.word is not after.word:
        assert after.word is VerdictWord.DENY
        assert not after.is_missing


@given(workflow(), st.data())
@settings(max_examples=60)
def test_an_approval_never_turns_a_denial(section: dict[str, Any], data: st.DataObject) -> None:
    from dataclasses import replace

    action = data.draw(likely_action())
    found = made(section)
    asked = found.decide(replace(action, approved_by=None))
    told = found.decide(replace(action, approved_by="ann"))
    assert asked.rule == told.rule
    assert (asked.word is VerdictWord.DENY) == (told.word is VerdictWord.DENY)
    assert told.word is not VerdictWord.NEEDS_APPROVAL


@given(workflow(), st.data())
@settings(max_examples=40)
def test_observe_mode_says_what_enforce_mode_would(
    section: dict[str, Any], data: st.DataObject
) -> None:
    action = data.draw(likely_action())
    enforced, observed = made(section), made(section, mode="observe")
    assert answer(enforced.decide(action)) == answer(observed.decide(action))
    assert observed.decide(action).mode is Mode.OBSERVE


names = st.text(string.ascii_lowercase, min_size=1, max_size=3)


@given(st.dictionaries(names, st.lists(st.integers() | names) | names, max_size=5))
def test_the_canonical_text_does_not_know_the_order_of_keys(data: dict[str, Any]) -> None:
    assert canonical(data) == canonical(dict(reversed(data.items())))


WHOLE = yaml.safe_load(SUPPORT)
WHOLE["workflows"]["support"]["envelope"] = {"max_turns": 5, "per_turn_usd": "0.5"}
WHOLE["workflows"]["support"]["routing"] = {
    "models": {"low": "@cf/a/small", "medium": "@cf/a/large"},
    "fallbacks": [{"after": ["capacity"], "models": ["@cf/a/small"]}],
}
JUNK: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**62, "", "x", "deny", "low", "\x00", "*.*", "/", "é" * 300, [], {}),
    *([None], ["x", "x"], {"x": {}}, {"": 1}, {"type": "object"}, [[["x"]]], {"$ref": "#/$defs/a"}),
    *({"low": ["@cf/a/small"]}, {"not": {"not": True}}, {"name": "x"}, {"host": "x.example"}),
)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside."""
    if not isinstance(value, dict | list):
        return [path]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(spot for key, inner in items for spot in spots(inner, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any, rename: str | None) -> Any:
    """A copy with something else, or under another key, at one place."""
    if not path:
        return new
    if isinstance(value, list):
        inner = changed(value[path[0]], path[1:], new, rename)
        return [inner if place == path[0] else item for place, item in enumerate(value)]
    inner = changed(value[path[0]], path[1:], new, rename)
    if len(path) == 1 and rename is not None:
        return {(rename if key == path[0] else key): item for key, item in value.items()}
    return {key: inner if key == path[0] else item for key, item in value.items()}


@given(st.data())
@settings(max_examples=150)
def test_a_file_is_loaded_or_refused_with_its_place_whatever_it_holds(data: st.DataObject) -> None:
    whole = WHOLE
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(some(spots(whole)[1:]))
        rename = data.draw(some((None, None, "extra", "", "name", "tools")))
        whole = changed(whole, path, data.draw(some(JUNK)), rename)
        if not isinstance(whole, dict) or not spots(whole)[1:]:
            break
    refused: list[str] = []
    found = Registry(())
    try:
        found = registry(json.dumps(whole))
    except UsageError as error:
        refused = error.message.splitlines()
    assert [line for line in refused if not line.startswith("policies/p0.yaml:")] == []
    found.decide(data.draw(odd_action()))
    assert compare(found, found) == []
    assert len(list(policy_table(found, found.workflows.values()).rows)) >= len(found.workflows)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_bytes_are_loaded_or_refused(content: bytes) -> None:
    with contextlib.suppress(UsageError):
        load_contents({"a.yaml": content}, "policies")
