"""What stands inside a tag of Handlebars: paths, literals, named arguments, block parameters."""

import re
from dataclasses import dataclass

from wai_ops.prompts.dotprompt.lexing import HandlebarsError

_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<string>\"[^\"]*\"|'[^']*')"
    r"|(?P<number>-?\d+(?:\.\d+)?(?=[\s)=|]|\Z))"
    r"|(?P<as>as\s+\|(?P<params>[^|]*)\|)"
    r"|(?P<hash>[A-Za-z_][\w-]*)\s*="
    r"|(?P<path>@?(?:\.\./|\./)*(?:\.\.|\.|[^\s\"'()=|\[\]/.{}]+|\[[^\]]*\])"
    r"(?:[./](?:[^\s\"'()=|\[\]/.{}]+|\[[^\]]*\]))*)"
    r")"
)
_MOST_NAMES = 64
_LITERALS = {"true": True, "false": False, "null": None, "undefined": None}


@dataclass(frozen=True, slots=True)
class Path:
    """`../order.items.[0]`: how many contexts up, then the names; `this` has none."""

    up: int
    names: tuple[str, ...]
    is_data: bool = False
    """`@index`, `@root.x`."""
    is_plain: bool = True
    """Written without `this` and dots at its beginning: it may be the name of a helper."""

    @property
    def text(self) -> str:
        """As people would write it."""
        start = ("@" if self.is_data else "") + "../" * self.up
        return start + (".".join(self.names) or "this")


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, a number, true, false or null."""

    value: str | int | float | bool | None


Argument = Path | Literal


@dataclass(frozen=True, slots=True)
class Expression:
    """A path or helper with its arguments."""

    head: Argument
    arguments: tuple[Argument, ...]
    named: tuple[tuple[str, Argument], ...]
    parameters: tuple[str, ...]


def parse_expression(words: str, line: int) -> Expression:
    """Read the words of a tag. Raises HandlebarsError."""
    arguments: list[Argument] = []
    named: list[tuple[str, Argument]] = []
    parameters: tuple[str, ...] = ()
    place, name = 0, None
    words = words.strip()
    while place < len(words):
        match = _TOKEN.match(words, place)
        if match is None:
            what = "a nested call (…)" if words[place:].lstrip().startswith("(") else "this tag"
            raise HandlebarsError(f"{what} cannot be imported: {_short(words)}", line)
        place = match.end()
        if match["hash"] is not None:
            name = match["hash"]
        elif match["as"] is not None:
            parameters = tuple(match["params"].split())
        else:
            value = _argument(match)
            if isinstance(value, Path) and len(value.names) > _MOST_NAMES:
                raise HandlebarsError(f"a path of more than {_MOST_NAMES} names", line)
            if name is not None:
                named.append((name, value))
                name = None
            else:
                arguments.append(value)
    if not arguments or name is not None:
        raise HandlebarsError(f"this tag cannot be read: {_short(words)}", line)
    return Expression(arguments[0], tuple(arguments[1:]), tuple(named), parameters)


def _short(words: str) -> str:
    return "{{" + (words if len(words) <= 60 else f"{words[:59]}…") + "}}"


def _argument(match: re.Match[str]) -> Argument:
    if match["string"] is not None:
        return Literal(match["string"][1:-1])
    if match["number"] is not None:
        number = match["number"]
        return Literal(float(number) if "." in number else int(number))
    text = match["path"]
    if text in _LITERALS:
        return Literal(_LITERALS[text])
    is_data = text.startswith("@")
    text = text.removeprefix("@")
    up = 0
    is_plain = True
    while text.startswith(("../", "./")):
        up += text.startswith("../")
        text = text.partition("/")[2]
        is_plain = False
    if text == "..":
        return Path(up + 1, (), is_data, is_plain=False)
    if text in (".", "this"):
        return Path(up, (), is_data, is_plain=False)
    if text.startswith(("this.", "this/")):
        text, is_plain = text[5:], False
    names = tuple(
        part[1:-1] if part.startswith("[") else part
        for part in re.findall(r"\[[^\]]*\]|[^./\[\]]+", text)
    )
    return Path(up, names, is_data, is_plain=is_plain and len(names) == 1)
