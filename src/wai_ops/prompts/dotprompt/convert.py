"""One file of dotprompt or Handlebars to a prompt and its parts, as text. Nothing is written."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wai_ops.core.text import one_line
from wai_ops.prompts.dotprompt.front import Front, read_front, split
from wai_ops.prompts.dotprompt.layout import to_text
from wai_ops.prompts.dotprompt.lexing import HandlebarsError, lex
from wai_ops.prompts.dotprompt.said import Said
from wai_ops.prompts.dotprompt.tree import parse_tree
from wai_ops.prompts.dotprompt.variables import Variables
from wai_ops.prompts.dotprompt.writer import Message, Part, Writer
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.tags import normal_lines

MAX_PARTIALS = 100
PartialReader = Callable[[str], tuple[str, str, str] | None]
"""Name of a partial -> its file as messages name it, its path below `prompts/`, and its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A prompt that can be written."""

    text: str
    parts: Mapping[str, str]
    """Path below `prompts/` -> text."""


def convert(
    text: str, name: str, said: Said, *, model: str | None, partial: PartialReader
) -> Converted | None:
    """Convert the text of one file; None when something in it is refused, which `said` holds."""
    yaml, body, line = split(normal_lines(text).removeprefix("\ufeff"))
    front = read_front(yaml, said.file, model, said)
    if said.is_refused():
        return None
    # The first time finds out how variables are used, the second writes what that means.
    variables = Variables(front.input_schema, front.defaults, Said(said.file))
    _Conversion(variables, Said(said.file), partial).run(body, line)
    variables.said = said
    conversion = _Conversion(variables, said, partial)
    messages = conversion.run(body, line)
    declared = variables.declared(1)
    if said.is_refused():
        return None
    sections = [message for message in messages if not message.is_blank]
    if not sections:
        said.refuse(line, "the template is empty")
        return None
    written = _written(front, declared, sections)
    return _checked(Converted(text=written, parts=conversion.parts), name, said)


class _Conversion:
    """One way through the template and the partials that it names."""

    def __init__(self, variables: Variables, said: Said, partial: PartialReader) -> None:
        self._variables = variables
        self._said = said
        self._partial = partial
        self._known: dict[str, Part | None] = {}
        self._open: list[str] = []
        self.parts: dict[str, str] = {}

    def run(self, body: str, line: int) -> Sequence[Message]:
        """Write the messages of the template."""
        writer = Writer(self._variables, self._said, self._part)
        try:
            writer.write(parse_tree(lex(body, line)))
        except HandlebarsError as error:
            self._said.refuse(error.line, error.message)
        _check_history(writer, self._said)
        return writer.messages

    def _part(self, name: str, line: int) -> Part | None:
        """Convert a partial when it is first named."""
        if name in self._open:
            self._said.refuse(line, f"the partial `{one_line(name, 60)}` includes itself")
            return None
        if name not in self._known:
            if len(self._known) == MAX_PARTIALS:
                self._said.refuse(line, f"more than {MAX_PARTIALS} partials")
                return None
            self._open.append(name)
            self._known[name] = self._read(name, line)
            self._open.pop()
        return self._known[name]

    def _read(self, name: str, line: int) -> Part | None:
        found = self._partial(name)
        if found is None:
            self._said.refuse(line, f"the partial `{one_line(name, 60)}` is not there")
            return None
        file, path, text = found
        inner = Said(file)
        used = Variables(self._variables.schema, self._variables.defaults, Said(file))
        writer = Writer(_Both(self._variables, used), inner, self._part)
        try:
            writer.write(parse_tree(lex(normal_lines(text).removeprefix("\ufeff"))))
        except HandlebarsError as error:
            inner.refuse(error.line, error.message)
        if len(writer.messages) > 1:
            inner.refuse(1, "a partial with roles: a part is text within one message")
        self._said.findings += [item for item in inner.findings if item not in self._said.findings]
        if inner.is_refused():
            return None
        content = to_text(writer.messages[0].pieces)
        ends_line = content.endswith("\n")
        self.parts[path] = content if ends_line else f"{content}\n"
        return Part(path, ends_line, uses_variables=bool(used.lines))


class _Both(Variables):
    """The variables of a prompt, and beside them those that one partial uses."""

    def __init__(self, whole: Variables, used: Variables) -> None:
        super().__init__(whole.schema, whole.defaults, whole.said, whole.found, whole.tested)
        self.lines = whole.lines
        self._used = used

    def ref(self, name: str, line: int, use: str) -> Any:
        self._used.lines.setdefault(name, line)
        return super().ref(name, line, use)


def _check_history(writer: Writer, said: Said) -> None:
    """Earlier turns of a conversation are put before the last message: nowhere else."""
    filled = [at for at, item in enumerate(writer.messages) if not item.is_blank]
    for place, line in writer.history:
        behind = len(filled) - bisect_left(filled, place)
        if behind > 1 or (behind and writer.messages[filled[-1]].role != "user"):
            said.refuse(
                line,
                "{{history}} can stand right before the last user message only: that is where "
                "earlier turns of a conversation go",
            )


def _written(front: Front, declared: Mapping[str, Any], sections: Sequence[Message]) -> str:
    import yaml

    data: dict[str, Any] = {}
    if front.model is not None:
        data["model"] = front.model
    if front.description:
        data["description"] = front.description
    if front.parameters:
        data["parameters"] = front.parameters
    data["variables"] = dict(declared)
    if front.tools:
        data["tools"] = front.tools
    if front.output_schema is not None:
        data["output_schema"] = dict(front.output_schema)
    head = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=96)
    body = []
    for message in sections:
        content = to_text(message.pieces)
        body.append(f"{{% role {message.role} %}}\n{content.rstrip()}\n")
    return f"---\n{head}---\n" + "\n".join(body)


def _checked(made: Converted, name: str, said: Said) -> Converted | None:
    """Load what was made, as every other command will. What does not load is not written."""
    from wai_ops.prompts.rendering import check_source
    from wai_ops.prompts.source import parse_source

    texts = {**made.parts, f"{name}.prompt": made.text}

    def read(path: str) -> bytes:
        if path not in texts:
            raise PromptError("is not there", where=f"prompts/{path}")
        return texts[path].encode("utf-8", "surrogatepass")

    try:
        check_source(parse_source(name, read))
    except PromptError as error:
        place = f" ({error.where})" if error.where else ""
        said.refuse(1, f"what comes of it could not be loaded: {error.message}{place}")
        return None
    return made
