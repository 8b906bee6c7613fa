"""What a comparison has paid for already: one line before a call, one line after it.

A killed comparison loses at most what was in flight, and even that is counted: a call that began
and has no end may have cost its worst case.
"""

import fcntl
import json
import os
import threading
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from wai_ops.core.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one call. None: not known, or not reported."""

    key: str
    text: str
    """With credentials masked, as everything that is kept."""
    failure: str | None
    """A `FailureClass`; None when the call succeeded."""
    error_message: str | None
    cost_usd: Decimal | None
    charged_usd: Decimal
    """What counts against the ceiling: the cost, or the worst case where nobody knows it."""
    duration_ms: float | None
    ttft_ms: float | None
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    gateway_cache_hit: bool
    run_id: str
    conversation_id: str


class Journal:
    """The file of one comparison. Lines may be added from several threads."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        """Use `open` or `read`."""
        self.path = path
        self.answers: dict[str, Answer] = {}
        self.spent_usd = Decimal(0)
        """Of everything that ended, and the worst case of what did not."""
        self._descriptor = descriptor
        self._guard = threading.Lock()
        self._count = 0

    @classmethod
    def open(cls, path: Path, *, is_fresh: bool) -> Self:
        """Open for adding, alone. Raises DataError when it is damaged or in use."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise DataError(f"cannot be opened: {error.strerror}", where=str(path)) from error
        journal = cls(path, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_fresh:
                os.ftruncate(descriptor, 0)
            journal._load(repairs=True)
        except BlockingIOError as error:
            os.close(descriptor)
            raise DataError(
                "another process is comparing the same versions",
                where=str(path),
                hint="wait for it: what it pays for is kept for both",
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        return journal

    @classmethod
    def read(cls, path: Path) -> Self:
        """Look at what is there, changing nothing. Raises DataError when it is damaged."""
        journal = cls(path, None)
        journal._load(repairs=False)
        return journal

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the file."""
        self.close()

    def begin(self, key: str, worst_usd: Decimal) -> str:
        """Note that a call is about to be sent; returns what `end` wants."""
        with self._guard:
            self._count += 1
            call = f"{os.getpid()}-{self._count}-{key[:8]}"
            self._write({"begin": call, "worst_usd": format(worst_usd, "f")})
        return call

    def end(self, call: str, answer: Answer) -> None:
        """Keep what came of a call."""
        values = asdict(answer)
        for name in ("cost_usd", "charged_usd"):
            if values[name] is not None:
                values[name] = format(values[name], "f")
        with self._guard:
            self._write({"end": call, "answer": values})
            self.answers[answer.key] = answer

    def _write(self, line: dict[str, Any]) -> None:
        assert self._descriptor is not None
        data = (json.dumps(line, ensure_ascii=True, separators=(",", ":")) + "\n").encode()
        # One write a line: a kill leaves whole lines and at most one torn one at the end.
        while data:
            data = data[os.write(self._descriptor, data) :]

    def _load(self, *, repairs: bool) -> None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        whole = content.rfind(b"\n") + 1
        if repairs and whole < len(content) and self._descriptor is not None:
            os.ftruncate(self._descriptor, whole)
        begun: dict[str, Decimal] = {}
        for number, line in enumerate(content[:whole].split(b"\n")[:-1], 1):
            try:
                data = json.loads(line)
                if "begin" in data:
                    begun[data["begin"]] = Decimal(data["worst_usd"])
                else:
                    answer = _answer(data["answer"])
                    begun.pop(data["end"], None)
                    self.answers[answer.key] = answer
                    self.spent_usd += answer.charged_usd
            except (ValueError, KeyError, TypeError, ArithmeticError) as error:
                raise DataError(
                    f"is damaged ({type(error).__name__})",
                    where=f"{self.path}:{number}",
                    hint="begin again with --fresh: what was paid for is paid for again",
                ) from error
        self.spent_usd += sum(begun.values(), Decimal(0))


def _answer(values: dict[str, Any]) -> Answer:
    names = {item.name for item in fields(Answer)}
    if set(values) != names:
        raise KeyError("fields")
    decoded = dict(values)
    for name in ("cost_usd", "charged_usd"):
        if decoded[name] is not None:
            decoded[name] = Decimal(decoded[name])
    return Answer(**decoded)
