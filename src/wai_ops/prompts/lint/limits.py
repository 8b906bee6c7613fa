"""WP010, WP013: what the front matter leaves open."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from wai_ops.core.findings import Finding, Level, Rule
from wai_ops.core.text import one_line
from wai_ops.prompts.lint.look import Look

TOOLS = Rule(
    id="WP010",
    name="tool-order",
    level=Level.WARNING,
    why="Tools are part of the prefix, in their order. In any order but a sorted one they are "
    "soon written, merged or generated in another, and every cache is lost with it.",
    fix="Sort them by name.",
    is_fixable=True,
)
NO_LIMIT = Rule(
    id="WP013",
    name="no-output-limit",
    level=Level.WARNING,
    why="Without a limit the prompt follows whatever default holds where it runs: answers are cut, "
    "or cost more, though no version has changed.",
    fix="Set `parameters.max_output_tokens` in the front matter.",
)
RULES = (TOOLS, NO_LIMIT)


def check_tools(look: Look) -> Iterator[Finding]:
    """Find the first tool that stands before one with a smaller name."""
    names = [tool_name(tool) for tool in look.source.front.tools]
    for before, after in pairwise(names):
        if after < before:
            shown = f"`{one_line(after, 80)}` comes after `{one_line(before, 80)}`"
            yield look.in_front(
                TOOLS, "tools", f"the tools are not sorted by name: {shown}", hint=TOOLS.fix
            )
            return


def tool_name(tool: Mapping[str, Any]) -> str:
    """The name of a tool, bare or wrapped in `function`."""
    inner = tool.get("function", tool)
    return str(inner["name"])


def check_limit(look: Look) -> Iterator[Finding]:
    """Say which default holds where there is no limit."""
    front = look.source.front
    if front.parameters.max_output_tokens is None:
        default = look.options.default_output_tokens
        yield look.in_front(
            NO_LIMIT,
            "parameters",
            f"no max_output_tokens: the default of this project ({default:,}) holds, which is no "
            "part of the version",
            hint=NO_LIMIT.fix,
        )
