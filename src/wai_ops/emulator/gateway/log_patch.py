"""What a client may say of a row afterwards. Pure."""

import json
import math
from typing import Any

from wai_ops.emulator.errors import invalid_query
from wai_ops.emulator.gateway.metadata import keep_metadata


def parse_patch(body: Any) -> dict[str, Any]:
    """The values of `patch_log.sql`. A key that is absent changes nothing. Raises 400/7001."""
    if not isinstance(body, dict):
        raise invalid_query("the body must be a JSON object")
    feedback, score, metadata = (body.get(key) for key in ("feedback", "score", "metadata"))
    if feedback is not None and not (_is_number(feedback) and feedback in (-1, 1)):
        raise invalid_query("feedback must be -1, 1 or null")
    if score is not None and not _is_number(score):
        raise invalid_query("score must be a number or null")
    if metadata is not None:
        metadata = _checked(metadata)
    return {
        "sets_feedback": "feedback" in body,
        "feedback": None if feedback is None else int(feedback),
        "sets_score": "score" in body,
        "score": None if score is None else float(score),
        "sets_metadata": "metadata" in body,
        "metadata": None if metadata is None else json.dumps(metadata),
    }


def _checked(metadata: Any) -> dict[str, Any] | None:
    if not isinstance(metadata, dict) or any(
        not (isinstance(value, str | bool) or _is_number(value)) for value in metadata.values()
    ):
        raise invalid_query("metadata must be an object of strings, numbers and booleans, or null")
    return keep_metadata(metadata)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
