"""The file of a recording: JSON Lines, a head and then one exchange a line."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wai_ops.core.errors import DataError

KIND = "wai-recording"
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer; all times in milliseconds after the request had come in."""

    method: str
    path: str
    """With the query."""
    request_headers: Mapping[str, str] = field(default_factory=dict)
    request_body: bytes = b""
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    head_ms: float
    chunks: Sequence[tuple[float, bytes]] = ()
    """When each part of the body came."""
    end_ms: float
    is_cut: bool = False
    """The connection broke before the end."""
    is_omitted: bool = False
    """The body was compressed, so that no secret could be seen in it, and is not kept."""

    @property
    def body(self) -> bytes:
        """The whole answer."""
        return b"".join(part for _, part in self.chunks)


def head_line(*, target: str, recorded_at: str) -> str:
    """The first line of a recording."""
    head = {"kind": KIND, "version": VERSION, "target": target, "recorded_at": recorded_at}
    return json.dumps(head) + "\n"


def to_line(exchange: Exchange) -> str:
    """One exchange as a line."""
    value = {
        "method": exchange.method,
        "path": exchange.path,
        "request_headers": dict(exchange.request_headers),
        "request_body": _text_of(exchange.request_body),
        "status": exchange.status,
        "headers": dict(exchange.headers),
        "head_ms": round(exchange.head_ms, 3),
        "chunks": [[round(at, 3), _text_of(part)] for at, part in exchange.chunks],
        "end_ms": round(exchange.end_ms, 3),
        "cut": exchange.is_cut,
        "omitted": exchange.is_omitted,
    }
    return json.dumps(value, separators=(",", ":")) + "\n"


def load_recording(path: Path) -> list[Exchange]:
    """Read a recording. Raises DataError that names the line."""
    try:
        with path.open(encoding="utf-8") as file:
            return list(_exchanges(file, path))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the recording cannot be read: {error}", where=str(path)) from error


def _exchanges(lines: Iterable[str], path: Path) -> Iterable[Exchange]:
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
            if number > 1:
                yield _exchange(value)
            else:
                _check_head(value)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"not a line of a recording: {error}", where=f"{path}:{number}"
            ) from error
    if number == 0:
        raise DataError("the recording is empty", where=str(path))


def _check_head(value: Mapping[str, Any]) -> None:
    if (value["kind"], value["version"]) != (KIND, VERSION):
        raise ValueError("this is no recording of a known version")


def _exchange(value: Mapping[str, Any]) -> Exchange:
    return Exchange(
        method=str(value["method"]),
        path=str(value["path"]),
        request_headers={str(k): str(v) for k, v in value["request_headers"].items()},
        request_body=_bytes_of(value["request_body"]),
        status=int(value["status"]),
        headers={str(k): str(v) for k, v in value["headers"].items()},
        head_ms=float(value["head_ms"]),
        chunks=[(float(at), _bytes_of(part)) for at, part in value["chunks"]],
        end_ms=float(value["end_ms"]),
        is_cut=bool(value["cut"]),
        is_omitted=bool(value["omitted"]),
    )


def _text_of(part: bytes) -> str | dict[str, str]:
    """Text where it is text; a part may end in the middle of a character."""
    try:
        return part.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(part).decode("ascii")}


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8")
    return base64.b64decode(value["base64"], validate=True)
