"""Bodies of several parts, read from memory: nothing is spooled to files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks


class MultipartError(ValueError):
    """The body is not what its content type says."""


@dataclass(slots=True)
class Part:
    """One part; `content_type` is empty when it says none."""

    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""

    @property
    def name(self) -> str:
        """Of the form field."""
        return self._disposition("name")

    @property
    def file_name(self) -> str:
        """Empty for a field that is no file."""
        return self._disposition("filename")

    @property
    def content_type(self) -> str:
        """Without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def _disposition(self, option: str) -> str:
        _, options = parse_options_header(self.headers.get("content-disposition", ""))
        return options.get(option.encode(), b"").decode("utf-8", "replace")


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
        self.parts.append(Part())
        self._pieces = []

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        name = self._name.decode("latin-1").lower()
        self.parts[-1].headers[name] = self._value.decode("utf-8", "replace")
        self._name = self._value = b""

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(data[start:end])

    def _end(self) -> None:
        self.parts[-1].content = b"".join(self._pieces)

    def _finish(self) -> None:
        self.is_complete = True
