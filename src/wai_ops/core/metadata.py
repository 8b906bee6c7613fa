"""The five-key metadata contract: what `wai` puts into `cf-aig-metadata`, and how it is read back.

AI Gateway keeps at most five entries, silently drops the rest, and loses all of them when one
value is null or nested. So there are exactly five keys, all flat strings, and this module is the
only place that encodes, decodes or judges them.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

KEYS = ("tenant", "workflow", "conversation", "prompt", "trace")
MAX_ENTRIES = 5
_LINEAGE = re.compile(r"(?P<id>.+)\.(?P<turn>\d+)\.(?P<attempt>\d+)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """One request's labels. `turn_index` counts from 0, `attempt` from 1; `trace` is the run id."""

    tenant: str
    workflow: str
    conversation_id: str
    turn_index: int
    attempt: int
    prompt_name: str
    prompt_version: str
    trace: str


def encode(metadata: Metadata) -> dict[str, str]:
    """Return the five flat string entries, in the contract's order."""
    return {
        "tenant": metadata.tenant,
        "workflow": metadata.workflow,
        "conversation": f"{metadata.conversation_id}.{metadata.turn_index}.{metadata.attempt}",
        "prompt": f"{metadata.prompt_name}@{metadata.prompt_version}",
        "trace": metadata.trace,
    }


def to_header(metadata: Metadata) -> str:
    """Return the header's value: compact ASCII JSON."""
    return json.dumps(encode(metadata), separators=(",", ":"))


def problems(entries: Any) -> list[str]:
    """Say everything that keeps `entries` from being a valid contract; an empty list means none."""
    if not isinstance(entries, dict):
        return ["metadata is not an object"]
    found = []
    if len(entries) > MAX_ENTRIES:
        found.append(f"{len(entries)} entries: the gateway keeps {MAX_ENTRIES} and drops the rest")
    found += [f"key {key!r} is missing" for key in KEYS if key not in entries]
    found += [f"key {key!r} is not part of the contract" for key in entries if key not in KEYS]
    for key, value in entries.items():
        if value is None or isinstance(value, dict | list):
            found.append(f"key {key!r} is null or nested: the gateway drops all metadata")
        elif not isinstance(value, str):
            found.append(f"key {key!r} is not a string")
    if not found:
        if not _LINEAGE.match(entries["conversation"]):
            found.append("key 'conversation' is not <conversation>.<turn>.<attempt>")
        if "@" not in entries["prompt"]:
            found.append("key 'prompt' is not <name>@<version>")
    return found


def decode(entries: Any) -> Metadata:
    """Read the contract back, from an object or from its JSON text. Raises ValueError."""
    if isinstance(entries, str):
        try:
            entries = json.loads(entries)
        except RecursionError as error:
            raise ValueError("metadata is nested too deeply") from error
    if found := problems(entries):
        raise ValueError("; ".join(found))
    lineage = _LINEAGE.match(entries["conversation"])
    assert lineage is not None
    name, _, version = entries["prompt"].rpartition("@")
    return Metadata(
        tenant=entries["tenant"],
        workflow=entries["workflow"],
        conversation_id=lineage["id"],
        turn_index=int(lineage["turn"]),
        attempt=int(lineage["attempt"]),
        prompt_name=name,
        prompt_version=version,
        trace=entries["trace"],
    )
