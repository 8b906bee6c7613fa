"""One review of a changed prompt: the difference, its price, and the verdict, in one record."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wai_ops.config.settings import PromptThresholds
from wai_ops.core.findings import Finding, verdict_of
from wai_ops.core.table import Verdict
from wai_ops.observe.reports.prompt_rows import VersionUsage
from wai_ops.prompts.diff import Side, VersionDiff, diff_versions
from wai_ops.prompts.lockfile import Lock
from wai_ops.prompts.sides import Loaded
from wai_ops.prompts.source import Source
from wai_ops.prompts.tokens import BLOCK_TOKENS, TokenCounter
from wai_ops.prompts.version import digest
from wai_ops.runtime.prompt_money import PromptMoney, Question, ask_ledger, without_traffic
from wai_ops.runtime.prompt_tokens import counters_of, texts_in_lock
from wai_ops.runtime.prompt_verdict import judge

if TYPE_CHECKING:
    from wai_ops.observe.ledger.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptReview:
    """Everything that is known about a change of a prompt."""

    diff: VersionDiff
    money: PromptMoney | None
    """None: not asked for, or nothing differs."""
    findings: tuple[Finding, ...]
    verdict: Verdict
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What is reviewed, and with what."""

    before: Loaded
    after: Loaded
    lock: Lock
    load_frozen: Callable[[str, str], Source]
    """Name and SHA-256 -> a frozen version, for learning how long a token is."""
    default_model: str
    thresholds: PromptThresholds
    question: Question | None
    """None: no money."""
    open_ledger: "Callable[[], AbstractContextManager[Store]] | None"
    """None: there is no ledger."""
    exact: TokenCounter | None = None
    values: Mapping[str, str] | None = None
    changing: Sequence[str] = ()
    """Variables with another value in every request of a conversation."""
    block_tokens: int = BLOCK_TOKENS

    def run(self) -> PromptReview:
        """Compare, price and judge. The ledger is opened only where something differs.

        Raises PromptError and DataError.
        """
        is_same = digest(self.before.source) == digest(self.after.source)
        if self.question is None or is_same:
            return self._result(self._diff(()), None)
        if self.open_ledger is None:
            diff = self._diff(())
            money = None if diff.is_same else without_traffic(diff, self.question)
            return self._result(diff, money)
        with self.open_ledger() as store:
            from wai_ops.observe.reports.prompt_traffic import read_usage

            models = [model for model in self._models() if model]
            name = self.before.source.name
            usage = read_usage(store, name, models, self.question.now)
            diff = self._diff(usage)
            money = None if diff.is_same else ask_ledger(store, diff, self.question, usage)
        return self._result(diff, money)

    def _models(self) -> tuple[str | None, str | None]:
        """The models that count: their own, or the default; None where a route decides."""
        fronts = (self.before.source.front, self.after.source.front)
        before, after = (
            front.model or (None if front.route else self.default_model) for front in fronts
        )
        return before, after

    def _diff(self, usage: Sequence[VersionUsage]) -> VersionDiff:
        models = self._models()
        sides = (self.before, self.after)
        known = {(side.source.name, side.recorded_version): side.source for side in sides}
        counters = counters_of(
            models,
            self.before.source.name,
            usage,
            texts_in_lock(self.lock, self.load_frozen, known),
            block_tokens=self.block_tokens,
            exact=self.exact,
        )
        before, after = (
            Side(
                reference=side.reference,
                version=side.version,
                source=side.source,
                model=model,
                counter=counters[model],
            )
            for side, model in zip(sides, models, strict=True)
        )
        return diff_versions(
            before,
            after,
            values=self.values,
            changing=self.changing,
            block_tokens=self.block_tokens,
        )

    def _result(self, diff: VersionDiff, money: PromptMoney | None) -> PromptReview:
        findings = judge(diff, money, self.thresholds)
        return PromptReview(
            diff=diff,
            money=money,
            findings=findings,
            verdict=verdict_of(findings),
            notes=() if diff.is_same else tuple(_notes(diff, money, self.changing)),
        )


def _notes(diff: VersionDiff, money: PromptMoney | None, changing: Sequence[str]) -> list[str]:
    bases = [f"tokens are {diff.before.token_basis.words}"]
    if diff.after.token_basis != diff.before.token_basis:
        bases.append(f"those of the version after are {diff.after.token_basis.words}")
    found = ["; ".join(bases)]
    tokens = diff.tokens
    if tokens.is_literal:
        found.append(
            "made-up values do not fit the template, so only the text between its tags is counted:"
            " give --var"
        )
    elif tokens.depends_on:
        names = ", ".join(tokens.depends_on)
        found.append(
            f"how much longer a request becomes depends on {names}: made-up values were used;"
            f" give --var {tokens.depends_on[0]}=…"
        )
    ends = (diff.prefix.before_ends_at, diff.prefix.after_ends_at)
    if money is not None and ends[0].variable != ends[1].variable:
        opening = {end.variable for end in ends if end.variable and end.is_in_opening}
        found += [
            f"{name} is taken to be the same in all requests of a conversation; if it is not:"
            f" --changing {name}"
            for name in sorted(opening - set(changing))
        ]
    found.append(
        f"a cache keeps whole blocks; the provider does not say of how many tokens:"
        f" {diff.prefix.block_tokens} are assumed"
    )
    return found + list(money.notes if money else ())
