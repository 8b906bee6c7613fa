"""The prompt that makes checkpoints: frozen, versioned, and the user's values are data in it."""

import json

import jsonschema

from wai_ops.runtime.checkpoint_prompt import VERSION, BuiltIn, Material, schema_of

FROZEN = {"1": "4998f88d62f2141b5b76d63f3d2007e481065869e663f0824c2cce27ff427503"}
"""Version -> SHA-256. A change of the text needs a new version here and in the module."""


def material(facts: tuple[str, ...] = ()) -> Material:
    return Material(facts=facts, summary="", messages='{"role":"user"}', max_words=300)


def test_the_text_changes_with_its_version_only() -> None:
    assert BuiltIn().sha256 == FROZEN[VERSION]


def test_kept_facts_are_numbered_and_what_is_not_there_yet_is_said() -> None:
    first = BuiltIn().fill(material())
    assert first.text.count("(none)") == 2
    again = BuiltIn().fill(material(("The order is 17.", "Ann pays.")))
    assert "1. The order is 17.\n2. Ann pays." in again.text


def test_percent_signs_and_braces_in_values_stay_what_they_are() -> None:
    said = '100 %(max_words)s {"a": 1} %s'
    filled = BuiltIn().fill(material((said,)))
    assert said in filled.text


def test_the_schema_allows_only_facts_that_are_kept_to_be_replaced() -> None:
    answer = {"summary": "s", "facts": [], "replaced": [{"facts": [2], "by": "x"}]}
    jsonschema.validate(answer, schema_of(2))
    for kept in (0, 1):
        assert not jsonschema.Draft202012Validator(schema_of(kept)).is_valid(answer)
    jsonschema.Draft202012Validator.check_schema(json.loads(json.dumps(schema_of(0))))
