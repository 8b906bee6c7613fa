"""SARIF: the members that the standard and GitHub's code scanning require, and stable prints."""

import json
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.findings import Finding, Level, Rule
from wai_ops.render.sarif import to_sarif

RULES = (
    Rule(id="WP001", name="volatile-prefix", level=Level.ERROR, why="It costs.", fix="Move it."),
    Rule(id="WP002", name="tool-order", level=Level.WARNING, why="It drifts.", fix="Sort them."),
)

TEXT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string", "minLength": 1}},
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
COUNT = {"type": "integer", "minimum": 1}
SHAPE: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "additionalProperties": False,
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "rules"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string", "minLength": 1},
                                    "version": {"type": "string", "minLength": 1},
                                    "semanticVersion": {"type": "string", "minLength": 1},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": [
                                                "id",
                                                "shortDescription",
                                                "fullDescription",
                                                "help",
                                            ],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string", "minLength": 1},
                                                "name": {
                                                    "type": "string",
                                                    "pattern": "^[A-Za-z0-9]+$",
                                                },
                                                "shortDescription": TEXT,
                                                "fullDescription": TEXT,
                                                "help": TEXT,
                                                "defaultConfiguration": {
                                                    "type": "object",
                                                    "additionalProperties": False,
                                                    "properties": {"level": LEVEL},
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["ruleId", "message", "partialFingerprints"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": LEVEL,
                                "message": TEXT,
                                "partialFingerprints": {
                                    "type": "object",
                                    "minProperties": 1,
                                    "additionalProperties": {"type": "string"},
                                },
                                "locations": {
                                    "type": "array",
                                    "minItems": 1,
                                    "items": {
                                        "type": "object",
                                        "required": ["physicalLocation"],
                                        "additionalProperties": False,
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation"],
                                                "additionalProperties": False,
                                                "properties": {
                                                    "artifactLocation": {
                                                        "type": "object",
                                                        "required": ["uri"],
                                                        "additionalProperties": False,
                                                        "properties": {
                                                            "uri": {
                                                                "type": "string",
                                                                "pattern": "^[!-~]*$",
                                                            },
                                                            "uriBaseId": {"type": "string"},
                                                        },
                                                    },
                                                    "region": {
                                                        "type": "object",
                                                        "required": ["startLine"],
                                                        "additionalProperties": False,
                                                        "properties": {
                                                            "startLine": COUNT,
                                                            "startColumn": COUNT,
                                                            "endLine": COUNT,
                                                            "endColumn": COUNT,
                                                        },
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}
"""The part of SARIF 2.1.0 that is written here: narrower than the standard, nothing else comes."""


def finding(**others: object) -> Finding:
    """A finding with some of its fields."""
    fields: dict[str, object] = {
        "rule": "WP002",
        "level": Level.WARNING,
        "message": "not in order",
        "file": "prompts/triage.prompt",
        "line": 3,
    }
    return Finding(**(fields | others))  # type: ignore[arg-type]


def run_of(*findings: Finding, prefix: str = "") -> dict[str, Any]:
    """The one run of the document, which has the standard's shape."""
    text = to_sarif(findings, RULES, prefix=prefix)
    assert text.isascii()
    document: dict[str, Any] = json.loads(text)
    jsonschema.Draft202012Validator(SHAPE).validate(document)
    (run,) = document["runs"]
    return dict(run)


def test_a_finding_names_its_rule_level_place_and_text() -> None:
    """What a service shows beside the line."""
    run = run_of(finding(column=5, end_column=9, hint="sort them"), prefix="apps/my desk/")
    (result,) = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "WP002"
    assert result["level"] == "warning"
    assert result["message"]["text"] == "not in order. sort them"
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {
            "uri": "apps/my%20desk/prompts/triage.prompt",
            "uriBaseId": "%SRCROOT%",
        },
        "region": {"startLine": 3, "startColumn": 5, "endColumn": 9},
    }


def test_every_rule_is_described_even_without_findings() -> None:
    """A run that found nothing still says what it looked for."""
    run = run_of()
    assert run["results"] == []
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["WP001", "WP002"]
    assert run["tool"]["driver"]["rules"][0] == {
        "id": "WP001",
        "name": "VolatilePrefix",
        "shortDescription": {"text": "Volatile prefix"},
        "fullDescription": {"text": "It costs."},
        "help": {"text": "It costs. Move it.", "markdown": "It costs.\n\nMove it."},
        "defaultConfiguration": {"level": "error"},
    }


def test_a_finding_of_a_whole_file_has_no_region_and_one_of_no_file_no_location() -> None:
    """A line 0 would be refused by the services."""
    whole, nowhere = run_of(finding(line=0), finding(file="", line=0))["results"]
    assert "region" not in whole["locations"][0]["physicalLocation"]
    assert "locations" not in nowhere


def prints(*findings: Finding) -> list[str]:
    """The fingerprints of the findings."""
    return [
        item["partialFingerprints"]["primaryLocationLineHash"]
        for item in run_of(*findings)["results"]
    ]


def test_the_fingerprint_stays_when_the_line_moves_or_the_words_change() -> None:
    """Or a service would open the same alert again with every edit above it."""
    before = prints(finding(key="tool a"))
    assert prints(finding(key="tool a", line=99, column=4, message="12 tokens more")) == before
    assert prints(finding(key="tool b")) != before
    assert prints(finding(key="tool a", file="prompts/b.prompt")) != before
    assert prints(finding(key="tool a", rule="WP001")) != before
    assert prints(finding()) != prints(finding(message="something else"))


def test_equal_findings_are_numbered() -> None:
    """Two of the same kind in one file are two alerts."""
    first, second = prints(finding(key="x"), finding(key="x", line=8))
    assert first != second
    assert first.partition(":")[0] == second.partition(":")[0]


def test_a_finding_of_an_unknown_rule_is_a_bug() -> None:
    """It could not be described."""
    with pytest.raises(KeyError):
        to_sarif([finding(rule="WP999")], RULES)


@given(message=st.text(min_size=1), file=st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_text_gives_a_valid_document(message: str, file: str) -> None:
    """Untrusted names and messages, half characters included."""
    (result,) = run_of(finding(message=message, file=file))["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert unquote(uri) == file
    assert result["message"]["text"].encode()
