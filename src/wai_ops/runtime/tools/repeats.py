"""Loops: the same call again and again, or the same few calls round and round."""

from dataclasses import dataclass, field

LONGEST_CYCLE = 4
"""Calls in the longest round that is looked for."""

Call = tuple[str, str]
"""A tool's name and the digest of its arguments."""


@dataclass(slots=True)
class Repeats:
    """The calls since the user's last message, in order."""

    calls: list[Call] = field(default_factory=list)
    """Only those that were let through: a refused one is no step of a loop."""

    def problem(self, call: Call, *, max_repeats: int) -> str | None:
        """Say why this call would be a loop; None when it would not. Changes nothing."""
        count = self.calls.count(call) + 1
        if count >= max_repeats:
            if max_repeats == 1:
                return "this tool may be called once"
            return f"call {count} of {call[0]} with the same arguments"
        size = self._round([*self.calls, call])
        if size is not None:
            return f"the same {size} calls again, in the same order"
        return None

    def add(self, call: Call) -> None:
        """Note a call that is let through."""
        self.calls.append(call)

    @staticmethod
    def _round(calls: list[Call]) -> int | None:
        """The length of the round of different calls that has just been gone a second time."""
        for size in range(2, LONGEST_CYCLE + 1):
            last, before = calls[-size:], calls[-2 * size : -size]
            if last == before and len(set(last)) > 1:
                return size
        return None
