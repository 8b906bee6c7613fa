"""The lines of `prompts.lock`: each is a key that says what it is, and a value.

    triage@3: {sha256: …, file_sha256: …, frozen_at: …, author: …, message: …}
    triage@production: 3
    triage@production canary: {version: 4, percent: 10, started_at: …, author: …}
    triage@production approved 3 at 2026-11-23T12:00:00Z: {approved_by: …}
    triage@production released 3 at 2026-11-23T12:00:00Z: {previous: 2, author: …, message: …}
    triage@production withdrawn at 2026-11-23T12:00:00Z: {previous: 3, author: …}

No line depends on the lines around it, so a merge that keeps the lines of both branches is right
whatever order it puts them in, and a line that both branches have is one key twice.
"""

import re
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from wai_ops.config.scalars import resolve_plain
from wai_ops.prompts.lockfile import Approval, Canary, FrozenVersion, Release
from wai_ops.prompts.names import is_label, is_prompt_name

_NUMBERS = frozenset({"version", "previous", "percent"})
_HEX = re.compile(r"[0-9a-f]{64}\Z")
_ESCAPE = re.compile(r'\\(?:["\\]|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))')
_NUMBER = r"[1-9]\d{0,8}"
_KEY = re.compile(
    rf"(?P<name>[^@\s]+)@(?:(?P<number>{_NUMBER})|(?P<label>[^@\s]+)"
    rf"(?: (?P<event>canary|(?P<what>approved (?P<approved>{_NUMBER})|released (?P<released>"
    rf"{_NUMBER})|withdrawn) at (?P<at>\S+)(?: \(\d+\))?))?)"
)
_FROM_KEY = {
    FrozenVersion: {"version"},
    Canary: {"label"},
    Approval: {"label", "version", "approved_at"},
    Release: {"label", "version", "released_at"},
}
"""What the key of a line says; the value has the rest."""


def version_line(name: str, item: FrozenVersion) -> str:
    """A frozen version."""
    return f"{name}@{item.version}: {_mapping(item)}"


def label_line(name: str, label: str, number: int, sha256: str | None) -> str:
    """A label; the start of the hash is for whoever reviews it."""
    shown = f"  # sha256:{sha256[:12]}" if sha256 else ""
    return f"{name}@{label}: {number}{shown}"


def event_line(name: str, item: Canary | Approval | Release, again: int) -> str:
    """Something that happened to a label; `again` counts events with the same key before it."""
    key = f"{name}@{item.label} "
    if isinstance(item, Canary):
        return f"{key}canary: {_mapping(item)}"
    if isinstance(item, Approval):
        key += f"approved {item.version} at {time_text(item.approved_at)}"
    elif item.version is None:
        key += f"withdrawn at {time_text(item.released_at)}"
    else:
        key += f"released {item.version} at {time_text(item.released_at)}"
    return f"{key}{f' ({again + 1})' if again else ''}: {_mapping(item)}"


def _mapping(record: Any) -> str:
    left_out = _FROM_KEY[type(record)]
    values = (
        (item.name, getattr(record, item.name))
        for item in fields(record)
        if item.name not in left_out
    )
    shown = (f"{name}: {_scalar(value)}" for name, value in values if value is not None)
    return f"{{{', '.join(shown)}}}"


def _scalar(value: Any) -> str:
    if isinstance(value, datetime):
        return time_text(value)
    # Hashes are quoted, too: 1e5… would be a number.
    return str(value) if isinstance(value, int) else quoted(value)


def read_line(key: str, value: Any) -> tuple[str, Any] | str:
    """Understand one decoded line: the prompt and the record, or what is wrong with it.

    A label comes as `(label, number)`, everything else as the record that it is.
    """
    match = _KEY.fullmatch(key)
    if match is None or not is_prompt_name(match["name"]):
        return f"`{key}` is not a line of a prompt, such as triage@3"
    label = match["label"]
    if label is not None and not is_label(label):
        return f"`{label}` is not a label"
    if label is not None and match["event"] is None:
        problem = _problem("version", value)
        return f"{key}: {problem}" if problem else (match["name"], (label, value))
    record, problem = _record(match, value)
    return f"{key}: {problem}" if record is None else (match["name"], record)


def _record(match: re.Match[str], value: Any) -> tuple[Any, str]:
    given: dict[str, Any] = {"label": match["label"]}
    if match["number"]:
        return make_record(FrozenVersion, {"version": int(match["number"])}, value)
    if match["event"] == "canary":
        return make_record(Canary, given, value)
    at = parse_time(match["at"])
    if at is None:
        return None, "its key has no time such as 2026-01-31T12:00:00Z"
    if match["approved"]:
        given |= {"version": int(match["approved"]), "approved_at": at}
        return make_record(Approval, given, value)
    released = match["released"]
    given |= {"version": int(released) if released else None, "released_at": at}
    return make_record(Release, {"previous": None} | given, value)


def make_record(cls: Any, given: dict[str, Any], values: Any) -> tuple[Any, str]:
    """Make a record of its key and value: it and no problem, or None and the problem."""
    if not isinstance(values, dict):
        return None, "must be a mapping"
    known = [item.name for item in fields(cls)]
    decoded = dict(given)
    for name, value in values.items():
        if name not in known or name in _FROM_KEY[cls]:
            return None, f"unknown key `{name}`"
        if problem := _problem(name, value):
            return None, f"{name} {problem}"
        decoded[name] = parse_time(value) if name.endswith("_at") else value
    try:
        return cls(**decoded), ""
    except TypeError:
        missing = next(name for name in known if name not in decoded)
        return None, f"`{missing}` is missing"


def _problem(name: str, value: Any) -> str | None:
    if name in _NUMBERS:
        most = 99 if name == "percent" else 999_999_999
        fits = type(value) is int and 1 <= value <= most
        return None if fits else f"must be a whole number between 1 and {most}"
    if not isinstance(value, str):
        return "must be text"
    if name.endswith("_at") and parse_time(value) is None:
        return "must be a time such as 2026-01-31T12:00:00Z"
    if name.endswith("sha256") and not _HEX.match(value):
        return "must be 64 hex digits"
    return None


def time_text(at: datetime) -> str:
    """Write a time, UTC, with no more digits than it needs."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str) -> datetime | None:
    """Read a time with its offset; None for anything else."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    # Python would take any character for the T.
    return at if at.tzinfo is not None and text[10] in "T " else None


def plain_value(text: str) -> Any:
    """What a plain scalar means; None for null and where it may not stand plain."""
    try:
        return resolve_plain(text)
    except ValueError:
        return None


def quoted(text: str) -> str:
    """Write a text in double quotes; what cannot be seen is escaped."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unquoted(text: str) -> str | None:
    """Take the escapes of `quoted` out of what stands between quotes; None when it has others."""
    if "\\" not in text:
        return text
    if "\\" in _ESCAPE.sub("", text):
        return None

    def character(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        return match[0][1] if code is None else chr(int(code, 16))

    try:
        return _ESCAPE.sub(character, text)
    except (ValueError, OverflowError):
        return None
