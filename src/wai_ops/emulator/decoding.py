"""JSON as it may arrive from anybody: NaN and bottomless nesting are refused, not passed on."""

import json
from typing import Any, NoReturn


def decode_json(text: str | bytes) -> Any:
    """Decode strictly. Raises ValueError."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
