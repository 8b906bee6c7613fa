"""How often something cached is found, where a prompt's own traffic cannot tell."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from wai_ops.observe.reports.prompt_rows import ModelWarmth, VersionUsage


class WarmRatios:
    """How often requests on a model find something cached, where this prompt cannot tell."""

    def __init__(self, usage: Sequence[VersionUsage]) -> None:
        self._usage = [row for row in usage if row.cached_count]
        self.history: Sequence[ModelWarmth] = ()
        self.asked: set[str] = set()
        self.asked_history: set[str] = set()

    def of(self, model: str) -> Decimal:
        """Of requests that begin a conversation with a prefix that can be cached."""
        self.asked.add(model)
        rows = [row for row in self._usage if row.model == model]
        return _share(sum(row.cached_count for row in rows), sum(row.call_count for row in rows))

    def of_history(self, model: str) -> Decimal:
        """Of requests that go on with a conversation."""
        self.asked_history.add(model)
        rows = [row for row in self.history if row.model == model]
        return _share(sum(row.warm_count for row in rows), sum(row.later_count for row in rows))

    def notes(self) -> Iterable[str]:
        """Say what was taken from others, and what nobody knows."""
        parts = (
            ("the prefix could not be cached before", "first requests", self.asked, self.of),
            (
                "no conversation could find its history before",
                "later requests",
                self.asked_history,
                self.of_history,
            ),
        )
        for why, what, models, ratio in parts:
            for model in sorted(models):
                share = ratio(model)
                if share:
                    yield (
                        f"{why}; it is taken to be found as often as with other prompts on {model}:"
                        f" by {100 * share:.0f}% of {what}"
                    )
                else:
                    yield (
                        f"{why}, and nothing tells how often {what} would find it: they are taken"
                        " not to, so it may become cheaper than this"
                    )


def _share(part: int, whole: int) -> Decimal:
    return Decimal(part) / whole if whole else Decimal(0)
