"""Jinja2's immutable sandbox, and around it the limits that it does not have.

The sandbox keeps a template from reaching Python; it does not keep it from asking for
`"x" * 10**9`. So everything that can make or repeat something goes through `Allowance`:
arithmetic, calls, filters and tests through the hooks that the sandbox has; loops, comparisons and
the making of lists through calls that are put into the template when it is compiled
(`compiling.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from types import BuiltinMethodType
from typing import Any

from jinja2 import StrictUndefined
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from jinja2.runtime import Context, LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.utils import Namespace, _PassArg, pass_context

from wai_ops.prompts.allowance import Allowance
from wai_ops.prompts.filters import all_filters, scalar_text
from wai_ops.prompts.methods import Each, call_method, check_binary
from wai_ops.prompts.unknown import Unknown, first_unknown

# Names with a space: no template can write them.
EACH, TICK, MADE, CONCAT = " each", " tick", " made", " concat"
SLICE, TEXT = " slice", " text"
_NO_TESTS = frozenset({"callable", "escaped", "filter", "test"})


class BoundedContext(Context):
    """A rendering, with what it may still use."""

    allowance: Allowance


class Numbered(Extension):
    """Gives every token the number of its tag in place of its line; see `tags.py`."""

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        """Number the tags from 1."""
        number = 0
        for token in stream:
            if token.type in ("block_begin", "variable_begin"):
                number += 1
            yield Token(max(number, 1), token.type, token.value)


@pass_context
def _finalize(context: BoundedContext, value: Any) -> str:
    """Turn what is printed into text, and count it."""
    text = as_text(value)
    context.allowance.text(len(text))
    return text


def as_text(value: Any) -> str:
    """The text of anything that is printed: calls and filters of blocks may give any value."""
    if isinstance(value, str):
        return value
    if isinstance(value, Unknown):
        value.ends()
    return scalar_text(value)


@pass_context
def _slice(context: BoundedContext, value: Any, start: Any, stop: Any, step: Any) -> Any:
    """Cut a piece out of a text or list."""
    context.allowance.tick()
    if (unknown := first_unknown(value, start, stop, step)) is not None:
        return unknown
    if isinstance(value, Undefined):
        return str(value)  # raises, naming the variable
    return context.allowance.made(value[slice(start, stop, step)])


@pass_context
def _each(context: BoundedContext, value: Any) -> Any:
    if isinstance(value, Unknown):
        value.ends()
    return Each(context.allowance, value)


@pass_context
def _tick(context: BoundedContext, value: Any) -> Any:
    context.allowance.tick()
    return value


@pass_context
def _made(context: BoundedContext, value: Any) -> Any:
    context.allowance.tick()
    return value if isinstance(value, Unknown) else context.allowance.made(value)


@pass_context
def _concat(context: BoundedContext, values: Any) -> Any:
    context.allowance.tick()
    if (unknown := first_unknown(*values)) is not None:
        return unknown
    texts = [scalar_text(value) for value in values]
    context.allowance.text(sum(map(len, texts)))
    return "".join(texts)


def _bounded_test(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    passed = _PassArg.from_obj(function)

    @pass_context
    def run(context: BoundedContext, value: Any, *args: Any) -> Any:
        context.allowance.tick()
        if isinstance(value, Unknown) and name in ("defined", "undefined"):
            return name == "defined"
        if (unknown := first_unknown(value, *args)) is not None:
            return unknown
        if passed is _PassArg.environment:
            return function(context.environment, value, *args)
        return function(value, *args)

    return run


def _range(*numbers: int) -> range:
    return range(*numbers)


def _dict(pairs: Any = (), **values: Any) -> dict[Any, Any]:
    return dict(pairs, **values)


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of all prompts."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))
    context_class = BoundedContext

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,
            keep_trailing_newline=True,
            optimized=False,
            finalize=_finalize,
            extensions=[Numbered],
        )
        own: dict[str, Callable[..., Any]] = {
            EACH: _each,
            TICK: _tick,
            MADE: _made,
            CONCAT: _concat,
        }
        own |= {CONCAT: _concat, SLICE: _slice, TEXT: _finalize}
        self.filters = all_filters() | own
        self.tests = {
            name: _bounded_test(name, function)  # type: ignore[arg-type]  # as Jinja2 declares it
            for name, function in TESTS.items()
            if name not in _NO_TESTS
        }
        self.globals = {"range": _range, "dict": _dict, "namespace": Namespace}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Do arithmetic within the allowance."""
        assert isinstance(context, BoundedContext)
        context.allowance.tick()
        if (unknown := first_unknown(left, right)) is not None:
            return unknown
        check_binary(operator, left, right)
        return context.allowance.made(super().call_binop(context, operator, left, right))

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a macro, a loop, or one of the methods and functions that are allowed."""
        assert isinstance(context, BoundedContext)
        context.allowance.tick()
        # What the compiler adds to every call inside a loop; it is for functions that ask for it.
        kwargs.pop("_loop_vars", None)
        kwargs.pop("_block_vars", None)
        if isinstance(obj, Unknown):
            return obj
        if isinstance(obj, BuiltinMethodType) and obj.__self__ is not None:
            return call_method(context.allowance, obj, args, kwargs)
        if isinstance(obj, LoopContext) and args:
            args = (_each(context, args[0]), *args[1:])
            return obj(*args, **kwargs)
        if isinstance(obj, Macro) or isinstance(getattr(obj, "__self__", None), LoopContext):
            return obj(*args, **kwargs)
        if obj is _range or obj is _dict:
            if (unknown := first_unknown(*args, *kwargs.values())) is not None:
                return unknown
            return context.allowance.made(obj(*args, **kwargs))
        if obj is Namespace:
            return obj(*args, **kwargs)
        if isinstance(obj, StrictUndefined):
            return obj()  # raises, naming the variable
        raise SecurityError("this cannot be called in a prompt")

    def begin(
        self, template: Any, values: Mapping[str, Any], allowance: Allowance
    ) -> BoundedContext:
        """A fresh rendering of a template."""
        context: BoundedContext = template.new_context(dict(values))
        context.allowance = allowance
        return context
