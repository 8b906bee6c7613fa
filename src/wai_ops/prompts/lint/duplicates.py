"""WP011: the same instruction twice in one prompt, its parts included.

Two sentences are the same when the words that carry them are: without small words, endings, and
who is polite to whom. Found by hashing, so a prompt of any size takes linear time.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from wai_ops.core.findings import Finding, Level, Rule
from wai_ops.core.text import one_line
from wai_ops.prompts.lint.look import Look, where
from wai_ops.prompts.lint.view import Piece

TWICE = Rule(
    id="WP011",
    name="duplicate-instruction",
    level=Level.WARNING,
    why="An instruction that is there twice is paid twice in every call, and sooner or later "
    "changed in one place only.",
    fix="Keep one of the two; what several prompts share belongs into a part.",
)
RULES = (TWICE,)
_LEAST_WORDS = 5
_LEAST_CONTENT = 3
_MOST_WORDS = 120
_MOST_HEADS = 8
_SENTENCE = re.compile(r"[^.!?;]+")
_QUOTED = re.compile('"[^"]*"|\u201c[^\u201d]*\u201d')
"""What is quoted is an example or a name."""
_CURLY = "\u2019"
_WORD = re.compile(r"[^\W_]+(?:'[a-z]+)?")
_DATA = ("|", "{", "}", "[", "<", ">", "```", "~~~")
_FENCES = ("```", "~~~")
_TRANSCRIPT = re.compile(r"(?:user|human|ai|assistant|bot|agent|customer|q|a)\s?:", re.IGNORECASE)
_SMALL = frozenset(
    {"a", "an", "the", "this", "that", "these", "those", "it", "its", "is", "are", "be", "been"}
    | {"was", "were", "of", "in", "on", "at", "to", "for", "with", "by", "as", "and", "you"}
    | {"your", "always", "please", "must", "should", "shall", "will", "do", "does", "sure"}
    | {"make", "ensure", "need", "needs", "just", "also", "very", "any", "all", "s"}
)
_SAME = {
    **dict.fromkeys(("reply", "respond", "response"), "answer"),
    **dict.fromkeys(("never", "don't", "cannot", "can't", "no", "avoid"), "not"),
    "utilize": "use",
    "utilise": "use",
}
_ORDERED = frozenset(
    {"before", "after", "than", "over", "instead", "from", "into", "not", "if", "unless", "when"}
    | {"then", "but", "only", "except", "rather", "or", "until", "while", "without", "via"}
)
"""With one of these the order of the words says who does what to whom."""
_ENDINGS = ("ing", "ies", "ed", "es", "ly", "s", "e", "y")
_SHORTEST_STEM = 3

Signature = tuple[str, ...] | frozenset[str]


@dataclass(frozen=True, slots=True)
class _Sentence:
    piece: Piece
    start: int
    end: int
    text: str


def check_duplicates(look: Look) -> Iterator[Finding]:
    """Find sentences that say what one before has said, outside of each other's branches."""
    heads: dict[Signature, list[_Sentence]] = defaultdict(list)
    parts: set[str] = set()
    for sentence in _sentences(look):
        signature = signature_of(sentence.text)
        if signature is None:
            continue
        earlier = next(
            (head for head in heads[signature] if not head.piece.excludes(sentence.piece)), None
        )
        if earlier is None:
            if len(heads[signature]) < _MOST_HEADS:
                heads[signature].append(sentence)
            continue
        first, here = _place(look, earlier), _place(look, sentence)
        if first == here:  # one place, read twice: its file is included twice
            if here[0] not in parts:
                parts.add(here[0])
                yield _included_twice(look, sentence, here[0])
            continue
        yield look.within(
            TWICE,
            sentence.piece,
            sentence.start,
            sentence.end,
            f"says again what {where(first)} says: “{one_line(earlier.text, 80)}”",
            hint=TWICE.fix,
            key=" ".join(sorted(signature)),
        )


def _included_twice(look: Look, sentence: _Sentence, part: str) -> Finding:
    return look.in_front(
        TWICE,
        "",
        f"{part} is included twice: “{one_line(sentence.text, 80)}”",
        hint="include it once",
    )


def _place(look: Look, sentence: _Sentence) -> tuple[str, int, int]:
    section = look.source.sections[sentence.piece.section]
    return section.place(sentence.piece.start + sentence.start)


def _sentences(look: Look) -> Iterator[_Sentence]:
    """The sentences of the instructions. Code, tables and examples repeat themselves lawfully."""
    has_examples = any(section.role == "assistant" for section in look.view.sections)
    is_code, section = False, -1
    for piece in look.view.texts():
        if piece.section != section:
            is_code, section = False, piece.section
        if has_examples and look.view.sections[section].role != "system":
            continue
        offset = 0
        for line in piece.text.split("\n"):
            begin, offset = offset, offset + len(line) + 1
            bare = line.strip()
            if bare.startswith(_FENCES):
                is_code = not is_code
            elif not is_code and not _is_data(line, bare):
                plain = _QUOTED.sub(lambda quoted: "\0" * len(quoted[0]), line)
                for match in _SENTENCE.finditer(plain):
                    # A question is an example, and so is what is quoted as a whole.
                    is_question = plain.startswith("?", match.end())
                    if not is_question and len(_WORD.findall(match[0])) >= _LEAST_CONTENT:
                        yield _sentence(piece, begin, line, *match.span())


def _is_data(line: str, bare: str) -> bool:
    """Whether a line is code, a table, or what somebody is shown to have said."""
    is_indented = line.startswith("    ") and not bare.startswith(("-", "*", "+"))
    return is_indented or bare.startswith(_DATA) or _TRANSCRIPT.match(bare) is not None


def _sentence(piece: Piece, begin: int, line: str, start: int, end: int) -> _Sentence:
    text = line[start:end]
    first = begin + start + len(text) - len(text.lstrip())
    return _Sentence(piece, first, first + len(text.strip()), text.strip())


def signature_of(sentence: str) -> Signature | None:
    """What a sentence comes down to; None when it is too short to say much."""
    words = [word.lower() for word in _WORD.findall(sentence.replace(_CURLY, "'"))]
    if len(sentence.split()) < _LEAST_WORDS:  # an address or a path has many words, too
        return None
    if not _LEAST_WORDS <= len(words) <= _MOST_WORDS:
        return None
    content = [_stem(word) for word in words if word not in _SMALL]
    if len(content) < _LEAST_CONTENT:
        return None
    ordered = len(set(content)) < len(content) or not _ORDERED.isdisjoint(content)
    return tuple(content) if ordered else frozenset(content)


def _stem(word: str) -> str:
    word = _SAME.get(word, word).removesuffix("'s")
    if word in _ORDERED:
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return _SAME.get(word.removesuffix(ending), word.removesuffix(ending))
    return word
