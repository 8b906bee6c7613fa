"""SARIF 2.1.0, the format in which code scanning services read findings."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from wai_ops._version import __version__
from wai_ops.core.findings import Finding, Rule
from wai_ops.render.values import without_surrogates

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_BASE = "%SRCROOT%"


def to_sarif(findings: Sequence[Finding], rules: Sequence[Rule], *, prefix: str = "") -> str:
    """Return one run with every rule and a result a finding, as ASCII JSON.

    `prefix` is the way from the root of the repository to the folder that files are relative to.
    Raises KeyError for a finding whose rule is not among the rules.
    """
    places = {rule.id: place for place, rule in enumerate(rules)}
    seen: Counter[str] = Counter()
    run = {
        "tool": {
            "driver": {
                "name": "wai",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(item, places[item.rule], prefix, seen) for item in findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        # Services expect a name without dashes.
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.name.replace("-", " ").capitalize()},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why} {rule.fix}", "markdown": f"{rule.why}\n\n{rule.fix}"},
        "defaultConfiguration": {"level": rule.level.value},
    }


def _result(finding: Finding, place: int, prefix: str, seen: Counter[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": place,
        "level": finding.level.value,
        "message": {"text": without_surrogates(finding.text)},
        "partialFingerprints": {"primaryLocationLineHash": _fingerprint(finding, prefix, seen)},
    }
    if finding.file:
        uri = quote(os.fsencode(prefix + finding.file))
        physical: dict[str, Any] = {"artifactLocation": {"uri": uri, "uriBaseId": _BASE}}
        if finding.line:
            physical["region"] = _region(finding)
        result["locations"] = [{"physicalLocation": physical}]
    return result


def _region(finding: Finding) -> dict[str, int]:
    region = {"startLine": finding.line}
    if finding.column:
        region["startColumn"] = finding.column
    if finding.end_line > finding.line:
        region["endLine"] = finding.end_line
    if finding.end_column:
        region["endColumn"] = finding.end_column
    return region


def _fingerprint(finding: Finding, prefix: str, seen: Counter[str]) -> str:
    """Equal from run to run while the finding is the same, wherever its line has moved to."""
    about = json.dumps([finding.rule, prefix + finding.file, finding.key or finding.message])
    digest = hashlib.sha256(about.encode()).hexdigest()[:32]
    seen[digest] += 1
    return f"{digest}:{seen[digest]}"
