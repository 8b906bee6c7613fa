"""The front matter of dotprompt to that of a prompt here; what has no place is said."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wai_ops.config.rules import model_problem
from wai_ops.config.yaml_strict import DataPath, Document, parse
from wai_ops.prompts.data_files import plain
from wai_ops.prompts.dotprompt.picoschema import to_json_schema
from wai_ops.prompts.dotprompt.said import Said

_FRONT = re.compile(
    r"\A(?P<above>(?:(?:#[^\n]*|[ \t]*)\n)*)---[ \t]*\n(?P<yaml>(?:.*\n)*?)---[ \t]*(?:\n|\Z)"
)
_CONFIG = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "maxOutputTokens": "max_output_tokens",
    "stopSequences": "stop",
    "seed": "seed",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
}
_OURS = "@cf/"


@dataclass
class Front:
    """What the front matter says, as far as it has a place here."""

    model: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    input_schema: Mapping[str, Any] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tools: list[dict[str, Any]] = field(default_factory=list)
    output_schema: Mapping[str, Any] | None = None
    description: str = ""


def split(text: str) -> tuple[str, str, int]:
    """Front matter (empty without one), template, and the line where the template begins."""
    match = _FRONT.match(text)
    if match is None:
        return "", text, 1
    lines = match["above"].count("\n") + 1
    return "\n" * lines + match["yaml"], text[match.end() :], match[0].count("\n") + 1


def read_front(yaml: str, file: str, model: str | None, said: Said) -> Front:
    """Read the YAML, which stands on the lines where the file has it."""
    document = parse(yaml.encode("utf-8", "surrogatepass"), file)
    for problem in document.problems:
        said.refuse(problem.mark.line, problem.message)
    if document.problems:
        return Front(model=model)
    return _Reader(document, model, said).read()


class _Reader:
    def __init__(self, document: Document, model: str | None, said: Said) -> None:
        self._document = document
        self._data: Mapping[str, Any] = plain(document.data or {})
        self._said = said
        self._front = Front(model=model)

    def read(self) -> Front:
        known = {
            "model": self._model,
            "config": self._config,
            "input": self._input,
            "output": self._output,
            "tools": self._tools,
            "toolDefs": self._tool_definitions,
            "description": self._description,
        }
        for key, value in self._data.items():
            if key in known:
                if value is not None:
                    known[key](value)
            else:
                self._left_out((key,), f"`{key}` has no place in a front matter here")
        return self._front

    def _line(self, path: DataPath) -> int:
        marks = self._document.key_marks
        found = marks.get(path) or self._document.marks.get(path)
        return found.line if found else 1

    def _left_out(self, path: DataPath, message: str, hint: str = "") -> None:
        self._said.left_out(self._line(path), message, hint)

    def _model(self, value: Any) -> None:
        if self._front.model is not None:
            return
        if isinstance(value, str) and value.startswith(_OURS) and model_problem(value) is None:
            self._front.model = value
            return
        self._left_out(
            ("model",),
            f"the model {value!s:.80} is none of Workers AI: the project's default holds",
            "import again with --model ID",
        )

    def _config(self, value: Any) -> None:
        for key, item in self._mapping(("config",), value).items():
            name = _CONFIG.get(key)
            if name is None:
                self._left_out(("config", key), f"config.{key} has no counterpart here")
            elif item is not None:
                self._front.parameters[name] = item

    def _input(self, value: Any) -> None:
        data = self._mapping(("input",), value)
        self._front.input_schema = self._schema(("input", "schema"), data.get("schema"))
        default = data.get("default")
        if default is not None:
            self._front.defaults = self._mapping(("input", "default"), default)
        for key in data:
            if key not in ("schema", "default"):
                self._left_out(("input", key), f"input.{key} has no place in a front matter here")

    def _output(self, value: Any) -> None:
        data = self._mapping(("output",), value)
        self._front.output_schema = self._schema(("output", "schema"), data.get("schema"))
        for key, item in data.items():
            if key == "format" and item == "json" and self._front.output_schema is None:
                self._left_out(
                    ("output", key),
                    "output.format: json without a schema holds the model to nothing here",
                    "declare an output_schema",
                )
            elif key == "format" and item in ("json", "text"):
                continue
            elif key != "schema":
                self._left_out(("output", key), f"output.{key}: {item!s:.40} has no place here")

    def _tools(self, value: Any) -> None:
        for name in value if isinstance(value, list) else [value]:
            self._left_out(
                ("tools",),
                f"the tool {name!s:.80} is only named: a prompt here holds its definition",
                "add it under `tools`, or as a file below prompts/",
            )

    def _tool_definitions(self, value: Any) -> None:
        for place, item in enumerate(value if isinstance(value, list) else [value]):
            path: DataPath = ("toolDefs", place)
            if not isinstance(item, dict) or not isinstance(item.get("name"), str):
                self._said.refuse(self._line(path), "a tool is a mapping with a name")
                continue
            function: dict[str, Any] = {"name": item["name"]}
            if item.get("description"):
                function["description"] = item["description"]
            parameters = self._schema((*path, "inputSchema"), item.get("inputSchema"))
            function["parameters"] = parameters or {"type": "object", "properties": {}}
            for key in item:
                if key not in ("name", "description", "inputSchema"):
                    self._left_out((*path, key), f"{key} of the tool {item['name']} is left out")
            self._front.tools.append({"type": "function", "function": function})

    def _description(self, value: Any) -> None:
        self._front.description = str(value)

    def _mapping(self, path: DataPath, value: Any) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        self._said.refuse(self._line(path), f"{'.'.join(map(str, path))} must be a mapping")
        return {}

    def _schema(self, path: DataPath, value: Any) -> Mapping[str, Any] | None:
        if value is None:
            return None
        try:
            return to_json_schema(value)
        except ValueError as error:
            self._said.refuse(self._line(path), f"{'.'.join(map(str, path))}: {error}")
            return None
