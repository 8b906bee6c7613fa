"""Bodies of several parts, read from memory: nothing is spooled to files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks


class MultipartError(ValueError):
    """The body is not what its content type says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part."""

    name: str
    """Of the form field."""
    file_name: str
    """Empty for a field that is no file."""
    content_type: str
    """Without parameters, in lower case; empty when the part says none."""
    content: bytes


def is_multipart(content_type: str) -> bool:
    """Whether a Content-Type announces parts."""
    return content_type.partition(";")[0].strip().lower().startswith("multipart/")


def parse_multipart(content_type: str, body: bytes) -> list[Part]:
    """The parts in their order. Raises MultipartError."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise MultipartError("the content type names no boundary")
    collector = _Collector()
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise MultipartError(str(error)) from error
    if not collector.is_complete:
        raise MultipartError("the body ends before its last boundary")
    return collector.parts


def single(parts: Sequence[Part], name: str) -> Part | None:
    """The first part of that name."""
    return next((part for part in parts if part.name == name), None)


class _Collector:
    """Takes the parser's callbacks; names, values and contents may come in pieces."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.is_complete = False
        self._headers: dict[str, str] = {}
        self._name = b""
        self._value = b""
        self._pieces: list[bytes] = []

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_part_data": self._add_content,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._headers = {}
        self._pieces = []

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        # Whatever bytes they are: parse_options_header wants text that is one to one with them.
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._name = self._value = b""

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(data[start:end])

    def _end(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", ""))
        self.parts.append(
            Part(
                name=options.get(b"name", b"").decode("utf-8", "replace"),
                file_name=options.get(b"filename", b"").decode("utf-8", "replace"),
                content_type=self._headers.get("content-type", "")
                .partition(";")[0]
                .strip()
                .lower(),
                content=b"".join(self._pieces),
            )
        )

    def _finish(self) -> None:
        self.is_complete = True
