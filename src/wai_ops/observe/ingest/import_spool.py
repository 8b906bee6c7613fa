"""Where adapters put what they made of a file: rows, tool calls, bodies, and bad lines.

The files lie on a disk until the ledger has read them, longer when the import is killed. So nothing
is written to them before redaction has seen it.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec

from wai_ops.observe.ledger.masking import RowMasker
from wai_ops.observe.redact.engine import Redactor

MOST_QUARANTINED = 1000
"""Bad lines of one file that are kept; the others are counted."""
CONTENT_CHARACTERS = 500
_LONGEST_REDACTED = 16 * 1024
_DIGEST = "arguments_sha256"
"""Of a tool call: ours, and as long as what may be an encoded secret."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """One line that could not be read, and why. `content` is redacted and cut."""

    line: int
    reason: str
    content: str


@dataclass
class Spool:
    """The files that one source turns into. Use as a context; then look at paths and counts."""

    folder: Path
    redactor: Redactor
    row_count: int = 0
    tool_call_count: int = 0
    body_count: int = 0
    bad_count: int = 0
    ignored_count: int = 0
    """What is well made and no model call, such as other spans of a trace."""
    bad: list[BadLine] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    """For each spooled row the line that it came from."""
    _files: dict[str, BinaryIO] = field(default_factory=dict)
    _encoder: msgspec.json.Encoder = field(default_factory=msgspec.json.Encoder)
    _masker: RowMasker = field(init=False)

    def __post_init__(self) -> None:
        """Mask with the same redactor that counts."""
        self._masker = RowMasker(self.redactor)

    def path_of(self, kind: str) -> Path:
        """Where the rows of a kind (`rows`, `tools`, `bodies`) are."""
        return self.folder / f"{kind}-spool.ndjson"

    def row(self, line: int, row: Mapping[str, Any], *, own_id: str | None = None) -> None:
        """Add a gateway row that was made of what the file says; `own_id`: an id that we made.

        Raises ValueError when it is no JSON that can be written.
        """
        cost = row.get("cost")
        if isinstance(cost, Decimal):  # as digits: an exponent is a number that not all can read
            row = {**row, "cost": msgspec.Raw(format(cost, "f").encode())}
        text = self._encoded(row)
        is_clean = self._masker.is_clean(row, own_id)
        self._add(line, text if is_clean else self._masker.masked(text))

    def given_row(self, line: int, row: Mapping[str, Any]) -> None:
        """Add a gateway row as the file gives it. Raises ValueError as `row` does."""
        self._add(line, self._masker.line(self._encoded(row)))

    def raw_row(self, line: int, text: bytes) -> None:
        """Add a gateway row that is one line of the file; as it stands unless it is suspected."""
        self._add(line, self._masker.line(text))

    def tool_call(self, row: Mapping[str, Any]) -> None:
        """Add a row of `tool_call`."""
        texts = {key: text for key, text in row.items() if isinstance(text, str) and key != _DIGEST}
        if self.redactor.may_change_any([*texts.values()]):
            row = {**row, **{key: self.redactor.text(text) for key, text in texts.items()}}
        self._write("tools", self._encoded(row))
        self.tool_call_count += 1

    def body(self, row: Mapping[str, Any]) -> None:
        """Add a row of `body`, redacted already."""
        self._write("bodies", self._encoded(row))
        self.body_count += 1

    def reject(self, line: int, reason: str, content: bytes | str = "") -> None:
        """Note a line that could not be read. The reason may quote it."""
        self.bad_count += 1
        if len(self.bad) >= MOST_QUARANTINED:
            return
        if isinstance(content, bytes):
            content = content[:_LONGEST_REDACTED].decode("utf-8", "replace")
        shown = self.redactor.text(content[:_LONGEST_REDACTED])[:CONTENT_CHARACTERS]
        reason = self.redactor.text(reason)
        self.bad.append(BadLine(line, reason, shown.encode("utf-8", "replace").decode()))

    def _add(self, line: int, text: bytes) -> None:
        self._write("rows", text)
        self.lines.append(line)
        self.row_count += 1

    def _encoded(self, row: Mapping[str, Any]) -> bytes:
        try:
            return self._encoder.encode(row)
        except (UnicodeEncodeError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"cannot be kept: {type(error).__name__}") from error

    def _write(self, kind: str, text: bytes) -> None:
        self._file(kind).write(text + b"\n")

    def _file(self, kind: str) -> BinaryIO:
        if kind not in self._files:
            self._files[kind] = self.path_of(kind).open("wb")
        return self._files[kind]

    def __enter__(self) -> Self:
        """Files are made when they are first written to."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
