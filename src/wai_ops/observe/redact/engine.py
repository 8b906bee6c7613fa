"""The redactor: finds credentials in text, as they stand and in encoded form, and masks them.

A text is read in windows of fixed size that overlap by more than the longest secret; how a stream
was cut into chunks therefore cannot change what comes out, and the time is linear. Within a window
every rule sees the text as it came; overlapping finds become one mask. A mask that is already
there is hidden from all rules, so that masking again changes nothing.

A mask is `[redacted:kind:tag]`. The tag is a keyed hash of the secret: the same secret has the
same tag within a state folder, and nobody without the key can try guesses against it.
"""

import hmac
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Protocol, Self

import re2

from wai_ops.observe.redact.decoding import encoded_runs, json_view, percent_view
from wai_ops.observe.redact.finds import REACH, WINDOW, Find, merged, settled_end
from wai_ops.observe.redact.forms import base64_forms, forms_of, searchable
from wai_ops.observe.redact.rules import (
    BRIEF_PREFILTER,
    LONG_RUN,
    PREFILTER,
    RULES,
    SUSPECTS,
    Rule,
)

_LONGEST_WORD = 64
"""No word before a secret is longer, with what stands between the two."""
MAX_DEPTH = 100
MASK = r"\[redacted:[a-z0-9-]{1,40}:[0-9a-f]{8}\]"
_MASK = re.compile(MASK.encode())
_HIDDEN = b"\x01"
_SENSITIVE_KEY = re.compile(
    r"(?:^|_)(?:authorization|password|passwd|passphrase|pwd|secret|token|api_?key|"
    r"access_?key|secret_?key|private_?key|auth_?key|account_?key|cookie|set_cookie|credentials?"
    r"|client_?secret)$"
)
_NOT_NAME = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class View(Protocol):
    """A decoded text that knows where it came from."""

    text: bytes

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where in the raw text this part of the decoded one stands."""
        ...


class Redactor:
    """Masks the secrets that it was built with, and what looks like one. Not for several threads.

    `counts` says how many masks were written, by kind.
    """

    def __init__(self, known: Mapping[bytes, tuple[str, bytes]], *, key: bytes, pii: bool) -> None:
        """Use `build`."""
        self.counts: Counter[str] = Counter()
        self.on_mask: Callable[[str, str], None] | None = None
        """Told of every mask that is written: its kind, and the mask."""
        self._known = known
        self._key = key
        self._rules: tuple[Rule, ...] = RULES
        suspects, extra = [SUSPECTS], list[str]()
        if pii:
            from wai_ops.observe.redact.pii import PII_RULES

            self._rules += PII_RULES
            extra = [f"(?:{rule.suspect})" for rule in PII_RULES]
            suspects += extra
        self._exact_source = "|".join(
            _quoted(form) for form in sorted(known, key=lambda form: (-len(form), form))
        )
        self._exact = _compiled(self._exact_source) if known else None
        self._suspect = _compiled("|".join(suspects))
        more = [*extra, *filter(None, [self._exact_source])]
        self._prefilter = _compiled("|".join([PREFILTER, *more]))
        self._brief_source = "|".join([BRIEF_PREFILTER, *more])
        self._more_shapes = extra

    @classmethod
    def build(cls, secrets: Mapping[str, str], *, key: bytes, pii: bool = False) -> Self:
        """Make a redactor. `secrets`: name -> value; the name is the kind in the mask."""
        known: dict[bytes, tuple[str, bytes]] = {}
        for name, value in secrets.items():
            for secret in searchable(value):
                for form in forms_of(secret):
                    known.setdefault(form, (_kind(name), secret))
        return cls(known, key=key, pii=pii)

    @cached_property
    def prefilter(self) -> str:
        """An RE2 pattern that matches every text that this redactor could change.

        As `rules.PREFILTER`, with the known secrets: a value to bind, never to store or to show.
        """
        return "|".join([PREFILTER, *self._more_shapes, *self._exact_texts])

    @cached_property
    def brief_prefilter(self) -> str:
        """As `prefilter`, and twice as fast, for texts of fewer than `rules.LONG_RUN` bytes each.

        They may stand side by side, with a space between two.
        """
        return "|".join([BRIEF_PREFILTER, *self._more_shapes, *self._exact_texts])

    @cached_property
    def _exact_texts(self) -> list[str]:
        return [
            re2.escape(form.decode())
            for form in sorted(self._known, key=lambda form: (-len(form), form))
            if _is_text(form)
        ]

    def may_change(self, text: str) -> bool:
        """Whether the prefilter matches: a text of which this is false stays as it is."""
        return self.may_change_bytes(text.encode("utf-8", "surrogatepass"))

    def may_change_bytes(self, raw: bytes) -> bool:
        """As `may_change`, of a text in UTF-8 or of JSON that holds texts.

        In JSON a text stands as it is, or has an escape, which matches: so where this is false, no
        text in it would be changed.
        """
        return self._prefilter.search(raw) is not None

    def may_change_any(self, texts: Sequence[str]) -> bool:
        """Whether one of these texts may change; quick where all of them are short."""
        raw = " ".join(texts).encode("utf-8", "surrogatepass")
        is_brief = max(map(len, texts), default=0) < LONG_RUN
        return (self._brief if is_brief else self._prefilter).search(raw) is not None

    @cached_property
    def _brief(self) -> Any:
        return _compiled(self._brief_source)

    def text(self, text: str) -> str:
        """Return the text with its secrets masked."""
        raw = text.encode("utf-8", "surrogatepass")
        if len(raw) <= WINDOW + REACH and self._prefilter.search(raw) is None:
            return text
        masked = self.raw(raw)
        if masked is raw:
            return text
        try:
            return masked.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # a window ended within a character
            return masked.decode("utf-8", "replace")

    def raw(self, raw: bytes) -> bytes:
        """As `text`, for bytes of any kind."""
        if len(raw) <= WINDOW + REACH:
            return self._settle(raw)
        stream = self.stream()
        return stream.feed(raw) + stream.finish()

    def data(self, value: Any) -> Any:
        """Return a JSON value with the secrets in its strings masked, keys included.

        A string under a name such as `authorization` or `password` is masked whatever it says.
        """
        return self._walk(value, depth=0)

    def stream(self) -> "StreamRedactor":
        """Begin a stream of bytes of any length; what was held back comes with `finish`."""
        return StreamRedactor(self)

    def known_in(self, text: bytes) -> Iterator[Find]:
        """The known secrets in the bytes, plain or encoded: no shapes, nothing decoded."""
        if self._exact is None:
            return
        for match in self._exact.finditer(text):
            start, end = match.span()
            kind, secret = self._known[text[start:end]]
            if text[start:end] in _base64_of(secret):
                start, end = _widened(text, start, end)
            yield Find(start, start, end, 0, kind, secret)

    def find(self, raw: bytes) -> list[Find]:
        """All secrets in at most one window of bytes, as they stand and encoded, overlaps too."""
        hidden = _hidden(raw)
        found = list(self._scan(hidden))
        for view in self._views(hidden):
            for hit in self._scan(view.text):
                begin, _ = view.place(hit.begin, hit.begin + 1)
                start, end = view.place(hit.start, hit.end)
                found.append(Find(begin, start, end, hit.rank, hit.kind, hit.secret))
        return found

    def mask(self, kind: str, secret: bytes) -> bytes:
        """The mask that stands for a secret."""
        tag = hmac.digest(self._key, secret, "sha256").hex()[:8]
        return f"[redacted:{kind}:{tag}]".encode()

    def _views(self, hidden: bytes) -> Iterator[View]:
        for view in (percent_view(hidden), json_view(hidden)):
            if view is not None:
                yield view
        yield from encoded_runs(hidden)

    def _scan(self, text: bytes) -> Iterator[Find]:
        """All finds in a text as it stands, whether they overlap or not."""
        yield from self.known_in(text)
        if self._suspect.search(text) is None:
            return
        lower = text.lower()
        for rule in self._rules:
            if any(word in text for word in rule.anchors) or any(
                word in lower for word in rule.folded
            ):
                yield from _shaped(rule, text)

    def _settle(self, raw: bytes) -> bytes:
        """Mask a text that has no more to come."""
        return self._replaced(raw, self.find(raw), len(raw))

    def _replaced(self, raw: bytes, finds: list[Find], end: int) -> bytes:
        """The text up to `end`, with masks for what was found."""
        out: list[bytes] = []
        position = 0
        for found in merged(finds):
            if found.start >= end:
                break
            out += (raw[position : found.start], self._written(found.kind, found.secret))
            position = min(found.end, end)
        if not out:
            return raw if end == len(raw) else raw[:end]
        out.append(raw[position:end])
        return b"".join(out)

    def _walk(self, value: Any, *, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if not isinstance(value, dict | list | tuple):
            return value
        if depth == MAX_DEPTH:
            return self._written("too-deep", b"").decode()
        if isinstance(value, dict):
            return {
                self.text(key) if isinstance(key, str) else key: self._member(key, item, depth)
                for key, item in value.items()
            }
        return [self._walk(item, depth=depth + 1) for item in value]

    def _member(self, key: Any, item: Any, depth: int) -> Any:
        masked = self._walk(item, depth=depth + 1)
        if not isinstance(masked, str) or not masked or masked != item:
            return masked
        name = sensitive_name(key) if isinstance(key, str) else None
        raw = masked.encode("utf-8", "surrogatepass")
        if name is None or _MASK.fullmatch(raw):
            return masked
        return self._written(name, raw).decode()

    def _written(self, kind: str, secret: bytes) -> bytes:
        """A mask that goes into the output: counted."""
        self.counts[kind] += 1
        mask = self.mask(kind, secret)
        if self.on_mask is not None:
            self.on_mask(kind, mask.decode())
        return mask


class StreamRedactor:
    """Masks a stream in constant memory: the same bytes come out however they came in."""

    def __init__(self, redactor: Redactor) -> None:
        """Use `Redactor.stream`."""
        self._redactor = redactor
        self._waiting = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk; return what is settled."""
        self._waiting += chunk
        out: list[bytes] = []
        done = 0
        # Always a whole window, however much there is: that makes the outcome independent of it.
        while len(self._waiting) - done > WINDOW + REACH:
            window = bytes(self._waiting[done : done + WINDOW + REACH])
            masked, taken = self._step(window)
            out.append(masked)
            done += taken
        del self._waiting[:done]
        return b"".join(out)

    def finish(self) -> bytes:
        """Return what was held back."""
        rest = bytes(self._waiting)
        self._waiting.clear()
        return self._redactor._settle(rest)  # noqa: SLF001 - one module, two faces

    def _step(self, window: bytes) -> tuple[bytes, int]:
        """Mask the settled part of a window; return it and how many raw bytes it stands for."""
        finds = self._redactor.find(window)
        cut = settled_end(window, finds)
        return self._redactor._replaced(window, finds, cut), cut  # noqa: SLF001 - as above


