"""What `wai chat` shows of an answer while it comes."""

import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wai_ops.cli.chat_wrap import Wrapper
from wai_ops.cli.run_sink import TerminalSink
from wai_ops.core.text import printable

if TYPE_CHECKING:
    from wai_ops.cloudflare.decode import Delta


class ChatSink(TerminalSink):
    """A terminal's sink that breaks lines between words; elsewhere the text stays as it came."""

    def __init__(self, *, as_json: bool, reasoning: bool) -> None:
        """Break lines only where a terminal would."""
        super().__init__(as_json=as_json, reasoning=reasoning)
        self._breaks_lines = sys.stdout.isatty()
        self._wrapper: Wrapper | None = None
        self._last: Delta | None = None

    def delta(self, delta: "Delta") -> None:
        """Show a piece of the answer."""
        if delta.kind == "text" and self._breaks_lines:
            if self._wrapper is None:
                self._wrapper = Wrapper(shutil.get_terminal_size().columns)
            self._last = delta
            delta = replace(delta, text=self._wrapper.feed(printable(delta.text)))
            if not delta.text:
                return
        super().delta(delta)

    def notice(self, text: str) -> None:
        """Show a message on a line of its own."""
        self._release()
        super().notice(text)

    def finish(self, tool_calls: list[dict[str, Any]]) -> None:
        """End the line."""
        self._release()
        super().finish(tool_calls)

    def _release(self) -> None:
        """Show the last word, which was held back until it was whole."""
        wrapper, self._wrapper = self._wrapper, None
        if wrapper is not None and self._last is not None and (rest := wrapper.flush()):
            super().delta(replace(self._last, text=rest))
