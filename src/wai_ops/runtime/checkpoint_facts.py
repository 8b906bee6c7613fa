"""What a checkpoint keeps: the answer of the model that made it, read strictly, and its facts.

Facts that were kept before are carried over here and not by the model: word for word, unless the
answer names one and says what takes its place. None can be lost by being left out of an answer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wai_ops.core.text import printable

_LONGEST_FACT = 1000
_MOST_FACTS = 500


class BadAnswerError(Exception):
    """The answer is no usable summary; the message says why, in words for the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """Facts that gave way to another one, as they were."""

    facts: tuple[str, ...]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model said. `replaced` holds (numbers of kept facts from 1, what replaces them)."""

    summary: str
    facts: tuple[str, ...]
    replaced: tuple[tuple[tuple[int, ...], str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What stands in place of turns."""

    summary: str
    facts: tuple[str, ...]
    replaced: tuple[Replaced, ...] = ()
    """What this checkpoint replaced of the facts before it."""


def parse_answer(text: str, *, kept_count: int) -> Answer:
    """Read an answer against `kept_count` facts that are kept. Raises BadAnswerError."""
    value = _json(text)
    if not isinstance(value, dict):
        raise BadAnswerError("the answer is not a JSON object")
    if unknown := set(value) - {"summary", "facts", "replaced"}:
        raise BadAnswerError(f"the answer has a key that is not asked for: {min(unknown)!r}")
    summary = value.get("summary")
    if not isinstance(summary, str) or not summary.strip():
        raise BadAnswerError("summary is missing or empty")
    facts = _list(value, "facts")
    replaced = tuple(_replaced(item, kept_count) for item in _list(value, "replaced"))
    numbers = [number for group, _ in replaced for number in group]
    if len(numbers) != len(set(numbers)):
        raise BadAnswerError("replaced names the same fact twice")
    return Answer(
        summary=_clean(summary.strip()),
        facts=tuple(_fact(item, "facts") for item in facts),
        replaced=replaced,
    )


def carry(kept: Sequence[str], answer: Answer) -> Memory:
    """Put the kept facts and the answer together.

    Every kept fact is there afterwards, word for word and in its order, or is in `replaced`.
    """
    takes_place = {group[0]: by for group, by in answer.replaced}
    gone = {number for group, _ in answer.replaced for number in group}
    facts: list[str] = []
    for number, fact in enumerate(kept, start=1):
        if number in takes_place:
            facts.append(takes_place[number])
        elif number not in gone:
            facts.append(fact)
    facts += [fact for fact in answer.facts if fact not in facts]
    memory = Memory(
        summary=answer.summary,
        facts=tuple(facts),
        replaced=tuple(
            Replaced(facts=tuple(kept[number - 1] for number in group), by=by)
            for group, by in answer.replaced
        ),
    )
    if lost := lost_facts(kept, memory):
        raise AssertionError(f"{len(lost)} facts would be lost")
    return memory


def lost_facts(kept: Sequence[str], memory: Memory) -> list[str]:
    """The kept facts that a memory neither has nor says what replaced them. Always to be empty."""
    accounted = {*memory.facts, *(fact for item in memory.replaced for fact in item.facts)}
    lost = [fact for fact in kept if fact not in accounted]
    return lost + [item.by for item in memory.replaced if item.by not in memory.facts]


def _json(text: str) -> Any:
    """The JSON of an answer; a fence of a code block around it is no offence."""
    text = text.strip()
    if text.startswith("```"):
        text = text.partition("\n")[2].rpartition("```")[0]
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError(f"the answer is not JSON: {error}") from error


def _list(value: dict[str, Any], key: str) -> list[Any]:
    found = value.get(key, [])
    if not isinstance(found, list):
        raise BadAnswerError(f"{key} is not a list")
    if len(found) > _MOST_FACTS:
        raise BadAnswerError(f"{key} has more than {_MOST_FACTS} entries")
    return found


def _replaced(item: Any, kept_count: int) -> tuple[tuple[int, ...], str]:
    if not isinstance(item, dict) or set(item) != {"facts", "by"}:
        raise BadAnswerError('replaced has an entry that is not {"facts": [...], "by": "..."}')
    numbers = item["facts"]
    if not isinstance(numbers, list) or not numbers:
        raise BadAnswerError("replaced has an entry that names no fact")
    for number in numbers:
        if type(number) is not int or not 1 <= number <= kept_count:
            raise BadAnswerError(
                f"replaced names fact {number!r}, and the kept facts are 1 to {kept_count}"
                if kept_count
                else "replaced names a fact, and none is kept yet"
            )
    return tuple(sorted(numbers)), _fact(item["by"], "replaced")


def _fact(item: Any, key: str) -> str:
    if not isinstance(item, str) or not item.strip():
        raise BadAnswerError(f"{key} has an entry that is not a sentence")
    fact = _clean(" ".join(item.split()))
    if len(fact) > _LONGEST_FACT:
        raise BadAnswerError(f"{key} has an entry of more than {_LONGEST_FACT} characters")
    return fact


def _clean(text: str) -> str:
    """No control characters, which a model can be talked into, and no half surrogates."""
    return printable(text)
