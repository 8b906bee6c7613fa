"""From `name@production` to the exact prompt that is meant, and how it is named in records."""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from wai_ops.core.errors import DeniedError
from wai_ops.core.text import one_line
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.lockfile import Canary, FrozenVersion, Lock, PromptLock
from wai_ops.prompts.names import check_prompt_name, is_label
from wai_ops.prompts.release import Policy, work_refusal
from wai_ops.prompts.source import Source, load_source
from wai_ops.prompts.store import load_version
from wai_ops.prompts.version import work_version

DEFAULT_LABEL = "production"
_NUMBER = re.compile(r"[1-9]\d{0,8}\Z", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{8,64}\Z")
_HASH_WORD = "sha256:"


class Kind(StrEnum):
    """How a reference names a version."""

    BARE = "bare"
    VERSION = "version"
    LABEL = "label"
    SHA256 = "sha256"
    WORK = "work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A reference as it was written, taken apart."""

    name: str
    kind: Kind = Kind.BARE
    value: str = ""
    """The number, the label, or the hex digits."""

    def __str__(self) -> str:
        """Write it as it is read."""
        if self.kind is Kind.BARE:
            return self.name
        prefix = _HASH_WORD if self.kind is Kind.SHA256 else ""
        return f"{self.name}@{prefix}{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The prompt that a reference means."""

    source: Source
    version_text: str
    """For metadata and records: the number of a frozen version, or `work-<sha12>`."""
    frozen: FrozenVersion | None
    """None for the working tree."""
    label: str | None
    """The label that led here, with its tenant if it has one."""
    is_canary: bool


def parse_reference(text: str) -> Reference:
    """Read `name`, `name@3`, `name@production`, `name@sha256:…` or `name@work`.

    Raises PromptError.
    """
    name, at, selector = text.partition("@")
    check_prompt_name(name)
    if not at:
        return Reference(name=name)
    if selector == "work":
        return Reference(name=name, kind=Kind.WORK, value="work")
    if _NUMBER.match(selector):
        return Reference(name=name, kind=Kind.VERSION, value=selector)
    digits = selector.removeprefix(_HASH_WORD)
    if digits != selector and _HASH.match(digits):
        return Reference(name=name, kind=Kind.SHA256, value=digits)
    if is_label(selector):
        return Reference(name=name, kind=Kind.LABEL, value=selector)
    raise PromptError(
        f"{one_line(text, 80)!r} is no reference to a prompt",
        hint="NAME, NAME@3, NAME@production, NAME@sha256:<8 or more digits>, or NAME@work",
    )


def resolve(
    lock: Lock,
    folder: Path,
    reference: Reference,
    *,
    conversation_id: str | None = None,
    tenant: str | None = None,
    policy: Policy | None = None,
) -> Resolved:
    """Find the prompt that a reference means.

    A label of the tenant (`production/acme`) comes before the label itself. A conversation that is
    part of a canary gets the canary's version. Raises PromptError when there is no such thing, and
    DeniedError when the policy refuses an unfrozen prompt.
    """
    known = lock.get(reference.name)
    if reference.kind is Kind.WORK:
        return _work(folder, reference, policy)
    if reference.kind is Kind.BARE:
        label = _label_for(known, DEFAULT_LABEL, tenant)
        if label is None:
            return _work(folder, reference, policy)
        return _released(folder, known, label, conversation_id)
    if reference.kind is Kind.LABEL:
        label = _label_for(known, reference.value, tenant)
        if label is None:
            raise _nothing(known, f"{reference.name} has no label {reference.value}")
        return _released(folder, known, label, conversation_id)
    frozen = _frozen(known, reference)
    return Resolved(
        source=load_version(folder, known.name, frozen.sha256, file_sha256=frozen.file_sha256),
        version_text=str(frozen.version),
        frozen=frozen,
        label=None,
        is_canary=False,
    )


def in_canary(name: str, canary: Canary, conversation_id: str) -> bool:
    """Whether a conversation belongs to a canary: the same answer on every machine and day.

    A greater percentage keeps the conversations that were in; another version draws anew.
    """
    text = f"{name}\0{canary.label}\0{canary.version}\0{conversation_id}"
    drawn = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    return drawn * 100 < canary.percent << 64


def _work(folder: Path, reference: Reference, policy: Policy | None) -> Resolved:
    if policy is not None and (refusal := work_refusal(policy)):
        raise DeniedError(
            f"{reference.name}: {refusal}",
            hint=f"freeze it and name the version: wai prompts freeze {reference.name} -m WHY",
        )
    source = load_source(folder, reference.name)
    return Resolved(
        source=source,
        version_text=work_version(source),
        frozen=None,
        label=None,
        is_canary=False,
    )


def _label_for(known: PromptLock, label: str, tenant: str | None) -> str | None:
    own = f"{label}/{tenant}"
    if tenant is not None and "/" not in label and own in known.labels:
        return own
    return label if label in known.labels else None


def _released(folder: Path, known: PromptLock, label: str, conversation_id: str | None) -> Resolved:
    number = known.labels[label]
    is_canary = False
    for canary in known.canaries:
        if canary.label == label and conversation_id is not None:
            is_canary = in_canary(known.name, canary, conversation_id)
            number = canary.version if is_canary else number
    frozen = known.version(number)
    if frozen is None:
        raise _nothing(known, f"{known.name}@{label} is version {number}, which is not frozen")
    return Resolved(
        source=load_version(folder, known.name, frozen.sha256, file_sha256=frozen.file_sha256),
        version_text=str(number),
        frozen=frozen,
        label=label,
        is_canary=is_canary,
    )


def _frozen(known: PromptLock, reference: Reference) -> FrozenVersion:
    if reference.kind is Kind.VERSION:
        frozen = known.version(int(reference.value))
        if frozen is None:
            raise _nothing(known, f"{known.name} has no version {reference.value}")
        return frozen
    found = known.by_sha256(reference.value)
    if not found:
        raise _nothing(known, f"{known.name} has no version sha256:{reference.value}")
    if len(found) > 1:
        versions = ", ".join(str(item.version) for item in found)
        raise PromptError(
            f"sha256:{reference.value} is the beginning of versions {versions}",
            hint="give more digits",
        )
    return found[0]


def _nothing(known: PromptLock, message: str) -> PromptError:
    if not known.versions:
        return PromptError(
            message, hint=f"nothing is frozen: wai prompts freeze {known.name} -m WHY"
        )
    labels = "".join(f", {label} ({number})" for label, number in sorted(known.labels.items()))
    newest = known.versions[-1].version
    return PromptError(message, hint=f"frozen: 1 to {newest}; labels: {labels[2:] or 'none'}")
