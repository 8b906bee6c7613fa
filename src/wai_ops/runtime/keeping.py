"""What may be kept of a run: nothing reaches live state with a credential in it.

The request is sent as the user gave it. Its stored copy, the answer and the provider's words are
masked first when they hold a known credential or the shape of one. Whether they might is told by a
cheap test, so that an ordinary run never loads the engine.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wai_ops.core.errors import UsageError
from wai_ops.core.records import AttemptRecord
from wai_ops.observe.redact.cheap import Suspicion

if TYPE_CHECKING:
    from wai_ops.observe.redact.engine import Redactor

_TOLD_BY_OTHERS = (
    "served_model",
    "error_message",
    "finish_reason",
    "log_id",
    "event_id",
    "ray_id",
)
"""The fields of a record whose text comes from the other side."""


def random_key() -> bytes:
    """A key for masks that nobody will compare."""
    return os.urandom(32)


@dataclass
class Keeper:
    """Masks what is about to be stored. `secrets`: name -> value of what this process knows."""

    secrets: Mapping[str, str] = field(default_factory=dict)
    key: Callable[[], bytes] = random_key
    """Gives the key of the masks; asked only when there is something to mask."""
    pii: bool = False

    def text(self, text: str) -> str:
        """Mask a text."""
        return self._redactor.text(text) if self._suspects(text) else text

    def json_text(self, text: str) -> str:
        """Mask comma-joined JSON values; what needs no mask keeps its spelling byte for byte."""
        if not self._suspects(text):
            return text
        values = json.loads(f"[{text}]")
        masked = [self._redactor.data(value) for value in values]
        if masked == values:
            return text
        return ",".join(
            json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in masked
        )

    def record(self, record: AttemptRecord) -> AttemptRecord:
        """Mask what the other side said in a record."""
        told = {name: getattr(record, name) for name in _TOLD_BY_OTHERS}
        said = {name: text for name, text in told.items() if text}
        if not self._suspects(" ".join(said.values())):
            return record
        masked: dict[str, Any] = {name: self._redactor.text(text) for name, text in said.items()}
        return replace(record, **masked)

    def refuse_names(self, names: Mapping[str, str]) -> None:
        """Raise UsageError for a name that is a credential: names are sent, stored and shown."""
        if not self._suspects(" ".join(names.values())):
            return
        for what, name in names.items():
            if self._redactor.text(name) != name:
                raise UsageError(
                    f"the {what} looks like a credential",
                    hint="names are sent with every call, stored and shown: choose another one",
                )

    @property
    def count(self) -> int:
        """How many masks were written."""
        return self._redactor.counts.total() if "_redactor" in self.__dict__ else 0

    def _suspects(self, text: str) -> bool:
        return self.pii or self._suspicion.of(text)

    @cached_property
    def _suspicion(self) -> Suspicion:
        return Suspicion(self.secrets.values())

    @cached_property
    def _redactor(self) -> "Redactor":
        from wai_ops.observe.redact.engine import Redactor

        return Redactor.build(self.secrets, key=self.key(), pii=self.pii)
