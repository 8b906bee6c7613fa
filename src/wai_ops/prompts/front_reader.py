"""From the YAML of a front matter to a `FrontMatter`; every mistake with file, line and column."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from wai_ops.config import rules
from wai_ops.config.problems import Mark, Problem, nearest
from wai_ops.config.yaml_strict import DataPath, Document, parse
from wai_ops.core.text import one_line
from wai_ops.prompts.data_files import SUFFIXES, plain, problems_error, read_data, sorted_keys
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.frontmatter import FrontMatter, LintChoice, Parameters, Variable, VariableType
from wai_ops.prompts.values import value_problem

_KEYS = tuple(item.name for item in fields(FrontMatter) if item.name != "lines")
_VARIABLE_KEYS = ("type", "required", "default", "description")
_TYPES = tuple(kind.value for kind in VariableType)
_LEAST_MOST: dict[str, tuple[float, float]] = {
    "max_output_tokens": (1, 1_000_000),
    "temperature": (0, 5),
    "top_p": (0, 1),
    "top_k": (1, 1000),
    "seed": (1, 9_999_999_999),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
    "repetition_penalty": (0, 2),
}
_WHOLE = frozenset({"max_output_tokens", "top_k", "seed"})

_NOTHING = object()
"""Stands for a file that was not read; the problem is noted."""
TextOf = Callable[[str, str], str]
"""Path below `prompts/` and the place that names it -> the file's text."""


def read_front(text: str, path: str, text_of: TextOf) -> FrontMatter:
    """Read a front matter; tools and schema may name files. Raises PromptError with every place."""
    document = parse(text.encode("utf-8"), f"prompts/{path}")
    if document.problems:
        raise problems_error(document.label, document.problems)
    return _Front(document, text_of).read()


