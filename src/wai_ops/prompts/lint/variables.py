"""WP016 to WP018: variables of the template against those of the front matter."""

from collections.abc import Iterator

from wai_ops.config.problems import nearest
from wai_ops.core.findings import Finding, Level, Rule
from wai_ops.prompts.lint.look import Look
from wai_ops.prompts.tags import normal_lines

UNDECLARED = Rule(
    id="WP016",
    name="undeclared-variable",
    level=Level.ERROR,
    why="The prompt cannot be rendered: the front matter declares variables, and not this one.",
    fix="Declare it under `variables`, or correct its name.",
)
UNUSED = Rule(
    id="WP017",
    name="unused-variable",
    level=Level.WARNING,
    why="Callers have to give a value that never reaches the model.",
    fix="Remove it from `variables`, or use it.",
)
OPEN = Rule(
    id="WP018",
    name="variables-not-declared",
    level=Level.NOTE,
    why="Without `variables` every name is a required text: a typing error in the template "
    "becomes a variable, and no type is checked.",
    fix="List the variables with their types under `variables`.",
)
RULES = (UNDECLARED, UNUSED, OPEN)


def check_variables(look: Look) -> Iterator[Finding]:
    """Compare what is used with what is declared."""
    declared, used = look.source.front.variables, look.view.used
    if declared is None:
        if used:
            names = ", ".join(f"`{name}`" for name in sorted(used)[:5])
            more = f" and {len(used) - 5} more" if len(used) > 5 else ""
            yield look.in_front(OPEN, "", f"{names}{more}: declared nowhere", hint=OPEN.fix)
        return
    for name, piece in sorted(used.items()):
        if name not in declared:
            near = nearest(name, declared)
            yield look.at(
                UNDECLARED,
                piece,
                f"`{name}` is not declared",
                hint=f"did you mean `{near}`?" if near else UNDECLARED.fix,
                key=name,
            )
    for name in declared:
        if name not in used:
            yield Finding(
                rule=UNUSED.id,
                level=UNUSED.level,
                message=f"`{name}` is declared and never used",
                file=look.source.path,
                line=_line(look, name),
                hint=UNUSED.fix,
                key=name,
            )


def _line(look: Look, name: str) -> int:
    """The line that declares a variable; that of `variables` where it is written in one line."""
    first = look.source.front.lines.get("variables", 1)
    text = normal_lines(next(iter(look.source.files.values()), ""))
    for number, line in enumerate(text.split("\n")[first:], start=first + 1):
        if line.lstrip().removeprefix('"').removeprefix("'").startswith(name):
            rest = line.lstrip(" \"'").removeprefix(name).lstrip("\"' ")
            if rest.startswith(":"):
                return number
        if line and not line[0].isspace():
            break
    return first
