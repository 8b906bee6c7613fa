"""Server-sent events from bytes, cut anywhere: no I/O, no opinion about the content."""

import codecs
from collections.abc import Iterator

MAX_LINE = 16 * 1024 * 1024
"""Characters. A longer line, or event, is not a model's but that of a broken or hostile server."""


class SseOverflow(ValueError):  # noqa: N818 - it names what happened
    """A single line, or all lines of one event, passed `MAX_LINE`."""


class SseParser:
    """Feed bytes, get the data of complete events.

    Lines end in LF, CRLF or CR; several `data:` lines of one event are joined by a newline;
    comments, other fields and a byte order mark at the start are ignored. Bytes that are not UTF-8
    become U+FFFD.
    """

    def __init__(self) -> None:
        """Start with nothing read."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self._data: list[str] = []
        self._data_size = 0
        self._at_start = True
        self._after_cr = False

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the data of each event that `chunk` completes. Raises SseOverflow."""
        yield from self._lines(self._decoder.decode(chunk))

    def finish(self) -> Iterator[str]:
        """Yield what an unfinished last event holds: some servers end without a blank line."""
        yield from self._lines(self._decoder.decode(b"", final=True))
        if self._line:
            yield from self._end_line()
        if self._data:
            yield self._take()

    def _lines(self, text: str) -> Iterator[str]:
        if not text:
            return
        if self._at_start:
            text, self._at_start = text.removeprefix("\ufeff"), False
        if self._after_cr:
            text = text.removeprefix("\n")  # the second half of a CRLF that was cut in two
        self._after_cr = text.endswith("\r")
        pieces = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for piece in pieces[:-1]:
            self._line += piece
            yield from self._end_line()
        self._line += pieces[-1]
        if len(self._line) + self._data_size > MAX_LINE:
            raise SseOverflow(f"an event of the stream is longer than {MAX_LINE} characters")

    def _end_line(self) -> Iterator[str]:
        line, self._line = self._line, ""
        if not line:
            if self._data:
                yield self._take()
        elif line.startswith("data:"):
            self._data.append(line[5:].removeprefix(" "))
            self._data_size += len(line)

    def _take(self) -> str:
        data = "\n".join(self._data)
        self._data.clear()
        self._data_size = 0
        return data