class _Front:
    """Reads one document; problems are collected and raised together."""

    def __init__(self, document: Document, text_of: TextOf) -> None:
        self._document = document
        self._data: Mapping[str, Any] = document.data or {}
        self._text_of = text_of

    def read(self) -> FrontMatter:
        self._known(self._data, _KEYS, ())
        model, route = self._text("model"), self._text("route")
        self._rule(model, rules.MODEL, ("model",))
        self._rule(route, rules.NAME, ("route",))
        if model is not None and route is not None:
            self._problem("give model or route, not both", ("route",), is_key=True)
        description = self._text("description")
        front = FrontMatter(
            model=model,
            route=route,
            parameters=self._parameters(),
            variables=self._variables(),
            tools=self._tools(),
            output_schema=self._schema(),
            envelope=sorted_keys(plain(self._mapping("envelope") or {})),
            owners=self._texts("owners"),
            description=description or "",
            tags=self._texts("tags"),
            lint=self._lint(),
            lines={
                ".".join(map(str, key)): mark.line
                for key, mark in self._document.key_marks.items()
                if len(key) == 1 or (len(key) == 2 and key[0] == "envelope")
            },
        )
        if self._document.problems:
            raise problems_error(self._document.label, self._document.problems)
        return front

    def _mark(self, path: DataPath, *, is_key: bool) -> Mark:
        marks = self._document.key_marks if is_key else self._document.marks
        return marks.get(path) or self._document.marks.get(path) or Mark()

    def _problem(self, message: str, path: DataPath, *, is_key: bool = False) -> None:
        self._document.problems.append(Problem(self._mark(path, is_key=is_key), message, path))

    def _where(self, path: DataPath) -> str:
        mark = self._mark(path, is_key=False)
        return f"{self._document.label}:{mark.line}:{mark.column}"

    def _known(self, data: Mapping[str, Any], known: Iterable[str], path: DataPath) -> None:
        for key in data:
            if key not in known:
                near = nearest(key, known)
                inside = f" in `{'.'.join(map(str, path))}`" if path else ""
                advice = f"; did you mean `{near}`?" if near else ""
                self._problem(f"unknown key `{key}`{inside}{advice}", (*path, key), is_key=True)

    def _text(self, key: str) -> str | None:
        value = self._data.get(key)
        if value is None or isinstance(value, str):
            return value
        self._problem(f"{key}: must be text", (key,))
        return None

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self._data.get(key)
        if value is None:
            return ()
        items = [value] if isinstance(value, str) else value
        if isinstance(items, list) and all(isinstance(item, str) and item for item in items):
            return tuple(items)
        self._problem(f"{key}: must be a list of texts", (key,))
        return ()

    def _mapping(self, key: str) -> dict[str, Any] | None:
        value = self._data.get(key)
        if value is None or isinstance(value, dict):
            return value
        self._problem(f"{key}: must be a mapping (`key: value` lines)", (key,))
        return None

    def _rule(self, value: Any, rule: rules.Rule, path: DataPath) -> None:
        if value is not None and (problem := rule.problem(value)):
            self._problem(f"{'.'.join(map(str, path))}: {problem}", path)

    def _parameters(self) -> Parameters:
        data = self._mapping("parameters") or {}
        self._known(data, tuple(item.name for item in fields(Parameters)), ("parameters",))
        found: dict[str, Any] = {}
        for name, value in data.items():
            if value is None:
                continue
            if name == "stop":
                found["stop"] = self._stop(value)
            elif name in _LEAST_MOST:
                found[name] = self._number(name, plain(value))
        return Parameters(**found)

    def _number(self, name: str, value: Any) -> float | int | None:
        low, high = _LEAST_MOST[name]
        kind = int if name in _WHOLE else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
            what = "a whole number" if name in _WHOLE else "a number"
            self._problem(
                f"parameters.{name}: must be {what} between {low:,.0f} and {high:,.0f}".replace(
                    ",", ""
                ),
                ("parameters", name),
            )
            return None
        # 1 and 1.0 are one temperature, and so one version.
        return value if name in _WHOLE else float(value)

    def _lint(self) -> LintChoice:
        data = self._mapping("lint") or {}
        self._known(data, tuple(item.name for item in fields(LintChoice)), ("lint",))
        value = data.get("ignore")
        items = [value] if isinstance(value, str) else value or []
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            self._problem("lint.ignore: must be a list of rules", ("lint", "ignore"))
            return LintChoice()
        for item in items:
            self._rule(item, rules.LINT_RULE, ("lint", "ignore"))
        return LintChoice(ignore=tuple(items))

    def _stop(self, value: Any) -> tuple[str, ...] | None:
        items = [value] if isinstance(value, str) else value
        if isinstance(items, list) and all(isinstance(item, str) and item for item in items):
            return tuple(items) or None
        self._problem("parameters.stop: must be a list of texts", ("parameters", "stop"))
        return None

    def _variables(self) -> dict[str, Variable] | None:
        if "variables" not in self._data:
            return None
        data = self._mapping("variables") or {}
        found = {}
        for name, value in data.items():
            path: DataPath = ("variables", name)
            if not name.isidentifier() or name.startswith("_") or not name.isascii():
                self._problem(f"`{name}` is not a name of a variable", path, is_key=True)
            elif (variable := self._variable(name, value, path)) is not None:
                found[name] = variable
        return dict(sorted(found.items()))

    def _variable(self, name: str, value: Any, path: DataPath) -> Variable | None:
        data = {"type": value} if isinstance(value, str) else value
        if data is None:
            data = {}
        if not isinstance(data, dict):
            self._problem(f"variables.{name}: must be a type or a mapping", path)
            return None
        self._known(data, _VARIABLE_KEYS, path)
        kind = data.get("type", "string")
        if kind not in _TYPES:
            near = nearest(str(kind), _TYPES)
            advice = f"; did you mean `{near}`?" if near else ""
            inner = path if isinstance(value, str) else (*path, "type")
            self._problem(f"variables.{name}: a type is one of {', '.join(_TYPES)}{advice}", inner)
            return None
        default = sorted_keys(plain(data.get("default")))
        required = data.get("required", default is None)
        if not isinstance(required, bool):
            self._problem(f"variables.{name}.required: must be true or false", (*path, "required"))
            return None
        if required and default is not None:
            self._problem(
                f"variables.{name}: a required variable has no default", (*path, "default")
            )
        elif default is not None and (problem := value_problem(VariableType(kind), default)):
            self._problem(f"variables.{name}.default: {problem}", (*path, "default"))
        description = data.get("description")
        if description is not None and not isinstance(description, str):
            self._problem(f"variables.{name}.description: must be text", (*path, "description"))
            return None
        return Variable(
            name=name,
            type=VariableType(kind),
            required=required,
            default=default,
            description=description or "",
        )

    def _file(self, key: str, named: str, path: DataPath) -> Any:
        """Read the file that a value names."""
        if not named.endswith(SUFFIXES):
            self._problem(f"{key}: names a file that ends in {', '.join(SUFFIXES)}", path)
            return _NOTHING
        return read_data(self._text_of(named, self._where(path)), named)

    def _tools(self) -> tuple[Mapping[str, Any], ...]:
        value = plain(self._data.get("tools"))
        if value is None:
            return ()
        where = self._where(("tools",))
        if isinstance(value, str):
            where, value = f"prompts/{value}", self._file("tools", value, ("tools",))
            if value is _NOTHING:
                return ()
            if isinstance(value, dict):  # YAML files are mappings: `tools:` and the list
                value = value.get("tools", value)
        if not isinstance(value, list):
            self._problem("tools: must be a list of tools, or the path of a file", ("tools",))
            return ()
        found = [self._tool(position, item, where) for position, item in enumerate(value)]
        tools = [tool for tool in found if tool is not _NOTHING]
        names = [_tool_name(tool) for tool in tools]
        for name in sorted({name for name in names if name and names.count(name) > 1}):
            self._problem(f"the tool `{one_line(name)}` is there twice", ("tools",))
        return tuple(tools)

    def _tool(self, position: int, item: Any, where: str) -> Any:
        """Read one tool; `where` is the file of the list when it is another one."""
        at: DataPath = ("tools", position)
        tool = self._file("tools", item, at) if isinstance(item, str) else item
        if tool is not _NOTHING and (problem := _tool_problem(tool)):
            if at not in self._document.marks:
                raise PromptError(f"tool {position + 1}: {problem}", where=where)
            self._problem(f"tool {position + 1}: {problem}", at)
        return tool

    def _schema(self) -> Mapping[str, Any] | None:
        value = plain(self._data.get("output_schema"))
        if isinstance(value, str):
            value = self._file("output_schema", value, ("output_schema",))
        if value is _NOTHING:
            return None
        if value is None or isinstance(value, dict):
            return value
        self._problem("output_schema: must be a JSON Schema or its path", ("output_schema",))
        return None


def _tool_name(tool: Any) -> str | None:
    inner = tool.get("function", tool) if isinstance(tool, dict) else None
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) and name else None


def _tool_problem(tool: Any) -> str | None:
    if not isinstance(tool, dict):
        return "must be a mapping, or the path of a file with one"
    return None if _tool_name(tool) else "has no name"
