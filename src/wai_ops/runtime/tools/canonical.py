"""One value, one spelling: JSON with sorted keys and no spaces, numbers as JavaScript reads them.

Arguments are compared in this form, and results go to the model in it: the same data
gives the same bytes, so that a prefix that holds them stays cached.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

_EXACT = 2**53


def canonical_json(value: Any) -> str:
    """Encode plain data. Raises ValueError for what JSON has no number for."""
    return json.dumps(
        canonical(value),
        ensure_ascii=False,
        allow_nan=False,
        sort_keys=True,
        separators=(",", ":"),
    )


def canonical(value: Any) -> Any:
    """The same data with each number in its one spelling: 1.0 is 1, -0.0 is 0."""
    if isinstance(value, float):
        if math.isfinite(value) and value.is_integer() and abs(value) <= _EXACT:
            return int(value)
        return value
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [canonical(item) for item in value]
    return value
