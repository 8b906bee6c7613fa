"""How `wai chat` looks: the prompt, its colours, one quiet line after each answer."""

import shutil
import sys
import textwrap
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from wai_ops.core.money import CostState
from wai_ops.core.text import one_line
from wai_ops.runtime.conversation_text import usd

if TYPE_CHECKING:
    from wai_ops.core.records import AttemptRecord
    from wai_ops.runtime.exchange import Exchange

_BOLD, _DIM, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"


class Screen:
    """Writes what is no answer, on stderr. Plain lines where there is no terminal."""

    def __init__(self, environ: Mapping[str, str], *, is_quiet: bool) -> None:
        """Colours only on a terminal that shows them, and never against `NO_COLOR`."""
        is_plain = bool(environ.get("NO_COLOR")) or environ.get("TERM", "dumb") == "dumb"
        self.has_colour = sys.stderr.isatty() and not is_plain
        self._is_quiet = is_quiet

    def prompt(self, goes_on: bool) -> str:
        """What stands in front of what is typed; readline must not count the colours."""
        text = "... " if goes_on else "you> "
        if not (self.has_colour and sys.stdout.isatty()):
            return text
        return f"\x01{_BOLD}\x02{text}\x01{_RESET}\x02"

    def quiet(self, text: str) -> None:
        """A line that may be passed over: nothing with `--quiet`."""
        if not self._is_quiet:
            self.line(text)

    def line(self, text: str) -> None:
        """One line, whatever the text holds."""
        from wai_ops.cli.diagnostics import hide_secrets

        safe = self._broken(one_line(hide_secrets(text), 2000))
        sys.stderr.write(f"{_DIM}{safe}{_RESET}\n" if self.has_colour else f"{safe}\n")
        sys.stderr.flush()

    def _broken(self, text: str) -> str:
        """Break between words where a terminal would break anywhere."""
        if not sys.stderr.isatty():
            return text
        return textwrap.fill(text, shutil.get_terminal_size().columns, break_on_hyphens=False)

    def lines(self, texts: list[str]) -> None:
        """Several lines that somebody asked for, their indentation kept."""
        from wai_ops.cli.diagnostics import hide_secrets

        for text in texts:
            indent = len(text) - len(text.lstrip(" "))
            safe = " " * indent + one_line(hide_secrets(text), 2000)
            # Columns of a page are kept; only what is too long for the terminal is broken.
            is_long = len(safe) > shutil.get_terminal_size().columns
            sys.stderr.write(f"{self._broken(safe) if is_long else safe}\n")
        sys.stderr.flush()


def summary_line(done: "Exchange") -> str:
    """What an exchange took, in one line; what is unknown is said to be unknown."""
    records = [step.attempts[-1] for step in done.steps]
    last = records[-1]
    parts = [_tokens(records), _money(records)]
    if last.ttft_ms is not None:
        parts.append(f"TTFT {last.ttft_ms / 1000:.2f} s")
    cache = last.affinity_result or "no answer"
    parts.append(f"{cache} ({last.affinity_cause})" if last.affinity_cause else cache)
    if len(records) > 1:
        parts.append(f"{len(records)} requests")
    return "[" + "; ".join(parts) + "]"


def _tokens(records: "list[AttemptRecord]") -> str:
    if any(record.input_tokens is None for record in records):
        return "tokens not reported"
    cached = sum(record.cached_input_tokens or 0 for record in records)
    sent = sum(record.input_tokens or 0 for record in records)
    out = sum(record.output_tokens or 0 for record in records)
    return f"{sent:,} in ({cached:,} cached), {out:,} out"


def _money(records: "list[AttemptRecord]") -> str:
    if any(record.cost_usd is None for record in records):
        return "cost unknown"
    if all(record.cost_state == CostState.NONE for record in records):
        return "not billed"
    total = sum((record.cost_usd or Decimal(0) for record in records), Decimal(0))
    return usd(total) + (" at list price" if records[-1].target == "local" else "")
