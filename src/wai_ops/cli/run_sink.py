"""What a run shows on the terminal while it happens."""

import sys
from typing import TYPE_CHECKING, Any

from wai_ops.cli import diagnostics

if TYPE_CHECKING:
    from wai_ops.cloudflare.decode import Delta


class TerminalSink:
    """Shows a run on the terminal while it happens."""

    def __init__(self, *, as_json: bool, reasoning: bool) -> None:
        """`as_json`: the answer is printed later, as a whole."""
        self._as_json = as_json
        self._reasoning = reasoning
        self._ends_line = True
        self._wrote_reasoning = False
        self._held = ""
        # A stdout that cannot encode a character must not end a paid answer.
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")

    def delta(self, delta: "Delta") -> None:
        """Show a piece of the answer."""
        from wai_ops.core.text import printable

        if delta.kind == "reasoning" and self._reasoning:
            sys.stderr.write(self._on_stderr(printable(delta.text)))
            sys.stderr.flush()
            self._wrote_reasoning = True
        elif delta.kind == "text" and not self._as_json:
            if self._wrote_reasoning:
                sys.stderr.write(self._held + "\n")
                self._held = ""
                self._wrote_reasoning = False
            sys.stdout.write(printable(delta.text))
            sys.stdout.flush()
            self._ends_line = delta.text.endswith("\n")

    def _on_stderr(self, text: str) -> str:
        """Mask known credentials; the beginning of one is held back until it is told apart."""
        text = diagnostics.hide_secrets(self._held + text)
        held = max((_overlap(text, form) for form in diagnostics.secret_forms()), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def notice(self, text: str) -> None:
        """Show a message on a line of its own."""
        self._end_line()
        diagnostics.note(text)

    def finish(self, tool_calls: list[dict[str, Any]]) -> None:
        """End the line; print tool calls, one JSON object a line: they are the answer."""
        self._end_line()
        for call in tool_calls:
            from wai_ops.cli.output import to_json_line

            sys.stdout.write(to_json_line(call["function"]) + "\n")
        sys.stdout.flush()

    def _end_line(self) -> None:
        if self._held:
            sys.stderr.write(self._held + "\n")
            self._held = ""
        if not self._ends_line:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._ends_line = True


def _overlap(text: str, form: str) -> int:
    """How many of the last characters may be the beginning of `form`."""
    longest = min(len(text), len(form) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(form[:size])), 0)
