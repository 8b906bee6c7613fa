"""A conversation laid out for people: plain lines, whatever its content holds."""

from decimal import Decimal
from typing import TYPE_CHECKING

from wai_ops.core.text import counted, one_line
from wai_ops.runtime.conversation_cost import ConversationCost

if TYPE_CHECKING:
    from wai_ops.runtime.conversation_detail import (
        CheckpointDetail,
        ConversationDetail,
        TurnDetail,
    )

_LABEL = 13


def detail_text(detail: "ConversationDetail") -> str:
    """The page of `wai conversations show`."""
    lines = [
        _line("conversation", f"{detail.tenant}/{detail.workflow} {detail.conversation_id}"),
        _line("last used", f"{detail.last_used_at:%Y-%m-%d %H:%M:%S} UTC, epoch {detail.epoch}"),
    ]
    if detail.forked_from:
        lines.append(_line("forked from", detail.forked_from))
    lines += cost_lines(detail.cost)
    if detail.decision_ids:
        first, *more = detail.decision_ids
        rest = f" and {len(more)} more" if more else ""
        lines.append(_line("decisions", f"{first}{rest}"))
    lines.append("")
    lines += [_turn(turn) for turn in detail.turns]
    for item in detail.checkpoints:
        lines += ["", *_checkpoint(item)]
    return "\n".join(lines) + "\n"


def cost_lines(cost: ConversationCost) -> list[str]:
    """What was sent, what would have been, and what came of it."""
    cached = f" ({cost.cached_input_tokens:,} cached)"
    spent = _usd(cost.turns_usd, cost.turns_state)
    if cost.unknown_turn_count:
        spent += f", and {counted(cost.unknown_turn_count, 'turn')} of unknown cost"
    lines = [
        _line(
            "sent", f"{cost.input_tokens:,} tokens in{cached}, {cost.output_tokens:,} tokens out"
        ),
        _line("turns cost", spent),
    ]
    if not cost.made_count and not cost.skipped_count:
        return lines
    skipped = f", {cost.skipped_count} skipped" if cost.skipped_count else ""
    lines += [
        _line(
            "checkpoints",
            f"{cost.made_count} made{skipped}; "
            f"{_usd(cost.checkpoints_usd, cost.checkpoints_state)}",
        ),
        _line(
            "without",
            f"about {cost.without_input_tokens:,} tokens in; {_usd(cost.without_usd, 'estimated')}",
        ),
        _line("so they", _verdict(cost)),
    ]
    return lines


def usd(amount: Decimal) -> str:
    """Dollars without trailing zeros."""
    return f"${amount.normalize():f}"


def _verdict(cost: ConversationCost) -> str:
    fewer = cost.without_input_tokens - cost.input_tokens
    tokens = f"{fewer:,} fewer tokens in (estimated)"
    if cost.saved_usd is None:
        return f"{tokens}; what that saved is not known"
    word = "saved" if cost.saved_usd >= 0 else "cost more than they saved:"
    return f"{word} {usd(abs(cost.saved_usd))} (estimated), {tokens}"


def _usd(amount: Decimal | None, state: str) -> str:
    if amount is None:
        return "cost not known"
    return "nothing billed" if state == "none" else f"{usd(amount)} {state}"


def _line(label: str, value: str) -> str:
    return f"{label:<{_LABEL}} {one_line(value)}"


def _turn(turn: "TurnDetail") -> str:
    if turn.input_tokens is None:
        tokens = "tokens not reported"
    else:
        tokens = f"{turn.input_tokens} in, {turn.cached_input_tokens or 0} cached"
    kind = "copy" if turn.is_copy else turn.state
    return f"{turn.turn_index:>4}  {kind:<7}  {tokens:<24}  {one_line(turn.said)}"


def _checkpoint(item: "CheckpointDetail") -> list[str]:
    head = f"checkpoint {item.checkpoint_id}: {item.state}, stands for turns up to "
    lines = [
        f"{head}{item.covers_turn_index}",
        "  "
        + one_line(f"{item.model}, {item.prompt}, {_usd(item.cost_usd, item.cost_state or '')}"),
    ]
    if item.reason:
        lines.append("  " + one_line(item.reason))
    if item.state != "made":
        return lines
    lines.append(f"  about {item.tokens_after} tokens in place of {item.tokens_before}")
    lines.append("  " + one_line(item.summary or "", 400))
    lines += [f"  - {one_line(fact)}" for fact in item.facts]
    for replaced in item.replaced:
        facts = replaced["facts"]
        count = len(facts) if isinstance(facts, list) else 0
        lines.append("  " + one_line(f"replaced {counted(count, 'fact')} by: {replaced['by']}"))
    return lines
