"""Faults in the text of an answer: malformed frames as they were seen in the wild. Pure."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from wai_ops.emulator.answers import to_json_bytes
from wai_ops.emulator.backends.base import Meter
from wai_ops.emulator.faults import Hit
from wai_ops.emulator.inference.shapes import DONE, usage_json

KINDS = frozenset(
    {
        "garbage",
        "duplicate_done",
        "number_content",
        "usage_in_every_chunk",
        "repeated_finish",
    }
)
_DATA = b"data: "
_END = b"\n\n"


def garble(rng: random.Random, size: int) -> bytes:
    """Random bytes that are no JSON and end no frame."""
    return bytes(rng.choice(_NOISE) for _ in range(size))


_NOISE = bytes(byte for byte in range(1, 256) if byte not in b'\r\n0123456789"[]{}\t ')


class FrameFaults:
    """The faults of one answer; feed it every part of the body in order."""

    def __init__(self, hits: Sequence[Hit], meter: Callable[[], Meter | None]) -> None:
        """`meter`: whose tokens are being counted, once that is known."""
        self._hits = [hit for hit in hits if hit.rule.kind in KINDS]
        self._meter = meter
        self._seen = 0
        self._done: set[int] = set()
        self._rest = b""

    def whole(self, body: bytes) -> bytes:
        """A complete JSON answer."""
        for hit in self._hits:
            if hit.rule.kind == "garbage":
                start = min(hit.rule.after_bytes, len(body))
                body = body[:start] + garble(hit.rng, len(body) - start)
            elif hit.rule.kind == "number_content":
                body = _with_number(body, hit.rng)
        return body

    def part(self, part: bytes, *, is_last: bool) -> bytes:
        """Some bytes of an event stream."""
        if not self._hits:
            return part
        *frames, self._rest = (self._rest + part).split(_END)
        out = b"".join(self._frame(frame + _END) for frame in frames)
        return out + self._rest if is_last else out

    def _frame(self, frame: bytes) -> bytes:
        before, after = b"", b""
        for index, hit in enumerate(self._hits):
            match hit.rule.kind:
                case "garbage":
                    if index not in self._done and self._seen >= hit.rule.after_bytes:
                        self._done.add(index)
                        before += _DATA + garble(hit.rng, hit.rule.chunk_bytes) + _END
                case "duplicate_done":
                    after += DONE if frame == DONE else b""
                case "number_content":
                    if index not in self._done and (extra := _number_frame(frame, hit.rng)):
                        self._done.add(index)
                        after += extra
                case "usage_in_every_chunk":
                    frame = self._with_usage(frame)
                case "repeated_finish":
                    after += frame if _finishes(frame) else b""
        self._seen += len(frame)
        return before + frame + after

    def _with_usage(self, frame: bytes) -> bytes:
        value, meter = _decoded(frame), self._meter()
        if value is None or meter is None or value.get("usage"):
            return frame
        return _encoded({**value, "usage": usage_json(meter.usage())})


def _decoded(frame: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(frame.strip().removeprefix(_DATA))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _encoded(value: dict[str, Any]) -> bytes:
    return _DATA + to_json_bytes(value) + _END


def _delta(value: dict[str, Any]) -> dict[str, Any]:
    match value:
        case {"choices": [{"delta": dict(delta)}, *_]}:
            return delta
    return {}


def _number_frame(frame: bytes, rng: random.Random) -> bytes:
    """One more piece after a piece of text: a bare number where text belongs."""
    value = _decoded(frame)
    if value is None:
        return b""
    digit = rng.randrange(10)
    if value.get("response"):
        return _encoded({**value, "response": digit})
    if _delta(value).get("content"):
        choice = {**value["choices"][0], "delta": {"content": digit}}
        return _encoded({**value, "choices": [choice]})
    return b""


def _with_number(body: bytes, rng: random.Random) -> bytes:
    """The answer with a bare number instead of its text, in whichever shape it has."""
    try:
        value = json.loads(body)
    except ValueError:
        return body
    inner = value.get("result", value) if isinstance(value, dict) else None
    match inner:
        case {"choices": [{"message": dict(message)}, *_]}:
            message["content"] = rng.randrange(10)
        case dict(result) if "response" in result:
            result["response"] = rng.randrange(10)
        case _:
            return body
    return to_json_bytes(value)


def _finishes(frame: bytes) -> bool:
    value = _decoded(frame)
    match value:
        case {"choices": [{"finish_reason": str()}, *_]}:
            return True
    return False