def _shaped(rule: Rule, text: bytes) -> Iterator[Find]:
    pattern = _compiled(rule.pattern)
    group = 1 if pattern.groups else 0
    position: int | None = 0
    while position is not None:
        matches = pattern.finditer(text, position)
        position = None
        for match in matches:
            start, end = match.span(group)
            if not _accepts(rule, text, start, end):
                # What is no secret may end in the word that gives the next one away.
                position = max(start, end - _LONGEST_WORD)
                if match.start() < position < end:
                    break
                position = None
                continue
            yield Find(match.start(), start, end, rule.rank, rule.kind, text[start:end])


def _accepts(rule: Rule, text: bytes, start: int, end: int) -> bool:
    if rule.is_exact and text[end : end + 1] == _HIDDEN:
        return False
    return rule.accept is None or rule.accept(text[start:end])


def _hidden(raw: bytes) -> bytes:
    """The text with its masks overwritten by bytes that no rule takes."""
    if b"[redacted:" not in raw:
        return raw
    return _MASK.sub(lambda found: _HIDDEN * len(found[0]), raw)


_BASE64_CHARACTERS = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
)


def _widened(text: bytes, start: int, end: int) -> tuple[int, int]:
    """Take in the characters beside a secret in base64 that carry some of its bits."""
    low, high = max(0, start - 2), min(len(text), end + 2)
    while start > low and text[start - 1] in _BASE64_CHARACTERS:
        start -= 1
    while end < high and (text[end] in _BASE64_CHARACTERS or text[end] == ord("=")):
        end += 1
    return start, end


@cache
def _base64_of(secret: bytes) -> frozenset[bytes]:
    return frozenset(base64_forms(secret))


@cache
def _options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # bytes are bytes
    options.max_mem = 64 * 1024 * 1024
    options.log_errors = False
    return options


@cache
def _compiled(pattern: str) -> Any:
    return re2.compile(pattern.encode("latin-1"), _options())


def _quoted(form: bytes) -> str:
    return str(re2.escape(form).decode("latin-1"))


def _is_text(form: bytes) -> bool:
    try:
        form.decode()
    except UnicodeDecodeError:
        return False
    return True


def _kind(name: str) -> str:
    kind = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return kind or "secret"


def sensitive_name(key: str) -> str | None:
    """The kind of secret that a member of this name holds; None for any other name."""
    found = _SENSITIVE_KEY.search(_NOT_NAME.sub("_", _CAMEL.sub("_", key[-80:]).lower()))
    return None if found is None else _kind(found[0])
