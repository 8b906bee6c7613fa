"""The file of one frozen version: what is hashed on the first line, the source on the second.

    {"behaviour":{…canonical…},
    "source":{"files":{…},"owners":[…],…}}

It is one JSON object, and the hash can be checked without decoding it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from wai_ops.core.errors import DataError
from wai_ops.prompts.frontmatter import FrontMatter, Parameters, Variable, VariableType
from wai_ops.prompts.includes import Span
from wai_ops.prompts.source import Include, Section, Source
from wai_ops.prompts.version import FORMAT, canonical, compact

_HEAD = b'{"behaviour":'
_MIDDLE = b',\n"source":'
_TAIL = b"}\n"
MAX_BYTES = 64 * 1024 * 1024
"""More than any prompt can come to: a character takes at most six bytes, twice."""


def to_bytes(source: Source) -> bytes:
    """Write a version: the same source gives the same bytes, whoever freezes it when."""
    front = source.front
    kept = {
        "description": front.description,
        "owners": list(front.owners),
        "tags": list(front.tags),
        "variables": {
            name: item.description
            for name, item in sorted((front.variables or {}).items())
            if item.description
        },
        "includes": {item.path: item.sha256 for item in source.includes},
        "lines": [
            [item.line, *([span.start, span.path, span.line, span.column] for span in item.spans)]
            for item in source.sections
        ],
        "files": dict(source.files),
    }
    return _HEAD + canonical(source) + _MIDDLE + compact(kept) + _TAIL


def behaviour_part(content: bytes) -> bytes | None:
    """The bytes that were hashed; None when the file does not look like a version."""
    if not content.startswith(_HEAD):
        return None
    end = content.find(_MIDDLE)
    return None if end < 0 else content[len(_HEAD) : end]


def behaviour_digest(content: bytes) -> str | None:
    """The SHA-256 of the hashed part; None when the file does not look like a version."""
    part = behaviour_part(content)
    return None if part is None else hashlib.sha256(part).hexdigest()


def files_of(content: bytes) -> Mapping[str, str]:
    """The texts that a version was made of. Raises KeyError, TypeError, ValueError."""
    found = json.loads(content)["source"]["files"]
    return {str(path): str(text) for path, text in found.items()}


def to_source(name: str, content: bytes, where: str) -> Source:
    """Read a version back. Raises DataError when it is none that this program understands."""
    try:
        data = json.loads(content)
        behaviour, kept = data["behaviour"], data["source"]
        if behaviour["format"] != FORMAT:
            raise DataError(
                "is of a format that this version of wai does not know",
                where=where,
            )
        return _source(name, behaviour, kept)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"is not a frozen version ({type(error).__name__})", where=where) from error


def _source(name: str, behaviour: Mapping[str, Any], kept: Mapping[str, Any]) -> Source:
    files: dict[str, str] = kept["files"]
    sections = []
    for item, (line, *spans) in zip(behaviour["sections"], kept["lines"], strict=True):
        places = tuple(Span(*span) for span in spans)
        sections.append(Section(role=item["role"], text=item["text"], line=line, spans=places))
    return Source(
        name=name,
        path=f"prompts/{name}.prompt",
        raw=next(iter(files.values())).encode("utf-8"),
        front=_front(behaviour, kept),
        sections=tuple(sections),
        includes=tuple(Include(path=path, sha256=sha) for path, sha in kept["includes"].items()),
        files=files,
    )


def _front(behaviour: Mapping[str, Any], kept: Mapping[str, Any]) -> FrontMatter:
    parameters = dict(behaviour["parameters"])
    if "stop" in parameters:
        parameters["stop"] = tuple(parameters["stop"])
    variables = behaviour["variables"]
    return FrontMatter(
        model=behaviour["model"],
        route=behaviour["route"],
        parameters=Parameters(**parameters),
        variables=None
        if variables is None
        else {
            name: Variable(
                name=name,
                type=VariableType(item["type"]),
                required=item["required"],
                default=item["default"],
                description=kept["variables"].get(name, ""),
            )
            for name, item in variables.items()
        },
        tools=tuple(behaviour["tools"]),
        output_schema=behaviour["output_schema"],
        envelope=behaviour["envelope"],
        owners=tuple(kept["owners"]),
        description=kept["description"],
        tags=tuple(kept["tags"]),
    )
