"""PASS, WARN or FAIL for a changed prompt: its figures against the thresholds of `wai.yaml`. Pure.

A figure that has a threshold and is not known is a warning: nobody has looked.
"""

from collections.abc import Iterator
from decimal import Decimal

from wai_ops.config.settings import PromptThresholds
from wai_ops.core.findings import Finding, Level, Rule
from wai_ops.prompts.diff import VersionDiff
from wai_ops.runtime.prompt_money import PromptMoney

PREFIX_LOSS = Rule(
    id="WD001",
    name="prefix-loss",
    level=Level.WARNING,
    why="What is not part of the stable prefix any more is computed anew for every conversation.",
    fix="Move what changed, and every variable, behind the text that all conversations share.",
)
MONTHLY_COST = Rule(
    id="WD002",
    name="monthly-cost",
    level=Level.WARNING,
    why="At the observed traffic the new version costs more than the threshold of wai.yaml.",
    fix="Shorten it, keep its prefix stable, or raise the threshold with a reason.",
)
REWARM_COST = Rule(
    id="WD003",
    name="rewarm-cost",
    level=Level.WARNING,
    why="Conversations that are running lose their cached prefix when they change over.",
    fix="Release it when fewer are running, or to new conversations first, with a canary.",
)
UNKNOWN_COST = Rule(
    id="WD004",
    name="unknown-cost",
    level=Level.WARNING,
    why="There is a threshold in dollars, and no traffic or no price to hold against it.",
    fix="Give the ledger traffic, or assume some: --assume requests=10000,output=200,cached=0.9",
)
RULES = {item.id: item for item in (PREFIX_LOSS, MONTHLY_COST, REWARM_COST, UNKNOWN_COST)}


def judge(
    diff: VersionDiff, money: PromptMoney | None, thresholds: PromptThresholds
) -> tuple[Finding, ...]:
    """Everything that passes a threshold. `money` None: it was not asked for."""
    if diff.is_same:
        return ()
    return tuple(_findings(diff, money, thresholds))


def _findings(
    diff: VersionDiff, money: PromptMoney | None, thresholds: PromptThresholds
) -> Iterator[Finding]:
    prefix = diff.prefix
    lost = Decimal(str(prefix.lost_ratio))
    level = _level(lost, thresholds.warn_prefix_loss_ratio, thresholds.fail_prefix_loss_ratio)
    if level is not None:
        words = f"{100 * lost:.0f}% of the stable prefix is lost"
        counts = f"{prefix.before_cacheable_tokens:,} -> {prefix.after_cacheable_tokens:,} tokens"
        yield _finding(diff, PREFIX_LOSS, level, f"{words}: {counts}")
    if money is None:
        return
    total = money.total
    limits = (
        (
            MONTHLY_COST,
            None if total is None else total.delta_usd,
            (thresholds.warn_monthly_usd, thresholds.fail_monthly_usd),
            "more a month",
        ),
        (
            REWARM_COST,
            None if total is None else total.rewarm_usd,
            (thresholds.warn_rewarm_usd, thresholds.fail_rewarm_usd),
            "once, to warm running conversations again",
        ),
    )
    is_unknown = False
    for rule, amount, (warn, fail), words in limits:
        if amount is None:
            is_unknown |= warn is not None or fail is not None
        elif (level := _level(amount, warn, fail)) is not None:
            yield _finding(diff, rule, level, f"{_usd(amount)} {words}")
    if is_unknown:
        message = f"what the change of {diff.before.name} costs is not known"
        yield _finding(diff, UNKNOWN_COST, Level.WARNING, message)


def _level(value: Decimal, warn: Decimal | None, fail: Decimal | None) -> Level | None:
    """More than a threshold is over it; as much is not."""
    if fail is not None and value > fail:
        return Level.ERROR
    return Level.WARNING if warn is not None and value > warn else None


def _finding(diff: VersionDiff, rule: Rule, level: Level, message: str) -> Finding:
    file, line, column = _place(diff)
    return Finding(
        rule=rule.id,
        level=level,
        message=message,
        file=file,
        line=line,
        column=column,
        hint=rule.fix,
        key=rule.id,
    )


def _place(diff: VersionDiff) -> tuple[str, int, int]:
    """Where the new version begins to differ; else its prompt file."""
    place = diff.divergence.after_place if diff.divergence else None
    if place is None:
        return f"prompts/{diff.after.name}.prompt", 0, 0
    file, line, column = place.rsplit(":", 2)
    return file, int(line), int(column)


def _usd(amount: Decimal) -> str:
    return f"${amount:,.2f}" if amount >= 1 else f"${amount.normalize():f}"
