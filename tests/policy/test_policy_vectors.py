"""The decision vectors: they define the semantics for any implementation, this one included."""

import json
from pathlib import Path
from typing import Any

import pytest

from wai_ops.control.policy.action import Action, ActionKind, OutboundTarget, RiskTier
from wai_ops.control.policy.canonical import canonical
from wai_ops.control.policy.loading import load_contents
from wai_ops.control.policy.registry import Registry, registry_of

FOLDER = Path(__file__).parents[1] / "vectors" / "policy"
FILES = sorted(path for path in FOLDER.glob("*.json") if path.name != "versions.json")
WORDS = {"allow", "deny", "needs_approval"}


def registry_for(policies: list[dict[str, Any]]) -> Registry:
    """Vectors hold policies as JSON, which is YAML as well."""
    contents = {f"p{place}.yaml": json.dumps(item).encode() for place, item in enumerate(policies)}
    return registry_of(load_contents(contents, "policies"))


def action_of(data: dict[str, Any]) -> Action:
    fields = dict(data)
    target = fields.pop("target", None)
    return Action(
        kind=ActionKind(fields.pop("kind")),
        risk_tier=RiskTier(fields.pop("risk_tier", "low")),
        data_classes=frozenset(fields.pop("data_classes", ())),
        target=None if target is None else OutboundTarget(**target),
        **fields,
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_vector_gets_its_verdict_and_its_rule(path: Path) -> None:
    data = json.loads(path.read_text("utf-8"))
    registry = registry_for(data["policies"])
    for case in data["cases"]:
        verdict = registry.decide(action_of(case["action"]))
        said = {"verdict": verdict.word.value, "rule": verdict.rule}
        assert said == {"verdict": case["verdict"], "rule": case["rule"]}, case["name"]
        assert verdict.permits is case.get("permits", case["verdict"] == "allow"), case["name"]


def test_the_vectors_hold_every_word_kind_and_sort_of_rule() -> None:
    cases = [case for path in FILES for case in json.loads(path.read_text("utf-8"))["cases"]]
    assert len(cases) > 150
    assert {case["verdict"] for case in cases} == WORDS
    assert {case["action"]["kind"] for case in cases} == {kind.value for kind in ActionKind}
    missing = {case["rule"].partition(".")[2] for case in cases if ":" in case["rule"]}
    assert missing >= {"roles", "risk", "models.low", "data", "tools", "outbound", "changes"}
    for path in FILES:
        names = [case["name"] for case in json.loads(path.read_text("utf-8"))["cases"]]
        assert len(names) == len(set(names)), path.name


def test_versions_are_made_of_the_canonical_content() -> None:
    for row in json.loads((FOLDER / "versions.json").read_text("utf-8"))["versions"]:
        policy = registry_for([row["policy"]]).policies[0]
        said = (policy.policy_version, policy.policy_sha256)
        assert said == (row["policy_version"], row["sha256"]), row["name"]
        assert canonical(json.loads(row["canonical"])) == row["canonical"]
