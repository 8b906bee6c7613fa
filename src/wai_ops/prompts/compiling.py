"""From a section to a template of Jinja2, with every limit put in and every tag's place known."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import TracebackType
from typing import Any

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2.meta import TrackingCodeGenerator
from jinja2.visitor import NodeTransformer

from wai_ops.core.text import one_line
from wai_ops.prompts.allowance import Allowance
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.includes import Place, where_of
from wai_ops.prompts.sandbox import CONCAT, EACH, MADE, SLICE, TEXT, TICK, Sandbox, as_text
from wai_ops.prompts.source import Section
from wai_ops.prompts.tags import LexError, Tag, find_tags

_FILE = "<prompt>"
_REFUSED: dict[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.ScopedEvalContextModifier: "autoescape",
}


@cache
def sandbox() -> Sandbox:
    """The environment; making it costs more than most renderings."""
    return Sandbox()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A section, ready to be rendered."""

    section: Section
    template: Template
    tags: tuple[Tag, ...]
    variables: Mapping[str, int]
    """What the section needs -> the number of the first tag that does."""

    def run(self, values: Mapping[str, Any], allowance: Allowance) -> Iterator[str]:
        """Render, piece by piece; raises whatever the template does."""
        context = sandbox().begin(self.template, values, allowance)
        for piece in self.template.root_render_func(context):
            yield as_text(piece)

    def place(self, number: int) -> Place:
        """Where a tag stands; tags count from 1."""
        tags = self.tags
        return self.section.place(tags[min(number, len(tags)) - 1].start if tags else 0)

    def place_of_error(self, error: BaseException, *, is_outermost: bool = False) -> Place:
        """Where the template was when something was raised: in the innermost macro, or outside."""
        numbers = list(_numbers(error.__traceback__, self.template))
        if not numbers:
            return self.place(1)
        return self.place(numbers[0] if is_outermost else numbers[-1])


def compile_section(section: Section) -> Compiled:
    """Compile a section. Raises PromptError for what is no template, or does what is refused."""
    try:
        tags, template, variables = _compile(section.text)
    except LexError as error:
        offset = len("".join(section.text.splitlines(keepends=True)[: error.line - 1]))
        place = section.place(min(offset, max(len(section.text) - 1, 0)))
        raise PromptError(str(error), where=f"prompts/{place[0]}:{place[1]}") from error
    except _At as error:
        number = max(error.number, 1)
        tags = error.tags
        place = section.place(tags[min(number, len(tags)) - 1].start if tags else 0)
        raise PromptError(error.message, where=where_of(place), hint=error.hint) from error
    return Compiled(section=section, template=template, tags=tags, variables=variables)


class _At(Exception):  # noqa: N818 - carries a place to where the files are known
    """Something is wrong at the tag of a number."""

    def __init__(
        self, message: str, number: int, tags: tuple[Tag, ...], hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.number = number
        self.tags = tags
        self.hint = hint


@lru_cache(maxsize=256)
def _compile(text: str) -> tuple[tuple[Tag, ...], Template, Mapping[str, int]]:
    """Compile a text: the same prompt is rendered many times over a data set."""
    tags = tuple(find_tags(text))
    environment = sandbox()
    try:
        tree = environment.parse(text)
        _refuse(tree, tags)
        variables = _first_uses(tree, _undeclared(tree, environment))
        tree = _Limits().visit(tree)
        code = environment.compile(tree, filename=_FILE)
        template = Template.from_code(environment, code, environment.globals)
    except TemplateSyntaxError as error:
        message = one_line(error.message or "syntax error").rstrip(".")
        raise _At(message, error.lineno, tags, _known(message, environment)) from error
    except _At:
        raise
    except Exception as error:
        # Jinja2 and Python give up in many ways; none of them knows where.
        message = "the template cannot be compiled: it is nested too deeply, or means nothing"
        raise _At(message, 1, tags) from error
    return tags, template, variables


def _refuse(tree: nodes.Template, tags: tuple[Tag, ...]) -> None:
    for kind, word in _REFUSED.items():
        if found := tree.find(kind):
            raise _At(f"`{word}` cannot be used in a prompt", found.lineno, tags, _advice(word))


def _undeclared(tree: nodes.Template, environment: Sandbox) -> set[str]:
    """The variables that a template takes."""
    generator = TrackingCodeGenerator(environment)
    # It would work out constants, without the limits and without need.
    generator.optimizer = None
    generator.visit(tree)
    return set(generator.undeclared_identifiers)


def _known(message: str, environment: Sandbox) -> str | None:
    """What there is, where a filter or a test was meant that is not."""
    kinds = {"No filter named": environment.filters, "No test named": environment.tests}
    for start, names in kinds.items():
        if message.startswith(start):
            return f"there are: {', '.join(sorted(n for n in names if n.isidentifier()))}"
    return None


def _advice(word: str) -> str | None:
    if word in ("include", "import", "from", "extends"):
        return 'texts are shared with {% include "shared/house.part" %}'
    return None


def _first_uses(tree: nodes.Template, wanted: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in wanted and node.ctx == "load":
            found[node.name] = min(node.lineno, found.get(node.name, node.lineno))
    return dict(sorted(found.items()))


def _numbers(trace: TracebackType | None, template: Template) -> Any:
    """The tag numbers of the template's own frames, outermost first."""
    while trace is not None:
        if trace.tb_frame.f_globals.get("__jinja_template__") is template:
            yield template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next


def _through(name: str, node: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


class _Limits(NodeTransformer):
    """Puts a call of `sandbox.py` around everything that can repeat or make something."""

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802 - Jinja2's names
        """Let text be counted like values."""
        self.generic_visit(node)
        node.nodes = [
            nodes.Const(item.data, lineno=item.lineno)
            if isinstance(item, nodes.TemplateData)
            else item
            for item in node.nodes
        ]
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        """Count the rounds."""
        self.generic_visit(node)
        node.iter = _through(EACH, node.iter)  # type: ignore[arg-type]  # declared as any node
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        """Look at the time: comparing long texts takes some."""
        self.generic_visit(node)
        node.expr = _through(TICK, node.expr)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        """Know the length before there is a text."""
        self.generic_visit(node)
        return _through(CONCAT, nodes.List(node.nodes, lineno=node.lineno))

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        """Count what a slice copies."""
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        nothing = nodes.Const(None)
        parts = [part or nothing for part in (node.arg.start, node.arg.stop, node.arg.step)]
        return nodes.Filter(node.node, SLICE, parts, [], None, None, lineno=node.lineno)

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> nodes.Node:  # noqa: N802
        """Print what a filter gives like any other value."""
        self.generic_visit(node)
        node.filter = _through(TEXT, node.filter)
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        """Count a list with everything in it: lists of lists of lists grow fast."""
        self.generic_visit(node)
        return _through(MADE, node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        """Count a mapping like a list."""
        self.generic_visit(node)
        return _through(MADE, node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        """Count a tuple like a list, where it is a value."""
        self.generic_visit(node)
        return _through(MADE, node) if node.ctx == "load" else node
