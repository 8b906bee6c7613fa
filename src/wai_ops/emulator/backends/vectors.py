"""Scripted embeddings: deterministic, of the right size, and alike for texts that share words.

Nothing was learned: a text's vector is made of its words' hashes, with a little noise of its own.
So equal texts have equal vectors, texts with common words are near, others are nearly orthogonal,
which is what tests of retrieval need.
"""

import hashlib
import math
import re
from collections import Counter
from functools import lru_cache

DIMENSIONS = {
    "@cf/baai/bge-small-en-v1.5": 384,
    "@cf/baai/bge-base-en-v1.5": 768,
    "@cf/baai/bge-large-en-v1.5": 1024,
    "@cf/baai/bge-m3": 1024,
    "@cf/qwen/qwen3-embedding-0.6b": 1024,
    "@cf/pfnet/plamo-embedding-1b": 2048,
    "@cf/google/embeddinggemma-300m": 768,
}
DEFAULT_DIMENSIONS = 1024
_WORD = re.compile(r"\w+")
_PLACES = 24
"""How many components one word moves."""
_NOISE = 0.05
_DIGITS = 7


def dimensions_of(model_id: str) -> int:
    """The length of a model's vectors; a usual one for models that nobody here knows."""
    return DIMENSIONS.get(model_id, DEFAULT_DIMENSIONS)


def embed(text: str, model_id: str) -> list[float]:
    """The unit vector of a text."""
    size = dimensions_of(model_id)
    noise = hashlib.shake_256(f"{model_id}\0{text}".encode("utf-8", "surrogatepass")).digest(size)
    vector = [_NOISE * (byte - 127.5) / 127.5 for byte in noise]
    words = Counter(word.lower() for word in _WORD.findall(text))
    for word, count in words.items():
        weight = 1 + math.log(count)
        for place, sign in _places(model_id, word, size):
            vector[place] += sign * weight
    length = math.sqrt(sum(value * value for value in vector))
    return [round(value / length, _DIGITS) for value in vector]


@lru_cache(maxsize=20_000)
def _places(model_id: str, word: str, size: int) -> tuple[tuple[int, float], ...]:
    digest = hashlib.shake_256(f"{model_id}\0{word}".encode("utf-8", "surrogatepass")).digest(
        3 * _PLACES
    )
    triples = (digest[start : start + 3] for start in range(0, len(digest), 3))
    return tuple((int.from_bytes(t[:2]) % size, 1.0 if t[2] & 1 else -1.0) for t in triples)


def cosine(one: list[float], other: list[float]) -> float:
    """The similarity of two unit vectors."""
    return sum(a * b for a, b in zip(one, other, strict=True))
