"""Exact counts, with a model's own tokenizer: a `tokenizer.json` and, beside it, its chat template.

The files are those that models are published with. Nothing is downloaded. Needs the extra
`wai-ops[tokenizers]`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line
from wai_ops.core.tokens import TOKENS_PER_MESSAGE
from wai_ops.prompts.input_file import read_input
from wai_ops.prompts.tokens import Basis, Chat, Method, shared_size, tools_text

INSTALL_HINT = "pip install 'wai-ops[tokenizers]'"
MAX_BYTES = 64 * 1024 * 1024
TOKENIZER, SETTINGS, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
PROBES = ("a", "s", "ly", "Z", "0", " ", "\n", ".", "\u00e9", "\u7684")
"""Continuations of every kind: a token that one of them changes is not settled."""
LONG_CHARACTERS = 50_000

Token = tuple[int, str]


def open_tokenizer(path: Path) -> "ExactCounter":
    """Open a folder, or a `tokenizer.json`. Raises UsageError when it is none."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise UsageError(
            f"exact counts need a package that is not installed: {error.name}", hint=INSTALL_HINT
        ) from error
    file = path / TOKENIZER if path.is_dir() else path
    text = read_input(file, "tokenizer", limit=MAX_BYTES)
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the package raises Exception itself
        raise UsageError(
            f"{file} is no tokenizer: {one_line(str(error))}", hint="give a tokenizer.json"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return ExactCounter(tokenizer, _chat_frame(file.parent), file)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFrame:
    """The chat template of a model, as source, and the texts of its special tokens."""

    template: str
    bos_token: str = ""
    eos_token: str = ""


def _chat_frame(folder: Path) -> ChatFrame | None:
    settings = _settings(folder / SETTINGS)
    template = settings.get("chat_template")
    if (folder / TEMPLATE).exists():
        template = read_input(folder / TEMPLATE, "chat template")
    if isinstance(template, list):  # several, by name
        named = {item["name"]: item["template"] for item in template if "name" in item}
        template = named.get("default")
    if not isinstance(template, str):
        return None
    return ChatFrame(
        template=template,
        bos_token=_special(settings.get("bos_token")),
        eos_token=_special(settings.get("eos_token")),
    )


def _settings(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(read_input(path, "tokenizer settings", limit=MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}") from error
    return found if isinstance(found, dict) else {}


def _special(value: Any) -> str:
    """The text of a special token: given as text, or as an object with its `content`."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else ""


class ExactCounter:
    """Counts as the model does. Without a chat template, what stands around texts is estimated."""

    def __init__(self, tokenizer: Any, frame: ChatFrame | None, path: Path) -> None:
        """`tokenizer` is one of the package `tokenizers`."""
        self._tokenizer = tokenizer
        # The same few texts are counted and compared several times.
        self._tokens = lru_cache(maxsize=16)(self._encoded)
        self._path = path
        self._frame = frame
        self._template = None if frame is None else _compiled(frame.template, path)

    @property
    def basis(self) -> Basis:
        """Names the file."""
        around = "" if self._template else "; without a chat template, so its marks are estimated"
        words = f"exact: {one_line(str(self._path), 120)}{around}"
        return Basis(method=Method.EXACT, words=words)

    def count(self, chat: Chat) -> int:
        """All tokens; of an open chat, those that no continuation changes."""
        if chat.is_open:
            return self.shared(chat, chat)
        if self._template is None:
            texts = [tools_text(chat.tools), *(text for _, text in chat.messages)]
            return sum(len(self._tokens(text)) for text in texts) + _marks(chat)
        return len(self._tokens(self._rendered(chat)))

    def shared(self, first: Chat, second: Chat) -> int:
        """The tokens at the beginning of both, whatever follows."""
        if self._template is None:
            return self._shared_texts(first, second)
        others = [] if first is second else self._all(second)
        return _common([*self._all(first), *others])

    def _all(self, chat: Chat) -> list[Sequence[Token]]:
        """The tokens of a chat; of an open one, with each of the continuations."""
        if not chat.is_open:
            return [self._tokens(self._rendered(chat))]
        role, text = chat.messages[-1]
        before = chat.messages[:-1]
        return [
            self._tokens(
                self._rendered(Chat(tools=chat.tools, messages=(*before, (role, text + probe))))
            )
            for probe in _probes(text)
        ]

    def _shared_texts(self, first: Chat, second: Chat) -> int:
        """Part by part, each by itself; the part that differs is compared as tokens."""
        size = shared_size(first, second)
        text = tools_text(first.tools) + "".join(text for _, text in first.messages)
        whole = len(text) == size.characters and not (first.is_open or second.is_open)
        same = text[: size.characters]
        probes = ("",) if whole else _probes(same)
        settled = _common([self._tokens(same + probe) for probe in probes])
        return settled + size.marks * TOKENS_PER_MESSAGE

    def _encoded(self, text: str) -> Sequence[Token]:
        """Each token with the text it stands for: an unknown one is no other unknown one."""
        encoded = self._tokenizer.encode(text, add_special_tokens=self._template is None)
        pairs = zip(encoded.ids, encoded.offsets, strict=True)
        return [(number, text[start:end]) for number, (start, end) in pairs]

    def _rendered(self, chat: Chat) -> str:
        import jinja2

        assert self._template is not None
        assert self._frame is not None
        try:
            rendered: str = self._template.render(
                messages=[{"role": role, "content": text} for role, text in chat.messages],
                tools=[dict(tool) for tool in chat.tools] or None,
                add_generation_prompt=True,
                bos_token=self._frame.bos_token,
                eos_token=self._frame.eos_token,
            )
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise UsageError(
                f"the chat template beside {self._path} cannot be used: {one_line(str(error))}"
            ) from error
        return rendered


def _probes(text: str) -> Sequence[str]:
    """All of them; of a long text, where a token more or less is nothing, two."""
    return PROBES if len(text) <= LONG_CHARACTERS else (PROBES[0], ".")


def _marks(chat: Chat) -> int:
    return (len(chat.messages) + bool(chat.tools)) * TOKENS_PER_MESSAGE


def _common(lists: Sequence[Sequence[Token]]) -> int:
    """How many tokens all of them begin with."""
    first = lists[0]
    same = (
        number
        for number, tokens in enumerate(zip(*lists, strict=False))
        if any(token != tokens[0] for token in tokens)
    )
    return next(chain(same, (min(map(len, lists)),))) if first else 0


def _compiled(source: str, path: Path) -> Any:
    """As these templates are used everywhere: loop controls, JSON that is not escaped for HTML."""
    import jinja2
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], autoescape=False
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    try:
        return environment.from_string(source)
    except jinja2.TemplateError as error:
        raise UsageError(
            f"the chat template beside {path} is none: {one_line(str(error))}"
        ) from error


def _to_json(value: Any, **options: Any) -> str:
    return json.dumps(value, **{"ensure_ascii": False, **options})


def _raise_exception(message: str) -> None:
    import jinja2

    raise jinja2.TemplateError(one_line(str(message)))


def _strftime_now(form: str) -> str:
    """A fixed day: two counts of one text are the same on every day."""
    from datetime import UTC, datetime

    return datetime(2026, 1, 1, tzinfo=UTC).strftime(form)
