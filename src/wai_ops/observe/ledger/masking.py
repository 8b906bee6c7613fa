"""Log rows on their way to a file that waits for the ledger: masked before they are written.

The ledger masks again what it loads. That changes nothing then: a mask is hidden from all rules.
"""

from collections.abc import Mapping
from types import NoneType
from typing import Any

import msgspec

from wai_ops.core.clock import parse_utc
from wai_ops.core.metadata import KEYS
from wai_ops.observe.ledger.lines import SEPARATOR, TEXTS, LogLine, Timings, Usage
from wai_ops.observe.redact.engine import Redactor

_TEXTS = frozenset(TEXTS)
_LABELS = frozenset(KEYS)
_FIELDS = frozenset(LogLine.__struct_fields__)
_PARTS = {
    "usage_metadata": frozenset(Usage.__struct_fields__),
    "timings": frozenset(Timings.__struct_fields__),
}
_USUAL = ("provider", "model", "path", "request_type", "model_type", "gateway", "user_agent")
"""Fields of a row that say the same in many rows."""
_AS_GIVEN = ("model", "path", "gateway")
"""Fields that may be no text in a row that we made, because the file had something else there."""
_LEARNT_FROM = 64
"""Of so many rows one."""
_MOST_USUAL = 1000
_LONGEST_USUAL = 200
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


class RowMasker:
    """Masks rows for one import or batch."""

    def __init__(self, redactor: Redactor) -> None:
        """Mask, and count what is masked, with this redactor."""
        self._redactor = redactor
        self._usual: set[str] = set()
        """Texts that would not change."""
        self._row_count = 0

    def is_clean(self, row: Mapping[str, Any], own_id: str | None = None) -> bool:
        """Whether no text of a row that we made would change; `own_id`: an id that we made.

        The names of such a row are ours, but for those of the metadata, and its time is a time.
        """
        usual, at = self._usual, row["created_at"]
        texts = [
            value
            for value in row.values()
            if type(value) is str and value not in usual and value is not at and value is not own_id
        ]
        labels = row.get("metadata")
        if labels is not None and type(labels) is not str:
            texts += _texts_in(labels)
        for name in _AS_GIVEN:
            if type(row.get(name)) not in {str, NoneType}:
                return False
        if self._redactor.may_change_any(texts):
            return self._is_clean_but_for_usual(row, texts)
        if self._row_count % _LEARNT_FROM == 0 and len(usual) < _MOST_USUAL:
            usual.update(text for text in map(row.get, _USUAL) if type(text) is str)
        self._row_count += 1
        return True

    def _is_clean_but_for_usual(self, row: Mapping[str, Any], texts: list[str]) -> bool:
        """The name of a model may look like base64: it is looked at closely once."""
        known = {
            text
            for name in _USUAL
            if isinstance(text := row.get(name), str)
            and len(text) <= _LONGEST_USUAL
            and text not in self._usual
            and self._redactor.may_change(text)
            and not self._redactor.find(text.encode("utf-8", "surrogatepass"))
        }
        if not known or len(self._usual) >= _MOST_USUAL:
            return False
        self._usual |= known
        return not self._redactor.may_change_any([text for text in texts if text not in known])

    def line(self, line: bytes) -> bytes:
        """A line of JSON with its secrets masked.

        Where none is suspected it comes back as it is; else it keeps what the ledger would take of
        it: numbers to the digit, an object in the place of a text as that text. Raises
        msgspec.MsgspecError when it is no JSON object.
        """
        return self.masked(line) if self._redactor.may_change_bytes(line) else line

    def masked(self, line: bytes) -> bytes:
        """As `line`, of one that is suspected."""
        row = {
            name: self._field(name, value)
            for name, value in _members.decode(line).items()
            if name in _FIELDS
        }
        return _encoder.encode(row)

    def _field(self, name: str, value: msgspec.Raw) -> msgspec.Raw:
        if name in _TEXTS:
            return self._text(value, separator=SEPARATOR)
        if name == "metadata":
            return self._labels(value)
        if name in _PARTS and _first(value) == b"{":
            members = _members.decode(value)
            kept = {key: self._number(members[key]) for key in members if key in _PARTS[name]}
            return msgspec.Raw(_encoder.encode(kept))
        if name == "created_at" and _is_time(value):
            return value
        return self._number(value)

    def _labels(self, value: msgspec.Raw) -> msgspec.Raw:
        """The labels that the ledger knows, as an object even if they came as its text."""
        try:
            if _first(value) == b'"':
                value = msgspec.Raw(msgspec.json.decode(value, type=str).encode())
            members = _members.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return msgspec.Raw(b"null")  # the ledger finds no label in it
        found = {key: self._text(members[key]) for key in KEYS if key in members}
        return msgspec.Raw(_encoder.encode(found))

    def _text(self, value: msgspec.Raw, separator: str = "") -> msgspec.Raw:
        """A value that the ledger takes as text, whatever it is."""
        kind = _first(value)
        if kind == b"n":
            return value
        if kind == b'"':
            text = msgspec.json.decode(value, type=str)
        else:
            if kind in {b"{", b"["}:  # written anew: a name that is there twice hides a value
                value = msgspec.Raw(_encoder.encode(msgspec.json.decode(value)))
            text = bytes(value).decode()
        masked = self._redactor.text(text.replace(separator, " ") if separator else text)
        return value if masked == text else msgspec.Raw(_encoder.encode(masked))

    def _number(self, value: msgspec.Raw) -> msgspec.Raw:
        """A value that should be no text: a number stays, a text that is a number too."""
        return self._text(value) if _first(value) in {b'"', b"{", b"["} else value


def _texts_in(value: Any) -> list[str]:
    """What is to be looked at of labels, or of what stands where labels should."""
    if type(value) is dict and value.keys() <= _LABELS:
        texts = list(value.values())
        if all(type(text) is str for text in texts):
            return texts
    return [_encoder.encode(value).decode()]


def _first(value: msgspec.Raw) -> bytes:
    return bytes(memoryview(value)[:1])


def _is_time(value: msgspec.Raw) -> bool:
    try:
        parse_utc(msgspec.json.decode(value, type=str))
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return False
    return True
