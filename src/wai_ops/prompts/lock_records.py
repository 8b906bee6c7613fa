"""The records of `prompts.lock` and their scalars: how each is spelled, and what it must hold."""

import re
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from wai_ops.config.scalars import resolve_plain
from wai_ops.prompts.lockfile import Approval, Canary, FrozenVersion, Release
from wai_ops.prompts.names import is_label

RECORDS: dict[str, Any] = {
    "versions": FrozenVersion,
    "canaries": Canary,
    "approvals": Approval,
    "releases": Release,
}
"""The lists of a block, in their order, and what they are lists of."""
_NUMBERS = frozenset({"version", "previous", "percent"})
_HEX = re.compile(r"[0-9a-f]{64}\Z")
_ESCAPE = re.compile(r'\\(?:["\\]|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))')


def record_text(record: Any) -> str:
    """Write a record on one line; what is None is left out."""
    values = ((item.name, getattr(record, item.name)) for item in fields(record))
    shown = (f"{name}: {_scalar(name, value)}" for name, value in values if value is not None)
    return f"{{{', '.join(shown)}}}"


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, int) or name.endswith("sha256"):
        return str(value)
    return quoted(value)


def make_record(cls: Any, values: Any) -> tuple[Any, str]:
    """Make a record of decoded data: it and no problem, or None and the problem."""
    if not isinstance(values, dict):
        return None, "must be a mapping"
    known = {item.name: item for item in fields(cls)}
    decoded: dict[str, Any] = dict.fromkeys(("version", "previous")) if cls is Release else {}
    for name, value in values.items():
        if name not in known:
            return None, f"unknown key `{name}`"
        if problem := _problem(name, value):
            return None, f"{name}: {problem}"
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
    if name == "label" and not is_label(value):
        return "must be a label"
    return None


def parse_time(text: str) -> datetime | None:
    """Read a time with its offset; None for anything else."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def key_text(text: str) -> str:
    """A name as a key of YAML: in quotes where plain it would be a number or a boolean."""
    return text if isinstance(plain_value(text), str) else f'"{text}"'


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
